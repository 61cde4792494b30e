"""What a data set gives, row by row counted, before any run: nothing is written.

    python -m stages.sources                    every data set and benchmark of conf/ whose files are here
    python -m stages.sources xlam calls.json    one source and its file or folder

Prints a Markdown table: each file's Examples read, kept, and rejected by reason, as curate counts them.
"""

import sys
from collections import Counter
from pathlib import Path

import yaml

from stages import sources
from stages.console import main_guard, say
from stages.curate import Curator, curated
from stages.errors import ParamsError
from stages.params import Dataset


def counts(source: str, path: str) -> dict[str, Counter]:
    """file -> Examples that were read, kept, and rejected under each reason. Raises FileError."""
    member, cfg, table, current = sources.get(source), Dataset(source=source, path=path, track=path), {}, ""

    def rows():
        nonlocal current
        for raw in member.read(cfg):
            current = raw.file  # what curated() yields or rejects next is of this file
            table.setdefault(current, Counter(read=0, kept=0))
            yield raw

    def count(outcome: str) -> None:
        table[current].update(["read", outcome])

    for _ in curated(rows(), lambda value: member.convert(value, cfg), Curator(source), lambda _, error: count(error.reason)):
        count("kept")
    return table


def here() -> list[tuple[str, str]]:
    """(source, path) of the data sets and benchmarks in conf/ whose files are on this machine."""
    paths = [path for group in ("dataset", "benchmark") for path in sorted(Path("conf", group).glob("*.yaml"))]
    found = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in paths]
    return [(one.get("source", "bfcl"), one["path"]) for one in found if one["path"] and Path(one["path"]).exists()]


def lines(source: str, table: dict[str, Counter]) -> list[str]:
    """The table's rows, one a file."""
    made = []
    for file, found in table.items():
        reasons = ", ".join(f"{reason} {number:,}" for reason, number in sorted(found.items()) if reason not in ("read", "kept"))
        made.append(f"| {source} | {Path(file).name} | {found['read']:,} | {found['kept']:,} | {reasons or '-'} |")
    return made


@main_guard
def main() -> None:
    if len(sys.argv) not in (1, 3):
        raise ParamsError("python -m stages.sources takes nothing, or a source and its path, as in `python -m stages.sources xlam calls.json`.")
    names = sorted(path.stem for path in Path(__file__).parent.glob("*.py") if not path.stem.startswith("_"))
    if len(sys.argv) == 3 and sys.argv[1] not in names:
        raise ParamsError(f"{sys.argv[1]!r} is no source: use one of {', '.join(names)}.")
    say("| source | file | read | kept | rejected |\n|---|---|---|---|---|")
    for source, path in [tuple(sys.argv[1:])] if len(sys.argv) == 3 else here():
        for line in lines(source, counts(source, path)):
            say(line)


if __name__ == "__main__":
    main()
