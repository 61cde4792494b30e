"""Reading hand-written concepts from `pretrain/concepts/*.yaml`.

Two notations. `tools:` is the authoring format of the embedded data set (name, description, parameters,
values, phrasings, parallel, missing, followup, result, reply; lists `combined`, `sequential`, `none`), and
`near`: requests that sound like the tool and that it cannot serve, a text or {say, reply}, with slots or without.
`functions:` is a shorthand: `f` name, `d` description, `a` arguments "name[?] | generator | description",
`q` requests with {slots}.
"""

import glob
import os
import random
import re
from dataclasses import dataclass, field
from functools import lru_cache

import yaml

from . import forms, kinds
from . import lexicon as L
from . import values as V
from .mutate import mutate

SLOT = re.compile(r"\{(\w+)(?:\.(\d+))?\}")


@dataclass
class Concept:
    name: str
    description: str
    parameters: dict
    draw: dict  # slot -> draw(R) -> (value, surface)
    phrasings: list  # [(say, fixed args)]
    domain: str
    parallel: list = field(default_factory=list)
    missing: list = field(default_factory=list)
    followup: list = field(default_factory=list)
    near: list = field(default_factory=list)  # [(say, reply or None)]
    result: object = None
    reply: str = None

    def schema(self):
        return {"name": self.name, "description": self.description, "parameters": self.parameters}


def _values(name, schema, entries):
    pairs = [
        (e["value"], str(e["say"])) if isinstance(e, dict) and "say" in e else (e, V.number_text(e) if isinstance(e, (int, float)) else str(e))
        for e in entries
    ]

    def draw(R):
        v, s = R.choice(pairs)
        return mutate(name, schema, v, s, R) if R.random() < 0.72 else (v, s)

    return draw


def _phrasing(p):
    return (p, {}) if isinstance(p, str) else (p["say"], p.get("args") or {})


def from_tool(t, domain):
    props = t["parameters"].get("properties") or {}
    return Concept(
        t["name"],
        t["description"],
        t["parameters"],
        {k: _values(k, props.get(k, {}), v) for k, v in (t.get("values") or {}).items() if k in props},
        [_phrasing(p) for p in t["phrasings"]],
        domain,
        [_phrasing(p) for p in t.get("parallel") or []],
        t.get("missing") or [],
        [_phrasing(p) for p in t.get("followup") or []],
        [(p, None) if isinstance(p, str) else (p["say"], p["reply"]) for p in t.get("near") or []],
        t.get("result"),
        t.get("reply"),
    )


def _numbers(kind, lo, hi):
    if kind == "int":
        return lambda R: (lambda v: (v, V.say_number(v, R, 0.04)))(
            R.randint(int(lo), int(hi)) if R.random() < 0.7 else R.randint(int(lo), int(hi)) // 10 * 10 or int(lo) or 1
        )
    return lambda R: (lambda v: (v, V.number_text(v)))(
        R.randint(int(lo), max(int(lo), int(hi))) if R.random() < 0.6 and hi >= 1 else round(R.uniform(lo, hi), R.choice([1, 2]))
    )


def argument(gen, R):
    """(schema, draw) of a generator word: `int 1-100`, `num 0-50`, `frac`, `pick a|b|c`, `list int`, or a
    name in kinds.GENERATORS."""
    head, _, rest = gen.partition(" ")
    if head in ("int", "num") and not rest.startswith("list"):
        lo, _, hi = (rest or ("1-100" if head == "int" else "0-100")).partition("-")
        return {"type": "integer" if head == "int" else "number"}, _numbers(head, float(lo), float(hi))
    if head == "frac":
        return {"type": "number"}, lambda R: (
            lambda p: (round(p / 100, 4), R.choice([f"{p}%", f"{p}%", f"{p} percent", V.number_text(round(p / 100, 4))]))
        )(R.choice([R.randint(1, 95), round(R.uniform(0.5, 12), 1)]))
    if head == "pct":
        return {"type": "number"}, lambda R: (lambda p: (p, R.choice([f"{p}%", f"{p} percent", f"{p} %"])))(
            R.choice([R.randint(1, 95), round(R.uniform(0.5, 12), 1)])
        )
    if head in ("pick", "open"):
        pairs = [(v.partition("=")[0].strip(), (v.partition("=")[2] or v).strip()) for v in rest.split("|")]
        schema = {"type": "string", "enum": [v for v, _ in pairs]} if head == "pick" else {"type": "string"}
        if head == "pick":
            return schema, lambda R: R.choice(pairs)
        return schema, lambda R: (lambda p: p if R.random() < 0.4 else mutate("", {}, *p, R))(R.choice(pairs))
    if head == "bool":
        return {"type": "boolean"}, lambda R: (True, "")
    if head == "list":
        inner = {"int": "integer", "num": "number"}.get(rest)
        if inner:

            def numbers(R):
                top = R.choice([10, 100, 1000])
                vs = [R.randint(0, top) if inner == "integer" or R.random() < 0.5 else round(R.uniform(0, top), 1) for _ in range(R.randint(2, 7))]
                t = [V.number_text(v) for v in vs]
                return vs, R.choice(["[" + ", ".join(t) + "]", forms.join(t, R), ", ".join(t)])

            return {"type": "array", "items": {"type": inner}}, numbers
        schema, _, draw = kinds.GENERATORS["list_" + rest](R, rest)
        return schema, draw
    schema, note, draw = kinds.GENERATORS[head](R, rest or head)
    return dict(schema, description=note) if note else schema, draw


def from_function(e, domain, R):
    props, required, draw = {}, [], {}
    for text in e.get("a") or []:
        name, gen, *desc = [x.strip() for x in text.split("|", 2)] if not re.search(r"\| *(pick|open) ", text) else _split_pick(text)
        optional, name = name.endswith("?"), name.rstrip("?")
        schema, draw[name] = argument(gen, R)
        d = " ".join(desc + [schema.pop("description", "")]).strip()
        props[name] = dict(schema, description=d) if d else schema
        if not optional:
            required.append(name)
    qs = [_phrasing(q) for q in e["q"]]
    return Concept(
        e["f"], e["d"], {"type": "object", "properties": props, "required": required}, draw, qs, domain, [_phrasing(q) for q in e.get("p") or []]
    )


def _split_pick(text):
    name, rest = text.split("|", 1)
    gen, _, desc = rest.partition("::")
    return [name.strip(), gen.strip()] + ([desc.strip()] if desc else [])


@lru_cache(None)
def load():
    """([Concept], {domain: {"combined", "sequential", "none"}}) of all files; shorthand ranges are drawn
    with a fixed seed so that every worker sees the same schemas."""
    R, concepts, lists = random.Random(7), [], {}
    for path in sorted(glob.glob(os.path.join(L.HERE, "concepts", "*.yaml"))):
        with open(path, encoding="utf-8") as f:
            doc = yaml.load(f, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)) or {}
        domain = doc.get("domain") or os.path.basename(path)[:-5]
        concepts += [from_tool(t, domain) for t in doc.get("tools") or []]
        concepts += [from_function(e, domain, R) for e in doc.get("functions") or []]
        known = lists.setdefault(domain, {"combined": [], "sequential": [], "none": []})
        for k in known:
            known[k] += doc.get(k) or []
    by = {}
    for c in concepts:
        by.setdefault(c.domain, []).append(c)
    return concepts, by, lists
