"""ToolRL, SFT rows (Apache-2.0): a reasoned turn of a dialogue that calls tools or replies.

    {"instruction": "... **Available Tools** ...\\n1. Name: cagr\\nDescription: ...\\nParameters: {\\"years\\": {\\"type\\": \\"int\\", ...}}\\n...",
     "input": "**Dialogue Records History**\\n<user> ... </user>\\n\\n<think> ... </think>\\n<tool_call>\\n{...}\\n</tool_call>\\n<obs> ... </obs>",
     "output": "<think> ... </think>\\n<tool_call>\\n{\\"name\\": \\"cagr\\", \\"parameters\\": {\\"years\\": 3}}\\n</tool_call>"}

The reasoning is left out: an Example's target is calls or a reply.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from stages.errors import FileError, RowError
from stages.schema import Call, Example, Tool, loads
from stages.sources import TEXT, Raw, read_rows, shape, shaped
from stages.sources._entries import call, tool, turn

NAME = "rlla_sft.json"
SHAPE = shape(instruction=TEXT, input=TEXT, output=TEXT)
HEADING = re.compile(r"\s*\*\*Dialogue Records History\*\*\s*")
OPENING = re.compile(r"\s*<(user|think|tool_call|obs|response)>")
TOOLS, ITEM = re.compile(r"\*\*Available Tools\*\*(.*?)\n\*\*Steps for Each Turn\*\*", re.DOTALL), re.compile(r"^\d+\. Name: ", re.MULTILINE)
FIELDS = re.compile(r"(.*)\nDescription:(.*?)\nParameters: (\{.*)", re.DOTALL)


def read(cfg) -> Iterator[Raw]:
    path = Path(cfg.path)
    if path.is_dir():
        found = [path / name for name in (NAME, f"{NAME}.gz") if (path / name).is_file()]
        if not found:
            raise FileError(f"dataset.path is {path}, which holds no {NAME}: give the folder of the ToolRL file, or the file.")
        path = found[0]
    yield from read_rows(path)


def convert(value, cfg) -> list[Example]:
    row = shaped(value, SHAPE)
    history = turns(HEADING.sub("", row["input"], count=1))
    answer = turns(row["output"])
    if len(answer) != 1 or answer[0]["role"] != "assistant":
        raise RowError("no_target", f"the output is {[one['role'] for one in answer]}, not one turn of the assistant")
    calls = [Call(one["function"]["name"], one["function"]["arguments"]) for one in answer[0].get("tool_calls", [])]
    return [Example("", "toolrl", history, tools(row["instruction"]), calls or None, None if calls else answer[0]["content"])]


def tools(instruction: str) -> list[Tool]:
    """The numbered tools of an instruction. Raises RowError."""
    listed = TOOLS.search(instruction)
    if not listed:
        raise RowError("no_tools", "the instruction has no list of tools")
    made = []
    for item in ITEM.split(listed[1])[1:]:
        fields = FIELDS.fullmatch(item.strip())
        if not fields:
            raise RowError("tools_not_readable", item[:80])
        try:
            parameters = loads(fields[3])
        except ValueError as error:
            raise RowError("tools_not_json", str(error)) from None
        made.append(tool({"name": fields[1].strip(), "description": fields[2].strip(), "parameters": parameters}))
    return made


def turns(text: str) -> list[dict]:
    """The tagged parts of a text as turns; calls and a reply that follow each other are one. Raises RowError."""
    made, at, text = [], 0, text.strip()
    while at < len(text):
        opening = OPENING.match(text, at)
        end = text.find(f"</{opening[1]}>", opening.end()) if opening else -1
        if end < 0:
            raise RowError("unbalanced_tags", f"no whole <user>, <think>, <tool_call>, <obs> or <response> at {text[at : at + 40]!r}")
        tag, content, at = opening[1], text[opening.end() : end].strip(), end + len(opening[1]) + 3
        if tag == "user":
            made.append(turn("user", content))
        elif tag == "obs":
            made.append(turn("tool", content))
        elif tag == "tool_call":
            made.append(turn("assistant", "", [_call(line) for line in content.splitlines() if line.strip()]))
        elif tag == "response":
            if made and "tool_calls" in made[-1]:
                made[-1]["content"] = content
            else:
                made.append(turn("assistant", content))
    return made


def _call(line: str) -> Call:
    try:
        return call(loads(line))
    except RowError:
        raise
    except ValueError as error:
        raise RowError("call_not_json", str(error)) from None
