"""API-Bank, level 3, training (Apache-2.0): look up a tool with ToolSearcher, call it, report.

`dataset.path` is a file, or the folder that holds lv3-train.json (or .gz), the union of the other two. A row is a prompt:

    {"instruction": "...", "output": "API-Request: [ToolSearcher(keywords='doctor appointments')]",
     "input": "{\\"apiCode\\": \\"ToolSearcher\\", ...}\\nUser: Find a doctor.TIME: 2034-04-15 10:00:00\\n
               API-Request: [ToolSearcher(keywords='...')]->{'name': 'Doctors', 'input_parameters': {...}, ...}\\nGenerate API Request: "}

Each step of a dialogue is a row of its own; rows of one request are one group. The tools offered are ToolSearcher and those
that it has found so far. Values without quotes, as in city=New York, are read as text and the row is labelled `json: mended`.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from stages.errors import FileError, RowError
from stages.formats._calls import Reader
from stages.formats._json import read as read_json
from stages.schema import Call, Example, Tool, dumps, loads
from stages.sources import TEXT, Raw, read_rows, shape, shaped
from stages.sources._entries import turn
from stages.sources._types import flat_parameters

NAME = "lv3-train.json"
SHAPE = shape(instruction=TEXT, input=TEXT, output=TEXT)
REQUEST, REPLY, USER, ASK = "API-Request:", "AI:", "User:", ("Generate API Request:", "Generate AI Response:")
UNQUOTED, NEXT = re.compile(r"\[(\w+)\((.*)\)\]"), re.compile(r",\s*(?=\w+=)")
TIME = re.compile(r"\s*TIME: ([\d\- :]+)$")


def read(cfg) -> Iterator[Raw]:
    path = Path(cfg.path)
    if path.is_dir():
        found = [path / name for name in (NAME, f"{NAME}.gz") if (path / name).is_file()]
        if not found:
            raise FileError(f"dataset.path is {path}, which holds no {NAME}: give the folder of the API-Bank files, or one file.")
        path = found[0]
    yield from read_rows(path)


def convert(value, cfg) -> list[Example]:
    row = shaped(value, SHAPE)
    tools, turns, mended = {}, [], False
    for line in row["input"].strip().splitlines():
        if line.startswith("{"):
            add(tools, _described(line), "apiCode", "parameters")
        elif line.startswith(USER):
            said = line.removeprefix(USER)
            if time := TIME.search(said):
                turns.append(turn("system", f"The current time is {time[1].strip()}."))
                said = said[: time.start()]
            turns.append(turn("user", said.strip()))
        elif line.startswith(REQUEST):
            written, arrow, result = line.removeprefix(REQUEST).partition(")]->")
            if not arrow:
                raise RowError("call_not_readable", f"no [Name(...)]->result in {line[:60]!r}")
            called, was_mended = call(f"{written})]")
            mended |= was_mended
            turns.append(turn("assistant", "", [called]))
            found = _result(result)
            if isinstance(found, dict) and "input_parameters" in found:
                add(tools, found, "name", "input_parameters")
            turns.append(turn("tool", found if isinstance(found, str) else dumps(found)))
        elif line.startswith(REPLY):
            turns.append(turn("assistant", line.removeprefix(REPLY).strip()))
        elif not line.startswith(ASK):
            raise RowError("no_speaker", f"a line of the input begins with {line[:40]!r}")
    output = row["output"].strip()
    if output.startswith(REQUEST):
        called, was_mended = call(output.removeprefix(REQUEST))
        mended |= was_mended
        calls, reply = [called], None
    elif output.startswith(REPLY):
        calls, reply = None, output.removeprefix(REPLY).strip()
    else:
        raise RowError("no_target", f"the output begins with {output[:40]!r}")
    asked = next((one["content"] for one in turns if one["role"] == "user"), "")
    return [Example("", "api_bank", turns, list(tools.values()), calls, reply, f"api_bank/{asked}", {"json": "mended"} if mended else {})]


def _described(line: str) -> dict:
    try:
        return loads(line)
    except ValueError as error:
        raise RowError("tools_not_json", str(error)) from None


def add(tools: dict[str, Tool], entry: dict, name: str, parameters: str) -> None:
    """Adds a tool from its description in a prompt or in a search result. Raises RowError."""
    if not isinstance(entry.get(name), str) or not isinstance(entry.get(parameters), dict):
        raise RowError("tool_without_name", str(entry)[:80])
    # what follows in the answer is no parameter; no description says which parameters may be left out
    tools[entry[name]] = Tool(entry[name], str(entry.get("description") or ""), flat_parameters(entry[parameters]))


def call(text: str) -> tuple[Call, bool]:
    """The one call of [Name(key='value')], and whether it had to be mended: many rows leave the quotes out. Raises RowError."""
    text = text.strip()
    reader = Reader(text)
    try:
        if text.startswith("[") and reader.list(0) == len(text) and len(reader.calls) == 1 and not reader.defects:
            return reader.calls[0], False
    except ValueError:
        pass
    if not (match := UNQUOTED.fullmatch(text)):
        raise RowError("call_not_readable", text[:80])
    return Call(match[1], dict(_argument(part) for part in NEXT.split(match[2]) if part)), True


def _argument(text: str) -> tuple[str, object]:
    key, mark, written = text.partition("=")
    if not mark:
        raise RowError("call_not_readable", text[:80])
    try:
        value, end = Reader(written).value(0)
    except ValueError:
        value, end = written, len(written)
    return key.strip(), value if end == len(written) else written.strip()


def _result(text: str):
    """A result as the data it shows (it is written as Python), or as it stands."""
    try:
        return read_json(text.strip())[0]
    except ValueError:
        return text.strip()
