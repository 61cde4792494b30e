"""The table of the three-format experiment: rates with intervals over tools and seeds, and paired differences, tested.

Intervals: of another seed and other cases together, cases of one called tool as a cluster (`statistics.over_seeds_and_cases`); for the
base model, which has no seed, the cluster bootstrap. Differences: the same of each case's difference; p from a paired
permutation test over the tools (each tool's cases swap sides together) on the means over the seeds, with Holm's correction
over all comparisons of a suite. "improved" and "worse" are said only where p is below 0.05 and the interval leaves out 0.
"""

import csv
import io
from itertools import combinations
from pathlib import Path

import numpy as np
from scipy import stats

from stages.files import read_jsonl, write_json, write_text
from stages.schema import dumps
from stages.scoring.statistics import NOT_SHOWN, RESAMPLES, cluster_bootstrap, over_seeds_and_cases, verdict

COLUMNS = ("run", "seed", "suite", "id", "tool", "exact", "schema", "outcome", "defects", "finish", "tokens", "gold", "completion")


def read(data: dict[str, Path], folders: dict[tuple[str, int], Path], dialects: dict[str, str], suites: list[str]) -> list[dict]:
    """One row a run, seed and case, with the raw completion; the base model is the run `base, DIALECT` without a seed."""
    places = [(f"base, {dialect}", "", folder, "base") for dialect, folder in data.items()]
    places += [(run, seed, folder, "tuned") for (run, seed), folder in folders.items()]
    rows = []
    for run, seed, folder, subject in places:
        for suite in suites:
            gold = {row["id"]: row["example"] for row in read_jsonl(folder / f"data/suites/{suite}.jsonl")}
            said = {row["id"]: row["completion"] for row in read_jsonl(folder / f"data/predictions/{subject}/{suite}.jsonl")}
            for case in read_jsonl(folder / f"data/cases/{subject}/{suite}.jsonl"):
                target = gold[case["id"]]
                rows.append({"run": run, "seed": seed, "suite": suite, "id": case["id"], "tool": case["tool"], "exact": int(case["strict"]),
                             "schema": int(case["schema"]), "outcome": case["outcome"], "defects": " ".join(case["defects"]),
                             "finish": case["finish"], "tokens": case["tokens"],
                             "gold": dumps(target["calls"]) if target["calls"] else target["reply"], "completion": said[case["id"]]})
    return rows


class Scores:
    """Exact match of each run on one suite: {run: (seeds, cases)}, cases in one order, with the tool and cluster of each."""

    def __init__(self, rows: list[dict], suite: str):
        rows = [row for row in rows if suite in ("all", row["suite"])]
        self.ids = list(dict.fromkeys(row["id"] for row in rows))
        tools = {row["id"]: row["tool"] for row in rows}
        self.tools = [tools[id] for id in self.ids]
        self.clusters = np.unique(self.tools, return_inverse=True)[1]
        found: dict[str, dict] = {}
        for row in rows:
            found.setdefault(row["run"], {}).setdefault(row["seed"], {})[row["id"]] = row["exact"]
        self.runs = {run: np.array([[scores[id] for id in self.ids] for scores in seeds.values()], float) for run, seeds in found.items()}

    def by_tool(self, run: str) -> np.ndarray:
        """(tools,): the sum of each tool's cases' means over the seeds."""
        return np.bincount(self.clusters, weights=self.runs[run].mean(axis=0))

    def interval(self, scores: np.ndarray, seed: int) -> tuple[float, float]:
        """95 % interval of the mean of scores (seeds, cases)."""
        several = len(scores) > 1
        found = over_seeds_and_cases(scores, self.tools) if several else cluster_bootstrap(np.zeros(len(self.ids)), scores[0], self.tools, seed)
        return found.low, found.high


def paired_p(sums: np.ndarray, others: np.ndarray, seed: int) -> float:
    """Two-sided p of a permutation test in which each tool's cases swap sides together; sums are means over the seeds (tools,)."""
    if np.allclose(sums, others):
        return 1.0
    found = stats.permutation_test((sums, others), lambda a, b, axis: (a - b).sum(axis=axis), permutation_type="samples", vectorized=True,
                                   n_resamples=RESAMPLES - 1, rng=np.random.default_rng(seed))
    return float(found.pvalue)


def holm(values: list[float]) -> list[float]:
    """Holm's (1979) adjusted p-values, in the given order."""
    adjusted, worst = [0.0] * len(values), 0.0
    for place, index in enumerate(sorted(range(len(values)), key=values.__getitem__)):
        worst = max(worst, min(1.0, (len(values) - place) * values[index]))
        adjusted[index] = worst
    return adjusted


def rates(scores: Scores, seed: int) -> dict:
    """run -> exact match, its interval within [0, 1], and the rate of each seed."""
    found = {}
    for run, matrix in scores.runs.items():
        low, high = scores.interval(matrix, seed)
        found[run] = {"exact": round(matrix.mean(), 6), "low": round(max(low, 0.0), 6), "high": round(min(high, 1.0), 6),
                      "by_seed": [round(value, 6) for value in matrix.mean(axis=1)]}
    return found


def differences(scores: Scores, pairs: list[tuple[str, str]], seed: int) -> list[dict]:
    """Each later run minus the earlier one, in points of exact match (in [-1, 1])."""
    made = []
    for first, second in pairs:
        gain = scores.runs[second] - scores.runs[first]  # a base model has one row, which stands against every seed
        low, high = scores.interval(gain, seed)
        made.append({"run": second, "against": first, "difference": round(gain.mean(), 6), "low": round(low, 6), "high": round(high, 6),
                     "by_seed": [round(value, 6) for value in gain.mean(axis=1)], "p": paired_p(scores.by_tool(second), scores.by_tool(first), seed)})
    for row, p in zip(made, holm([row["p"] for row in made])):
        word = verdict(row["difference"], p) if row["low"] * row["high"] > 0 else NOT_SHOWN
        row |= {"p": float(f"{row['p']:.3g}"), "p_holm": float(f"{p:.3g}"), "word": word}
    return made


def pairs(runs: list[str]) -> list[tuple[str, str]]:
    """Each run against the base in its own dialect, then the runs against each other."""
    tuned = [run for run in runs if not run.startswith("base")]
    own = {"manual-tags": "base, tool_tags"}
    return [(own.get(run, "base, native"), run) for run in tuned] + list(combinations(tuned, 2))


def write(results: Path, cases: list[dict], planted: dict, seed: int) -> dict:
    """cases.csv, summary.json and table.md; returns the summary."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(cases)
    write_text(results / "cases.csv", text.getvalue())
    found = {"seeds": sorted({row["seed"] for row in cases} - {""}), "suites": {}, "planted_tags": planted}
    for suite in [*dict.fromkeys(row["suite"] for row in cases), "all"]:
        scores = Scores(cases, suite)
        found["suites"][suite] = {"cases": len(scores.ids), "clusters": len(set(scores.tools)), "exact": rates(scores, seed),
                                  "differences": differences(scores, pairs(list(scores.runs)), seed)}
    write_json(results / "summary.json", found)
    write_text(results / "table.md", table(found))
    return found


def table(found: dict) -> str:
    """summary.json as Markdown, in percent and points."""
    lines = []
    for suite, one in found["suites"].items():
        lines += [f"### {suite}: {one['cases']} cases, {one['clusters']} clusters", ""]
        lines += ["| run | exact | 95 % interval | by seed |", "|---|---|---|---|"]
        lines += [f"| {run} | {100 * row['exact']:.1f} % | [{100 * row['low']:.1f}, {100 * row['high']:.1f}] | {_points(row['by_seed'])} |"
                  for run, row in one["exact"].items()]
        lines += ["", "| difference | points | 95 % interval | by seed | p (Holm) | |", "|---|---|---|---|---|---|"]
        lines += [f"| {row['run']} minus {row['against']} | {100 * row['difference']:+.1f} | [{100 * row['low']:+.1f}, {100 * row['high']:+.1f}] "
                  f"| {_points(row['by_seed'], '+')} | {row['p_holm']:.3g} | {row['word']} |" for row in one["differences"]]
        lines.append("")
    return "\n".join(lines)


def _points(values: list[float], sign: str = "") -> str:
    return ", ".join(f"{100 * value:{sign}.1f}" for value in values)
