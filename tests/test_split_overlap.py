"""split: near-duplicates, unseen tools and contaminated rows: what is kept apart, what is only counted, and what is not trained on."""

import random

import pytest

from stages import split
from stages.files import read_jsonl, write_json
from tests import tiny
from tests.test_split import assigned, many, row
from tests.test_split_stage import ids, run

WORDS = [f"word{number}" for number in range(400)]


def families(count: int = 60, seed: int = 0) -> list[dict]:
    """Four versions of each of `count` requests that differ in one word of thirty, each version in a group of its own."""
    rng, made = random.Random(seed), []
    for number in range(count):
        words = rng.sample(WORDS, 30)
        for version in range(4):
            said = [*words]
            said[rng.randrange(30)] = f"version{version}"
            made.append(row(f"f{number:03d}-{version}", [f"tool_{number % 20}"], query=" ".join(said)))
    return made


def torn(facts: list[split.Row]) -> int:
    """How many families have rows in more than one part."""
    of = {}
    for fact in facts:
        of.setdefault(fact.id[:4], set()).add(fact.part)
    return sum(len(found - {""}) > 1 for found in of.values())


def test_by_cluster_keeps_near_duplicates_together_and_by_group_does_not():
    rows = families()
    for by, parted in (("group", True), ("cluster", False)):
        facts, _ = assigned(rows, **{"split.by": by, "split.test": 0.3})
        assert all(fact.part for fact in facts if not fact.why) and {fact.part for fact in facts} >= {"train", "valid", "test"}
        assert bool(torn(facts)) == parted, by
    assert torn(assigned(rows, **{"split.by": "cluster", "split.similarity": 1.0})[0]) > 0, "the threshold is used"


def test_a_cluster_holds_whole_groups():
    """a and b are near, b and c of one group, c and d near: all four stay together."""
    near = families(2)
    rows = [near[0], near[1], near[4], near[5], *[row(f"x{n}", ["tool_1"]) for n in range(60)]]
    for one, group in zip(rows, ("a", "bc", "bc", "d")):
        one["example"]["group"] = group
    for seed in range(6):
        facts, _ = assigned(rows, seed=seed, **{"split.by": "cluster", "split.test": 0.3})
        assert len({fact.part for fact in facts[:4]}) == 1


def test_a_cluster_larger_than_the_test_part_is_trained_on():
    rows = [row(f"big{n}", ["tool_1"], query=" ".join(WORDS[:40]) + f" {n}") for n in range(60)] + [row(f"r{n}", ["tool_2"]) for n in range(40)]
    for seed in range(5):
        facts, _ = assigned(rows, seed=seed, **{"split.by": "cluster", "split.test": 0.2, "split.valid": 5})
        assert {fact.part for fact in facts if fact.id.startswith("big")} == {"train"}
        assert sum(fact.part == "test" for fact in facts) == 20


@pytest.mark.parametrize("by", ["tool", "group", "random"])
def test_near_duplicates_of_test_rows_leave_training_when_asked(by):
    rows, before = families(100), []
    for remove in (False, True):
        facts, _ = assigned(rows, **{"split.by": by, "split.remove_similar": remove, "split.test": 0.2, "split.train": 100, "split.held_out": 0.1})
        test = [fact for fact in facts if fact.part == "test"]
        near = split.Requests(facts, 0.7).beside((fact for fact in facts if fact.part in ("train", "valid")), test)
        assert bool(near) != remove
        if remove:
            assert sum(fact.why == "near_duplicate_of_test" for fact in facts) > 20
            assert sum(fact.part == "train" for fact in facts) == 100, "what was left out makes room for other rows"
            assert [fact.id for fact in test] == before, "the test rows stay the same"
        before = [fact.id for fact in test]


def test_the_table_counts_what_was_planted():
    """One near-duplicate, one equal request, one shared call, one shared signature, each in a row of its own."""
    base = " ".join(WORDS[:30])
    rows = [row("train", ["a"], ["a", "b"], query=base), row("near", ["x"], query=base + " more"), row("equal", ["y"], query=base.upper()),
            row("called", ["a"], ["a"], query="one"), row("offered", ["z"], ["z", "b"], query="two"), row("none", ["w"], query="three")]
    other = row("other", ["b"], ["b"], query="four")
    other["example"]["tools"][0]["parameters"] = {"type": "object", "properties": {"changed": {}}}  # a tool of that name, but another one
    facts = [split.facts(one) for one in [*rows, other]]
    for fact in facts:
        fact.part = "train" if fact.id == "train" else "test"
    found = split.table(facts, {"single": ["near", "none"]}, split.Requests(facts, 0.7))
    assert found["test_in_train"] == {"rows": 6, "query": 1, "near_duplicate": 2, "called_tool": 1, "offered_tool": 3, "tool_signature": 2}
    assert found["single_in_train"] == {"rows": 2, "query": 0, "near_duplicate": 1, "called_tool": 0, "offered_tool": 0, "tool_signature": 0}
    assert found["valid_in_train"]["rows"] == 0 and set(found) == {
        "valid_in_train", "test_in_train", "single_in_train", "test_in_valid", "single_in_valid"}


@pytest.mark.parametrize("by", ["random", "cluster", "group"])
def test_test_rows_of_tools_that_training_never_saw_are_marked(by):
    """Forty tools of one row each: those that fall to test are unseen; a row that also calls a seen tool is seen."""
    rows = [row(f"rare{n}", [f"rare_{n}"], query=f"{WORDS[n]} {n}") for n in range(40)] + [row(f"c{n}", ["common"]) for n in range(60)]
    rows += [row(f"mixed{n}", [f"rare_{n}", "common"], query=f"mixed {WORDS[n]} {n}") for n in range(5)] + [row("no tool", (), ["common"])]
    facts, _ = assigned(rows, **{"split.by": by, "split.test": 0.4, "split.valid": 0})
    trained = {name for fact in facts if fact.part == "train" for name in fact.offered}
    tested = [fact for fact in facts if fact.part == "test"]
    assert {fact.labels["tools"] for fact in tested} == {"held_out", "seen"}
    for fact in facts:
        unseen = not trained & (fact.called or fact.offered)
        assert fact.labels["tools"] == ("held_out" if unseen else "seen")
    assert all(fact.labels["tools"] == "seen" for fact in tested if fact.id.startswith(("c", "mixed")))


def test_contaminated_rows_are_listed_and_not_trained_on(folder, capsys):
    """Twelve planted rows: no training or validation row is one of them, and each is in the list with its place."""
    asked = "please work out how many of the red boxes in hall seven were moved before noon on friday"
    (folder / "bench").mkdir()
    write_json(folder / "bench/items.json", [{"query": "something else entirely that nobody here would ever ask"}, {"question": asked}])
    rows = many(600) + [row(f"leak{n}", ["tool_1"], query=f"Hello! {asked.upper()}, {WORDS[n]}?") for n in range(12)]
    check = {"path": "bench", "track": "params.yaml", "ngram": 13, "tools": True}
    counts = run(rows, contamination=check, suites=["seen_tools"], **{"split.by": "random"})
    hits = list(read_jsonl("data/contamination.jsonl"))
    assert [hit["id"] for hit in hits] == [f"leak{n}" for n in range(12)]
    assert {(hit["file"], hit["row"], hit["kind"]) for hit in hits} == {("items.json", 2, "words")} and hits[0]["hit"] in asked
    trained = set(ids("data/split/train.jsonl") + ids("data/split/valid.jsonl"))
    assert trained and not [id for id in trained if id.startswith("leak")]
    assert counts["contamination"] == {"files": 1, "unreadable_rows": 0, "requests": 2, "tools": 0,
                                       "rows_with_its_words": 12, "rows_with_its_tool": 0, "rows_hit": 12}
    tested = sum(id.startswith("leak") for id in ids("data/split/test.jsonl"))
    assert counts["left_out"]["contaminated"] == 12 - tested
    assert "12 rows hold something of bench and are not trained on" in capsys.readouterr().out


def test_what_must_not_be_trained_on_is_so_as_structured_output_too():
    """Rows of their own, without an origin: contaminated ones stay out of training."""
    rows = [row(f"r{n}", ["tool_1"]) for n in range(60)] + [row(f"s{n}", (), ["tool_1"], kind="structured") for n in range(30)]
    facts = [split.facts(one) for one in rows]
    for fact in facts[60:75]:
        fact.barred = "contaminated"
    split.assign(facts, tiny.params(**{"split.by": "group", "split.valid": 5, "split.structured": 0.9}))
    assert sum(fact.part == "train" for fact in facts[75:]) > 5
    assert {fact.why or fact.part for fact in facts[60:75]} == {"contaminated", "test"}


def test_tools_of_a_benchmark_count_unless_told_otherwise(folder):
    (folder / "bench").mkdir()
    write_json(folder / "bench/items.json", {"function": [{"name": "tool_3", "parameters": {"type": "dict", "properties": {}}}]})
    for tools in (True, False):
        check = {"path": "bench", "track": "params.yaml", "ngram": 13, "tools": tools}
        counts = run(many(300), contamination=check, suites=["seen_tools"], **{"split.by": "random"})
        offered = {tool["name"] for one in read_jsonl("data/split/train.jsonl") for tool in one["example"]["tools"]}
        assert ("tool_3" in offered) != tools and bool(counts["contamination"]["rows_hit"]) == tools
        assert bool(list(read_jsonl("data/contamination.jsonl"))) == tools
