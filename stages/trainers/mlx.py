"""LoRA through mlx-lm's own trainer; on Apple's GPU, or with the CPU build on Linux (slow: for small models)."""

import json
import time
from pathlib import Path

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim
import numpy
from mlx.utils import tree_flatten
from mlx_lm import load
from mlx_lm.tuner.callbacks import TrainingCallback
from mlx_lm.tuner.trainer import TrainingArgs, iterate_batches
from mlx_lm.tuner.trainer import train as mlx_train
from mlx_lm.tuner.utils import linear_to_lora_layers

from stages.console import say
from stages.errors import StageError
from stages.mask import IGNORED, MaskProof
from stages.params import Params
from stages.template import Template, hub_sentence
from stages.trainers import Trained

LOG_EVERY = 10  # steps


def supervised_loss(model, batch, spans):
    """Mean cross-entropy over the supervised targets, and their number.

    batch: (rows, tokens) ids; spans: (rows, 2), the first supervised token and the row's length. mlx-lm's own mask
    takes in the padding token after each row, so that a batch's loss would depend on its padding.
    """
    logits, targets = model(batch[:, :-1]), batch[:, 1:]
    place = mx.arange(1, batch.shape[1])
    mask = mx.logical_and(place >= spans[:, 0:1], place < spans[:, 1:])
    losses = nn.losses.cross_entropy(logits, targets).astype(mx.float32) * mask
    return losses.sum() / mask.sum(), mask.sum()


class Log(TrainingCallback):
    """Loss by step as rows of the loss log, times left out."""

    def __init__(self):
        self.rows, self.tokens, self.peak = [], 0, 0.0

    def on_train_loss_report(self, info: dict) -> None:
        self.rows.append({"step": info["iteration"], "loss": float(info["train_loss"]), "learning_rate": float(info["learning_rate"]),
                          "num_tokens": self.tokens})
        self.peak = info["peak_memory"] * 1e9 / 2**30
        say(f"train: step {info['iteration']}, loss {info['train_loss']:.3f}")

    def on_val_loss_report(self, info: dict) -> None:
        self.rows.append({"step": info["iteration"], "eval_loss": float(info["val_loss"])})


def refuse(params: Params) -> None:
    """mlx-lm has no word for some parameters: better none than one that is read and ignored."""
    train = params.train
    for key, ok in (("train.lora.rslora", not train.lora.rslora), ("train.optimizer", train.optimizer in ("auto", "adamw_torch", "adafactor")),
                    ("train.schedule", train.schedule in ("linear", "cosine", "constant")), ("model.quantize", params.model.quantize == "none"),
                    ("train.lora.targets", train.lora.targets == "all-linear"),
                    ("train.packing", train.packing is not True), ("train.attention", train.attention == "auto"),
                    ("train.compile", train.compile == "auto"), ("train.sparse_logits", train.sparse_logits),
                    ("train.batch_tokens", train.batch_tokens is None)):
        if not ok:
            raise StageError(f"{key} is set to what train.backend=mlx does not offer: take it back, or use train.backend=hf.")


def schedule(params: Params, steps: int):
    """The learning rate by step: warm-up from zero, then linear or cosine to zero, or constant."""
    train = params.train
    warmup = int(train.warmup if train.warmup >= 1 else train.warmup * steps)
    rest = max(steps - warmup, 1)
    if train.schedule == "linear":
        after = optim.linear_schedule(train.learning_rate, 0.0, rest)
    elif train.schedule == "cosine":
        after = optim.cosine_decay(train.learning_rate, rest)
    else:
        after = lambda _: mx.array(train.learning_rate)  # noqa: E731
    return optim.join_schedules([optim.linear_schedule(0.0, train.learning_rate, warmup), after], [warmup]) if warmup else after


def optimizer(params: Params, steps: int):
    """As torch's: AdamW with bias correction, and gradients clipped to train.max_grad_norm; mlx-lm's trainer does neither."""
    train, rate = params.train, schedule(params, steps)
    kind = optim.Adafactor if train.optimizer == "adafactor" else optim.AdamW

    class Clipped(kind):
        def apply_gradients(self, gradients, parameters):
            return super().apply_gradients(optim.clip_grad_norm(gradients, train.max_grad_norm)[0], parameters)

    if train.optimizer == "adafactor":
        return Clipped(rate, weight_decay=train.weight_decay, relative_step=False)
    return Clipped(rate, weight_decay=train.weight_decay, bias_correction=True)


def tokenised(rows: list[dict], tmpl: Template, completion_only: bool) -> list[tuple[list[int], int]]:
    """[(ids, first supervised token)] of rows {"prompt", "completion"}."""
    prompts, completions = tmpl.batch_ids([r["prompt"] for r in rows]), tmpl.batch_ids([r["completion"] for r in rows])
    return [(p + c, len(p) if completion_only else 1) for p, c in zip(prompts, completions)]


def proved(proof: MaskProof, log: Log):
    """mlx-lm's batches, each row checked before the loss is computed on it; counts the tokens of the training rows."""

    def batches(*args, loop=False, **kwargs):
        for batch, spans in iterate_batches(*args, loop=loop, **kwargs):  # mlx-lm loops over training rows alone
            log.tokens += sum(spans[:, 1].tolist()) if loop else 0
            for ids, (first, length) in zip(batch.tolist(), spans.tolist()):
                start = first if proof.completion_only else 0
                labels = [IGNORED] * start + ids[start:length]
                proof.check(ids[:length], labels)
            proof.batches += 1
            yield batch, spans

    return batches


def train(rows: list[dict], valid: list[dict], params: Params, tmpl: Template, scratch: Path) -> Trained:
    """Trains an adapter on rows {"prompt", "completion"}; mlx-lm keeps no optimiser state, so nothing is resumed."""
    refuse(params)
    mx.random.seed(params.seed)
    numpy.random.seed(params.seed)  # mlx-lm shuffles its batches with it
    try:
        model, _ = load(params.model.name, revision=params.model.revision)
    except (OSError, ValueError) as error:
        raise StageError(hub_sentence(params.model.name, error)) from None
    if not mx.metal.is_available():
        model.set_dtype(mx.float32)
        mx.disable_compile()  # the CPU build's compiled step fails with a map lookup error (mlx 0.32)
    settings, lora = params.train, params.train.lora
    steps = settings.steps or int(len(rows) * settings.epochs / settings.batch_size)
    layers = min(lora.layers or len(model.layers), len(model.layers))
    lora_config = {"rank": lora.rank, "scale": lora.alpha / lora.rank, "dropout": lora.dropout}
    model.freeze()
    linear_to_lora_layers(model, layers, lora_config, use_dora=lora.dora)
    data, unseen = (tokenised(part, tmpl, settings.completion_only_loss) for part in (rows, valid))
    starts = tokenised(rows + valid, tmpl, True)
    proof = MaskProof({tuple(ids): first for ids, first in starts}, tmpl.ends, settings.completion_only_loss, tmpl.tokenizer.decode)
    folder, log = scratch / "adapter", Log()
    folder.mkdir(parents=True, exist_ok=True)
    optimiser = optimizer(params, steps)
    args = TrainingArgs(batch_size=settings.batch_size, iters=steps * settings.accumulation, val_batches=-1, steps_per_report=LOG_EVERY,
                        steps_per_eval=settings.eval_every, steps_per_save=10**9, max_seq_length=params.model.max_tokens,
                        adapter_file=str(folder / "adapters.safetensors"), grad_checkpoint=settings.gradient_checkpointing is True,
                        grad_accumulation_steps=settings.accumulation)
    start = time.perf_counter()
    mlx_train(model, optimiser, data, unseen or None, args, supervised_loss, proved(proof, log), log)
    seconds = time.perf_counter() - start
    mx.save_safetensors(str(folder / "adapters.safetensors"), dict(tree_flatten(model.trainable_parameters())))
    config = {"base_model_name_or_path": params.model.name, "fine_tune_type": "dora" if lora.dora else "lora", "num_layers": layers,
              "lora_parameters": lora_config}
    (folder / "adapter_config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
    timing = {"seconds": round(seconds, 1), "steps": steps, "steps_per_second": round(steps / seconds, 3),
              "tokens_per_second": round(proof.tokens / seconds, 1), "peak_memory_gib": round(log.peak, 2)}
    return Trained(folder, log.rows, proof.report(), timing)
