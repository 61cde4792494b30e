"""Calls between <tool_call> tags: what Qwen, Hermes and the embedded model write.

    <tool_call>
    {"name": "get_weather", "arguments": {"city": "Hull"}}
    </tool_call>

`between` reads the same with other marks around; `calls_of` reads what stands between any marks.
"""

import re

from stages.formats._json import Ended, leading, read
from stages.formats._turns import spoken
from stages.schema import Call, Parsed, dumps

MARKS = ("<tool_call>", "</tool_call>")
BARE = re.compile(r"""(?:\[\s*)?\{\s*["']?(?:name|arguments|parameters)["']?\s*:""")  # a call or a list of them, without marks
ARGUMENTS = re.compile(r"""["'](?:arguments|parameters)["']""")


def write(calls: list[Call]) -> str:
    return "\n".join(f"<tool_call>\n{dumps(one)}\n</tool_call>" for one in as_json(calls))


def as_json(calls: list[Call]) -> list[dict]:
    return [{"name": call.name, "arguments": call.arguments} for call in calls]


def blocks(text: str, marks: tuple[str, str] = MARKS) -> tuple[list[tuple[str, bool]], str, list[str]]:
    """([(content, closed)], text outside, defects) of a text with call tags, in one pass."""
    inside, outside, defects, start, last = [], [], [], None, 0
    for match in re.finditer("|".join(re.escape(mark) for mark in marks), text):
        opening = match[0] == marks[0]
        if start is None:
            outside.append(text[last : match.start()])
            if opening:
                start = match.end()
            else:
                defects.append("unbalanced_tags")
        else:
            inside.append((text[start : match.start()], not opening))
            if opening:
                defects.append("unbalanced_tags")
                start = match.end()
            else:
                start = None
        last = match.end()
    if start is not None:
        inside.append((text[start:], False))
        defects.append("cut_off")
    else:
        outside.append(text[last:])
    return inside, " ".join(part.strip() for part in outside if part.strip()), defects


def call_of(value) -> tuple[Call | None, list[str]]:
    """A Call from a JSON value and what is wrong with it; `parameters` counts as `arguments` (Llama writes it)."""
    if isinstance(value, dict) and isinstance(value.get("function"), dict):
        value = value["function"]  # OpenAI's wrapper
    if not isinstance(value, dict) or not isinstance(value.get("name"), str) or not value["name"]:
        return None, ["no_name"]
    arguments = value.get("arguments", value.get("parameters"))
    if arguments is None:
        return Call(value["name"], {}), ["no_arguments"]
    text = isinstance(arguments, str)
    if text:
        try:
            arguments, _ = read(arguments)
        except ValueError:
            pass
    if not isinstance(arguments, dict):
        return None, ["arguments_not_object"]
    return Call(value["name"], arguments), ["arguments_as_text"] * text


def calls_of(value) -> tuple[list[Call], list[str]]:
    """The calls of a JSON value, one or a list, and what is wrong with them."""
    calls, defects = [], []
    for one in value if isinstance(value, list) else [value]:
        call, wrong = call_of(one)
        defects += wrong
        if call:
            calls.append(call)
    return calls, defects


def content(text: str, closed: bool) -> tuple[list[Call], list[str]]:
    """The calls of one block, and what is wrong with it. One that is not closed is known to be cut off by its caller."""
    if not text.strip():
        return [], ["empty_block"]
    try:
        value, mended = read(text.strip())
    except ValueError:
        return [], ["not_json"] if closed else []
    if value == []:
        return [], ["empty_block"]
    calls, defects = calls_of(value)
    return calls, ["mended_json"] * mended + defects


def between(text: str, marks: tuple[str, str] = MARKS, inner=content) -> Parsed:
    """Reads the calls between two marks. `inner` reads one block as `content` does."""
    inside, reply, defects = blocks(text, marks)
    calls = []
    for block, closed in inside:
        found, wrong = inner(block, closed)
        calls += found
        defects += wrong
    attempted = bool(inside) or "unbalanced_tags" in defects
    if attempted and reply and calls:
        defects.append("prose_around")
    return Parsed(calls, reply, attempted, list(dict.fromkeys(defects)))


def bare(text: str, defect: str | None = "unbalanced_tags") -> Parsed:
    """Reads a text that may hold a call, or a list of calls, as JSON without any mark; `defect` is what that counts as.

    Several values may follow each other, with ';' or ',' or space between them. In the midst of prose only an object
    with a name and arguments counts: a reply may show JSON. Without any call the text is a reply.
    """
    calls, defects, outside, last, start, attempted = [], [], [], 0, 0, False
    while match := BARE.search(text, start):
        first = attempted or not text[: match.start()].strip()
        try:
            value, end, mended = leading(text, match.start())
        except ValueError as error:
            if first or ARGUMENTS.search(text, match.start()):
                defects.append("cut_off" if isinstance(error, Ended) else "not_json")
                outside.append(text[last : match.start()])
                attempted, last = True, len(text)
            break  # what follows cannot be told apart from what could not be read
        start = end
        if first or all(isinstance(one, dict) and "name" in one and (one.keys() & {"arguments", "parameters"})
                        for one in (value if isinstance(value, list) else [value])):
            found, wrong = calls_of(value)
            calls += found
            defects += ["mended_json"] * mended + wrong
            outside.append(text[last : match.start()])
            attempted, last = True, end
    outside.append(text[last:])
    reply = " ".join(part for part in (part.strip() for part in outside) if part not in ("", ";", ","))
    if attempted:
        defects = [defect] * bool(defect) + defects + ["prose_around"] * bool(reply and calls)
    return Parsed(calls, reply, attempted, list(dict.fromkeys(defects)))


def parse(text: str) -> Parsed:
    """Reads tagged calls; bare JSON calls without tags count as an attempt with unbalanced tags."""
    text = spoken(text)
    return between(text) if MARKS[0] in text or MARKS[1] in text else bare(text)
