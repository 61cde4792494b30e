"""evaluate: raw completions against gold, one subject on one suite.

    python -m stages.evaluate tuned held_out
        data/suites/held_out.jsonl             {"example": {...}, "prompt": "...", "completion": "..."}
        data/predictions/tuned/held_out.jsonl  {"id": "emb-17", "completion": "...", "finish": "stop", "tokens": 31}
    ->  metrics/tuned/held_out.json            the figures (`scoring.summary`)
        data/cases/tuned/held_out.jsonl        each case: parsed calls, defects, outcome, verdicts (`scoring.case`)

An Example made from the benchmark brings its own accepted values and category for the bfcl verdict.
"""

import argparse
from collections.abc import Callable, Iterator
from dataclasses import asdict

from stages import formats
from stages.console import StageError, main_guard, say
from stages.files import read_jsonl, write_json, write_jsonl
from stages.params import load
from stages.schema import Example, Parsed
from stages.scoring.case import score_case, score_without_gold
from stages.scoring.structured import score_answer
from stages.scoring.summary import by_area, share, summarise
from stages.suites import BALANCED, verdict


def paired(rows: list[dict], predictions: list[dict], what: str) -> Iterator[tuple[dict, dict]]:
    """Each suite row with its prediction, in the suite's order. Raises StageError unless they match one to one."""
    ids = [row["example"]["id"] for row in rows]
    by_id = {prediction["id"]: prediction for prediction in predictions}
    remedy = "run `dvc repro` to predict again"
    if not rows:
        raise StageError(f"{what}: the suite has no case: ask for fewer suites, or for more data.")
    if len(set(ids)) != len(ids):
        raise StageError(f"{what}: the suite has the id {_first_twice(ids)!r} twice: run `dvc repro` to split again.")
    if len(by_id) != len(predictions):
        twice = _first_twice([prediction["id"] for prediction in predictions])
        raise StageError(f"{what}: {twice!r} has more than one prediction: {remedy}.")
    if missing := [id for id in ids if id not in by_id]:
        raise StageError(f"{what}: {len(missing)} of {len(ids)} cases have no prediction, {missing[0]!r} first: {remedy}.")
    if len(by_id) > len(ids):
        strange = next(id for id in by_id if id not in set(ids))
        raise StageError(f"{what}: the prediction {strange!r} belongs to no case of the suite: {remedy}.")
    return ((row, by_id[id]) for row, id in zip(rows, ids))


def _first_twice(ids: list[str]) -> str:
    seen = set()
    return next(id for id in ids if id in seen or seen.add(id))


def score(row: dict, prediction: dict, parse: Callable[[str], Parsed], answer: Callable[[str], str] = str) -> dict:
    """One row of the cases file: what was read from the completion, and every verdict on it. parse, answer: the dialect's."""
    parsed, said = parse(prediction["completion"]), answer(prediction["completion"]).strip()
    example = Example.from_json(row["example"])
    if example.schema is not None:
        scores = score_answer(example, said, parsed)
    elif example.labels.get("expect") == "call" and not example.calls:
        scores = score_without_gold(example, parsed)
    elif example.accepted is not None:
        scores = score_case(example, parsed, example.accepted, example.labels["category"])
    else:
        scores = score_case(example, parsed)
    read = {"calls": [asdict(call) for call in parsed.calls], "reply": parsed.reply}
    if scores.get("valid"):  # an object may look like a call
        read = {"calls": [], "reply": said}
    return scores | read | {"finish": prediction.get("finish"), "tokens": prediction.get("tokens")}


def figures(cases: list[dict], suite: str) -> dict:
    """The metrics file: `summarise`, the domains of a suite that is balanced over them, and how the generation ended."""
    tokens = [case["tokens"] for case in cases if case["tokens"] is not None]
    return summarise(cases) | ({"areas": by_area(cases)} if suite in BALANCED else {}) | {
        "generation": {
            "tokens_mean": round(sum(tokens) / len(tokens), 2) if tokens else None,
            "cut_at_limit": share(sum(case["finish"] == "length" for case in cases), len(cases)),
        }
    }


@main_guard
def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Score one subject's completions on one suite.")
    parser.add_argument("subject")
    parser.add_argument("suite")
    args = parser.parse_args(argv)
    dialect = formats.get(load().dialect)
    name = f"{args.subject}/{args.suite}"
    rows, predictions = list(read_jsonl(f"data/suites/{args.suite}.jsonl")), list(read_jsonl(f"data/predictions/{name}.jsonl"))
    cases = [score(row, prediction, dialect.parse, dialect.answer) for row, prediction in paired(rows, predictions, name)]
    metrics = figures(cases, args.suite)
    write_jsonl(f"data/cases/{name}.jsonl", cases)
    write_json(f"metrics/{name}.json", metrics)
    right = metrics["scores"][verdict(args.suite)]
    say(f"evaluate {name}: {right['k']} of {right['n']} right, {right['rate']:.1%} [{right['low']:.1%}, {right['high']:.1%}]")


if __name__ == "__main__":
    main()
