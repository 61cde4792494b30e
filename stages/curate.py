"""curate: a source's rows as Examples, each checked; nothing lost, nothing silently mended.

    python -m stages.curate     ->  data/curated.jsonl  data/rejects.jsonl  metrics/data/curate.json

`read = kept + the sum of rejections`, counted in Examples (a raw row that gives none counts as one); `loaded` is the rows as
they were read, with their sha256.
"""

import hashlib
import heapq
import json
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from itertools import islice
from operator import itemgetter

import jsonschema_rs

from stages import sources
from stages.console import main_guard, say
from stages.errors import ParamsError, RowError
from stages.files import atomic, write_json
from stages.params import Params, load
from stages.schema import Call, Example, dumps, loads
from stages.sources import bfcl, hand
from stages.structured import KIND, derived

EXCERPT = 160  # characters of a rejected row that the rejects file shows


@lru_cache(maxsize=65536)
def _validator(schema: str):
    """A validator for a tool's parameters; RowError when they are no JSON Schema."""
    try:
        return jsonschema_rs.validator_for(json.loads(schema), offline=True)  # a $ref is never fetched
    except (ValueError, jsonschema_rs.ValidationError) as error:
        raise RowError("bad_tool_schema", str(error).splitlines()[0]) from None


def check(example: Example) -> None:
    """Raises RowError for the first thing that makes the Example unusable."""
    if not any(m["role"] == "user" and isinstance(m["content"], str) and m["content"].strip() for m in example.messages):
        raise RowError("no_query", "no user turn with text")
    names = [tool.name for tool in example.tools]
    if len(set(names)) != len(names):
        raise RowError("tool_twice", f"{next(n for n in names if names.count(n) > 1)!r} is offered twice")
    if not example.calls and not (example.reply or "").strip() and example.labels.get("expect") != "call":
        raise RowError("no_target", "neither a call nor a reply")
    if example.schema is not None:
        check_answer(example)
    for tool in example.tools:
        _validator(dumps(tool.parameters))
    offered = {tool.name: tool for tool in example.tools}
    # a benchmark's gold is kept as it is, faults included: its verdict goes by `accepted`
    for call in example.calls or [] if example.accepted is None else []:
        if call.name not in offered:
            raise RowError("call_of_unoffered_tool", f"{call.name!r} is not among the {len(names)} tools offered")
        parameters = offered[call.name].parameters
        if unknown := set(call.arguments) - set(parameters.get("properties", {})):
            raise RowError("unknown_argument", f"{call.name} has no parameter {min(unknown)!r}")
        for error in _validator(dumps(parameters)).iter_errors(call.arguments):
            raise RowError("arguments_against_schema", f"{call.name}: {error.message}")


def check_answer(example: Example) -> None:
    """Raises RowError unless the reply is the text of a JSON object that fits the schema."""
    try:
        value = loads(example.reply)
    except ValueError as error:
        raise RowError("answer_not_json", str(error)) from None
    if not isinstance(value, dict):
        raise RowError("answer_not_object", f"the answer is {type(value).__name__}")
    for error in _validator(dumps(example.schema)).iter_errors(value):
        raise RowError("answer_against_schema", error.message)


def label(example: Example) -> dict[str, str]:
    """Labels that a source did not give: what kind of turn this is."""
    calls, roles = example.calls or [], [m["role"] for m in example.messages]
    if calls:
        kind = "single" if len(calls) == 1 else "parallel" if len({c.name for c in calls}) == 1 else "multiple"
    else:
        kind = KIND if example.schema is not None else "answer" if "tool" in roles else "no_tool"
    turns = "single" if roles.count("user") == 1 and "tool" not in roles else "sequential" if roles[-1] == "tool" else "context"
    return {"kind": kind, "turns": turns, "complexity": complexity(calls), **example.labels}


def complexity(calls: list[Call]) -> str:
    """simple: at most one call of at most 2 plain arguments; complex: nested, 5 or more arguments, 3 or more calls; else moderate."""
    values = [value for call in calls for value in call.arguments.values()]
    nested = any(isinstance(value, dict) or (isinstance(value, list) and value and isinstance(value[0], dict)) for value in values)
    most = max((len(call.arguments) for call in calls), default=0)
    if nested or most >= 5 or len(calls) >= 3:
        return "complex"
    return "simple" if len(calls) <= 1 and most <= 2 else "moderate"


class Curator:
    """Counts what goes in and what comes out; holds digests (16 bytes a row) to find duplicates, and the ids that were given."""

    def __init__(self, source: str):
        self.source, self.read, self.kept = source, 0, 0
        self.rejected, self.labels, self.seen, self.ids = Counter(), {}, set(), set()

    def accept(self, example: Example, place: str) -> Example:
        """The Example ready to be written; one without an id of its own is named by its place. Raises RowError."""
        id = example.id if example.id and example.id not in self.ids else place
        check(example)
        example = replace(example, id=id, source=self.source, labels=label(example))
        if id in self.ids:
            raise RowError("id_twice", f"a row before this one has the id {id!r}")
        body = dumps([example.messages, sorted(tool.name for tool in example.tools),
                      [[c.name, c.arguments] for c in example.calls or []], example.reply])
        digest = hashlib.blake2b(body.encode(), digest_size=16).digest()
        if digest in self.seen:
            raise RowError("duplicate", "the same request, tools and target came before")
        self.seen.add(digest)
        self.ids.add(id)
        self.kept += 1
        for name, value in example.labels.items():
            self.labels.setdefault(name, Counter())[value] += 1
        return example

    def counts(self) -> dict:
        labels = {name: dict(sorted(counter.items())) for name, counter in sorted(self.labels.items()) if len(counter) <= 60}
        return {"source": self.source, "read": self.read, "kept": self.kept,
                "rejected": dict(sorted(self.rejected.items())), "labels": labels}


def curated(raws: Iterator[sources.Raw], convert, curator: Curator, reject) -> Iterator[Example]:
    """Usable Examples; `reject(raw, error)` is called for every other one."""
    for number, raw in enumerate(raws, 1):  # over all files of a source, of which each has a line 1
        try:
            if raw.error:
                raise raw.error
            made = convert(raw.value)
        except RowError as error:
            curator.read += 1
            curator.rejected[error.reason] += 1
            reject(raw, error)
            continue
        for index, example in enumerate(made):
            curator.read += 1
            row = f"{curator.source}-{number:07d}"
            if len(made) > 1:  # turns of one dialogue stay in one part of the split
                example = replace(example, group=example.group or row)
            try:
                yield curator.accept(example, f"{row}-{index}" if len(made) > 1 else row)
            except RowError as error:
                curator.rejected[error.reason] += 1
                reject(raw, error)


class Loaded:
    """The rows of a source as they pass, and what was loaded: {"rows", "sha256"} over each row's text and a line end, in order."""

    def __init__(self, raws: Iterator[sources.Raw]):
        self.raws, self.rows, self.digest = raws, 0, hashlib.sha256()

    def __iter__(self) -> Iterator[sources.Raw]:
        for raw in self.raws:
            self.rows += 1
            self.digest.update((raw.text or dumps(raw.value)).encode(errors="surrogatepass") + b"\n")
            yield raw

    def report(self) -> dict:
        return {"rows": self.rows, "sha256": self.digest.hexdigest()}


def drawn(raws: Iterator[sources.Raw], count: int, seed: int) -> Iterator[sources.Raw]:
    """`count` rows at random, in the order of the file; holds no more than these in memory."""
    draw = random.Random(seed)
    chosen = heapq.nsmallest(count, ((draw.random(), number, raw) for number, raw in enumerate(raws)), key=itemgetter(0))
    return iter([raw for _, _, raw in sorted(chosen, key=itemgetter(1))])


def run(params: Params) -> dict:
    cfg = params.dataset
    if cfg.path is None:
        raise ParamsError(f"dataset.path is null, but dataset.source={cfg.source} reads a file or folder: give its path.")
    source, curator, structured = sources.get(cfg.source), Curator(cfg.source), 0
    read = source.read(cfg)
    raws = Loaded(islice(read, cfg.limit) if cfg.shuffle is None else drawn(read, cfg.limit, cfg.shuffle))
    tests, prompts = Curator("bfcl"), Curator("hand")
    with atomic("data/curated.jsonl") as out, atomic("data/rejects.jsonl") as rejects:

        def reject(raw, error):
            row = {"file": raw.file, "line": raw.line, "reason": error.reason, "detail": error.detail[:300], "excerpt": raw.text[:EXCERPT]}
            rejects.write(dumps(row) + "\n")

        for example in curated(raws, lambda value: source.convert(value, cfg), curator, reject):
            out.write(dumps(example.to_json()) + "\n")
            if (second := derived(example, cfg.structured)) is not None and second.id not in curator.ids:
                curator.ids.add(second.id)
                out.write(dumps(second.to_json()) + "\n")
                structured += 1
        if params.benchmark.path:
            for example in curated(bfcl.read(params.benchmark), lambda value: bfcl.convert(value, cfg), tests, reject):
                out.write(dumps(example.to_json()) + "\n")
        if params.hand.path:
            for example in curated(hand.read(params.hand), lambda value: hand.convert(value, cfg), prompts, reject):
                out.write(dumps(example.to_json()) + "\n")
    apart = {"benchmark": (params.benchmark.path, tests), "hand": (params.hand.path, prompts)}
    return (curator.counts() | {"loaded": raws.report()} | ({"structured": structured} if structured else {})
            | {name: tested.counts() for name, (path, tested) in apart.items() if path})


@main_guard
def main() -> None:
    params = load()
    counts = run(params)
    write_json("metrics/data/curate.json", counts)
    rejected = ", ".join(f"{reason} {count}" for reason, count in counts["rejected"].items()) or "none"
    say(f"curate: {counts['read']} rows in, {counts['kept']} kept; rejected: {rejected} (data/rejects.jsonl)")
    if "structured" in counts:
        say(f"curate: {counts['structured']} of these asked again for a JSON object (dataset.structured)")
    for name in ("benchmark", "hand"):
        if name in counts:
            say(f"curate: {counts[name]['read']} {name} rows in, {counts[name]['kept']} kept, for test only")
    if counts["kept"] < params.dataset.min_kept:
        raise ParamsError(f"{counts['kept']} usable rows are fewer than dataset.min_kept ({params.dataset.min_kept}): "
                          "look into data/rejects.jsonl, or lower dataset.min_kept.")


if __name__ == "__main__":
    main()
