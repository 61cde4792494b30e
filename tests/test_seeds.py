"""Several training seeds: figures, words and files, on cases made by hand. tests/test_pipeline.py runs them through DVC."""

import numpy as np
import pytest
from scipy import stats

from stages import seeds, summary
from stages.errors import FileError, StageError
from stages.files import read_json, write_json
from stages.scoring import statistics
from tests import tiny


def rows(rights) -> list[dict]:
    return [{"id": f"c{i}", "strict": bool(right), "bfcl": not right, "tool": f"tool {i % 10}"} for i, right in enumerate(rights)]


def test_mean_and_interval_over_seeds():
    by_seed = {seed: rows(i < k for i in range(100)) for seed, k in ((42, 60), (1, 70), (2, 65))}
    found = seeds.over(by_seed, rows(i < 20 for i in range(100)), "held_out")
    assert (found.seeds, found.rates, found.cases) == ([42, 1, 2], [0.6, 0.7, 0.65], 100)
    low, high = stats.t.interval(0.95, 2, loc=0.65, scale=stats.sem([0.6, 0.7, 0.65]))
    assert (found.mean, found.sd, found.seed_low, found.seed_high) == pytest.approx((0.65, 0.05, low, high))
    assert found.difference == pytest.approx(0.45) and found.word == "improved"
    assert found.low <= found.mean <= found.high
    worse = seeds.over(by_seed, rows([True] * 100), "held_out")
    assert worse.word == "worse" and worse.difference_high < 0
    assert seeds.over(by_seed, None, "held_out").word is None
    assert seeds.over(by_seed, rows(i < 64 for i in range(100)), "held_out").word == "no difference shown"
    assert seeds.over(by_seed, None, "bfcl_multiple").rates == pytest.approx([0.4, 0.3, 0.35]), "a benchmark goes by its own verdict"


def test_different_cases_are_refused():
    with pytest.raises(StageError, match="held_out: 1 and seed 42 were scored on different cases"):
        seeds.over({42: rows([True, False]), 1: rows([True])}, None, "held_out")
    with pytest.raises(StageError, match="held_out: base and seed 42"):
        seeds.over({42: rows([True]), 1: rows([True])}, rows([True, True]), "held_out")


def test_read_from_the_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    params = tiny.params(seeds=[7], suites=["held_out"])
    cases = {"held_out": {"base": rows([False] * 20), "tuned": rows([True] * 20)}}
    with pytest.raises(FileError, match="data/cases/seeds/7/held_out.jsonl does not exist"):
        seeds.measure(params, cases)
    tiny.write_lines(tmp_path / "data/cases/seeds/7/held_out.jsonl", rows([True] * 15 + [False] * 5))
    found = seeds.measure(params, cases)
    assert found["held_out"].rates == [1.0, 0.75]
    lines = seeds.table(found)
    assert lines[1] == "tuned with 2 training seeds (42, 7)" and "87.5%" in lines[3] and "+87.5 [" in lines[3]
    assert set(seeds.figures(found)["held_out"]) == {"mean", "sd", "low", "high"}


def test_one_seed_changes_nothing():
    params = tiny.params()
    assert seeds.measure(params, {"held_out": {"base": [], "tuned": []}}) == {} and seeds.table({}) == []


def test_the_summary_has_them(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    tiny.write_params(tmp_path, seeds=[7], suites=["held_out"])
    for name, k in (("base", 2), ("tuned", 12), ("seeds/7", 10)):
        tiny.write_lines(tmp_path / f"data/cases/{name}/held_out.jsonl", rows(i < k for i in range(20)))
    write_json("metrics/budget.json", {"verdict": "pass", "text_loss": {}, "checks": {}})
    summary.main()
    assert "tuned with 2 training seeds" in capsys.readouterr().out
    assert read_json("metrics/summary.json")["over_seeds"]["held_out"]["mean"] == 0.55


def test_interval_over_seeds_and_cases_covers_at_least_95_percent():
    """A world in which seeds, tools, cases and their pairings all differ: the interval must hold the mean that lies behind."""
    rng, hits = np.random.default_rng(23), 0
    for _ in range(600):
        tool = np.repeat(rng.normal(0, 0.12, 40), 4)
        ease = 0.5 + rng.normal(0, 0.05, (4, 1)) + tool
        scores = rng.random((4, 160)) < ease
        found = statistics.over_seeds_and_cases(scores, np.repeat(np.arange(40), 4))
        hits += found.low <= 0.5 <= found.high
    assert 0.94 <= hits / 600 <= 0.99, hits / 600


def test_interval_over_seeds_and_cases_in_the_limits():
    rng = np.random.default_rng(1)
    scores = np.tile(rng.random(400) < 0.5, (3, 1))  # all seeds alike: the plain interval over cases
    found, half = statistics.over_seeds_and_cases(scores, range(400)), 1.966 * scores[0].std(ddof=1) / 20
    assert (found.low, found.high) == pytest.approx((scores.mean() - half, scores.mean() + half), abs=1e-3)
    flat = np.array([[0.4] * 50, [0.5] * 50, [0.6] * 50])  # all cases alike: Student's t over the seeds
    found, seed = statistics.over_seeds_and_cases(flat, range(50)), statistics.over_seeds([0.4, 0.5, 0.6])
    assert (found.low, found.high) == pytest.approx((seed["low"], seed["high"]))
    assert statistics.over_seeds_and_cases(flat[:1], range(50)) is None and statistics.over_seeds_and_cases(flat, ["one tool"] * 50) is None
    assert statistics.over_seeds_and_cases(np.ones((2, 9)), range(9)) == statistics.Interval(1.0, 1.0)
