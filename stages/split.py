"""split: training, validation and test rows that share no group and, with split.by=tool, no held-out tool.

    python -m stages.split      ->  data/split/{train,valid,test}.jsonl  data/suites/*.jsonl  metrics/data/split.json

Two passes over the rows: the first keeps some words of each (id, group, tools, query), the second writes.
"""

import shutil
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass

from stages.console import main_guard, say
from stages.domains import area
from stages.errors import FileError, StageError
from stages.files import atomic, read_json, read_jsonl, write_json
from stages.params import Params, load
from stages.schema import Example, dumps
from stages.structured import KIND, place
from stages.suites import BALANCED, SUITES, pick, rank

PARTS = ("train", "valid", "test")


@dataclass
class Row:
    """What the split decides on."""

    id: str
    group: str
    query: str
    called: frozenset[str]
    offered: frozenset[str]
    labels: dict[str, str]
    tokens: int
    area: str = ""
    part: str = ""
    why: str = ""  # why it is in no part


def facts(row: dict) -> Row:
    example = Example.from_json(row["example"])
    called = frozenset(call.name for call in example.calls or [])
    query = " ".join(m["content"].casefold() for m in example.messages if m["role"] == "user")
    return Row(example.id, example.group or example.id, " ".join(query.split()), called,
               frozenset(tool.name for tool in example.tools), example.labels, row["prompt_tokens"] + row["completion_tokens"], area(example))


def held_out_tools(rows: list[Row], held_out: str | float, seed: int) -> set[str]:
    """The tools kept from training: read from a JSON list, or a share of the called tools."""
    if isinstance(held_out, str):
        names = read_json(held_out)
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise FileError(f"{held_out} is no JSON list of tool names, which split.held_out asks for: correct it.")
        return set(names)
    called = sorted({name for row in rows for name in row.called if row.labels.get("category") != "hand"}, key=lambda name: rank(seed, name))
    return set(called[: round(len(called) * held_out)])


def assign(rows: list[Row], params: Params) -> set[str]:
    """Sets each row's part (or why it is left out) and its `tools` label; returns the held-out tools."""
    held = held_out_tools(rows, params.split.held_out, params.seed) if params.split.by == "tool" else set()
    everything, rows = rows, [row for row in rows if row.labels["kind"] != KIND] or rows  # where all rows are, they are as any other
    for row in rows:
        marked = params.split.by == "tool" and row.labels.get("tools") == "held_out"  # the source's own word
        touched = marked or (row.called & held if row.called else row.offered & held)
        row.labels = {**row.labels, "tools": "held_out" if touched else "seen"}
        if touched or "category" in row.labels:  # a benchmark's rows are tested on, never trained on
            row.part = "test"
    held_groups, rest = {row.group for row in rows if row.part}, {}
    for row in rows:
        if row.part:
            continue
        if row.offered & held:
            row.why = "offers_a_held_out_tool"
        elif row.group in held_groups:
            row.why = "beside_a_held_out_row"  # of the same phrasing or dialogue
        else:
            rest.setdefault(row.id if params.split.by == "random" else row.group, []).append(row)
    fill_parts([group for _, group in sorted(rest.items(), key=lambda item: rank(params.seed, item[0]))], params)
    if len(rows) < len(everything):
        place([row for row in everything if row.labels["kind"] == KIND], rows, params, too_long)
    in_training = {row.query for row in everything if row.part in ("train", "valid")}
    for row in everything:
        if row.part == "test" and row.query in in_training:
            row.part, row.why = "", "query_in_training"
    return held


def fill_parts(groups: list[list[Row]], params: Params) -> None:
    """Whole groups go to test, then to valid, then to train, until each has what is asked."""
    split, counts = params.split, Counter()
    test_rows = split.test * sum(map(len, groups))
    for group in groups:
        part = "test" if counts["test"] < test_rows else "valid" if counts["valid"] < split.valid else "train"
        for row in group:
            if part != "test" and too_long(row, params):
                row.why = "beyond_split.train_tokens"
            elif part == "train" and split.train and counts["train"] >= split.train:
                row.why = "beyond_split.train"
            else:
                row.part = part
                counts[part] += 1


def too_long(row: Row, params: Params) -> bool:
    """Whether split.train_tokens keeps the row from training (and from the loss that is followed during it)."""
    return params.split.train_tokens is not None and row.tokens > params.split.train_tokens


def left_out(rows: list[Row]) -> dict[str, int]:
    return dict(sorted(Counter(row.why for row in rows if not row.part).items()))


def overlaps(rows: list[Row]) -> dict:
    """How much train and test share; the first two are 0 by construction and are counted all the same."""
    parts = {part: [row for row in rows if row.part == part] for part in PARTS}
    known = {key: {value for row in parts["train"] for value in of(row)} for key, of in SHARED.items()}
    return {f"test_rows_sharing_{key}_with_train": sum(any(v in known[key] for v in of(row)) for row in parts["test"])
            for key, of in SHARED.items()}


SHARED = {"group": lambda r: [r.group], "query": lambda r: [r.query], "called_tool": lambda r: r.called, "offered_tool": lambda r: r.offered}


def choose_suites(rows: list[Row], params: Params) -> dict[str, list[str]]:
    test = [(row.id, {**row.labels, "area": row.area}) for row in rows if row.part == "test"]
    return {suite: pick(suite, test, params.suite_sizes.get(suite, params.suite_sizes["default"]), params.seed) for suite in params.suites}


def available(rows: list[Row], params: Params) -> dict[str, int]:
    """How many test rows there are for each suite, asked for or not; suites without any are left out."""
    test = [(row.id, {**row.labels, "area": row.area}) for row in rows if row.part == "test"]
    return {suite: count for suite in SUITES if (count := len(pick(suite, test, len(test), params.seed)))}


def write(rows: list[Row], suites: dict[str, list[str]]) -> None:
    shutil.rmtree("data/suites", ignore_errors=True)  # a suite that is no longer asked for leaves no file
    by_id = {row.id: row for row in rows}
    members = {}
    for suite, ids in suites.items():
        for id in ids:
            members.setdefault(id, []).append(suite)
    with ExitStack() as stack:
        parts = {part: stack.enter_context(atomic(f"data/split/{part}.jsonl")) for part in PARTS}
        files = {suite: stack.enter_context(atomic(f"data/suites/{suite}.jsonl")) for suite in suites}
        for row in read_jsonl("data/formatted.jsonl"):
            fact = by_id[row["id"]]
            if not fact.part:
                continue
            row["example"]["labels"] = fact.labels
            line = dumps(row) + "\n"
            parts[fact.part].write(line)
            for suite in members.get(fact.id, ()):
                files[suite].write(line)


@main_guard
def main() -> None:
    params = load()
    rows = [facts(row) for row in read_jsonl("data/formatted.jsonl")]
    held = assign(rows, params)
    counts = Counter(row.part for row in rows)
    if not counts["train"] or not counts["test"]:
        raise StageError(f"split left {counts['train']} training and {counts['test']} test rows of {len(rows)}: "
                         "lower split.held_out or split.test, or give more rows.")
    suites = choose_suites(rows, params)
    if empty := [name for name, ids in suites.items() if not ids]:
        raise StageError(f"suites has {empty[0]!r}, for which this data set has no test row: take it out, or give rows of that kind.")
    write(rows, suites)
    sizes = {suite: len(ids) for suite, ids in suites.items()}
    write_json("metrics/data/split.json", {
        "by": params.split.by, **{part: counts[part] for part in PARTS}, "held_out_tools": len(held), "left_out": left_out(rows),
        **overlaps(rows), "suites": sizes, "available": available(rows, params)})
    say(f"split: {len(rows)} rows in, {counts['train']} train, {counts['valid']} valid, {counts['test']} test, {counts['']} left out "
        f"(metrics/data/split.json); suites: {', '.join(f'{name} {size}' for name, size in sizes.items())}")
    for suite, size in sizes.items():
        if size < (asked := params.suite_sizes.get(suite, params.suite_sizes["default"])):
            say(f"split: suite {suite} has {size} cases, fewer than the {asked} asked for; none were invented")
    by_id = {row.id: row for row in rows}
    for suite in params.suites:
        if suite in BALANCED:
            found = Counter(by_id[id].area for id in suites[suite])
            say(f"split: suite {suite} takes in turn from {', '.join(f'{name} {found[name]}' for name in sorted(found))}")


if __name__ == "__main__":
    main()
