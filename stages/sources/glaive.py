"""Glaive function calling v2 (Apache-2.0): dialogues with and without calls, as published or in the ShareGPT re-cut.

    {"system": "SYSTEM: You are a helpful assistant with access to the following functions. Use them if required -\\n{...}",
     "chat": "USER: ...\\n\\n\\nASSISTANT: <functioncall> {\\"name\\": \\"f\\", \\"arguments\\": '{\\"a\\": 1}'} <|endoftext|>\\n\\n\\n..."}

    {"conversations": [{"from": "human", "value": "..."}, {"from": "function_call", "value": "{...}"}, ...], "tools": "[...]"}

As published, `arguments` is JSON within single quotes, so that the call as a whole is no JSON.
"""

import json
import re
from collections.abc import Iterator

from stages.errors import RowError
from stages.schema import Call, Example, Tool, as_arguments, loads
from stages.sources import TEXT, Raw, _hub, mapping, objects, shape, shaped
from stages.sources._entries import call, entries, examples, from_text, tool, turn

FILES = ("glaive-function-calling-v2.json",)
PUBLISHED = shape(system=TEXT, chat=TEXT)
RECUT = shape(conversations=objects(**{"from": {"enum": ["system", "human", "gpt", "function_call", "observation"]}, "value": TEXT}))
ROLES = {"system": "system", "human": "user", "gpt": "assistant", "observation": "tool"}
SPEAKERS = {"USER": "user", "ASSISTANT": "assistant", "FUNCTION RESPONSE": "tool"}
SPEAKER = re.compile(r"(?:\A|(?<=\n))(USER|ASSISTANT|FUNCTION RESPONSE):")
# What the data set itself says about tools: a dialect says it in its own words.
BOILERPLATE = re.compile(
    r"\s*(?:SYSTEM:)?\s*(?:You are a helpful assistant,? with (?:no access to external|access to the following) functions\.?)?"
    r"\s*(?:Use them if required -)?\s*")
GAP = re.compile(r"[\s,]*")
CALL, END = "<functioncall>", "<|endoftext|>"
QUOTED = re.compile(r"""\s*\{\s*"name"\s*:\s*"([^"]+)"\s*,\s*"arguments"\s*:\s*'(.*)'\s*\}\s*""", re.DOTALL)


def read(cfg) -> Iterator[Raw]:
    yield from _hub.read(cfg.path, FILES)


def convert(value, cfg) -> list[Example]:
    row = mapping(value)
    if "conversations" in row:
        return recut(shaped(row, RECUT))
    row = shaped(row, PUBLISHED)
    head, tools = system(row["system"])
    turns = [turn("system", head)] if head else []
    return examples("glaive", turns + chat(row["chat"]), tools)


def recut(row: dict) -> list[Example]:
    turns = []
    for one in row["conversations"]:
        if one["from"] == "function_call":
            found = from_text(one["value"], "call")
            turns.append(turn("assistant", "", [call(entry) for entry in (found if isinstance(found, list) else [found])]))
        else:
            turns.append(turn(ROLES[one["from"]], one["value"]))
    return examples("glaive", turns, [tool(entry) for entry in entries(row.get("tools"), "tools")])


def system(text: str) -> tuple[str, list[Tool]]:
    """(what is left of the system turn, the tools): JSON objects one after the other, without a list around them."""
    start, decoder, tools = text.find("{"), json.JSONDecoder(), []
    at = start if start >= 0 else len(text)
    head = text[:at]
    while at < len(text):
        try:
            end = decoder.raw_decode(text, at)[1]
            tools.append(tool(loads(text[at:end])))
        except (ValueError, RecursionError) as error:
            if isinstance(error, RowError):
                raise
            raise RowError("tools_not_json", f"{error} in {text[at : at + 60]!r}") from None
        at = GAP.match(text, end).end()
    return ("" if BOILERPLATE.fullmatch(head) else head.removeprefix("SYSTEM:").strip()), tools


def chat(text: str) -> list[dict]:
    """The turns of a dialogue. Raises RowError for text that no one says and for calls that cannot be read."""
    marks = list(SPEAKER.finditer(text))
    if text[: marks[0].start() if marks else len(text)].strip():
        raise RowError("no_speaker", f"the chat begins with {text[:40]!r}")
    turns = []
    for mark, after in zip(marks, [*marks[1:], None]):
        said = text[mark.end() : after.start() if after else len(text)].strip()
        if mark[1] != "ASSISTANT":
            turns.append(turn(SPEAKERS[mark[1]], said))
            continue
        prose, *written = said.removesuffix(END).split(CALL)
        turns.append(turn("assistant", prose.strip(), [function_call(one.strip().removesuffix(END).strip()) for one in written]))
    return turns


def function_call(text: str) -> Call:
    """A Call from {"name": "f", "arguments": '{"a": 1}'}. Raises RowError."""
    if not (match := QUOTED.fullmatch(text)):
        return call(from_text(text, "call"))
    # from the first quote to the last: an apostrophe in a value needs no escape; where Python has put one, it is taken out
    arguments = match[2]
    try:
        return Call(match[1], as_arguments(arguments))
    except RowError:
        return Call(match[1], as_arguments(arguments.replace("\\'", "'")))
