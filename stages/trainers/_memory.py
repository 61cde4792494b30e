"""What fits: before the first step, passes forward and back show whether layers compile and how many tokens a pack may have."""

import torch

from stages.console import say
from stages.errors import StageError
from stages.trainers import _packing

SHARE = 0.85  # of the free memory, that a pack may take
SMALL = 2048  # tokens in a pack; smaller ones leave a GPU waiting


def rehearse(trainer, model) -> None:
    """Sets trainer.tokens, checkpointing and compilation to what this machine can do.

    Gradients, counts and random states are left as they were. Raises StageError when the longest row does not fit.
    """
    devices = [trainer.args.device] if trainer.args.device.type == "cuda" else []
    counted, asked = dict(trainer.sums), trainer.tokens
    while True:
        try:
            with torch.random.fork_rng(devices=devices), trainer.accelerator.no_sync(model=model):
                tokens = most(trainer, model) if asked is None else enough(trainer, model)
        except torch._dynamo.exc.TorchDynamoException as error:
            say(f"train: layers not compiled, as torch could not ({' '.join(str(error).split())[:120]})")
            trainer.compile_layers(False)
            continue
        finally:
            model.zero_grad()
            trainer.sums = dict(counted)
        wished = trainer.longest
        if trainer.plan.checkpointing == "auto" and asked is None:  # below SMALL rather recompute
            wished = max(wished, min(SMALL, trainer.args.train_batch_size * trainer.longest))
        if tokens >= wished:
            break
        if trainer.plan.checkpointing != "auto":
            raise StageError(f"a row of {trainer.longest} tokens does not fit this GPU: set train.gradient_checkpointing=true, "
                             "or lower model.max_tokens.")
        trainer.plan.checkpointing = True
        trainer.base.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    if asked is None:
        trainer.tokens = tokens
        say(f"train: packs of up to {tokens} tokens, gradient checkpointing {'on' if trainer.plan.checkpointing is True else 'off'}")


def enough(trainer, model) -> int:
    """The tokens of the longest row where it fits this process's GPU, else 0."""
    try:
        return tried(trainer, model, 1)[0]
    except torch.cuda.OutOfMemoryError:
        return 0


def most(trainer, model) -> int:
    """Tokens that fit one pack on all processes' GPUs, 0 where the longest row does not; found with 1, 2, 4, ... rows, up to a whole step's.

    Doubled until what is left to guess is less than what was seen: one part of a step may take most of the memory of a
    short pack, and another that of a long one.
    """
    seen: list[tuple[int, int]] = []
    rows, limit = 1, trainer.args.train_batch_size
    while True:
        try:
            seen.append(tried(trainer, model, rows))
            fits = True
        except torch.cuda.OutOfMemoryError:
            fits = False
        tokens = fitting(seen[-2:], room(trainer)) if fits else sum(length for length, _ in seen[-1:])
        everywhere = trainer.accelerator.gather(torch.tensor([[tokens, fits]], device=trainer.args.device)).min(dim=0).values
        tokens, fits = everywhere.tolist()
        if not fits or rows >= limit or tokens < 2 * seen[-1][0]:
            return tokens
        rows = min(2 * rows, limit)


def tried(trainer, model, rows: int) -> tuple[int, int]:
    """One pass over so many of the longest rows, each third token no target: (its tokens, the most bytes that it took on a GPU)."""
    labels = torch.arange(trainer.longest) % 3 - 1
    row = torch.zeros(trainer.longest, dtype=torch.long), labels.masked_fill(labels < 0, _packing.IGNORED)
    one = trainer.pack([row] * rows, trainer.processing_class.pad_token_id)
    length, cuda = one["input_ids"].numel(), trainer.args.device.type == "cuda"
    model.zero_grad()
    if cuda:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated() if cuda else 0
    trainer.one_pass(model, one, length)
    return length, torch.cuda.max_memory_allocated() - before if cuda else 0


def room(trainer) -> float:
    """Bytes on this process's GPU that packs may take, once the optimiser has its own."""
    free, total = torch.cuda.mem_get_info()
    held = torch.cuda.memory_allocated() - sum(p.grad.nbytes for p in trainer.base.parameters() if p.grad is not None)
    trained = sum(p.numel() * 12 for p in trainer.base.parameters() if p.requires_grad)  # gradient, and AdamW's two moments in float32
    return SHARE * (min(free + torch.cuda.memory_reserved(), total * torch.cuda.get_per_process_memory_fraction()) - held - trained)


def fitting(seen: list[tuple[int, int]], room: float) -> int:
    """Tokens for which so many bytes are room, on the line through one or two pairs of (tokens, bytes); a multiple of ROUND, at least 0."""
    (length, first), (double, second) = seen[0], seen[-1]
    each = (second - first) / (double - length) if double > length and second > first else second / double
    return max(0, int(double + (room - second) / each)) // _packing.ROUND * _packing.ROUND
