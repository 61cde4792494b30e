"""budget: what tuning has cost, against what it may cost.

    python -m stages.budget     data/cases/{base,tuned}/<suite>.jsonl  data/text_loss/{base,tuned}.jsonl
    ->  metrics/budget.json     {"verdict": ..., "text_loss": {...}, "checks": {"no_tool": {"value": 0.1, "low": ..., ...}}}
        metrics/{base,tuned}/text.json

Three things that the base could do are compared: to make no call where none is right, to handle tools that no training row
holds, and to predict plain text. A cost is base minus tuned (for the loss: tuned over base, minus 1), so that what was gained
is below 0. `checks` gives plain `checks.Check`s, of which the limit is the largest cost allowed; docs/budget.md explains the intervals.
"""

from stages.checks import Check, together
from stages.console import main_guard, say
from stages.errors import StageError
from stages.files import read_jsonl, write_json
from stages.params import Budget, Params, load
from stages.scoring.statistics import compare, paired_interval, ratio_interval
from stages.suites import verdict

BASE, TUNED = "base", "tuned"
ABSTENTION = ("no_tool", "missing_value", "result_reply", "bfcl_irrelevance")  # suites in which no call is right
HELD_OUT = ("held_out", "held_out_dialogue")
DIGITS = 6


def limits(budget: Budget, suites: list[str]) -> dict[str, tuple[float, str]]:
    """suite -> (the largest cost allowed, what it is about), of the suites that the budget holds for."""
    found = {}
    for names, limit, about in ((ABSTENTION, budget.abstention, "cases in which no call is right"),
                                (HELD_OUT, budget.held_out, "cases that call a tool which no training row holds")):
        if limit is not None:
            found |= {suite: (limit, about) for suite in suites if suite in names}
    return found


def suite_check(suite: str, base: list[dict], tuned: list[dict], limit: float, about: str, seed: int) -> Check:
    """Share right of base minus that of tuned on the same cases. Its interval is the wider, at each end, of the cluster bootstrap
    by tool and of the paired interval that has no width 0 where the two never differ.

    Raises StageError when the cases differ.
    """
    if [case["id"] for case in base] != [case["id"] for case in tuned]:
        raise StageError(f"{BASE} and {TUNED} were scored on different cases of {suite}: run `dvc repro` to predict and score again.")
    score = verdict(suite)
    test = compare([case[score] for case in base], [case[score] for case in tuned], [case["tool"] for case in tuned], seed)
    plain = paired_interval(test.worse, test.better, test.n)
    low, high = (plain.low, plain.high) if test.low is None else (min(plain.low, -test.high), max(plain.high, -test.low))
    return Check(suite, f"cost on {suite.replace('_', ' ')}", -test.difference, low, high, limit, test.n, True,
                 f"share right of {BASE} minus that of {TUNED}: {about}")


def text_check(base: list[dict], tuned: list[dict], limit: float, seed: int) -> Check:
    """Loss on general text of tuned over that of base, minus 1; bootstrap over passages, each with both its losses.

    base, tuned: rows of data/text_loss. Raises StageError when they are of different passages.
    """
    if [(row["id"], row["tokens"]) for row in base] != [(row["id"], row["tokens"]) for row in tuned]:
        raise StageError(f"{BASE} and {TUNED} were measured on different texts: run `dvc repro` to measure again.")
    before, after = [row["nats"] for row in base], [row["nats"] for row in tuned]
    interval = ratio_interval(after, before, seed)
    return Check("text_loss", "cost on general text", sum(after) / sum(before) - 1, interval.low - 1, interval.high - 1, limit, len(base), True,
                 f"loss a token of {TUNED} over that of {BASE}, minus 1: passages of plain text")


def text_figures(rows: list[dict], seed: int) -> dict:
    """metrics/<subject>/text.json: nats a token with its interval over passages, and by kind of text."""
    kinds = {kind: [row for row in rows if row["kind"] == kind] for kind in sorted({row["kind"] for row in rows})}
    interval = ratio_interval([row["nats"] for row in rows], [row["tokens"] for row in rows], seed)
    return {"nats_per_token": _loss(rows), "low": round(interval.low, DIGITS), "high": round(interval.high, DIGITS), "passages": len(rows),
            "tokens": sum(row["tokens"] for row in rows), "by_kind": {kind: _loss(found) for kind, found in kinds.items()}}


def _loss(rows: list[dict]) -> float:
    return round(sum(row["nats"] for row in rows) / sum(row["tokens"] for row in rows), DIGITS)


def checks(cases: dict[str, dict[str, list[dict]]], text: dict[str, list[dict]], params: Params) -> list[Check]:
    """All checks that the parameters ask for. cases: suite -> subject -> rows; text: subject -> rows of data/text_loss.

    Suites are compared only where both base and tuned are among the subjects.
    """
    made = [suite_check(suite, cases[suite][BASE], cases[suite][TUNED], limit, about, params.seed)
            for suite, (limit, about) in limits(params.budget, list(cases)).items() if {BASE, TUNED} <= cases[suite].keys()]
    if params.budget.text_loss is not None:
        made.append(text_check(text[BASE], text[TUNED], params.budget.text_loss, params.seed))
    return made


def table(found: dict) -> list[str]:
    """The lines on the screen for one metrics/budget.json."""
    lines = [f"{'what tuning cost':<28} {'cost':>7}  {'95 % interval':<18} {'at most':>7} {'n':>5}  verdict"]
    for check in found["checks"].values():
        between = f"[{100 * check['low']:+.1f}, {100 * check['high']:+.1f}]"
        more = f" (about {check['needed']:,} cases would decide)" if check["needed"] else ""
        lines.append(f"{check['title']:<28} {100 * check['value']:+6.1f}%  {between:<18} {100 * check['limit']:6g}% {check['n']:>5}  "
                     f"{check['verdict']}{more}")
    return [*lines, f"regression budget: {found['verdict']}"]


@main_guard
def main() -> None:
    params = load()
    names = [name for name in (BASE, TUNED) if name in params.subjects]
    cases = {suite: {name: list(read_jsonl(f"data/cases/{name}/{suite}.jsonl")) for name in names} for suite in limits(params.budget, params.suites)}
    text = {name: list(read_jsonl(f"data/text_loss/{name}.jsonl")) for name in (BASE, TUNED)}
    figures, made = {name: text_figures(rows, params.seed) for name, rows in text.items()}, checks(cases, text, params)
    found = {"verdict": together(made), "text_loss": {name: one["nats_per_token"] for name, one in figures.items()},
             "checks": {check.name: check.to_json() for check in made}}
    for name, one in figures.items():
        write_json(f"metrics/{name}/text.json", one)
    write_json("metrics/budget.json", found)
    say("\n".join(table(found)))


if __name__ == "__main__":
    main()
