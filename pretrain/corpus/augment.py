"""The same concept under another signature, so that the schema shown is read and not the one remembered.

Enum values are restyled consistently, members dropped, added and shuffled; optional parameters that no
call uses are dropped, others that no request mentions are added; descriptions go missing now and then.
"""

from . import kinds
from . import lexicon as L
from .task import Task, Turn


def restyle(R):
    """A function from one enum value to its new spelling, still recognisable."""
    r = R.random()

    def snake(v):
        return v.lower().replace(" ", "_").replace("-", "_")

    if r < 0.22:
        return str.upper
    if r < 0.34:
        return lambda v: v.replace("_", " ").title()
    if r < 0.46:
        return lambda v: v.replace("_", "-").lower()
    if r < 0.58:
        tail = R.choice(["type", "mode", "option", L.word(R)])
        return lambda v: snake(v) + "_" + tail
    if r < 0.68:
        head = R.choice(["use", "by", "kind", "v", L.word(R)])
        return lambda v: head + "_" + snake(v)
    if r < 0.76:
        return lambda v: "".join(w.capitalize() for w in snake(v).split("_"))
    if r < 0.86:
        return lambda v: v[:4].upper() if len(v) > 5 else v.upper()
    return lambda v: v.replace("_", " ").lower()


def enum_holder(s):
    """The schema part that holds a string enum: of the value or of a list's items."""
    for part in (s, s.get("items") or {}):
        if isinstance(part.get("enum"), list) and all(isinstance(v, str) for v in part["enum"]):
            return part
    return None


def new_enum(members, used, R):
    """(members shown, {old: new})."""
    keep = [v for v in members if v in used or R.random() < 0.75] or members[:1]
    if len(keep) < 2:
        keep = list(members)
    f = restyle(R) if R.random() < 0.6 else lambda v: v
    table = {v: f(v) for v in keep}
    if len(set(table.values())) < len(keep):
        table = {v: v for v in keep}
    extra = [f(R.choice([L.word, L.invented])(R)) for _ in range(R.choice([0, 0, 0, 1, 2]))]
    shown = list(dict.fromkeys(list(table.values()) + extra))
    R.shuffle(shown)
    return shown, table


def apply(task, R, share=0.7):
    """A Task with varied signatures and calls to match. share: tools that are varied."""
    used = {}
    for t in task.turns:
        for n, a in t.calls:
            for k, v in a.items():
                used.setdefault((n, k), set()).update(
                    v if isinstance(v, list) and all(isinstance(x, str) for x in v) else [v] if isinstance(v, str) else []
                )
    tables, tools = {}, []
    for t in task.tools:
        p = t["parameters"]
        if R.random() > share or not p.get("properties"):
            tools.append(t)
            continue
        props, required = {}, set(p.get("required", []))
        for k, s in p["properties"].items():
            if k not in required and (t["name"], k) not in used and R.random() < 0.35:
                continue
            s = dict(s)
            part = enum_holder(s)
            if part is not None and "default" not in s:
                shown, table = new_enum(part["enum"], used.get((t["name"], k), set()), R)
                tables[t["name"], k] = table
                if part is s:
                    s["enum"] = shown
                else:
                    s["items"] = dict(part, enum=shown)
            if R.random() < 0.04:
                s.pop("description", None)
            props[k] = s
        names = set(props)
        for _ in range(R.choice([0, 0, 0, 1, 1, 2, 3])):
            x = kinds.make(R, names)
            props[x.name] = x.schema
        order = list(props)
        if R.random() < 0.5:
            R.shuffle(order)
        tools.append(
            dict(t, parameters={"type": "object", "properties": {k: props[k] for k in order}, "required": [k for k in order if k in required]})
        )

    def swap(n, k, v):
        table = tables.get((n, k))
        if table is None:
            return v
        return [table.get(x, x) for x in v] if isinstance(v, list) else table.get(v, v) if isinstance(v, str) else v

    turns = [Turn(t.user, [(n, {k: swap(n, k, v) for k, v in a.items()}) for n, a in t.calls], t.reply, t.results, t.final) for t in task.turns]
    return Task(tools, turns, task.source)
