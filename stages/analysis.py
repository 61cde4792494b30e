"""What a training did, in figures: read from its loss log, its rows, its mask proof and its adapter.

    analyse([{"step": 1, "loss": 2.0, "num_tokens": 900}, ...]) -> Analysis(first=2.0, last=0.4, ...)

Equal runs give equal figures. Speed and memory are no part of it, as they differ between equal runs: the trainers leave
them in models/.timing/train.json, which DVC does not hash.
"""

import math
import statistics
from dataclasses import dataclass
from pathlib import Path

WINDOW = 5  # logged losses in the running mean
NEAR = 0.05  # "converged": within this share of the final value
SHARES = (0.05, 0.25, 0.5, 0.75, 0.95, 0.99)


@dataclass(frozen=True)
class Analysis:
    """What a loss log says. Losses are means over supervised tokens, in nats; steps are optimiser steps.

    smoothed: (step, mean of the last WINDOW logged losses). final: its last value.
    converged: the first logged step from which `smoothed` stays within NEAR of `final`; None where the loss did not fall.
    variation: sample standard deviation over mean, of the last quarter of the logged losses; None for one loss.
    """

    steps: int
    first: float
    last: float
    final: float
    reduction: float
    converged: int | None
    variation: float | None
    tokens: int | None
    unseen: list[tuple[int, float]]  # (step, loss on the validation rows)
    smoothed: list[tuple[int, float]]

    @property
    def unseen_reduction(self) -> float | None:
        return _reduction(self.unseen[0][1], self.unseen[-1][1]) if self.unseen else None


def analyse(log: list[dict]) -> Analysis | None:
    """From the rows of models/log/loss.jsonl; None when no finite loss was logged."""
    points = [(row["step"], row["loss"]) for row in log if math.isfinite(row.get("loss", math.nan))]
    if not points:
        return None
    losses = [loss for _, loss in points]
    smoothed = [(step, statistics.fmean(losses[max(0, place - WINDOW + 1) : place + 1])) for place, (step, _) in enumerate(points)]
    quarter = losses[-max(1, len(losses) // 4):]
    return Analysis(
        steps=max(row["step"] for row in log if "step" in row),
        first=losses[0],
        last=losses[-1],
        final=smoothed[-1][1],
        reduction=_reduction(losses[0], losses[-1]),
        converged=_converged(smoothed, losses[0]),
        variation=statistics.stdev(quarter) / statistics.fmean(quarter) if len(quarter) > 1 and any(quarter) else None,
        tokens=max((int(row["num_tokens"]) for row in log if "num_tokens" in row), default=None),
        unseen=[(row["step"], row["eval_loss"]) for row in log if math.isfinite(row.get("eval_loss", math.nan))],
        smoothed=smoothed,
    )


def _reduction(first: float, last: float) -> float:
    return (first - last) / first if first else 0.0


def _converged(smoothed: list[tuple[int, float]], first: float) -> int | None:
    final = smoothed[-1][1]
    if final >= first:
        return None
    found = None
    for step, mean in smoothed:
        found = (found or step) if abs(mean - final) <= NEAR * final else None
    return found


def spread(values: list[int]) -> dict:
    """Shortest, longest, mean and the SHARES quantiles of token counts (nearest rank: a count that occurs)."""
    ordered = sorted(values) or [0]
    ranks = {f"p{round(100 * share):02d}": ordered[math.ceil(share * len(ordered)) - 1] for share in SHARES}
    return {"min": ordered[0], **ranks, "max": ordered[-1], "mean": round(statistics.fmean(ordered), 2)}


def adapter_bytes(folder: str | Path) -> int:
    """Bytes of an adapter's weights and settings (adapter*.safetensors, adapter_config.json)."""
    return sum(path.stat().st_size for path in Path(folder).glob("adapter*") if path.is_file())


def figures(log: list[dict], mask: dict, rows: list[dict], adapter: int) -> dict:
    """metrics/train.json. rows: data/split/train.jsonl; adapter: its bytes. Losses in nats a supervised token."""
    found = analyse(log)
    lengths = {"row": [row["prompt_tokens"] + row["completion_tokens"] for row in rows],
               "prompt": [row["prompt_tokens"] for row in rows], "completion": [row["completion_tokens"] for row in rows]}
    made = {"rows": len(rows), "adapter_bytes": adapter, "supervised_share": mask["supervised_share"],
            "tokens": {name: spread(values) for name, values in lengths.items()}}
    if found is None:
        return made
    unseen = {"valid_first": found.unseen[0][1], "valid_last": found.unseen[-1][1], "valid_lowest": min(loss for _, loss in found.unseen),
              "valid_reduction": found.unseen_reduction} if found.unseen else {}
    loss = {"first": found.first, "last": found.last, "final": found.final, "reduction": found.reduction, "variation": found.variation} | unseen
    return {"steps": found.steps, "tokens_seen": found.tokens, "converged_at_step": found.converged,
            "loss": {name: None if value is None else round(value, 6) for name, value in loss.items()}} | made
