"""Losses of 50 steps: TRL's own trainer, padded, and this repository's with all that the hardware allows, on equal rows in equal order.

    python -m benchmarks.equality                 # on a CUDA machine, in bfloat16    ->  benchmarks/results/equality.json
    python -m benchmarks.equality --scale tiny    # on any CPU, in float32

The weights are those of models/embedded (random ones at the tiny scale); both start from the same adapter, which is not zero.
"""

import tempfile
from pathlib import Path

import torch
from transformers import set_seed

from benchmarks import _common
from stages.files import read_jsonl
from stages.trainers import hf


def setting(options, **changes):
    steps = {"train.steps": options.steps, "train.batch_size": 4, "train.accumulation": 2, "train.learning_rate": 2e-4, "train.warmup": 5}
    params = _common.parameters(options.folder if options.scale == "tiny" else _common.ROOT / "models/embedded", **steps | changes)
    tmpl = _common.template.load(params.model)
    set_seed(params.seed)
    return params, tmpl, rows(tmpl, 200)


def rows(tmpl, count: int) -> list[dict]:
    """{"prompt", "completion"} of the sample rows in xLAM's format: text from which a few steps learn something."""
    made = []
    for row in read_jsonl(_common.ROOT / "data/samples/xlam.jsonl"):
        one = {"prompt": f"{row['tools']}\n{row['query']}\n", "completion": row["answers"] + tmpl.tokenizer.eos_token}
        if len(tmpl.ids(one["prompt"] + one["completion"])) <= 640:
            made.append(one)
    return made[:count]


def losses(trainer) -> dict:
    torch.manual_seed(3)
    for name, parameter in sorted(trainer.model.named_parameters()):
        if "lora_B" in name:
            parameter.data = (torch.randn(parameter.shape) * 0.02).to(parameter)
    trainer.args.logging_steps = 1
    trainer.train()
    return {"losses": [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]}


def trl(options) -> dict:
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


CONTENDERS = {"TRL": trl, "ours": ours}


def main() -> None:
    options = _common.arguments(__doc__.splitlines()[0], steps=50).parse_args()
    found = _common.contend("benchmarks.equality", options, CONTENDERS, model=options.scale == "tiny")
    ratios = {}
    if all("losses" in figures for figures in found.values()):
        pairs = list(zip(found["ours"]["losses"], found["TRL"]["losses"]))
        ratios = {"steps": float(len(pairs)), "largest relative difference of a step's loss": max(abs(a - b) / b for a, b in pairs)}
    for figures in found.values():
        if "losses" in figures:
            every = figures.pop("losses")
            figures |= {"first_loss": every[0], "last_loss": every[-1]}
    _common.record(options, "equality", "Losses of the fast path and of TRL", found, ratios)


if __name__ == "__main__":
    main()
