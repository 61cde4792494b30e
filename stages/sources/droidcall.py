"""DroidCall's earlier release (MIT): requests to a phone and the Android intent that serves each, seeds and generated rows.

`dataset.path` is a folder with seeds.jsonl, machine_generated.jsonl and annotation_data.jsonl (or .gz), or one such file:

    {"query": "Wake me at 8.", "intent": "ACTION_SET_ALARM", "uri": "None", "mime": {}, "extras": {"EXTRA_HOUR": 8, "EXTRA_RINGTONE": "None"}}

An intent is a tool; its parameters are `uri`, `mime` and the extras that its rows have, each of the type that most of them give
(api.jsonl describes other functions). "None", null and empty values of `uri` and `mime` mean "not given", and so do "None" and null in
extras. Each request is shown its own tool and DISTRACTORS others.
"""

import hashlib
import random
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from stages.errors import FileError, RowError
from stages.schema import Call, Example, Tool
from stages.sources import TEXT, Raw, read_rows, shape, shaped

NAMES = ("seeds.jsonl", "machine_generated.jsonl", "annotation_data.jsonl")
DISTRACTORS = 5
SHAPE = shape(query=TEXT, intent=TEXT, extras={"type": ["object", "null"]})
TYPES = {str: "string", bool: "boolean", int: "integer", float: "number", list: "array", dict: "object"}
DOES = {  # what each intent does
    "ACTION_AIRPLANE_MODE_SETTINGS": "Opens the airplane mode settings.", "ACTION_APN_SETTINGS": "Opens the access point (APN) settings.",
    "ACTION_BLUETOOTH_SETTINGS": "Opens the Bluetooth settings.", "ACTION_CALL": "Calls a number at once.",
    "ACTION_CREATE_DOCUMENT": "Lets the user create a document.", "ACTION_CREATE_NOTE": "Writes a note.",
    "ACTION_DATE_SETTINGS": "Opens the date and time settings.", "ACTION_DIAL": "Opens the dialler with a number.",
    "ACTION_DISPLAY_SETTINGS": "Opens the display settings.", "ACTION_EDIT": "Edits a contact.",
    "ACTION_GET_CONTENT": "Lets the user choose files to import.", "ACTION_IMAGE_CAPTURE": "Takes a photo.",
    "ACTION_INPUT_METHOD_SETTINGS": "Opens the keyboard and input settings.", "ACTION_INSERT": "Adds a calendar event or a contact.",
    "ACTION_INTERNAL_STORAGE_SETTINGS": "Opens the internal storage settings.", "ACTION_LOCALE_SETTINGS": "Opens the language settings.",
    "ACTION_LOCATION_SOURCE_SETTINGS": "Opens the location settings.", "ACTION_MEMORY_CARD_SETTINGS": "Opens the memory card settings.",
    "ACTION_OPEN_DOCUMENT": "Lets the user choose documents to open.", "ACTION_PICK": "Lets the user pick a contact.",
    "ACTION_RESERVE_TAXI_RESERVATION": "Books a taxi.", "ACTION_SECURITY_SETTINGS": "Opens the security settings.",
    "ACTION_SEND": "Sends a message with at most one attachment.", "ACTION_SEND_MULTIPLE": "Sends a message with several attachments.",
    "ACTION_SENDTO": "Sends a message to the address in the uri.", "ACTION_SETTINGS": "Opens the phone's settings.",
    "ACTION_SET_ALARM": "Sets an alarm.", "ACTION_SET_TIMER": "Starts a timer of some seconds.", "ACTION_SHOW_ALARMS": "Shows the alarms.",
    "ACTION_VIDEO_CAPTURE": "Records a video.", "ACTION_VIEW": "Shows what the uri names, such as a contact.",
    "ACTION_WEB_SEARCH": "Searches the web.", "ACTION_WIFI_SETTINGS": "Opens the Wi-Fi settings.",
    "ACTION_WIRELESS_SETTINGS": "Opens the network settings.", "CALL_PHONE": "Calls a number at once.",
    "INTENT_ACTION_MEDIA_PLAY_FROM_SEARCH": "Searches for media and plays it.", "com.google.android.gms.actions.SEARCH_ACTION": "Searches in an app.",
}


def _paths(path: str) -> list[Path]:
    if Path(path).is_dir():
        return [Path(path) / f"{name}{end}" for name in NAMES for end in ("", ".gz") if (Path(path) / f"{name}{end}").is_file()]
    return [Path(path)]


def read(cfg) -> Iterator[Raw]:
    paths = _paths(cfg.path)
    if not paths:
        raise FileError(f"dataset.path is {cfg.path}, which holds no {' or '.join(NAMES)}: give the folder of the DroidCall files, or one file.")
    for path in paths:
        yield from read_rows(path)


@lru_cache
def library(path: str) -> dict[str, Tool]:
    """The tools that the rows of these files show, in the order of their names."""
    kinds = {}
    for row in (raw.value for one in _paths(path) for raw in read_rows(one)):
        try:
            name, arguments = _call(shaped(row, SHAPE))
        except RowError:
            continue  # counted when the row itself is converted
        found = kinds.setdefault(name, {})
        for key, value in arguments.items():
            found.setdefault(key, Counter())[TYPES[type(value)]] += 1
    return {name: Tool(name, DOES.get(name, ""), {"type": "object", "required": [], "properties": {
        key: {"type": counts.most_common(1)[0][0]} for key, counts in sorted(found.items())}}) for name, found in sorted(kinds.items())}


def _call(row: dict) -> tuple[str, dict]:
    arguments = {key: value for key, value in (row["extras"] or {}).items() if value not in (None, "None")}
    for key in ("uri", "mime"):
        value = row.get(key)
        if value in (None, "", "None", "{}", {}):
            continue
        if not isinstance(value, str):
            raise RowError("wrong_type", f"{key} is {type(value).__name__}, not text")
        if key in arguments:
            raise RowError("argument_twice", f"{key} is given beside the extras and in them")
        arguments[key] = value.strip('"')  # some are text within text: "\"text/plain\""
    return row["intent"], arguments


def convert(value, cfg) -> list[Example]:
    row, tools = shaped(value, SHAPE), library(cfg.path)
    name, arguments = _call(row)
    if name not in tools:
        raise RowError("unknown_tool", f"no row of {cfg.path} shows an intent {name!r}")
    rng = random.Random(hashlib.sha256(row["query"].encode()).digest())
    shown = [name, *rng.sample([other for other in tools if other != name], min(DISTRACTORS, len(tools) - 1))]
    rng.shuffle(shown)
    return [Example("", "droidcall", [{"role": "user", "content": row["query"]}], [tools[one] for one in shown], [Call(name, arguments)],
                    None, None, {"domain": "phone"})]
