"""Tools and calls written by hand into the content, for models whose chat template knows no tools.

The system turn lists the tools between <tools> tags, one JSON object a line, and says how to call; the
assistant's content holds `<tool_call>` blocks as text.
"""

from collections.abc import Sequence

from stages.errors import FormatError
from stages.formats import Rendered, _tags
from stages.formats._tags import parse  # noqa: F401  the family's name
from stages.formats._turns import conversation, target
from stages.schema import Call, Example, as_arguments, dumps

HOW = (
    "You may call these tools. To call one, write its name and arguments as JSON between <tool_call> and </tool_call>, "
    "one block a call; if none fits, answer in plain words."
)


def as_text(message: dict) -> dict:
    """A turn with its structured calls, or a tool's result, written into the content."""
    if message.get("tool_calls"):
        calls = [Call(c["function"]["name"], as_arguments(c["function"]["arguments"])) for c in message["tool_calls"]]
        content = "\n".join(part for part in (message.get("content"), _tags.write(calls)) if part)
        return {"role": "assistant", "content": content}
    if message["role"] == "tool":
        return {"role": "user", "content": f"<tool_response>\n{message['content']}\n</tool_response>"}
    return {"role": message["role"], "content": message["content"]}


def render(example: Example, template, instructions: str = "", shots: Sequence[Example] = ()) -> Rendered:
    messages = [as_text(m) for m in conversation(example, instructions, shots)]
    if example.tools:
        tools = "\n".join(dumps(tool.wrapped()) for tool in example.tools)
        block = f"{HOW}\n<tools>\n{tools}\n</tools>"
        if messages[0]["role"] == "system":
            messages[0] = {"role": "system", "content": f"{messages[0]['content']}\n{block}"}
        elif template.takes_system:
            messages.insert(0, {"role": "system", "content": block})
        else:  # Gemma: the first user turn carries it
            messages[0] = {"role": "user", "content": f"{block}\n\n{messages[0]['content']}"}
    return template.turn(messages, as_text(target(example)), None)


def fits(template) -> None:
    try:
        template.text([{"role": "user", "content": "x"}], None)
    except Exception as error:
        raise FormatError(f"dialect is 'tool_tags', but {template.name} has no usable chat template ({error}).") from None
