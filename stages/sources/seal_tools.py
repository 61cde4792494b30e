"""Seal-Tools, dev split: generated requests over 4,076 tools (Apache-2.0).

`dataset.path` is a folder with dev.jsonl.gz {"id", "query", "calling": [{"api", "parameters", "responses"}]} and
tool.jsonl.gz {"api_name", "api_description", "field", "parameters": {NAME: {"type": "str", "description"}}, "required"}.

The set offers no distractors: each request is shown its own tools and DISTRACTORS others, most of the same field.
"""

import hashlib
import random
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from stages.errors import RowError
from stages.files import read_jsonl
from stages.schema import Call, Example, Tool
from stages.sources import TEXT, Raw, objects, read_rows, shape, shaped
from stages.sources._types import flat_parameters

DISTRACTORS = 4
SHAPE = shape(id=TEXT, query=TEXT, calling=objects(api=TEXT, parameters={"type": "object"}))


def read(cfg) -> Iterator[Raw]:
    yield from read_rows(Path(cfg.path) / "dev.jsonl.gz")


@lru_cache
def library(folder: str) -> tuple[dict[str, Tool], dict[str, str]]:
    """Tools by name, and each one's field."""
    tools, fields = {}, {}
    for row in read_jsonl(Path(folder) / "tool.jsonl.gz"):
        parameters = flat_parameters(row["parameters"])
        parameters["required"] = [name for name in row["required"] if name in row["parameters"]]
        tools[row["api_name"]] = Tool(row["api_name"], row["api_description"], parameters)
        fields[row["api_name"]] = row["field"].split("/")[0]
    return tools, fields


def offer(names: list[str], cfg_path: str, id: str) -> list[Tool]:
    """The called tools and some others, shuffled; the same ones each time for the same row."""
    tools, fields = library(cfg_path)
    rng = random.Random(hashlib.sha256(id.encode()).digest())
    near = [name for name in tools if fields[name] == fields[names[0]] and name not in names]
    far = [name for name in tools if name not in names and fields[name] != fields[names[0]]]
    others = rng.sample(near, min(DISTRACTORS - 1, len(near)))
    others += rng.sample(far, DISTRACTORS - len(others))
    shown = [*names, *others]
    rng.shuffle(shown)
    return [tools[name] for name in shown]


def convert(value, cfg) -> list[Example]:
    row, (tools, fields) = shaped(value, SHAPE), library(cfg.path)
    calls = []
    for call in row["calling"]:
        if call["api"] not in tools:
            raise RowError("unknown_tool", f"tool.jsonl.gz has no {call['api']!r}")
        if any(str(argument).startswith("API_call_") for argument in call["parameters"].values()):
            raise RowError("depends_on_result", f"an argument of {call['api']} is another call's result")
        calls.append(Call(call["api"], call["parameters"]))
    if not calls:
        raise RowError("no_target", "no call")
    names = list(dict.fromkeys(call.name for call in calls))
    messages = [{"role": "user", "content": row["query"]}]
    return [Example(row["id"], "seal_tools", messages, offer(names, cfg.path, row["id"]), calls, None, None, {"domain": fields[names[0]]})]
