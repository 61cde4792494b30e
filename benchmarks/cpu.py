"""A training step of the embedded default on one core: TRL's own trainer and this repository's, on the same rows in one run.

    dvc repro split && python -m benchmarks.cpu       # ->  benchmarks/results/cpu.json
    python -m benchmarks.cpu --scale tiny             # a few steps of random rows on random weights

Seconds of processor time, which other work on the machine does not change, and of the clock; the first step is left out.
"""

import tempfile
import time
from pathlib import Path

import torch

from benchmarks import _common
from stages import template
from stages.files import read_jsonl
from stages.params import load
from stages.trainers import hf


def setting(options):
    """(parameters, template, rows) of the embedded default, or of a tiny run."""
    if options.scale == "tiny":
        params = _common.parameters(options.folder, **{"train.batch_size": 4, "train.accumulation": 1})
        tmpl = template.load(params.model)
        return params, tmpl, _common.rows(60, tmpl)
    params = load(_common.ROOT / "params.yaml")
    return params, template.load(params.model), list(read_jsonl(_common.ROOT / "data/split/train.jsonl"))


class Processor(_common.Watch):
    def __init__(self):
        super().__init__()
        self.processor: list[float] = []

    def on_train_begin(self, *args, **kwargs):
        super().on_train_begin(*args, **kwargs)
        self.used = time.process_time()

    def on_step_end(self, *args, **kwargs):
        super().on_step_end(*args, **kwargs)
        self.processor.append(time.process_time() - self.used)
        self.used += self.processor[-1]


def measured(trainer) -> dict:
    watch = Processor()
    trainer.add_callback(watch)
    trainer.train()
    mean = [sum(values[1:]) / len(values[1:]) for values in (watch.processor, watch.seconds)]
    return {"processor_seconds_per_step": round(mean[0], 3), "seconds_per_step": round(mean[1], 3), "steps": len(watch.seconds) - 1,
            "last_loss": round([entry["loss"] for entry in trainer.state.log_history if "loss" in entry][-1], 4)}


def trl(options) -> dict:
    from trl import SFTConfig, SFTTrainer

    from stages.trainers._fast import EpochSampler

    torch.set_num_threads(1)
    params, tmpl, rows = setting(options)
    train = params.train

    class Ordered(SFTTrainer):  # the same rows in the same order
        def _get_train_sampler(self, train_dataset=None):
            return EpochSampler(params.seed, batch_size=train.batch_size, lengths=[len(ids) for ids in self.train_dataset["input_ids"]])

    data, _ = hf.tokenised(rows, tmpl, train.completion_only_loss)
    with tempfile.TemporaryDirectory() as out:
        config = SFTConfig(
            output_dir=out, seed=params.seed, use_cpu=True, bf16=False, learning_rate=train.learning_rate, lr_scheduler_type=train.schedule,
            warmup_steps=train.warmup, max_steps=options.steps + 1, per_device_train_batch_size=train.batch_size, gradient_checkpointing=False,
            max_length=params.model.max_tokens, logging_steps=10, logging_first_step=True, save_strategy="no", report_to="none", disable_tqdm=True)
        model = hf.load_model(params)
        return measured(Ordered(model=model, args=config, train_dataset=data, processing_class=tmpl.tokenizer, peft_config=hf.adapted(model, params)))


def ours(options, **changes) -> dict:
    torch.set_num_threads(1)
    params, tmpl, rows = setting(options)
    params = params.model_copy(update={"train": params.train.model_copy(update={"steps": options.steps + 1, "save_every": 10000} | changes)})
    with tempfile.TemporaryDirectory() as out:
        return measured(hf.build(rows, [], params, tmpl, Path(out)))


CONTENDERS = {
    "TRL": trl,
    "ours": ours,
    "ours, TRL's head": lambda options: ours(options, sparse_logits=False),
    "ours, padded": lambda options: ours(options, packing=False),
    "ours, packed": lambda options: ours(options, packing=True),
}


def main() -> None:
    options = _common.arguments(__doc__.splitlines()[0], steps=20).parse_args()
    found = _common.contend("benchmarks.cpu", options, CONTENDERS, model=options.scale == "tiny")
    ratios = _common.ratio(found, "TRL", "ours", "processor_seconds_per_step") | _common.ratio(found, "TRL", "ours", "seconds_per_step")
    _common.record(options, "cpu", "Embedded default, one core", found, ratios)


if __name__ == "__main__":
    main()
