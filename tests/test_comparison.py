"""Runs side by side, made by hand; tests/test_pipeline.py compares real ones through DVC."""

import csv
import io

import pytest

from stages import comparison
from stages.scoring.summary import summarise


def rows(rights, name="c") -> list[dict]:
    counts = dict.fromkeys(("gold_calls", "made_calls", "right_names", "gold_arguments", "made_arguments", "named_arguments", "right_arguments",
                            "invented_tools", "invented_arguments", "invented_values", "judged_values"), 1)
    return [{"id": f"{name}{i:03d}", "strict": bool(right), "schema": bool(right), "bfcl": bool(right), "should_call": True, "does_call": True,
             "tool": f"tool {i % 10}", "outcome": "exact" if right else "no_call", "defects": [], "rung": 7, "field_f1": float(right), **counts}
            for i, right in enumerate(rights)]


def run(name: str, right: int, verdict: str | None = "fail", n: int = 100, cached: bool = True, ids: str = "c", decision: str = "iterate", **params):
    scored = rows((i < right for i in range(n)), ids)
    gate = verdict and {"verdict": verdict, "decision": decision, "why": f"{name} it is", "subject": "tuned", "subjects": {"tuned": {
        "verdict": verdict, "checks": {"valid": {"title": "valid", "value": 0.5, "low": 0.4, "high": 0.6, "limit": 0.9, "at_most": False, "n": 9,
                                                 "verdict": verdict, "needed": None, "about": ""}}}}}
    return comparison.Run(name, {"recipe": "tiny", "model.name": "m", "seed": 42, **params}, ["tuned"], {"tuned": {"held_out": summarise(scored)}},
                          gate, {"held_out": scored if cached else None})


def test_the_winner_must_be_shown_against_each_other_run():
    name, why = comparison.winner([run("a", 20), run("b", 60), run("c", 30)], "held_out", 0)
    assert name == "b" and why == "b is better on held_out than each other run, at p < 0.025 each"
    name, why = comparison.winner([run("a", 20), run("b", 60), run("c", 57)], "held_out", 0)
    assert name is None and why.startswith("b has the highest share on held_out, but is not shown to be better than c (+3.0 [") and "a (" not in why
    assert comparison.winner([run("a", 20)], "held_out", 0)[0] == "a"


def test_the_level_is_shared_between_the_runs():
    """6 cases better and none worse: p = 0.031, shown against one other run and not against two."""
    two = [run("a", 20), run("b", 26)]
    assert comparison.winner(two, "held_out", 0)[0] == "b"
    assert comparison.winner([*two, run("c", 5)], "held_out", 0)[0] is None


def test_runs_that_cannot_be_paired_say_why():
    one = run("a", 20)
    assert comparison.paired(one, run("b", 60, ids="d"), "held_out", 0) == "scored on different cases"
    assert comparison.paired(one, run("b", 60, cached=False), "held_out", 0).startswith("the cases of b are not in the cache: run `dvc fetch`")
    assert comparison.paired(one, one, "no_tool", 0) == "only one of them has this suite"
    assert comparison.paired(run("b", 60), one, "held_out", 0).difference == pytest.approx(0.4), "the first minus the second"
    assert comparison.winner([one, run("b", 60, ids="d")], "held_out", 0)[0] is None


@pytest.mark.parametrize("runs, decision, winner", [
    ([("a", 20, "fail"), ("b", 80, "pass")], "proceed", "b"),
    ([("a", 80, "fail"), ("b", 60, "pass")], "proceed", "b"),
    ([("a", 20, "fail"), ("b", 80, "fail")], "iterate", "b"),
    ([("a", 20, "fail"), ("b", 80, "not decidable")], "measure more", "b"),
    ([("a", 20, None), ("b", 80, "fail")], "iterate", "b")])
def test_phase_decision(runs, decision, winner):
    found = comparison.decide([run(*one) for one in runs], 0)
    assert (found["decision"], found["winner"]) == (decision, winner), found
    assert ("a: no metrics/gate.json" in found["why"]) == (runs[0][2] is None)


def test_a_subject_that_needs_no_training_stops_the_phase():
    found = comparison.decide([run("a", 20), run("b", 80, "pass", decision="stop")], 0)
    assert found["decision"] == "stop" and found["why"] == "b: b it is"


def test_tables(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    runs = {"a": run("a", 20, **{"train.lora.rank": 4}), "b": run("b", 80, "pass", **{"train.lora.rank": 8, "model.name": "n"})}
    monkeypatch.setattr(comparison, "read", runs.__getitem__)
    with pytest.raises(SystemExit) as left:
        comparison.main(["a", "b", "--out", "side"])
    assert left.value.code == 0
    read = {name: list(csv.DictReader(io.StringIO((tmp_path / f"side/{name}.csv").read_text()))) for name in ("runs", "suites", "gate", "pairs")}
    assert [row["train.lora.rank"] for row in read["runs"]] == ["4", "8"] and "seed" not in read["runs"][0], "only parameters that differ"
    assert [row["model"] for row in read["runs"]] == ["m", "n"] and [row["right"] for row in read["runs"]] == ["0.2", "0.8"]
    assert (read["suites"][1]["run"], read["suites"][1]["right"], read["suites"][1]["field_f1"]) == ("b", "0.8", "0.8")
    assert [row["verdict"] for row in read["gate"]] == ["fail", "pass"]
    pair, = read["pairs"]
    assert (pair["run"], pair["against"], pair["difference"], pair["word"], pair["cases"]) == ("b", "a", "0.6", "improved", "100")
    out = capsys.readouterr().out
    assert "proceed: b: every check passes" in out and "winner: b; it is the only one" in out


@pytest.mark.parametrize("runs, code", [([run("a", 20)], 1), ([run("a", 20, "not decidable")], 2), ([run("a", 90, "pass")], 0)])
def test_exit_codes(tmp_path, monkeypatch, runs, code):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(comparison, "read", lambda name: next(one for one in runs if one.name == name))
    with pytest.raises(SystemExit) as left:
        comparison.main([one.name for one in runs])
    assert left.value.code == code


def test_a_run_named_twice(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match="error: a a names a run twice"):
        comparison.main(["a", "a"])


def test_flat():
    assert comparison.flat({"a": {"b": {"c": 1}, "d": {}}, "e": [1]}) == {"a.b.c": 1, "a.d": {}, "e": [1]}
