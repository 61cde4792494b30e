"""Suites: which test rows are scored together. Each entry says what it holds and picks by an Example's labels."""

import hashlib
from collections.abc import Iterable
from functools import partial

BFCL = ("simple_python", "multiple", "parallel", "parallel_multiple", "irrelevance")


def _calls(labels: dict) -> bool:
    return labels["turns"] == "single" and labels["kind"] in ("single", "parallel", "multiple")


def _in_dialogue(labels: dict) -> bool:
    return labels["turns"] != "single" and labels["kind"] in ("single", "parallel", "multiple")


def _category(name: str, labels: dict) -> bool:
    return labels.get("category") == name


SUITES = {
    "held_out": ("one request with a call, of tools that no training row holds", lambda x: _calls(x) and x["tools"] == "held_out"),
    "seen_tools": ("one request with a call, of tools seen in training, said in other words", lambda x: _calls(x) and x["tools"] == "seen"),
    "held_out_dialogue": ("a call in the middle of a dialogue, of tools that no training row holds",
                          lambda x: _in_dialogue(x) and x["tools"] == "held_out"),
    "seen_dialogue": ("a call in the middle of a dialogue, of tools seen in training", lambda x: _in_dialogue(x) and x["tools"] == "seen"),
    "single": ("one request, one call", lambda x: x["turns"] == "single" and x["kind"] == "single"),
    "simple": ("one request, one call of at most 2 plain arguments", lambda x: _calls(x) and x["complexity"] == "simple"),
    "moderate": ("one request, 3 or 4 arguments or two calls", lambda x: _calls(x) and x["complexity"] == "moderate"),
    "complex": ("one request, nested or 5 and more arguments, or 3 and more calls", lambda x: _calls(x) and x["complexity"] == "complex"),
    "parallel": ("one request, several calls", lambda x: x["turns"] == "single" and x["kind"] in ("parallel", "multiple")),
    "no_tool": ("no tool fits: right is a plain reply", lambda x: x["kind"] == "no_tool"),
    "missing_value": ("a required value is missing: right is to ask back", lambda x: x["kind"] == "missing"),
    "multi_turn": ("clarification, sequential and context-dependent turns", lambda x: x["turns"] != "single"),
    "clarification": ("the call after the user has given what was missing", lambda x: x["turns"] == "clarification"),
    "sequential": ("the next call, or the reply, after a tool's result", lambda x: x["turns"] == "sequential"),
    **{f"bfcl_{name}": (f"the benchmark's category {name}, by its own verdict", partial(_category, name)) for name in BFCL},
    "context": ("a request that changes part of an earlier one", lambda x: x["turns"] == "context"),
}


def verdict(suite: str) -> str:
    """The score that stands for a suite: the benchmark's own for its categories, exact match for all others."""
    return "bfcl" if suite.startswith("bfcl_") else "strict"


def rank(seed: int, name: str) -> int:
    """A number that orders rows at random but always the same way: rows added later move no others."""
    return int.from_bytes(hashlib.blake2b(f"{seed}/{name}".encode(), digest_size=8).digest())


def pick(suite: str, rows: Iterable[tuple[str, dict]], size: int, seed: int) -> list[str]:
    """The ids of at most `size` rows (id, labels) that belong to the suite, in the order of their rank."""
    belongs = SUITES[suite][1]
    benchmark = suite.startswith("bfcl_")
    rows = ((id, labels) for id, labels in rows if benchmark == ("category" in labels))
    chosen = sorted((id for id, labels in rows if belongs({"complexity": "", **labels})), key=lambda id: rank(seed, id))
    return chosen[:size]
