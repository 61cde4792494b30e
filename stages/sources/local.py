"""Your own rows. Two shapes are known, told apart by the keys of each row:

xLAM     {"query": "...", "tools": [...], "answers": [{"name", "arguments"}]}   (lists, or lists as JSON text)
OpenAI   {"messages": [{"role", "content", "tool_calls"?}], "tools": [...]}     (as TRL takes it)

An OpenAI row gives one Example for each assistant turn in it.
"""

from collections.abc import Iterator
from pathlib import Path

from stages.errors import FileError, RowError
from stages.schema import Call, Example, Tool, as_arguments, loads
from stages.sources import Raw, mapping, read_rows
from stages.sources._types import flat_parameters

SUFFIXES = (".jsonl", ".json", ".jsonl.gz", ".json.gz")


def read(cfg) -> Iterator[Raw]:
    path = Path(cfg.path)
    if not str(path).endswith(SUFFIXES):
        raise FileError(f"dataset.path is {path}: give a file ending in {', '.join(SUFFIXES)}.")
    yield from read_rows(path)


def convert(value, cfg) -> list[Example]:
    row = mapping(value)
    if "messages" in row:
        return from_messages(row["messages"], _json(row.get("tools"), "tools") or [])
    if "query" in row and "answers" in row:
        return [from_xlam(row)]
    raise RowError("unknown_shape", "neither messages nor query and answers; see stages/sources/local.py")


def _json(value, key: str):
    """A value that may have arrived as JSON text."""
    if not isinstance(value, str):
        return value
    try:
        return loads(value)
    except ValueError as error:
        raise RowError(f"{key}_not_json", str(error)) from None


# --- xLAM -----------------------------------------------------------------------------------------------

def tool(entry) -> Tool:
    """A Tool from an OpenAI wrapper, a bare JSON Schema function or xLAM's flat form."""
    if isinstance(entry, dict) and isinstance(entry.get("function"), dict):
        entry = entry["function"]
    if not isinstance(entry, dict) or not isinstance(entry.get("name"), str) or not entry["name"]:
        raise RowError("tool_without_name", str(entry)[:80])
    parameters = _json(entry.get("parameters"), "tools") or {}
    if not isinstance(parameters, dict):
        raise RowError("bad_tool_schema", f"parameters of {entry['name']} are {type(parameters).__name__}")
    properties = parameters.get("properties")
    # a flat form may have a parameter of that name: its entries are then words, not schemas
    is_schema = isinstance(properties, dict) and all(isinstance(schema, (dict, bool)) for schema in properties.values())
    if not is_schema and parameters.get("type") != "object":
        parameters = flat_parameters(parameters)
    return Tool(entry["name"], str(entry.get("description") or ""), parameters)


def call(entry) -> Call:
    """A Call from {"name", "arguments"} or an OpenAI tool call."""
    if isinstance(entry, dict) and isinstance(entry.get("function"), dict):
        entry = entry["function"]
    if not isinstance(entry, dict) or not isinstance(entry.get("name"), str) or not entry["name"]:
        raise RowError("call_without_name", str(entry)[:80])
    return Call(entry["name"], as_arguments(entry.get("arguments")))


def from_xlam(row: dict) -> Example:
    tools, answers = _json(row.get("tools"), "tools"), _json(row["answers"], "answers")
    if not isinstance(tools, list) or not isinstance(answers, list):
        raise RowError("not_a_list", "tools and answers must be lists")
    calls = [call(entry) for entry in answers]
    reply = None if calls else row.get("reply") or "None of the available tools can do that."
    if not isinstance(row["query"], str):
        raise RowError("no_query", f"query is {type(row['query']).__name__}, not text")
    if not isinstance(reply, str | None):
        raise RowError("content_not_text", f"reply is {type(reply).__name__}")
    id = str(row["id"]) if isinstance(row.get("id"), (str, int)) else ""
    return Example(id, "local", [{"role": "user", "content": row["query"]}],
                   [tool(entry) for entry in tools], calls or None, reply)


# --- OpenAI / TRL ---------------------------------------------------------------------------------------


def from_messages(messages, tools) -> list[Example]:
    """One Example for each assistant turn, with all that came before it. Source and id are set by curate."""
    if not isinstance(messages, list) or not messages:
        raise RowError("empty", "messages is empty")
    if not isinstance(tools, list):
        raise RowError("not_a_list", "tools must be a list")
    offered = [tool(entry) for entry in tools]
    made, before = [], []
    for message in messages:
        if not isinstance(message, dict) or message.get("role") not in ("system", "user", "assistant", "tool"):
            raise RowError("bad_role", str(message)[:80])
        content = message.get("content") or ""
        if not isinstance(content, str):
            raise RowError("content_not_text", f"content of a {message['role']} turn is {type(content).__name__}")
        clean = {"role": message["role"], "content": content}
        if message["role"] == "assistant":
            entries = message.get("tool_calls") or []
            if not isinstance(entries, list):
                raise RowError("not_a_list", "tool_calls must be a list")
            calls = [call(entry) for entry in entries]
            if not calls and not content.strip():
                raise RowError("empty_turn", "an assistant turn has neither content nor tool_calls")
            made.append(Example("", "local", list(before), offered, calls or None, None if calls else content))
            if calls:
                clean["tool_calls"] = [one.wrapped() for one in calls]
        before.append(clean)
    if not made:
        raise RowError("no_target", "no assistant turn")
    return made
