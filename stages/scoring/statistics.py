"""Intervals and tests: what a number of cases can show, and the words that may be said about it.

All probabilities and rates are in [0, 1]; intervals are 95 % unless `level` says otherwise.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy import optimize, stats

ALPHA = 0.05
RESAMPLES = 10_000
IMPROVED, WORSE, NOT_SHOWN = "improved", "worse", "no difference shown"


@dataclass(frozen=True)
class Interval:
    low: float
    high: float


@dataclass(frozen=True)
class Comparison:
    """Tuned against base on the same n cases. difference = tuned - base, in [-1, 1].

    low, high: cluster bootstrap; None with fewer than two clusters. p: exact McNemar.
    better, worse: cases that only tuned, only base got right. word: what the test allows to say.
    """

    n: int
    base: float
    tuned: float
    difference: float
    low: float | None
    high: float | None
    better: int
    worse: int
    p: float
    word: str


def wilson(k: int, n: int, level: float = 1 - ALPHA) -> Interval | None:
    """Wilson's score interval for k of n (Wilson 1927); None for n = 0. Raises ValueError unless 0 <= k <= n."""
    if not 0 <= k <= n:
        raise ValueError(f"{k} of {n} is not a share")
    if n == 0:
        return None
    found = stats.binomtest(int(k), int(n)).proportion_ci(level, method="wilson")
    return Interval(float(found.low), float(found.high))


def wilson_mean(values, level: float = 1 - ALPHA) -> Interval | None:
    """Wilson's interval for the mean of scores in [0, 1], such as F1; None for no score. Raises ValueError for one out of range.

    A score in [0, 1] varies at most as much as a right-or-wrong verdict of the same mean, so the interval is rather too wide
    than too narrow, and never of width 0. The interval takes whole counts: the sum of the scores is rounded outwards.
    """
    values = np.asarray(values, float)
    if not len(values):
        return None
    if values.min() < 0 or values.max() > 1:
        raise ValueError(f"a score of {values[(values < 0) | (values > 1)][0]} is not in [0, 1]")
    total = round(float(values.sum()), 9)
    return Interval(wilson(math.floor(total), len(values), level).low, wilson(math.ceil(total), len(values), level).high)


def mcnemar(base, tuned) -> float:
    """Exact two-sided McNemar p-value of two boolean arrays over the same cases (n,).

    Among the cases where they differ, each is equally likely to be the right one under no difference
    (McNemar 1947). 1.0 where they never differ. Raises ValueError for unequal lengths.
    """
    better, worse = discordant(base, tuned)
    return float(stats.binomtest(better, better + worse, 0.5).pvalue) if better + worse else 1.0


def discordant(base, tuned) -> tuple[int, int]:
    """The number of cases that only tuned, and that only base got right."""
    base, tuned = np.asarray(base, bool), np.asarray(tuned, bool)
    if base.shape != tuned.shape:
        raise ValueError(f"{base.size} base cases cannot be paired with {tuned.size} tuned cases")
    return int((tuned & ~base).sum()), int((base & ~tuned).sum())


def cluster_bootstrap(base, tuned, clusters, seed: int, resamples: int = RESAMPLES) -> Interval | None:
    """Percentile interval of mean(tuned) - mean(base), resampling whole clusters of cases.

    base, tuned: scores per case (n,), booleans or numbers. clusters: a label per case (n,): cases of one
    tool rise and fall together, and resampling them one by one would make the interval too narrow.
    None with fewer than two clusters. Clusters of unequal size give a ratio of two sums.
    """
    _, place = np.unique(np.asarray(clusters, str), return_inverse=True)
    sizes = np.bincount(place)
    if len(sizes) < 2:
        return None
    gains = np.bincount(place, weights=np.asarray(tuned, float) - np.asarray(base, float))
    return _ratio(gains, sizes, seed, resamples)


def ratio_interval(top, bottom, seed: int, resamples: int = RESAMPLES) -> Interval | None:
    """Percentile bootstrap interval of sum(top) / sum(bottom), resampling the n pairs: a loss a token over passages of unequal length.

    None with fewer than two pairs. Raises ValueError for unequal lengths.
    """
    top, bottom = np.asarray(top, float), np.asarray(bottom, float)
    if top.shape != bottom.shape:
        raise ValueError(f"{top.size} values cannot be paired with {bottom.size}")
    return _ratio(top, bottom, seed, resamples) if len(top) > 1 else None


def _ratio(top, bottom, seed: int, resamples: int) -> Interval:
    found = stats.bootstrap(
        (top, bottom),
        lambda top, bottom, axis: top.sum(axis=axis) / bottom.sum(axis=axis),
        paired=True,
        vectorized=True,
        n_resamples=resamples,
        batch=max(1, 4_000_000 // len(top)),  # bounds the memory at about 100 MB
        confidence_level=1 - ALPHA,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return Interval(float(found.low), float(found.high))


def paired_interval(better: int, worse: int, n: int, level: float = 1 - ALPHA) -> Interval:
    """Interval of (better - worse) / n on the same n cases, also where few or none differ (Agresti and Min 2005, Stat. Med. 24:729).

    Half a case is added to each cell of the 2 x 2 table, so that no interval has width 0. Raises ValueError for n < 1.
    """
    if n < 1:
        raise ValueError("no cases to compare")
    size, middle = n + 2, (better - worse) / (n + 2)
    half = float(stats.norm.ppf((1 + level) / 2)) * max((better + worse + 1) / size - middle**2, 0) ** 0.5 / size**0.5
    return Interval(max(middle - half, -1.0), min(middle + half, 1.0))


def compare(base, tuned, clusters, seed: int) -> Comparison:
    """Both paired tests of two boolean arrays over the same cases. Raises ValueError when there are none."""
    base, tuned = np.asarray(base, bool), np.asarray(tuned, bool)
    better, worse = discordant(base, tuned)
    if not len(base):
        raise ValueError("no cases to compare")
    p = mcnemar(base, tuned)
    interval = cluster_bootstrap(base, tuned, clusters, seed)
    difference = (better - worse) / len(base)
    return Comparison(
        n=len(base),
        base=float(base.mean()),
        tuned=float(tuned.mean()),
        difference=difference,
        low=interval and interval.low,
        high=interval and interval.high,
        better=better,
        worse=worse,
        p=p,
        word=verdict(difference, p),
    )


def verdict(difference: float, p: float, alpha: float = ALPHA) -> str:
    """The word that a paired test allows: "improved" and "worse" only below alpha."""
    if p >= alpha or not difference:
        return NOT_SHOWN
    return IMPROVED if difference > 0 else WORSE


def over_seeds(values: list[float], level: float = 1 - ALPHA) -> dict:
    """Mean, sample standard deviation and Student's t interval of one figure over several seeds.

    With a single seed the deviation and the interval are None. Raises ValueError for no value.
    """
    if not values:
        raise ValueError("no seed has a value")
    mean, n = float(np.mean(values)), len(values)
    if n == 1:
        return {"n": 1, "mean": mean, "sd": None, "low": None, "high": None}
    sd = float(np.std(values, ddof=1))
    low, high = stats.t.interval(level, n - 1, loc=mean, scale=sd / n**0.5) if sd else (mean, mean)
    return {"n": n, "mean": mean, "sd": sd, "low": float(low), "high": float(high)}


def over_seeds_and_cases(scores, clusters, level: float = 1 - ALPHA) -> Interval | None:
    """The interval of a mean over seeds and cases, as another seed and other cases of this kind would have given another one.

    scores: (seeds, cases), one figure for each, in any unit. clusters: a label per case, as in `cluster_bootstrap`.
    Two variances are added: of the seeds' means, and of the cases' means over seeds, by cluster (linearised, with the factor
    C / (C - 1); Cameron and Miller 2015, J. Human Resources 50:317). Student's t, with degrees of freedom by Welch and
    Satterthwaite. What seed and case do together is in both, so the interval is rather too wide than too narrow.
    None with fewer than two seeds or two clusters.
    """
    scores = np.asarray(scores, float)
    _, place = np.unique(np.asarray(clusters, str), return_inverse=True)
    seeds, groups = len(scores), place.max(initial=-1) + 1
    if seeds < 2 or groups < 2:
        return None
    mean = float(scores.mean())
    between = float(scores.mean(axis=1).var(ddof=1)) / seeds
    sums = np.bincount(place, weights=scores.mean(axis=0) - mean)
    within = float((sums**2).sum()) / scores.shape[1] ** 2 * groups / (groups - 1)
    if not between + within:
        return Interval(mean, mean)
    freedom = (between + within) ** 2 / (between**2 / (seeds - 1) + within**2 / (groups - 1))
    half = float(stats.t.ppf((1 + level) / 2, freedom)) * (between + within) ** 0.5
    return Interval(mean - half, mean + half)


def smallest_difference(n: int, differing: float = 0.3, power: float = 0.8, alpha: float = ALPHA) -> float | None:
    """The smallest true difference that a paired test on n cases shows with the given power.

    differing: the share of cases on which exactly one of the two is right. Solves
    sqrt(n) d = z(1 - alpha/2) sqrt(differing) + z(power) sqrt(differing - d^2) for d
    (Connor 1987, Biometrics 43:207). None where even a difference of `differing` would be missed.
    """
    if n < 1 or not 0 < differing <= 1:
        return None
    wanted, powered = stats.norm.ppf([1 - alpha / 2, power])

    def shortfall(d: float) -> float:
        return wanted * differing**0.5 + powered * max(differing - d * d, 0) ** 0.5 - n**0.5 * d

    if shortfall(differing) > 0:
        return None
    return float(optimize.brentq(shortfall, 0, differing))


# --- in words: the same ones in the table on the screen, in the report and in the gate ---


def points(test: Comparison) -> str:
    """The difference of two rates with its interval, in points of percent: +30.0 [+19.8, +40.4]."""
    between = f" [{100 * test.low:+.1f}, {100 * test.high:+.1f}]" if test.low is not None else ""
    return f"{100 * test.difference:+.1f}{between}"


def p_value(test: Comparison) -> str:
    return "p < 0.001" if test.p < 0.001 else f"p = {test.p:.3f}"


def power_note(test: Comparison) -> str:
    """With nothing shown: the difference that these cases could have shown, as absence of proof is no proof of absence; else empty."""
    if test.word != NOT_SHOWN:
        return ""
    least = smallest_difference(test.n, (test.better + test.worse) / test.n)
    return f"{test.n} cases show {100 * least:.0f} points or more" if least else "too few cases that differ"
