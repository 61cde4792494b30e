"""Checks against limits, the gate's figures on cases made by hand, its file, its exit codes."""

import json

import numpy as np
import pytest

from stages import gate
from stages.checks import FAIL, NOT_DECIDABLE, PASS, Check, together
from stages.errors import StageError
from stages.files import read_json, write_json
from stages.scoring import statistics
from tests import tiny


def check(value, low, high, limit, at_most=False) -> Check:
    return Check("x", "a figure", value, low, high, limit, 100, at_most)


@pytest.mark.parametrize("low, high, limit, at_most, verdict", [
    (0.71, 0.9, 0.7, False, PASS), (0.70, 0.9, 0.7, False, PASS), (0.5, 0.69, 0.7, False, FAIL), (0.6, 0.8, 0.7, False, NOT_DECIDABLE),
    (0.5, 0.70, 0.7, False, NOT_DECIDABLE), (0.01, 0.1, 0.15, True, PASS), (0.01, 0.15, 0.15, True, PASS), (0.16, 0.3, 0.15, True, FAIL),
    (0.1, 0.2, 0.15, True, NOT_DECIDABLE), (-0.3, -0.1, 0.1, True, PASS)])
def test_pass_and_fail_need_the_whole_interval(low, high, limit, at_most, verdict):
    assert check((low + high) / 2, low, high, limit, at_most).verdict == verdict


def test_nothing_measured_is_not_decidable():
    assert check(None, None, None, 0.5).verdict == NOT_DECIDABLE and check(None, None, None, 0.5).needed is None
    assert check(0.5, 0.4, 0.6, 0.5).needed is None, "a value on the limit is decided by no number of cases"
    assert check(0.9, 0.8, 1.0, 0.5).needed is None, "decided already"


def test_about_as_many_cases_as_needed_decide():
    for right, n, limit in ((64, 100, 0.7), (75, 100, 0.7), (52, 100, 0.6)):
        few = statistics.wilson(right, n)
        needed = Check("x", "x", right / n, few.low, few.high, limit, n).needed
        more = statistics.wilson(round(right * needed * 1.2 / n), round(needed * 1.2))
        assert Check("x", "x", right / n, more.low, more.high, limit, needed).verdict != NOT_DECIDABLE
        less = statistics.wilson(round(right * needed * 0.6 / n), round(needed * 0.6))
        assert Check("x", "x", right / n, less.low, less.high, limit, needed).verdict == NOT_DECIDABLE


def test_one_verdict_of_all():
    good, bad, open_ = check(0.8, 0.75, 0.85, 0.7), check(0.5, 0.4, 0.6, 0.7), check(0.7, 0.6, 0.8, 0.7)
    assert together([good, good]) == PASS and together([good, open_]) == NOT_DECIDABLE
    assert together([good, open_, bad]) == FAIL and together([]) == NOT_DECIDABLE


# --- figures -------------------------------------------------------------------------------------------------


def case(number: int, right=True, turns="single", f1=None, rung=7, domain="maps", should_call=True, tool=None) -> dict:
    return {"id": f"c{number:04d}", "strict": right, "schema": right, "bfcl": not right, "turns": turns, "should_call": should_call, "rung": rung,
            "area": domain, "field_f1": (1.0 if right else 0.5) if f1 is None else f1, "tool": tool or f"tool {number % 20}"}


def judged(rows: list[dict], **changes):
    """The checks of tuned by name, on one suite of these rows."""
    params = tiny.params(**{"suites": ["held_out"], **changes})
    found = gate.judged({"held_out": {"tuned": rows}}, params)
    return {check.name: check for check in gate.checks(found, "tuned", params)}


def test_figures_are_of_the_cases_that_they_name():
    rows = [case(i, right=i < 80) for i in range(100)]
    rows += [case(100 + i, right=False, turns="sequential", f1=0.25, rung=2) for i in range(50)]
    rows += [case(200 + i, right=False, should_call=False, rung=None, f1=0.0) for i in range(30)]
    found = judged(rows)
    assert set(found) == {"single_turn_exact", "field_f1", "multi_turn_f1", "valid", "domain_spread"}, "no endpoint, no distance"
    wilson = statistics.wilson(80, 100)
    exact = found["single_turn_exact"]
    assert (exact.value, exact.low, exact.high, exact.n, exact.limit) == (0.8, wilson.low, wilson.high, 100, 0.7)
    assert exact.verdict == PASS
    assert found["field_f1"].value == pytest.approx((80 + 20 * 0.5 + 50 * 0.25) / 150) and found["field_f1"].n == 150
    assert found["multi_turn_f1"].value == 0.25 and found["multi_turn_f1"].n == 50 and found["multi_turn_f1"].verdict == FAIL
    assert found["valid"].value == pytest.approx(100 / 150)


def test_a_null_threshold_is_no_check_and_no_case_is_no_verdict():
    assert set(judged([case(1)], **{"gate.multi_turn_f1": None, "gate.domain_spread": None})) == {"single_turn_exact", "field_f1", "valid"}
    assert judged([case(1)])["multi_turn_f1"].verdict == NOT_DECIDABLE
    assert {check.verdict for check in judged([case(1, should_call=False, rung=None)]).values()} == {NOT_DECIDABLE}


def test_a_case_in_several_suites_counts_once_and_the_benchmark_is_left_out():
    rows = [case(i) for i in range(10)]
    cases = {"held_out": {"tuned": rows}, "single": {"tuned": rows[:5]}, "bfcl_multiple": {"tuned": [case(99)]}}
    params = tiny.params(suites=["held_out"])
    assert [row["id"] for row in gate.judged(cases, params)["tuned"]] == [f"c{i:04d}" for i in range(10)]
    only = {"bfcl_multiple": cases["bfcl_multiple"]}
    assert [row["right"] for row in gate.judged(only, params)["tuned"]] == [False], "with nothing else the benchmark is judged, by its own verdict"
    chosen = tiny.params(**{"suites": ["held_out", "seen_tools"], "gate.suites": ["seen_tools"]})
    assert len(gate.judged({"held_out": {"tuned": rows}, "seen_tools": {"tuned": rows[:3]}}, chosen)["tuned"]) == 3


def test_equal_domains_are_never_said_to_differ():
    """The plain difference of best and worst would fail nearly always: it grows with the number of domains."""
    rng, verdicts, plain = np.random.default_rng(3), [], []
    for _ in range(200):
        rows = [case(i, f1=float(rng.random() < 0.7), domain=f"d{i % 12}") for i in range(12 * 10)]
        found = judged(rows)["domain_spread"]
        assert found.low <= found.value <= found.high
        verdicts.append(found.verdict)
        plain.append(found.value > 0.15)
    assert FAIL not in verdicts and np.mean(plain) > 0.95


def test_the_spread_is_decided_with_many_cases():
    rng = np.random.default_rng(5)

    def rows(worst):
        return [case(i, f1=float(rng.random() < (worst if i % 2 else 0.8)), domain=f"d{i % 2}") for i in range(4000)]

    assert judged(rows(0.8))["domain_spread"].verdict == PASS
    apart = judged(rows(0.4))["domain_spread"]
    assert apart.verdict == FAIL and "best (d0) minus worst (d1) of 2 domains" in apart.about


def test_domains_of_few_cases_and_of_none_are_left_out():
    rows = [case(i, domain="maps" if i < 20 else "rare" if i < 22 else "other") for i in range(40)]
    assert judged(rows)["domain_spread"].value is None
    assert judged(rows, **{"gate.domain_cases": 2})["domain_spread"].n == 22


def against(server: list[bool], tuned: list[bool]) -> Check:
    params = tiny.params(**{"subjects": ["base", "gpt", "tuned"], "suites": ["held_out"],
                            "endpoints": {"base": None, "prompted": None, "tuned": None, "gpt": {"url": "http://127.0.0.1:1/v1", "model": "m"}}})
    cases = {"held_out": {name: [case(i, right) for i, right in enumerate(rights)] for name, rights in
                          (("base", tuned), ("gpt", server), ("tuned", tuned))}}
    assert gate.local_subjects(params) == ["base", "tuned"]
    rows = gate.judged(cases, params)
    return {check.name: check for check in gate.checks(rows, "tuned", params)}["distance_to_gpt"]


def test_distance_to_an_endpoint():
    far = against([True] * 300, [i % 2 == 0 for i in range(300)])
    assert far.value == 0.5 and far.verdict == FAIL and far.limit == 0.1
    assert against([i % 2 == 0 for i in range(300)], [True] * 300).verdict == PASS, "better than the endpoint"
    assert against([True] * 300, [True] * 300).verdict == PASS
    few = against([True] * 3, [True] * 3)
    assert few.value == 0 and few.verdict == NOT_DECIDABLE, "three equal cases show nothing"


# --- decision, file, command ---------------------------------------------------------------------------------


def test_decision():
    decide = gate.decision
    assert decide({"base": FAIL, "tuned": PASS}, "tuned")[0] == gate.PROCEED
    assert decide({"base": FAIL, "tuned": FAIL}, "tuned")[0] == gate.ITERATE
    assert decide({"base": FAIL, "tuned": NOT_DECIDABLE}, "tuned")[0] == gate.MEASURE
    what, why = decide({"base": FAIL, "prompted": PASS, "tuned": PASS}, "tuned")
    assert what == gate.STOP and why.startswith("prompted passes every check: fine-tuning is not needed")


@pytest.mark.parametrize("made, verdict, code", [((0.8, 0.75, 0.85), PASS, 0), ((0.5, 0.4, 0.6), FAIL, 1), ((0.7, 0.6, 0.8), NOT_DECIDABLE, 2)])
def test_the_command_reads_the_file_and_exits_for_ci(tmp_path, monkeypatch, capsys, made, verdict, code):
    monkeypatch.chdir(tmp_path)
    found = gate.report({"base": [check(0.1, 0.05, 0.2, 0.7)], "tuned": [check(*made, 0.7)]})
    write_json("metrics/gate.json", found)
    with pytest.raises(SystemExit) as left:
        gate.main([])
    assert left.value.code == code
    out = capsys.readouterr().out
    assert f"gate: {verdict}; {found['decision']}: " in out and "a figure" in out and ">= 0.70" in out


def test_the_stage_writes_and_never_fails(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    tiny.write_params(tmp_path, suites=["held_out"])
    for name in ("base", "tuned"):
        tiny.write_lines(tmp_path / f"data/cases/{name}/held_out.jsonl", [case(i, right=False) for i in range(40)])
    write_json("metrics/budget.json", {"checks": {}})
    gate.main(["--write"])
    found = read_json("metrics/gate.json")
    assert found["verdict"] == FAIL and found["decision"] == gate.ITERATE and list(found["subjects"]) == ["base", "tuned"]
    assert found["subjects"]["tuned"]["checks"]["single_turn_exact"]["n"] == 40
    json.dumps(found, allow_nan=False)
    assert "fail" in capsys.readouterr().out


def test_faults_are_one_sentence_and_exit_1(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match="metrics/gate.json does not exist"):
        gate.main([])
    with pytest.raises(SystemExit, match="error: unrecognized arguments: --wriet"):
        gate.main(["--wriet"])
    with pytest.raises(StageError, match="all subjects are endpoints"):
        gate.local_subjects(tiny.params(subjects=["base"], endpoints={"base": {"url": "http://127.0.0.1:1/v1", "model": "m"}}))


def test_what_tuning_may_cost_is_a_part_of_the_gate():
    """A loss beyond the budget fails a gate that passes without it."""
    lost = Check("no_tool", "no_tool: cost", 0.3, 0.2, 0.4, 0.05, 100, True, "declining")
    again = gate.budgeted({"checks": {"no_tool": lost.to_json()}})
    assert again == [lost]
    good = Check("valid", "valid calls", 0.99, 0.95, 1.0, 0.9, 200)
    assert gate.report({"tuned": [good]})["verdict"] == "pass" and gate.report({"tuned": [good, *again]})["verdict"] == "fail"
