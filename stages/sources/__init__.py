"""Sources: where rows come from. A member has the same two names:

read(cfg) -> Iterator[Raw]           the rows as they lie in the files, each with its place
convert(value, cfg) -> list[Example] one raw row as Examples (a dialogue may give several); raises RowError
"""

import importlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from stages.errors import FileError, RowError
from stages.files import open_text
from stages.schema import loads


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
            first = handle.readline()
            while first.isspace():
                first = handle.readline()
            if first.lstrip("\ufeff").startswith("["):
                yield from _list_rows(path, first + handle.read())
                return
            for number, line in enumerate(chain([first], handle), 1):
                line = line.strip().lstrip("\ufeff")
                if not line:
                    continue
                try:
                    yield Raw(str(path), number, loads(line), None, line)
                except (ValueError, RecursionError) as error:
                    yield Raw(str(path), number, None, RowError("bad_json", str(error)), line)
        except UnicodeDecodeError as error:
            raise FileError(f"{path} is not UTF-8 text ({error.reason} at byte {error.start}): convert it and run again.") from None
        except (OSError, EOFError) as error:
            raise FileError(f"{path} cannot be read to its end ({error}): it may be cut off; fetch it again.") from None


def _list_rows(path, text: str) -> Iterator[Raw]:
    try:
        rows = json.loads(text)
    except ValueError as error:
        raise FileError(f"{path} starts a JSON list but is not JSON ({error}): correct it, or give one object a line.") from None
    for number, row in enumerate(rows, 1):
        yield Raw(str(path), number, row, None, json.dumps(row, ensure_ascii=False))


def mapping(value, *keys: str) -> dict:
    """`value` when it is an object with all `keys`; RowError otherwise."""
    if not isinstance(value, dict):
        raise RowError("not_an_object", f"the row is {type(value).__name__}")
    for key in keys:
        if key not in value:
            raise RowError("missing_key", f"the row has no {key!r}")
    return value
