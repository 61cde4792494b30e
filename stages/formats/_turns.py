"""What all dialects share: the turns before the answer, the answer as a turn, and calls written into the content."""

import re
from collections.abc import Callable, Sequence

from stages.errors import FormatError, RowError
from stages.formats import Rendered
from stages.schema import Call, Example, Parsed, Tool, as_arguments


def target(example: Example) -> dict:
    """The assistant turn to be produced."""
    if example.calls:
        return {"role": "assistant", "content": "", "tool_calls": [call.wrapped() for call in example.calls]}
    return {"role": "assistant", "content": example.reply}


def conversation(example: Example, instructions: str, shots: Sequence[Example]) -> list[dict]:
    """The case's messages, with instructions as the system turn and solved examples as earlier turns.

    Where a JSON object of a schema is asked for, how to call a tool is no help: such a case is shown examples of its own kind
    alone and no instructions, which are about calls; other cases are shown none of these.
    """
    structured = example.schema is not None
    instructions, shots = "" if structured else instructions, [shot for shot in shots if (shot.schema is not None) == structured]
    messages = list(example.messages)
    system = [instructions] if instructions else []
    if messages and messages[0]["role"] == "system":
        system.append(messages.pop(0)["content"])
    for shot in reversed(shots):
        messages = [m for m in shot.messages if m["role"] != "system"] + [target(shot)] + messages
    messages = [{**m, "tool_calls": [call.wrapped() for call in calls_in(m)]} if m.get("tool_calls") else m for m in messages]
    return ([{"role": "system", "content": "\n".join(system)}] if system else []) + messages


def calls_in(message: dict) -> list[Call]:
    """The calls of a turn; arguments that came as JSON text are a dict afterwards, as chat templates want them."""
    return [Call(call["function"]["name"], as_arguments(call["function"]["arguments"])) for call in message.get("tool_calls") or []]


# What templates put around an answer that no dialect writes: gpt-oss, Muse Glimmer, Cohere Command.
FINAL = "<|channel|>final<|message|>"
FRAME = re.compile(r"\A\s*(?:to=user<\|message\|>|<\|START_RESPONSE\|>)|<\|END_RESPONSE\|>\s*\Z")


def spoken(text: str) -> str:
    """A completion without its frame, and without the reasoning that a thinking model puts first; one that never ends leaves nothing."""
    head, mark, rest = text.partition(FINAL)
    if mark and (not head.strip() or head.lstrip().startswith("<|channel|>analysis")):
        return rest
    head, mark, rest = text.partition("</think>")
    if mark and ("<think>" not in head or head.lstrip().startswith("<think>")):
        text = rest
    elif text.lstrip().startswith("<think>"):
        return ""
    return FRAME.sub("", text)


# --- dialects that write calls into the content -----------------------------------------------------------


def in_text(messages: list[dict], write: Callable[[list[Call]], str], result: Callable[[str], str],
            say: Callable[[str], str] = str) -> list[dict]:
    """The turns with calls, tool results and replies as text. Turns of one role are joined: Gemma's template takes no two in a row."""
    turns = []
    for message in messages:
        role, content = message["role"], message["content"] or ""
        if message.get("tool_calls"):
            content = "\n".join(part for part in (content, write(calls_in(message))) if part)
        elif role == "tool":
            role, content = "user", result(content)
        elif role == "assistant":
            content = say(content)
        if turns and turns[-1]["role"] == role:
            turns[-1] = {"role": role, "content": f"{turns[-1]['content']}\n{content}"}
        else:
            turns.append({"role": role, "content": content})
    return turns


def with_block(messages: list[dict], block: str, template) -> list[dict]:
    """The turns with `block` (how to call which tools) in the system turn, or in the first user turn where there is none (Gemma 2)."""
    messages = list(messages)
    if messages and messages[0]["role"] == "system":
        block = "\n".join(part for part in (messages.pop(0)["content"], block) if part)
    if not block:
        return messages
    if template.takes_system:
        return [{"role": "system", "content": block}, *messages]
    if messages and messages[0]["role"] == "user":
        return [{"role": "user", "content": f"{block}\n\n{messages[0]['content']}"}, *messages[1:]]
    return [{"role": "user", "content": block}, *messages]


def chat(example: Example, template, instructions: str, shots: Sequence[Example], show: Callable[[list[Tool]], str],
         write: Callable[[list[Call]], str], result: Callable[[str], str], say: Callable[[str], str] = str) -> Rendered:
    """Prompt and completion through the chat template, which is given text alone.

    show: tools as the block that says how to call them; write: calls; result: a tool's result; say: a reply.
    """
    messages = in_text(conversation(example, instructions, shots), write, result, say)
    messages = with_block(messages, show(example.tools) if example.tools else "", template)
    return template.turn(messages, in_text([target(example)], write, result, say)[0], None)


# --- does a dialect fit a model? --------------------------------------------------------------------------

PROBE = Tool("callsmith_probe_tool", "probe", {"type": "object", "properties": {
    "digits": {"type": "string"}, "count": {"type": "integer"}, "quotes": {"type": "string"}}})
# a text of digits and quotes: some templates write values without their type, or do not escape what they hold
USER, ANSWER = {"role": "user", "content": "callsmith probe"}, [Call(PROBE.name, {"digits": "7", "count": 7, "quotes": "it's \"7\",\n7"})]
PROBES = {
    "a call": Example("probe-call", "probe", [USER], [PROBE], ANSWER),
    "a reply": Example("probe-reply", "probe", [USER], [PROBE], None, "callsmith reply"),
    "a tool's result": Example("probe-result", "probe", [
        USER, {"role": "assistant", "content": "", "tool_calls": [ANSWER[0].wrapped()]}, {"role": "tool", "content": '"callsmith result"'}],
        [PROBE], None, "callsmith reply"),
}


def check_fit(dialect: str, template, render: Callable[..., Rendered], parse: Callable[[str], Parsed]) -> None:
    """Raises FormatError, naming the dialect to use instead, unless a call, a reply and a tool's result come through the template."""
    for what, example in PROBES.items():
        try:
            made = render(example, template)
            fault = _fault(example, made, parse(made.completion.removesuffix(template.ending(made.completion))))
        except RowError as error:
            fault = error.detail
        if fault:
            instead = "tool_tags" if dialect == "native" and _speaks(template) else "query_answer, which needs no chat template"
            raise FormatError(f"dialect is {dialect!r}, but the chat template of {template.name} cannot carry {what} ({fault}): use {instead}.")


def _fault(example: Example, made: Rendered, parsed: Parsed) -> str:
    """What was lost on the way through the template; empty = nothing."""
    if PROBE.name not in made.prompt:
        return "it does not show the tools"
    if "callsmith probe" not in made.prompt or (len(example.messages) > 1 and "callsmith result" not in made.prompt):
        return "it leaves out a turn"
    if example.calls and PROBE.name not in made.completion:
        return "it does not write calls"
    if parsed.calls != (example.calls or []):
        return "its calls cannot be read back as they were written"
    if parsed.defects:
        return f"the answer reads as {', '.join(parsed.defects)}"
    return "" if example.calls or parsed.reply == example.reply else f"the reply reads as {parsed.reply[:40]!r}"


def _speaks(template) -> bool:
    """Whether plain turns come through the template."""
    try:
        made = template.turn([USER], target(PROBES["a reply"]), None)
    except RowError:
        return False
    return USER["content"] in made.prompt and spoken(made.completion.removesuffix(template.ending(made.completion))).strip() == "callsmith reply"
