"""Calls between <tool_call> tags: what Qwen, Hermes and the embedded model write.

    <tool_call>
    {"name": "get_weather", "arguments": {"city": "Hull"}}
    </tool_call>
"""

import re

from stages.formats._json import read
from stages.schema import Call, Parsed, dumps

MARK = re.compile(r"</?tool_call>")


def write(calls: list[Call]) -> str:
    return "\n".join(f"<tool_call>\n{dumps({'name': c.name, 'arguments': c.arguments})}\n</tool_call>" for c in calls)


def blocks(text: str) -> tuple[list[tuple[str, bool]], str, list[str]]:
    """([(content, closed)], text outside, defects) of a text with call tags, in one pass."""
    inside, outside, defects, start, last = [], [], [], None, 0
    for match in MARK.finditer(text):
        opening = match[0] == "<tool_call>"
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
    if not isinstance(value, dict) or not isinstance(value.get("name"), str) or not value["name"]:
        return None, ["no_name"]
    arguments = value.get("arguments", value.get("parameters"))
    if arguments is None:
        return Call(value["name"], {}), ["no_arguments"]
    if isinstance(arguments, str):
        try:
            arguments, _ = read(arguments)
        except ValueError:
            pass
    if not isinstance(arguments, dict):
        return None, ["arguments_not_object"]
    return Call(value["name"], arguments), []


def parse(text: str) -> Parsed:
    """Reads tagged calls; a bare JSON call without tags counts as an attempt with unbalanced tags."""
    inside, reply, defects = blocks(text)
    calls = []
    for content, closed in inside:
        if not content.strip():
            defects.append("empty_block")
            continue
        try:
            value, mended = read(content.strip())
        except ValueError:
            if closed:
                defects.append("not_json")
            continue
        if mended:
            defects.append("mended_json")
        for one in value if isinstance(value, list) else [value]:
            call, wrong = call_of(one)
            defects += wrong
            if call:
                calls.append(call)
    attempted = bool(inside) or "unbalanced_tags" in defects
    if not attempted and reply.startswith("{") and '"name"' in reply:
        attempted, defects = True, ["unbalanced_tags"]
        try:
            call, wrong = call_of(read(reply)[0])
            defects += wrong
            calls = [call] if call else []
        except ValueError:
            defects.append("not_json")
    if attempted and reply and calls:
        defects.append("prose_around")
    return Parsed(calls, reply, attempted, list(dict.fromkeys(defects)))
