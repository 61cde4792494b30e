"""ReAct (arXiv 2210.03629): an action and its input on lines of their own, or the final answer.

    Action: get_weather
    Action Input: {"city": "Hull"}

Several calls at once are several such pairs; a tool's result comes back as `Observation: ...`. No source holds thoughts,
so the gold has none; thoughts that a model writes are no part of its reply.
"""

import re
from collections.abc import Sequence

from stages.formats import Rendered, _tags
from stages.formats._json import Ended, read
from stages.formats._turns import chat, check_fit, spoken
from stages.schema import Call, Example, Parsed, Tool, dumps

HOW = (
    "Answer the request, with these tools where they help. To use one, write two lines and no more:\n"
    "Action: the tool's name\nAction Input: its arguments as a JSON object\n"
    "You are then given its result as `Observation:`. When no tool is needed any more, write\nFinal Answer: your answer"
)
MARK = re.compile(r"^[ \t*]*(Thought|Action Input|Action|Observation|Final Answer)[ \t]*:\**", re.MULTILINE)
FENCE = re.compile(r"```\w*")


def show(tools: list[Tool]) -> str:
    return "\n".join([HOW, "Tools:", *(dumps(dict(vars(tool))) for tool in tools)])


def write(calls: list[Call]) -> str:
    return "\n".join(f"Action: {call.name}\nAction Input: {dumps(call.arguments)}" for call in calls)


def result(content: str) -> str:
    return f"Observation: {content}"


def say(content: str) -> str:
    return f"Final Answer: {content}"


def render(example: Example, template, instructions: str = "", shots: Sequence[Example] = ()) -> Rendered:
    return chat(example, template, instructions, shots, show, write, result, say)


def parse(text: str) -> Parsed:
    """Reads up to the first observation: what a model makes up after it is no answer of its own."""
    text = spoken(text)
    marks = list(MARK.finditer(text))
    prose, said, calls, defects, name, attempted = [text[: marks[0].start()] if marks else text], [], [], [], None, False
    for number, mark in enumerate(marks):
        content = text[mark.end() : marks[number + 1].start() if number + 1 < len(marks) else len(text)].strip()
        if mark[1] != "Action Input" and name is not None:  # an action without its input
            calls.append(Call(name, {}))
            defects.append("no_arguments")
            name = None
        if mark[1] == "Observation":
            break
        if mark[1] == "Final Answer":
            said.append(content)
        elif mark[1] == "Action" and content.strip("`*").lower() not in ("none", "none.", "n/a"):
            name, attempted = content.strip("`*[] "), True
        elif mark[1] == "Action Input":
            attempted = True
            defects += ["no_name"] * (not name)
            call, wrong = _input(name, content, number + 1 == len(marks))
            calls += [call] * bool(call and name)
            defects += wrong
            name = None
    else:
        if name is not None:
            defects.append("cut_off")
    reply = " ".join(part for part in ((" ".join(prose)).strip(), *said) if part)
    return Parsed(calls, reply, attempted, list(dict.fromkeys(defects + ["prose_around"] * bool(attempted and reply and calls))))


def _input(name: str | None, content: str, last: bool) -> tuple[Call | None, list[str]]:
    """The call of an action's input, and what is wrong with it."""
    bare = FENCE.sub("", content).strip() if content.startswith("```") else content
    if not bare:
        return None, ["cut_off" if last else "empty_block"]
    try:
        value, mended = read(bare)
    except ValueError as error:
        return None, ["cut_off" if last and isinstance(error, Ended) else "not_json"]
    call, wrong = _tags.call_of({"name": name or "?", "arguments": value})
    return call, ["mended_json"] * (mended or bare != content) + wrong


def answer(text: str) -> str:
    """What follows the mark of the final answer, up to the next mark; all of a text that has none."""
    text = spoken(text)
    _, mark, said = text.partition("Final Answer:")
    return said[: end.start() if (end := MARK.search(said)) else len(said)] if mark else text


def fits(template) -> None:
    check_fit("react", template, render, parse)
