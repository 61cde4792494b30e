"""The three-format experiment: what the runs differ in, and the table's arithmetic on cases made by hand."""

import csv
from itertools import pairwise

import pytest

from experiments import defect, formats, formats_table
from stages import params
from stages.files import read_json
from stages.formats import get


def flat(value: dict, prefix: str = "") -> dict:
    return {name: one for key, inner in value.items()
            for name, one in (flat(inner, f"{prefix}{key}.").items() if isinstance(inner, dict) else [(prefix + key, inner)])}


def test_each_run_differs_from_the_one_before_in_one_thing():
    made = {name: flat(formats.parameters(dialect, 42, only)) for name, (dialect, only) in formats.RUNS.items()}
    differ = [{key for key in one if one[key] != other[key]} for one, other in pairwise(made.values())]
    assert differ == [{"dialect"}, {"train.completion_only_loss"}]
    assert params.parse(formats.parameters("native", 43)).seed == 43
    assert len(formats.SEEDS) >= 3


@pytest.mark.parametrize("fault", defect.FAULTS)
def test_every_planted_fault_is_an_attempt_that_is_no_clean_call(fault):
    parsed = get("tool_tags").parse(defect.FAULTS[fault]('{"name": "f", "arguments": {}}'))
    assert parsed.attempted and parsed.defects


def row(run: str, seed, id: int, exact: int, tool: int | None = None) -> dict:
    known = {"run": run, "seed": seed, "suite": "s", "id": f"c{id}", "tool": f"t{id if tool is None else tool}", "exact": exact}
    return dict.fromkeys(formats_table.COLUMNS, "") | known


def cases(rates: dict[str, list[int]], n: int = 60) -> list[dict]:
    """For each run and seed, the first so many of n cases right; the base has one row a case."""
    return [row(run, "" if run.startswith("base") else seed, id, int(id < right), id // 2)
            for run, rights in rates.items() for seed, right in enumerate(rights) for id in range(n)]


def test_rates_and_differences():
    scores = formats_table.Scores(cases({"base, native": [6], "tool-calls": [30, 33, 36], "completion-only": [31, 33, 35]}), "s")
    found = formats_table.rates(scores, 0)
    assert found["tool-calls"]["exact"] == 0.55 and found["tool-calls"]["by_seed"] == [0.5, 0.55, 0.6]
    assert found["tool-calls"]["low"] < 0.45 and found["tool-calls"]["high"] > 0.65
    gain, same = formats_table.differences(scores, [("base, native", "tool-calls"), ("tool-calls", "completion-only")], 0)
    assert gain["difference"] == 0.45 and gain["by_seed"] == [0.4, 0.45, 0.5] and gain["word"] == "improved" and gain["p_holm"] < 0.01
    assert same["difference"] == 0 and same["p"] > 0.9 and same["word"] == "no difference shown"


def test_seeds_that_disagree_widen_the_interval():
    calm, wild = (formats_table.rates(formats_table.Scores(cases({"tool-calls": rights}), "s"), 0)["tool-calls"]
                  for rights in ([30, 30, 30], [10, 30, 50]))
    assert calm["exact"] == wild["exact"] and wild["high"] - wild["low"] > 1.3 * (calm["high"] - calm["low"])


def test_a_word_needs_both_the_test_and_the_interval():
    """Every seed's gain is proof over the tools; seeds that disagree so much are none over trainings."""
    scores = formats_table.Scores(cases({"base, native": [0], "tool-calls": [5, 10, 58]}), "s")
    (gain,) = formats_table.differences(scores, [("base, native", "tool-calls")], 0)
    assert gain["p_holm"] < 0.05 and gain["low"] < 0 < gain["high"] and gain["word"] == "no difference shown"


def test_holm():
    assert formats_table.holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert formats_table.holm([0.6, 0.5]) == [1.0, 1.0] and formats_table.holm([]) == []


def test_what_is_written(tmp_path):
    made = cases({"base, tool_tags": [6], "base, native": [6], "manual-tags": [9, 9], "tool-calls": [30, 33], "completion-only": [31, 33]})
    found = formats_table.write(tmp_path, made, {"rows": 400, "planted": 40}, 0)
    assert read_json(tmp_path / "summary.json") == found and found["seeds"] == [0, 1]
    assert [(one["against"], one["run"]) for one in found["suites"]["s"]["differences"]] == [
        ("base, tool_tags", "manual-tags"), ("base, native", "tool-calls"), ("base, native", "completion-only"), ("manual-tags", "tool-calls"),
        ("manual-tags", "completion-only"), ("tool-calls", "completion-only")]
    with (tmp_path / "cases.csv").open() as handle:
        assert len(list(csv.DictReader(handle))) == len(made)
    assert "| tool-calls minus base, native | +42.5 |" in (tmp_path / "table.md").read_text()
