"""All scores of one case, as one flat row.

    score_case(example, parsed)
    -> {"id": "emb-17", "kind": "single", ..., "tool": "get_current_weather", "strict": true, "schema": true,
        "bfcl": true, "outcome": "exact", "rung": 7, "gold_calls": 1, ..., "invented_values": 0}

Rows go to `data/cases/<subject>/<suite>.jsonl`; `summary.summarise` makes the figures of many.
"""

from dataclasses import asdict, replace

from stages.domains import area
from stages.schema import Call, Example, Parsed
from stages.scoring import bfcl, decision, fields, hallucination, outcomes, schema_match, strict, validity

LABELS = ("kind", "turns", "complexity", "domain", "tools")
MAX_DEPTH = 64  # levels of nesting; no real call comes near, and deeper ones can exhaust Python's stack


def score_case(example: Example, parsed: Parsed, gold: list[dict] | None = None, category: str | None = None) -> dict:
    """Every verdict and count for one case, as a flat dict that JSON can hold.

    gold, category: the benchmark's own `ground_truth` and category for the bfcl verdict; left out,
        they are made from the Example (`bfcl.accepted`, `bfcl.category`).
    Where no call is right, strict and schema want no call and no malformed attempt; bfcl wants only
    no call that could be read, as upstream. Field counts and the ladder are about cases where a call
    is right: `rung` is None on the others.
    """
    parsed = _readable(parsed)
    wanted, made = example.calls or [], parsed.calls
    should, does = decision.should_call(example), decision.does_call(parsed)
    exact = strict.match(made, wanted) if should else not does
    equivalent = exact or (should and schema_match.match(made, wanted, example.tools))
    gold = bfcl.accepted(example) if gold is None else gold
    tools = [{"name": tool.name, "parameters": tool.parameters} for tool in example.tools]
    verdict = bfcl.check(made, gold, tools, category or bfcl.category(example))
    pairs = fields.pair(made, wanted)
    counts = fields.count(made, wanted, pairs)
    invented = hallucination.count(example, parsed, pairs)
    return {
        "id": example.id,
        **{name: example.labels.get(name) for name in LABELS},
        "area": area(example),
        "tool": cluster(example),
        "should_call": should,
        "does_call": does,
        "strict": exact,
        "schema": equivalent,
        "bfcl": verdict.correct,
        "bfcl_error": verdict.error,
        "outcome": outcomes.outcome(example, parsed, pairs, exact, equivalent),
        "defects": list(parsed.defects),
        "rung": validity.climbed(parsed, example.tools, exact) if should else None,
        **asdict(counts),
        "field_f1": counts.f1 if should else None,
        "invented_tools": invented.tools,
        "invented_arguments": invented.arguments,
        "invented_values": invented.values,
        "judged_values": invented.judged_values,
    }


def score_without_gold(example: Example, parsed: Parsed) -> dict:
    """The row of `score_case` where a call is right and no gold is known: right is a call that its tool's schema takes."""
    row = score_case(example, parsed)
    if row["outcome"] in ("replied", "asked_back"):
        outcome = "no_call"
    elif row["outcome"] == "malformed_call":
        outcome = outcomes.malformed(parsed)
    else:
        outcome = "valid_call" if validity.climbed(parsed, example.tools, True) == len(validity.RUNGS) else "invalid_call"
    valid = outcome == "valid_call"
    rung = validity.climbed(parsed, example.tools, valid)
    return row | {"should_call": True, "strict": valid, "schema": valid, "bfcl": None, "bfcl_error": None, "outcome": outcome, "rung": rung}


def cluster(example: Example) -> str:
    """What the bootstrap resamples by: the tool called first; without a call, the row's group or itself."""
    return example.calls[0].name if example.calls else f"no call: {example.group or example.id}"


def _readable(parsed: Parsed) -> Parsed:
    """Calls nested deeper than MAX_DEPTH count as not readable, as most JSON readers have it."""
    fit = [call for call in parsed.calls if not _deeper(call, MAX_DEPTH)]
    if len(fit) == len(parsed.calls):
        return parsed
    return replace(parsed, calls=fit, attempted=True, defects=[*parsed.defects, "not_json"])


def _deeper(call: Call, levels: int) -> bool:
    layer = [call.arguments]
    for _ in range(levels):
        inner = (part.values() if isinstance(part, dict) else part for part in layer)
        layer = [item for part in inner for item in part if isinstance(item, dict | list)]
        if not layer:
            return False
    return True
