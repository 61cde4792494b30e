"""Match under the tool's own schema: `strict` after both sides are brought to one normal form.

The normal form, applied to gold and output alike (so `strict` right implies this right):
- an optional property whose value equals the schema's default is left out, at any depth; a required
  one stays, since a call without it does not pass the schema;
- where the schema says number or integer, 5.0 becomes 5 (JSON Schema counts 5.0 as an integer);
- where the schema has an enum and a string is not in it, but equals just one member without regard
  to case, that member takes its place. "Red" for "RED" passes, and fails where "red" is offered too.
Subschemas are followed through properties, additionalProperties, items, prefixItems, local $ref,
allOf, and an anyOf or oneOf with a single member that is not null. Anything else stays as it is.
"""

from stages.schema import Call, Tool
from stages.scoring.kinds import kind, properties, required
from stages.scoring.strict import canonical
from stages.scoring.strict import match as strict_match

MAX_DEPTH = 8  # schemas inside schemas that apply to one value; deeper is a loop of $ref


def match(calls: list[Call], gold: list[Call], tools: list[Tool]) -> bool:
    """Whether calls equal gold, in any order, under the schemas of the tools that they name."""
    schemas = {tool.name: tool.parameters for tool in reversed(tools)}
    return len(calls) == len(gold) and strict_match(normal_calls(calls, schemas), normal_calls(gold, schemas))


def normal_calls(calls: list[Call], schemas: dict[str, dict]) -> list[Call]:
    """The calls with arguments in normal form; a call of a tool without a schema is left alone."""
    return [Call(call.name, normal(call.arguments, schemas.get(call.name, {}))) for call in calls]


def normal(value, schema, root=None):
    """A JSON value in the normal form of its schema (see the module's docstring)."""
    root = schema if root is None else root
    for part in _parts(schema, root):
        value = _normal(value, part, root)
    return value


def _normal(value, schema: dict, root: dict):
    if isinstance(value, dict):
        return _object(value, schema, root)
    if isinstance(value, list):
        return _array(value, schema, root)
    if isinstance(value, float) and value.is_integer() and kind(schema) in ("number", "integer"):
        return int(value)
    if isinstance(value, str) and isinstance(schema.get("enum"), list):
        return _member(value, schema["enum"])
    return value


def _parts(schema, root: dict, depth: int = 0) -> list[dict]:
    """The plain schemas that apply together: $ref followed, allOf and a lone anyOf member opened."""
    if not isinstance(schema, dict) or depth > MAX_DEPTH:
        return []
    choices = schema.get("anyOf") or schema.get("oneOf") or ()
    choices = [member for member in choices if member != {"type": "null"}]
    inner = [*(schema.get("allOf") or ()), *(choices if len(choices) == 1 else ())]
    if "$ref" in schema:
        inner.append(_resolve(schema["$ref"], root))
    return [schema] + [part for member in inner for part in _parts(member, root, depth + 1)]


def _resolve(pointer, root: dict):
    """What a local pointer ("#/$defs/address") names; None for any other or a missing one."""
    if not isinstance(pointer, str) or not pointer.startswith("#"):
        return None
    found = root
    for step in pointer[1:].split("/")[1:]:
        found = found.get(step.replace("~1", "/").replace("~0", "~")) if isinstance(found, dict) else None
    return found


def _object(value: dict, schema: dict, root: dict) -> dict:
    named, needed, rest = properties(schema), required(schema), schema.get("additionalProperties")
    kept = {}
    for key, item in value.items():
        sub = named.get(key, rest)
        if isinstance(sub, dict):
            item = normal(item, sub, root)
            if key not in needed and "default" in sub and key in named:
                if canonical(item) == canonical(normal(sub["default"], sub, root)):
                    continue
        kept[key] = item
    return kept


def _array(value: list, schema: dict, root: dict) -> list:
    first, rest = schema.get("prefixItems") or [], schema.get("items")
    return [normal(item, first[i] if i < len(first) else rest, root) for i, item in enumerate(value)]


def _member(value: str, enum: list) -> str:
    if value in enum:
        return value
    alike = {member for member in enum if isinstance(member, str) and member.casefold() == value.casefold()}
    return alike.pop() if len(alike) == 1 else value
