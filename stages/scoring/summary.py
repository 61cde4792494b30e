"""The figures of many cases: every rate with k, n and its 95 % Wilson interval.

    summarise(rows of score_case) -> {"cases": 320, "scores": {"strict": {"rate": 0.81, "low": ..., "high": ...,
                                      "k": 259, "n": 320}, ...}, "fields": ..., "ladder": ..., ...}
"""

from collections import Counter

import numpy as np
from sklearn.metrics import precision_recall_fscore_support

from stages.schema import DEFECTS
from stages.scoring import decision
from stages.scoring.outcomes import OUTCOMES
from stages.scoring.statistics import wilson
from stages.scoring.validity import RUNGS

DIGITS = 6  # of every figure: enough for any test, and stable in a diff


def summarise(cases: list[dict]) -> dict:
    """All figures of the rows of `score_case`; a rate over no cases is None.

    scores are over all cases to which they apply. ladder, fields: over those where a call is right, with
    micro = over all triples together and macro = the mean over cases. hallucination: tools of all calls, arguments
    of all arguments, values of all strings and numbers in them. decision: call or no call. The
    Wilson interval takes its n as independent, which the calls and values of one case are not quite.
    """
    calling = [case for case in cases if case["should_call"]]
    counted = [case for case in cases if case["field_f1"] is not None]  # those with gold calls or a gold object
    structured = [case for case in cases if "valid" in case]
    deciding = [case for case in cases if case["should_call"] is not None]
    return {
        "cases": len(cases),
        "scores": {name: _score(cases, name) for name in ("strict", "schema", "bfcl")},
        **({"structured": {name: _score(structured, name) for name in ("valid", "fits")}} if structured else {}),
        "fields": _fields(counted),
        "ladder": {
            name: share(sum(case["rung"] >= height for case in calling), len(calling))
            for height, name in enumerate(RUNGS, 1)
        },
        "hallucination": _hallucination(cases),
        "decision": _rounded(
            decision.scores([case["should_call"] for case in deciding], [case["does_call"] for case in deciding])
        ),
        "outcomes": _counts((case["outcome"] for case in cases), OUTCOMES),
        "defects": _counts((name for case in cases for name in set(case["defects"])), DEFECTS),
    }


def by_area(cases: list[dict]) -> dict[str, dict]:
    """{area: {"cases", "strict": share, "field_f1": micro F1}} of the rows of `score_case`."""
    areas = sorted({case["area"] for case in cases})
    parts = {name: [case for case in cases if case["area"] == name] for name in areas}
    return {name: {"cases": len(part), "strict": _score(part, "strict"),
                   "field_f1": _fields([case for case in part if case["field_f1"] is not None])["micro"]["f1"]} for name, part in parts.items()}


def _score(cases: list[dict], name: str) -> dict:
    """The share that a verdict finds right, of the cases to which it applies."""
    found = [case[name] for case in cases if case[name] is not None]
    return share(sum(found), len(found))


def share(k: int, n: int) -> dict:
    """{"rate", "low", "high", "k", "n"} of k in n."""
    interval = wilson(k, n)
    if interval is None:
        return {"rate": None, "low": None, "high": None, "k": 0, "n": 0}
    return _rounded({"rate": k / n, "low": interval.low, "high": interval.high, "k": int(k), "n": int(n)})


def _fields(cases: list[dict]) -> dict:
    total = {
        name: sum(case[name] for case in cases)
        for name in (
            "gold_calls", "right_names", "gold_arguments", "made_arguments", "named_arguments", "right_arguments"
        )
    }  # fmt: skip
    return {
        "function_name": share(total["right_names"], total["gold_calls"]),
        "arguments_given_name": share(total["right_arguments"], total["named_arguments"]),
        "arguments": share(total["right_arguments"], total["gold_arguments"]),
        "micro": _micro(total["right_arguments"], total["made_arguments"], total["gold_arguments"]),
        "macro_f1": _rounded({"f1": float(np.mean([case["field_f1"] for case in cases]))})["f1"] if cases else None,
    }


def _micro(right: int, made: int, wanted: int) -> dict:
    """Precision, recall and F1 from counts: three weighted rows stand for all true and false positives and misses."""
    if not made + wanted:
        return {"precision": None, "recall": None, "f1": None}
    precision, recall, f1, _ = precision_recall_fscore_support(
        [1, 0, 1], [1, 1, 0], sample_weight=[right, made - right, wanted - right], average="binary", zero_division=0
    )
    return _rounded(
        {"precision": float(precision) if made else None, "recall": float(recall) if wanted else None, "f1": float(f1)}
    )


def _hallucination(cases: list[dict]) -> dict:
    def total(name: str) -> int:
        return sum(case[name] for case in cases)

    any_kind = sum(bool(c["invented_tools"] or c["invented_arguments"] or c["invented_values"]) for c in cases)
    return {
        "tools": share(total("invented_tools"), total("made_calls")),
        "arguments": share(total("invented_arguments"), total("made_arguments")),
        "values": share(total("invented_values"), total("judged_values")),
        "cases": share(any_kind, len(cases)),
    }


def _counts(names, order) -> dict[str, int]:
    """How often each name occurs, in the order of the table that explains it; those that never do are left out."""
    found = Counter(names)
    return {name: found[name] for name in order if found[name]}


def _rounded(values: dict) -> dict:
    return {name: round(value, DIGITS) if isinstance(value, float) else value for name, value in values.items()}
