"""Helpers for the tests of sources: JSON of any shape, and rows like real ones that went wrong somewhere."""

import copy
import json
import random
from types import SimpleNamespace

from hypothesis import strategies as st

from stages.curate import Curator
from stages.errors import RowError
from stages.schema import ROLES, Call, Example, Tool, dumps

plain = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=12)


def anything(keys: list[str]):
    """Arbitrary JSON, in which objects often have the given keys: what a row of a broken file may hold."""
    key = st.sampled_from(keys) | st.text(max_size=6)
    text = plain | st.sampled_from(["[]", "{}", '[{"name": "f", "arguments": "{}"}]', '"\\"{}\\""', "user", "assistant", "system", "tool"])
    return st.recursive(text, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(key, inner, max_size=5), max_leaves=20)


def cfg(path) -> SimpleNamespace:
    return SimpleNamespace(path=str(path))


def well_typed(example: Example) -> None:
    """Every field is what schema.py says it is."""
    assert isinstance(example.id, str) and isinstance(example.source, str) and isinstance(example.group, str | None)
    assert isinstance(example.labels, dict) and all(isinstance(value, str) for value in example.labels.values())
    for message in example.messages:
        assert message["role"] in ROLES and isinstance(message["content"], str)
    for tool in example.tools:
        assert isinstance(tool, Tool) and isinstance(tool.name, str) and isinstance(tool.description, str) and isinstance(tool.parameters, dict)
    for call in example.calls or []:
        assert isinstance(call, Call) and isinstance(call.name, str) and isinstance(call.arguments, dict)
    assert isinstance(example.reply, str | None)


def only_row_errors(convert, value, cfg) -> None:
    """Converting gives well-typed Examples or raises RowError; and so does curate's own check of them."""
    try:
        made = convert(value, cfg)
    except RowError as error:
        assert error.reason and error.reason.replace("_", "").isalnum(), error.reason
        return
    assert isinstance(made, list)
    for example in made:
        well_typed(example)
        try:
            dumps(Curator("test").accept(example, "test-1").to_json()).encode()
        except RowError:
            pass


def damaged(row: dict, seed: int) -> dict:
    """The row with one value, anywhere in it, replaced by one of another type or taken out."""
    rng, row = random.Random(seed), copy.deepcopy(row)
    places = []

    def walk(value, holder, key):
        if holder is not None:
            places.append((holder, key))
        for inner_key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
            walk(inner, value, inner_key)

    walk(row, None, None)
    holder, key = rng.choice(places)
    if rng.random() < 0.25:
        del holder[key]
    else:
        holder[key] = rng.choice([None, True, 0, -1.5, "", "text", [], {}, [None], {"a": 1}, [[]], json.dumps([{"name": 3}])])
    return row
