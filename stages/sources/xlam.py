"""Salesforce/xlam-function-calling-60k (CC-BY-4.0, gated): generated requests with one to many calls.

    {"id": 0, "query": "Where can I find live giveaways?", "answers": "[{\\"name\\": ..., \\"arguments\\": {...}}]",
     "tools": "[{\\"name\\": ..., \\"description\\": ..., \\"parameters\\": {PARAM: {\\"type\\": \\"str, optional\\", ...}}}]"}

`answers` and `tools` are JSON text; `parameters` is a flat map with Python's type names. A row without answers says that no
tool fits.
"""

from collections.abc import Iterator

from stages.errors import RowError
from stages.schema import Example
from stages.sources import Raw, _hub, mapping
from stages.sources._entries import NO_TOOL, call, entries, tool

FILES = ("xlam_function_calling_60k.json",)


def read(cfg) -> Iterator[Raw]:
    yield from _hub.read(cfg.path, FILES)


def convert(value, cfg) -> list[Example]:
    row = mapping(value, "query", "answers", "tools")
    if not isinstance(row["query"], str):
        raise RowError("wrong_type", f"query is {type(row['query']).__name__}")
    calls = [call(entry) for entry in entries(row["answers"], "answers")]
    id = f"xlam-{row['id']}" if isinstance(row.get("id"), (int, str)) else ""
    return [Example(id, "xlam", [{"role": "user", "content": row["query"]}], [tool(entry) for entry in entries(row["tools"], "tools")],
                    calls or None, None if calls else NO_TOOL)]
