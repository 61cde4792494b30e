"""strict, schema, fields, ladder, decision, outcomes and hallucination on cases small enough to check by eye."""

import pytest
from sklearn.metrics import f1_score

from stages.schema import DEFECTS, Call, Example, Parsed, Tool
from stages.scoring import decision, fields, hallucination, outcomes, schema_match, strict, validity
from stages.scoring.case import score_case
from stages.scoring.mentions import Mentions
from stages.scoring.summary import summarise

BOOK = Tool(
    "book",
    "Books a table.",
    {
        "type": "object",
        "properties": {
            "place": {"type": "string"},
            "seats": {"type": "integer", "default": 2},
            "budget": {"type": "number"},
            "area": {"type": "string", "enum": ["Inside", "Terrace"]},
            "size": {"type": "string", "enum": ["s", "S", "M"]},
            "smoking": {"type": "boolean"},
            "at": {"$ref": "#/$defs/time"},
            "dishes": {"type": "array", "items": {"type": "object", "properties": {"count": {"type": "number", "default": 1}}}},
            "note": {"anyOf": [{"type": "string", "enum": ["VIP"]}, {"type": "null"}]},
        },
        "required": ["place"],
        "$defs": {"time": {"type": "object", "properties": {"hour": {"type": "integer"}, "zone": {"type": "string", "default": "UTC"}}}},
    },
)
WAVE = Tool("wave", "Waves.", {"type": "object", "properties": {}})
ITSELF = {"allOf": [{"$ref": "#"}], "type": "object", "properties": {"in": {"$ref": "#"}, "n": {"type": "number"}}}
LOOPED = Tool("looped", "Refers to itself.", ITSELF)


def book(**arguments):
    return Call("book", {"place": "Nero", **arguments})


def case(*calls, said="a table at Nero please", labels=None):
    messages, reply = [{"role": "user", "content": said}], None if calls else "No."
    return Example("1", "test", messages, [BOOK, WAVE], calls=list(calls) or None, reply=reply, labels=labels or {})


def output(*calls, reply="", defects=(), attempted=None):
    return Parsed(list(calls), reply, bool(calls) if attempted is None else attempted, list(defects))


SAME = [  # output, gold, strict, schema
    ([book()], [book()], True, True),
    ([book(a=1, b=[1])], [book(b=[1], a=1)], True, True),
    ([book(), Call("wave", {})], [Call("wave", {}), book()], True, True),
    ([book(), book()], [book()], False, False),
    ([book(), book(smoking=True)], [book(), book()], False, False),
    ([book(smoking=1)], [book(smoking=True)], False, False),
    ([book(seats=4.0)], [book(seats=4)], False, True),
    ([book(budget=20)], [book(budget=20.0)], False, True),
    ([book(budget=20.5)], [book(budget=20)], False, False),
    ([book(budget="20")], [book(budget=20)], False, False),
    ([book(seats=2)], [book()], False, True),
    ([book()], [book(seats=2)], False, True),
    ([book(seats=2.0)], [book()], False, True),
    ([book(seats=3)], [book()], False, False),
    ([book(area="terrace")], [book(area="Terrace")], False, True),
    ([book(size="S")], [book(size="s")], False, False),
    ([book(size="m")], [book(size="M")], False, True),
    ([book(place="nero")], [book()], False, False),
    ([book(at={"hour": 9.0, "zone": "UTC"})], [book(at={"hour": 9})], False, True),
    ([book(dishes=[{"count": 1}])], [book(dishes=[{}])], False, True),
    ([book(dishes=[{}, {}])], [book(dishes=[{}])], False, False),
    ([book(note="vip")], [book(note="VIP")], False, True),
    ([Call("Book", {"place": "Nero"})], [book()], False, False),
    ([], [book()], False, False),
]


@pytest.mark.parametrize("calls, gold, exact, equal", SAME)
def test_strict_and_schema(calls, gold, exact, equal):
    assert strict.match(calls, gold) is exact
    assert schema_match.match(calls, gold, [BOOK, WAVE]) is equal
    assert schema_match.match(gold, calls, [BOOK, WAVE]) is equal


def test_a_required_default_may_not_be_left_out():
    tool = Tool("f", "", {"type": "object", "properties": {"a": {"type": "integer", "default": 1}}, "required": ["a"]})
    assert not schema_match.match([Call("f", {})], [Call("f", {"a": 1})], [tool])


def test_schemas_that_refer_to_themselves_end():
    assert schema_match.match([Call("looped", {"in": {"n": 1.0}})], [Call("looped", {"in": {"n": 1}})], [LOOPED])


def test_pairing_is_optimal():
    gold = [book(seats=1, budget=1), book(seats=1)]
    calls = [book(seats=1), book(seats=1, budget=1)]  # taking the first that fits would lose an argument
    assert sorted(fields.pair(calls, gold)) == [(0, 1), (1, 0)]
    assert fields.count(calls, gold, fields.pair(calls, gold)).right_arguments == 5


def test_field_counts_and_f1():
    gold, calls = [book(seats=4), Call("wave", {})], [book(seats=5, smoking=True), Call("sing", {"x": 1})]
    counts = fields.count(calls, gold, fields.pair(calls, gold))
    assert counts == fields.Fields(2, 2, 1, 2, 4, 2, 1)
    # One right triple, three given that are not gold's, one of gold's not given.
    assert counts.f1 == pytest.approx(f1_score([1, 0, 0, 0, 1], [1, 1, 1, 1, 0]))


def test_f1_of_calls_without_arguments():
    wave, sing = Call("wave", {}), Call("sing", {})
    assert fields.count([wave], [wave], fields.pair([wave], [wave])).f1 == 1.0
    assert fields.count([sing], [wave], fields.pair([sing], [wave])).f1 == 0.0


GOLD = (book(seats=4),)
NAMED = [  # gold, output, outcome, rungs climbed
    (GOLD, output(book(seats=4)), "exact", 7),
    (GOLD, output(book(seats=4.0)), "equivalent", 6),
    (GOLD, output(reply="Which place?"), "no_call", 0),
    (GOLD, output(), "no_call", 0),
    (GOLD, output(book(seats=4), defects=["mended_json"]), "exact", 2),
    (GOLD, output(book(seats=4), defects=["prose_around"]), "exact", 7),
    (GOLD, output(attempted=True), "malformed:unreadable", 2),
    (GOLD, output(defects=["not_json", "unbalanced_tags"], attempted=True), "malformed:unbalanced_tags", 1),
    (GOLD, output(defects=["cut_off"], attempted=True), "malformed:cut_off", 1),
    (GOLD, output(defects=["empty_block"], attempted=True), "malformed:empty_block", 2),
    (GOLD, output(defects=["no_name"], attempted=True), "malformed:no_name", 3),
    (GOLD, output(Call("sing", {})), "wrong_tool", 4),
    (GOLD, output(Call("wave", {})), "wrong_tool", 6),
    ((book(), Call("wave", {})), output(book(), Call("sing", {})), "wrong_tool", 4),
    ((book(), Call("wave", {})), output(book()), "missing_call", 6),
    ((book(), Call("wave", {})), output(book(), defects=["not_json"]), "malformed:not_json", 2),
    (GOLD, output(book(seats=4), Call("wave", {})), "extra_call", 6),
    (GOLD, output(book()), "missing_argument", 6),
    (GOLD, output(Call("book", {"seats": 4})), "missing_argument", 5),
    (GOLD, output(book(seats=4, smoking=True)), "extra_argument", 6),
    (GOLD, output(book(seats="4")), "wrong_type", 5),
    (GOLD, output(book(seats=5)), "wrong_value", 6),
    ((book(smoking=True),), output(book(smoking=1)), "wrong_type", 5),
    ((book(seats=2, budget=5),), output(book(budget=6)), "wrong_value", 6),  # the default left out is no fault
    ((), output(reply="I cannot."), "replied", None),
    ((), output(reply="Which place?"), "asked_back", None),
    ((), output(defects=["not_json"], attempted=True), "malformed_call", None),
    ((), output(book()), "call_where_none_was_right", None),
]


@pytest.mark.parametrize("gold, parsed, outcome, rung", NAMED)
def test_outcome_and_ladder(gold, parsed, outcome, rung):
    row = score_case(case(*gold), parsed)
    assert (row["outcome"], row["rung"]) == (outcome, rung)
    assert row["schema"] is (outcome in outcomes.RIGHT)
    assert outcome in outcomes.OUTCOMES


def test_every_defect_has_its_outcome_and_rung():
    for defect in DEFECTS:
        row = score_case(case(book()), output(defects=[defect], attempted=True))
        assert row["outcome"] in (f"malformed:{defect}", "malformed:unreadable")
        assert 1 <= row["rung"] <= 3


@pytest.mark.parametrize("labels", [{}, {"kind": "no_tool"}, {"kind": "missing"}])
def test_a_malformed_attempt_is_no_abstention(labels):
    row = score_case(case(labels=labels), output(defects=["not_json"], attempted=True))
    assert not row["strict"] and not row["schema"] and row["does_call"]
    assert row["bfcl"], "the benchmark counts a call that cannot be decoded as an abstention"
    assert score_case(case(labels=labels), output(reply="Sorry."))["strict"]


def test_calls_nested_beyond_reading():
    value = []
    for _ in range(900):
        value = [value]
    row = score_case(case(book()), output(book(smoking=value)))
    assert row["outcome"] == "malformed:not_json"


def test_benchmark_gold_and_category_are_taken():
    example, parsed = case(book()), output(Call("book", {"place": "NERO"}))
    assert score_case(example, parsed, [{"book": {"place": ["Nero"]}}], "multiple")["bfcl"]
    assert not score_case(example, parsed, [{"book": {"place": ["Rex"]}}], "multiple")["bfcl"]


def test_a_broken_schema_and_a_distant_reference_take_anything():
    for schema in ({"type": "dict"}, {"type": "object", "properties": {"a": {"$ref": "http://127.0.0.1:9/a.json"}}}):
        assert validity.passes(Call("f", {"a": 1}), Tool("f", "", schema))


SAID = "Two seats at Nero's for May 3rd at half past nine, 20k budget, 12.5% tip, tigers, five hundred and ten, -3 degrees, 1,200 km"
MENTIONED = [
    ("nero", True), ("NERO", True), ("Nero Rex", False), ("budget seats", True), ("2025-05-03", True), ("2025-05-04", False),
    ("2025-05-03T21:30:00", True), ("21:30", True), ("9:30 PM", True), ("09:31", False), (2, True), (2.0, True), (20000, True), (20, True),
    (0.125, True), (12.5, True), (510, True), (7, False), (-3, True), (1200, True), ("tiger", True), ("lion", False), ("", True),
    ("510", True), ("May 3", True),
]  # fmt: skip


@pytest.mark.parametrize("value, there", MENTIONED)
def test_mentions(value, there):
    said = Mentions.of([SAID])
    assert (said.has_string(value) if isinstance(value, str) else said.has_number(value)) is there


def invented(example, *calls):
    parsed = output(*calls)
    return hallucination.count(example, parsed, fields.pair(parsed.calls, example.calls or []))


def test_hallucination_counts():
    example = case(book(seats=4, at={"hour": 19}), said="Nero tonight for four")
    assert invented(example, book(seats=4, at={"hour": 19})) == hallucination.Invented(0, 0, 0, 3)  # gold's hour is worked out
    assert invented(example, book(seats=9, view="sea")) == hallucination.Invented(0, 1, 2, 3)
    assert invented(example, book(area="Terrace", seats=2)).values == 0  # an enum member, a default
    assert invented(example, Call("sing", {"song": "Nero"})) == hallucination.Invented(1, 0, 0, 1)
    assert invented(example, book(smoking=True, note=None)).judged_values == 1


def test_hallucination_reads_results_and_descriptions():
    named = {"n": {"type": "integer", "description": "How many. Default is 25."}, "id": {"type": "string"}}
    tool = Tool("f", "", {"type": "object", "properties": named})
    messages = [{"role": "user", "content": "go"}, {"role": "tool", "content": '{"id": "ab-77"}'}]
    example = Example("1", "test", messages, [tool], calls=[Call("f", {})])
    assert invented(example, Call("f", {"n": 25, "id": "AB-77"})).values == 0
    assert invented(example, Call("f", {"n": 26, "id": "AB-78"})).values == 2


def test_decision_table():
    made = decision.scores([True, True, True, False, False], [True, False, True, True, False])
    assert made == {
        "reply_when_reply_right": 1, "call_when_reply_right": 1, "reply_when_call_right": 1, "call_when_call_right": 2,
        "precision": pytest.approx(2 / 3), "recall": pytest.approx(2 / 3), "f1": pytest.approx(2 / 3),
        "balanced_accuracy": pytest.approx((2 / 3 + 1 / 2) / 2),
    }  # fmt: skip


def test_decision_without_a_denominator():
    assert decision.scores([False, False], [False, False])["precision"] is None
    assert decision.scores([True], [True])["balanced_accuracy"] is None
    assert decision.scores([], [])["f1"] is None


def test_summary():
    rows = [score_case(case(*gold), parsed) for gold, parsed, *_ in NAMED]
    made = summarise(rows)
    assert made["cases"] == len(NAMED) == sum(made["outcomes"].values())
    assert made["scores"]["strict"]["k"] == sum(row["strict"] for row in rows)
    rates = [made["ladder"][name]["rate"] for name in validity.RUNGS]
    assert rates == sorted(rates, reverse=True)
    micro = made["fields"]["micro"]
    right, given, wanted = (sum(row[name] for row in rows if row["should_call"]) for name in ("right_arguments", "made_arguments", "gold_arguments"))
    assert (micro["precision"], micro["recall"]) == (round(right / given, 6), round(right / wanted, 6))
    assert micro["f1"] == round(2 * right / (given + wanted), 6)


def test_summary_of_nothing():
    made = summarise([])
    assert made["scores"]["strict"] == {"rate": None, "low": None, "high": None, "k": 0, "n": 0}
    assert made["fields"]["macro_f1"] is None
