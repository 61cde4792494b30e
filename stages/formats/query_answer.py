"""A raw prompt for base models, without a chat template:

    <system_prompt>
    ... how to call, then the tools as a JSON list
    </system_prompt>
    <query>
    how cold is it in Hull?
    </query>
    <answer>

and the completion `[{"name": "get_weather", "arguments": {"city": "Hull"}}]\\n</answer>` and the end token.
"""

from collections.abc import Sequence

from stages.errors import FormatError
from stages.formats import Rendered, _tags
from stages.formats._turns import calls_in, conversation, spoken, target
from stages.schema import Example, Parsed, dumps

HOW = (
    "You answer queries with the help of tools. Write either a JSON list of the calls to make, each as "
    '{"name": tool, "arguments": {parameter: value}}, or, if no tool fits, an answer in plain words. The tools:'
)
CLOSE = "</answer>"


def _answer(message: dict) -> str:
    return dumps(_tags.as_json(calls_in(message))) if message.get("tool_calls") else message["content"].strip()


def _block(name: str, content: str) -> str:
    return f"<{name}>\n{content}\n</{name}>\n"


def render(example: Example, template, instructions: str = "", shots: Sequence[Example] = ()) -> Rendered:
    messages, system = conversation(example, instructions, shots), []
    if messages and messages[0]["role"] == "system":
        system.append(messages.pop(0)["content"])
    if example.tools:
        system.append(f"{HOW}\n{dumps([dict(vars(tool)) for tool in example.tools])}")
    parts = [_block("system_prompt", "\n".join(system))] if system else []
    for message in messages:
        name = {"user": "query", "tool": "result", "system": "system_prompt", "assistant": "answer"}[message["role"]]
        parts.append(_block(name, _answer(message) if name == "answer" else message["content"]))
    return Rendered(f"{template.start_text}{''.join(parts)}<answer>\n", f"{_answer(target(example))}\n{CLOSE}{template.end_texts[0]}")


def parse(text: str) -> Parsed:
    """Reads up to the first </answer>: a base model may go on with queries of its own. An answer that begins as JSON is calls."""
    body, closed, _ = spoken(text).partition(CLOSE)
    body = body.strip()
    if body == "[]":
        return Parsed([], "", True, ["empty_block"] + ["unbalanced_tags"] * (not closed))
    parsed = _tags.bare(body, None)
    # a reply is none the worse for a missing end; calls may lack some
    lacking = ["unbalanced_tags"] if parsed.attempted and not closed and "cut_off" not in parsed.defects else []
    return Parsed(parsed.calls, parsed.reply, parsed.attempted, lacking + parsed.defects)


def answer(text: str) -> str:
    return spoken(text).partition(CLOSE)[0]


def fits(template) -> None:
    """Any model fits that has an end token."""
    if not template.end_texts:
        raise FormatError(f"dialect is 'query_answer', but the tokenizer of {template.name} names no end token: "
                          "set eos_token in its tokenizer_config.json.")
