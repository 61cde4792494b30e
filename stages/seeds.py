"""Several training seeds as one experiment: the figures of `tuned` as mean and interval over its seeds.

    dvc exp run -S recipe=embedded -S seeds=[1,2,3]     trains 3 adapters more, predicts and scores them on the same cases

`seed` trained the subject `tuned`; each further seed is read from data/cases/seeds/<seed>/<suite>.jsonl. Everything else of
the run (rows, split, cases, base, prompted) is the same for all of them: what differs between them is the training alone.
"""

from dataclasses import dataclass

import numpy as np

from stages.errors import StageError
from stages.files import read_jsonl
from stages.params import Params
from stages.scoring.statistics import IMPROVED, NOT_SHOWN, WORSE, Interval, over_seeds, over_seeds_and_cases
from stages.suites import verdict

BASE, TUNED = "base", "tuned"


@dataclass(frozen=True)
class OverSeeds:
    """One suite over all seeds. rates: each seed's share of right cases, in [0, 1], the run's own `seed` first.

    sd: between seeds. seed_low, seed_high: Student's t over the seeds alone, so of another seed on these very cases. low, high: of
    another seed and other cases together (`over_seeds_and_cases`). difference: mean minus base, with its interval of that
    second kind; None without a subject base. word: what that interval allows to say.
    """

    seeds: list[int]
    rates: list[float]
    cases: int
    mean: float
    sd: float
    seed_low: float
    seed_high: float
    low: float | None
    high: float | None
    difference: float | None = None
    difference_low: float | None = None
    difference_high: float | None = None
    word: str | None = None


def over(by_seed: dict[int, list[dict]], base: list[dict] | None, suite: str) -> OverSeeds:
    """by_seed: the scored rows of each seed; base: those of the base model. Raises StageError where their cases differ."""
    score, seeds = verdict(suite), list(by_seed)
    ids = [row["id"] for row in by_seed[seeds[0]]]
    for name, rows in [*by_seed.items(), *([(BASE, base)] if base is not None else [])]:
        if [row["id"] for row in rows] != ids:
            raise StageError(f"{suite}: {name} and seed {seeds[0]} were scored on different cases: run `dvc repro` to predict and score again.")
    right, tools = np.array([[row[score] for row in rows] for rows in by_seed.values()], float), [row["tool"] for row in by_seed[seeds[0]]]
    rates = [float(rate) for rate in right.mean(axis=1)]
    spread, both = over_seeds(rates), over_seeds_and_cases(right, tools)
    found = {"low": max(both.low, 0.0), "high": min(both.high, 1.0)} if both else {"low": None, "high": None}
    if base is not None:
        gains = right - np.array([row[score] for row in base], float)
        interval = over_seeds_and_cases(gains, tools)
        found |= {"difference": float(gains.mean()), "difference_low": interval and interval.low, "difference_high": interval and interval.high,
                  "word": _word(interval)}
    return OverSeeds(seeds, rates, len(ids), spread["mean"], spread["sd"], max(spread["low"], 0.0), min(spread["high"], 1.0), **found)


def _word(interval: Interval | None) -> str:
    if interval is None or interval.low <= 0 <= interval.high:
        return NOT_SHOWN
    return IMPROVED if interval.low > 0 else WORSE


def measure(params: Params, cases: dict[str, dict[str, list[dict]]]) -> dict[str, OverSeeds]:
    """suite -> its figures over the seeds; empty when the parameters name no further seed. Raises FileError for a missing file."""
    if not params.seeds:
        return {}
    found = {}
    for suite, by_subject in cases.items():
        further = {seed: list(read_jsonl(f"data/cases/seeds/{seed}/{suite}.jsonl")) for seed in params.seeds}
        found[suite] = over({params.seed: by_subject[TUNED]} | further, by_subject.get(BASE), suite)
    return found


def table(found: dict[str, OverSeeds]) -> list[str]:
    """The lines on the screen; none without further seeds."""
    if not found:
        return []
    seeds = next(iter(found.values())).seeds
    lines = ["", f"tuned with {len(seeds)} training seeds ({', '.join(map(str, seeds))})",
             f"{'suite':<14} {'mean':>6}  {'sd':>5}  {'95 %, another seed':<18}  {'and other cases':<14}  mean minus base, 95 %: seeds and cases"]
    for suite, one in found.items():
        line = (f"{suite:<14} {100 * one.mean:5.1f}%  {100 * one.sd:5.1f}  {_between(one.seed_low, one.seed_high):<18}  "
                f"{_between(one.low, one.high):<14}")
        if one.difference is not None:
            line += f"  {100 * one.difference:+.1f} {_between(one.difference_low, one.difference_high, '+')}: {one.word}"
        lines.append(line.rstrip())
    return lines


def _between(low: float | None, high: float | None, sign: str = "") -> str:
    return "-" if low is None or high is None else f"[{100 * low:{sign}.1f}, {100 * high:{sign}.1f}]"


def figures(found: dict[str, OverSeeds]) -> dict:
    """What metrics/summary.json gets: four figures a suite."""
    return {suite: {"mean": round(one.mean, 6), "sd": round(one.sd, 6), "low": one.low and round(one.low, 6), "high": one.high and round(one.high, 6)}
            for suite, one in found.items()}
