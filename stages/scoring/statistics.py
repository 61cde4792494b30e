"""Intervals and tests: what a number of cases can show, and the words that may be said about it.

All probabilities and rates are in [0, 1]; intervals are 95 % unless `level` says otherwise.
"""

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
    found = stats.bootstrap(
        (gains, sizes),
        lambda gain, size, axis: gain.sum(axis=axis) / size.sum(axis=axis),
        paired=True,
        vectorized=True,
        n_resamples=resamples,
        batch=max(1, 4_000_000 // len(sizes)),  # bounds the memory at about 100 MB
        confidence_level=1 - ALPHA,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return Interval(float(found.low), float(found.high))


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
