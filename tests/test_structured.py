"""Structured output as rows: derived from gold calls, proved as any other row, and without a trace in the split of the others."""

import json
from dataclasses import replace

import pytest

from stages import curate, format, formats, prompt, split
from stages.errors import RowError
from stages.files import read_json, read_jsonl, write_jsonl
from stages.schema import Call, Example, Tool
from stages.structured import KIND, derived
from tests import tiny

WEATHER = Tool("get_weather", "The weather.", {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]})
ORIGIN = Example("r1", "test", [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "cold in Hull?"}],
                 [Tool("other", "", {"type": "object"}), WEATHER], [Call("get_weather", {"city": "Hull"})], group="g",
                 labels={"kind": "single", "turns": "single", "domain": "weather", "tools": "held_out"})


def test_a_call_is_asked_again_as_an_object():
    made = derived(ORIGIN, 1.0)
    assert json.loads(made.reply) == {"city": "Hull"} and made.calls is None and made.tools == []
    assert made.schema == {"title": "get_weather", "description": "The weather.", **WEATHER.parameters}
    assert (made.id, made.group, made.labels) == ("r1-json", "g", {**ORIGIN.labels, "kind": KIND}) and made.query() == ORIGIN.query()
    assert made.messages[0]["content"].startswith("Be brief.\n") and json.dumps(made.schema) in made.messages[0]["content"]
    curate.check(made)


@pytest.mark.parametrize("changes", [{"calls": None, "reply": "No."}, {"calls": ORIGIN.calls * 2}, {"calls": [Call("get_weather", {})]},
                                     {"labels": {"kind": "single", "turns": "context"}}, {"labels": {"kind": "parallel", "turns": "single"}}])
def test_only_one_request_with_one_call_of_some_arguments(changes):
    assert derived(replace(ORIGIN, **changes), 1.0) is None


def test_the_share_is_drawn_by_the_id():
    many = [replace(ORIGIN, id=f"r{n}") for n in range(2000)]
    few, more = ({one.id for one in many if derived(one, share)} for share in (0.1, 0.3))
    assert 150 < len(few) < 250 and few < more and 540 < len(more) < 660 and derived(ORIGIN, 0.0) is None


@pytest.mark.parametrize("reply,reason", [("words", "answer_not_json"), ("[1]", "answer_not_object"), ('{"city": 1}', "answer_against_schema"),
                                          ("", "no_target")])
def test_what_is_no_object_of_the_schema_is_refused(reply, reason):
    with pytest.raises(RowError) as error:
        curate.check(replace(derived(ORIGIN, 1.0), reply=reply))
    assert error.value.reason == reason


def test_the_gate_proves_such_rows(tmpl, monkeypatch):
    native, refused = formats.get("native"), []

    def gate() -> list[dict]:
        return list(format.formatted(iter([derived(ORIGIN, 1.0)]), native, tmpl, 512, lambda example, error: refused.append(error.reason)))

    (row,) = gate()
    assert row["completion"] == '{"city": "Hull"}<|im_end|>' and "<tools>" not in row["prompt"] and not refused
    monkeypatch.setattr(native, "answer", lambda text: text[:-1])
    assert gate() == [] and refused == ["answer_not_read_back"]


def test_each_case_is_shown_examples_of_its_own_kind(tmpl):
    object_shot, call_shot = derived(replace(ORIGIN, messages=[{"role": "user", "content": "shot"}]), 1.0), replace(ORIGIN, id="shot")
    for name in ("native", "tool_tags", "query_answer"):
        made = formats.get(name).render(derived(ORIGIN, 1.0), tmpl, "How to call.", [call_shot, object_shot]).prompt
        assert "How to call." not in made and made.count('{"city": "Hull"}') == 1 and '"name": "get_weather"' not in made
        other = formats.get(name).render(ORIGIN, tmpl, "How to call.", [call_shot, object_shot]).prompt
        assert "How to call." in other and "shot" not in other.replace("shots", "") and other.count("cold in Hull?") == 2


# --- the stages ---------------------------------------------------------------------------------------------


def run(folder, model, share: float, **changes) -> dict:
    tiny.write_lines(folder / "tiny/rows.jsonl", tiny.messages_rows())
    (folder / "tiny/held_out.json").write_text(json.dumps(tiny.HELD_OUT))
    dataset = {"source": "local", "path": "tiny/rows.jsonl", "track": "tiny/rows.jsonl", "limit": None, "min_kept": 40, "structured": share}
    tiny.write_params(folder, **{"model.name": str(model), "suites": ["held_out"], "dataset": dataset, **changes})
    for stage in (curate, format, split):
        stage.main()
    return read_json("metrics/data/split.json")


def test_the_split_of_all_other_rows_is_the_same_with_and_without(folder, model, capsys):
    run(folder, model, 0.0)
    before = {part: (folder / f"data/split/{part}.jsonl").read_bytes() for part in ("train", "valid")}
    tested = list(read_jsonl("data/split/test.jsonl"))
    counts = run(folder, model, 1.0, suites=["held_out", "structured"])
    assert before == {part: (folder / f"data/split/{part}.jsonl").read_bytes() for part in before}, "the same bytes: nothing is trained again"
    test = list(read_jsonl("data/split/test.jsonl"))
    others = [row for row in test if row["example"]["labels"]["kind"] != KIND]
    assert others == tested and len(test) > len(others)
    assert counts["left_out"].keys() == {"beyond_split.structured", "left_out_with_its_origin"}
    origins = {row["id"] for row in tested}
    assert {row["id"].removesuffix("-json") for row in test if row not in others} <= origins, "each beside its origin"
    assert counts["suites"]["structured"] == 6 == len(list(read_jsonl("data/suites/structured.jsonl"))) < counts["available"]["structured"]
    assert "asked again for a JSON object" in capsys.readouterr().out


def test_a_share_of_them_trains_when_asked(folder, model):
    plain = run(folder, model, 1.0)
    counts = run(folder, model, 1.0, **{"split.structured": 0.25})
    rows = list(read_jsonl("data/split/train.jsonl"))
    objects = [row for row in rows if row["example"]["labels"]["kind"] == KIND]
    assert counts["train"] == len(rows) == plain["train"] + len(objects) and len(objects) == round(0.25 * plain["train"])
    ids = {row["id"] for row in rows}
    assert all(row["id"].removesuffix("-json") in ids for row in objects), "beside its origin: no tested tool or request"
    shots = prompt.choose(rows, tiny.params())
    assert [("schema" in shot) for shot in shots] == [False, False, True, True]
    assert len(prompt.choose([row for row in rows if row not in objects], tiny.params())) == 2


def test_rows_of_their_own_are_parted_by_share(folder):
    """JSON-mode rows beside dialogues: whole groups are tested, the others train as far as they may; alone they are as any rows."""
    def line(id, kind, **more):
        example = {"id": id, "source": "t", "messages": [{"role": "user", "content": id}], "tools": [], "reply": "{}", "group": None,
                   "labels": {"kind": kind, "turns": "single"}, **more}
        return {"id": id, "prompt": "p", "completion": "c", "prompt_tokens": 9, "completion_tokens": 1, "example": example}

    objects = [line(f"o{n}", KIND, schema={"type": "object"}) for n in range(40)]
    mixed = [line(f"r{n}", "no_tool") for n in range(100)] + objects
    for rows, trained, tested in ((mixed, 18, 8), (objects, 28, 8)):
        write_jsonl("data/formatted.jsonl", rows)
        changes = {"held_out": 0.0, "test": 0.2, "valid": 4, "structured": 18 / 76}
        tiny.write_params(folder, suites=["structured"], **{f"split.{key}": value for key, value in changes.items()})
        split.main()
        parts = {part: [row["id"] for row in read_jsonl(f"data/split/{part}.jsonl") if row["id"].startswith("o")] for part in ("train", "test")}
        assert (len(parts["train"]), len(parts["test"])) == (trained, tested)
