"""What an output invents: tools that are not offered, arguments that no schema has, values from nowhere.

A value (a string or number, at any depth of the arguments) is invented when it occurs neither in the
conversation nor in the tool's schema (enum members, defaults, constants, examples, and what a description
quotes or calls the default), after case, number words, dates and times are made equal (`mentions`). Gold's own value for the same argument is never
counted: "next Friday" as a date is worked out, not invented. Booleans and null are not judged.
A lower bound, since a value put together from words of the conversation passes.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from stages.schema import Call, Example, Parsed, Tool, dumps
from stages.scoring.fields import Pair
from stages.scoring.kinds import properties
from stages.scoring.mentions import Mentions
from stages.scoring.strict import canonical

_QUOTED = re.compile(r"""['"`]([^'"`]{1,40})['"`]""")
_DEFAULT = re.compile(r"\bdefaults?\b(.{1,40})", re.IGNORECASE)


@dataclass(frozen=True)
class Invented:
    """Counts for one case."""

    tools: int  # calls that name no offered tool
    arguments: int  # arguments of offered tools that their schema lacks
    values: int  # values that occur nowhere
    judged_values: int  # values that could have been counted


def count(example: Example, parsed: Parsed, pairs: list[Pair]) -> Invented:
    """The counts of one case. pairs: `fields.pair` of the output's calls with gold's."""
    offered = {tool.name: tool for tool in reversed(example.tools)}
    partner = {i: (example.calls or [])[j] for i, j in pairs}
    tools = arguments = values = judged = 0
    said = None  # read only when needed: most outputs are gold's
    for i, call in enumerate(parsed.calls):
        tool = offered.get(call.name)
        tools += tool is None
        arguments += _unknown(call, tool) if tool else 0
        gold = partner.get(i, Call(call.name, {})).arguments
        for name, value in call.arguments.items():
            leaves = list(_leaves(value))
            judged += len(leaves)
            if name in gold and canonical(gold[name]) == canonical(value):
                continue
            said = said or Mentions.of(list(_conversation(example)))
            known = list(_leaves(gold.get(name))) + _stated(tool)
            values += sum(not _supported(leaf, said, known) for leaf in leaves)
    return Invented(tools, arguments, values, judged)


def _unknown(call: Call, tool: Tool) -> int:
    if tool.parameters.get("additionalProperties") or tool.parameters.get("patternProperties"):
        return 0  # the schema asks for names of the caller's own
    return len(call.arguments.keys() - properties(tool.parameters).keys())


def _leaves(value) -> Iterator[str | int | float]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _leaves(item)
    elif isinstance(value, str | int | float) and not isinstance(value, bool):
        yield value


def _stated(tool: Tool | None) -> list[str | int | float]:
    """The values that a tool's schema names itself."""
    found, waiting = [], [tool.parameters] if tool else []
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            for key in ("enum", "default", "const", "examples"):
                found.extend(_leaves(part.get(key)))
            if isinstance(part.get("description"), str):
                found.extend(_described(part["description"]))
            waiting.extend(part.values())
        elif isinstance(part, list):
            waiting.extend(part)
    return found


def _described(text: str) -> Iterator[str | float]:
    """Choices and defaults that a description states: "'c' or 'f'. Default is 20 minutes." -> c, f, 20."""
    yield from _QUOTED.findall(text)
    for clause in _DEFAULT.findall(text):
        mentioned = Mentions.of([clause])
        yield from mentioned.words
        yield from mentioned.numbers


def _conversation(example: Example) -> Iterator[str]:
    """All text that the model was shown as conversation, earlier calls and tool results among it."""
    for message in example.messages:
        if isinstance(message.get("content"), str):
            yield message["content"]
        for call in message.get("tool_calls") or ():
            yield dumps(call.get("function", call))


def _supported(leaf: str | int | float, said: Mentions, known: list) -> bool:
    if isinstance(leaf, str):
        low = leaf.casefold()
        return any(isinstance(other, str) and other.casefold() == low for other in known) or said.has_string(leaf)
    return any(not isinstance(other, str) and other == leaf for other in known) or said.has_number(leaf)
