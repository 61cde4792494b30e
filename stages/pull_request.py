"""The report of a pull request, as Markdown on standard output: what changed against a base revision, and the lock gate.

    python -m stages.pull_request main > report.md      (make report BASE=main)

Exit code 1 when the lock is not current: dvc.lock must say what dvc.yaml, params.yaml and the code would give, which
`dvc repro --dry --allow-missing` finds out with no data at hand.
"""

import argparse
import os
import subprocess
import sys

from stages.console import main_guard, say
from stages.errors import StageError

TITLES = (("metrics", "Figures"), ("params", "Parameters"))


def dvc(*args: str) -> subprocess.CompletedProcess:
    """Runs dvc; without a fixed hash seed `dvc metrics diff --md` orders its rows differently each time."""
    return subprocess.run(["dvc", *args], capture_output=True, text=True, env={**os.environ, "PYTHONHASHSEED": "0"})


def diff(what: str, base: str) -> str:
    done = dvc(what, "diff", base, "--md")
    if done.returncode:
        raise StageError(f"dvc {what} diff {base} failed ({done.stderr.strip().splitlines()[-1]}): check that the revision exists.")
    return done.stdout.strip() or "no change"


def pictures() -> list[str]:
    """The git-tracked pictures, linked at this commit where the host is known, else by path."""
    tracked = subprocess.run(["git", "ls-files", "plots/*.png"], capture_output=True, text=True).stdout.split()
    server, repository, commit = (os.environ.get(key) for key in ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_SHA"))
    root = f"{server}/{repository}/raw/{commit}/" if server and repository and commit else ""
    return [f"![{path}]({root}{path})" for path in tracked]


def gate() -> tuple[bool, str]:
    """(current, the stages that would run)."""
    done = dvc("repro", "--dry", "--allow-missing")
    stale = [line.split("'")[1] for line in done.stdout.splitlines() if line.startswith("Running stage")]
    if done.returncode:
        return False, done.stderr.strip().splitlines()[-1]
    return not stale, ", ".join(stale)


@main_guard
def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Print a pull request's report as Markdown.")
    parser.add_argument("base", nargs="?", default="main")
    base = parser.parse_args(argv).base
    current, stale = gate()
    lines = [f"## callsmith: this branch against `{base}`", "",
             "Lock: current" if current else f"Lock: **not current** ({stale}): run `dvc repro` and commit dvc.lock"]
    for what, title in TITLES:
        lines += ["", f"### {title}", "", diff(what, base)]
    lines += ["", "### Pictures", "", *pictures()]
    say("\n".join(lines))
    sys.exit(0 if current else 1)


if __name__ == "__main__":
    main()
