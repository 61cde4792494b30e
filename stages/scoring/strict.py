"""Exact match: the same calls, names and arguments by JSON equality, in any order.

    match([Call("f", {"b": 1, "a": [2]})], [Call("f", {"a": [2], "b": 1})]) -> True
"""

import json

from stages.schema import Call


def canonical(value) -> str:
    """One text for each JSON value: equal text = equal value.

    Objects are unordered and arrays ordered. Unlike Python's ==, true is not 1; and 5 is not 5.0,
    which only a schema can say are the same (`schema_match`).
    """
    return json.dumps(value, sort_keys=True)


def canonical_call(call: Call) -> str:
    return canonical([call.name, call.arguments])


def match(calls: list[Call], gold: list[Call]) -> bool:
    """Whether calls and gold can be paired off one to one with every pair equal.

    Equality is transitive, so the optimal pairing exists just where the sorted lists are equal.
    """
    return len(calls) == len(gold) and sorted(map(canonical_call, calls)) == sorted(map(canonical_call, gold))
