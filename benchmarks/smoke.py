"""Does every recipe run? Each one at smoke scale, through all stages with real `dvc exp run`, in a temporary copy of the repository.

    python -m benchmarks.smoke                      # all recipes whose rows are here
    python -m benchmarks.smoke gemma-3-1b-mlx       # some
        ->  benchmarks/results/smoke.json, and a Markdown table of all results on the screen

No hub and no GPU: conf/scale/smoke.yaml puts the embedded model and sample rows in. The figures show that a recipe runs, no more.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from stages.files import read_json, write_json

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks/results/smoke.json"
OTHER_ROWS = {"local", "sgd", "seal-tools", "bfcl"}  # recipes on files that do not lie in the repository
LIMIT = 900  # seconds for one recipe


def recipes() -> list[str]:
    return sorted(path.stem for path in (ROOT / "conf/recipe").glob("*.yaml") if path.stem not in OTHER_ROWS)


def environment() -> dict[str, str]:
    """No network, this Python first, and a git that knows no user's settings."""
    person = {f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER") for what, value in (("NAME", "Smoke"), ("EMAIL", "smoke@example.org"))}
    return {**os.environ, **person, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", "GIT_CONFIG_GLOBAL": os.devnull,
            "HF_HUB_OFFLINE": "1", "DVC_NO_ANALYTICS": "1"}


def copy(folder: Path) -> None:
    """All files that git has or would take, without results, as a repository of one commit."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0"):
        if name and (ROOT / name).is_file() and not name.startswith(("metrics/", "plots/", "tests/", "pretrain/")) and name != "dvc.lock":
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    for command in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "--message", "smoke"]):
        subprocess.run(["git", *command], cwd=folder, env=environment(), check=True)


def run(recipe: str, folder: Path, *overrides: str) -> dict:
    """One recipe in an empty folder: exit code, seconds, what its stages said, its metrics/summary.json."""
    copy(folder)
    start = time.monotonic()
    command = ["dvc", "exp", "run", *(word for one in (f"recipe={recipe}", "scale=smoke", *overrides) for word in ("-S", one))]
    done = subprocess.run(command, cwd=folder, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=LIMIT)
    summary = folder / "metrics/summary.json"
    said = [line for line in done.stdout.splitlines() if line.startswith(("curate:", "format:", "split:", "train:", "error:")) and "%|" not in line]
    if done.returncode:
        print(done.stdout[-4000:])
    return {"exit": done.returncode, "seconds": round(time.monotonic() - start, 1), "said": said,
            "summary": read_json(summary) if summary.is_file() else None}


def table(results: dict[str, dict]) -> str:
    lines = ["| recipe | exit | seconds | training | summary |", "|---|---|---|---|---|"]
    for recipe, one in sorted(results.items()):
        loss = next((found[0] for line in one["said"] if (found := re.search(r"\d+ steps in [\d.]+ s", line))), "-")
        figures = one["summary"] and next(iter(one["summary"]["exact_match"].items()))
        rates = "-" if not figures else f"{figures[0]}, {figures[1]['cases']} cases: " + ", ".join(
            f"{name} {figures[1][name]:.0%}" for name in ("base", "prompted", "tuned") if name in figures[1])
        lines.append(f"| {recipe} | {one['exit']} | {one['seconds']:.0f} | {loss} | {rates} |")
    return "\n".join(lines)


def main(asked: list[str]) -> int:
    known = recipes()
    if unknown := set(asked) - set(known):
        sys.exit(f"error: {min(unknown)!r} is no recipe that can be tried out here: use some of {', '.join(known)}.")
    failed = 0
    for recipe in asked or known:
        with tempfile.TemporaryDirectory() as folder:
            made = run(recipe, Path(folder))
        failed += made["exit"] != 0 or made["summary"] is None
        print(f"smoke: {recipe}: exit {made['exit']} in {made['seconds']} s", flush=True)
        results = read_json(RESULTS) if RESULTS.is_file() else {}
        write_json(RESULTS, dict(sorted((results | {recipe: made}).items())))
    print(table(read_json(RESULTS)))
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
