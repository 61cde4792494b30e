"""split: training, validation and test rows that share no group and, with split.by=tool, no held-out tool.

    python -m stages.split      ->  data/split/{train,valid,test}.jsonl  data/suites/*.jsonl  data/contamination.jsonl
                                    metrics/data/split.json

Two passes over the rows: the first keeps a little of each (id, group, request, tools, labels), the second writes. What is
guaranteed, and how it is counted: docs/splits.md.
"""

import shutil
import sys
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache

from stages import contamination, mixture
from stages.console import main_guard, say
from stages.domains import area
from stages.errors import FileError, StageError
from stages.files import atomic, read_json, read_jsonl, write_json
from stages.overlap import overlaps, table
from stages.params import Params, load
from stages.rank import rank
from stages.schema import Example, dumps
from stages.similar import Requests
from stages.strata import quotas, rows_asked, strata
from stages.structured import KIND, place
from stages.suites import BALANCED, SUITES, pick

PARTS = ("train", "valid", "test")


@cache
def same(value):
    """One object for all equal strings and tuples of strings: rows share what they have in common."""
    return value


@dataclass(slots=True)
class Row:
    """What the split decides on; some hundred bytes, as all rows are held at once."""

    id: str
    group: str
    query: str  # all user turns, in lower case
    calls: tuple[str, ...]  # names
    tools: tuple[tuple[str, str], ...]  # (name, signature) of those offered
    items: tuple[tuple[str, str], ...]  # of the labels
    tokens: int
    area: str = ""
    barred: str = ""  # why it must not be trained on, whatever its part would be
    masked_tokens: int | None = None  # of its masked variant, where format made one
    part: str = ""
    why: str = ""  # why it is in no part
    masked: bool = False  # whether it is trained on under neutral names
    spare: bool = False  # in no part, but free to fill a suite

    @property
    def called(self) -> frozenset[str]:
        return frozenset(self.calls)

    @property
    def offered(self) -> frozenset[str]:
        return frozenset(name for name, _ in self.tools)

    @property
    def needed(self) -> frozenset[str]:
        """The tools that say whether a row is about seen ones: those called, or those offered where none is called."""
        return self.called or self.offered

    @property
    def labels(self) -> dict[str, str]:
        return dict(self.items)

    @labels.setter
    def labels(self, labels: dict[str, str]) -> None:
        self.items = same(tuple(labels.items()))


def facts(row: dict) -> Row:
    example = Example.from_json(row["example"])
    id, query = sys.intern(example.id), " ".join(turn.casefold() for turn in user_turns(row["example"]))
    return Row(id, sys.intern(example.group) if example.group else id, " ".join(query.split()),
               tuple(dict.fromkeys(sys.intern(call.name) for call in example.calls or [])),
               tuple(same((tool.name, contamination.signature(tool.name, tool.parameters))) for tool in example.tools),
               same(tuple(example.labels.items())), tokens(row), area(example),
               masked_tokens=tokens(row["masked"]) if "masked" in row else None)


def user_turns(example: dict) -> list[str]:
    return [message["content"] for message in example["messages"] if message["role"] == "user"]


def tokens(row: dict) -> int:
    return row["prompt_tokens"] + row["completion_tokens"]


def held_out_tools(rows: list[Row], held_out: str | float, seed: int) -> set[str]:
    """The tools kept from training: read from a JSON list, or a share of the called tools."""
    if isinstance(held_out, str):
        names = read_json(held_out)
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise FileError(f"{held_out} is no JSON list of tool names, which split.held_out asks for: correct it.")
        return set(names)
    called = sorted({name for row in rows for name in row.called if row.labels.get("category") != "hand"}, key=lambda name: rank(seed, name))
    return set(called[: round(len(called) * held_out)])


def assign(rows: list[Row], params: Params, requests: Requests | None = None) -> set[str]:
    """Sets each row's part (or why it is left out) and its `tools` label; returns the held-out tools."""
    split, requests = params.split, requests or Requests(rows, params.split.similarity)
    held = held_out_tools(rows, split.held_out, params.seed) if split.by == "tool" else set()
    everything, rows = rows, [row for row in rows if row.labels["kind"] != KIND] or rows  # where all rows are, they are as any other
    for row in rows:
        marked = split.by == "tool" and row.labels.get("tools") == "held_out"  # the source's own word
        touched = marked or row.needed & held
        row.labels = {**row.labels, "tools": "held_out" if touched else "seen"}
        if touched or "category" in row.labels:  # a benchmark's rows are tested on, never trained on
            row.part = "test"
    keys = requests.clusters(rows) if split.by == "cluster" else [row.group for row in rows]
    held_groups, rest = {key for key, row in zip(keys, rows) if row.part}, {}
    for key, row in zip(keys, rows):
        if row.part:
            continue
        if row.offered & held:
            row.why = "offers_a_held_out_tool"
        elif key in held_groups:
            row.why = "beside_a_held_out_row"  # of the same phrasing, dialogue or cluster
        else:
            rest.setdefault(row.id if split.by == "random" else key, []).append(row)
    size = {key: len(group) for key, group in rest.items()}
    most = rows_asked(split.test, sum(size.values())) if split.by == "cluster" else len(rows)  # a cluster larger than the test part is trained on
    groups = [rest[key] for key in sorted(rest, key=lambda key: (size[key] > most, rank(params.seed, key)))]
    fill_parts(groups, params)
    if split.remove_similar or split.by == "cluster":  # the search of clusters may miss a pair; this one looks at test rows alone
        leave_similar(rows, groups, requests)
        fill_parts(groups, params)  # anew, as what was left out makes room; the test rows stay the same
    if split.by != "tool":
        label_unseen(rows)
    if len(rows) < len(everything):
        place([row for row in everything if row.labels["kind"] == KIND], rows, params, too_long)
    in_training = {row.query for row in everything if row.part in ("train", "valid")}
    for row in everything:
        if row.part == "test" and row.query in in_training:
            row.part, row.why = "", "query_in_training"
    if params.split.spare:
        known, full = {key for key, row in zip(keys, rows) if row.part in ("train", "valid")}, {f"beyond_split.{part}" for part in PARTS}
        for key, row in zip(keys, rows):
            row.spare = row.why in full and key not in known and row.query not in in_training
    return held


def fill_parts(groups: list[list[Row]], params: Params) -> None:
    """Whole groups go to test, then to valid, then to train, until each has what is asked; so in every stratum."""
    split, parted = params.split, strata(groups, params.split.stratify)
    sizes = [sum(map(len, stratum)) for stratum in parted]
    asked = {"test": rows_asked(split.test, sum(sizes)), "valid": split.valid, "train": split.train or sum(sizes)}
    for stratum, *quota in zip(parted, *(quotas(asked[part], sizes) for part in ("test", "valid", "train"))):
        fill_stratum(stratum, dict(zip(("test", "valid", "train"), quota)), params)
    if mixture.classes(split):
        mixture.mix([row for group in groups for row in group if row.part == "train"], params)


def fill_stratum(groups: list[list[Row]], quota: dict[str, int], params: Params) -> None:
    """Where split.test is a number of rows, a group that is too large is cut, so that each part has just its number."""
    counts, exact = Counter(), params.split.test >= 1
    cut = {"test": exact, "valid": exact, "train": not mixture.classes(params.split)}  # a mixture takes its own number
    for group in groups:
        part = next((name for name in ("test", "valid") if counts[name] < quota[name]), "train")
        for row in group:
            if part != "test" and row.barred:
                row.why = row.barred
            elif part != "test" and too_long(row, params):
                row.why = "beyond_split.train_tokens"
            elif cut[part] and counts[part] >= quota[part]:
                row.why = f"beyond_split.{part}"
            else:
                row.part = part
                counts[part] += 1


def leave_similar(rows: list[Row], groups: list[list[Row]], requests: Requests) -> None:
    """Bars from training what is nearly a test row, whatever its group, and takes back what was decided about all other rows."""
    others = [row for group in groups for row in group if row.part != "test"]
    similar = requests.beside(others, (row for row in rows if row.part == "test"))
    for row in others:
        row.part = row.why = ""
        row.barred = row.barred or ("near_duplicate_of_test" if row.query in similar else "")


def label_unseen(rows: list[Row]) -> None:
    """Where no tools are held out, chance may have done it: rows whose tools no training row calls or offers."""
    trained = {name for row in rows if row.part == "train" for name in row.called | row.offered}
    for row in rows:
        if row.needed and not row.needed & trained:
            row.labels = {**row.labels, "tools": "held_out"}


def too_long(row: Row, params: Params) -> bool:
    """Whether split.train_tokens keeps the row from training (and from the loss that is followed during it)."""
    return params.split.train_tokens is not None and row.tokens > params.split.train_tokens


def left_out(rows: list[Row]) -> dict[str, int]:
    return dict(sorted(Counter(row.why for row in rows if not row.part).items()))


def choose_suites(rows: list[Row], params: Params) -> dict[str, list[str]]:
    test, spare = ([(row.id, {**row.labels, "area": row.area}) for row in rows if belongs(row)]
                   for belongs in (lambda row: row.part == "test", lambda row: row.spare))
    chosen = {}
    for suite in params.suites:
        size = params.suite_sizes.get(suite, params.suite_sizes["default"])
        chosen[suite] = pick(suite, test, size, params.seed)
        chosen[suite] += pick(suite, spare, size - len(chosen[suite]), params.seed) if spare else []
    return chosen


def available(rows: list[Row], params: Params) -> dict[str, int]:
    """How many test rows there are for each suite, asked for or not; suites without any are left out."""
    test = [(row.id, {**row.labels, "area": row.area}) for row in rows if row.part == "test"]
    return {suite: count for suite in SUITES if (count := len(pick(suite, test, len(test), params.seed)))}


def read(params: Params) -> tuple[list[Row], dict | None]:
    """All rows, and what the contamination check found; its hits go to data/contamination.jsonl, one line each."""
    cfg = params.contamination
    benchmark = contamination.load(cfg.path, cfg.ngram) if cfg.path else None
    rows, hits = [], Counter()
    with atomic("data/contamination.jsonl") as out:
        for raw in read_jsonl("data/formatted.jsonl"):
            row = facts(raw)
            if benchmark and "category" not in row.labels:
                for hit in benchmark.hits(user_turns(raw["example"]), [signature for _, signature in row.tools]):
                    if hit["kind"] == "words" or cfg.tools:
                        row.barred = "contaminated"
                        hits[hit["kind"]] += 1
                        out.write(dumps({"id": row.id, **hit}) + "\n")
            rows.append(row)
    if not benchmark:
        return rows, None
    hit = sum(bool(row.barred) for row in rows)
    return rows, {**benchmark.counts(), "rows_with_its_words": hits["words"], "rows_with_its_tool": hits["tool"], "rows_hit": hit}


def write(rows: list[Row], suites: dict[str, list[str]]) -> None:
    shutil.rmtree("data/suites", ignore_errors=True)  # a suite that is no longer asked for leaves no file
    members = {}
    for suite, ids in suites.items():
        for id in ids:
            members.setdefault(id, []).append(suite)
    with ExitStack() as stack:
        parts = {part: stack.enter_context(atomic(f"data/split/{part}.jsonl")) for part in PARTS}
        files = {suite: stack.enter_context(atomic(f"data/suites/{suite}.jsonl")) for suite in suites}
        for fact, row in zip(rows, read_jsonl("data/formatted.jsonl"), strict=True):
            if not fact.part and not fact.spare:
                continue
            row["example"]["labels"] = fact.labels
            masked = row.pop("masked", None)
            if fact.masked:  # the example itself keeps its names: it may serve as one in the prompt of the base
                row |= masked | {"masked": True}
            line = dumps(row) + "\n"
            if fact.part:
                parts[fact.part].write(line)
            for suite in members.get(fact.id, ()):
                files[suite].write(line)


@main_guard
def main() -> None:
    params = load()
    rows, contaminated = read(params)
    requests = Requests(rows, params.split.similarity)
    held = assign(rows, params, requests)
    mixture.mask(rows, params)
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
        **overlaps(rows), "suites": sizes, "available": available(rows, params), "similarity": params.split.similarity,
        "overlap": table(rows, suites, requests), "contamination": contaminated, **mixture.shares(rows, params)})
    say(f"split: {len(rows)} rows in, {counts['train']} train, {counts['valid']} valid, {counts['test']} test, {counts['']} left out "
        f"(metrics/data/split.json); suites: {', '.join(f'{name} {size}' for name, size in sizes.items())}")
    if contaminated and contaminated["rows_hit"]:
        say(f"split: {contaminated['rows_hit']} rows hold something of {params.contamination.path} and are not trained on (data/contamination.jsonl)")
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
