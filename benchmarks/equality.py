"""Losses of 50 steps: TRL's own trainer, padded, and this repository's with all that the hardware allows, on equal rows in equal order.

    python -m benchmarks.equality                       # 4B shape, on a CUDA machine   ->  benchmarks/results/equality.json
    python -m benchmarks.equality --weights embedded    # models/embedded, likewise     ->  benchmarks/results/equality-embedded.json
    python -m benchmarks.equality --scale tiny          # on any CPU, in float32

All start from the same adapter, which is not zero, and see each row once: random words for random weights, which learn smoothly at a low
rate alone, and for the embedded model the sample rows of data/samples at the published recipe's rate. How far TRL comes from itself with
another attention kernel says what bfloat16 alone does to a loss.
"""

import tempfile
from pathlib import Path

import torch
from transformers import set_seed

from benchmarks import _common
from stages.files import read_jsonl
from stages.trainers import hf

ROWS = 8  # a step
RATES = {"random": 1e-5, "embedded": 1e-4}


def setting(options, **changes):
    accumulation, embedded = 2, options.weights == "embedded"
    steps = {"train.steps": options.steps, "train.batch_size": ROWS // accumulation, "train.accumulation": accumulation,
             "train.learning_rate": RATES[options.weights], "train.warmup": 5}
    params = _common.parameters(_common.ROOT / "models/embedded" if embedded else options.folder, **steps | changes)
    tmpl = _common.template.load(params.model)
    set_seed(params.seed)
    count = options.steps * ROWS
    return params, tmpl, samples(tmpl, params.model.max_tokens)[:count] if embedded else _common.rows(count, tmpl)


def samples(tmpl, longest: int) -> list[dict]:
    """{"prompt", "completion"} of the sample rows: what was said last, and all that came before it."""
    read = {name: list(read_jsonl(_common.ROOT / f"data/samples/{name}.jsonl")) for name in ("xlam", "hermes", "glaive")}
    pairs = [(f"{row['tools']}\n{row['query']}\n", row["answers"]) for row in read["xlam"]]
    pairs += [("\n".join(turn["value"] for turn in row["conversations"][:-1]) + "\n", row["conversations"][-1]["value"]) for row in read["hermes"]]
    for row in read["glaive"]:
        before, name, last = row["chat"].rpartition("ASSISTANT:")
        pairs.append((f"{row['system']}\n{before}{name}", last.replace("<|endoftext|>", "")))
    rows = [{"prompt": prompt, "completion": answer + tmpl.tokenizer.eos_token} for prompt, answer in pairs]
    return [row for row in rows if len(tmpl.ids(row["prompt"] + row["completion"])) <= longest]


def losses(trainer) -> dict:
    torch.manual_seed(3)
    for name, parameter in sorted(trainer.model.named_parameters()):
        if "lora_B" in name:
            parameter.data = (torch.randn(parameter.shape) * 0.02).to(parameter)
    trainer.args.logging_steps = 1
    trainer.train()
    every = [round(entry["loss"], 6) for entry in trainer.state.log_history if "loss" in entry]
    return {"first_loss": every[0], "last_loss": every[-1], "losses": every}


def trl(options, attention: str = "sdpa") -> dict:
    from trl import SFTConfig, SFTTrainer

    from stages.trainers._fast import EpochSampler

    params, tmpl, rows = setting(options)
    train, gpu = params.train, torch.cuda.is_available()

    class Ordered(SFTTrainer):  # the same rows in the same order
        def _get_train_sampler(self, train_dataset=None):
            lengths = [len(ids) for ids in self.train_dataset["input_ids"]]
            return EpochSampler(params.seed, batch_size=train.batch_size * train.accumulation, lengths=lengths)

    data, _ = hf.tokenised(rows, tmpl, train.completion_only_loss)
    model = hf.load_model(params)
    model.set_attn_implementation(attention)
    with tempfile.TemporaryDirectory() as out:
        config = SFTConfig(
            output_dir=out, seed=params.seed, use_cpu=not gpu, bf16=gpu, learning_rate=train.learning_rate, lr_scheduler_type=train.schedule,
            warmup_steps=train.warmup, max_steps=train.steps, per_device_train_batch_size=train.batch_size,
            gradient_accumulation_steps=train.accumulation, gradient_checkpointing=False, max_length=params.model.max_tokens, save_strategy="no",
            report_to="none", disable_tqdm=True)
        return losses(Ordered(model=model, args=config, train_dataset=data, processing_class=tmpl.tokenizer, peft_config=hf.adapted(model, params)))


def ours(options, **changes) -> dict:
    params, tmpl, rows = setting(options, **changes)
    with tempfile.TemporaryDirectory() as out:
        trainer = hf.build(rows, [], params, tmpl, Path(out))
        return losses(trainer) | {"attention": trainer.plan.attention, "compiled": trainer.plan.compiled}


CONTENDERS = {"TRL": trl, "TRL, eager attention": lambda options: trl(options, "eager"), "ours": ours}


def main() -> None:
    parser = _common.arguments(__doc__.splitlines()[0], steps=50)
    parser.add_argument("--weights", choices=RATES, default="random")
    options = parser.parse_args()
    found = _common.contend("benchmarks.equality", options, CONTENDERS, model=options.weights == "random")
    ratios = {}
    for name in [name for name in found if name != "TRL" and "losses" in found[name] and "losses" in found.get("TRL", {})]:
        apart = [abs(a - b) / b for a, b in zip(found[name]["losses"], found["TRL"]["losses"])]
        ratios[f"{name}: a step's loss apart from TRL's, at most"] = max(apart)
        ratios[f"{name}: the same, mean of {len(apart)} steps"] = sum(apart) / len(apart)
    claim = "equality" if options.weights == "random" else "equality-embedded"
    _common.record(options, claim, "Losses of the fast path and of TRL", found, ratios)


if __name__ == "__main__":
    main()
