"""Reads the calls of several model families, told apart by their marks:

    Qwen, Hermes        <tool_call>{"name": "f", "arguments": {"a": 1}}</tool_call>
    Phi-4-mini          <|tool_call|>[{"name": "f", "arguments": {"a": 1}}]<|/tool_call|>
    LFM2                <|tool_call_start|>[f(a=1)]<|tool_call_end|>
    Mistral             [TOOL_CALLS][{"name": "f", "arguments": {"a": 1}}]   or   [TOOL_CALLS]f[ARGS]{"a": 1}
    Llama 3.1, 3.2      {"name": "f", "parameters": {"a": 1}}   <|python_tag|>f.call(a=1)   [f(a=1)]
"""

import re

from stages.formats import _calls, _tags
from stages.formats._json import Ended, read
from stages.formats._turns import spoken
from stages.schema import Call, Parsed

PHI, LFM = ("<|tool_call|>", "<|/tool_call|>"), ("<|tool_call_start|>", "<|tool_call_end|>")
MISTRAL, LLAMA = "[TOOL_CALLS]", "<|python_tag|>"
ANY = re.compile("|".join(re.escape(mark) for mark in (*_tags.MARKS, *PHI, *LFM, MISTRAL, LLAMA)))
LLAMA_JSON = re.compile(r"""\s*\{\s*"name"\s*:\s*"[^"]*"\s*,\s*"parameters"\s*:""")


def parse(text: str) -> Parsed:
    """The first mark in the text says which family wrote it; a text without marks is Llama's, or has lost its marks."""
    text = spoken(text)
    if match := ANY.search(text):
        mark = match[0]
        if mark in _tags.MARKS:
            return _tags.between(text)
        if mark in PHI:
            return _tags.between(text, PHI)
        if mark in LFM:
            return _tags.between(text, LFM, code)
        return (mistral if mark == MISTRAL else llama)(text, match.start())
    if LLAMA_JSON.match(text):
        return _tags.bare(text, None)
    return _calls.parse(text) if _calls.START.search(text) else _tags.bare(text)


def code(block: str, closed: bool) -> tuple[list[Call], list[str]]:
    """The calls of a block that holds them as Python, or as JSON."""
    if _tags.BARE.match(block.strip()):
        return _tags.content(block, closed)
    parsed = _calls.parse(block, marked=True)
    return parsed.calls, parsed.defects + ["prose_around"] * bool(parsed.calls and parsed.reply)


def mistral(text: str, start: int) -> Parsed:
    """Each [TOOL_CALLS] opens a list in JSON, or one call as name[ARGS]{...}; nothing closes it but the end of the text."""
    prose, calls, defects = text[:start].strip(), [], []
    for block in text[start:].split(MISTRAL)[1:]:
        name, mark, arguments = block.partition("[ARGS]")
        try:
            value, mended = read((arguments if mark else block).strip())
        except ValueError as error:
            defects.append("empty_block" if not block.strip() else "cut_off" if isinstance(error, Ended) else "not_json")
            continue
        found, wrong = _tags.calls_of({"name": name.partition("[CALL_ID]")[0].strip(), "arguments": value} if mark else value)
        calls += found
        defects += ["mended_json"] * mended + (wrong if found or wrong else ["empty_block"])
    return Parsed(calls, prose, True, list(dict.fromkeys(defects + ["prose_around"] * bool(prose and calls))))


def llama(text: str, start: int) -> Parsed:
    """<|python_tag|> opens JSON calls, or a built-in tool as name.call(...)."""
    prose, body = text[:start].strip(), text[start:].replace(LLAMA, "").strip()
    if _tags.BARE.match(body):
        parsed = _tags.bare(body, None)
    else:
        parsed = _calls.parse(body, marked=True)
    calls = [Call(call.name.removesuffix(".call"), call.arguments) for call in parsed.calls]
    reply = " ".join(part for part in (prose, parsed.reply) if part)
    return Parsed(calls, reply, True, list(dict.fromkeys(parsed.defects + ["prose_around"] * bool(prose and calls))))
