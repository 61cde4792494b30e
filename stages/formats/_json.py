"""JSON as models write it: strict first, then mended. Linear in the text; nothing is ever evaluated."""

import json
import math
import re

from stages.schema import MAX_DEPTH, loads

LITERALS = {"true": True, "false": False, "null": None, "True": True, "False": False, "None": None}
NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?")
WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_.\-]*")
SPACE = re.compile(r"(?:\s+|//[^\n]*|#[^\n]*|/\*.*?\*/)*", re.DOTALL)
ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "/": "/", "\\": "\\", '"': '"', "'": "'"}
CODES = re.compile(r"u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}")
PLAIN = re.compile(r"""[^\\"']+""")
AFTER = re.compile(r"\s*(?:[,:\]})/#;]|$)")  # what may follow a closing quote; ')' and ';' in calls written as code


class Ended(ValueError):
    """The text ends inside of a value."""


def read(text: str) -> tuple[object, bool]:
    """(value, mended) of a whole text; raises ValueError when it cannot be read even after mending."""
    try:
        return loads(text), False
    except ValueError:
        value, end = scan(text, 0)
        if text[SPACE.match(text, end).end():].strip():
            raise ValueError("text after the value") from None
        return value, True


def leading(text: str, at: int = 0) -> tuple[object, int, bool]:
    """(value, end, mended) of the value that starts at or after `at`, whatever follows it. Raises ValueError."""
    value, end = scan(text, at)
    try:
        return loads(text[at:end]), end, False
    except (ValueError, RecursionError):
        return value, end, True


def answered(text: str) -> tuple[dict | None, list[str]]:
    """(object, defects) of an answer that should be one JSON object and nothing else; a Markdown fence around it is no defect.

    The object is None where there is none, or none that can be read; the defects are names of schema.DEFECTS.
    """
    text = text.strip()
    if len(text) > 6 and text.startswith("```") and text.endswith("```"):
        inner = text[3:-3]
        text = (inner[4:] if inner[:4].lower() == "json" else inner).strip()
    try:
        value = loads(text)
        return (value, []) if isinstance(value, dict) else (None, [])
    except ValueError:
        pass
    at = text.find("{")
    if at < 0:
        return None, []
    try:
        value, end, mended = leading(text, at)
    except ValueError as error:
        return None, ["cut_off" if isinstance(error, Ended) else "not_json"]
    around = text[:at].strip() or text[end:].strip()
    return value, ["mended_json"] * mended + ["prose_around"] * bool(around)


def scan(text: str, at: int, depth: int = 0) -> tuple[object, int]:
    """(value, end) of the lenient value that starts at or after `at`.

    Takes single quotes, unescaped quotes inside of strings, trailing commas, Python literals, comments and bare keys.
    Raises ValueError, as Ended where the text is cut off.
    """
    if depth > MAX_DEPTH:
        raise ValueError("nested too deeply")
    at = SPACE.match(text, at).end()
    first = text[at : at + 1]
    if first == "{":
        return _pairs(text, at + 1, depth)
    if first == "[":
        return _items(text, at + 1, depth)
    if first and first in "\"'":
        return string(text, at)
    if match := NUMBER.match(text, at):
        value = json.loads(match[0])
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"{match[0]} is more than a number can hold")
        return value, match.end()
    if (match := WORD.match(text, at)) and match[0] in LITERALS:
        return LITERALS[match[0]], match.end()
    raise _fault(text, match.end() if match else at, "value")


def _fault(text: str, at: int, wanted: str) -> ValueError:
    return Ended(f"the text ends where a {wanted} should be") if at >= len(text) else ValueError(f"no {wanted} at character {at}")


def _pairs(text: str, at: int, depth: int):
    value = {}
    while True:
        at = SPACE.match(text, at).end()
        if text[at : at + 1] == "}":
            return value, at + 1
        if text[at : at + 1] and text[at] in "\"'":
            key, at = string(text, at)
        elif match := WORD.match(text, at):
            key, at = match[0], match.end()
        else:
            raise _fault(text, at, "key")
        at = SPACE.match(text, at).end()
        if text[at : at + 1] != ":":
            raise _fault(text, at, "':'")
        value[key], at = scan(text, at + 1, depth + 1)
        at = _comma(text, at, "}")


def _items(text: str, at: int, depth: int):
    value = []
    while True:
        at = SPACE.match(text, at).end()
        if text[at : at + 1] == "]":
            return value, at + 1
        item, at = scan(text, at, depth + 1)
        value.append(item)
        at = _comma(text, at, "]")


def _comma(text: str, at: int, end: str) -> int:
    at = SPACE.match(text, at).end()
    if text[at : at + 1] == ",":
        return at + 1
    if text[at : at + 1] == end:
        return at
    raise _fault(text, at, f"',' or '{end}'")


def string(text: str, at: int) -> tuple[str, int]:
    """(value, end) of the string whose opening quote is at `at`; a quote that nothing like an end follows belongs to it."""
    quote, parts, at = text[at], [], at + 1
    while at < len(text):
        if match := PLAIN.match(text, at):
            parts.append(match[0])
            at = match.end()
        elif text[at] != "\\":
            if text[at] == quote and AFTER.match(text, at + 1):
                return "".join(parts), at + 1
            parts.append(text[at])
            at += 1
        elif match := CODES.match(text, at + 1):
            parts.append(_character(match[0]))
            at = match.end()
        else:
            follow = text[at + 1 : at + 2]
            parts.append(ESCAPES.get(follow, "\\" + follow))
            at += 2
    raise Ended("a string without its closing quote")


def _character(code: str) -> str:
    r"""The character of u00e9, xe9 or of a pair such as ud83d\ude00. Raises ValueError for half of a pair."""
    if len(code) > 5:
        high, low = int(code[1:5], 16), int(code[7:], 16)
        return chr(0x10000 + ((high - 0xD800) << 10) + low - 0xDC00)
    point = int(code[1:], 16)
    if 0xD800 <= point < 0xE000:
        raise ValueError("lone surrogate in a string")
    return chr(point)
