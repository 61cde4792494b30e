"""The data set written for this repository (data/embedded/README.md).

    {"id": "emb-00017", "group": "weather/get_current_weather/phrasing3", "labels": {...},
     "messages": [...], "offered": ["get_forecast", "get_current_weather"], "calls": [...], "reply": null}
"""

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from stages.errors import RowError
from stages.files import read_jsonl
from stages.schema import Call, Example, Tool
from stages.sources import MESSAGES, TEXT, TEXT_OR_NULL, Raw, objects, read_rows, shape, shaped

SHAPE = shape(
    id=TEXT, group=TEXT, labels={"type": "object", "additionalProperties": TEXT}, messages=MESSAGES, offered={"type": "array", "items": TEXT},
    calls={"anyOf": [{"type": "null"}, objects(name=TEXT, arguments={"type": "object"})]}, reply=TEXT_OR_NULL)


def read(cfg) -> Iterator[Raw]:
    yield from read_rows(Path(cfg.path) / "examples.jsonl")


@lru_cache
def _tools(path: str) -> dict[str, Tool]:
    return {row["name"]: Tool(row["name"], row["description"], row["parameters"]) for row in read_jsonl(Path(path) / "tools.jsonl")}


def convert(value, cfg) -> list[Example]:
    row = shaped(value, SHAPE)
    catalogue = _tools(cfg.path)
    if unknown := [name for name in row["offered"] if name not in catalogue]:
        raise RowError("unknown_tool", f"tools.jsonl has no {unknown[0]!r}")
    calls = [Call(call["name"], call["arguments"]) for call in row["calls"]] if row["calls"] else None
    return [Example(row["id"], "embedded", row["messages"], [catalogue[name] for name in row["offered"]],
                    calls, row["reply"], row["group"], row["labels"])]
