"""Checks hand-written domain files: python -m authoring.check authoring/domains/*.yaml

Prints each problem with its file and tool, and exits 1 when there is one.
"""

import sys
from collections import Counter
from pathlib import Path

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from jsonschema import Draft202012Validator

from authoring.domain import AuthoredTool, Domain, DomainError, Phrasing, load, numbers, said, slots

SCHEMA_KEYS = {"type", "properties", "required", "items", "enum", "default", "description", "minimum", "maximum",
               "format", "minItems", "maxItems", "minLength", "maxLength", "pattern", "additionalProperties"}
TYPES = {"string", "integer", "number", "boolean", "array", "object"}


def schema_problems(schema: dict, where: str) -> list[str]:
    """Keywords outside the plain subset, unknown types, arrays without items, bad defaults."""
    found = []
    if schema.get("type") not in TYPES:
        found.append(f"{where}: type {schema.get('type')!r}")
    if extra := set(schema) - SCHEMA_KEYS:
        found.append(f"{where}: keyword {sorted(extra)}")
    for name, inner in (schema.get("properties") or {}).items():
        found += schema_problems(inner, f"{where}.{name}")
    if "items" in schema:
        found += schema_problems(schema["items"], f"{where}[]")
    elif schema.get("type") == "array":
        found.append(f"{where}: array without items")
    for name in schema.get("required", []):
        if name not in schema.get("properties", {}):
            found.append(f"{where}: required {name!r} is not a property")
    if "default" in schema and not Draft202012Validator(schema).is_valid(schema["default"]):
        found.append(f"{where}: default {schema['default']!r} breaks its own schema")
    return found


def phrasing_problems(tool: AuthoredTool, phrasing: Phrasing, kind: str) -> list[str]:
    """Slots without values, missing required values, fixed arguments against the schema."""
    properties, required = tool.parameters.get("properties", {}), set(tool.parameters.get("required", []))
    text = phrasing.say + " " + phrasing.answer
    used = {name for name, _ in slots(text)}
    where = f"{tool.name}: {kind} {phrasing.say[:60]!r}"
    found = [f"{where}: slot {{{name}}} has no values" for name in sorted(used) if not tool.values.get(name)]
    given = used | set(phrasing.args)
    found += [f"{where}: {name!r} is not a parameter" for name in sorted(given) if name not in properties]
    if both := used & set(phrasing.args):
        found.append(f"{where}: {sorted(both)} given twice")
    if kind != "followup" and (lacking := required - given):
        found.append(f"{where}: required {sorted(lacking)} not given")
    for name, value in phrasing.args.items():
        if name in properties and not Draft202012Validator(properties[name]).is_valid(value):
            found.append(f"{where}: args {name}={value!r} breaks the schema")
    if "{" in text.replace("{", "", len(slots(text))) and text.count("{") != len(slots(text)):
        found.append(f"{where}: a curly brace that is no slot")
    if kind == "parallel":
        count = numbers(phrasing.say)
        if len(count) < 2:
            found.append(f"{where}: needs numbered slots such as {{x.1}} and {{x.2}}")
        for name, number in slots(phrasing.say):
            if number and len(tool.values.get(name, [])) < len(count):
                found.append(f"{where}: {name} has fewer values than calls")
    elif numbers(text):
        found.append(f"{where}: numbered slots belong to `parallel`")
    if kind == "missing":
        before = {name for name, _ in slots(phrasing.say)} | set(phrasing.args)
        if not phrasing.ask or not phrasing.answer or not phrasing.lacks:
            found.append(f"{where}: needs lacks, ask and answer")
        if set(phrasing.lacks) & {name for name, _ in slots(phrasing.say)}:
            found.append(f"{where}: says what it lacks")
        if not required - before and not set(phrasing.lacks) & set(phrasing.args):
            found.append(f"{where}: nothing required is missing")
    elif phrasing.ask or phrasing.answer or phrasing.lacks:
        found.append(f"{where}: ask/answer/lacks belong to `missing`")
    return found


def tool_problems(tool: AuthoredTool) -> list[str]:
    properties = tool.parameters.get("properties", {})
    found = []
    for name, entries in tool.values.items():
        if name not in properties:
            found.append(f"{tool.name}: values for {name!r}, which is no parameter")
            continue
        check = Draft202012Validator(properties[name])
        for entry in entries:
            if not check.is_valid(said(entry)[1]):
                found.append(f"{tool.name}: value {said(entry)[1]!r} of {name} breaks its schema")
            if isinstance(entry, dict) and not isinstance(entry.get("say", ""), str):
                found.append(f"{tool.name}: say {entry['say']!r} of {name} is no text: quote it (YAML reads 16:30 as 990)")
            if isinstance(entry, (list, dict)) and not (isinstance(entry, dict) and set(entry) == {"say", "value"}):
                found.append(f"{tool.name}: value {entry!r} of {name} needs say/value")
    if len(tool.phrasings) < 8:
        found.append(f"{tool.name}: {len(tool.phrasings)} phrasings, 8 needed")
    for kind in ("phrasings", "parallel", "missing", "followup"):
        for phrasing in getattr(tool, kind):
            found += phrasing_problems(tool, phrasing, kind)
    covered = {name for p in tool.phrasings for name in [n for n, _ in slots(p.say)] + list(p.args)}
    if unused := set(properties) - covered:
        found.append(f"{tool.name}: no phrasing uses {sorted(unused)}")
    says = Counter(p.say.lower() for p in tool.phrasings)
    found += [f"{tool.name}: phrasing twice: {say!r}" for say, count in says.items() if count > 1]
    if tool.result is None or not tool.reply:
        found.append(f"{tool.name}: needs result and reply")
    return found


def literal_problems(domain: Domain) -> list[str]:
    """The domain's literal requests: known tools, arguments that fit the schema, replies present."""
    tools = {tool.name: tool for tool in domain.tools}
    found = []
    for kind, key in (("combined", "calls"), ("sequential", "steps")):
        for entry in getattr(domain, kind):
            where = f"{kind} {entry.get('say', '')[:60]!r}"
            for call in entry.get(key, []):
                tool = tools.get(call.get("name"))
                if tool is None:
                    found.append(f"{where}: no tool {call.get('name')!r}")
                    continue
                for error in Draft202012Validator({**tool.parameters, "additionalProperties": False}).iter_errors(call["arguments"]):
                    found.append(f"{where}: {tool.name}: {error.message}")
            if len(entry.get(key, [])) < 2:
                found.append(f"{where}: needs two {key}")
    for entry in domain.sequential:
        if any("result" not in step for step in entry["steps"][:-1]):
            found.append(f"sequential {entry['say'][:60]!r}: a step before the last lacks its result")
    found += [f"none {entry}: needs say and reply" for entry in domain.none if set(entry) != {"say", "reply"}]
    for kind, least in (("combined", 8), ("sequential", 4), ("none", 10)):
        if len(getattr(domain, kind)) < least:
            found.append(f"{len(getattr(domain, kind))} {kind} entries, {least} needed")
    return found


def problems(domain: Domain) -> list[str]:
    if broken := [line for tool in domain.tools for line in schema_problems(tool.parameters, tool.name)]:
        return broken  # values and calls can be held against good schemas only
    found = [line for tool in domain.tools for line in tool_problems(tool)]
    names = Counter(tool.name for tool in domain.tools)
    found += [f"tool {name!r} twice" for name, count in names.items() if count > 1]
    if len(domain.tools) < 14:
        found.append(f"{len(domain.tools)} tools, 14 needed")
    return found + literal_problems(domain)


def main(paths: list[str]) -> int:
    total = 0
    for path in paths:
        try:
            domain = load(Path(path))
        except DomainError as error:
            print(error)
            total += 1
            continue
        found = problems(domain)
        total += len(found)
        for line in found:
            print(f"{path}: {line}")
        print(f"{path}: {len(domain.tools)} tools, {sum(len(t.phrasings) for t in domain.tools)} phrasings, "
              f"{len(domain.combined)} combined, {len(domain.sequential)} sequential, {len(domain.none)} none, "
              f"{len(found)} problems")
    return 1 if total else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
