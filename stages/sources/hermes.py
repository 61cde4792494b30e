"""NousResearch/hermes-function-calling-v1 (Apache-2.0): dialogues with calls in <tool_call> tags.

    {"id": "...", "conversations": [{"from": "system", "value": "... <tools> [...] </tools> ..."}, {"from": "human", "value": "..."},
     {"from": "gpt", "value": "<tool_call>\\n{\\"arguments\\": {...}, \\"name\\": \\"f\\"}\\n</tool_call>"},
     {"from": "tool", "value": "<tool_response>\\n{...}\\n</tool_response>"}], "tools": "[...]", "category": "...", "task": "..."}

Some rows write Python literals within the tags; they are read and labelled `json: mended`. JSON-mode rows show a schema between
<schema> tags in the system turn, and each answer is an object of it: these are Examples of structured output, without tools.
"""

import re
from collections.abc import Iterator
from dataclasses import replace

from stages.errors import RowError
from stages.formats._json import read as read_json
from stages.schema import Call, Example, loads
from stages.sources import TEXT, Raw, _hub, objects, shape, shaped
from stages.sources._entries import call, entries, examples, tool, turn

FILES = ("func-calling-singleturn.json", "func-calling.json", "glaive-function-calling-5k.json", "json-mode-singleturn.json",
         "json-mode-agentic.json")
SHAPE = shape(conversations=objects(**{"from": {"enum": ["system", "human", "gpt", "tool"]}, "value": TEXT}))
CALL, RESPONSE = re.compile(r"</?tool_call>"), re.compile(r"</?tool_response>")


def read(cfg) -> Iterator[Raw]:
    yield from _hub.read(cfg.path, FILES)


def convert(value, cfg) -> list[Example]:
    row = shaped(value, SHAPE)
    system = row["conversations"][0]["value"] if row["conversations"] and row["conversations"][0]["from"] == "system" else ""
    if "<schema>" in system:
        return _json_mode(row["conversations"], system)
    shown = _between(system, "<tools>", "</tools>")
    listed = row["tools"] if row.get("tools") else shown
    tools, turns, mended = [tool(entry) for entry in (_read_list(listed) if isinstance(listed, str) else entries(listed, "tools"))], [], False
    for one in row["conversations"]:
        text = one["value"]
        if one["from"] == "human":
            turns.append(turn("user", text))
        elif one["from"] == "system" and not shown and text.strip():  # one that shows tools says no more than how Hermes calls them
            turns.append(turn("system", text))
        elif one["from"] == "tool":
            outside, inside = _blocks(text, RESPONSE)
            turns += [turn("tool", content) for content in (inside or [outside])]
        elif one["from"] == "gpt":
            outside, inside = _blocks(text, CALL)
            calls = []
            for block in inside:
                made, was_mended = _call(block)
                calls.append(made)
                mended |= was_mended
            turns.append(turn("assistant", outside, calls))
    labels = {"json": "mended"} if mended else {}
    return examples("hermes", turns, tools, labels)


def _json_mode(conversations: list[dict], system: str) -> list[Example]:
    """Each answer as structured output; the system turn, which shows the schema, is kept as it is."""
    shown = _between(system, "<schema>", "</schema>")
    try:
        schema, _ = read_json(shown)
    except ValueError as error:
        raise RowError("schema_not_json", str(error)) from None
    if not isinstance(schema, dict):
        raise RowError("schema_not_json", f"the schema is {type(schema).__name__}")
    roles = {"system": "system", "human": "user", "gpt": "assistant", "tool": "tool"}
    turns = [turn(roles[one["from"]], one["value"]) for one in conversations]
    return [replace(example, schema=schema) for example in examples("hermes", turns, [])]


def _between(text: str, opening: str, closing: str) -> str:
    """The first non-empty text between two marks: the system turn names the marks before it uses them."""
    for part in text.split(opening)[1:]:
        inside, mark, _ = part.partition(closing)
        if mark and inside.strip().startswith(("[", "{")):
            return inside.strip()
    return ""


def _read_list(text: str) -> list:
    if not text.strip():
        return []
    try:
        value, _ = read_json(text.strip())
    except ValueError as error:
        raise RowError("tools_not_json", str(error)) from None
    return entries(value if isinstance(value, list) else [value], "tools")


def _blocks(text: str, marks: re.Pattern) -> tuple[str, list[str]]:
    """(text outside, contents) of tags that open and close in turn. Raises RowError when they do not."""
    outside, inside, start, last = [], [], None, 0
    for mark in marks.finditer(text):
        closing = mark[0].startswith("</")
        if closing == (start is None):
            raise RowError("unbalanced_tags", f"{mark[0]} without its partner")
        (inside if closing else outside).append(text[last : mark.start()].strip())
        start, last = (None if closing else mark.end()), mark.end()
    if start is not None:
        raise RowError("unbalanced_tags", f"{text[start:][:40]!r} is never closed")
    outside.append(text[last:].strip())
    return "\n".join(part for part in outside if part), inside


def _call(block: str) -> tuple[Call, bool]:
    """A call, and whether it had to be mended."""
    try:
        return call(loads(block)), False
    except RowError:
        raise
    except ValueError:
        try:
            return call(read_json(block)[0]), True
        except RowError:
            raise
        except ValueError as error:
            raise RowError("call_not_json", str(error)) from None
