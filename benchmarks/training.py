"""LoRA training at the 4B shape: TRL as the recipe is published, TRL packed with Liger kernels, and this repository, in one run.

    python -m benchmarks.training                    # on a CUDA machine    ->  benchmarks/results/training.json
    python -m benchmarks.training --quantize nf4     # QLoRA                ->  benchmarks/results/nf4.json
    python -m benchmarks.training --scale tiny       # that it runs, on any CPU

Real tokens a second (padding is not counted), after warm-up; MFU counts 4 x 3.6e9 operations a token against 790 TFLOP/s.
"""

import tempfile
from pathlib import Path

import torch

from benchmarks import _common
from stages import launch
from stages.trainers import hf

PUBLISHED, BIG = 8, {"full": 56, "tiny": 8}  # rows a step: 2 x 4 as the recipe is published; 56 fill a pass of 22,000 tokens


def measured(trainer, options, tokens_of) -> dict:
    """Trains, and gives the figures of the steps after warm-up. tokens_of: the trainer -> real tokens that it has seen."""
    watch, seen = _common.Watch(1, options.warmup, options.warmup + options.steps), []

    class Tokens(_common.TrainerCallback):
        def on_step_end(self, args, state, control, **kwargs):
            seen.append(tokens_of(trainer))

    trainer.add_callback(watch)
    trainer.add_callback(Tokens())
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    trainer.train()
    tokens, seconds = seen[-1] - seen[options.warmup - 1], sum(watch.seconds[options.warmup :])
    figures = {"tokens_per_second": round(tokens / seconds, 1), "seconds_per_step": round(seconds / (len(seen) - options.warmup), 4),
               "peak_gib": _common.peak_gib(), "first_step_seconds": round(watch.seconds[0], 1),
               "loss": [round(entry["loss"], 4) for entry in trainer.state.log_history if "loss" in entry][-1]}
    if torch.cuda.is_available() and options.scale == "full":
        figures["mfu"] = round(figures["tokens_per_second"] * _common.OPERATIONS / _common.PEAK / trainer.accelerator.num_processes, 4)
    return figures


def trl(options, **settings) -> dict:
    """TRL's own trainer; its tokens are counted without padding where it pads, and with it nowhere else."""
    from peft import prepare_model_for_kbit_training
    from trl import SFTConfig, SFTTrainer

    params, gpu = _common.parameters(options.folder, **{"model.quantize": options.quantize}), torch.cuda.is_available()
    tmpl = _common.tokenizer(options.folder)
    data, _ = hf.tokenised(_common.rows(settings.pop("rows"), tmpl), tmpl, True)
    model = hf.load_model(params)
    if attention := settings.pop("attention", None):
        model.set_attn_implementation(attention)
    if options.quantize != "none":  # as QLoRA is published
        model = prepare_model_for_kbit_training(model, use_gradient_checkpointing=settings["gradient_checkpointing"])
    with tempfile.TemporaryDirectory() as out:
        config = SFTConfig(
            output_dir=out, max_steps=options.warmup + options.steps, learning_rate=1e-4, lr_scheduler_type="cosine", max_length=1024, bf16=gpu,
            use_cpu=not gpu, logging_steps=10, logging_first_step=True, save_strategy="no", report_to="none", disable_tqdm=True, seed=42, **settings)
        trainer = SFTTrainer(model=model, args=config, train_dataset=data, processing_class=tmpl.tokenizer, peft_config=hf.adapted(model, params))
        return measured(trainer, options, lambda trainer: trainer._total_train_tokens) | {"rows": config.per_device_train_batch_size}


def published(options) -> dict:
    return trl(options, rows=2000 if options.scale == "full" else 60, per_device_train_batch_size=2, gradient_accumulation_steps=4,
               gradient_checkpointing=True)


def packed_liger(options, attention: str) -> dict:
    """TRL tuned: its packing, Liger kernels where they run, batch 8; checkpointing only over 4-bit weights, as in the issue's figures."""
    gpu = torch.cuda.is_available()
    return trl(options, rows=4000 if options.scale == "full" else 200, per_device_train_batch_size=8, gradient_accumulation_steps=1, packing=True,
               use_liger_kernel=gpu, gradient_checkpointing=options.quantize != "none", attention=attention)


def ours(options, **changes) -> dict:
    """This repository's trainer; `changes` are parameters."""
    if torch.cuda.is_available():
        launch.settle()
        if options.gib:
            torch.cuda.set_per_process_memory_fraction(options.gib * 2**30 / torch.cuda.get_device_properties(0).total_memory)
    fixed = {"model.quantize": options.quantize, "train.steps": options.warmup + options.steps, "train.batch_size": BIG[options.scale],
             "train.accumulation": 1}
    params, tmpl = _common.parameters(options.folder, **fixed | changes), _common.tokenizer(options.folder)
    with tempfile.TemporaryDirectory() as out:
        trainer = hf.build(_common.rows(2000 if options.scale == "full" else 200, tmpl), [], params, tmpl, Path(out))
        figures = measured(trainer, options, lambda trainer: trainer._total_train_tokens)
    return figures | {"rows": params.train.batch_size * params.train.accumulation, "budget": trainer.tokens,
                      "checkpointing": trainer.plan.checkpointing is True, "attention": trainer.plan.attention}


CONTENDERS = {
    "TRL as published": published,
    "TRL packed, Liger, sdpa": lambda options: packed_liger(options, "sdpa"),
    "TRL packed, Liger, flex": lambda options: packed_liger(options, "flex_attention"),
    "ours": ours,
    "ours, 40 rows a step": lambda options: ours(options, **{"train.batch_size": 40}),
    "ours, flex attention": lambda options: ours(options, **{"train.attention": "flex"}),
    "ours, 8 rows a step": lambda options: ours(options, **{"train.batch_size": PUBLISHED}),
}
CPU = ("TRL as published", "ours")


def main() -> None:
    parser = _common.arguments(__doc__.splitlines()[0], steps=10, warmup=5, gib=0.0)
    parser.add_argument("--quantize", choices=("none", "nf4"), default="none")
    options = parser.parse_args()
    if not options.only and not torch.cuda.is_available():
        options.only = list(CPU)
    found = _common.contend("benchmarks.training", options, CONTENDERS)
    best = max((name for name in found if name.startswith("TRL packed")), key=lambda name: found[name].get("tokens_per_second", 0), default=None)
    ratios = _common.ratio(found, "ours", "TRL as published", "tokens_per_second")
    ratios |= _common.ratio(found, "ours", best, "tokens_per_second") if best else {}
    ratios |= _common.ratio(found, "ours", "TRL as published", "peak_gib")
    claim = "training" if options.quantize == "none" else "nf4"
    claim += f"-{options.gib:g}gib" if options.gib else ""
    _common.record(options, claim, f"{'LoRA in bfloat16' if options.quantize == 'none' else 'QLoRA over NF4 weights'} at the 4B shape", found, ratios)


if __name__ == "__main__":
    main()
