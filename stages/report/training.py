"""The sections about the training: loss curve and its analysis, sequence lengths, mask proof."""

from stages.analysis import NEAR, WINDOW, analyse
from stages.params import Train
from stages.report.markup import Safe, Section, count, fold, join, percent, section, table, tag


def training(log: list[dict], train: Train, picture: Safe, adapter: int | None = None, optimiser: Safe | None = None) -> Section:
    """Curves, analysis and the parameters that shaped it; adapter: its bytes. Run time is left out: it differs between equal runs."""
    found = analyse(log)
    if found is None:
        return section("training", "Training", tag("p", "models/log/loss.jsonl holds no finite loss: nothing can be said of this training."))
    where = f"step {count(found.converged)} of {count(found.steps)}" if found.converged is not None else "none: the loss did not fall"
    rows = [
        ["loss, first to last", f"{found.first:.3f} → {found.last:.3f}", "nats a supervised token, as logged"],
        ["loss reduction", percent(found.reduction), "of the first logged loss"],
        ["convergence point", where,
         f"from here the running mean of {WINDOW} logged losses stays within {percent(NEAR)} of its final value"],
        ["final level", f"{found.final:.3f}", f"mean of the last {WINDOW} logged losses"],
        ["coefficient of variation", percent(found.variation),
         "standard deviation over mean of the last quarter of the logged losses: how noisy the end is"],
        ["tokens seen", count(found.tokens) if found.tokens else "not logged", "by the trainer, padding left out"],
        ["adapter size", f"{count(adapter)} bytes" if adapter else "not measured", "its weights and settings"],
    ]
    if found.unseen:
        step, best = min(found.unseen, key=lambda point: (point[1], point[0]))
        rows.append(["loss on validation rows", f"{found.unseen[0][1]:.3f} → {found.unseen[-1][1]:.3f}",
                     f"first to last, {percent(found.unseen_reduction)} less; the lowest is {best:.3f}, at step {count(step)}"])
    else:
        rows.append(["loss on validation rows", "not measured", "split.valid is 0"])
    note = ("Run time and speed are left out, as equal runs differ in them and this page does not: "
            "models/.timing/train.json has them where the training ran, and `python -m stages.cost` prints them.")
    return section("training", "Training", picture, optimiser or "",
                   table("The training in figures", ["figure", "value", "what it is"], rows, "facts", note),
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
