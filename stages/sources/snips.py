"""Snips, 2017-06 custom intents (CC0): human utterances of seven intents, with slots as tagged spans.

`dataset.path` is a folder with train_INTENT_full.json and validate_INTENT.json (or .gz), each {INTENT: [UTTERANCE, ...]}:

    {"data": [{"text": "Book a table for "}, {"text": "six", "entity": "party_size_number"}, {"text": " in "}, ...]}

An intent is a tool, its slots are its parameters, all of them text as it was said. All seven tools are offered each time.
"""

import gzip
import json
import zlib
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from stages.errors import FileError, RowError
from stages.schema import Call, Example, Tool, dumps
from stages.sources import TEXT, Raw, objects, shape, shaped

# intent -> (domain, what it does, {slot: what it holds})
INTENTS = {
    "AddToPlaylist": ("music", "Adds music to a playlist.", {
        "artist": "performer whose music is added", "entity_name": "name of the song or album", "music_item": "what is added: song, track, album",
        "playlist": "name of the playlist", "playlist_owner": "whose playlist it is"}),
    "BookRestaurant": ("restaurant", "Books a table.", {
        "city": "city", "country": "country", "cuisine": "kind of cooking", "facility": "something the place must have, such as parking",
        "party_size_description": "the guests, in words", "party_size_number": "number of guests", "poi": "landmark or address to be near",
        "restaurant_name": "name of the restaurant", "restaurant_type": "kind of place, such as bar or bistro", "served_dish": "dish to be served",
        "sort": "quality asked for, such as best", "spatial_relation": "how near", "state": "state or its abbreviation", "timeRange": "when"}),
    "GetWeather": ("weather", "Tells the weather.", {
        "city": "city", "condition_description": "kind of weather asked about", "condition_temperature": "temperature asked about, such as cold",
        "country": "country", "current_location": "the place where the user is", "geographic_poi": "park or other landmark",
        "spatial_relation": "how near", "state": "state or its abbreviation", "timeRange": "when"}),
    "PlayMusic": ("music", "Plays music.", {
        "album": "album", "artist": "performer", "genre": "genre", "music_item": "kind of item: song, track, album",
        "playlist": "name of the playlist", "service": "streaming service to use", "sort": "order or quality, such as newest",
        "track": "name of the track", "year": "year or decade"}),
    "RateBook": ("books", "Rates a book.", {
        "best_rating": "highest rating of the scale", "object_name": "title", "object_part_of_series_type": "series or saga it belongs to",
        "object_select": "which one, such as this or the current", "object_type": "kind of work, such as novel", "rating_unit": "stars or points",
        "rating_value": "the rating"}),
    "SearchCreativeWork": ("media", "Finds a creative work by its name.", {
        "object_name": "name of the work", "object_type": "kind of work, such as show or song"}),
    "SearchScreeningEvent": ("cinema", "Finds screenings of films.", {
        "location_name": "name of the cinema", "movie_name": "film", "movie_type": "kind of film",
        "object_location_type": "kind of place, such as theatre", "object_type": "what is asked for, such as movie times",
        "spatial_relation": "how near", "timeRange": "when"}),
}
SHAPE = shape(intent={"enum": list(INTENTS)}, data=objects(text=TEXT))


def read(cfg) -> Iterator[Raw]:
    paths = sorted(path for pattern in ("train_*_full.json", "validate_*.json") for end in ("", ".gz") for path in Path(cfg.path).glob(pattern + end))
    if not paths:
        raise FileError(f"dataset.path is {cfg.path}, which holds no train_INTENT_full.json: give the folder of the Snips files.")
    for path in paths:
        number = 0
        for intent, rows in _intents(path).items():
            for row in rows:
                number += 1
                yield _raw(path, number, {"intent": intent, **row} if isinstance(row, dict) else row)


def _intents(path: Path) -> dict[str, list]:
    try:
        # bytes that are no UTF-8 become surrogates: they spoil one utterance and not the file
        with (gzip.open if path.suffix == ".gz" else open)(path, "rt", encoding="utf-8", errors="surrogateescape") as handle:
            intents = json.load(handle)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise FileError(f"{path} cannot be read as JSON ({error}): fetch the Snips file again.") from None
    if not isinstance(intents, dict) or not all(isinstance(rows, list) for rows in intents.values()):
        raise FileError(f"{path} is no object of intents with their utterances: fetch the Snips file again.")
    return intents


def _raw(path: Path, number: int, value) -> Raw:
    text = dumps(value)
    if text.isascii() or not any("\ud800" <= char <= "\udfff" for char in text):
        return Raw(str(path), number, value, None, text)
    return Raw(str(path), number, None, RowError("not_utf8", "the text holds bytes that are no UTF-8"), text.encode("utf-8", "replace").decode())


@lru_cache
def tools() -> list[Tool]:
    return [Tool(name, what, {"type": "object", "properties": {slot: {"type": "string", "description": text} for slot, text in slots.items()},
                              "required": []}) for name, (_, what, slots) in INTENTS.items()]


def convert(value, cfg) -> list[Example]:
    row = shaped(value, SHAPE)
    arguments = {}
    for part in row["data"]:
        slot = part.get("entity")
        if slot is None:
            continue
        if not isinstance(slot, str):
            raise RowError("wrong_type", f"entity is {type(slot).__name__}")
        if slot in arguments:
            raise RowError("slot_twice", f"{slot} is tagged twice, and a parameter holds one value")
        if not part["text"].strip():
            raise RowError("empty_slot", f"{slot} holds no text")
        arguments[slot] = part["text"].strip()
    query = "".join(part["text"] for part in row["data"]).strip()
    return [Example("", "snips", [{"role": "user", "content": query}], list(tools()), [Call(row["intent"], arguments)], None, None,
                    {"domain": INTENTS[row["intent"]][0]})]
