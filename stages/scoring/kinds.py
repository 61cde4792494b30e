"""What a parameter's schema asks for, read from JSON Schema or from the benchmark's own type names.

The Berkeley benchmark writes `dict`, `float`, `tuple` and `any` where JSON Schema writes `object`,
`number`, `array` and nothing; both are read here, so that no other module asks which one it has.
"""

# The benchmark's name for each type -> JSON Schema's. `any` has no type at all there.
JSON_SCHEMA_NAMES = {"dict": "object", "float": "number", "tuple": "array"}
_NAMES = {"string", "integer", "number", "boolean", "array", "object", "null"}


def kind(schema) -> str:
    """The JSON Schema type that a (sub)schema asks for; "any" where it names none.

    A union ("type": ["string", "null"], anyOf, oneOf) counts as its first member that is not null:
    the benchmark has no unions, and an optional value is nearly always written this way.
    """
    if not isinstance(schema, dict):
        return "any"
    named = schema.get("type")
    if isinstance(named, list):
        named = next((name for name in named if name != "null"), "null")
    if named is None:
        for member in schema.get("anyOf") or schema.get("oneOf") or ():
            if (found := kind(member)) not in ("null", "any"):
                return found
        return "any"
    named = JSON_SCHEMA_NAMES.get(named, named) if isinstance(named, str) else "any"
    return named if named in _NAMES else "any"


def properties(schema) -> dict[str, dict]:
    """The named properties of an object schema; {} where it has none."""
    found = schema.get("properties") if isinstance(schema, dict) else None
    return found if isinstance(found, dict) else {}


def required(schema) -> list[str]:
    """The names that an object schema requires; [] where it requires none."""
    found = schema.get("required") if isinstance(schema, dict) else None
    return found if isinstance(found, list) else []
