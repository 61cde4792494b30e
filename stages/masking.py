"""Function masking: a training row whose tools and parameters have neutral names, so that descriptions decide, not names.

    get_weather(city="Hull")  ->  tool_47(arg_83="Hull"), in the tools, in the gold and in the calls of earlier turns alike

After Lin et al. 2024, "Hammer: Robust Function-Calling for On-Device Language Models via Function Masking". What stays
as it is: descriptions, values, tools and parameters without a description (their name is all there is to go by), and objects
whose schema gives names in a way that is not followed here ($ref, anyOf, defaults, ...).
"""

import random
import re
from dataclasses import replace

from stages.schema import Call, Example, Tool, as_arguments

FIRST, LAST = 10, 999  # the numbers in the neutral names: drawn per row, so that no number means a place in the list
# keywords of an object's schema that name its properties once more, or by a way that is not followed
ENTANGLED = {"$ref", "allOf", "anyOf", "oneOf", "not", "if", "default", "const", "enum", "example", "examples", "patternProperties",
             "dependentRequired", "dependentSchemas", "dependencies", "propertyNames"}
IDENTIFIER = re.compile(r"[_.\d]|[a-z][A-Z]")  # a name that no sentence holds by chance


class Names:
    """Neutral names of one row, never twice the same. `new` raises StopIteration when there are no more."""

    def __init__(self, id: str):
        self.numbers = iter(random.Random(f"mask/{id}").sample(range(FIRST, LAST + 1), LAST + 1 - FIRST))

    def new(self, prefix: str) -> str:
        return f"{prefix}_{next(self.numbers)}"


def masked(example: Example) -> Example | None:
    """The example with neutral names; the same one each time, by its id.

    None where names cannot be replaced throughout: an earlier turn calls a tool that is not offered, a message speaks of a
    tool by its name, there are more names than numbers, or nothing has a description.
    """
    names = Names(example.id)
    try:
        tools = {tool.name: (names.new("tool") if tool.description else tool.name, *renamed(tool.parameters, names)) for tool in example.tools}
    except StopIteration:
        return None
    if len(tools) < len(example.tools) or all(new == old and not change for old, (new, _, change) in tools.items()) or spoken_of(example, tools):
        return None

    def call(old: Call) -> Call:
        new, _, renaming = tools[old.name]
        return Call(new, apply(renaming, old.arguments))

    try:
        messages = [with_calls(message, call, tools) for message in example.messages]
    except KeyError:
        return None
    offered = [Tool(tools[tool.name][0], tool.description, tools[tool.name][1]) for tool in example.tools]
    return replace(example, messages=messages, tools=offered, calls=example.calls and [call(one) for one in example.calls])


def renamed(schema: dict, names: Names) -> tuple[dict, dict]:
    """(schema with neutral property names, renaming): renaming is {old: (new, renaming of what is inside)} and, for an array's
    items, {None: renaming}; {} where nothing is renamed."""
    if not isinstance(schema, dict) or ENTANGLED & schema.keys():
        return schema, {}
    if isinstance(schema.get("items"), dict):
        items, inside = renamed(schema["items"], names)
        return {**schema, "items": items}, {None: inside} if inside else {}
    if not isinstance(schema.get("properties"), dict):
        return schema, {}
    properties, renaming = {}, {}
    for old, value in schema["properties"].items():
        described = isinstance(value, dict) and value.get("description")
        changed, inside = renamed(value, names)
        new = names.new("arg") if described else old
        properties[new] = changed
        if new != old or inside:
            renaming[old] = (new, inside)
    if len(properties) < len(schema["properties"]):  # a parameter that has a neutral name already
        return schema, {}
    made = {**schema, "properties": properties}
    if "required" in schema:
        made["required"] = [renaming[name][0] if name in renaming else name for name in schema["required"]]
    return made, renaming


def apply(renaming: dict, value):
    """Arguments under the new names; what the schema does not name keeps its name."""
    if None in renaming and isinstance(value, list):
        return [apply(renaming[None], one) for one in value]
    if isinstance(value, dict) and renaming and None not in renaming:
        return {renaming[key][0] if key in renaming else key: apply(renaming[key][1], one) if key in renaming else one for key, one in value.items()}
    return value


def spoken_of(example: Example, tools: dict) -> bool:
    """Whether a message or the reply has a tool's name in its text."""
    text = " ".join([*(message.get("content") or "" for message in example.messages), example.reply or ""])
    return any(IDENTIFIER.search(name) and name in text for name in tools)


def with_calls(message: dict, call, tools: dict) -> dict:
    """The message with the calls in it, or the name of the tool that it is the result of, renamed. Raises KeyError for another tool's."""
    if message.get("tool_calls"):
        made = [{**one, "function": vars(call(Call(one["function"]["name"], as_arguments(one["function"]["arguments"]))))}
                for one in message["tool_calls"]]
        message = {**message, "tool_calls": made}
    if message.get("role") == "tool" and message.get("name"):
        message = {**message, "name": tools[message["name"]][0]}
    return message
