"""The embedded data set: its checker finds planted faults, its builder gives the same bytes, its held-out tools stay held out."""

import copy
import random
from collections import Counter
from functools import cache
from pathlib import Path

import pytest
import yaml

from authoring import build, check, compose
from authoring.domain import DomainError, fill, load, numbers, said, slots
from stages import split
from stages.files import read_json, read_jsonl
from stages.params import load as load_params
from stages.schema import Tool
from stages.sources import embedded
from tests.sources.rows import cfg
from tests.tiny import ROOT

DATA = ROOT / "data/embedded"


@cache
def weather() -> dict:
    return yaml.load((ROOT / "authoring/domains/weather.yaml").read_text(encoding="utf-8"), yaml.CSafeLoader)


def problems(tmp_path, change) -> list[str]:
    """What the checker says of a good file after `change(raw)`."""
    raw = copy.deepcopy(weather())
    change(raw)
    (tmp_path / "weather.yaml").write_text(yaml.safe_dump(raw, sort_keys=False, allow_unicode=True), encoding="utf-8")
    return check.problems(load(tmp_path / "weather.yaml"))


def tool_with(raw: dict, key: str) -> dict:
    return next(tool for tool in raw["tools"] if tool.get(key))


def add_phrasing(kind="phrasings", **phrasing):
    return lambda raw: raw["tools"][0].setdefault(kind, []).append(phrasing)


def schema(change):
    return lambda raw: change(raw["tools"][0]["parameters"]["properties"]["location"])


FAULTS = {
    "an unknown type": (schema(lambda s: s.update(type="text")), "type 'text'"),
    "a keyword of no plain schema": (schema(lambda s: s.update(oneOf=[])), "keyword ['oneOf']"),
    "an array without items": (schema(lambda s: s.update(type="array")), "array without items"),
    "a default against its schema": (schema(lambda s: s.update(default=7)), "default 7 breaks its own schema"),
    "a required name that is none": (lambda raw: raw["tools"][0]["parameters"]["required"].append("town"), "required 'town' is not a property"),
    "values of no parameter": (lambda raw: raw["tools"][0]["values"].update(town=["Hull"]), "values for 'town', which is no parameter"),
    "a value against the schema": (lambda raw: raw["tools"][0]["values"]["units"].append("kelvin"), "value 'kelvin' of units breaks its schema"),
    "a list as a plain value": (lambda raw: raw["tools"][0]["values"]["location"].append(["Hull"]), "needs say/value"),
    "a time that YAML reads as a number": (lambda raw: raw["tools"][0]["values"]["location"].append({"say": 990, "value": "16:30"}),
                                           "YAML reads 16:30 as 990"),
    "too few phrasings": (lambda raw: raw["tools"][0].update(phrasings=raw["tools"][0]["phrasings"][:7]), "7 phrasings, 8 needed"),
    "a phrasing twice": (lambda raw: raw["tools"][0]["phrasings"].append(raw["tools"][0]["phrasings"][0].upper().replace("{LOCATION}", "{location}")),
                         "phrasing twice"),
    "a slot without values": (add_phrasing(say="cold in {town}, {location}?"), "slot {town} has no values"),
    "an argument that is no parameter": (add_phrasing(say="cold in {location}?", args={"town": "Hull"}), "'town' is not a parameter"),
    "an argument given twice": (add_phrasing(say="cold in {location}?", args={"location": "Hull"}), "['location'] given twice"),
    "a required value not given": (add_phrasing(say="cold, {units}?"), "required ['location'] not given"),
    "a fixed argument against the schema": (add_phrasing(say="cold in {location}?", args={"units": "kelvin"}),
                                            "args units='kelvin' breaks the schema"),
    "a brace that is no slot": (add_phrasing(say="cold in {location} {or so?"), "a curly brace that is no slot"),
    "numbered slots outside of parallel": (add_phrasing(say="cold in {location.1} and {location.2}?"), "numbered slots belong to `parallel`"),
    "parallel without numbers": (add_phrasing("parallel", say="cold in {location}?"), "needs numbered slots"),
    "more calls than values": (add_phrasing("parallel", say=" ".join(f"{{location.{n}}}" for n in range(10, 30))), "has fewer values than calls"),
    "missing without a question": (add_phrasing("missing", say="how cold?", lacks=["location"], answer="{location}"), "needs lacks, ask and answer"),
    "missing that says it": (add_phrasing("missing", say="cold in {location}?", lacks=["location"], ask="Where?", answer="{location}"),
                             "says what it lacks"),
    "missing with nothing missing": (add_phrasing("missing", say="cold in {location}?", lacks=["units"], ask="Which?", answer="{units}"),
                                     "nothing required is missing"),
    "a question outside of missing": (add_phrasing(say="cold in {location}?", ask="Where?"), "ask/answer/lacks belong to `missing`"),
    "no result": (lambda raw: raw["tools"][0].pop("result"), "needs result and reply"),
    "a parameter that no phrasing uses": (lambda raw: raw["tools"][0]["parameters"]["properties"].update(hour={"type": "integer"}),
                                          "no phrasing uses ['hour']"),
    "a tool twice": (lambda raw: raw["tools"].append(raw["tools"][0]), "twice"),
    "too few tools": (lambda raw: raw.update(tools=raw["tools"][:13]), "13 tools, 14 needed"),
    "a combined call of no tool": (lambda raw: raw["combined"][0]["calls"][0].update(name="no_tool"), "no tool 'no_tool'"),
    "a combined call against the schema": (lambda raw: raw["combined"][0]["calls"][0]["arguments"].update(nonsense=1), "nonsense"),
    "a combined request of one call": (lambda raw: raw["combined"][0].update(calls=raw["combined"][0]["calls"][:1]), "needs two calls"),
    "a step without its result": (lambda raw: raw["sequential"][0]["steps"][0].pop("result"), "a step before the last lacks its result"),
    "a decline without a reply": (lambda raw: raw["none"][0].pop("reply"), "needs say and reply"),
    "too few declines": (lambda raw: raw.update(none=raw["none"][:9]), "9 none entries, 10 needed"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_found(tmp_path, name):
    change, words = FAULTS[name]
    found = problems(tmp_path, change)
    assert any(words in line for line in found), found


def test_the_file_itself_has_no_problem(tmp_path):
    assert problems(tmp_path, lambda raw: None) == []


@pytest.mark.parametrize("text,words", [("tools: [", "weather.yaml"), ("- a", "not a mapping"), ("domain: x\nabout: y", "KeyError"),
                                        ("domain: x\nabout: y\ntools: [{nmae: f}]\ncombined: []\nsequential: []\nnone: []", "unknown key")])
def test_a_file_that_cannot_be_read_is_named(tmp_path, text, words):
    (tmp_path / "weather.yaml").write_text(text)
    with pytest.raises(DomainError, match=words):
        load(tmp_path / "weather.yaml")


def test_the_command_prints_problems_and_fails(tmp_path, capsys):
    good = ROOT / "authoring/domains/weather.yaml"
    assert check.main([str(good)]) == 0 and "0 problems" in capsys.readouterr().out
    (tmp_path / "bad.yaml").write_text("tools: [")
    assert check.main([str(good), str(tmp_path / "bad.yaml")]) == 1 and "bad.yaml" in capsys.readouterr().out


def test_slots_and_values():
    assert slots("is it {city.1} or {city.2} at {time}?") == [("city", "1"), ("city", "2"), ("time", "")]
    assert numbers("is it {city.2} or {city.1} at {time}?") == ["1", "2"]
    assert said({"say": "half past nine", "value": "09:30"}) == ("half past nine", "09:30") and said(True) == ("true", True) and said(3) == ("3", 3)
    assert fill("{city} at {time.1}", {("city", ""): "Hull", ("time", "1"): {"say": "noon", "value": "12:00"}}) == "Hull at noon"


def test_parallel_calls_take_different_values():
    domain = load(ROOT / "authoring/domains/weather.yaml")
    for tool in domain.tools:
        for draft in compose.parallel(domain, tool, random.Random(1)):
            assert len(draft.calls) >= 2 and len({repr(call["arguments"]) for call in draft.calls}) == len(draft.calls), draft.messages


# --- data/embedded -------------------------------------------------------------------------------------------

there = pytest.mark.skipif(not (DATA / "examples.jsonl").is_file(), reason="data/embedded is not there")


@there
def test_the_builder_gives_the_committed_bytes(tmp_path, monkeypatch, capsys):
    """It checks all domain files on its way."""
    (tmp_path / "authoring").mkdir()
    (tmp_path / "authoring/domains").symlink_to(ROOT / "authoring/domains")
    monkeypatch.setattr(build, "HERE", tmp_path / "authoring")
    assert build.main() == 0, capsys.readouterr().out
    made = tmp_path / "data/embedded"
    assert sorted(path.name for path in made.iterdir()) == ["counts.json", "examples.jsonl", "held_out.json", "tools.jsonl"]
    for path in made.iterdir():
        assert path.read_bytes() == (DATA / path.name).read_bytes(), f"{path.name} is not what `make data` writes"


@there
def test_sizes_are_those_asked_for():
    tools, rows, held = list(read_jsonl(DATA / "tools.jsonl")), list(read_jsonl(DATA / "examples.jsonl")), read_json(DATA / "held_out.json")
    assert len(tools) >= 400 and len({tool["name"] for tool in tools}) == len(tools)
    assert len({tool["domain"] for tool in tools}) >= 24 and len(rows) >= 6000 and len(held) >= 60
    domains = Counter(tool["domain"] for tool in tools if tool["name"] not in held)
    assert len({tool["domain"] for tool in tools} - set(domains)) >= 1, "whole domains are held out"
    assert {len(row["offered"]) for row in rows} >= set(range(1, 11)) and max(len(row["offered"]) for row in rows) <= 12
    assert sum(path.stat().st_size for path in DATA.iterdir()) < 10.5e6
    assert {kind for row in rows for kind in [row["labels"]["kind"]]} == {"single", "parallel", "multiple", "no_tool", "missing", "answer"}
    types = {schema["type"] for tool in tools for schema in tool["parameters"].get("properties", {}).values()}
    assert types == {"string", "integer", "number", "boolean", "array", "object"}


@there
def test_held_out_tools_occur_in_no_row_that_may_be_trained_on():
    held = set(read_json(DATA / "held_out.json"))
    assert held <= {tool["name"] for tool in read_jsonl(DATA / "tools.jsonl")}
    for row in read_jsonl(DATA / "examples.jsonl"):
        if row["labels"]["tools"] == "seen":
            earlier = {call["function"]["name"] for message in row["messages"] for call in message.get("tool_calls", [])}
            assert not held & ({call["name"] for call in row["calls"] or []} | set(row["offered"]) | earlier), row["id"]


@there
def test_the_default_split_keeps_them_out_of_training():
    params = load_params(ROOT / "params.yaml")
    source, rows = cfg(DATA), []
    for raw in read_jsonl(DATA / "examples.jsonl"):
        (example,) = embedded.convert(raw, source)
        rows.append(split.facts({"example": example.to_json(), "prompt_tokens": 100, "completion_tokens": 10}))
    held = split.assign(rows, params.model_copy(update={"split": params.split.model_copy(update={"held_out": str(DATA / "held_out.json")})}))
    assert len(held) >= 60
    for row in rows:
        if row.part in ("train", "valid"):
            assert not held & (row.called | row.offered), row.id
    counted = split.overlaps(rows)
    assert counted["test_rows_sharing_group_with_train"] == counted["test_rows_sharing_query_with_train"] == 0
    assert not {row.query for row in rows if row.part == "valid"} & {row.query for row in rows if row.part == "test"}
    suites = split.choose_suites(rows, params)
    assert {name: len(ids) for name, ids in suites.items()} == {
        name: params.suite_sizes.get(name, params.suite_sizes["default"]) for name in params.suites}, "every suite has the cases that it asks for"
    assert "" not in split.left_out(rows)


@there
def test_every_tool_is_a_tool(tmp_path):
    for row in read_jsonl(DATA / "tools.jsonl"):
        tool = Tool(row["name"], row["description"], row["parameters"])
        assert tool.description.strip() and check.schema_problems(tool.parameters, tool.name) == []
    assert Path(DATA / "README.md").is_file(), "the card"
