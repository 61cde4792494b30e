"""Intervals and tests: equal to statsmodels and SciPy on grids, and as often right as they promise."""

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar
from statsmodels.stats.proportion import proportion_confint

from stages.scoring import statistics as s

GRID = [(k, n) for n in (1, 2, 5, 17, 100, 1240) for k in sorted({0, 1, n // 3, n // 2, n - 1, n})]


@pytest.mark.parametrize("k, n", GRID)
def test_wilson_equals_statsmodels(k, n):
    found = s.wilson(k, n)
    low, high = proportion_confint(k, n, method="wilson")
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-9)
    assert 0 <= found.low <= k / n + 1e-12 and k / n - 1e-12 <= found.high <= 1


def test_wilson_of_nothing_and_of_nonsense():
    assert s.wilson(0, 0) is None
    with pytest.raises(ValueError, match="5 of 4"):
        s.wilson(5, 4)


def answers(both: int, better: int, worse: int, neither: int):
    base = [True] * both + [False] * better + [True] * worse + [False] * neither
    tuned = [True] * both + [True] * better + [False] * worse + [False] * neither
    return np.array(base), np.array(tuned)


@pytest.mark.parametrize("better, worse", [(0, 0), (0, 1), (5, 0), (6, 0), (9, 3), (30, 14), (14, 30), (50, 50), (300, 2)])
def test_mcnemar_equals_statsmodels(better, worse):
    base, tuned = answers(40, better, worse, 30)
    expected = statsmodels_mcnemar([[40, better], [worse, 30]], exact=True).pvalue
    assert s.mcnemar(base, tuned) == pytest.approx(min(expected, 1.0))


def test_mcnemar_of_unequal_lengths():
    with pytest.raises(ValueError, match="3 base cases"):
        s.mcnemar([True] * 3, [True] * 2)


def test_words():
    assert s.verdict(0.1, 0.049) == "improved"
    assert s.verdict(-0.1, 0.049) == "worse"
    assert s.verdict(0.1, 0.05) == "no difference shown"
    assert s.verdict(0.0, 0.001) == "no difference shown"


def test_bootstrap_is_seeded_and_surrounds_the_difference():
    base, tuned = answers(100, 60, 20, 120)
    clusters = [f"tool {i % 40}" for i in range(300)]
    once = s.cluster_bootstrap(base, tuned, clusters, 1)
    assert once.low < 40 / 300 < once.high
    assert once == s.cluster_bootstrap(base, tuned, clusters, 1)
    scores = np.random.default_rng(0).random((2, 300))  # booleans give the same few percentiles for any seed
    assert s.cluster_bootstrap(*scores, clusters, 1) != s.cluster_bootstrap(*scores, clusters, 2)


def test_bootstrap_equals_the_normal_interval_for_clusters_of_one():
    base, tuned = answers(300, 150, 50, 500)
    found = s.cluster_bootstrap(base, tuned, range(1000), 0)
    gains = tuned.astype(float) - base
    half = 1.96 * gains.std(ddof=1) / 1000**0.5
    assert (found.low, found.high) == pytest.approx((0.1 - half, 0.1 + half), abs=0.003)


def test_bootstrap_widens_for_cases_that_move_together():
    base, tuned = answers(0, 120, 0, 120)
    apart, together = (s.cluster_bootstrap(base, tuned, labels, 0) for labels in (range(240), [i // 20 for i in range(240)]))
    assert together.high - together.low > 2 * (apart.high - apart.low)


def test_bootstrap_needs_two_clusters():
    assert s.cluster_bootstrap([True, False], [True, True], ["a", "a"], 0) is None


def test_compare():
    base, tuned = answers(10, 30, 5, 55)
    found = s.compare(base, tuned, range(100), 0)
    assert (found.n, found.base, found.tuned, found.better, found.worse) == (100, 0.15, 0.4, 30, 5)
    assert found.difference == pytest.approx(0.25) and found.word == "improved"
    with pytest.raises(ValueError, match="no cases"):
        s.compare([], [], [], 0)


def test_over_seeds_equals_scipy():
    found = s.over_seeds([0.7, 0.8, 0.75])
    low, high = stats.t.interval(0.95, 2, loc=0.75, scale=stats.sem([0.7, 0.8, 0.75]))
    assert (found["mean"], found["sd"], found["low"], found["high"]) == pytest.approx((0.75, 0.05, low, high))
    assert s.over_seeds([0.7]) == {"n": 1, "mean": 0.7, "sd": None, "low": None, "high": None}
    assert s.over_seeds([0.5, 0.5])["low"] == 0.5
    with pytest.raises(ValueError):
        s.over_seeds([])


# The simulations are seeded: they always give the same result.
def test_wilson_covers_about_95_percent():
    rng = np.random.default_rng(7)
    for share, n in ((0.05, 100), (0.3, 60), (0.5, 320), (0.9, 100)):
        inside = [0] * (n + 1)
        for k in range(n + 1):
            found = s.wilson(k, n)
            inside[k] = found.low <= share <= found.high
        assert 0.93 < np.mean(np.array(inside)[rng.binomial(n, share, 20_000)]) < 0.975


def draw(rng, tools: int, each: int, gain: float):
    """Base and tuned on tools x each cases: cases of one tool are alike, tuned is right `gain` more often."""
    ease = rng.beta(2, 3, (tools, 1))
    base = rng.random((tools, each)) < ease * (1 - gain)
    tuned = rng.random((tools, each)) < ease * (1 - gain) + gain
    return base.ravel(), tuned.ravel(), np.repeat(np.arange(tools), each)


def test_bootstrap_covers_about_95_percent():
    rng = np.random.default_rng(11)
    hits = 0
    for trial in range(400):
        base, tuned, tools = draw(rng, tools=60, each=5, gain=0.2)
        found = s.cluster_bootstrap(base, tuned, tools, trial, resamples=1000)
        hits += found.low <= 0.2 <= found.high
    assert 0.92 <= hits / 400 <= 0.98


def test_paired_test_is_wrong_in_at_most_5_percent():
    rng = np.random.default_rng(13)
    words = []
    for _ in range(2000):
        base, tuned, _ = draw(rng, tools=60, each=5, gain=0.0)
        p = s.mcnemar(base, tuned)
        words.append(s.verdict(tuned.mean() - base.mean(), p))
    # The exact test keeps below its level: its p-values are steps.
    assert 0.025 <= np.mean([word != "no difference shown" for word in words]) <= 0.055


@pytest.mark.parametrize("n, differing", [(100, 0.3), (320, 0.3), (320, 0.5), (1000, 0.1)])
def test_smallest_difference_is_shown_in_80_percent(n, differing):
    least = s.smallest_difference(n, differing)
    rng = np.random.default_rng(17)
    better, worse = (differing + least) / 2, (differing - least) / 2
    shown = 0
    for k, lost, _ in rng.multinomial(n, [better, worse, 1 - better - worse], 3000):
        # Connor's formula is for the normal approximation of the test.
        shown += abs(k - lost) / max(k + lost, 1) ** 0.5 > 1.96
    assert 0.76 <= shown / 3000 <= 0.84


def test_smallest_difference_shrinks_with_n_or_is_out_of_reach():
    found = [s.smallest_difference(n) for n in (50, 100, 1000)]
    assert found == sorted(found, reverse=True)
    assert s.smallest_difference(20, 0.1) is None
    assert s.smallest_difference(0) is None


def test_wilson_of_means():
    for right, n in ((0, 5), (3, 9), (40, 40), (70, 100)):
        assert s.wilson_mean([1.0] * right + [0.0] * (n - right)) == s.wilson(right, n), "verdicts are scores of 0 and 1"
    between = s.wilson_mean([0.5] * 9)
    assert between == s.Interval(s.wilson(4, 9).low, s.wilson(5, 9).high), "4.5 of 9, rounded outwards"
    assert s.wilson_mean([0.1] * 10) == s.wilson(1, 10), "0.1 ten times is 1"
    assert s.wilson_mean([]) is None
    with pytest.raises(ValueError, match="1.5 is not in"):
        s.wilson_mean([0.2, 1.5])


def test_wilson_of_means_covers_at_least_95_percent():
    rng = np.random.default_rng(29)
    for a, b, n in ((0.4, 0.4, 20), (3, 1, 40), (0.2, 1.5, 60)):
        hits = 0
        for values in rng.beta(a, b, (1500, n)):
            found = s.wilson_mean(values)
            hits += found.low <= a / (a + b) <= found.high
        assert hits / 1500 >= 0.95, (a, b, n, hits / 1500)


def test_paired_interval_covers_about_95_percent_and_is_never_empty():
    assert s.paired_interval(0, 0, 3).low < -0.3 and s.paired_interval(0, 0, 3).high > 0.3
    assert s.paired_interval(3, 0, 3).high == 1.0
    with pytest.raises(ValueError, match="no cases"):
        s.paired_interval(0, 0, 0)
    rng = np.random.default_rng(31)
    # In the corner, where 4 cases are expected to differ and all in one direction, it covers a little less.
    for better, worse, n, least in ((0.3, 0.1, 60, 0.94), (0.1, 0.05, 100, 0.94), (0.02, 0.02, 100, 0.94), (0.1, 0.0, 40, 0.91)):
        hits = 0
        for k, lost, _ in rng.multinomial(n, [better, worse, 1 - better - worse], 3000):
            found = s.paired_interval(int(k), int(lost), n)
            hits += found.low <= better - worse <= found.high
        assert least <= hits / 3000 <= 0.99, (better, worse, n, hits / 3000)


def test_words_of_a_comparison():
    base, tuned = answers(0, 30, 5, 65)
    found = s.compare(base, tuned, range(100), 0)
    assert s.points(found).startswith("+25.0 [+1") and s.p_value(found) == "p < 0.001" and s.power_note(found) == ""
    none = s.compare(*answers(10, 3, 3, 20), ["a"] * 36, 0)
    assert s.points(none) == "+0.0" and s.p_value(none) == "p = 1.000" and s.power_note(none) == "too few cases that differ"
