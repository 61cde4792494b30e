"""Files of a hub data set, or the same files on disk.

`dataset.path` is a file, a folder that holds the set's files, or hf://OWNER/NAME@REVISION[/FILE]. A hub path is loaded
through `datasets` at that revision; what cannot be loaded ends in one sentence, never in other data.
"""

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

from stages.console import say
from stages.errors import FileError
from stages.schema import dumps
from stages.sources import Raw, read_rows

HUB = re.compile(r"hf://([\w.-]+/[\w.-]+?)(?:@([\w.-]+))?(?:/([\w./-]+))?")
WHOLE = ("tools", "answers", "arguments")  # columns that must arrive as text, or as the Json type


def read(path: str, files: tuple[str, ...]) -> Iterator[Raw]:
    """The rows of `files` (the set's usual ones), or of the one file that `path` names. Raises FileError."""
    if path.startswith("hf://"):
        yield from _from_hub(path, files)
    elif Path(path).is_dir():
        found = [Path(path) / f"{name}{suffix}" for name in files for suffix in ("", ".gz") if (Path(path) / f"{name}{suffix}").is_file()]
        if not found:
            raise FileError(f"dataset.path is {path}, which holds no {' or '.join(files)}: give the folder of the set's files, or one file.")
        for one in found:
            yield from read_rows(one)
    else:
        yield from read_rows(path)


def _from_hub(path: str, files: tuple[str, ...]) -> Iterator[Raw]:
    match = HUB.fullmatch(path)
    if not match:
        raise FileError(f"dataset.path is {path!r}, which is no hub path: write hf://OWNER/NAME@REVISION, or the path of a file.")
    name, revision, file = match.groups()
    if not revision:
        raise FileError(f"dataset.path is {path!r}, which names no revision: pin a commit, as in hf://{name}@REVISION, to make runs repeatable.")
    for one in [file] if file else files:
        yield from _rows(name, revision, one)


def _rows(name: str, revision: str, file: str) -> Iterator[Raw]:
    import datasets

    try:
        table = datasets.load_dataset(name, data_files=[file], revision=revision, split="train")
    except Exception as error:  # the hub's, the network's, the disk's or the file's own: each has the same remedy
        raise FileError(hub_sentence(name, revision, file, error)) from None
    for column in WHOLE:
        if column in table.features and type(table.features[column]).__name__ not in ("Value", "Json"):
            raise FileError(f"hf://{name}@{revision}/{file} has nested {column!r}, where Arrow fills absent keys with null: {by_hand(name, file)}.")
    digest = hashlib.sha256()
    for number, row in enumerate(table, 1):
        row = {key: value for key, value in row.items() if value is not None}  # Arrow's null for "not given"
        text = dumps(row)
        digest.update(text.encode() + b"\n")
        yield Raw(f"hf://{name}@{revision}/{file}", number, row, None, text)
    say(f"hub: {len(table)} rows of {name}/{file} at {revision}, their sha256 is {digest.hexdigest()}")


def by_hand(name: str, file: str) -> str:
    """Which file to fetch, where to put it, and which parameter finds it."""
    target = f"data/raw/{Path(file).name}"
    return (f"download {file} from https://huggingface.co/datasets/{name} to {target} and run with "
            f"-S dataset.path={target} -S dataset.track={target}")


def hub_sentence(name: str, revision: str, file: str, error: Exception) -> str:
    """Why a hub set cannot be had, in one sentence with the remedy."""
    text = f"{type(error).__name__}: {error}".lower()
    if any(word in text for word in ("gated", "401", "403", "unauthorized", "forbidden", "awaiting a review")):
        why = "is gated: accept its terms on its hub page and set HF_TOKEN, or"
    elif any(word in text for word in ("offline", "connection", "couldn't reach", "timed out", "timeout", "resolve")):
        why = "could not be reached over the network:"
    else:
        words = " ".join(str(error).split())[:160] or type(error).__name__
        why = f"could not be loaded ({words}): check the name, the revision and the file, or"
    return f"dataset.path is hf://{name}@{revision}/{file}, which {why} {by_hand(name, file)}."
