"""Calls as a list of Python calls, written into the content: [get_weather(city="Hull"), set_timer(minutes=5)]

The tools stand in the system turn, or in the first user turn of a model that takes none.
"""

from collections.abc import Sequence

from stages.formats import Rendered, _calls
from stages.formats._calls import write
from stages.formats._turns import chat, check_fit, spoken
from stages.schema import Example, Parsed, Tool, dumps

HOW = (
    "You may call these functions. To call some of them, answer with nothing but a list of calls such as "
    "[function_name(parameter=value, other=value), next_name()]; if none fits, answer in plain words."
)


def show(tools: list[Tool]) -> str:
    return "\n".join([HOW, *(dumps(dict(vars(tool))) for tool in tools)])


def result(content: str) -> str:
    return f"Result: {content}"


def render(example: Example, template, instructions: str = "", shots: Sequence[Example] = ()) -> Rendered:
    return chat(example, template, instructions, shots, show, write, result)


def parse(text: str) -> Parsed:
    return _calls.parse(spoken(text))


answer = spoken


def fits(template) -> None:
    check_fit("pythonic", template, render, parse)
