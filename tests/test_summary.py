"""The table and the dozen figures, on cases made by hand."""

import pytest

from stages import summary
from stages.console import StageError


def cases(right: int, n: int = 100, name: str = "c") -> list[dict]:
    return [{"id": f"{name}{i}", "strict": i < right, "tool": f"tool {i % 20}"} for i in range(n)]


SUITES = {
    "held_out": {"base": cases(10), "prompted": cases(20), "tuned": cases(80)},
    "no_tool": {"base": cases(90), "prompted": cases(90), "tuned": cases(88)},
}


def test_headline_figures():
    made = summary.headline(SUITES, seed=0)["exact_match"]
    first = made["held_out"]
    assert (first["base"], first["prompted"], first["tuned"], first["cases"]) == (0.1, 0.2, 0.8, 100)
    assert first["tuned_low"] < 0.8 < first["tuned_high"]
    assert first["tuned_minus_base"] == 0.7 and first["tuned_minus_base_p"] < 1e-9
    assert made["no_tool"] == {"tuned": 0.88, "tuned_minus_base": -0.02}


def test_about_a_dozen_figures_for_the_default_suites():
    suites = {name: SUITES["held_out"] for name in ("held_out", "seen_tools", "no_tool", "missing_value", "multi_turn")}
    assert 12 <= sum(len(row) for row in summary.headline(suites, 0)["exact_match"].values()) <= 16


def test_table_says_what_the_test_says():
    lines = summary.table(SUITES, seed=0)
    assert len(lines) == 7
    assert "held_out" in lines[1] and " 10.0%" in lines[1] and "+70.0 [" in lines[1] and lines[1].endswith("p < 0.001: improved")
    assert lines[3].endswith("]"), "the last subject is not compared with itself"
    assert "-2.0 [" in lines[4] and "p = 0.500: no difference shown" in lines[4]


def test_without_a_difference_the_power_is_given():
    base = [{"id": str(i), "strict": i < 50, "tool": str(i)} for i in range(100)]
    tuned = [{"id": str(i), "strict": 20 <= i < 72, "tool": str(i)} for i in range(100)]
    assert "(100 cases show 18 points or more)" in summary.table({"s": {"base": base, "tuned": tuned}}, 0)[1]


def test_one_subject_alone():
    only = {"held_out": {"tuned": cases(80)}}
    assert summary.headline(only, 0)["exact_match"]["held_out"].keys() == {"tuned", "cases", "tuned_low", "tuned_high"}
    assert len(summary.table(only, 0)) == 2


def test_subjects_scored_on_different_cases():
    with pytest.raises(StageError, match="base and tuned were scored on different cases"):
        summary.table({"held_out": {"base": cases(1), "tuned": cases(1, name="d")}}, 0)
