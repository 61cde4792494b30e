"""gate: is a subject good enough? Thresholds of the parameters against figures with intervals: pass, fail, or not decidable.

    python -m stages.gate --write   data/cases/<subject>/<suite>.jsonl  metrics/budget.json  ->  metrics/gate.json   (the stage: never fails a run)
    python -m stages.gate           metrics/gate.json  ->  a table and an exit code for CI, with no data at hand:
                                    0 pass, 1 fail (or an error), 2 not decidable with this number of cases

Judged is every subject whose answers are computed here; the last one decides. docs/gate.md says what each check measures.
"""

import argparse
import sys

from stages import summary
from stages.checks import EXIT_CODES, FAIL, NOT_DECIDABLE, PASS, Check, together
from stages.console import main_guard, say
from stages.domains import OTHER
from stages.errors import StageError
from stages.files import read_json, write_json
from stages.params import Params, load
from stages.scoring.statistics import ALPHA, compare, paired_interval, wilson, wilson_mean
from stages.scoring.validity import RUNGS
from stages.suites import verdict

READABLE = list(RUNGS).index("shape") + 1  # the rung of the validity ladder that "valid" means
TUNED = "tuned"
PROCEED, ITERATE, STOP, MEASURE = "proceed", "iterate", "stop", "measure more"


def judged(cases: summary.Cases, params: Params) -> dict[str, list[dict]]:
    """subject -> the rows that the gate is about, each once, with "right"; in one order for all subjects."""
    suites = params.gate.suites or [suite for suite in cases if not suite.startswith("bfcl_")] or list(cases)
    found = {}
    for suite in suites:
        for name, rows in cases[suite].items():
            found.setdefault(name, {}).update((row["id"], row | {"right": bool(row[verdict(suite)])}) for row in rows)
    return {name: [by_id[id] for id in sorted(by_id)] for name, by_id in found.items()}


def checks(rows: dict[str, list[dict]], subject: str, params: Params) -> list[Check]:
    """The checks of one subject that the parameters ask for; rows as `judged` gives them."""
    gate, calling = params.gate, [row for row in rows[subject] if row["should_call"]]
    single, later = ([row for row in calling if (row["turns"] == "single") is first] for first in (True, False))
    made = [
        _rate("single_turn_exact", "exact match, single turn", [row["right"] for row in single], gate.single_turn_exact,
              "single-turn cases where a call is right"),
        _mean("field_f1", "field F1", calling, gate.field_f1, "mean over the cases where a call is right"),
        _mean("multi_turn_f1", "field F1, multi-turn", later, gate.multi_turn_f1, "mean over the multi-turn cases where a call is right"),
        _rate("valid", "valid calls", [row["rung"] >= READABLE for row in calling], gate.valid,
              "calls written so that a plain reader gets names and arguments, where a call is right"),
        _spread(calling, gate.domain_spread, gate.domain_cases),
    ]
    servers = [name for name in rows if name != subject and params.endpoints.get(name)]
    made += [_distance(rows, subject, server, gate.endpoint_distance, params.seed) for server in servers]
    return [check for check in made if check]


def _rate(name: str, title: str, verdicts: list[bool], limit: float | None, about: str) -> Check | None:
    if limit is None:
        return None
    interval, n = wilson(sum(verdicts), len(verdicts)), len(verdicts)
    return Check(name, title, *((sum(verdicts) / n, interval.low, interval.high) if interval else (None, None, None)), limit, n, about=about)


def _mean(name: str, title: str, rows: list[dict], limit: float | None, about: str) -> Check | None:
    if limit is None:
        return None
    values = [row["field_f1"] for row in rows if row["field_f1"] is not None]
    interval = wilson_mean(values)
    found = (sum(values) / len(values), interval.low, interval.high) if interval else (None, None, None)
    return Check(name, title, *found, limit, len(values), about=about)


def _spread(rows: list[dict], limit: float | None, least: int) -> Check | None:
    """The best domain's field F1 minus the worst one's, between bounds that hold for all domains at once (Bonferroni).

    The plain difference of the best and the worst of many noisy figures is large even where all domains are alike.
    """
    if limit is None:
        return None
    domains = {}
    for row in rows:
        if row["area"] != OTHER and row["field_f1"] is not None:
            domains.setdefault(row["area"], []).append(row["field_f1"])
    domains = {name: values for name, values in domains.items() if len(values) >= least}
    n, title = sum(map(len, domains.values())), "spread of field F1 over domains"
    if len(domains) < 2:
        return Check("domain_spread", title, None, None, None, limit, n, True, f"fewer than two domains with {least} cases")
    means = {name: sum(values) / len(values) for name, values in domains.items()}
    best, worst = max(means, key=means.get), min(means, key=means.get)
    bounds = [wilson_mean(values, 1 - ALPHA / len(domains)) for values in domains.values()]
    low = max(0.0, max(bound.low for bound in bounds) - min(bound.high for bound in bounds))
    high = max(bound.high for bound in bounds) - min(bound.low for bound in bounds)
    about = f"best ({best}) minus worst ({worst}) of {len(domains)} domains with at least {least} cases"
    return Check("domain_spread", title, means[best] - means[worst], low, high, limit, n, True, about)


def _distance(rows: dict[str, list[dict]], subject: str, server: str, limit: float | None, seed: int) -> Check | None:
    """How much more often the server is right, on the same cases; the wider of two paired intervals at each end."""
    if limit is None:
        return None
    name, title = f"distance_to_{server}", f"distance to {server}"
    if not rows[subject]:
        return Check(name, title, None, None, None, limit, 0, True, "no cases")
    test = compare([row["right"] for row in rows[server]], [row["right"] for row in rows[subject]], [row["tool"] for row in rows[subject]], seed)
    plain = paired_interval(test.worse, test.better, test.n)
    low, high = (plain.low, plain.high) if test.low is None else (min(plain.low, -test.high), max(plain.high, -test.low))
    return Check(name, title, -test.difference, low, high, limit, test.n, True, f"share right of {server} minus that of {subject}, same cases")


def decision(verdicts: dict[str, str], last: str) -> tuple[str, str]:
    """(decision, why) of a run: verdicts of its local subjects, of which `last` is the trained one."""
    for name in verdicts:
        if name != last and verdicts[name] == PASS:
            return STOP, f"{name} passes every check: fine-tuning is not needed for these thresholds"
    return {
        PASS: (PROCEED, f"{last} passes every check"),
        FAIL: (ITERATE, f"{last} fails at least one check"),
        NOT_DECIDABLE: (MEASURE, f"{last} fails no check, but these cases do not decide all of them"),
    }[verdicts[last]]


def budgeted(found: dict) -> list[Check]:
    """The checks of metrics/budget.json: what tuning may cost is a part of the gate."""
    derived = ("verdict", "needed")
    return [Check(name, **{key: value for key, value in one.items() if key not in derived}) for name, one in found["checks"].items()]


def report(by_subject: dict[str, list[Check]]) -> dict:
    """What metrics/gate.json holds, from each subject's list of checks; the last subject is the one that decides."""
    verdicts = {name: together(found) for name, found in by_subject.items()}
    last = list(by_subject)[-1]
    what, why = decision(verdicts, last)
    return {"subject": last, "verdict": verdicts[last], "decision": what, "why": why, "subjects": {
        name: {"verdict": verdicts[name], "checks": {check.name: check.to_json() for check in found}} for name, found in by_subject.items()}}


def table(found: dict) -> list[str]:
    """The lines on the screen for one metrics/gate.json."""
    lines = [f"{'gate of ' + found['subject']:<32} {'value':>6}  {'95 % interval':<15} {'limit':>8} {'n':>6}  verdict"]
    for check in found["subjects"][found["subject"]]["checks"].values():
        limit = f"{'<=' if check['at_most'] else '>='} {check['limit']:.2f}"
        value = "-" if check["value"] is None else f"{check['value']:.3f}"
        between = "-" if check["low"] is None else f"[{check['low']:.3f}, {check['high']:.3f}]"
        more = f" (about {check['needed']:,} cases would decide)" if check["needed"] else ""
        lines.append(f"{check['title']:<32} {value:>6}  {between:<15} {limit:>8} {check['n']:>6}  {check['verdict']}{more}")
    return [*lines, f"gate: {found['verdict']}; {found['decision']}: {found['why']}"]


def local_subjects(params: Params) -> list[str]:
    """Those whose answers are computed here; a server is what they are measured against. Raises StageError for none."""
    names = [name for name in params.subjects if not params.endpoints.get(name)]
    if not names:
        raise StageError("all subjects are endpoints, so the gate has none to judge: add tuned, prompted or base to subjects.")
    return names


@main_guard
def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Judge a run by the thresholds in the parameters. Exit code: 0 pass, 1 fail, 2 not decidable.")
    parser.error = lambda message: sys.exit(f"error: {message}")  # argparse would exit with 2, which means not decidable
    parser.add_argument("--write", action="store_true", help="write metrics/gate.json from the scored cases and exit with 0 whatever the verdict")
    parser.add_argument("--file", default="metrics/gate.json", help="what to read the verdict from (default: %(default)s)")
    args = parser.parse_args(argv)
    if not args.write:
        found = read_json(args.file)
        say("\n".join(table(found)))
        sys.exit(EXIT_CODES[found["verdict"]])
    params = load()
    rows = judged(summary.read_cases(params.subjects, params.suites), params)
    made = {name: checks(rows, name, params) for name in local_subjects(params)}
    if TUNED in made:
        made[TUNED] += budgeted(read_json("metrics/budget.json"))
    found = report(made)
    write_json(args.file, found)
    say("\n".join(table(found)))


if __name__ == "__main__":
    main()
