"""evaluate on a toy suite: files written, figures right, and one sentence for each way that files do not fit."""

import json
from pathlib import Path

import pytest
import yaml

from stages import evaluate
from stages.files import read_json, read_jsonl, write_jsonl

TOOL = {"name": "wave", "description": "Waves.", "parameters": {"type": "object", "properties": {"times": {"type": "integer"}}}}


def row(id: str, times: int | None) -> dict:
    target = {"calls": [{"name": "wave", "arguments": {"times": times}}]} if times else {"reply": "No."}
    asked = [{"role": "user", "content": f"wave {times} times"}]
    example = {"id": id, "source": "test", "messages": asked, "tools": [TOOL], "labels": {"kind": "single"}, **target}
    return {"example": example, "prompt": "...", "completion": "..."}


def call(times) -> str:
    return f'<tool_call>\n{{"name": "wave", "arguments": {{"times": {json.dumps(times)}}}}}\n</tool_call>'


SUITE = [row("a", 1), row("b", 2), row("c", None), row("d", 4)]
PREDICTIONS = [
    {"id": "d", "completion": "<tool_call>\n{", "finish": "length", "tokens": 64},
    {"id": "a", "completion": call(1), "finish": "stop", "tokens": 20},
    {"id": "b", "completion": call(3), "finish": "stop", "tokens": 20},
    {"id": "c", "completion": "I cannot do that.", "finish": "stop", "tokens": 8},
]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    params = yaml.safe_load((Path(__file__).parents[1] / "params.yaml").read_text(encoding="utf-8"))
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params | {"dialect": "tool_tags"}), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    write_jsonl("data/suites/held_out.jsonl", SUITE)
    return tmp_path


def run(predictions: list[dict]) -> None:
    write_jsonl("data/predictions/tuned/held_out.jsonl", predictions)
    evaluate.main(["tuned", "held_out"])


def test_files_and_figures(folder, capsys):
    run(PREDICTIONS)
    metrics, cases = read_json("metrics/tuned/held_out.json"), list(read_jsonl("data/cases/tuned/held_out.jsonl"))
    assert [case["id"] for case in cases] == ["a", "b", "c", "d"]
    assert [case["outcome"] for case in cases] == ["exact", "wrong_value", "replied", "malformed:cut_off"]
    assert cases[1]["calls"] == [{"name": "wave", "arguments": {"times": 3}}]
    assert metrics["scores"]["strict"]["rate"] == 0.5
    assert metrics["generation"] == {"tokens_mean": 28.0, "cut_at_limit": metrics["generation"]["cut_at_limit"]}
    assert metrics["generation"]["cut_at_limit"]["k"] == 1
    assert "2 of 4 right, 50.0%" in capsys.readouterr().out


def test_the_same_predictions_give_the_same_bytes(folder):
    run(PREDICTIONS)
    before = [(folder / name).read_bytes() for name in ("metrics/tuned/held_out.json", "data/cases/tuned/held_out.jsonl")]
    run(PREDICTIONS[::-1])
    assert before == [(folder / name).read_bytes() for name in ("metrics/tuned/held_out.json", "data/cases/tuned/held_out.jsonl")]


def test_benchmark_gold_in_the_row_is_used(folder):
    benchmark = row("a", 1)
    benchmark["example"]["accepted"] = [{"wave": {"times": [7]}}]
    benchmark["example"]["labels"]["category"] = "simple_python"
    write_jsonl("data/suites/held_out.jsonl", [benchmark])
    run([{"id": "a", "completion": call(7), "finish": "stop", "tokens": 20}])
    scores = read_json("metrics/tuned/held_out.json")["scores"]
    assert (scores["bfcl"]["k"], scores["strict"]["k"]) == (1, 0)


@pytest.mark.parametrize(
    "predictions, words",
    [
        (PREDICTIONS[1:], "1 of 4 cases have no prediction, 'd' first"),
        ([*PREDICTIONS, PREDICTIONS[0]], "'d' has more than one prediction"),
        ([*PREDICTIONS, {"id": "z", "completion": ""}], "'z' belongs to no case"),
    ],
)
def test_predictions_that_do_not_fit(folder, predictions, words):
    with pytest.raises(SystemExit) as error:
        run(predictions)
    assert words in str(error.value) and "\n" not in str(error.value)
    assert not Path("metrics").exists()


def test_suites_that_cannot_be_scored(folder):
    for rows, words in (([], "no case"), ([SUITE[0], SUITE[0]], "'a' twice")):
        write_jsonl("data/suites/held_out.jsonl", rows)
        with pytest.raises(SystemExit, match=words):
            run(PREDICTIONS)


def test_a_missing_file_is_named(folder):
    with pytest.raises(SystemExit, match="data/predictions/base/held_out.jsonl does not exist"):
        evaluate.main(["base", "held_out"])


def test_a_balanced_suite_has_its_figures_by_domain(folder):
    rows = [row("a", 1), row("b", 2), row("c", 4)]
    for one, domain in zip(rows, ("weather", "weather", "finance")):
        one["example"]["labels"]["domain"] = domain
    write_jsonl("data/suites/domains.jsonl", rows)
    made = [{"id": id, "completion": call(times), "finish": "stop", "tokens": 9} for id, times in (("a", 1), ("b", 3), ("c", 4))]
    write_jsonl("data/predictions/tuned/domains.jsonl", made)
    evaluate.main(["tuned", "domains"])
    areas = read_json("metrics/tuned/domains.json")["areas"]
    assert {name: (one["cases"], one["strict"]["rate"], one["field_f1"]) for name, one in areas.items()} == {
        "weather": (2, 0.5, 0.5), "money": (1, 1.0, 1.0)}
