"""plot: the pictures of a run, their data for `dvc plots diff`, the report, and the table at the end.

    python -m stages.plot       ->  plots/*.png  plots/*.csv  report.html
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
from stages.console import main_guard, say
from stages.files import read_json, read_jsonl, write_text
from stages.params import Params, load
from stages.scoring.summary import summarise
from stages.suites import verdict

FIGURE = {"dpi": 150, "bbox_inches": "tight", "metadata": {"Software": None}}  # no version in the file: byte-stable
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
    figure, axis = plt.subplots(figsize=(6, 3.2))
    for key, label, colour in (("loss", "training rows", COLOURS["tuned"]), ("eval_loss", "validation rows", COLOURS["prompted"])):
        points = [(row["step"], row[key]) for row in log if key in row]
        if points:
            axis.plot(*zip(*points), color=colour, label=label, lw=1.8, marker="o", ms=3)
    axis.set(xlabel="step", ylabel="loss a supervised token (nats)", ylim=(0, None))
    axis.legend(frameon=False)
    sns.despine()
    save(figure, "loss")


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
    figure, axis = plt.subplots(figsize=(6, 3))
    sns.histplot(x=[row["prompt_tokens"] + row["completion_tokens"] for row in rows], bins=40, color=COLOURS["tuned"], ax=axis, edgecolor="white")
    axis.set(xlabel="tokens in a training row (prompt and completion)", ylabel="rows")
    sns.despine()
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
    draw_lengths(list(read_jsonl("data/split/train.jsonl")))


@main_guard
def main() -> None:
    params = load()
    cases = summary.read_cases(params.subjects, params.suites)
    draw(params, cases)
    report.write(params, cases, read_json("models/log/mask.json"))
    say("\n" + "\n".join(summary.table(cases, params.seed) + seeds.table(seeds.measure(params, cases))) + "\n")
    say("\n".join(budget.table(read_json("metrics/budget.json"))) + "\n")
    say("plot: pictures in plots/, the report in report.html")


if __name__ == "__main__":
    main()
