"""What the share of rows without a call, function masking and gentler training do to the embedded model, on development tools.

    python -m experiments.budget                        # all runs that have no result yet, then the table
    python -m experiments.budget --runs irr35 mask      # only these
    python -m experiments.budget --set split.train=400 --set split.train_tokens=384     # smaller, each run alike

The reported test cases take no part: rows of the held-out tools are left out of the data altogether, and DEVELOPMENT training
tools, drawn by hash, are held out in their place. Each run goes through the pipeline's own stages in a working copy
(models/.scratch/budget).   ->  experiments/results/budget/{<run>.json,table.md}
"""

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

from stages.compose import composed
from stages.console import main_guard, say
from stages.errors import StageError
from stages.files import read_json, read_jsonl, write_json, write_jsonl, write_text
from stages.rank import rank

ROOT = Path(__file__).parents[1]
RESULTS, WORK = ROOT / "experiments/results/budget", ROOT / "models/.scratch/budget"
DEVELOPMENT, SEED = 40, 7  # tools held out for the search, and what draws them
SUITES = {"held_out": 200, "no_tool": 100, "missing_value": 100}
SPLIT, RATE = "split.irrelevance", "train.learning_rate"
PLAIN = {SPLIT: "null", "split.missing": "null", RATE: 0.002}  # rows as they come, whatever the default recipe has
RUNS = {
    "base": {},
    "as-is": {}, "irr20": {SPLIT: 0.2}, "irr35": {SPLIT: 0.35},
    "mask": {"format.masking": 0.3}, "irr20-mask": {SPLIT: 0.2, "format.masking": 0.3}, "irr35-mask": {SPLIT: 0.35, "format.masking": 0.3},
    "irr30-missing15": {SPLIT: 0.3, "split.missing": 0.15}, "irr40-missing20": {SPLIT: 0.4, "split.missing": 0.2},
    "lr-1e-3": {RATE: 0.001}, "lr-5e-4": {RATE: 0.0005}, "lr-1e-3-2-epochs": {RATE: 0.001, "train.epochs": 2}, "2-epochs": {"train.epochs": 2},
}


def development(source: Path, folder: Path) -> list[str]:
    """Writes the data set without its held-out tools and all rows that hold them; returns the development tools."""
    held = set(read_json(source / "held_out.json"))
    tools = [row for row in read_jsonl(source / "tools.jsonl") if row["name"] not in held]
    write_jsonl(folder / "tools.jsonl", tools)
    write_jsonl(folder / "examples.jsonl", (row for row in read_jsonl(source / "examples.jsonl")
                                            if row["labels"]["tools"] != "held_out" and not held & set(row["offered"])))
    return sorted(sorted((row["name"] for row in tools), key=lambda name: rank(SEED, name))[:DEVELOPMENT])


def parameters(run: str, overrides: list[str]) -> dict:
    """params.yaml of a run: the default recipe on the development data. Values of `overrides` (key=value) go to every run."""
    given = [f"{key}={value}" for key, value in (PLAIN | RUNS[run]).items()]
    raw = yaml.safe_load(composed([*given, *overrides], ROOT / "conf"))
    raw["dataset"] |= {"path": "data/development", "track": "data/development"}
    raw["split"]["held_out"] = "data/development/held_out.json"
    raw |= {"suites": list(SUITES), "suite_sizes": {"default": 100, **SUITES}}
    return raw


def stage(folder: Path, name: str, *arguments: str) -> None:
    """One stage of the pipeline in a working copy. Raises StageError with its own words when it fails."""
    done = subprocess.run([sys.executable, "-m", f"stages.{name}", *arguments], cwd=folder, text=True, capture_output=True,
                          env={**os.environ, "PYTHONPATH": str(ROOT)})
    words = (done.stderr if done.returncode else done.stdout).strip().splitlines() or ["it wrote nothing"]
    if done.returncode:
        raise StageError(f"stage {name} ended with {done.returncode} in {folder}: {words[-1].removeprefix('error: ')}")
    say(f"{folder.name}: {words[-1]}")


def work(run: str, overrides: list[str]) -> dict:
    """Runs the stages and returns what experiments/results/budget/<run>.json holds."""
    folder, subject = WORK / run, "base" if run == "base" else "tuned"
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "models").mkdir(parents=True)
    for name in ("models/embedded", "models/base", "conf"):
        (folder / name).symlink_to(ROOT / name)
    write_json(folder / "data/development/held_out.json", development(ROOT / "data/embedded", folder / "data/development"))
    (folder / "data/text").symlink_to(ROOT / "data/text")
    write_text(folder / "params.yaml", yaml.safe_dump(parameters(run, overrides), sort_keys=False))
    for name in ("curate", "format", "split", *(["train"] if subject == "tuned" else [])):
        stage(folder, name)
    stage(folder, "text_loss", subject)
    for suite in SUITES:
        stage(folder, "predict", subject, suite)
        stage(folder, "evaluate", subject, suite)
    text = list(read_jsonl(folder / f"data/text_loss/{subject}.jsonl"))
    split = read_json(folder / "metrics/data/split.json")
    right = {suite: read_json(folder / f"metrics/{subject}/{suite}.json")["scores"]["strict"] for suite in SUITES}
    found = {"run": run, "changes": RUNS[run], "set": overrides, "train": split["train"], "suites": right,
             "nats_per_token": round(sum(row["nats"] for row in text) / sum(row["tokens"] for row in text), 4)}
    shutil.rmtree(folder)
    return found


def table(results: list[dict]) -> str:
    """Markdown: a line a run, exact match in percent with its interval, and the loss on general text over that of base."""
    lines = [f"| run | rows | {' | '.join(SUITES)} | text loss |", "|---|" + "---|" * (len(SUITES) + 2)]
    base = next((one["nats_per_token"] for one in results if one["run"] == "base"), None)
    for one in results:
        cells = [f"{100 * found['rate']:.0f} [{100 * found['low']:.0f}, {100 * found['high']:.0f}] of {found['n']}"
                 for found in one["suites"].values()]
        rise = f" ({100 * (one['nats_per_token'] / base - 1):+.1f} %)" if base and one["run"] != "base" else ""
        rows = "" if one["run"] == "base" else one["train"]
        lines.append(f"| {one['run']} | {rows} | {' | '.join(cells)} | {one['nats_per_token']:.3f}{rise} |")
    return "\n".join(lines) + "\n"


@main_guard
def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Experiments on the mixture of training rows, on development tools.")
    parser.add_argument("--runs", nargs="+", choices=RUNS, default=list(RUNS))
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a parameter for every run")
    args = parser.parse_args(argv)
    for run in args.runs:
        path = RESULTS / f"{run}.json"
        if not path.is_file():
            write_json(path, work(run, args.set))
        elif (before := read_json(path)["set"]) != args.set:
            raise StageError(f"{path} is of a run with --set {before}, not {args.set}: take it away to run it anew.")
    results = [read_json(RESULTS / f"{run}.json") for run in RUNS if (RESULTS / f"{run}.json").is_file()]
    write_text(RESULTS / "table.md", table(results))
    say(table(results))


if __name__ == "__main__":
    main()
