"""plot: the pictures of a run, their data for `dvc plots diff`, the training in figures, the report, and the table at the end.

    python -m stages.plot       ->  plots/*.png  plots/*.csv  report.html  metrics/train.json
"""

import csv
import io
from collections import Counter
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import seaborn as sns

from stages import budget, report, seeds, summary
from stages.analysis import WINDOW, adapter_bytes, analyse, figures, spread
from stages.console import main_guard, say
from stages.files import read_json, read_jsonl, write_json, write_text
from stages.params import Params, load
from stages.scoring.summary import summarise
from stages.suites import verdict

FIGURE = {"dpi": 300, "bbox_inches": "tight", "metadata": {"Software": None}}  # no version in the file: byte-stable
COLOURS = {"base": "#8c8c8c", "prompted": "#dd8452", "tuned": "#4c72b0"}


def write_csv(path: str, rows: list[dict]) -> None:
    """Rows with equal keys, as the data that `dvc plots` draws and diffs."""
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())


def colours(subjects: list[str]) -> dict[str, str]:
    spare = iter(sns.color_palette("deep").as_hex()[2:] * len(subjects))
    return {name: COLOURS.get(name) or next(spare) for name in subjects}


def exact_match(cases: summary.Cases, subjects: list[str]) -> list[dict]:
    """One row a suite and subject: rate with its 95 % interval, and what the fields say, all in [0, 1]; empty where it does not apply.

    valid: of the cases with a call or an object, those that pass the schema.
    """
    rows = []
    for suite, by_subject in cases.items():
        for subject, found in by_subject.items():
            rate = summary.share(sum(case[verdict(suite)] for case in found), len(found))
            made = summarise(found)
            valid = made["structured"]["fits"] if "structured" in made else made["ladder"]["schema"]
            fields = {f"field_{name}": value for name, value in made["fields"]["micro"].items()}
            rows.append({"suite": suite, "subject": subject, "exact": rate["rate"], "low": rate["low"], "high": rate["high"], "cases": rate["n"],
                         "valid": valid["rate"]} | fields)
    return rows


def draw_exact_match(rows: list[dict], subjects: list[str]) -> None:
    suites, palette = list(dict.fromkeys(row["suite"] for row in rows)), colours(subjects)
    figure, axis = plt.subplots(figsize=(7, 0.62 * len(suites) + 1.2))
    for row in rows:
        place = suites.index(row["suite"]) + (subjects.index(row["subject"]) - (len(subjects) - 1) / 2) * 0.22
        colour = palette[row["subject"]]
        axis.plot([100 * row["low"], 100 * row["high"]], [place, place], color=colour, lw=2.5, alpha=0.5, solid_capstyle="round")
        axis.plot(100 * row["exact"], place, "o", color=colour, ms=6)
        axis.annotate(f"{100 * row['exact']:.0f}", (100 * row["high"], place), xytext=(5, 0), textcoords="offset points", va="center", fontsize=7.5)
    sizes = {row["suite"]: row["cases"] for row in rows}
    axis.set(yticks=range(len(suites)), yticklabels=[f"{suite.replace('_', ' ')}\n(n = {sizes[suite]})" for suite in suites],
             xlim=(-2, 106), xlabel="exact match in %, with 95 % interval")
    axis.invert_yaxis()
    axis.legend(handles=[plt.Line2D([], [], color=palette[s], marker="o", label=s) for s in subjects], loc="lower center",
                bbox_to_anchor=(0.5, 1.0), ncols=len(subjects), frameon=False)
    sns.despine(left=True)
    axis.tick_params(left=False)
    save(figure, "exact_match")


def draw_loss(log: list[dict]) -> None:
    """Logged losses, their running mean, the losses on validation rows, and where the training converged."""
    figure, axis = plt.subplots(figsize=(6, 3.2))
    found = analyse(log)
    points = [(row["step"], row["loss"]) for row in log if "loss" in row]
    axis.plot(*zip(*points), color=COLOURS["tuned"], label="training rows", lw=0, marker="o", ms=3, alpha=0.55)
    if found:
        axis.plot(*zip(*found.smoothed), color=COLOURS["tuned"], label=f"running mean of {WINDOW}", lw=1.8)
        if found.unseen:
            axis.plot(*zip(*found.unseen), color=COLOURS["prompted"], label="validation rows", lw=1.8, marker="s", ms=4)
        if found.converged is not None:
            axis.axvline(found.converged, color="#555555", lw=1, ls=":", label=f"converged, step {found.converged}")
    axis.set(xlabel="step", ylabel="loss a supervised token (nats)", ylim=(0, None))
    axis.legend(frameon=False, fontsize=8)
    sns.despine()
    save(figure, "loss")


def draw_optimiser(log: list[dict]) -> None:
    """Learning rate and gradient norm (mlx-lm reports none) by step."""
    curves = [(key, label, [(row["step"], row[key]) for row in log if key in row])
              for key, label in (("learning_rate", "learning rate"), ("grad_norm", "gradient norm"))]
    curves = [curve for curve in curves if curve[2]] or [("", "", [])]
    figure, axes = plt.subplots(1, len(curves), figsize=(3.4 * len(curves), 2.6), squeeze=False)
    for axis, (_, label, points) in zip(axes[0], curves):
        sns.lineplot(x=[step for step, _ in points], y=[value for _, value in points], color=COLOURS["tuned"], lw=1.6, marker="o", ms=3.5, ax=axis)
        axis.set(xlabel="step", ylabel=label, ylim=(0, None))
    sns.despine()
    figure.tight_layout()
    save(figure, "optimiser")


def draw_outcomes(cases: summary.Cases, subjects: list[str]) -> None:
    """What became of the cases of the first suite, by subject."""
    suite = next(iter(cases))
    found = {subject: [case["outcome"].split(":")[0] for case in rows] for subject, rows in cases[suite].items()}
    total = Counter(name for outcomes in found.values() for name in outcomes)
    names = sorted(total, key=lambda name: (name != "exact", -total[name], name))
    figure, axis = plt.subplots(figsize=(7, 0.5 * len(subjects) + 1.6))
    palette = dict(zip(names, ["#55a868", *sns.color_palette("muted", len(names)).as_hex()]))
    for place, subject in enumerate(subjects):
        left = 0.0
        for name in names:
            width = 100 * found[subject].count(name) / len(found[subject])
            axis.barh(place, width, left=left, color=palette[name], height=0.62, label=name.replace("_", " ") if not place else None)
            if width >= 5:
                axis.text(left + width / 2, place, f"{width:.0f}", ha="center", va="center", fontsize=8, color="white")
            left += width
    label = f"% of the {len(found[subjects[0]])} cases of {suite.replace('_', ' ')}"
    axis.set(yticks=range(len(subjects)), yticklabels=subjects, xlim=(0, 100), xlabel=label)
    axis.invert_yaxis()
    axis.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=4, frameon=False, fontsize=8)
    sns.despine(left=True)
    axis.tick_params(left=False)
    save(figure, "outcomes")


def draw_lengths(rows: list[dict]) -> None:
    """Left, how long prompts and completions are; right, how many rows have at most so many tokens."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(7, 2.8))
    for key, label, colour in (("prompt_tokens", "prompt", COLOURS["tuned"]), ("completion_tokens", "completion", COLOURS["prompted"])):
        sns.histplot(x=[row[key] for row in rows], bins=30, color=colour, label=label, ax=left, edgecolor="white", alpha=0.8)
    left.set(xlabel="tokens", ylabel="training rows")
    left.legend(frameon=False, fontsize=8, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
    whole = [row["prompt_tokens"] + row["completion_tokens"] for row in rows]
    sns.ecdfplot(x=whole, stat="percent", color=COLOURS["tuned"], lw=1.8, ax=right)
    found = spread(whole)
    for name, height in (("p50", 8), ("p95", 30)):
        right.axvline(found[name], color="#555555", lw=1, ls=":")
        right.annotate(f"{name[1:]} %: {found[name]}", (found[name], height), xytext=(3, 0), textcoords="offset points", fontsize=7.5)
    right.set(xlabel="tokens, prompt and completion", ylabel="% of rows, at most so long")
    sns.despine()
    figure.tight_layout()
    save(figure, "tokens")


def save(figure, name: str) -> None:
    Path("plots").mkdir(exist_ok=True)
    figure.savefig(f"plots/{name}.png", **FIGURE)
    plt.close(figure)


def draw(params: Params, cases: summary.Cases) -> None:
    sns.set_theme(style="whitegrid", rc={"axes.grid.axis": "x", "font.family": "DejaVu Sans"})
    rows, log = exact_match(cases, params.subjects), list(read_jsonl("models/log/loss.jsonl"))
    write_csv("plots/exact_match.csv", rows)
    write_csv("plots/loss.csv", [{"step": row["step"], "loss": row["loss"]} for row in log if "loss" in row])
    draw_exact_match(rows, params.subjects)
    draw_outcomes(cases, params.subjects)
    sns.set_style("whitegrid", {"axes.grid.axis": "both"})
    draw_loss(log)
    draw_optimiser(log)
    draw_lengths(list(read_jsonl("data/split/train.jsonl")))


@main_guard
def main() -> None:
    params = load()
    cases, mask = summary.read_cases(params.subjects, params.suites), read_json("models/log/mask.json")
    rows = list(read_jsonl("data/split/train.jsonl"))
    write_json("metrics/train.json", figures(list(read_jsonl("models/log/loss.jsonl")), mask, rows, adapter_bytes("models/tuned")))
    draw(params, cases)
    report.write(params, cases, mask)
    say("\n" + "\n".join(summary.table(cases, params.seed) + seeds.table(seeds.measure(params, cases))) + "\n")
    say("\n".join(budget.table(read_json("metrics/budget.json"))) + "\n")
    say("plot: pictures in plots/, the report in report.html")


if __name__ == "__main__":
    main()
