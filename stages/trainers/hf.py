"""LoRA through TRL's SFTTrainer and PEFT, in full precision or over 4-bit NF4 weights (QLoRA)."""

import json
import resource
import sys
import time
from pathlib import Path

import torch
from datasets import Dataset, Features, List, Value
from peft import LoraConfig
from transformers import AutoModelForCausalLM, BitsAndBytesConfig, PrinterCallback, TrainerCallback, set_seed
from trl import SFTConfig

from stages import hardware, launch
from stages.console import progress, say
from stages.errors import StageError
from stages.files import write_json
from stages.mask import IGNORED, MaskProof
from stages.params import Params
from stages.template import Template, hub_sentence
from stages.trainers import Trained
from stages.trainers._fast import FastTrainer, Plan

LOG_EVERY = 10  # steps; save_every is a multiple, so that a resumed log equals an unbroken one


def load_model(params: Params):
    """The base model on the device and in the number type that params.model asks for."""
    device, dtype, why = hardware.choose(params.model.dtype)
    say(f"model: {params.model.name} on {device} in {dtype} ({why}), quantize {params.model.quantize}")
    torch_dtype = getattr(torch, dtype)
    if params.train.launcher.strategy == "fsdp":
        device = "cpu"  # the engine gives each GPU its part
    elif device == "cuda":
        device = torch.cuda.current_device()
    quantization = None
    if params.model.quantize == "nf4":
        quantization = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True,
                                          bnb_4bit_compute_dtype=torch_dtype)
    try:
        model = AutoModelForCausalLM.from_pretrained(
            params.model.name, revision=params.model.revision, dtype=torch_dtype, quantization_config=quantization, device_map={"": device})
    except (OSError, ValueError) as error:
        raise StageError(hub_sentence(params.model.name, error)) from None
    return model


def tokenised(rows: list[dict], tmpl: Template, completion_only: bool) -> tuple[Dataset, dict[tuple[int, ...], int]]:
    """(input_ids and labels of rows {"prompt", "completion"}, {tokens of a row: length of its prompt}); no inferred schema."""
    prompts, completions = tmpl.batch_ids([r["prompt"] for r in rows]), tmpl.batch_ids([r["completion"] for r in rows])
    ids, hidden = [p + c for p, c in zip(prompts, completions)], [len(p) if completion_only else 0 for p in prompts]
    data = {"input_ids": ids, "labels": [[IGNORED] * start + row[start:] for row, start in zip(ids, hidden)]}
    known = {tuple(row): len(prompt) for row, prompt in zip(ids, prompts)}
    return Dataset.from_dict(data, features=Features({"input_ids": List(Value("int32")), "labels": List(Value("int32"))})), known


class Counts(TrainerCallback):
    """Keeps in each checkpoint what was counted up to it: a resumed run then reports what an unbroken one does."""

    FILE = "counts.json"

    def __init__(self, trainer: FastTrainer):
        self.trainer = trainer

    def on_save(self, args, state, control, **kwargs):
        if not state.is_world_process_zero:
            return
        counted = {"mask": self.trainer.proof.report(), "tokens": self.trainer._total_train_tokens}
        write_json(Path(args.output_dir) / f"checkpoint-{state.global_step}" / self.FILE, counted)

    def go_on_from(self, checkpoint: str) -> None:
        counted = json.loads((Path(checkpoint) / self.FILE).read_text())
        self.trainer.proof.go_on_from(counted["mask"])
        self.trainer._total_train_tokens = counted["tokens"]


class Bar(TrainerCallback):
    """Progress with time left."""

    def on_train_begin(self, args, state, control, **kwargs):
        self.bar = progress(state.max_steps, "train", "step")
        self.bar.update(state.global_step)

    def on_step_end(self, args, state, control, **kwargs):
        self.bar.update()

    def on_log(self, args, state, control, logs=None, **kwargs):
        if logs and "loss" in logs:
            self.bar.set_postfix(loss=f"{logs['loss']:.3f}")

    def on_train_end(self, args, state, control, **kwargs):
        self.bar.close()


def sharded(model) -> dict:
    """FSDP2 through transformers: each layer a unit, gathered whole into checkpoints and the adapter."""
    names = sorted({type(module).__name__ for module in model.modules()} & set(model._no_split_modules or ()))
    return {"fsdp": True, "fsdp_config": {"version": 2, "transformer_layer_cls_to_wrap": names, "reshard_after_forward": True}}


def config(params: Params, scratch: Path, device: str, dtype: str, plan: Plan, unseen: int, **engine) -> SFTConfig:
    """The trainer's batch is a whole step, of training rows, and all of the validation rows; the plan says in how many passes."""
    train = params.train
    made = SFTConfig(
        output_dir=str(scratch), seed=params.seed, data_seed=params.seed, use_cpu=device == "cpu",
        bf16=device == "cuda" and dtype == "bfloat16", fp16=device == "cuda" and dtype == "float16",
        learning_rate=train.learning_rate, lr_scheduler_type=train.schedule, warmup_steps=train.warmup, num_train_epochs=train.epochs,
        max_steps=train.steps or -1, per_device_train_batch_size=train.batch_size * train.accumulation, per_device_eval_batch_size=max(unseen, 1),
        weight_decay=train.weight_decay, max_grad_norm=train.max_grad_norm,
        optim="adamw_torch_fused" if train.optimizer == "auto" else train.optimizer, completion_only_loss=train.completion_only_loss,
        gradient_checkpointing=plan.checkpointing is True, gradient_checkpointing_kwargs={"use_reentrant": False},
        max_length=None, dataset_kwargs={"skip_prepare_dataset": True},
        logging_steps=LOG_EVERY, logging_first_step=True, save_steps=train.save_every, save_total_limit=2,
        eval_strategy="steps" if unseen else "no", eval_steps=train.eval_every,
        report_to="none", disable_tqdm=True, dataloader_num_workers=0, dataset_num_proc=None,
        ddp_find_unused_parameters=False, logging_nan_inf_filter=False,  # the filter looks at each loss, for which the GPU must stop
        **engine,
    )
    if made.n_gpu > 1:
        say(f"train: on one of {made.n_gpu} GPUs; train.launcher uses more")
        made._n_gpu = 1  # transformers would copy the model to all of them in one process, which TRL refuses
    return made


def last_checkpoint(scratch: Path) -> str | None:
    """The newest checkpoint that was written to its end: the trainer's state and then the counts come last and must be whole."""
    whole = []
    for path in scratch.glob("checkpoint-*"):
        try:
            for name in ("trainer_state.json", Counts.FILE):
                json.loads((path / name).read_text())
            whole.append(path)
        except (OSError, ValueError):
            continue
    return str(max(whole, key=lambda path: int(path.name.split("-")[1]))) if whole else None


def adapted_modules(model, lora) -> dict:
    """LoraConfig's words for train.lora.targets and layers: PEFT takes numbers of layers only beside a list of modules."""
    if lora.layers is None:
        return {"target_modules": lora.targets}
    total, names = model.config.get_text_config().num_hidden_layers, lora.targets
    if names == "all-linear":
        head = model.get_output_embeddings()
        names = sorted({name.rsplit(".")[-1] for name, module in model.named_modules() if isinstance(module, torch.nn.Linear) and module is not head})
    return {"target_modules": names, "layers_to_transform": list(range(max(total - lora.layers, 0), total))}


def adapted(model, params: Params) -> LoraConfig:
    """PEFT's configuration of the adapter."""
    lora = params.train.lora
    return LoraConfig(r=lora.rank, lora_alpha=lora.alpha, lora_dropout=lora.dropout, **adapted_modules(model, lora),
                      use_dora=lora.dora, use_rslora=lora.rslora, task_type="CAUSAL_LM")


def build(rows: list[dict], valid: list[dict], params: Params, tmpl: Template, scratch: Path) -> FastTrainer:
    model = load_model(params)
    device, dtype, _ = hardware.choose(params.model.dtype)
    plan = Plan.of(params, model.config, device)
    for line in plan.said:
        say(f"train: {line}")
    (data, known), (unseen, known_too) = (tokenised(part, tmpl, params.train.completion_only_loss) for part in (rows, valid))
    proof = MaskProof(known | known_too, tmpl.ends, params.train.completion_only_loss, tmpl.tokenizer.decode)
    if tmpl.tokenizer.pad_token_id is None:
        tmpl.tokenizer.pad_token_id = tmpl.ends[0]
    engine = sharded(model) if params.train.launcher.strategy == "fsdp" else {}
    args = config(params, scratch, device, dtype, plan, len(valid), **engine)
    trainer = FastTrainer(
        model=model, args=args, train_dataset=data.with_format("numpy"), eval_dataset=unseen.with_format("numpy") if valid else None,
        processing_class=tmpl.tokenizer, peft_config=adapted(model, params), callbacks=[Bar()], plan=plan, proof=proof,
        longest=max(len(ids) for ids in proof.rows))
    trainer.pop_callback(PrinterCallback)
    if device == "cpu":  # TRL casts adapters over 4-bit weights to bfloat16, which most CPUs multiply slowly
        for parameter in trainer.model.parameters():
            if parameter.requires_grad:
                parameter.data = parameter.data.float()
    return trainer


def train(rows: list[dict], valid: list[dict], params: Params, tmpl: Template, scratch: Path) -> Trained:
    """Trains an adapter on rows {"prompt", "completion"}. Raises StageError when the mask proof fails."""
    hardware.set_threads()
    launch.settle()
    set_seed(params.seed)
    trainer = build(rows, valid, params, tmpl, scratch)
    counts, resume = Counts(trainer), last_checkpoint(scratch)
    trainer.add_callback(counts)
    if resume:
        say(f"train: goes on from {resume}")
        counts.go_on_from(resume)
    start, before, done = time.perf_counter(), trainer.proof.tokens, int(resume.rsplit("-", 1)[1]) if resume else 0
    trainer.train(resume_from_checkpoint=resume)
    seconds = time.perf_counter() - start
    timing = {"seconds": round(seconds, 1), "steps": trainer.state.global_step - done,
              "steps_per_second": round((trainer.state.global_step - done) / seconds, 3),
              "tokens_per_second": round((trainer.proof.tokens - before) / seconds, 1), "peak_memory_gib": peak_memory()}
    return Trained(save(trainer, scratch / "adapter"), deterministic(trainer.state.log_history), trainer.proof.report(), timing)


def peak_memory() -> float:
    """GiB: the GPU's allocated peak, or this process's resident peak."""
    if torch.cuda.is_available():
        return round(torch.cuda.max_memory_allocated() / 2**30, 2)
    scale = 1 if sys.platform == "darwin" else 1024  # ru_maxrss is bytes on macOS, KiB on Linux
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale / 2**30, 2)


def deterministic(history: list[dict]) -> list[dict]:
    """The log without run times: equal over runs on one machine."""
    keep = ("step", "epoch", "loss", "eval_loss", "learning_rate", "grad_norm", "mean_token_accuracy", "eval_mean_token_accuracy", "num_tokens")
    return [row for entry in history if (row := {key: entry[key] for key in keep if key in entry}) and ("loss" in row or "eval_loss" in row)]


def save(trainer: FastTrainer, folder: Path) -> Path:
    """The adapter's two files, byte-stable: PEFT writes its target modules in the order of a set."""
    weights = trainer.accelerator.get_state_dict(trainer.model) if trainer.is_fsdp_enabled else None  # every process has a part
    if launch.rank():
        return folder
    trainer.accelerator.unwrap_model(trainer.model).save_pretrained(folder, state_dict=weights)
    settings = json.loads((folder / "adapter_config.json").read_text())
    for key, value in settings.items():
        if isinstance(value, list):
            settings[key] = sorted(value)
    (folder / "adapter_config.json").write_text(json.dumps(settings, indent=2, sort_keys=True) + "\n")
    (folder / "README.md").unlink(missing_ok=True)  # PEFT's empty model card
    return folder
