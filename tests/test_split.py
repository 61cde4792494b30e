"""split: no group and no held-out tool in two parts, the same split each time, and a reason for every row left out."""

import random
from collections import Counter

import pytest

from stages import split
from stages.errors import FileError, StageError
from stages.files import write_json
from stages.strata import quotas
from stages.suites import SUITES, pick
from tests import tiny

TOOLS = [f"tool_{number}" for number in range(20)]


def row(id: str, called=(), offered=None, group=None, query=None, tokens=50, **labels) -> dict:
    """A line of data/formatted.jsonl."""
    kind = "no_tool" if not called else "single" if len(called) == 1 else "multiple"
    example = {
        "id": id, "source": "test", "messages": [{"role": "user", "content": query or f"request {id}"}],
        "tools": [{"name": name, "description": "", "parameters": {}} for name in (offered or called or ["tool_0"])],
        "calls": [{"name": name, "arguments": {}} for name in called] or None, "reply": None if called else "No.", "group": group,
        "labels": {"kind": kind, "turns": "single", **labels}}
    return {"id": id, "prompt": "p", "completion": "c", "prompt_tokens": tokens - 10, "completion_tokens": 10, "example": example}


def many(count: int = 400, seed: int = 0) -> list[dict]:
    """Rows in groups of about four that call and offer tools at random; some repeat a request."""
    rng = random.Random(seed)
    made = []
    for number in range(count):
        called = rng.sample(TOOLS, rng.choice([0, 1, 1, 1, 2]))
        offered = [*called, *rng.sample([name for name in TOOLS if name not in called], rng.randint(1, 2))]
        query = f"request {number}" if rng.random() < 0.9 else "the same request"
        made.append(row(f"r{number:04d}", called, offered, f"g{rng.randrange(count // 4)}", query, tokens=rng.randint(20, 100)))
    return made


def assigned(rows: list[dict], **changes) -> tuple[list[split.Row], set[str]]:
    facts = [split.facts(one) for one in rows]
    return facts, split.assign(facts, tiny.params(**{"split.held_out": 0.2, "split.valid": 20, **changes}))


def parts(facts: list[split.Row]) -> dict[str, str]:
    return {fact.id: fact.part for fact in facts}


@pytest.mark.parametrize("seed", range(5))
def test_nothing_that_is_kept_apart_is_in_two_parts(seed):
    facts, held = assigned(many(seed=seed), seed=seed)
    assert len(held) == 4 and Counter(fact.part for fact in facts).keys() >= {"train", "valid", "test"}
    for fact in facts:
        if fact.part in ("train", "valid"):
            assert not held & (fact.called | fact.offered), "a training row neither calls nor shows a held-out tool"
    of = {part: [fact for fact in facts if fact.part == part] for part in split.PARTS}
    for one, other in (("train", "test"), ("valid", "test"), ("train", "valid")):
        assert not {fact.group for fact in of[one]} & {fact.group for fact in of[other]}
    for one in ("train", "valid"):
        assert not {fact.query for fact in of[one]} & {fact.query for fact in of["test"]}
    counted = split.overlaps(facts)
    assert counted["test_rows_sharing_group_with_train"] == counted["test_rows_sharing_query_with_train"] == 0
    assert counted["test_rows_sharing_called_tool_with_train"] > 0, "seen tools are tested as well"


def test_overlaps_are_counted_and_not_assumed():
    """A split made wrong on purpose shows in the table."""
    facts = [split.facts(row("a", ["tool_1"], group="g", query="Hello  there")), split.facts(row("b", ["tool_1"], group="g", query="hello there"))]
    facts[0].part, facts[1].part = "train", "test"
    assert set(split.overlaps(facts).values()) == {1}


def test_the_label_says_whether_a_held_out_tool_is_needed():
    facts, _ = assigned([row("calls", ["tool_1"], ["tool_1", "tool_2"]), row("shows", ["tool_2"], ["tool_1", "tool_2"]), row("reply", (), ["tool_1"]),
                         row("other", ["tool_2"]), row("fourth", ["tool_3"])], **{"split.held_out": 0.34, "seed": seed_that_holds("tool_1")})
    found = {fact.id: (fact.labels["tools"], fact.part, fact.why) for fact in facts}
    assert found["calls"][:2] == ("held_out", "test")
    assert found["reply"][:2] == ("held_out", "test"), "a plain reply beside a held-out tool"
    assert found["shows"] == ("seen", "", "offers_a_held_out_tool")
    assert found["other"][0] == "seen"


def seed_that_holds(name: str) -> int:
    rows = [split.facts(row(tool, [tool])) for tool in ("tool_1", "tool_2", "tool_3")]
    return next(seed for seed in range(50) if split.held_out_tools(rows, 0.34, seed) == {name})


def test_a_row_beside_a_held_out_row_is_no_training_row():
    rows = [row("a", ["tool_1"], group="g", tools="held_out"), row("b", ["tool_2"], group="g"), *[row(f"c{n}", ["tool_2"]) for n in range(9)]]
    facts, _ = assigned(rows, **{"split.held_out": 0.0})
    assert (facts[0].part, facts[1].part, facts[1].why) == ("test", "", "beside_a_held_out_row")


def test_held_out_tools_from_a_share_and_from_a_list(tmp_path):
    facts = [split.facts(one) for one in many()]
    called = {name for fact in facts for name in fact.called}
    for share, count in ((0.0, 0), (0.1, 2), (0.5, 10)):
        held = split.held_out_tools(facts, share, 1)
        assert len(held) == count and held <= called
    assert split.held_out_tools(facts, 0.3, 1) != split.held_out_tools(facts, 0.3, 2)
    write_json(tmp_path / "held.json", ["tool_3", "tool_7"])
    assert assigned(many(), **{"split.held_out": str(tmp_path / "held.json")})[1] == {"tool_3", "tool_7"}
    with pytest.raises(FileError, match="nowhere.json does not exist"):
        assigned(many(), **{"split.held_out": "nowhere.json"})


@pytest.mark.parametrize("content", ['{"a": 1}', '"tool_3"', '["tool_3", 4]', "[["])
def test_a_list_that_is_none_is_refused(tmp_path, content):
    (tmp_path / "held.json").write_text(content)
    with pytest.raises(FileError, match="held.json"):
        assigned(many(), **{"split.held_out": str(tmp_path / "held.json")})


def test_only_by_tool_holds_tools_out():
    for by in ("group", "cluster", "random"):
        facts, held = assigned(many(), **{"split.by": by})
        assert not held and {fact.labels["tools"] for fact in facts} == {"seen"}


def test_by_random_parts_rows_and_by_group_does_not():
    rows = [row(f"r{n}", ["tool_1"], group=f"g{n % 10}") for n in range(200)]

    def torn(by):
        facts, _ = assigned(rows, **{"split.by": by, "split.test": 0.3})
        return sum(len({fact.part for fact in facts if fact.group == f"g{n}"}) > 1 for n in range(10))

    assert torn("group") == 0
    assert torn("random") == 10


def test_the_shares_are_what_was_asked():
    facts, _ = assigned(many(1000), **{"split.by": "random", "split.test": 0.25, "split.valid": 30, "split.train": 100})
    counts = Counter(fact.part for fact in facts)
    removed = sum(fact.why == "query_in_training" for fact in facts)
    assert (counts["test"] + removed, counts["valid"], counts["train"]) == (250, 30, 100)


def test_the_same_split_in_any_order_of_the_rows():
    rows = many()
    shuffled = random.Random(1).sample(rows, len(rows))
    for by in ("tool", "cluster", "group", "random"):
        assert parts(assigned(rows, **{"split.by": by})[0]) == parts(assigned(shuffled, **{"split.by": by})[0])
    assert parts(assigned(rows)[0]) != parts(assigned(rows, seed=43)[0])


def test_added_rows_move_hardly_any_other():
    """Only rows at the edge between two parts may move, as the parts have sizes; all others stay where they are."""
    rows = [row(f"r{n}", ["tool_1"]) for n in range(1000)]
    before = parts(assigned(rows, **{"split.held_out": 0.0})[0])
    after = parts(assigned(rows + [row(f"new{n}", ["tool_1"]) for n in range(10)], **{"split.held_out": 0.0})[0])
    assert sum(before[id] != after[id] for id in before) <= 10


def test_suites_keep_their_cases_when_rows_are_added():
    old = [(f"r{n}", {"kind": "single", "turns": "single", "tools": "seen"}) for n in range(300)]
    new = [(f"new{n}", labels) for n, (_, labels) in enumerate(old[:6])]
    before, after = pick("seen_tools", old, 50, seed=3), pick("seen_tools", old + new, 50, seed=3)
    assert len(before) == len(after) == 50 and len(set(before) - set(after)) <= 6
    assert [id for id in after if not id.startswith("new")] == before[: 50 - len(set(after) - set(before))], "in the order of their rank"


LABELS = {
    "calls": {"kind": "parallel", "turns": "single"},
    "held_out": {"kind": "single", "turns": "single", "tools": "held_out"}, "seen_tools": {"kind": "parallel", "turns": "single", "tools": "seen"},
    "single": {"kind": "single", "turns": "single"}, "simple": {"kind": "single", "turns": "single", "complexity": "simple"},
    "moderate": {"kind": "multiple", "turns": "single", "complexity": "moderate"},
    "complex": {"kind": "single", "turns": "single", "complexity": "complex"}, "parallel": {"kind": "multiple", "turns": "single"},
    "no_tool": {"kind": "no_tool", "turns": "single"}, "missing_value": {"kind": "missing", "turns": "single"},
    "multi_turn": {"kind": "single", "turns": "context"}, "clarification": {"kind": "single", "turns": "clarification"},
    "held_out_dialogue": {"kind": "single", "turns": "context", "tools": "held_out"}, "seen_dialogue": {"kind": "single", "turns": "context"},
    "sequential": {"kind": "single", "turns": "sequential"}, "result_reply": {"kind": "answer", "turns": "sequential"},
    "context": {"kind": "single", "turns": "context"}, "domains": {"kind": "parallel", "turns": "single", "area": "travel"},
    "structured": {"kind": "structured", "turns": "single"}, "hand": {"kind": "single", "turns": "single", "category": "hand"},
    **{f"bfcl_{name}": {"kind": "single", "turns": "single", "category": name}
       for name in ("simple_python", "multiple", "parallel", "parallel_multiple", "irrelevance")},
}


@pytest.mark.parametrize("suite", SUITES)
def test_every_suite_holds_its_rows_and_no_others(suite):
    everything = [(name, {"tools": "seen", **labels}) for name, labels in LABELS.items()]
    assert suite in pick(suite, everything, 100, seed=0)
    other = {"kind": "answer" if suite != "result_reply" else "single", "turns": "sequential", "tools": "seen"}
    assert pick(suite, [("other", other)], 100, seed=0) == []
    apart = [id for id in pick(suite, everything, 100, seed=0) if id.startswith(("bfcl_", "hand"))]
    assert apart == ([suite] if suite.startswith(("bfcl_", "hand")) else []), "a benchmark's rows and hand prompts are in their own suites alone"


@pytest.mark.parametrize("suite", sorted(set(SUITES) - {"hand"}))
def test_no_suite_mixes_cases_with_and_without_a_call(suite):
    """A reply is right in any words, so such cases would hide what became of the calls: once, 8 of 20 in multi_turn were."""
    every = [(f"{kind} {turns}", {"kind": kind, "turns": turns, "complexity": complexity, "tools": tools, "area": "money", **category})
             for kind in ("single", "parallel", "multiple", "no_tool", "missing", "answer", "structured")
             for turns in ("single", "clarification", "sequential", "context") for complexity in ("simple", "moderate", "complex")
             for tools in ("seen", "held_out") for category in ({}, {"category": suite.removeprefix("bfcl_")}) if not suite.startswith("bfcl_")]
    calls = {id.split()[0] in ("single", "parallel", "multiple") for id in pick(suite, every, 10_000, seed=0)}
    assert len(calls) == (0 if suite.startswith("bfcl_") else 1)


def test_a_balanced_suite_takes_in_turn_and_always_the_same(capsys):
    rows = [(f"{area}{n}", {"kind": "single", "turns": "single", "area": area})
            for area, count in (("money", 40), ("travel", 7), ("weather", 2), ("other", 50)) for n in range(count)]
    chosen = pick("domains", rows, 20, seed=5)
    assert Counter(id.rstrip("0123456789") for id in chosen) == {"money": 11, "travel": 7, "weather": 2}, "no case is invented, none of no domain"
    assert [id.rstrip("0123456789") for id in chosen[:7]] == ["money", "travel", "weather"] * 2 + ["money"]
    assert chosen == pick("domains", random.Random(3).sample(rows, len(rows)), 20, seed=5) != pick("domains", rows, 20, seed=6)
    assert chosen[:9] == pick("domains", rows, 9, seed=5), "a larger suite begins as a smaller one"


# --- strata, numbers of rows, spare rows ---------------------------------------------------------------------


def test_a_number_of_test_rows_is_that_number():
    """Groups are cut at the number, and what is cut away is in no part."""
    facts, _ = assigned(many(), **{"split.by": "group", "split.test": 49, "split.valid": 21, "split.train": 100})
    count = Counter(fact.part for fact in facts)
    repeated = sum(fact.why == "query_in_training" for fact in facts)
    assert (count["train"], count["valid"], count["test"] + repeated) == (100, 21, 49)
    assert {fact.why for fact in facts if not fact.part} >= {"beyond_split.train", "beyond_split.test"}


def test_strata_have_equal_shares_in_every_part():
    rows = [row(f"r{number}", ["tool_1"], query=f"q {number}", complexity=kind) for number, kind in enumerate(
        ["simple"] * 60 + ["moderate"] * 30 + ["complex"] * 10)]
    facts, _ = assigned(rows, **{"split.by": "random", "split.test": 20, "split.valid": 10, "split.train": 50, "split.stratify": "complexity"})
    for part, size in (("test", 20), ("valid", 10), ("train", 50)):
        found = Counter(fact.labels["complexity"] for fact in facts if fact.part == part)
        assert found == {"simple": 0.6 * size, "moderate": 0.3 * size, "complex": 0.1 * size}


def test_a_label_that_no_row_has_is_refused():
    with pytest.raises(StageError, match="split.stratify is 'colour', a label that no row has: use one of .*kind.*turns"):
        assigned(many(40), **{"split.by": "random", "split.stratify": "colour"})


@pytest.mark.parametrize("asked,sizes", [(10, [3, 3, 3]), (10, [60, 30, 10]), (7, [1, 1, 100]), (0, [4, 5]), (3, [])])
def test_quotas_add_up(asked, sizes):
    given = quotas(asked, sizes)
    assert sum(given) == min(asked, sum(sizes))
    assert all(abs(one - asked * size / max(sum(sizes), 1)) < 1 or sum(sizes) < asked for one, size in zip(given, sizes))


def test_spare_rows_fill_suites_and_stay_out_of_training():
    params = {"split.by": "group", "split.test": 20, "split.valid": 10, "split.train": 60, "split.spare": True, "suites": ["single"],
              "suite_sizes.default": 50}
    facts, _ = assigned(many(), **params)
    known = {fact.group for fact in facts if fact.part in ("train", "valid")} | {fact.query for fact in facts if fact.part in ("train", "valid")}
    spare = {fact.id: fact for fact in facts if fact.spare}
    assert spare and not any(fact.group in known or fact.query in known or fact.part for fact in spare.values())
    chosen = split.choose_suites(facts, tiny.params(**params))["single"]
    test = {fact.id for fact in facts if fact.part == "test" and fact.labels["kind"] == "single"}
    assert len(chosen) == 50 and set(chosen[: len(test)]) == test, "test rows come first"
    assert set(chosen[len(test):]) <= set(spare)
