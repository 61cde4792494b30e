"""Tools and calls written by hand into the content, for models whose chat template knows no tools.

The system turn lists the tools between <tools> tags, one JSON object a line, and says how to call; the
assistant's content holds `<tool_call>` blocks as text.
"""

from collections.abc import Sequence

from stages.formats import Rendered
from stages.formats._tags import parse, write
from stages.formats._turns import chat, check_fit, spoken
from stages.schema import Example, Tool, dumps

HOW = (
    "You may call these tools. To call one, write its name and arguments as JSON between <tool_call> and </tool_call>, "
    "one block a call; if none fits, answer in plain words."
)


def show(tools: list[Tool]) -> str:
    return "\n".join([HOW, "<tools>", *(dumps(tool.wrapped()) for tool in tools), "</tools>"])


def result(content: str) -> str:
    return f"<tool_response>\n{content}\n</tool_response>"


def render(example: Example, template, instructions: str = "", shots: Sequence[Example] = ()) -> Rendered:
    return chat(example, template, instructions, shots, show, write, result)


answer = spoken


def fits(template) -> None:
    check_fit("tool_tags", template, render, parse)
