"""Your own rows. Two shapes are known, told apart by the keys of each row:

xLAM     {"query": "...", "tools": [...], "answers": [{"name", "arguments"}]}   (lists, or lists as JSON text)
OpenAI   {"messages": [{"role", "content", "tool_calls"?}], "tools": [...]}     (as TRL takes it)

An OpenAI row gives one Example for each assistant turn in it.
"""

from collections.abc import Iterator
from pathlib import Path

from stages.errors import FileError, RowError
from stages.schema import ROLES, Example
from stages.sources import Raw, mapping, read_rows
from stages.sources._entries import NO_TOOL, call, entries, examples, tool, turn

SUFFIXES = (".jsonl", ".json", ".jsonl.gz", ".json.gz")


def read(cfg) -> Iterator[Raw]:
    path = Path(cfg.path)
    if not str(path).endswith(SUFFIXES):
        raise FileError(f"dataset.path is {path}: give a file ending in {', '.join(SUFFIXES)}.")
    yield from read_rows(path)


def convert(value, cfg) -> list[Example]:
    row = mapping(value)
    if "messages" in row:
        return from_messages(row["messages"], row.get("tools"))
    if "query" in row and "answers" in row:
        return [from_xlam(row)]
    raise RowError("unknown_shape", "neither messages nor query and answers; see stages/sources/local.py")


def from_xlam(row: dict) -> Example:
    calls = [call(entry) for entry in entries(row["answers"], "answers")]
    reply = None if calls else row.get("reply") or NO_TOOL
    if not isinstance(row["query"], str):
        raise RowError("no_query", f"query is {type(row['query']).__name__}, not text")
    if not isinstance(reply, str | None):
        raise RowError("content_not_text", f"reply is {type(reply).__name__}")
    id = str(row["id"]) if isinstance(row.get("id"), (str, int)) else ""
    return Example(id, "local", [turn("user", row["query"])], [tool(entry) for entry in entries(row.get("tools"), "tools")], calls or None, reply)


def from_messages(messages, tools) -> list[Example]:
    """One Example for each assistant turn, with all that came before it. Source and id are set by curate."""
    if not isinstance(messages, list) or not messages:
        raise RowError("empty", "messages is empty")
    offered, turns = [tool(entry) for entry in entries(tools, "tools")], []
    for message in messages:
        if not isinstance(message, dict) or message.get("role") not in ROLES:
            raise RowError("bad_role", str(message)[:80])
        content = message.get("content") or ""
        if not isinstance(content, str):
            raise RowError("content_not_text", f"content of a {message['role']} turn is {type(content).__name__}")
        calls = entries(message.get("tool_calls"), "tool_calls") if message["role"] == "assistant" else []
        turns.append(turn(message["role"], content, [call(entry) for entry in calls]))
    return examples("local", turns, offered)
