"""One name for what became of a case: the first thing that went wrong, from coarse to fine.

    gold f(a=1), output f(a="1")  -> "wrong_type"
"""

from stages.schema import DEFECTS, Call, Example, Parsed
from stages.scoring.fields import Pair
from stages.scoring.schema_match import normal_calls
from stages.scoring.strict import canonical

OUTCOMES = {
    "exact": "the calls (or the object) are gold's",
    "equivalent": "gold's calls (or object) under the schema: a default left out, 5 for 5.0, an enum's other case",
    "no_call": "a reply, or nothing, where a call was right",
    **{f"malformed:{defect}": f"a call was tried: {why}" for defect, why in DEFECTS.items() if defect != "prose_around"},
    "malformed:unreadable": "a call was tried and nothing could be read from it",
    "wrong_tool": "a call names another tool than gold's",
    "missing_call": "gold has a call more",
    "extra_call": "the output has a call more",
    "missing_argument": "right calls, an argument left out",
    "extra_argument": "right calls, an argument too many",
    "wrong_type": "right calls and arguments, a value of another JSON type",
    "wrong_value": "right calls and arguments, another value",
    "replied": "no call was right, and none was tried",
    "asked_back": "no call was right, none was tried, and the reply asks something",
    "malformed_call": "no call was right, and one was tried that cannot be read",
    "call_where_none_was_right": "no call was right, and there is one",
    "valid_call": "a call was right, of which no gold is known: every call names an offered tool and passes its schema",
    "invalid_call": "a call was right, of which no gold is known: a call names no offered tool, or breaks its schema",
    "no_object": "an object was asked for, and there is none",
    "called_instead": "an object was asked for, and a tool is called",
    "broken_object": "an object was asked for, and a plain JSON reader cannot take it",
    "words_around_object": "an object was asked for and is there, among other words",
    "against_schema": "an object that breaks its schema",
    "missing_field": "an object of the schema, a field left out",
    "extra_field": "an object of the schema, a field too many",
    "wrong_field": "an object of the schema, another value",
}
# Outcomes that count as right, under `schema`.
RIGHT = frozenset({"exact", "equivalent", "replied", "asked_back", "valid_call"})
_MARKS = ("?", "\uff1f", "\u061f")  # question marks: Latin, full-width, Arabic
_JSON_TYPES = {bool: "boolean", int: "number", float: "number", str: "string", list: "array", dict: "object"}


def outcome(example: Example, parsed: Parsed, pairs: list[Pair], strict: bool, schema: bool) -> str:
    """The name, from OUTCOMES. pairs: `fields.pair` of the output's calls with gold's."""
    gold, calls = example.calls or [], parsed.calls
    if not gold:
        return _without_gold(parsed)
    if strict or schema:
        return "exact" if strict else "equivalent"
    if not calls:
        return malformed(parsed) if parsed.attempted else "no_call"
    if len(calls) < len(gold) and (lost := malformed(parsed)) != "malformed:unreadable":
        return lost  # a broken block is why a call is missing
    if len(pairs) < min(len(gold), len(calls)):
        return "wrong_tool"
    if len(calls) != len(gold):
        return "missing_call" if len(calls) < len(gold) else "extra_call"
    # In normal form, so that a default left out does not hide the value that is really wrong.
    schemas = {tool.name: tool.parameters for tool in example.tools}
    made, wanted = normal_calls(calls, schemas), normal_calls(gold, schemas)
    return _arguments([(made[i], wanted[j]) for i, j in pairs])


def _without_gold(parsed: Parsed) -> str:
    if parsed.calls:
        return "call_where_none_was_right"
    if parsed.attempted:
        return "malformed_call"
    return "asked_back" if any(mark in parsed.reply for mark in _MARKS) else "replied"


def malformed(parsed: Parsed) -> str:
    """The outcome of a call that was tried and cannot be read."""
    how = next((name for name in DEFECTS if name in parsed.defects and f"malformed:{name}" in OUTCOMES), "unreadable")
    return f"malformed:{how}"


def _arguments(pairs: list[tuple[Call, Call]]) -> str:
    if any(gold.arguments.keys() - call.arguments.keys() for call, gold in pairs):
        return "missing_argument"
    if any(call.arguments.keys() - gold.arguments.keys() for call, gold in pairs):
        return "extra_argument"
    values = [(call.arguments[name], gold.arguments[name]) for call, gold in pairs for name in gold.arguments]
    wrong = [(made, wanted) for made, wanted in values if canonical(made) != canonical(wanted)]
    if any(_JSON_TYPES.get(type(made)) != _JSON_TYPES.get(type(wanted)) for made, wanted in wrong):
        return "wrong_type"
    return "wrong_value"
