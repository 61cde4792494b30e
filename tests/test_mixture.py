"""The shares of rows without a call and of rows that lack a value among the training rows."""

from collections import Counter

import pytest

from stages import mixture, split
from stages.errors import ParamsError
from tests import tiny
from tests.test_split import assigned, many, parts, row

KINDS = {"call": ("tool_1",), "no_tool": (), "missing": ()}


def rows(calls=300, declines=60, missing=40) -> list[dict]:
    """Rows of single groups that call, decline or ask back, in no order."""
    made = [row(f"{kind}{number}", KINDS[kind], ["tool_1"], kind=kind if kind != "call" else "single")
            for kind, count in (("call", calls), ("no_tool", declines), ("missing", missing)) for number in range(count)]
    return sorted(made, key=lambda one: one["id"][::-1])


def shares(**changes) -> tuple[int, float, float]:
    """(training rows, share without a call, share that lacks a value)."""
    facts, _ = assigned(rows(), **{"split.held_out": 0.0, "split.test": 0.1, "split.valid": 0, **changes})
    train = [fact for fact in facts if fact.part == "train"]
    return len(train), sum(not fact.called for fact in train) / len(train), sum(fact.labels["kind"] == "missing" for fact in train) / len(train)


@pytest.mark.parametrize("irrelevance", [0.0, 0.1, 0.4, 1.0])
def test_the_share_is_met_with_as_many_rows_as_asked(irrelevance):
    count, without, _ = shares(**{"split.irrelevance": irrelevance, "split.train": 60})
    assert count == 60 and abs(without - irrelevance) <= 1 / 60


def test_the_share_of_missing_values_is_a_part_of_it():
    count, without, missing = shares(**{"split.irrelevance": 0.4, "split.missing": 0.3, "split.train": 80})
    assert (count, round(without * 80), round(missing * 80)) == (80, 32, 24)
    count, without, missing = shares(**{"split.missing": 0.3, "split.train": 80})
    assert (count, round(missing * 80)) == (80, 24) and without > missing, "the others are as the data has them"


def test_without_a_limit_all_rows_that_keep_the_share_are_taken():
    count, without, _ = shares(**{"split.irrelevance": 0.5})
    assert 160 <= count <= 200 and abs(without - 0.5) < 0.01, "about 90 rows without a call, and as many with one"


def test_too_few_rows_of_a_class_make_fewer_rows_and_none_twice():
    facts, _ = assigned(rows(), **{"split.held_out": 0.0, "split.irrelevance": 0.9, "split.train": 300})
    train = [fact for fact in facts if fact.part == "train"]
    assert len(train) < 120 and len({fact.id for fact in train}) == len(train)
    assert Counter(fact.why for fact in facts if not fact.part) == {"beyond_split.irrelevance": len(facts) - sum(bool(fact.part) for fact in facts)}


def test_test_rows_are_the_same_whatever_the_share():
    one, other = (parts(assigned(many(), **{"split.irrelevance": share, "split.train": 50})[0]) for share in (None, 0.4))
    assert {id for id, part in one.items() if part != "train" and part} == {id for id, part in other.items() if part != "train" and part}
    assert {id for id, part in one.items() if part == "train"} != {id for id, part in other.items() if part == "train"}


def test_without_shares_nothing_is_asked():
    assert mixture.classes(tiny.params().split) == {}
    facts, _ = assigned(many())
    assert mixture.shares(facts, tiny.params()) == {}


def test_counts_of_the_training_rows_are_reported():
    params = tiny.params(**{"split.held_out": 0.0, "split.irrelevance": 0.4, "split.missing": 0.3, "split.train": 80, "split.valid": 0})
    facts = [split.facts(one) for one in rows()]
    split.assign(facts, params)
    assert mixture.shares(facts, params) == {"train_without_call": 32, "train_missing": 24}


def test_an_answer_in_json_is_not_taken_for_a_refusal():
    shares = {"reply": 0.5, "rest": 0.5}
    for called, kind, name in ((True, "single", "rest"), (False, "no_tool", "reply"), (False, "missing", "reply"), (False, "structured", "rest")):
        assert mixture.class_of(called, kind, shares) == name


@pytest.mark.parametrize("available,given,limit,taken", [
    ({"rest": 90, "reply": 10}, {"reply": 0.5, "rest": 0.5}, None, {"reply": 10, "rest": 10}),
    ({"rest": 90, "reply": 10}, {"reply": 0.05, "rest": 0.95}, 40, {"reply": 2, "rest": 38}),
    ({"rest": 90, "reply": 0}, {"reply": 0.0, "rest": 1.0}, None, {"reply": 0, "rest": 90}),
    ({"rest": 90}, {"reply": 0.1, "rest": 0.9}, None, {"reply": 0, "rest": 0}),
    ({"rest": 50, "reply": 30, "missing": 20}, {"missing": 0.1, "reply": 0.2, "rest": 0.7}, 50, {"missing": 5, "reply": 10, "rest": 35}),
])
def test_quotas(available, given, limit, taken):
    assert mixture.quotas(available, given, limit) == taken


def test_more_missing_than_irrelevance_is_refused():
    with pytest.raises(ParamsError, match="split.missing is 0.3: it is a part of split.irrelevance"):
        tiny.params(**{"split.irrelevance": 0.2, "split.missing": 0.3})
    for key in ("split.irrelevance", "split.missing", "format.masking"):
        with pytest.raises(ParamsError, match=key.replace(".", r"\.")):
            tiny.params(**{key: 1.5})
