"""Sources: where rows come from. A member has the same two names:

read(cfg) -> Iterator[Raw]           the rows as they lie in the files, each with its place
convert(value, cfg) -> list[Example] one raw row as Examples (a dialogue may give several); raises RowError
"""

import importlib
import json
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import jsonschema_rs

from stages.errors import FileError, RowError
from stages.files import open_text
from stages.schema import ROLES, loads


@dataclass(frozen=True)
class Raw:
    """One raw row: its file and line (1-based; the entry's number in a JSON list), and its value or what is wrong."""

    file: str
    line: int
    value: object = None
    error: RowError | None = None
    text: str = ""


def get(name: str):
    return importlib.import_module(f"stages.sources.{name}")


def read_rows(path: str | Path) -> Iterator[Raw]:
    """The rows of a JSONL file or of a JSON list, plain or gzip; a bad line is a Raw with an error.

    A file is a list when its first character is "[", whatever its ending. Raises FileError.
    """
    with open_text(path) as handle:
        try:
            blank, first = 0, handle.readline().removeprefix("\ufeff")
            while first.isspace():
                blank, first = blank + 1, handle.readline()
            if first.lstrip().startswith("["):
                yield from _list_rows(path, first + handle.read())
                return
            for number, line in enumerate(chain([first], handle), blank + 1):
                if line := line.strip():
                    yield _raw(path, number, line)
        except UnicodeDecodeError as error:
            raise FileError(f"{path} is not UTF-8 text ({error.reason} at byte {error.start}): convert it and run again.") from None
        except (OSError, EOFError, zlib.error) as error:
            raise FileError(f"{path} cannot be read to its end ({error}): it may be cut off; fetch it again.") from None


def _raw(path, number: int, text: str) -> Raw:
    try:
        return Raw(str(path), number, loads(text), None, text)
    except ValueError as error:
        return Raw(str(path), number, None, RowError("bad_json", str(error)), text)


def _list_rows(path, text: str) -> Iterator[Raw]:
    """The entries one by one, so that what is wrong inside of one (NaN, a duplicate key) is that row's fault alone."""
    decoder, at, number = json.JSONDecoder(), text.index("[") + 1, 0
    skip = re.compile(r"\s*").match
    try:
        at = skip(text, at).end()
        while text[at : at + 1] != "]":
            end, number = decoder.raw_decode(text, at)[1], number + 1
            yield _raw(path, number, text[at:end])
            at = skip(text, end).end()
            if text[at : at + 1] == ",":
                at = skip(text, at + 1).end()
            elif text[at : at + 1] != "]":
                raise ValueError(f"no ',' or ']' after entry {number}")
        if text[at + 1 :].strip():
            raise ValueError(f"text after the list of {number} entries")
    except (ValueError, RecursionError) as error:
        raise FileError(f"{path} starts a JSON list but is not JSON ({error}): correct it, or give one object a line.") from None


def mapping(value, *keys: str) -> dict:
    """`value` when it is an object with all `keys`; RowError otherwise."""
    if not isinstance(value, dict):
        raise RowError("not_an_object", f"the row is {type(value).__name__}")
    for key in keys:
        if key not in value:
            raise RowError("missing_key", f"the row has no {key!r}")
    return value


# --- shapes of rows, as JSON Schema -----------------------------------------------------------------------

TEXT, TEXT_OR_NULL = {"type": "string"}, {"type": ["string", "null"]}


def objects(**properties) -> dict:
    """A list of objects that have all these keys."""
    return {"type": "array", "items": {"type": "object", "properties": properties, "required": list(properties)}}


MESSAGES = objects(role={"enum": list(ROLES)}, content=TEXT)


def shape(**properties):
    """A check of rows: all keys must be there, each as its JSON Schema says."""
    return list(properties), jsonschema_rs.validator_for({"type": "object", "properties": properties})


def shaped(value, expected) -> dict:
    """`value` when it fits `expected` (made by `shape`); RowError otherwise."""
    keys, validator = expected
    mapping(value, *keys)
    for error in validator.iter_errors(value):
        raise RowError("wrong_type", f"{'.'.join(str(part) for part in error.instance_path)}: {error.message}")
    return value
