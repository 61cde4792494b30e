"""comparison: any number of runs side by side, each a git revision, a DVC experiment, or the workspace.

    python -m stages.comparison main exp-rank-8 workspace   ->  comparison/comparison.json, runs.csv, suites.csv, gate.csv, pairs.csv

Figures come from the JSON files that git has at each revision. Paired tests need the scored cases, which DVC's cache has (or
`dvc fetch` gets); two runs are paired on a suite where both scored the same cases. Exit code as the gate's: 0 proceed (or stop: a subject
that was not trained passes), 1 iterate, 2 measure more. docs/gate.md has an example.
"""

import argparse
import csv
import io
import itertools
import json
import sys
from dataclasses import dataclass

import yaml

from stages.checks import EXIT_CODES, FAIL, NOT_DECIDABLE, PASS
from stages.console import main_guard, say
from stages.errors import StageError
from stages.files import write_json, write_text
from stages.gate import ITERATE, MEASURE, PROCEED, STOP
from stages.scoring.statistics import ALPHA, IMPROVED, NOT_SHOWN, Comparison, compare, p_value, points, power_note
from stages.scoring.statistics import verdict as word
from stages.suites import verdict

WORKSPACE = "workspace"


@dataclass(frozen=True)
class Run:
    """One run: its parameters as a flat mapping, its figures by subject and suite, metrics/gate.json, and the scored cases of its last subject.

    cases: suite -> rows in the order of their ids; None where neither git nor the cache has them.
    """

    name: str
    params: dict[str, object]
    subjects: list[str]
    figures: dict[str, dict[str, dict]]
    gate: dict | None
    cases: dict[str, list[dict] | None]

    @property
    def last(self) -> str:
        return self.subjects[-1]

    def rate(self, suite: str) -> dict | None:
        """The share of right cases of the last subject: {"rate", "low", "high", "k", "n"}."""
        found = self.figures[self.last].get(suite)
        return found and found["scores"][verdict(suite)]


def flat(values: dict, prefix: str = "") -> dict[str, object]:
    """{"train": {"lora": {"rank": 8}}} -> {"train.lora.rank": 8}"""
    found = {}
    for key, value in values.items():
        found |= flat(value, f"{prefix}{key}.") if isinstance(value, dict) and value else {f"{prefix}{key}": value}
    return found


def read(name: str) -> Run:
    """The run of a revision, an experiment or the workspace. Raises StageError for an unknown one or one without results."""
    from dvc.api import DVCFileSystem
    from dvc.exceptions import DvcException
    from dvc.scm import SCMError

    try:
        files = DVCFileSystem(".", rev=None if name == WORKSPACE else name)
        raw = yaml.safe_load(files.read_text("params.yaml"))
    except (SCMError, DvcException, OSError) as error:
        raise StageError(f"{name} cannot be read ({' '.join(str(error).split())}): name a git revision, an experiment of `dvc exp list`, "
                         f"or {WORKSPACE}.") from None

    def text(path: str) -> str | None:
        try:
            return files.read_text(path)
        except (DvcException, OSError):
            return None

    subjects, figures = raw["subjects"], {}
    for subject in subjects:
        found = {suite: text(f"metrics/{subject}/{suite}.json") for suite in raw["suites"]}
        figures[subject] = {suite: json.loads(content) for suite, content in found.items() if content is not None}
    if not figures[subjects[-1]]:
        raise StageError(f"{name} has no metrics/{subjects[-1]}/*.json: run `dvc repro` there and commit its metrics.")
    cases = {}
    for suite in figures[subjects[-1]]:
        content = text(f"data/cases/{subjects[-1]}/{suite}.jsonl")
        cases[suite] = None if content is None else sorted(map(json.loads, content.splitlines()), key=lambda row: row["id"])
    gate = text("metrics/gate.json")
    return Run(name, flat(raw), subjects, figures, gate and json.loads(gate), cases)


def paired(one: Run, other: Run, suite: str, seed: int) -> Comparison | str:
    """The test of `one` against `other`, or why there is none."""
    if suite not in one.figures[one.last] or suite not in other.figures[other.last]:
        return "only one of them has this suite"
    mine, theirs = one.cases[suite], other.cases[suite]
    if mine is None or theirs is None:
        return f"the cases of {one.name if mine is None else other.name} are not in the cache: run `dvc fetch`, or that run again"
    if [(row["id"], row["should_call"], row["tool"]) for row in mine] != [(row["id"], row["should_call"], row["tool"]) for row in theirs]:
        return "scored on different cases"
    score = verdict(suite)
    return compare([row[score] for row in theirs], [row[score] for row in mine], [row["tool"] for row in mine], seed)


def winner(runs: list[Run], suite: str, seed: int) -> tuple[str | None, str]:
    """(the run that is better than each other one on a suite, or None; why), by paired tests at a level shared between them (Bonferroni)."""
    measured = [run for run in runs if run.rate(suite)]
    if len(measured) < 2:
        return (measured[0].name, "it is the only one") if measured else (None, f"none has the suite {suite}")
    best = max(measured, key=lambda run: run.rate(suite)["rate"])
    level, doubts = ALPHA / (len(measured) - 1), []
    for other in measured:
        if other is best:
            continue
        test = paired(best, other, suite, seed)
        if isinstance(test, str):
            doubts.append(f"{other.name} ({test})")
        elif word(test.difference, test.p, level) != IMPROVED:
            doubts.append(f"{other.name} ({points(test)}, {p_value(test)})")
    if doubts:
        return None, f"{best.name} has the highest share on {suite}, but is not shown to be better than {', '.join(doubts)}"
    return best.name, f"{best.name} is better on {suite} than each other run, at p < {level:.3g} each"


def decide(runs: list[Run], seed: int) -> dict:
    """The phase decision over all runs: proceed with the winner of those that pass the gate, else measure more or iterate."""
    suite = next(iter(runs[0].figures[runs[0].last]))
    verdicts = {run.name: run.gate["verdict"] if run.gate else None for run in runs}
    passing = [run for run in runs if verdicts[run.name] == PASS]
    best, why = winner(passing or runs, suite, seed)
    if stop := [run for run in runs if run.gate and run.gate["decision"] == STOP]:
        decision, reason = STOP, f"{stop[0].name}: {stop[0].gate['why']}"
    elif passing:
        decision, reason = PROCEED, f"{', '.join(run.name for run in passing)}: every check passes"
    elif NOT_DECIDABLE in verdicts.values():
        undecided = [name for name, found in verdicts.items() if found == NOT_DECIDABLE]
        decision, reason = MEASURE, f"{', '.join(undecided)}: no check fails, but these cases do not decide all of them"
    else:
        ungated = [name for name, found in verdicts.items() if found is None]
        decision, reason = ITERATE, "no run passes the gate" + (f" ({', '.join(ungated)}: no metrics/gate.json)" if ungated else "")
    return {"decision": decision, "why": reason, "winner": best, "winner_why": why, "suite": suite}


def tables(runs: list[Run], seed: int) -> dict[str, list[dict]]:
    """The rows of each CSV file; rates in [0, 1]."""
    keys = list(dict.fromkeys(key for run in runs for key in run.params))
    differing = [key for key in keys if len({json.dumps(run.params.get(key), sort_keys=True) for run in runs}) > 1]
    made = {"runs": [], "suites": [], "gate": [], "pairs": []}
    for run in runs:
        suite = next(iter(run.figures[run.last]))
        rate = run.rate(suite)
        made["runs"].append({
            "run": run.name, "recipe": run.params.get("recipe"), "model": run.params.get("model.name"), "subject": run.last, "suite": suite,
            "cases": rate["n"], "right": rate["rate"], "low": rate["low"], "high": rate["high"],
            "gate": run.gate and run.gate["verdict"], "decision": run.gate and run.gate["decision"],
            **{key: run.params.get(key) for key in differing if key not in ("recipe", "model.name")}})
        for subject, by_suite in run.figures.items():
            for suite, found in by_suite.items():
                rate = found["scores"][verdict(suite)]
                made["suites"].append({"run": run.name, "suite": suite, "subject": subject, "cases": rate["n"], "right": rate["rate"],
                                       "low": rate["low"], "high": rate["high"], "field_f1": found["fields"]["macro_f1"]})
        for subject, found in (run.gate["subjects"] if run.gate else {}).items():
            for name, check in found["checks"].items():
                shown = {key: check[key] for key in ("value", "low", "high", "limit", "at_most", "n", "verdict")}
                made["gate"].append({"run": run.name, "subject": subject, "check": name, **shown})
    for one, other in itertools.combinations(runs, 2):
        for suite in dict.fromkeys((*one.figures[one.last], *other.figures[other.last])):
            test = paired(other, one, suite, seed)
            row = {"run": other.name, "against": one.name, "suite": suite}
            if isinstance(test, str):
                test, row["note"] = None, test
            made["pairs"].append({**row, "cases": test and test.n, "difference": test and round(test.difference, 6), "low": test and test.low,
                                  "high": test and test.high, "p": test and float(f"{test.p:.3g}"), "word": test.word if test else NOT_SHOWN,
                                  "note": power_note(test) if test else row["note"]})
    return made


def as_csv(rows: list[dict]) -> str:
    text = io.StringIO()
    if rows:
        writer = csv.DictWriter(text, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return text.getvalue()


def shown(rows: list[dict]) -> list[str]:
    """runs.csv on the screen."""
    lines = [f"{'run':<24} {'suite':<14} {'cases':>5}  {'right':>6}  {'95 % interval':<14}  {'gate':<14} decision"]
    for row in rows:
        between = f"[{100 * row['low']:.1f}, {100 * row['high']:.1f}]"
        lines.append(f"{row['run']:<24} {row['suite']:<14} {row['cases']:>5}  {100 * row['right']:>5.1f}%  {between:<14}  "
                     f"{row['gate'] or 'none':<14} {row['decision'] or '-'}")
    return lines


@main_guard
def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Compare runs. Exit code: 0 proceed or stop, 1 iterate (or an error), 2 measure more.")
    parser.error = lambda message: sys.exit(f"error: {message}")  # argparse would exit with 2, which means measure more
    parser.add_argument("runs", nargs="+", help=f"git revisions, DVC experiments, or {WORKSPACE}")
    parser.add_argument("--out", default="comparison", help="folder of the results (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=42, help="of the bootstrap (default: %(default)s)")
    args = parser.parse_args(argv)
    if len(set(args.runs)) != len(args.runs):
        raise StageError(f"{' '.join(args.runs)} names a run twice: name each once.")
    runs = [read(name) for name in args.runs]
    decision, made = decide(runs, args.seed), tables(runs, args.seed)
    write_json(f"{args.out}/comparison.json", {**decision, **made})
    for name, rows in made.items():
        write_text(f"{args.out}/{name}.csv", as_csv(rows))
    best = f"winner: {decision['winner'] or 'none shown'}; {decision['winner_why']}"
    say("\n".join([*shown(made["runs"]), f"{decision['decision']}: {decision['why']}", best, f"tables in {args.out}/"]))
    sys.exit(EXIT_CODES[{PROCEED: PASS, STOP: PASS, ITERATE: FAIL, MEASURE: NOT_DECIDABLE}[decision["decision"]]])


if __name__ == "__main__":
    main()
