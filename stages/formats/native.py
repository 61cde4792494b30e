"""The model's own chat template, with `tools=` and structured `tool_calls`; `parse` reads what several families write.

With the embedded model a prompt reads

    <|im_start|>system
    <tools>
    {"name": "get_weather", "description": "...", "parameters": {...}}
    </tools><|im_end|>
    <|im_start|>user
    how cold is it in Hull?<|im_end|>
    <|im_start|>assistant

and the completion `<tool_call>\\n{"name": "get_weather", "arguments": {"city": "Hull"}}\\n</tool_call><|im_end|>`.
"""

from collections.abc import Sequence

from stages.formats import Rendered
from stages.formats._native import parse
from stages.formats._turns import check_fit, conversation, spoken, target
from stages.schema import Example


def render(example: Example, template, instructions: str = "", shots: Sequence[Example] = ()) -> Rendered:
    messages = conversation(example, instructions, shots)
    tools = [tool.wrapped() for tool in example.tools] or None
    return template.turn(messages, target(example), tools)


answer = spoken


def fits(template) -> None:
    """The template must show tools and calls: one that ignores them trains a model on nothing; and its calls must be readable."""
    check_fit("native", template, render, parse)
