"""data/samples/*.jsonl: rows of data/embedded written as other data sets write theirs, so that their recipes can be tried out here.

    python -m authoring.samples

The formats are those of stages/sources/{xlam,hermes,glaive}.py. No row offers or calls a held-out tool. The same input gives the
same bytes.
"""

import json
import random
from collections.abc import Callable, Iterable
from pathlib import Path

from stages.files import read_json, read_jsonl, write_jsonl

ROOT = Path(__file__).parents[1]
EMBEDDED, SAMPLES = ROOT / "data/embedded", ROOT / "data/samples"
SEED = 42
MOST_TOOLS = 3  # offered in a row, so that rows stay short
CALLS = ("single", "parallel", "multiple")
Tools = dict[str, dict]  # name -> {"name", "description", "parameters"}


def load() -> tuple[list[dict], Tools]:
    """The embedded rows that offer few tools, none of them held out, and all tools by name."""
    held = set(read_json(EMBEDDED / "held_out.json"))
    tools = {row["name"]: {key: row[key] for key in ("name", "description", "parameters")} for row in read_jsonl(EMBEDDED / "tools.jsonl")}
    rows = [row for row in read_jsonl(EMBEDDED / "examples.jsonl")
            if row["labels"]["tools"] == "seen" and len(row["offered"]) <= MOST_TOOLS and not held & set(row["offered"])]
    return rows, tools


def draw(rows: Iterable[dict], count: int, name: str, fits: Callable[[dict], bool]) -> list[dict]:
    """`count` rows that fit, at most one of a group, in the order of the data set."""
    order = [row for row in rows if fits(row)]
    random.Random(f"{SEED}/{name}").shuffle(order)
    by_group = {row["group"]: row for row in order}
    return sorted(list(by_group.values())[:count], key=lambda row: row["id"])


def kind(*kinds: str, turns: tuple[str, ...] = ("single",)) -> Callable[[dict], bool]:
    return lambda row: row["labels"]["kind"] in kinds and row["labels"]["turns"] in turns


def text(value) -> str:
    return json.dumps(value, ensure_ascii=False)


# --- xLAM ----------------------------------------------------------------------------------------------------

TYPES = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "object": "dict"}


def flat_type(schema: dict) -> str:
    """A JSON Schema type in Python's words: {"type": "array", "items": {"type": "string"}} -> "List[str]"."""
    if schema["type"] == "array":
        return f"List[{flat_type(schema['items'])}]"
    return TYPES[schema["type"]]


def flat(tool: dict) -> dict:
    """A tool with its parameters as a flat map."""
    required = tool["parameters"].get("required", [])
    parameters = {}
    for name, schema in tool["parameters"].get("properties", {}).items():
        words = [schema.get("description", "")] + ([f"One of: {', '.join(map(str, schema['enum']))}."] if "enum" in schema else [])
        kind = flat_type(schema) + ("" if name in required else ", optional")
        parameters[name] = {"description": " ".join(word for word in words if word), "type": kind}
        if "default" in schema:
            parameters[name]["default"] = schema["default"]
    return {**tool, "parameters": parameters}


def xlam(rows: list[dict], tools: Tools) -> list[dict]:
    chosen = draw(rows, 200, "xlam", kind(*CALLS))
    return [{"id": number, "query": row["messages"][-1]["content"], "answers": text(row["calls"]),
             "tools": text([flat(tools[name]) for name in row["offered"]])} for number, row in enumerate(chosen)]


# --- Hermes v1 -----------------------------------------------------------------------------------------------

HERMES = ("You are a function calling AI model. You are provided with function signatures within <tools></tools> XML tags. You may call one or "
          "more functions to assist with the user query. Don't make assumptions about what values to plug into functions. Here are the available "
          "tools: <tools> {tools} </tools> For each function call return a json object with function name and arguments within "
          "<tool_call></tool_call> XML tags.")
JSON_MODE = "You are a helpful assistant that answers in JSON. Here's the json schema you must adhere to:\n<schema>\n{schema}\n</schema>"


def said(message: dict) -> dict:
    """A turn as Hermes writes it."""
    if message["role"] == "tool":
        return {"from": "tool", "value": f"<tool_response>\n{message['content']}\n</tool_response>"}
    if message["role"] == "user":
        return {"from": "human", "value": message["content"]}
    blocks = [f"<tool_call>\n{text({'arguments': call['function']['arguments'], 'name': call['function']['name']})}\n</tool_call>"
              for call in message.get("tool_calls", [])]
    return {"from": "gpt", "value": "\n".join([part for part in [message["content"]] if part] + blocks)}


def target(row: dict) -> dict:
    calls = [{"type": "function", "function": call} for call in row["calls"] or []]
    return {"role": "assistant", "content": "" if calls else row["reply"], **({"tool_calls": calls} if calls else {})}


def hermes_dialogue(row: dict, tools: Tools) -> dict:
    offered = text([{"type": "function", "function": tools[name]} for name in row["offered"]])
    turns = [{"from": "system", "value": HERMES.replace("{tools}", offered)}, *(said(message) for message in [*row["messages"], target(row)])]
    return {"id": row["id"], "conversations": turns, "tools": offered, "category": row["labels"]["domain"], "subcategory": row["labels"]["domain"],
            "task": row["group"]}


def hermes_json(row: dict, tools: Tools) -> dict:
    """JSON mode: the request's values as an object of the tool's own schema."""
    call = row["calls"][0]
    turns = [{"from": "system", "value": JSON_MODE.replace("{schema}", text(tools[call["name"]]["parameters"]))},
             {"from": "human", "value": row["messages"][-1]["content"]}, {"from": "gpt", "value": text(call["arguments"])}]
    return {"id": f"{row['id']}-json", "conversations": turns, "category": row["labels"]["domain"], "subcategory": "JSON mode",
            "schema": text(tools[call["name"]]["parameters"])}


def hermes(rows: list[dict], tools: Tools) -> list[dict]:
    single = draw(rows, 90, "hermes", kind(*CALLS))
    dialogues = draw(rows, 60, "hermes turns", kind(*CALLS, "answer", turns=("sequential", "context", "clarification")))
    structured = draw(rows, 30, "hermes json", kind("single"))
    return [hermes_dialogue(row, tools) for row in (*single, *dialogues)] + [hermes_json(row, tools) for row in structured]


# --- Glaive v2 -----------------------------------------------------------------------------------------------

GLAIVE = "SYSTEM: You are a helpful assistant with access to the following functions. Use them if required -\n"
GAP, END = "\n\n\n", " <|endoftext|>"


def spoken(message: dict) -> str:
    """A turn as Glaive writes it: a call's arguments are JSON within single quotes."""
    if message["role"] == "tool":
        return f"FUNCTION RESPONSE: {message['content']}"
    if message["role"] == "user":
        return f"USER: {message['content']}"
    if calls := message.get("tool_calls"):
        name, arguments = calls[0]["function"]["name"], text(calls[0]["function"]["arguments"])
        return f"""ASSISTANT: <functioncall> {{"name": {text(name)}, "arguments": '{arguments}'}}{END}"""
    return f"ASSISTANT: {message['content']}{END}"


def glaive(rows: list[dict], tools: Tools) -> list[dict]:
    """Half calls, half replies, one call a turn."""
    calls = draw(rows, 80, "glaive", kind("single"))
    replies = draw(rows, 70, "glaive replies", kind("no_tool", "missing"))
    dialogues = draw(rows, 40, "glaive turns", kind("single", "answer", turns=("sequential", "context", "clarification")))
    one_call = [row for row in (*calls, *replies, *dialogues) if all(len(m.get("tool_calls", [])) < 2 for m in row["messages"])]
    return [{"system": GLAIVE + "\n".join(json.dumps(tools[name], ensure_ascii=False, indent=4) for name in row["offered"]) + "\n",
             "chat": GAP.join(spoken(message) for message in [*row["messages"], target(row)]) + GAP} for row in one_call]


FORMATS = {"xlam": xlam, "hermes": hermes, "glaive": glaive}


def main(folder: Path = SAMPLES) -> None:
    rows, tools = load()
    for name, make in FORMATS.items():
        count = write_jsonl(folder / f"{name}.jsonl", make(rows, tools))
        print(f"{name}: {count} rows, {(folder / f'{name}.jsonl').stat().st_size} bytes")


if __name__ == "__main__":
    main()
