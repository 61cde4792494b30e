"""Suites: which test rows are scored together. Each entry says what it holds and picks by an Example's labels.

A suite holds either cases in which a call is right or cases in which none is, never both: with a reply as the target any words are
right, so that a mixture would hide what became of the calls. docs/suites.md says how many cases the data sets give.
"""

from collections import defaultdict
from collections.abc import Iterable
from functools import partial

from stages.domains import OTHER
from stages.rank import rank

BFCL = ("simple_python", "multiple", "parallel", "parallel_multiple", "irrelevance")


def _calls(labels: dict) -> bool:
    return labels["turns"] == "single" and labels["kind"] in ("single", "parallel", "multiple")


def _in_dialogue(labels: dict) -> bool:
    return labels["turns"] != "single" and labels["kind"] in ("single", "parallel", "multiple")


def _category(name: str, labels: dict) -> bool:
    return labels.get("category") == name


SUITES = {
    "held_out": ("one request with a call, a called tool in no training row", lambda x: _calls(x) and x["tools"] == "held_out"),
    "seen_tools": ("one request with a call, of tools seen in training, said in other words", lambda x: _calls(x) and x["tools"] == "seen"),
    "held_out_dialogue": ("a call in the middle of a dialogue, a called tool in no training row",
                          lambda x: _in_dialogue(x) and x["tools"] == "held_out"),
    "seen_dialogue": ("a call in the middle of a dialogue, of tools seen in training", lambda x: _in_dialogue(x) and x["tools"] == "seen"),
    "calls": ("one request with a call, of any tools", _calls),
    "single": ("one request, one call", lambda x: x["turns"] == "single" and x["kind"] == "single"),
    "simple": ("one request, one call of at most 2 plain arguments", lambda x: _calls(x) and x["complexity"] == "simple"),
    "moderate": ("one request, 3 or 4 arguments or two calls", lambda x: _calls(x) and x["complexity"] == "moderate"),
    "complex": ("one request, nested or 5 and more arguments, or 3 and more calls", lambda x: _calls(x) and x["complexity"] == "complex"),
    "parallel": ("one request, several calls", lambda x: x["turns"] == "single" and x["kind"] in ("parallel", "multiple")),
    "domains": ("one request with a call, as many of each of ten domains", lambda x: _calls(x) and x.get("area", OTHER) != OTHER),
    "no_tool": ("no tool fits: right is a plain reply", lambda x: x["kind"] == "no_tool"),
    "missing_value": ("a required value is missing: right is to ask back", lambda x: x["kind"] == "missing"),
    "multi_turn": ("a call in the middle of a dialogue: after an answer, after a result, or changing an earlier one", _in_dialogue),
    "clarification": ("the call after the user has given what was missing", lambda x: _in_dialogue(x) and x["turns"] == "clarification"),
    "sequential": ("the next call after a tool's result", lambda x: _in_dialogue(x) and x["turns"] == "sequential"),
    "result_reply": ("the reply after a tool's result: right is no further call", lambda x: x["kind"] == "answer"),
    **{f"bfcl_{name}": (f"the benchmark's category {name}, by its own verdict", partial(_category, name)) for name in BFCL},
    "context": ("a request that changes part of an earlier one", lambda x: _in_dialogue(x) and x["turns"] == "context"),
    "structured": ("right is a JSON object of a given schema; no tools", lambda x: x["kind"] == "structured"),
    "hand": ("the prompts of hand.path, with a call or a reply as expected", partial(_category, "hand")),
}
BALANCED = {"domains": "area"}  # suite -> the label of which it has equally many cases of each value
APART = ("bfcl_", "hand")  # these suites have their own rows, marked by the label category, and no other suite has them


def verdict(suite: str) -> str:
    """The score that stands for a suite: the benchmark's own for its categories, exact match for all others."""
    return "bfcl" if suite.startswith("bfcl_") else "strict"


def pick(suite: str, rows: Iterable[tuple[str, dict]], size: int, seed: int) -> list[str]:
    """The ids of at most `size` rows (id, labels) that belong to the suite, in the order of their rank."""
    belongs, apart = SUITES[suite][1], suite.startswith(APART)
    rows = ((id, {"complexity": "", **labels}) for id, labels in rows if apart == ("category" in labels))
    chosen = sorted(((id, labels) for id, labels in rows if belongs(labels)), key=lambda row: rank(seed, row[0]))
    if suite in BALANCED:
        chosen = balanced(chosen, BALANCED[suite])
    return [id for id, _ in chosen[:size]]


def balanced(rows: list[tuple[str, dict]], label: str) -> list[tuple[str, dict]]:
    """The rows in rounds: in each the next row of every value of the label that has one left, values in alphabetical order."""
    queues = defaultdict(list)
    for row in rows:
        queues[row[1][label]].append(row)
    queues = [queues[value] for value in sorted(queues)]
    return [queue[turn] for turn in range(max(map(len, queues), default=0)) for queue in queues if turn < len(queue)]
