"""The model's own chat template, with `tools=` and structured `tool_calls`.

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

from stages.errors import FormatError
from stages.formats import Rendered
from stages.formats._tags import parse  # noqa: F401  the family's name
from stages.formats._turns import conversation, target
from stages.schema import Example

PROBE = "callsmith_probe_tool"


def render(example: Example, template, instructions: str = "", shots: Sequence[Example] = ()) -> Rendered:
    messages = conversation(example, instructions, shots)
    tools = [tool.wrapped() for tool in example.tools] or None
    return template.turn(messages, target(example), tools)


def fits(template) -> None:
    """The template must show the tools: a template that ignores them trains a model on nothing."""
    tool = {"type": "function", "function": {"name": PROBE, "description": "", "parameters": {"type": "object", "properties": {}}}}
    call = {"role": "assistant", "content": "", "tool_calls": [{"type": "function", "function": {"name": PROBE, "arguments": {}}}]}
    user = {"role": "user", "content": "x"}
    try:
        shown, written = template.text([user], [tool]), template.text([user, call], [tool], generate=False)
    except Exception as error:  # templates raise what their authors chose
        raise FormatError(f"dialect is 'native', but the chat template of {template.name} fails on tools ({error}): use tool_tags.") from None
    if PROBE not in shown or written.count(PROBE) <= shown.count(PROBE):
        raise FormatError(f"dialect is 'native', but the chat template of {template.name} does not show tools or calls: use tool_tags.")
