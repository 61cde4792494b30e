"""JSON as models write it: strict first, then mended. Linear in the text; nothing is ever evaluated."""

import json
import re

from stages.schema import loads

MAX_DEPTH = 64
LITERALS = {"true": True, "false": False, "null": None, "True": True, "False": False, "None": None}
NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?")
WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_.\-]*")
SPACE = re.compile(r"(?:\s+|//[^\n]*|#[^\n]*|/\*.*?\*/)*", re.DOTALL)
ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "/": "/", "\\": "\\", '"': '"', "'": "'"}


def read(text: str) -> tuple[object, bool]:
    """(value, mended) of a whole text; raises ValueError when it cannot be read even after mending."""
    try:
        return loads(text), False
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except ValueError:
        value, end = scan(text, 0)
        if text[SPACE.match(text, end).end():].strip():
            raise ValueError("text after the value") from None
        return value, True


def scan(text: str, at: int, depth: int = 0) -> tuple[object, int]:
    """(value, end) of the lenient value that starts at or after `at`.

    Takes single quotes, trailing commas, Python literals, comments and bare keys. Raises ValueError.
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
        return _string(text, at)
    if match := NUMBER.match(text, at):
        return (json.loads(match[0]), match.end())
    if (match := WORD.match(text, at)) and match[0] in LITERALS:
        return LITERALS[match[0]], match.end()
    raise ValueError(f"no value at character {at}")


def _pairs(text: str, at: int, depth: int):
    value = {}
    while True:
        at = SPACE.match(text, at).end()
        if text[at : at + 1] == "}":
            return value, at + 1
        if text[at : at + 1] and text[at] in "\"'":
            key, at = _string(text, at)
        elif match := WORD.match(text, at):
            key, at = match[0], match.end()
        else:
            raise ValueError(f"no key at character {at}")
        at = SPACE.match(text, at).end()
        if text[at : at + 1] != ":":
            raise ValueError(f"no ':' at character {at}")
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
    raise ValueError(f"no ',' or '{end}' at character {at}")


def _string(text: str, at: int) -> tuple[str, int]:
    quote, parts, at = text[at], [], at + 1
    while at < len(text):
        char = text[at]
        if char == quote:
            return "".join(parts), at + 1
        if char == "\\" and at + 1 < len(text):
            follow = text[at + 1]
            if follow == "u" and re.fullmatch(r"[0-9a-fA-F]{4}", text[at + 2 : at + 6]):
                parts.append(chr(int(text[at + 2 : at + 6], 16)))
                at += 6
                continue
            parts.append(ESCAPES.get(follow, "\\" + follow))
            at += 2
            continue
        parts.append(char)
        at += 1
    raise ValueError("a string without its closing quote")
