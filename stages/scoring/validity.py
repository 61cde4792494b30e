"""The validity ladder: how far up each output climbs, from a call block to the exact calls.

A case stands on a rung only when it stands on all rungs below, so the rates can only fall:
an output whose JSON had to be mended stops at `balanced`, even if the mended calls are exact
(`strict` takes what the reader could mend; the ladder shows what a plain reader could use).
"""

import json
from functools import lru_cache

import jsonschema_rs

from stages.schema import Call, Parsed, Tool

RUNGS = {
    "block": "has a call block",
    "balanced": "its tags are balanced",
    "json": "its blocks parse as JSON, unmended",
    "shape": "every call has a name and an arguments object",
    "offered": "every call names an offered tool",
    "schema": "all arguments pass their tool's JSON Schema",
    "exact": "the calls are gold's",
}
# The rung that each defect bars; `prose_around` bars none.
_BARRED = {
    "unbalanced_tags": 1,
    "cut_off": 1,
    "empty_block": 2,
    "not_json": 2,
    "mended_json": 2,
    "no_name": 3,
    "no_arguments": 3,
    "arguments_as_text": 3,
    "arguments_not_object": 3,
}


def climbed(parsed: Parsed, tools: list[Tool], exact: bool) -> int:
    """The number of rungs, 0 to len(RUNGS), that an output climbs in the order of RUNGS."""
    if not parsed.attempted and not parsed.calls:
        return 0
    if parsed.defects and (barred := min(_BARRED.get(defect, 9) for defect in parsed.defects)) < 9:
        return barred
    if not parsed.calls:  # attempted with no defect named: nothing that could be read
        return 2
    offered = {tool.name: tool for tool in tools}
    if any(call.name not in offered for call in parsed.calls):
        return 4
    if not all(passes(call, offered[call.name]) for call in parsed.calls):
        return 5
    return 7 if exact else 6


def passes(call: Call, tool: Tool) -> bool:
    """Whether the arguments satisfy the tool's JSON Schema.

    A tool whose schema is itself invalid takes anything: that is no fault of the output.
    """
    try:
        validator = _validator(json.dumps(tool.parameters))
    except (ValueError, RecursionError):
        return True
    try:
        return validator is None or validator.is_valid(call.arguments)
    except (ValueError, RecursionError):  # nested too deep for the validator
        return False


@lru_cache(maxsize=8192)
def _validator(schema: str):
    """A compiled validator, or None for a broken schema. `offline`: a $ref never fetches an address."""
    try:
        return jsonschema_rs.validator_for(json.loads(schema), offline=True)
    except (ValueError, jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError):
        return None
