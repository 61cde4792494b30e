"""The one shape that flows between the stages: Example, Tool, Call.

One line of `data/curated.jsonl`:

    {"id": "emb-00017", "source": "embedded",
     "messages": [{"role": "user", "content": "how cold is it in Hull?"}],
     "tools": [{"name": "get_current_weather", "description": "...",
                "parameters": {"type": "object", "properties": {...}, "required": ["city"]}}],
     "calls": [{"name": "get_current_weather", "arguments": {"city": "Hull"}}],
     "reply": null, "labels": {"kind": "single", "turns": "single", "domain": "weather"}}

The target is either `calls` (several = parallel) or `reply` (text: no call is right), never both. With a `schema` the reply is
the text of a JSON object that fits it (structured output): {"schema": {"type": "object", ...}, "reply": "{\"city\": \"Hull\"}"}.
"""

import json
from dataclasses import dataclass, field

from stages.errors import RowError

ROLES = ("system", "user", "assistant", "tool")


@dataclass(frozen=True)
class Tool:
    """A callable: `parameters` is a JSON Schema object ({"type": "object", "properties": ...})."""

    name: str
    description: str
    parameters: dict

    def wrapped(self) -> dict:
        """The OpenAI form that chat templates and servers take."""
        return {"type": "function", "function": dict(vars(self))}


@dataclass(frozen=True)
class Call:
    name: str
    arguments: dict

    def wrapped(self) -> dict:
        """One entry of an OpenAI message's `tool_calls`, with arguments as a dict."""
        return {"type": "function", "function": {"name": self.name, "arguments": self.arguments}}


@dataclass(frozen=True)
class Example:
    """One turn to be produced, with all that the model is shown before it.

    messages: OpenAI-style dicts up to that turn ({"role", "content"[, "tool_calls"]}).
    group: rows made from one origin (a phrasing, a dialogue) share it; a split never parts them.
    labels: strings that suites select by: kind, turns, complexity, domain; category in a benchmark.
    accepted: a benchmark's own gold, [{FUNCTION: {PARAM: [accepted values]}}], for the bfcl verdict.
    schema: the JSON Schema that the reply, a JSON object as text, must fit; the messages already show it.
    """

    id: str
    source: str
    messages: list[dict]
    tools: list[Tool]
    calls: list[Call] | None = None
    reply: str | None = None
    group: str | None = None
    labels: dict[str, str] = field(default_factory=dict)
    accepted: list[dict] | None = None
    schema: dict | None = None

    def to_json(self) -> dict:
        """Plain dicts that share their content with the Example (dataclasses.asdict would copy it all, slowly)."""
        calls = None if self.calls is None else [dict(vars(call)) for call in self.calls]
        made = {**vars(self), "tools": [dict(vars(tool)) for tool in self.tools], "calls": calls}
        if self.schema is None:
            del made["schema"]  # most rows have none
        return made

    @staticmethod
    def from_json(row: dict) -> "Example":
        row = dict(row)
        row["tools"] = [Tool(**tool) for tool in row["tools"]]
        if row.get("calls") is not None:
            row["calls"] = [Call(**call) for call in row["calls"]]
        return Example(**row)

    def query(self) -> str:
        """The last user message: what near-duplicate search and contamination checks look at."""
        return next((m["content"] for m in reversed(self.messages) if m["role"] == "user"), "")


def as_arguments(value) -> dict:
    """Call arguments as a dict: data sets give a dict, a JSON string, or a string inside a string.

    Raises RowError for anything else.
    """
    for _ in range(3):
        if isinstance(value, dict):
            return value
        if value is None or value == "":
            return {}
        if not isinstance(value, str):
            break
        try:
            value = loads(value)
        except ValueError as error:
            raise RowError("arguments_not_json", str(error)) from None
    raise RowError("arguments_not_object", f"arguments are {type(value).__name__}, not an object")


MAX_DEPTH = 64  # levels of lists and objects; deeper values are no call, and would exhaust the stack of some reader


def loads(text: str):
    """json.loads that refuses what JSON forbids (NaN, Infinity, duplicate keys, lone surrogates) and what no float holds.

    Raises ValueError, also for values nested deeper than MAX_DEPTH.
    """

    def no_constant(name):
        raise ValueError(f"{name} is not JSON")

    def unique(pairs):
        value = dict(pairs)
        if len(value) < len(pairs):
            seen = set()
            raise ValueError(f"duplicate key {next(k for k, _ in pairs if k in seen or seen.add(k))!r}")
        return value

    try:
        value = json.loads(text, parse_constant=no_constant, object_pairs_hook=unique)
        if text.count("{") + text.count("[") > MAX_DEPTH and depth(value) > MAX_DEPTH:
            raise RecursionError
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except RecursionError:
        raise ValueError(f"nested deeper than {MAX_DEPTH} levels") from None
    except UnicodeEncodeError:
        raise ValueError("lone surrogate in a string") from None
    return value


def depth(value) -> int:
    """Levels of lists and objects: 0 for a plain value, 2 for {"a": []}."""
    levels, layer = 0, [value]
    while layer := [one for one in layer if isinstance(one, (dict, list))]:
        levels += 1
        layer = [inner for one in layer for inner in (one.values() if isinstance(one, dict) else one)]
    return levels


def dumps(value) -> str:
    """Compact-enough JSON with real characters, as the chat templates of transformers write it."""
    return json.dumps(value, ensure_ascii=False)


@dataclass(frozen=True)
class Parsed:
    """A raw completion as a dialect's `parse` read it.

    calls: the calls that could be read, in order, mended ones included.
    reply: the text outside of call blocks, stripped.
    attempted: the text tries to call, readable or not; a malformed attempt is no abstention.
    defects: how it was malformed, from DEFECTS; empty = clean.
    """

    calls: list[Call]
    reply: str = ""
    attempted: bool = False
    defects: list[str] = field(default_factory=list)


# The order is that of the validity ladder: block, balance, JSON, shape.
DEFECTS = {
    "unbalanced_tags": "an opening or closing mark has no partner",
    "cut_off": "the text ends inside a call",
    "empty_block": "a call block with nothing in it",
    "not_json": "a block that could not be read as JSON even after mending",
    "mended_json": "JSON that needed mending: single quotes, trailing commas, Python literals, comments",
    "no_name": "a call without a name",
    "no_arguments": "a call without arguments",
    "arguments_as_text": "arguments as JSON text in quotes, within the call's JSON, where an object should be",
    "arguments_not_object": "arguments that are not an object",
    "prose_around": "text outside of the call blocks",
}
