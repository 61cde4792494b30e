"""summary: base, prompted and tuned side by side, and the dozen figures that a reviewer diffs.

    python -m stages.summary
        data/cases/<subject>/<suite>.jsonl, of every subject and suite in the parameters; metrics/budget.json
    ->  metrics/summary.json, and the table on the screen

The first suite in the parameters is the headline. All figures are exact match (`strict`), or a benchmark's own
verdict for its suites (`suites.verdict`); "tuned" stands
for the last subject in the parameters, which is compared with each of the others on the same cases. With several `seeds`
the mean and interval over them follow (stages/seeds.py).
"""

from stages import seeds
from stages.checks import FAIL, NOT_DECIDABLE, PASS
from stages.console import StageError, main_guard, say
from stages.files import read_json, read_jsonl, write_json
from stages.params import load
from stages.scoring.statistics import Comparison, compare, p_value, points, power_note
from stages.scoring.summary import share, summarise
from stages.suites import verdict

Cases = dict[str, dict[str, list[dict]]]  # suite -> subject -> rows of the cases file
BASE = "base"


def comparisons(subjects: dict[str, list[dict]], score: str, seed: int) -> dict[str, Comparison]:
    """The last subject against each other one, on one suite. Raises StageError when their cases differ."""
    *others, last = subjects
    tuned = subjects[last]
    for other in others:
        if [case["id"] for case in subjects[other]] != [case["id"] for case in tuned]:
            raise StageError(f"{other} and {last} were scored on different cases: run `dvc repro` to predict and score again.")
    right = {name: [case[score] for case in cases] for name, cases in subjects.items()}
    return {other: compare(right[other], right[last], [case["tool"] for case in tuned], seed) for other in others}


def headline(cases: Cases, seed: int) -> dict:
    """What metrics/summary.json holds: rates in [0, 1], 8 figures for the first suite and 2 for each other."""
    found = {}
    for place, (suite, subjects) in enumerate(cases.items()):
        score = verdict(suite)
        rates = {name: share(sum(case[score] for case in rows), len(rows)) for name, rows in subjects.items()}
        last = list(subjects)[-1]
        against = comparisons(subjects, score, seed).get(BASE)
        row = {name: rate["rate"] for name, rate in rates.items() if place == 0 or name == last}
        if place == 0:
            row |= {"cases": rates[last]["n"], f"{last}_low": rates[last]["low"], f"{last}_high": rates[last]["high"]}
        if against:
            row[f"{last}_minus_{BASE}"] = round(against.difference, 6)
            if place == 0:
                row[f"{last}_minus_{BASE}_p"] = float(f"{against.p:.3g}")
        found[suite] = row
    return {"exact_match": found}


def of_budget(found: dict) -> dict:
    """What metrics/summary.json holds of metrics/budget.json: the loss on general text, and how many checks ended how."""
    verdicts = [check["verdict"] for check in found["checks"].values()]
    return {"text_loss": found["text_loss"], "budget": {word.replace(" ", "_"): verdicts.count(word) for word in (PASS, FAIL, NOT_DECIDABLE)}}


def table(cases: Cases, seed: int) -> list[str]:
    """The lines of the final table: each subject on each suite, and the last one's paired test against it."""
    last = list(next(iter(cases.values())))[-1]
    lines = [f"{'suite':<14} {'cases':>5}  {'subject':<10} {'exact':>6}  {'95 % interval':<14}  {last} minus this, paired"]
    for suite, subjects in cases.items():
        tests = comparisons(subjects, verdict(suite), seed)
        for place, (name, rows) in enumerate(subjects.items()):
            rate = share(sum(case[verdict(suite)] for case in rows), len(rows))
            left = f"{suite if not place else '':<14} {len(rows) if not place else '':>5}  {name:<10}"
            interval = f"[{100 * rate['low']:.1f}, {100 * rate['high']:.1f}]"
            line = f"{left} {100 * rate['rate']:5.1f}%  {interval:<14}"
            lines.append(f"{line}  {_test(tests[name])}" if name in tests else line.rstrip())
            if "valid" in rows[0]:
                lines.append(f"{'':<22}{_structured(rows)}")
    return lines


def _structured(rows: list[dict]) -> str:
    """What exact match leaves out of a structured suite."""
    made = summarise(rows)
    rates = [f"{name} {100 * made['structured'][key]['rate']:.1f}%" for key, name in (("valid", "valid JSON"), ("fits", "fits the schema"))]
    fields = [f"{name} {'-' if value is None else f'{value:.3f}'}" for name, value in made["fields"]["micro"].items()]
    return f"{', '.join(rates)}; fields: {', '.join(fields)}"


def _test(test: Comparison) -> str:
    note = f" ({power_note(test)})" if power_note(test) else ""
    return f"{points(test)}, {p_value(test)}: {test.word}{note}"


def read_cases(subjects: list[str], suites: list[str]) -> Cases:
    """The rows of every cases file. Raises FileError for a missing one."""
    return {suite: {name: list(read_jsonl(f"data/cases/{name}/{suite}.jsonl")) for name in subjects} for suite in suites}


@main_guard
def main() -> None:
    params = load()
    cases = read_cases(params.subjects, params.suites)
    repeated = seeds.measure(params, cases)
    found = headline(cases, params.seed) | of_budget(read_json("metrics/budget.json"))
    write_json("metrics/summary.json", found | ({"over_seeds": seeds.figures(repeated)} if repeated else {}))
    say("\n".join(table(cases, params.seed) + seeds.table(repeated)))
    if params.scale == "smoke":
        say("summary: scale is smoke: this shows that the recipe runs, and says nothing about its model or its data")


if __name__ == "__main__":
    main()
