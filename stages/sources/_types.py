"""Parameter types as xLAM and Seal-Tools write them, as JSON Schema (the rules: ../shared/dataset-formats.md)."""

PYTHON_TYPES = {
    "str": "string", "string": "string", "int": "integer", "integer": "integer", "float": "number", "number": "number",
    "bool": "boolean", "boolean": "boolean", "list": "array", "array": "array", "tuple": "array", "set": "array",
    "dict": "object", "object": "object",
}


def type_schema(text: str) -> dict:
    """JSON Schema of a type as xLAM writes it: "List[int], optional" -> {"type": "array", "items": {...}}.

    Types that JSON Schema has no word for (Union, Any, Callable) give {}: anything goes.
    """
    text = text.strip()
    if text.count("[") > 20:
        return {}
    if text.endswith("optional"):
        text = text.removesuffix("optional").rstrip(" ,")
    if text.startswith("Optional[") and text.endswith("]"):
        return type_schema(text[9:-1])
    head, _, inner = text.partition("[")
    schema = {"type": PYTHON_TYPES[head.strip().lower()]} if head.strip().lower() in PYTHON_TYPES else {}
    if schema.get("type") == "array" and inner.endswith("]") and head.lower() != "tuple":
        schema["items"] = type_schema(inner[:-1])
    return schema


def flat_parameters(flat: dict) -> dict:
    """xLAM's flat map of parameters as a JSON Schema object (../shared/dataset-formats.md gives the rules)."""
    properties, required = {}, []
    for name, entry in flat.items():
        entry = entry if isinstance(entry, dict) else {"description": str(entry)}
        kind = str(entry.get("type", ""))
        schema = type_schema(kind)
        if entry.get("description"):
            schema["description"] = str(entry["description"])
        if entry.get("default") not in (None, ""):
            schema["default"] = entry["default"]
        for key in ("enum", "minimum", "maximum"):
            if key in entry:
                schema[key] = entry[key]
        properties[name] = schema
        if "optional" not in kind.lower() and "default" not in entry and entry.get("required", True):
            required.append(name)
    return {"type": "object", "properties": properties, "required": required}
