"""What holds for every output: no exception, scores in range, order without effect, strict within schema.

CALLSMITH_FUZZ sets the number of mutated outputs (3,000 unless told; 100,000 for a full run).
"""

import json
import os
import random
import string
import time

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stages import formats
from stages.schema import DEFECTS, Call, Example, Parsed, Tool
from stages.scoring import bfcl, schema_match, strict
from stages.scoring.case import score_case
from stages.scoring.outcomes import OUTCOMES, RIGHT
from stages.scoring.summary import summarise

NAMES = st.sampled_from(["a", "b", "c", "in"])
NUMBERS = st.integers(-3, 3) | st.floats(-2, 2, width=16)
LEAVES = st.none() | st.booleans() | NUMBERS | st.sampled_from(["", "x", "X", "5", "New York"]) | st.text(max_size=5)
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3), max_leaves=6)


@st.composite
def schemas(draw, depth=2):
    kind = draw(st.sampled_from(["string", "integer", "number", "boolean", "any", "nullable"] + ["array", "object"] * (depth > 0)))
    if kind == "array":
        return {"type": "array", "items": draw(schemas(depth - 1))}
    if kind == "object":
        return draw(objects(depth - 1))
    made = {} if kind == "any" else {"type": ["string", "null"] if kind == "nullable" else kind}
    if draw(st.booleans()):
        made["default"] = draw(LEAVES)
    if draw(st.booleans()):
        made["enum"] = ["x", "New York", 5, draw(LEAVES)]
    return made


@st.composite
def objects(draw, depth=2):
    named = draw(st.dictionaries(NAMES, schemas(depth), max_size=3))
    return {"type": "object", "properties": named, "required": draw(st.lists(st.sampled_from(sorted(named)), unique=True)) if named else []}


ARGUMENTS = st.dictionaries(NAMES, VALUES, max_size=3)
CALLS = st.lists(st.builds(Call, st.sampled_from(["f", "g", "zz"]), ARGUMENTS), max_size=4)


@st.composite
def examples(draw):
    tools = [Tool(name, "", draw(objects())) for name in draw(st.sampled_from([["f"], ["f", "g"]]))]
    calls = draw(CALLS)
    return Example("1", "test", [{"role": "user", "content": draw(st.text(max_size=20))}], tools, calls=calls or None, reply=None if calls else "x")


@st.composite
def outputs(draw, gold):
    """Some calls, near gold as often as not, with whatever defects."""
    calls = draw(CALLS | st.permutations(gold or []))
    defects = draw(st.lists(st.sampled_from(list(DEFECTS)), max_size=3, unique=True))
    return Parsed(list(calls), draw(st.text(max_size=5)), draw(st.booleans()) or bool(calls), defects)


SLOW = settings(max_examples=250, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))


@SLOW
@given(st.data())
def test_every_case_has_scores_in_range(data):
    example = data.draw(examples())
    row = score_case(example, data.draw(outputs(example.calls)))
    json.dumps(row)
    assert row["outcome"] in OUTCOMES
    assert row["schema"] is (row["outcome"] in RIGHT)
    assert not row["strict"] or row["schema"]
    assert row["right_arguments"] <= min(row["named_arguments"], row["made_arguments"]) and row["named_arguments"] <= row["gold_arguments"]
    assert row["right_names"] <= min(row["gold_calls"], row["made_calls"])
    assert 0 <= row["invented_values"] <= row["judged_values"]
    assert row["field_f1"] is None or 0 <= row["field_f1"] <= 1
    assert not (row["strict"] and row["should_call"]) or row["field_f1"] == 1
    for figure in walk(summarise([row])):
        assert figure is None or isinstance(figure, int) or 0 <= figure <= 1


def walk(value):
    if isinstance(value, dict):
        for item in value.values():
            yield from walk(item)
    else:
        yield value


@SLOW
@given(st.data())
def test_order_of_calls_has_no_effect(data):
    example = data.draw(examples())
    calls = data.draw(CALLS)
    shuffled = data.draw(st.permutations(calls))
    gold = example.calls or []
    assert strict.match(calls, gold) == strict.match(shuffled, gold)
    assert schema_match.match(calls, gold, example.tools) == schema_match.match(shuffled, gold, example.tools)
    assert strict.match(shuffled, calls)


@SLOW
@given(objects(), VALUES)
def test_normal_form_is_stable(schema, value):
    once = schema_match.normal(value, schema)
    assert strict.canonical(schema_match.normal(once, schema)) == strict.canonical(once)


ANSWERS = st.dictionaries(NAMES, st.lists(VALUES, max_size=3), max_size=3)
ENTRIES = st.lists(st.dictionaries(st.sampled_from(["f", "g"]), ANSWERS, min_size=1, max_size=1), max_size=4)


@SLOW
@given(CALLS, ENTRIES, objects())
def test_bfcl_survives_any_gold(calls, gold, schema):
    tools = [{"name": name, "parameters": schema} for name in ("f", "g")]
    for category in ("simple_python", "multiple", "parallel_multiple", "irrelevance"):
        assert isinstance(bfcl.check(calls, gold, tools, category).correct, bool)


TOOLS = [
    Tool("book", "", {"type": "object", "properties": {
        "place": {"type": "string"}, "seats": {"type": "integer", "default": 2}, "tags": {"type": "array", "items": {"type": "string"}},
        "who": {"type": "object", "properties": {"age": {"type": "number"}}}, "area": {"enum": ["In", "Out"]},
    }, "required": ["place"]}),
    Tool("wave", "", {"type": "object", "properties": {}}),
]  # fmt: skip
GOLD = [
    Call("book", {"place": "Nero", "seats": 4, "tags": ["a", "b"], "who": {"age": 3.5}, "area": "In"}),
    Call("wave", {}),
]
SNIPPETS = [
    "<tool_call>", "</tool_call>", "{", "}", "[", "]", '"', "'", ",", ":", "\\", "\\u", "\\ud800", "\n", "null", "True", "NaN", "1e999",
    "-0.0", "9" * 400, "[" * 300, '{"a":' * 200, "\x00", "\ud800", "\u202e", "name", "arguments", "parameters", '"seats"', " " * 500,
    "```json", "//", "/*", "é", "👍",
]  # fmt: skip
EDITS = [
    lambda text, a, b, rng: text[:a] + text[b:],
    lambda text, a, b, rng: text[:a] + rng.choice(SNIPPETS) + text[a:],
    lambda text, a, b, rng: text[:a] + rng.choice(SNIPPETS) + text[b:],
    lambda text, a, b, rng: text[:a],
    lambda text, a, b, rng: text[:b] + text[a:],
    lambda text, a, b, rng: text[:a] + rng.choice(string.printable) + text[a + 1 :],
    lambda text, a, b, rng: text + text,
]


def mutate(text: str, rng: random.Random) -> str:
    for _ in range(rng.choice((1, 1, 2, 3, 6))):
        start = rng.randrange(len(text) + 1)
        text = rng.choice(EDITS)(text, start, start + rng.randrange(12), rng)[:6000]
    return text


def test_no_mutated_output_raises_or_is_slow():
    parse = formats.get("tool_tags").parse
    rng = random.Random(0)
    gold = "\n".join(f"<tool_call>\n{json.dumps({'name': call.name, 'arguments': call.arguments})}\n</tool_call>" for call in GOLD)
    asked = [{"role": "user", "content": "Nero for four"}]
    cases = [Example("1", "t", asked, TOOLS, calls=calls, reply=None if calls else "No.") for calls in (GOLD, GOLD[:1], None)]
    slowest, rows = 0.0, []
    for _ in range(int(os.environ.get("CALLSMITH_FUZZ", 3000))):
        text = mutate(gold, rng)
        start = time.process_time()
        row = score_case(rng.choice(cases), parse(text))
        slowest = max(slowest, time.process_time() - start)
        assert row["outcome"] in OUTCOMES and (row["schema"] or not row["strict"])
        rows.append(row)
    assert slowest < 0.5
    seen = summarise(rows)["outcomes"]
    assert {"exact", "malformed_call", "wrong_tool", "missing_argument", "wrong_value", "call_where_none_was_right"} <= seen.keys()


def test_100_000_cases_would_take_under_a_minute():
    """Measured on 2,000 as CPU time: the machine may be busy with other things."""
    example = Example("1", "t", [{"role": "user", "content": "a table for four at Nero, please"}], TOOLS * 4, calls=GOLD)
    parsed = [Parsed([*GOLD[1:], Call("book", {**GOLD[0].arguments, "place": f"Place {i}"})], attempted=True) for i in range(2000)]
    start = time.process_time()
    summarise([score_case(example, one) for one in parsed])
    assert time.process_time() - start < 60 * 2000 / 100_000
