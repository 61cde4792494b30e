"""Does a row hold what a benchmark asks? Looks for the benchmark's words and for its tools.

The benchmark is any folder of JSON and JSONL files, plain or gzip. Of each row in it two things are read, however deep they lie:
requests (the content of a user's turn, and text under a key such as `query` or `question`) and tools (a name with parameters).
A row of the data set is hit when
- a user turn of it holds `ngram` words in a row of a request, or the whole of a shorter request; a request of fewer than
  `INSIDE` words must be the whole turn, and one of fewer than `SAYING` says too little to count;
- it offers a tool whose name and parameter names are those of a tool of the benchmark.
Words are compared without case and punctuation. The rule of 13 words: Brown et al., "Language Models are Few-Shot Learners",
2020, appendix C.
"""

import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from stages.errors import FileError, StageError
from stages.files import open_text
from stages.similar import words

SUFFIXES = (".json", ".jsonl", ".json.gz", ".jsonl.gz")
REQUESTS = {"query", "question", "request", "prompt", "instruction", "utterance", "user_query", "user"}
INSIDE = 8  # words from which on a short request is looked for inside of a turn
SAYING = 3  # words below which a request is too common to be a trace ("yes", "thank you")


@dataclass(frozen=True)
class Place:
    """Where in the benchmark something stands: a file and its row, 1-based."""

    file: str
    row: int


@dataclass
class Benchmark:
    """What is looked for: word runs by their first words, short requests, tool signatures."""

    ngram: int
    runs: dict[str, dict[str, Place]] = field(default_factory=dict)  # first INSIDE words -> {run: place}
    short: dict[str, Place] = field(default_factory=dict)
    signatures: dict[str, Place] = field(default_factory=dict)
    files: int = 0
    requests: int = 0
    unreadable: int = 0

    def add_request(self, text: str, place: Place) -> None:
        found = words(text)
        self.requests += 1
        if len(found) < self._first:
            if len(found) >= SAYING:
                self.short.setdefault(" ".join(found), place)
            return
        for at in range(max(len(found) - self.ngram, 0) + 1):
            run = found[at : at + self.ngram]
            self.runs.setdefault(" ".join(run[: self._first]), {}).setdefault(" ".join(run), place)

    def hits(self, turns: list[str], signatures: list[str]) -> Iterator[dict]:
        """What a row shares with the benchmark, given its user turns and the signatures of its tools.

        Gives at most one {"file", "row", "kind", "hit"} of each kind: where it stands in the benchmark, and what it is.
        """
        if found := next(filter(None, map(self._words, turns)), None):
            yield {"file": found[1].file, "row": found[1].row, "kind": "words", "hit": found[0]}
        if known := next((one for one in signatures if one in self.signatures), None):
            yield {"file": self.signatures[known].file, "row": self.signatures[known].row, "kind": "tool", "hit": known}

    @property
    def _first(self) -> int:
        return min(INSIDE, self.ngram)

    def _words(self, turn: str) -> tuple[str, Place] | None:
        """The words of a request that the turn holds, and the request's place."""
        found = words(turn)
        if place := self.short.get(" ".join(found)):
            return " ".join(found), place
        for at in range(len(found) - self._first + 1):
            runs = self.runs.get(" ".join(found[at : at + self._first]))
            here = f"{' '.join(found[at : at + self.ngram])} " if runs else ""
            for run, place in (runs or {}).items():
                if here.startswith(f"{run} "):
                    return run, place
        return None

    def counts(self) -> dict:
        return {"files": self.files, "unreadable_rows": self.unreadable, "requests": self.requests, "tools": len(self.signatures)}


def signature(name: str, parameters: dict) -> str:
    """A tool's name and parameter names, as name(a, b). `parameters` is JSON Schema, or xLAM's flat map by parameter name."""
    properties = parameters.get("properties")
    if not isinstance(properties, dict):
        properties = {} if isinstance(parameters.get("type"), str) else parameters
    return f"{name}({', '.join(sorted(properties))})"


def load(path: str, ngram: int) -> Benchmark:
    """Reads a benchmark folder. Raises StageError when it holds nothing that could be looked for, FileError for a file cut off."""
    folder, made = Path(path), Benchmark(ngram)
    files = sorted(file for file in folder.rglob("*") if file.is_file() and file.name.endswith(SUFFIXES))
    for file in files:
        made.files += 1
        for row, value in _rows(file, made):
            _read(value, Place(str(file.relative_to(folder)), row), made)
    if not made.requests and not made.signatures:
        raise StageError(f"contamination.path is {path}, in whose {len(files)} JSON files there is neither a request nor a tool: "
                         "give a benchmark's folder, or null.")
    return made


def _rows(file: Path, made: Benchmark) -> Iterator[tuple[int, object]]:
    """(number, value) of the rows: the entries of a JSON list, one JSON value, or the lines; a line that is not JSON is counted."""
    with open_text(file) as handle:
        try:
            text = handle.read()
        except (OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
            raise FileError(f"{file} cannot be read ({error}): fetch it again, or take it out of the benchmark's folder.") from None
    try:
        value = json.loads(text)
        yield from enumerate(value if isinstance(value, list) else [value], 1)
        return
    except (ValueError, RecursionError):
        pass  # not one value: one a line
    for row, line in enumerate(text.splitlines(), 1):
        if line.strip():
            try:
                yield row, json.loads(line)
            except (ValueError, RecursionError):
                made.unreadable += 1


def _read(value, place: Place, made: Benchmark, key: str = "") -> None:
    """Collects requests and tools from a JSON value; text that holds JSON (xLAM's `tools`) is opened."""
    if isinstance(value, list):
        for one in value:
            _read(one, place, made, key)
    elif isinstance(value, dict):
        if isinstance(value.get("name"), str) and isinstance(value.get("parameters"), dict):
            made.signatures.setdefault(signature(value["name"], value["parameters"]), place)
        said = value.get("content", value.get("value")) if value.get("role", value.get("from")) in ("user", "human") else None
        if isinstance(said, str):
            made.add_request(said, place)
        for name, inner in value.items():
            _read(inner, place, made, name)
    elif isinstance(value, str):
        if value[:1] in ("[", "{"):
            try:
                return _read(json.loads(value), place, made, key)
            except (ValueError, RecursionError):
                pass  # text that only begins like JSON
        if key.lower() in REQUESTS:
            made.add_request(value, place)

