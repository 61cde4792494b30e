"""Schema-Guided Dialogue: human multi-turn task dialogues with service calls (CC-BY-SA-4.0).

`dataset.path` is a folder with NAME.jsonl.gz and NAME_schema.json, NAME = train and dev, or one of the two .jsonl.gz in it:

    {"id": "1_00000", "services": ["Restaurants_2"], "turns": [{"role": "user", "text": "..."},
     {"role": "system", "text": "...", "calls_before_text": [{"service", "method", "parameters", "results"}]}]}

Each system turn gives an Example: the calls made before it, or the reply. The tools offered are all intents of the
dialogue's services; a slot's possible values become an enum.
"""

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from stages.errors import FileError, RowError
from stages.files import read_json
from stages.schema import Call, Example, Tool, dumps
from stages.sources import TEXT, Raw, objects, read_rows, shape, shaped

FILES = ("train", "dev")
TURNS = objects(role={"enum": ["user", "system"]}, text=TEXT)
TURNS["items"]["properties"]["calls_before_text"] = {"anyOf": [{"type": "null"}, objects(method=TEXT, parameters={"type": "object"})]}
SHAPE = shape(id=TEXT, services={"type": "array", "items": TEXT}, turns=TURNS)


def read(cfg) -> Iterator[Raw]:
    if Path(cfg.path).is_file():
        yield from read_rows(cfg.path)
        return
    found = [name for name in FILES if (Path(cfg.path) / f"{name}.jsonl.gz").is_file()]
    if not found:
        raise FileError(f"dataset.path is {cfg.path}, which holds no train.jsonl.gz or dev.jsonl.gz: give the folder of the SGD files.")
    for name in found:
        yield from read_rows(Path(cfg.path) / f"{name}.jsonl.gz")


@lru_cache
def services(path: str) -> dict[str, list[Tool]]:
    """Each service's intents as tools, over all schema files of the folder, which may be named by a file in it."""
    found, folder = {}, Path(path) if Path(path).is_dir() else Path(path).parent
    for name in FILES:
        path = folder / f"{name}_schema.json"
        for service in read_json(path) if path.is_file() else []:
            slots = {slot["name"]: slot for slot in service["slots"]}
            found[service["service_name"]] = [_tool(intent, slots) for intent in service["intents"]]
    return found


def _tool(intent: dict, slots: dict) -> Tool:
    properties = {}
    for name in [*intent["required_slots"], *intent["optional_slots"]]:
        properties[name] = {"type": "string", "description": slots[name]["description"]}
        if slots[name]["is_categorical"] and slots[name]["possible_values"]:
            # "dontcare" is what the annotators wrote for "any will do"
            properties[name]["enum"] = [*slots[name]["possible_values"], "dontcare"]
    return Tool(intent["name"], intent["description"], {"type": "object", "properties": properties, "required": list(intent["required_slots"])})


def convert(value, cfg) -> list[Example]:
    row, offered = shaped(value, SHAPE), services(cfg.path)
    if unknown := [name for name in row["services"] if name not in offered]:
        raise RowError("unknown_service", f"no schema file has {unknown[0]!r}")
    tools = list({tool.name: tool for name in row["services"] for tool in offered[name]}.values())
    made, messages, called = [], [], False
    for turn in row["turns"]:
        if turn["role"] == "user":
            messages.append({"role": "user", "content": turn["text"]})
            continue
        if calls := turn.get("calls_before_text"):
            wanted = [Call(call["method"], call["parameters"]) for call in calls]
            made.append(Example("", "sgd", list(messages), tools, wanted, None, row["id"], _labels(messages, "")))
            messages.append({"role": "assistant", "content": "", "tool_calls": [call.wrapped() for call in wanted]})
            messages += [{"role": "tool", "content": dumps(call.get("results") or [])} for call in calls]
            called = True
        kind = "answer" if called else "missing"  # before the first call the system asks for what it still needs
        made.append(Example("", "sgd", list(messages), tools, None, turn["text"], row["id"], _labels(messages, kind)))
        messages.append({"role": "assistant", "content": turn["text"]})
    if not made:
        raise RowError("no_target", "no system turn")
    return made


def _labels(messages: list[dict], kind: str) -> dict[str, str]:
    return {"domain": "dialogue", **({"kind": kind} if kind else {})}
