"""Structured output: an answer that should be one JSON object of a given schema, and nothing else.

    gold {"city": "Hull", "days": 3}, answer {"city": "Hull", "days": 4}  -> "wrong_field", field F1 0.5

Scored as a call of a tool whose parameters are the schema, so that exact match, equality under the schema and invented values mean
the same everywhere. `strict` and `schema` want an answer that a plain JSON reader takes (a Markdown fence around it is taken as
well). Fields are the leaves of the object by their path, "/stops/0/city"; they are counted in what can be read after mending too.
"""

from dataclasses import asdict, replace

from stages.formats._json import answered
from stages.schema import Call, Example, Parsed, Tool, loads
from stages.scoring import fields, validity
from stages.scoring.case import score_case

NAME = "answer"
# score_case's outcome, where the object is whole and fits the schema -> ours
_FIELDS = {"missing_argument": "missing_field", "extra_argument": "extra_field", "wrong_type": "wrong_field", "wrong_value": "wrong_field"}


def score_answer(example: Example, text: str, parsed: Parsed) -> dict:
    """The row of `score_case` for a structured answer. text: a dialect's `answer`; parsed: its `parse`.

    It is no matter of calling or not, so should_call, does_call and bfcl are None, and calls are counted as none.
    `valid`: a plain reader takes it; `fits`: and it satisfies the schema.
    """
    made, defects = answered(text)
    gold, tool = Call(NAME, loads(example.reply)), Tool(NAME, "", example.schema)
    calls = [] if made is None else [Call(NAME, made)]
    row = score_case(replace(example, tools=[tool], calls=[gold], reply=None, schema=None), Parsed(calls, "", True, defects))
    valid = made is not None and not defects
    fits = valid and validity.passes(calls[0], tool)
    counts = fields.count([Call(NAME, leaves(call.arguments)) for call in calls], [Call(NAME, leaves(gold.arguments))], [(0, 0)] * len(calls))
    none = {"should_call": None, "does_call": None, "bfcl": None, "bfcl_error": None, "rung": None}
    no_calls = {"gold_calls": 0, "made_calls": 0, "right_names": 0, "invented_tools": 0}
    right = {name: row[name] and valid for name in ("strict", "schema")}
    called = parsed.attempted and not valid
    return row | asdict(counts) | none | no_calls | right | {
        "tool": str(example.schema.get("title") or f"schema of {example.group or example.id}"), "field_f1": counts.f1,
        "outcome": _outcome(row["outcome"], made, defects, called, fits), "valid": valid, "fits": fits}


def _outcome(found: str, made: dict | None, defects: list[str], called: bool, fits: bool) -> str:
    if called:
        return "called_instead"
    if made is None:
        return "broken_object" if defects else "no_object"
    if defects:
        return "broken_object" if "mended_json" in defects else "words_around_object"
    if found in ("exact", "equivalent"):
        return found
    return _FIELDS[found] if fits else "against_schema"


def leaves(value, path: str = "") -> dict[str, object]:
    """{JSON Pointer: plain value} of a JSON value; an empty object or list is a value of its own."""
    if not isinstance(value, dict | list) or not value:
        return {path: value} if path else {}
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    return {key: leaf for name, one in inner for key, leaf in leaves(one, f"{path}/{_escaped(str(name))}").items()}


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")  # as in a JSON Pointer (RFC 6901)
