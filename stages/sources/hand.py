"""Prompts written by hand, to be tested on and never trained on: what is expected is a call or a reply, the gold call is optional.

    {"prompt": "how cold is it in Hull?", "tools": [...], "expect": "call", "calls": [{"name": "get_weather", "arguments": {"city": "Hull"}}]}
    {"prompt": "thanks, that was all", "tools": [...], "expect": "reply"}

`messages` (OpenAI-style turns) may stand for `prompt`. Tools are in any form that `_entries.tool` reads. Without gold, a call of an
offered tool that its schema takes is right.
"""

from collections.abc import Iterator

from stages.errors import FileError, RowError
from stages.schema import Example
from stages.sources import MESSAGES, TEXT, Raw, read_rows, shape, shaped
from stages.sources._entries import NO_TOOL, call, entries, tool

SHAPE = shape(expect={"enum": ["call", "reply"]})
TURNS = shape(messages=MESSAGES)
PROMPT = shape(prompt=TEXT)


def read(cfg) -> Iterator[Raw]:
    try:
        yield from read_rows(cfg.path)
    except FileError as error:
        raise FileError(f"hand.path: {error}") from None


def convert(value, cfg) -> list[Example]:
    row = shaped(value, SHAPE)
    messages = shaped(row, TURNS)["messages"] if "messages" in row else [{"role": "user", "content": shaped(row, PROMPT)["prompt"]}]
    calls = [call(entry) for entry in entries(row.get("calls"), "calls")]
    if calls and row["expect"] == "reply":
        raise RowError("expects_reply_but_has_calls", str(row["calls"])[:80])
    called = row["expect"] == "call"
    kind = "no_tool" if not called else "single" if len(calls) < 2 else "parallel"
    reply = None if calls else "" if called else NO_TOOL
    return [Example(str(row.get("id") or ""), "hand", messages, [tool(entry) for entry in entries(row.get("tools"), "tools")], calls or None,
                    reply, None, {"kind": kind, "category": "hand", "expect": row["expect"]})]
