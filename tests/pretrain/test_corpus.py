"""The corpus: deterministic, guarded, consistent, and without the target notation."""

import dataclasses
import random
import re
from pathlib import Path

import pytest
import yaml

from authoring import check
from authoring import domain as authored
from pretrain.contaminate import TARGET_CALL, TARGET_TOOLS
from pretrain.corpus import augment, call_notations, concept_files, concepts, guard, kinds, mix, procedural, rename, render
from pretrain.corpus.task import Task, Turn

ROOT = Path(__file__).resolve().parents[2]
AUTHORED, CONCEPTS = ROOT / "authoring" / "domains", ROOT / "pretrain" / "concepts"
TOOL_SOURCES = ["procedural", "concepts"]


def tasks(source, n, seed=1):
    R = random.Random(seed)
    made = (mix.task(source, R) for _ in range(n))
    return [t for t in made if t]


@pytest.mark.parametrize("source", TOOL_SOURCES)
def test_calls_fit_the_offered_tools(source):
    for t in tasks(source, 300):
        offered = {x["name"]: x["parameters"]["properties"] for x in t.tools}
        for turn in t.turns:
            assert turn.calls or turn.reply
            for name, arguments in turn.calls:
                assert name in offered
                assert set(arguments) <= set(offered[name])


@pytest.mark.parametrize("source", TOOL_SOURCES)
def test_enum_values_are_members(source):
    for t in tasks(source, 300, seed=2):
        offered = {x["name"]: x["parameters"]["properties"] for x in t.tools}
        for turn in t.turns:
            for name, arguments in turn.calls:
                for k, v in arguments.items():
                    if "enum" in offered[name][k]:
                        assert v in offered[name][k]["enum"]


def test_the_target_notation_never_occurs():
    R = random.Random(3)
    for _ in range(600):
        t = mix.task(R.choice(TOOL_SOURCES), R)
        if t:
            text = "".join(x for x, _ in render.document(t, R))
            assert not TARGET_CALL.search(text)
            assert not TARGET_TOOLS.search(text)
    assert TARGET_CALL.search('<tool_call>\n{"name": "f", "arguments": {}}\n</tool_call>')
    assert TARGET_TOOLS.search('<tools>\n{"name": "f", "description": "d", "parameters": {}}\n</tools>')


def test_one_seed_one_stream():
    def take(seed):
        return [x for _, (_, x) in zip(range(40), mix.stream(seed))]

    assert take(5) == take(5)
    assert take(5) != take(6)


def test_renaming_is_consistent():
    tool = {
        "name": "get_weather",
        "description": "d",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    }
    for seed in range(50):
        t = rename.apply(Task([tool], [Turn("hi", [("get_weather", {"city": "Hull"})])]), random.Random(seed), 1.0)
        name, arguments = t.turns[0].calls[0]
        assert name == t.tools[0]["name"]
        assert list(arguments) == list(t.tools[0]["parameters"]["properties"]) == t.tools[0]["parameters"]["required"]


def test_augmenting_keeps_required_parameters():
    for seed in range(50):
        R = random.Random(seed)
        before = procedural.sample(R)
        after = augment.apply(before, R, 1.0)
        for a, b in zip(before.tools, after.tools):
            assert set(a["parameters"]["required"]) == set(b["parameters"]["required"])


def test_guard_drops_by_name_signature_and_words(monkeypatch):
    words = "one two three four five six seven eight nine ten eleven twelve thirteen"
    many = {"name": "z", "parameters": {"properties": {k: {"type": "float"} for k in "abc"}}}
    monkeypatch.setattr(
        guard,
        "blocked",
        lambda: {"names": {"getweather": "bfcl"}, "signatures": {guard.signature(many): "bfcl"}, "grams": {guard.grams(words)[0]: "bfcl"}},
    )

    def tool(name, props=()):
        return {
            "name": name,
            "description": "",
            "parameters": {"type": "object", "properties": {k: {"type": "number"} for k in props}},
        }

    assert not guard.passes(Task([tool("Get_Weather")], [Turn("x")]))
    assert not guard.passes(Task([tool("other", "cab")], [Turn("x")]))
    assert not guard.passes(Task([tool("other")], [Turn("Say: " + words.upper())]))
    assert guard.passes(Task([tool("other")], [Turn("something else")]))


def test_a_document_keeps_one_notation():
    calls = [("f", {"a": 1}), ("g", {"b": "x"})]
    for seed in range(200):
        write, _ = call_notations.choose(random.Random(seed))
        assert write(calls) == write(calls)
        assert "f" in write(calls) and "g" in write(calls)


@pytest.mark.parametrize("kind", sorted(kinds.GENERATORS))
def test_values_have_their_type(kind):
    types = {"string": str, "integer": int, "number": (int, float), "boolean": bool, "array": list, "object": dict}
    for seed in range(30):
        R = random.Random(seed)
        schema, _, draw = kinds.GENERATORS[kind](R, "area")
        value, surface = draw(R)
        assert isinstance(value, types[schema["type"]])
        assert isinstance(surface, str)


def test_concept_slots_have_values():
    for c in concepts.load()[0]:
        for say, fixed in c.phrasings:
            used = {s for s, _ in concepts.SLOT.findall(say)}
            assert used <= set(c.draw), (c.name, say)
            assert not re.search(r"\{\w+\}", concepts.fill(c, say, fixed, random.Random(0))[0])


def with_near():
    return [c for c in concepts.load()[0] if c.near]


def test_near_requests_are_declined_beside_their_tool_and_no_other_of_its_topic():
    declined = called = 0
    for c in with_near():
        topic = {x.name for x in concepts.load()[1][c.domain]}
        for seed in range(5):
            t = concepts.near_task(c, random.Random(seed))
            assert {x["name"] for x in t.tools} & topic == {c.name}
            for turn in t.turns:
                called += bool(turn.calls)
                if any(like(say, turn.user) for say, _ in c.near):
                    declined += 1
                    assert not turn.calls and turn.reply, (c.name, turn.user)
    assert declined and called


def like(say, text):
    """Whether text is the template `say` with its slots filled."""
    parts = [re.escape(x) for x in re.split(r"\{\w+\}", say)]
    return re.fullmatch("(.|\n)+".join(parts), text) is not None


def load_without_near():
    found = [dataclasses.replace(c, near=[]) for c in concept_files.load()[0]]
    by = {}
    for c in found:
        by.setdefault(c.domain, []).append(c)
    return found, by, concept_files.load()[2]


@pytest.mark.parametrize("source", ["concepts", "choose"])
def test_concepts_without_near_do_not_depend_on_its_share(monkeypatch, source):
    def documents(share):
        monkeypatch.setattr(concepts, "NEAR_SHARE", share)
        R = random.Random(11)
        return [mix.segments(source, R) for _ in range(150)]

    assert documents(0.0) != documents(1.0)
    without = load_without_near()
    monkeypatch.setattr(concepts, "load", lambda: without)
    assert documents(0.0) == documents(1.0)


def test_choosing_answers_none_to_near_requests(monkeypatch):
    monkeypatch.setattr(concepts, "NEAR_SHARE", 1.0)
    says = [say for c in with_near() for say, _ in c.near if "{" not in say]
    seen = 0
    for seed in range(300):
        out = concepts.choose(random.Random(seed))
        for (request, _), (answer, _) in zip(out[1::2], out[2::2]):
            if any(say in request for say in says):
                seen += 1
                assert answer.strip() in ("none", "no tool", "-", "nothing fits")
    assert seen > 20


def test_tools_with_near_are_complete():
    """Three to five near requests, up to three that lack a value, five phrasings, values that fit the schema."""
    names = {guard.norm(c.name) for path in AUTHORED.glob("*.yaml") for c in authored.load(path).tools}
    for path in sorted(CONCEPTS.glob("*.yaml")):
        for entry in yaml.load(path.read_text(encoding="utf-8"), yaml.CSafeLoader).get("tools") or []:
            near = entry.pop("near", None)
            if near is None:
                continue
            tool = authored._tool(entry)
            where = f"{path.name}: {tool.name}"
            assert not check.schema_problems(tool.parameters, where)
            found = [x for x in check.tool_problems(tool) if " phrasings, 8 needed" not in x and "needs result and reply" not in x]
            assert not found, where
            assert 3 <= len(near) <= 5, where
            assert len(tool.phrasings) >= 5, where
            assert not any("{" in x.ask for x in tool.missing), where
            assert len(tool.missing) <= 3, where
            assert guard.norm(tool.name) not in names, where


def test_rows_to_tune_on_have_the_share_without_a_call_that_is_asked():
    from pretrain.evaluate import sample

    kinds = ["single"] * 100 + ["no_tool"] * 30 + ["missing"] * 10
    rows = [{"calls": [1] if kind == "single" else None, "labels": {"kind": kind}, "id": number} for number, kind in enumerate(kinds)]
    drawn = sample(rows, 50, 0.6, random.Random(0))
    assert len({row["id"] for row in drawn}) == 50, "none twice"
    assert sum(not row["calls"] for row in drawn) == 30
    assert sum(row["labels"]["kind"] == "missing" for row in drawn) == 10, "all that there are"
    assert len(sample(rows, 50, None, random.Random(0))) == 50
