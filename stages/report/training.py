"""The sections about the training: loss curve and its analysis, sequence lengths, mask proof.

    analyse([{"step": 1, "loss": 2.0, "num_tokens": 900}, ...]) -> Analysis(first=2.0, last=0.4, ...)
"""

import math
import statistics
from dataclasses import dataclass

from stages.params import Train
from stages.report.markup import Safe, Section, count, fold, join, percent, section, table, tag

WINDOW = 5  # logged losses in the running mean
NEAR = 0.1  # "converged": within this share of the whole fall above the final level


@dataclass(frozen=True)
class Analysis:
    """What a loss log says. Losses are means over supervised tokens, in nats; steps are optimiser steps.

    final: the mean of the last quarter of the logged losses. converged: the first logged step from which the
    running mean of WINDOW losses stays within NEAR of the fall (first - final) above `final`; None where the
    loss did not fall. variation: sample standard deviation over mean, of the last quarter; None for one loss.
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


def analyse(log: list[dict]) -> Analysis | None:
    """From the rows of models/log/loss.jsonl; None when no finite loss was logged."""
    points = [(row["step"], row["loss"]) for row in log if math.isfinite(row.get("loss", math.nan))]
    if not points:
        return None
    losses = [loss for _, loss in points]
    quarter = losses[-max(1, len(losses) // 4):]
    final = statistics.fmean(quarter)
    return Analysis(
        steps=max(row["step"] for row in log if "step" in row),
        first=losses[0],
        last=losses[-1],
        final=final,
        reduction=(losses[0] - losses[-1]) / losses[0] if losses[0] else 0.0,
        converged=_converged(points, final),
        variation=statistics.stdev(quarter) / final if len(quarter) > 1 and final else None,
        tokens=max((int(row["num_tokens"]) for row in log if "num_tokens" in row), default=None),
        unseen=[(row["step"], row["eval_loss"]) for row in log if math.isfinite(row.get("eval_loss", math.nan))],
    )


def _converged(points: list[tuple[int, float]], final: float) -> int | None:
    losses = [loss for _, loss in points]
    if losses[0] <= final:
        return None
    near, found = final + NEAR * (losses[0] - final), None
    for place, (step, _) in enumerate(points):
        mean = statistics.fmean(losses[max(0, place - WINDOW + 1):place + 1])
        found = (found or step) if mean <= near else None
    return found


def training(log: list[dict], train: Train, picture: Safe) -> Section:
    """Curve, analysis and the parameters that shaped it. Run time is left out: it differs between equal runs."""
    found = analyse(log)
    if found is None:
        return section("training", "Training", tag("p", "models/log/loss.jsonl holds no finite loss: nothing can be said of this training."))
    where = f"step {count(found.converged)} of {count(found.steps)}" if found.converged is not None else "none: the loss did not fall"
    rows = [
        ["loss, first to last", f"{found.first:.3f} → {found.last:.3f}", "nats a supervised token, as logged"],
        ["loss reduction", percent(found.reduction), "of the first logged loss"],
        ["convergence point", where,
         f"from here the running mean of {WINDOW} logged losses stays within a tenth of the whole fall of the final level"],
        ["final level", f"{found.final:.3f}", "mean of the last quarter of the logged losses"],
        ["coefficient of variation", percent(found.variation), "standard deviation over mean, in the last quarter: how noisy the end is"],
        ["tokens seen", count(found.tokens) if found.tokens else "not logged", "by the trainer, padding left out"],
    ]
    if found.unseen:
        step, best = min(found.unseen, key=lambda point: (point[1], point[0]))
        rows.append(["loss on validation rows", f"{found.unseen[0][1]:.3f} → {found.unseen[-1][1]:.3f}",
                     f"first to last; the lowest is {best:.3f}, at step {count(step)}"])
    else:
        rows.append(["loss on validation rows", "not measured", "split.valid is 0"])
    note = ("Run time and speed are left out, as equal runs differ in them and this page does not: "
            "models/.timing/train.json has them where the training ran, and `python -m stages.cost` prints them.")
    return section("training", "Training", picture, table("The training in figures", ["figure", "value", "what it is"], rows, "facts", note),
                   fold("training parameters", table("Training parameters", ["parameter", "value"], _flat("train", train.model_dump()), "facts")))


def _flat(prefix: str, values: dict) -> list[list]:
    rows = []
    for key, value in values.items():
        name = f"{prefix}.{key}"
        rows += _flat(name, value) if isinstance(value, dict) else [[tag("code", name), "none" if value is None else value]]
    return rows


def lengths(formatted: dict, picture: Safe) -> Section:
    """Token counts of the prompts and completions that passed the format gate."""
    parts = {"prompt": "prompt_tokens", "completion": "completion_tokens"}
    rows = [[name, *(count(formatted[key][which]) for which in ("min", "median", "p95", "max"))] for name, key in parts.items()]
    head = ["tokens in a", "shortest", "median", "95th percentile", "longest"]
    return section("lengths", "Sequence lengths", picture,
                   table(f"Tokens in the {count(formatted['kept'])} formatted rows", head, rows))


def mask_proof(mask: dict) -> Section:
    """Counts, share, and the decoded rows that the proof kept."""
    where = "the completion and its end token, no token of the prompt" if mask["completion_only_loss"] is not False else "the whole row"
    rows = [
        ["rows checked", count(mask["rows_checked"]), f"in {count(mask['batches'])} batches, as the trainer saw them, every one"],
        ["supervised", where, "a row for which this does not hold stops the training"],
        ["tokens", count(mask["tokens"]), "in the rows checked, padding left out"],
        ["supervised tokens", count(mask["supervised_tokens"]), f"{percent(mask['supervised_share'])} of all"],
    ]
    shown = []
    for number, example in enumerate(mask["examples"], 1):
        decoded = tag("pre", tag("span", example["not_supervised"], class_="unsupervised"), tag("mark", example["supervised"]))
        body = tag("div", decoded, class_="proof", tabindex="0", role="region", aria_label=f"decoded row {number}; the marked end is supervised")
        shown.append(fold(join([f"row {number} ", tag("small", _first_line(example["supervised"]))]), body, opened=number == 1))
    legend = tag("p", "Decoded from the token ids of real batches: ", tag("mark", "supervised"), ", and ",
                 tag("span", "not supervised", class_="unsupervised"), ".", class_="note")
    return section("mask", "Mask proof", table("Which tokens the loss fell on", ["figure", "value", "what it is"], rows, "facts"), legend, *shown)


def _first_line(value: str, longest: int = 70) -> str:
    line = " ".join(value.split())
    return line if len(line) <= longest else line[: longest - 1] + "…"
