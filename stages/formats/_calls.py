"""Calls written as Python: [get_weather(city="Hull", days=3), stop()]. Read by a scanner of their own; nothing is evaluated.

An argument whose name is no identifier goes into a dict: f(**{"Intent.EXTRA_TEXT": "hi"}).
"""

import re

from stages.errors import RowError
from stages.formats._json import Ended, scan, string
from stages.schema import MAX_DEPTH, Call, Parsed, dumps

NAME = re.compile(r"""\w[^()\[\]{}=,'"\n]*""")
KEYWORD = re.compile(r"([^\W\d]\w*)\s*=(?!=)\s*")
WORDS = {"True": True, "False": False, "None": None}
# Where a list of calls begins: a name and then nothing, a keyword or a dict in the parentheses; prose such as "[see f(x)]" is none.
START = re.compile(r"""\[\s*(?=\w[^()\[\]{}=,'"\n]*\(\s*(?:\)|[^\W\d]\w*\s*=|\*\*))""")
ESCAPED = re.compile(r"\\.", re.DOTALL)


def write(calls: list[Call]) -> str:
    """Raises RowError for a name that could not be read back."""
    return f"[{', '.join(_call(call) for call in calls)}]"


def _call(call: Call) -> str:
    if not NAME.fullmatch(call.name) or call.name != call.name.strip():
        raise RowError("name_not_writable", f"{call.name!r} cannot be written as a function's name")
    plain = {key: value for key, value in call.arguments.items() if KEYWORD.fullmatch(f"{key}=")}
    parts = [f"{key}={literal(value)}" for key, value in plain.items()]
    if len(plain) < len(call.arguments):
        parts.append(f"**{literal({key: value for key, value in call.arguments.items() if key not in plain})}")
    return f"{call.name}({', '.join(parts)})"


def literal(value) -> str:
    """A JSON value as Python writes it; strings as in JSON, which Python reads alike."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{dumps(key)}: {literal(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return f"[{', '.join(map(literal, value))}]"
    return str(value) if value is None or isinstance(value, bool) else dumps(value)


class Reader:
    """One pass over a text. `calls` and `defects` hold what was read, also when reading ends with a ValueError."""

    def __init__(self, text: str):
        self.text, self.calls, self.defects = text, [], []

    def skip(self, at: int) -> int:
        while self.text[at : at + 1].isspace():
            at += 1
        return at

    def expect(self, at: int, *marks: str) -> str:
        if at >= len(self.text):
            raise Ended(f"the text ends where {' or '.join(marks)} should be")
        if self.text[at] not in marks:
            raise ValueError(f"no {' or '.join(marks)} at character {at}")
        return self.text[at]

    def list(self, at: int) -> int:
        """Reads from the '[' at `at`; returns the place after its ']'."""
        at = self.skip(at + 1)
        while self.text[at : at + 1] != "]":
            at = self.skip(self.call(at))
            if self.expect(at, ",", "]") == ",":
                at = self.skip(at + 1)
        return at + 1

    def call(self, at: int) -> int:
        """Reads NAME(...) at `at`; returns the place after its ')'."""
        match = NAME.match(self.text, at)
        if not match:
            self.expect(at, "a name")
        at = match.end()
        self.expect(at, "(")
        name, arguments, positional, at = match[0].strip(), {}, False, self.skip(at + 1)
        while self.text[at : at + 1] != ")":
            if keyword := KEYWORD.match(self.text, at):
                arguments[keyword[1]], at = self.value(keyword.end())
            elif self.text.startswith("**", at):
                more, at = self.value(self.skip(at + 2))
                if not isinstance(more, dict):
                    raise ValueError("** without a dict")
                arguments |= more
            else:
                _, at = self.value(at)
                positional = True
            at = self.skip(at)
            if self.expect(at, ",", ")") == ",":
                at = self.skip(at + 1)
        if positional:  # which parameter it is for, only a Python signature could say
            self.defects.append("arguments_not_object")
        else:
            self.calls.append(Call(name, arguments))
        return at + 1

    def value(self, at: int, depth: int = 0):
        """(value, end) of a literal: strings, numbers, lists, tuples, dicts, and the words of Python (or, mended, of JSON)."""
        if depth > MAX_DEPTH:
            raise ValueError("nested too deeply")
        at = self.skip(at)
        first = self.text[at : at + 1]
        if first and first in "\"'":
            made, end = string(self.text, at)
            if first in ESCAPED.sub("", self.text[at + 1 : end - 1]):
                self.mended()
            return made, end
        if first in ("[", "("):
            close, made, at = {"[": "]", "(": ")"}[first], [], self.skip(at + 1)
            while self.text[at : at + 1] != close:
                item, at = self.value(at, depth + 1)
                made.append(item)
                at = self.skip(at)
                if self.expect(at, ",", close) == ",":
                    at = self.skip(at + 1)
            return made, at + 1
        if first == "{":
            made, at = {}, self.skip(at + 1)
            while self.text[at : at + 1] != "}":
                key, at = self.value(at, depth + 1)
                if isinstance(key, (dict, list)):
                    raise ValueError(f"no key at character {at}")
                at = self.skip(at)
                self.expect(at, ":")
                made[key if isinstance(key, str) else dumps(key)], at = self.value(at + 1, depth + 1)
                at = self.skip(at)
                if self.expect(at, ",", "}") == ",":
                    at = self.skip(at + 1)
            return made, at + 1
        for word, made in WORDS.items():
            if self.text.startswith(word, at):
                return made, at + len(word)
        made, end = scan(self.text, at, depth)  # a number; true, false, null; an error for the rest
        if depth == 0 and (isinstance(made, bool) or made is None):  # within lists and dicts LFM2 writes JSON's words
            self.mended()
        return made, end

    def mended(self) -> None:
        self.defects.append("mended_json")


def parse(text: str, marked: bool = False) -> Parsed:
    """Reads lists of calls in a text; calls without brackets count as unbalanced. `marked`: the text stands between call marks."""
    reader, outside, last = Reader(text), [], 0
    attempted, at = False, 0
    while match := START.search(text, at):
        attempted = True
        known = len(reader.calls)
        try:
            at = reader.list(match.start())
            outside.append(text[last : match.start()])
            last = at
        except ValueError as error:
            reader.defects.append("cut_off" if isinstance(error, Ended) else "not_json")
            if len(reader.calls) > known or isinstance(error, Ended):
                outside.append(text[last : match.start()])
                last = at = len(text)
            else:
                at = match.end()
    outside.append(text[last:])
    if not attempted:
        return _unlisted(text, marked)
    reply = " ".join(part.strip() for part in outside if part.strip())
    if reply and reader.calls:
        reader.defects.append("prose_around")
    return Parsed(reader.calls, reply, True, list(dict.fromkeys(reader.defects)))


def _unlisted(text: str, marked: bool) -> Parsed:
    """A text without a list of calls: empty brackets, calls without brackets, or a reply."""
    stripped = text.strip()
    if stripped == "[]" or (marked and not stripped):
        return Parsed([], "", True, ["empty_block"])
    if not START.match(f"[{stripped}"):
        return Parsed([], stripped, marked, ["not_json"] if marked else [])
    reader, at = Reader(stripped), 0
    try:
        while at < len(stripped):
            at = reader.skip(reader.call(at))
            at = reader.skip(at + 1) if stripped[at : at + 1] in (",", ";") else at
    except ValueError as error:
        reader.defects.append("cut_off" if isinstance(error, Ended) else "not_json")
    return Parsed(reader.calls, "", True, list(dict.fromkeys(["unbalanced_tags"] * (not marked) + reader.defects)))
