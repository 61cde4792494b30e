"""JSON, JSONL and text in and out, atomically: a reader never sees a half-written file."""

import errno
import gzip
import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from stages.errors import FileError


@contextmanager
def atomic(path: str | Path):
    """A text handle whose content replaces `path` only when the block ends without an error."""
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", dir=path.parent, prefix=f".{path.name}.", delete=False, newline="\n"
        )
    except OSError as error:
        raise FileError(_write_error(path, error)) from None
    try:
        with handle:
            yield handle
        os.chmod(handle.name, 0o644)
        os.replace(handle.name, path)
    except OSError as error:
        raise FileError(_write_error(path, error)) from None
    finally:
        Path(handle.name).unlink(missing_ok=True)


def _write_error(path: Path, error: OSError) -> str:
    remedy = "free some space" if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) else "check the folder's permissions"
    return f"{path} cannot be written ({error.strerror}): {remedy} and run again."


def write_text(path: str | Path, text: str) -> None:
    with atomic(path) as handle:
        handle.write(text)


def write_json(path: str | Path, value) -> None:
    """Indented JSON, keys in the given order, ending in a newline."""
    write_text(path, json.dumps(value, ensure_ascii=False, indent=2) + "\n")


def write_jsonl(path: str | Path, rows: Iterable[dict]) -> int:
    """One JSON object a line; returns the number of rows."""
    count = 0
    with atomic(path) as handle:
        for row in rows:
            handle.write(json.dumps(row, ensure_ascii=False) + "\n")
            count += 1
    return count


def open_text(path: str | Path):
    """A text handle on a plain or gzip file (by its ending). Raises FileError when it is missing."""
    path = Path(path)
    if not path.is_file():
        raise FileError(f"{path} does not exist: check the path, or run the stage that makes it with `dvc repro`.")
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8")
    return path.open(encoding="utf-8")


def read_json(path: str | Path):
    with open_text(path) as handle:
        try:
            return json.load(handle)
        except ValueError as error:
            raise FileError(f"{path} is not JSON ({error}): correct the file or make it again.") from None


def read_jsonl(path: str | Path) -> Iterator[dict]:
    """The rows of a JSONL file that a stage wrote; a bad line is an error, not a rejection."""
    with open_text(path) as handle:
        for number, line in enumerate(handle, 1):
            if line.strip():
                try:
                    yield json.loads(line)
                except ValueError as error:
                    raise FileError(f"{path}, line {number} is not JSON ({error}): run the stage that writes it again.") from None
