"""Structured output: planted faults in an answer that should be a JSON object, each by its name; what no summary may mix up."""

import json
import random

import pytest

from stages import evaluate, formats
from stages.formats._json import answered
from stages.schema import Example
from stages.scoring.outcomes import OUTCOMES, RIGHT
from stages.scoring.structured import leaves
from stages.scoring.summary import summarise

GOLD = {"city": "Hull", "days": 3, "stops": [{"at": "Selby"}, {"at": "York"}]}
SCHEMA = {"title": "plan", "type": "object", "required": ["city", "days"], "additionalProperties": False, "properties": {
    "city": {"type": "string"}, "days": {"type": "integer"}, "units": {"type": "string", "default": "km"},
    "name": {"type": "string"}, "arguments": {"type": "object"},
    "stops": {"type": "array", "items": {"type": "object", "properties": {"at": {"type": "string"}}}}}}
NATIVE = formats.get("native")


def row(gold: dict = GOLD, schema: dict = SCHEMA) -> dict:
    asked = [{"role": "system", "content": "Answer in JSON."}, {"role": "user", "content": "to Hull by Selby and York, 3 days"}]
    return {"example": {"id": "a", "source": "test", "messages": asked, "tools": [], "reply": json.dumps(gold), "schema": schema,
                        "labels": {"kind": "structured", "turns": "single"}}}


def scored(text: str, dialect=NATIVE, **changes) -> dict:
    return evaluate.score(row(**changes), {"completion": text}, dialect.parse, dialect.answer)


def gold_with(**changes) -> str:
    return json.dumps({key: value for key, value in {**GOLD, **changes}.items() if value is not None})


PLAIN = gold_with()
FAULTS = [  # answer, outcome, valid, fits
    (PLAIN, "exact", True, True),
    (json.dumps(GOLD, indent=2), "exact", True, True),
    (f"```json\n{PLAIN}\n```", "exact", True, True),
    (f"```\n{PLAIN}\n```\n", "exact", True, True),
    (gold_with(units="km"), "equivalent", True, True),
    (gold_with(days=3.0), "equivalent", True, True),
    ("I cannot tell.", "no_object", False, False),
    ("", "no_object", False, False),
    ("[1]", "no_object", False, False),
    ('"Hull"', "no_object", False, False),
    (PLAIN[:-1], "broken_object", False, False),
    (PLAIN.replace('"', "'"), "broken_object", False, False),
    (PLAIN[:-1] + ",}", "broken_object", False, False),
    ('{"city": "Hull", "city": "Hull", "days": 3}', "broken_object", False, False),
    (f"Here you are: {PLAIN}", "words_around_object", False, False),
    (f"{PLAIN}\nAnything else?", "words_around_object", False, False),
    (f"{PLAIN} {PLAIN}", "words_around_object", False, False),
    (f'<tool_call>\n{{"name": "plan", "arguments": {PLAIN}}}\n</tool_call>', "called_instead", False, False),
    (gold_with(days="3"), "against_schema", True, False),
    (gold_with(days=None), "against_schema", True, False),
    (gold_with(more=1), "against_schema", True, False),
    (gold_with(stops=None), "missing_field", True, True),
    (gold_with(units="miles"), "extra_field", True, True),
    (gold_with(city="Hall"), "wrong_field", True, True),
    (gold_with(stops=[{"at": "Selby"}]), "wrong_field", True, True),
    (gold_with(stops=[{"at": "York"}, {"at": "Selby"}]), "wrong_field", True, True),
]


@pytest.mark.parametrize("text,outcome,valid,fits", FAULTS)
def test_each_planted_fault_has_its_name(text, outcome, valid, fits):
    found = scored(text)
    assert (found["outcome"], found["valid"], found["fits"]) == (outcome, valid, fits)
    assert (found["strict"], found["schema"]) == (outcome == "exact", outcome in ("exact", "equivalent")) and outcome in OUTCOMES
    assert found["schema"] == (outcome in RIGHT)
    assert [found[name] for name in ("should_call", "does_call", "bfcl", "rung")] == [None] * 4, "no matter of calling, and not the benchmark's"


def test_every_outcome_of_a_structured_case_has_been_planted():
    asked = {name for name, meaning in OUTCOMES.items() if "object" in meaning and ":" not in name}
    assert {outcome for _, outcome, _, _ in FAULTS} == asked


def test_fields_are_leaves_by_their_path():
    assert leaves(GOLD) == {"/city": "Hull", "/days": 3, "/stops/0/at": "Selby", "/stops/1/at": "York"}
    assert leaves({"a": {}, "b": [], "c/d": None}) == {"/a": {}, "/b": [], "/c~1d": None}
    found = scored(gold_with(city="Hall", stops=[{"at": "Selby"}], units="km"))
    assert (found["right_arguments"], found["made_arguments"], found["gold_arguments"]) == (2, 4, 4) and found["field_f1"] == 0.5
    assert scored("No.")["field_f1"] == 0.0 and scored("{}", gold={}, schema={"type": "object"})["field_f1"] == 1.0
    assert scored(f"Well: {PLAIN}")["field_f1"] == 1.0, "fields are counted in what can be read; exact match wants the object alone"


def test_an_object_that_looks_like_a_call_is_an_object():
    gold = {"city": "Hull", "days": 1, "name": "x", "arguments": {"a": 1}}
    gold = {"name": gold.pop("name"), "arguments": gold.pop("arguments"), **gold}
    found = scored(json.dumps(gold), gold=gold)
    assert found["outcome"] == "exact" and found["calls"] == []


@pytest.mark.parametrize("dialect,text", [("react", f"Thought: easy.\nFinal Answer: {PLAIN}\nObservation: {{}}"), ("react", PLAIN),
                                          ("query_answer", f"{PLAIN}\n</answer>\n<query>\nmore"), ("markdown_json", f"```json\n{PLAIN}\n```"),
                                          ("native", f"<think>\n\n</think>\n\n{PLAIN}"), ("pythonic", PLAIN), ("tool_tags", PLAIN)])
def test_each_dialects_frame_is_taken_off(dialect, text):
    assert scored(text, formats.get(dialect))["outcome"] == "exact"


def test_invented_values_are_counted_and_the_schemas_title_is_the_cluster():
    found = scored(gold_with(city="Atlantis", bogus="Selby"))
    assert (found["invented_values"], found["invented_arguments"], found["tool"]) == (1, 1, "plan")


def test_figures_keep_calls_and_objects_apart():
    objects = [scored(PLAIN), scored(gold_with(city="Hall")), scored("No."), scored(gold_with(days="3"))]
    made = summarise(objects)
    assert {name: rate["k"] for name, rate in made["structured"].items()} == {"valid": 3, "fits": 2}
    assert made["scores"]["strict"]["k"] == 1 and made["scores"]["bfcl"]["rate"] is None
    assert made["fields"]["micro"] == {"precision": round(10 / 12, 6), "recall": 0.625, "f1": round(20 / 28, 6)}
    assert made["fields"]["function_name"]["rate"] is None and made["ladder"]["block"]["n"] == 0
    assert sum(value for key, value in made["decision"].items() if key.endswith("_right")) == 0
    replying = {"example": {"id": "b", "source": "test", "messages": [], "tools": [], "reply": "No."}}
    calls = evaluate.score(replying, {"completion": "No."}, NATIVE.parse, NATIVE.answer)
    both = summarise([*objects, calls])
    assert "structured" not in summarise([calls]) and both["structured"] == made["structured"]
    assert both["scores"]["bfcl"]["n"] == 1 and both["decision"]["reply_when_reply_right"] == 1


def test_any_answer_is_scored():
    """Answers mutated at random: no exception, scores in range, exact implies valid."""
    rng, parts = random.Random(3), ['{"', '"}', "[", "]", "```", "json\n", "<tool_call>", "\\", '"', ",", "null", "1e999", "\ud800", "{" * 70, "x"]
    for _ in range(2000):
        text = list(rng.choice(FAULTS)[0])
        for _ in range(rng.randint(0, 4)):
            place = rng.randint(0, len(text))
            text[place : place + rng.randint(0, 2)] = rng.choice(parts)
        found = scored("".join(text))
        assert found["outcome"] in OUTCOMES and 0 <= found["field_f1"] <= 1
        assert found["fits"] <= found["valid"] and found["strict"] <= found["schema"] <= found["valid"]
        assert not found["strict"] or found["field_f1"] == 1


def test_reading_takes_time_in_proportion_to_the_text():
    for text in ("{" * 100_000, "```" * 50_000, '{"a": "' + "\\" * 100_000, "[" * 100_000 + "{", " " * 200_000 + "}", '{"a":' * 30_000):
        assert answered(text)[0] is None


def test_an_example_keeps_its_schema_and_others_have_none():
    made = Example.from_json(row()["example"])
    assert made.schema == SCHEMA and Example.from_json(made.to_json()) == made
    assert "schema" not in Example("a", "test", [], []).to_json(), "the rows of other kinds are the same bytes as before"
