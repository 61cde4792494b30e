"""Berkeley Function Calling Leaderboard v4, non-live Python (Apache-2.0). Test only: split never trains on it.

The folder holds BFCL_v4_CATEGORY.json.gz {"id", "question": [[messages]], "function": [...]} and
possible_answer/BFCL_v4_CATEGORY.json.gz {"id", "ground_truth": [{FUNCTION: {PARAM: [accepted values]}}]}.

An Example keeps the accepted values for the bfcl verdict; its `calls` are the first accepted ones.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from stages.errors import FileError, RowError
from stages.files import read_jsonl
from stages.schema import Call, Example, Tool
from stages.sources import MESSAGES, TEXT, Raw, objects, read_rows, shape, shaped

CATEGORIES = ("simple_python", "multiple", "parallel", "parallel_multiple", "irrelevance")
TYPES = {"dict": "object", "float": "number", "tuple": "array", "any": None, "integer": "integer", "string": "string",
         "boolean": "boolean", "array": "array", "object": "object", "number": "number"}
FUNCTIONS = objects(name=TEXT, parameters={"type": "object"})
FUNCTIONS["items"]["properties"]["description"] = TEXT
SHAPE = shape(id=TEXT, question={"type": "array", "items": MESSAGES}, function=FUNCTIONS, category=TEXT,
              ground_truth={"type": "array", "items": {"type": "object", "additionalProperties": {"type": "object"}}})


def read(cfg) -> Iterator[Raw]:
    for category in CATEGORIES:
        path = Path(cfg.path) / f"BFCL_v4_{category}.json.gz"
        if not path.is_file():
            raise FileError(f"benchmark.path is {cfg.path}, which has no {path.name}: give the folder of the BFCL files.")
        answers = Path(cfg.path) / "possible_answer" / path.name
        gold = {row["id"]: row["ground_truth"] for row in read_jsonl(answers)} if category != "irrelevance" else {}
        for raw in read_rows(path):
            if isinstance(raw.value, dict):
                raw = replace(raw, value={**raw.value, "category": category, "ground_truth": gold.get(str(raw.value.get("id")), [])})
            yield raw


def plain_schema(schema):
    """The benchmark's schema with JSON Schema's type names; "any" becomes no type at all. What is no schema stays as it is."""
    if not isinstance(schema, dict):
        return schema
    made = {}
    for key, value in schema.items():
        if key == "type":
            name = TYPES.get(value, "string") if isinstance(value, str) else "string"
            if name:
                made["type"] = name
        elif key == "properties" and isinstance(value, dict):
            made[key] = {name: plain_schema(inner) for name, inner in value.items()}
        elif key == "items":
            made[key] = plain_schema(value)
        elif key in ("description", "properties", "enum", "required", "default", "minimum", "maximum", "format"):
            made[key] = value
    return made


def first_accepted(value):
    """One call argument from the benchmark's nested lists of accepted values; None for "may be left out"."""
    if isinstance(value, list):
        chosen = next((option for option in value if option != ""), None)
        return {key: made for key, inner in chosen.items() if (made := first_accepted(inner)) is not None} if isinstance(chosen, dict) else chosen
    return value


def convert(value, cfg) -> list[Example]:
    row = shaped(value, SHAPE)
    if len(row["question"]) != 1:
        raise RowError("multi_turn", "only single-turn categories are scored")
    if not row["ground_truth"] and row["category"] != "irrelevance":
        raise RowError("no_target", "possible_answer/ has no answer for it")
    tools = [Tool(f["name"], f.get("description", ""), plain_schema(f["parameters"])) for f in row["function"]]
    calls = [Call(name, {key: made for key, options in arguments.items() if (made := first_accepted(options)) is not None})
             for entry in row["ground_truth"] for name, arguments in entry.items()]
    kind = "no_tool" if row["category"] == "irrelevance" else "single" if len(calls) == 1 else "parallel"
    reply = None if calls else "None of the available tools can do that."
    return [Example(row["id"], "bfcl", row["question"][0], tools, calls or None, reply, None,
                    {"kind": kind, "turns": "single", "category": row["category"]}, row["ground_truth"])]
