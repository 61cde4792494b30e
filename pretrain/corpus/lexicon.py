"""Word lists of the procedural corpus and invented words.

Two origins: `pretrain/lexicon/words.yaml`, written by hand, and `build/words.json`, extracted by
`prepare.py` from the shared real data (novels, SNIPS, SGD). The second is what keeps the vocabulary
open: a name that occurs once in ten million documents cannot be recalled, it has to be copied.
"""

import json
import os
from functools import lru_cache

import yaml

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.environ.get("PRETRAIN_BUILD", os.path.join(HERE, "build"))


def _read():
    with open(os.path.join(HERE, "lexicon", "words.yaml"), encoding="utf-8") as f:
        raw = yaml.safe_load(f)
    verbs = {k: [w.strip() for w in v.split(",")] for k, v in raw.pop("verbs").items()}
    lists = {k: [w.strip() for w in v.split(",")] if "," in v else v.split() for k, v in raw.items()}
    return lists, verbs


LISTS, VERBS = _read()
FIRST, LAST, CITIES, COUNTRIES = LISTS["first"], LISTS["last"], LISTS["cities"], LISTS["countries"]
MONTHS, DAYS, NOUNS, ADJECTIVES = LISTS["months"], LISTS["days"], LISTS["nouns"], LISTS["adjectives"]


@lru_cache(None)
def extracted():
    """{"low": common words, "cap": capitalised words, "slots": {slot name: values}}; falls back to the
    hand-written lists where `prepare.py` has not run (tests without the shared data)."""
    path = os.path.join(BUILD, "words.json")
    if os.path.exists(path):
        with open(path, encoding="utf-8") as f:
            return json.load(f)
    return {"low": NOUNS + ADJECTIVES, "cap": FIRST + LAST + CITIES, "slots": {"title": CITIES}}


def word(R):
    return R.choice(extracted()["low"])


def capital(R):
    return R.choice(extracted()["cap"])


def slot_value(R, *names):
    """A real slot value (title, artist, hotel ...) written by people, from one of the named lists."""
    slots = extracted()["slots"]
    known = [n for n in names if n in slots] or list(slots)
    return R.choice(slots[R.choice(known)])


def invented(R):
    """A pronounceable word that no text holds."""
    return "".join(R.choices(LISTS["syllables"], k=R.randint(2, 4)))
