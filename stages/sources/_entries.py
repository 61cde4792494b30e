"""What the dialogue and call formats share: tools, calls and turns from the forms that data sets write them in."""

from stages.errors import RowError
from stages.schema import Call, Example, Tool, as_arguments, loads
from stages.sources._types import PYTHON_TYPES, flat_parameters

NO_TOOL = "None of the available tools can do that."  # the reply of rows that say "no call" and give no words for it
MAX_DEPTH = 30  # levels of a tool's schema that are looked into


def from_text(value, key: str):
    """A value that may have arrived as JSON text. Raises RowError."""
    if not isinstance(value, str):
        return value
    try:
        return loads(value)
    except ValueError as error:
        raise RowError(f"{key}_not_json", str(error)) from None


def entries(value, key: str) -> list:
    """A list that may have arrived as JSON text, or not at all. Raises RowError."""
    value = [] if value in (None, "") else from_text(value, key)
    if not isinstance(value, list):
        raise RowError("not_a_list", f"{key} is {type(value).__name__}, not a list")
    return value


def _named(entry, what: str) -> dict:
    if isinstance(entry, dict) and isinstance(entry.get("function"), dict):
        entry = entry["function"]  # OpenAI's wrapper
    if not isinstance(entry, dict) or not isinstance(entry.get("name"), str) or not entry["name"].strip():
        raise RowError(f"{what}_without_name", str(entry)[:80])
    return entry


def tool(entry) -> Tool:
    """A Tool from OpenAI's wrapper, a bare function with JSON Schema, or xLAM's flat map of parameters. Raises RowError."""
    entry = _named(entry, "tool")
    parameters = from_text(entry.get("parameters"), "tools") or {}
    if not isinstance(parameters, dict):
        raise RowError("bad_tool_schema", f"parameters of {entry['name']} are {type(parameters).__name__}")
    properties = parameters.get("properties")
    # a flat form may have a parameter of that name: its entries are then words, not schemas
    nested = isinstance(properties, dict) and all(isinstance(schema, (dict, bool)) for schema in properties.values())
    if nested or parameters.get("type") in ("object", "dict"):
        parameters = with_json_types({"type": "object", **({} if nested else {"properties": {}}), **parameters})
    else:
        parameters = flat_parameters(parameters)
    return Tool(entry["name"], str(entry.get("description") or ""), parameters)


def with_json_types(schema, depth: int = 0):
    """The schema with Python's type names as JSON Schema's: {"type": "float"} -> {"type": "number"}."""
    if not isinstance(schema, dict) or depth > MAX_DEPTH:
        return schema
    made = dict(schema)
    if isinstance(made.get("type"), str):
        made["type"] = PYTHON_TYPES.get(made["type"].strip().lower(), made["type"])
    for key in ("properties", "$defs", "definitions"):
        if isinstance(made.get(key), dict):
            made[key] = {name: with_json_types(inner, depth + 1) for name, inner in made[key].items()}
    for key in ("items", "additionalProperties"):
        made |= {key: with_json_types(made[key], depth + 1)} if key in made else {}
    return made


def call(entry) -> Call:
    """A Call from {"name", "arguments"}, the same with `parameters`, or OpenAI's wrapper. Raises RowError."""
    entry = _named(entry, "call")
    return Call(entry["name"], as_arguments(entry.get("arguments", entry.get("parameters"))))


def turn(role: str, content: str = "", calls: list[Call] | None = None) -> dict:
    """A turn of a dialogue; `calls` are an assistant's."""
    return {"role": role, "content": content, **({"tool_calls": [one.wrapped() for one in calls]} if calls else {})}


def examples(source: str, turns: list[dict], tools: list[Tool], labels: dict[str, str] | None = None) -> list[Example]:
    """One Example for each assistant turn of a dialogue (made of `turn`s), with all that came before it. Raises RowError."""
    made = []
    for place, one in enumerate(turns):
        if one["role"] != "assistant":
            continue
        calls = [Call(entry["function"]["name"], entry["function"]["arguments"]) for entry in one.get("tool_calls", [])]
        if not calls and not one["content"].strip():
            raise RowError("empty_turn", "an assistant turn has neither text nor a call")
        made.append(Example("", source, turns[:place], tools, calls or None, None if calls else one["content"], None, dict(labels or {})))
    if not made:
        raise RowError("no_target", "no assistant turn")
    return made
