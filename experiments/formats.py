"""The three-format experiment: three trainings that differ in one thing each, over several seeds, on the same rows and cases.

    python -m experiments.formats                   # all, going on from what is done already; then the table
    python -m experiments.formats --seeds 42 43     # only these seeds
    python -m experiments.formats --work FOLDER     # where the working copies lie (models/.scratch/formats)

    manual-tags        calls as text in the content (dialect tool_tags), loss on every token
    tool-calls         calls through the chat template (native), loss on every token
    completion-only    the same, loss on the completion alone

Each runs through the pipeline's own stages in a working copy. What differs over seeds is the training (initial adapter,
order of the rows); rows and cases stay. -> experiments/results/formats/{cases.csv,table.md,summary.json}
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

from experiments import defect, formats_table
from stages.compose import composed
from stages.console import main_guard, say
from stages.errors import StageError
from stages.files import read_json, read_jsonl, write_json, write_jsonl, write_text

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "experiments/results/formats"
SEEDS = [42, 43, 44, 45, 46]
DIALECTS = ("tool_tags", "native")
RUNS = {  # name -> (dialect, completion_only_loss)
    "manual-tags": ("tool_tags", False),
    "tool-calls": ("native", False),
    "completion-only": ("native", True),
}


def parameters(dialect: str, seed: int = SEEDS[0], completion_only: bool = False, overrides: tuple[str, ...] = ()) -> dict:
    """params.yaml of one working copy, composed from conf/experiment/formats.yaml."""
    raw = yaml.safe_load(composed(["~recipe", "+experiment=formats", *overrides], ROOT / "conf"))
    raw |= {"dialect": dialect, "seed": seed}
    raw["train"]["completion_only_loss"] = completion_only
    return raw


def stage(folder: Path, name: str, *arguments: str, check: bool = True) -> subprocess.CompletedProcess:
    """One stage of the pipeline in a working copy. Raises StageError with the stage's own words when it fails."""
    done = subprocess.run([sys.executable, "-m", f"stages.{name}", *arguments], cwd=folder, text=True, capture_output=True,
                          env={**os.environ, "PYTHONPATH": str(ROOT)})
    if check and done.returncode:
        words = done.stderr.strip().splitlines()[-1:] or ["it wrote nothing"]
        raise StageError(f"stage {name} ended with {done.returncode} in {folder}: {words[0].removeprefix('error: ')}")
    if check:
        say(f"{folder.name}: {done.stdout.strip().splitlines()[-1]}")
    return done


def stamp(raw: dict) -> str:
    """What a working copy's results depend on: its parameters, the stages' code, the data set and the base model."""
    digest = hashlib.sha256(yaml.safe_dump(raw).encode())
    for top in ("stages", "data/embedded", "models/embedded"):
        for path in sorted(p for p in (ROOT / top).rglob("*") if p.is_file() and "__pycache__" not in p.parts):
            digest.update(str(path.relative_to(ROOT)).encode() + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def copy(folder: Path, raw: dict) -> Path:
    """A working copy: parameters of its own, and the repository's data set and models."""
    shutil.rmtree(folder, ignore_errors=True)
    for name in ("data", "models"):
        (folder / name).mkdir(parents=True)
        (folder / name / "embedded").symlink_to(ROOT / name / "embedded")
    (folder / "models/base").symlink_to(ROOT / "models/base")
    write_text(folder / "params.yaml", yaml.safe_dump(raw, sort_keys=False))
    return folder


def once(folder: Path, raw: dict, make) -> Path:
    """Makes a working copy unless the one that is there was made, to its end, from the same parameters and code."""
    mark = folder / "done.json"
    if not (mark.is_file() and read_json(mark) == stamp(raw)):
        make(copy(folder, raw))
        write_json(mark, stamp(raw))
    return folder


# --- rows and cases: the same for all -----------------------------------------------------------------------


def candidates(folder: Path) -> list[dict]:
    """The curated rows that pass the gate in both dialects, so that every run has the same ones; most others are too long."""
    stage(folder, "curate")
    passed = []
    for dialect in DIALECTS:
        raw = yaml.safe_load((folder / "params.yaml").read_text())
        write_text(folder / "params.yaml", yaml.safe_dump(raw | {"dialect": dialect, "format": {"max_rejected": 1.0}}))
        stage(folder, "format")
        passed.append({row["id"] for row in read_jsonl(folder / "data/formatted.jsonl")})
    return [row for row in read_jsonl(folder / "data/curated.jsonl") if all(row["id"] in ids for ids in passed)]


def chosen(work: Path, overrides: tuple[str, ...]) -> Path:
    def make(folder: Path) -> None:
        write_jsonl(folder / "chosen.jsonl", candidates(folder))

    return once(work / "rows", parameters(DIALECTS[0], overrides=overrides), make) / "chosen.jsonl"


def given(folder: Path, rows: list[dict]) -> None:
    """The rows as what curate would have left."""
    write_jsonl(folder / "data/curated.jsonl", rows)
    write_json(folder / "metrics/data/curate.json", {"kept": len(rows)})


def prepared(work: Path, dialect: str, rows: Path, overrides: tuple[str, ...]) -> Path:
    """The working copy with a dialect's split, and the base model's answers in it."""

    def make(folder: Path) -> None:
        given(folder, list(read_jsonl(rows)))
        stage(folder, "format")
        stage(folder, "split")
        answer(folder, "base")

    return once(work / dialect, parameters(dialect, overrides=overrides), make)


def answer(folder: Path, subject: str) -> None:
    for suite in yaml.safe_load((folder / "params.yaml").read_text())["suites"]:
        stage(folder, "predict", subject, suite)
        stage(folder, "evaluate", subject, suite)


def trained(work: Path, run: str, seed: int, data: Path, overrides: tuple[str, ...]) -> Path:
    """The working copy of one run and seed, trained and scored."""
    dialect, completion_only = RUNS[run]

    def make(folder: Path) -> None:
        for name in ("split", "suites"):
            shutil.copytree(data / "data" / name, folder / "data" / name)
        stage(folder, "train")
        answer(folder, "tuned")

    return once(work / f"{run}-{seed}", parameters(dialect, seed, completion_only, overrides), make)


def same_everywhere(folders: list[Path], names: list[str]) -> None:
    """Raises StageError unless the runs train on the same rows and are tested on the same cases."""
    for name in names:
        ids = [[row["id"] for row in read_jsonl(folder / "data" / name)] for folder in folders]
        if any(one != ids[0] for one in ids):
            raise StageError(f"data/{name} holds other rows in {folders[0]} than in another working copy: remove the folder and run again.")


# --- the whole ----------------------------------------------------------------------------------------------


def run(work: Path, seeds: list[int], results: Path, overrides: tuple[str, ...] = ()) -> dict:
    """Everything that is not done yet, then the table. Returns what summary.json holds."""
    rows = chosen(work, overrides)
    data = {dialect: prepared(work, dialect, rows, overrides) for dialect in DIALECTS}
    suites = parameters(DIALECTS[0], overrides=overrides)["suites"]
    same_everywhere(list(data.values()), ["split/train.jsonl", *(f"suites/{suite}.jsonl" for suite in suites)])
    folders = {(name, seed): trained(work, name, seed, data[dialect], overrides) for seed in seeds for name, (dialect, _) in RUNS.items()}
    cases = formats_table.read(data, folders, {name: dialect for name, (dialect, _) in RUNS.items()}, suites)
    planted = defect.planted(work / "planted", data["tool_tags"], parameters("tool_tags", overrides=overrides), copy, given, stage)
    return formats_table.write(results, cases, planted, SEEDS[0])


@main_guard
def main() -> None:
    parser = argparse.ArgumentParser(description="The three-format experiment on the embedded model.")
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    parser.add_argument("--work", type=Path, default=ROOT / "models/.scratch/formats")
    args = parser.parse_args()
    run(args.work.resolve(), args.seeds, RESULTS)
    say((RESULTS / "table.md").read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
