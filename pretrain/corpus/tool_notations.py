"""Ways to write tools down. Each takes (tools, R) and gives text; the choice is made once per document.

The exact target system block (`<tools>` with bare {"name", "description", "parameters"} lines) is left to
fine-tuning: `render.py` never puts `schema_lines` into `<tools>` tags.
"""

import json

from . import lexicon as L

SHORT = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "array": "list", "object": "dict"}


def dumps(x, **kw):
    return json.dumps(x, ensure_ascii=False, **kw)


def props(t):
    """[(name, schema, required)] of a tool."""
    p = t["parameters"]
    req = set(p.get("required", []))
    return [(k, s, k in req) for k, s in p.get("properties", {}).items()]


def pytype(s):
    if s.get("type") == "array":
        return f"list[{pytype(s.get('items', {}))}]"
    return SHORT.get(s.get("type"), "str")


def hint(s):
    e = s.get("enum")
    return (s.get("description", "") + (" One of " + ", ".join(map(str, e)) if e else "")).strip()


def schema_lines(tools, R):
    return "\n".join(dumps(t) for t in tools)


def openai(tools, R):
    xs = [{"type": "function", "function": t} for t in tools]
    return dumps(xs) if R.random() < 0.4 else "\n".join(map(dumps, xs))


def renamed_schema(tools, R):
    """JSON Schema under other keys."""
    a, b, c = R.choice(
        [
            ("id", "about", "inputs"),
            ("tool", "summary", "input_schema"),
            ("function", "doc", "schema"),
            ("api", "description", "parameters"),
            ("name", "description", "input_schema"),
            ("action", "info", "args"),
            ("operation", "purpose", "body"),
            (L.word(R), L.word(R) + "_text", L.word(R) + "_in"),
        ]
    )
    xs = [{a: t["name"], b: t["description"], c: t["parameters"]} for t in tools]
    return dumps(xs) if R.random() < 0.3 else "\n".join(map(dumps, xs))


def flat_json(tools, R):
    a, k = R.choice(["tool", "fn", "api", "cmd", "action"]), R.random()
    out = []
    for t in tools:
        if k < 0.4:
            ps = {n: pytype(s) + ("" if r else ", optional") + (" - " + hint(s) if k < 0.3 else "") for n, s, r in props(t)}
        else:
            ps = {
                n: dict(
                    {"type": pytype(s), "description": s.get("description", "")},
                    **({"enum": s["enum"]} if "enum" in s else {}),
                    **({"default": s["default"]} if "default" in s else {}),
                    **({} if r else {"required": False}),
                )
                for n, s, r in props(t)
            }
        out.append({a: t["name"], "description": t["description"], "params": ps})
    return "\n".join(map(dumps, out))


def python(tools, R):
    head, comments = R.choice(["def ", "def ", "", "async def ", "function "]), R.random() < 0.75
    out = []
    for t in tools:
        sig = ", ".join(f"{n}: {pytype(s)}" + ("" if r else f" = {s.get('default')!r}") for n, s, r in props(t))
        text = f"{head}{t['name']}({sig})" + (":\n" if head.endswith("def ") else "\n") + f'    """{t["description"]}"""'
        if comments:
            text += "".join(f"\n    # {n}: {hint(s)}" for n, s, _ in props(t) if hint(s))
        out.append(text)
    return "\n\n".join(out) if R.random() < 0.6 else "\n".join(out)


def typescript(tools, R):
    def ts(s):
        return (
            {"integer": "number", "array": ts_array(s), "object": "object"}.get(s.get("type"), s.get("type", "string"))
            if "enum" not in s
            else " | ".join(f'"{e}"' for e in s["enum"])
        )

    def ts_array(s):
        return {"integer": "number"}.get(s.get("items", {}).get("type"), s.get("items", {}).get("type", "string")) + "[]"

    out = []
    for t in tools:
        lines = "".join(f"  {n}{'' if r else '?'}: {ts(s)},{' // ' + s['description'] if 'description' in s else ''}\n" for n, s, r in props(t))
        out.append(f"// {t['description']}\ntype {t['name']} = (_: {{\n{lines}}}) => any;")
    return "\n".join(out)


def bullets(tools, R):
    dash, need, may = R.choice(["- ", "* ", "  "]), R.choice(["required", "needed", "must"]), R.choice(["optional", "may be omitted"])
    return "\n".join(
        f"{t['name']}: {t['description']}"
        + "".join(f"\n{dash}{n} ({s.get('type', 'string')}, {need if r else may}): {hint(s)}" for n, s, r in props(t))
        for t in tools
    )


def oneline(tools, R):
    return "\n".join(
        f"{t['name']}({', '.join(n + ('' if r else '?') + ': ' + pytype(s) for n, s, r in props(t))}) - {t['description']}"
        + "".join(f" {n}: {hint(s)}" for n, s, _ in props(t) if hint(s))
        for t in tools
    )


def yaml_like(tools, R):
    a, b = R.choice([("id", "inputs"), ("tool", "args"), ("name", "params"), ("op", "fields")])
    out = []
    for t in tools:
        out.append(
            f"- {a}: {t['name']}\n  about: {t['description']}\n  {b}:"
            + (
                "".join(
                    f"\n    {n}: {{type: {s.get('type')}, required: {str(r).lower()}"
                    + (f", options: [{', '.join(map(str, s['enum']))}]" if "enum" in s else "")
                    + f", note: {s.get('description', '')}}}"
                    for n, s, r in props(t)
                )
                or " {}"
            )
        )
    return "\n".join(out)


def xml(tools, R):
    f, p = R.choice([("function", "param"), ("tool", "arg"), ("operation", "field")])
    return "\n".join(
        f'<{f} name="{t["name"]}">\n<about>{t["description"]}</about>\n'
        + "".join(f'<{p} name="{n}" type="{s.get("type")}"{"" if r else " optional"}>{hint(s)}</{p}>\n' for n, s, r in props(t))
        + f"</{f}>"
        for t in tools
    )


def usage(tools, R):
    return "\n".join(
        f"usage: {t['name']}"
        + "".join(f" --{n} {n.upper()}" if r else f" [--{n} {n.upper()}]" for n, _, r in props(t))
        + f"\n  {t['description']}"
        + "".join(f"\n  --{n}  {hint(s)}" for n, s, _ in props(t) if hint(s))
        for t in tools
    )


ALL = [
    (schema_lines, 15),
    (openai, 14),
    (renamed_schema, 24),
    (flat_json, 10),
    (python, 11),
    (typescript, 4),
    (bullets, 7),
    (oneline, 5),
    (yaml_like, 4),
    (xml, 4),
    (usage, 2),
]
