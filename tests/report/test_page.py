"""report.html of a made-up run: its figures, its escaping, its bytes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from stages import report, summary
from stages.errors import FileError, StageError
from stages.files import read_json, write_json, write_jsonl
from stages.report import browser as case_data
from stages.report import markup, quality, results, training
from stages.schema import Call
from stages.scoring import statistics
from stages.scoring.summary import share
from stages.suites import verdict
from tests.report import made_up
from tests.report.page import ROOT, SIZES, Reader, params, written


def test_figures_are_those_of_the_scorers(page, monkeypatch):
    monkeypatch.chdir(page.parent)
    text = Reader(page.read_text(encoding="utf-8")).text
    cases = summary.read_cases(list(made_up.SUBJECTS), list(SIZES))
    for suite, by_subject in cases.items():
        for rows in by_subject.values():
            rate = share(sum(case[verdict(suite)] for case in rows), len(rows))
            assert f"{markup.percent(rate['rate'])} {markup.interval(rate)}" in text
        for test in summary.comparisons(by_subject, verdict(suite), params().seed).values():
            assert f"{100 * test.difference:+.1f} [{100 * test.low:+.1f}, {100 * test.high:+.1f}]" in text
            assert f"{results.SIGNS[test.word]} {test.word}" in text
    for words in ("duplicate: 20", "5,000", "6.6 % of all", "54,321", "step 200 of 250", "123,456 bytes", "1,630", "33.3 %", "train.lora.rank",
                  "valid JSON", "fits the schema", "field recall"):
        assert words in text, words


def test_equal_inputs_give_equal_bytes(page):
    before = page.read_bytes()
    script = (
        "import yaml; from stages import params, report, summary; from stages.files import read_json;"
        f"p = params.parse(yaml.safe_load(open({str(ROOT / 'params.yaml')!r})) | {{'subjects': {list(made_up.SUBJECTS)}}});"
        f"report.write(p, summary.read_cases(p.subjects, {list(SIZES)}), read_json('models/log/mask.json'))"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", script], cwd=page.parent, env=environment, check=True)
    assert page.read_bytes() == before


def test_one_file_with_nothing_outside_and_no_path(page):
    html = page.read_text(encoding="utf-8")
    elements = Reader(html).elements
    for tag, attributes in elements:
        assert tag not in ("iframe", "object", "embed", "base", "form") or tag == "form"
        for key in ("src", "href"):
            assert attributes.get(key, "#").startswith(("#", "data:")), (tag, attributes)
        assert not any(key.startswith("on") for key in attributes), (tag, attributes)
    assert "url(" not in html and "@import" not in html
    assert str(page.parent) not in html and str(ROOT) not in html
    assert [tag for tag, _ in elements].count("img") == 5


def test_hostile_text_stays_text(page):
    html = page.read_text(encoding="utf-8")
    found = Reader(html)
    assert len(found.scripts) == 2, "the data and the page's own"
    assert "<" not in found.scripts[0] and found.scripts[1] == report.asset("page.js")
    data = json.loads(found.scripts[0])
    assert any(made_up.SCRIPT in subject["raw"] for case in data["cases"] for subject in case["subjects"])
    assert any("\ud800" in subject["raw"] for case in data["cases"] for subject in case["subjects"])
    assert made_up.SCRIPT in found.text, "the decoded row of the mask proof, as words"
    assert "{{script}} {{cases}}" in found.text, "what is filled in is not searched for places"


def test_places_of_the_template_are_all_filled(page):
    assert all(place not in report.asset("page.js") + report.asset("page.css") for place in ("</script", "</style", "<!--", "{{"))
    assert "{{subtitle}}" not in page.read_text(encoding="utf-8")


def test_case_data(page, monkeypatch):
    data = json.loads(Reader(page.read_text(encoding="utf-8")).scripts[0])
    assert len(data["cases"]) == sum(SIZES.values())
    assert len(data["tools"]) == len({tool["name"] for tool in data["tools"]}) <= 40
    assert all(case["gold"] for case in data["cases"] if data["suites"][case["suite"]] not in ("no_tool", "structured"))
    assert {"12345678901234567890"} == {dict(case["gold"][0][1])["account"] for case in data["cases"] if "gold" in case}
    objects = [case for case in data["cases"] if data["suites"][case["suite"]] == "structured"]
    assert all(json.loads(case["reply"])["city"] and not case["tools"] for case in objects) and len(objects) == SIZES["structured"]
    assert {subject["right"][2] for case in objects for subject in case["subjects"]} == {None}, "the benchmark's verdict does not apply"
    assert page.stat().st_size < 3000 * len(data["cases"]) + 200_000


def test_two_versions_of_a_tool_are_two_tools():
    tools, tool = case_data.Tools(), {"name": "f", "description": "", "parameters": {"type": "object", "properties": {}}}
    assert [tools.place(tool), tools.place(dict(reversed(tool.items()))), tools.place(tool | {"description": "new"})] == [0, 0, 1]


def test_compared_argument_by_argument():
    gold = [Call("f", {"a": 1, "b": [1], "c": "x"}), Call("g", {})]
    calls = [Call("h", {"a": 1}), Call("f", {"a": 1, "b": [2], "d": True}), Call("f", {})]
    assert case_data.compared(calls, gold) == [
        ["h", -1, [["a", "1", "extra"]]],
        ["f", 0, [["a", "1", "equal"], ["b", "[2]", "differs"], ["d", "true", "extra"]]],
        ["f", -1, []],
    ]
    assert case_data.compared([Call("f", {"a": 1.0})], [Call("f", {"a": 1})]) == [["f", 0, [["a", "1.0", "differs"]]]], "as strict has it"


def test_a_training_without_a_falling_loss():
    assert "none: the loss did not fall" in training.training([{"step": 1, "loss": 1.0}], params().train, markup.Safe("")).html()
    assert "no finite loss" in training.training([], params().train, markup.Safe("")).html()


def test_rows_that_vanished_are_said(page):
    curated, formatted, split = (read_json(page.parent / f"metrics/data/{name}.json") for name in ("curate", "format", "split"))
    assert "rows are missing" not in quality.data(curated, formatted, split).html()
    assert "rows are missing" in quality.data(curated | {"read": 5001}, formatted, split).html()


def test_overlap_and_contamination_are_shown(page):
    curated, formatted, split = (read_json(page.parent / f"metrics/data/{name}.json") for name in ("curate", "format", "split"))
    assert "were not compared with a benchmark" in quality.data(curated, formatted, split | {"contamination": None}).html()
    pair = {"rows": 50, "query": 0, "near_duplicate": 3, "called_tool": 41}
    found = {"files": 9, "unreadable_rows": 1, "requests": 1240, "tools": 974, "rows_with_its_words": 7, "rows_with_its_tool": 5, "rows_hit": 11}
    shown = quality.data(curated, formatted, split | {"similarity": 0.7, "overlap": {"held_out_in_train": pair}, "contamination": found}).html()
    assert "similarity of at least 0.7" in shown and "near duplicate" in shown
    assert '<th scope="row">held out in train</th><td>50</td><td>0</td><td>3</td><td>41</td>' in shown
    assert "9 files (1,240 requests, 974 tools; 1 rows unreadable): 7 rows hold words of its requests, 5 offer one of its tools, 11 in all" in shown


def test_markup_escapes_what_it_did_not_make():
    made = markup.tag("a", "<b>", markup.tag("b", 1), title='"<', class_="x", id=None)
    assert made == '<a title="&quot;&lt;" class="x">&lt;b&gt;<b>1</b></a>'
    assert markup.text("\ud800&") == "\ufffd&amp;"
    assert json.loads(markup.embedded_json({"a": "</script>\u2028\ud800&"})) == {"a": "</script>\u2028\ud800&"}


def test_one_subject_no_domain_and_no_picture(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cases = made_up.write(tmp_path, {"held_out": 12}, {"tuned": 0.5})
    for row in cases["held_out"]["tuned"]:
        row["area"] = "other"
    Path("plots/loss.png").unlink()
    report.write(params(subjects=["tuned"]), cases, read_json("models/log/mask.json"))
    text = Reader(Path("report.html").read_text(encoding="utf-8")).text
    assert "other 12 " in text and "The picture plots/loss.png was not made." in text


def test_files_that_do_not_fit_or_are_missing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cases, mask = made_up.write(tmp_path, {"held_out": 3}, {"tuned": 0.5}), read_json("models/log/mask.json")
    write_jsonl("data/predictions/tuned/held_out.jsonl", [{"id": "held_out-0000", "completion": "x"}])
    with pytest.raises(StageError, match="held_out: case 'held_out-0001' has no completion or no score"):
        report.write(params(subjects=["tuned"]), cases, mask)
    Path("models/log/loss.jsonl").unlink()
    with pytest.raises(FileError, match="models/log/loss.jsonl does not exist"):
        report.write(params(subjects=["tuned"]), cases, mask)
    assert not Path("report.html").exists()


def test_report_without_a_run_is_a_sentence(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_json("models/log/mask.json", {})
    with pytest.raises(FileError, match="data/suites/held_out.jsonl does not exist"):
        report.write(params(), {"held_out": {"tuned": []}}, {})


def test_the_word_is_that_of_the_test():
    right = [i < 50 for i in range(100)]
    for tuned, words in (
        ([i < 80 for i in range(100)], '<strong class="yes">▲ improved</strong>'),
        ([i < 20 for i in range(100)], '<strong class="no">▼ worse</strong>'),
        ([20 <= i < 72 for i in range(100)], "<strong>= no difference shown</strong><small> (100 cases show 18 points or more)</small>"),
        (right, "<strong>= no difference shown</strong><small> (too few cases that differ)</small>"),
    ):
        assert results.word(statistics.compare(right, tuned, range(100), 0)) == words


# --- gate, seeds, cost, a fourth subject ---------------------------------------------------------------------

GPT = {"url": "http://127.0.0.1:1/v1", "model": "big <script>window.planted = 5</script>", "price": {"input": 3, "output": 15}}
FOUR = {"base": 0.25, "prompted": 0.4, "gpt": 0.85, "tuned": 0.8}
ENDPOINTS = {"endpoints": {"base": None, "prompted": None, "tuned": None, "gpt": GPT}}


def test_the_gate_of_the_page_is_that_of_its_file(page):
    found, text = read_json(page.parent / "metrics/gate.json"), Reader(page.read_text(encoding="utf-8")).text
    assert found["subject"] == "tuned" and set(found["subjects"]) == set(made_up.SUBJECTS)
    for name, one in found["subjects"].items():
        assert f"Checks of {name}" in text
        for check in one["checks"].values():
            assert f"{markup.percent(check['value'])} [{100 * check['low']:.1f}, {100 * check['high']:.1f}]" in text
    assert f"Decision: {found['decision']} ({found['why']})" in text
    assert {check["verdict"] for check in found["subjects"]["tuned"]["checks"].values()} >= {"pass", "not decidable"}
    assert "? not decidable about" in text and "Seeds" not in text


def test_an_endpoint_as_a_fourth_subject(tmp_path):
    page = written(tmp_path, {"held_out": 60, "no_tool": 20}, FOUR, **ENDPOINTS)
    found, html = read_json(tmp_path / "metrics/gate.json"), page.read_text(encoding="utf-8")
    reader = Reader(html)
    assert set(found["subjects"]) == {"base", "prompted", "tuned"}, "what the others are measured against is not judged itself"
    assert found["subjects"]["tuned"]["checks"]["distance_to_gpt"]["n"] == 80
    assert "distance to gpt" in reader.text and "tuned against gpt:" in reader.text and GPT["model"] in reader.text
    assert len(reader.scripts) == 2
    rows = [json.loads(line) for suite in ("held_out", "no_tool") for line in (tmp_path / f"data/predictions/gpt/{suite}.jsonl").open()]
    paid = (8000 * 3 + 15 * sum(row["tokens"] for row in rows)) / 1e6
    assert f"3 in, 15 out {1000 * paid / 80:,.4g}" in reader.text and "8,000" in reader.text
    assert json.loads(reader.scripts[0])["subjects"] == list(FOUR)


def test_several_seeds(tmp_path):
    page = written(tmp_path, {"held_out": 60, "no_tool": 20}, seeds=[1, 2])
    text = Reader(page.read_text(encoding="utf-8")).text
    assert "Share right of tuned over 3 training seeds" in text and "in a word seeds 42, 1, 2" in text
    rates = [sum(json.loads(line)["strict"] for line in (tmp_path / f"data/cases/{name}/held_out.jsonl").open()) / 60
             for name in ("tuned", "seeds/1", "seeds/2")]
    found = statistics.over_seeds(rates)
    expected = f"{100 * found['mean']:.1f} % {100 * found['sd']:.1f} % [{100 * found['low']:.1f}, {100 * min(found['high'], 1):.1f}]"
    assert f"held out 60 {expected}" in text and ", ".join(f"{100 * rate:.1f}" for rate in rates) in text


def test_equivalent_calls_are_not_marked_as_right():
    assert results._judged("equivalent", "held_out")[0] == "≈" and results._judged("equivalent", "bfcl_multiple")[0] == "✓"
    assert results._judged("exact", "held_out")[0] == "✓" and results._judged("no_call", "held_out")[0] == "✗"


def test_the_headline_names_what_got_worse():
    def rows(right):
        return [{"id": str(i), "strict": i < right, "tool": str(i)} for i in range(40)]

    cases = {"held_out": {"base": rows(5), "tuned": rows(30)}, "no_tool": {"base": rows(38), "tuned": rows(10)},
             "seen_tools": {"base": rows(20), "tuned": rows(20)}}
    tests = {suite: summary.comparisons(by_subject, "strict", 0) for suite, by_subject in cases.items()}
    text = Reader(results.headline(cases, tests).html()).text
    assert "tuned against base on the other suites: worse on no tool; no difference shown on seen tools." in text
