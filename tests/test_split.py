"""split: no group and no held-out tool in two parts, the same split each time, and a reason for every row left out."""

import random
from collections import Counter

import pytest

from stages import split
from stages.errors import FileError, StageError
from stages.files import read_json, read_jsonl, write_json, write_jsonl
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


@pytest.mark.parametrize("suite", set(SUITES) - {"hand"})
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


# --- near-duplicates, unseen tools, contamination -----------------------------------------------------------

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


# --- the stage ------------------------------------------------------------------------------------------


def run(rows: list[dict], **changes) -> dict:
    write_jsonl("data/formatted.jsonl", rows)
    tiny.write_params(tiny.Path.cwd(), **{"split.held_out": 0.2, "split.valid": 20, **changes})
    split.main()
    return read_json("metrics/data/split.json")


def ids(path: str) -> list[str]:
    return [one["id"] for one in read_jsonl(path)]


def test_files_and_counts_add_up(folder, capsys):
    rows = many(1000)
    counts = run(rows, suites=["held_out", "seen_tools", "no_tool"], suite_sizes={"default": 10, "held_out": 15})
    written = {part: ids(f"data/split/{part}.jsonl") for part in split.PARTS}
    assert {part: len(found) for part, found in written.items()} == {part: counts[part] for part in split.PARTS}
    assert sum(counts[part] for part in split.PARTS) + sum(counts["left_out"].values()) == len(rows)
    assert set(counts["left_out"]) <= {"offers_a_held_out_tool", "beside_a_held_out_row", "query_in_training"} and "" not in counts["left_out"]
    assert len({id for found in written.values() for id in found}) == sum(map(len, written.values())), "no row twice"
    assert counts["suites"] == {"held_out": 15, "seen_tools": 10, "no_tool": 10}
    for suite, size in counts["suites"].items():
        found = ids(f"data/suites/{suite}.jsonl")
        assert len(found) == size and set(found) <= set(written["test"])
    assert f"{len(rows)} rows in, {counts['train']} train" in capsys.readouterr().out


def test_left_out_rows_have_their_reason(folder):
    counts = run([row(f"r{n}", [TOOLS[n % 20]], tokens=40 if n % 3 else 90) for n in range(300)],
                 **{"split.train": 50, "split.train_tokens": 60, "split.held_out": 0.1})
    assert counts["train"] == 50
    assert set(counts["left_out"]) == {"beyond_split.train", "beyond_split.train_tokens"}
    assert all(one["prompt_tokens"] + one["completion_tokens"] <= 60 for one in read_jsonl("data/split/train.jsonl"))
    assert any(one["prompt_tokens"] + one["completion_tokens"] > 60 for one in read_jsonl("data/split/test.jsonl")), "test rows may be longer"


def test_the_label_is_written_with_the_row(folder):
    run(many())
    assert {one["example"]["labels"]["tools"] for one in read_jsonl("data/split/train.jsonl")} == {"seen"}
    assert {one["example"]["labels"]["tools"] for one in read_jsonl("data/suites/held_out.jsonl")} == {"held_out"}


def test_a_suite_no_longer_asked_for_leaves_no_file(folder):
    run(many(), suites=["held_out", "no_tool"])
    run(many(), suites=["held_out"])
    assert [path.name for path in (folder / "data/suites").iterdir()] == ["held_out.jsonl"]


def test_fewer_cases_than_asked_for_are_said(folder, capsys):
    run(many(), suite_sizes={"default": 5000})
    assert "fewer than the 5000 asked for" in capsys.readouterr().out


@pytest.mark.parametrize("rows,changes,words", [
    ([], {}, "split left 0 training and 0 test rows of 0"),
    ([row("a", ["tool_1"])], {"split.held_out": 0.0, "split.test": 1.0}, "0 training and 1 test"),
    ([row(f"r{n}", ["tool_1"]) for n in range(50)], {"split.held_out": 0.0, "suites": ["seen_tools", "missing_value"]}, "suites has 'missing_value'"),
])
def test_what_cannot_be_split_ends_in_one_sentence(folder, rows, changes, words):
    with pytest.raises(SystemExit) as error:
        run(rows, **changes)
    assert words in str(error.value) and "\n" not in str(error.value)
    assert not (folder / "data/split").exists() and not (folder / "metrics").exists()


def test_what_a_balanced_suite_took_is_said_and_what_others_could_have_is_counted(folder, capsys):
    rows = [row(f"r{n}", ["tool_1"], domain=("weather", "finance", "nothing known")[n % 3]) for n in range(300)]
    counts = run(rows, suites=["domains"], suite_sizes={"default": 15}, **{"split.held_out": 0.0, "split.test": 0.2})
    assert "suite domains takes in turn from money 8, weather 7" in capsys.readouterr().out
    assert counts["available"]["single"] == counts["test"] == 60 and counts["available"]["domains"] < 60 and "parallel" not in counts["available"]


def test_hand_prompts_are_tested_on_and_change_nothing_else(folder):
    hand = [row(f"h{n}", [f"hand_tool_{n}"], category="hand") for n in range(9)]
    plain = run(many())
    before = {part: ids(f"data/split/{part}.jsonl") for part in split.PARTS}
    counts = run(many() + hand, suites=["held_out", "hand"], hand={"path": "prompts.jsonl", "track": "prompts.jsonl"})
    after = {part: ids(f"data/split/{part}.jsonl") for part in split.PARTS}
    assert after == {**before, "test": [*before["test"], *(one["id"] for one in hand)]} and counts["held_out_tools"] == plain["held_out_tools"]
    chosen = ids("data/suites/hand.jsonl")
    assert len(chosen) == 6 and set(chosen) <= {one["id"] for one in hand}


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
