"""Consistent renaming of tools and parameters, so that names are read off the signature, never recalled."""

import re

from . import lexicon as L
from .kinds import camel
from .task import Task, Turn
from .tools import STYLES, style_name

SPLIT = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


def words(name):
    return [w.lower() for w in SPLIT.findall(name)] or ["tool"]


def tool_name(name, R):
    r, ws = R.random(), words(name)
    if r < 0.3:
        return name
    if r < 0.45:
        return style_name(ws, R.choice(STYLES), R)
    if r < 0.6:
        ws = [R.choice(L.VERBS[w]).split(" ")[0] if w in L.VERBS else w for w in ws]
        return style_name(ws, R.choice(STYLES), R)
    if r < 0.72:
        return style_name(ws + [R.choice(["v2", "api", "tool", "info", "service", "now", L.word(R)])], R.choice(STYLES), R)
    if r < 0.84:
        return R.choice([L.word(R), R.choice(L.NOUNS), L.invented(R)]) + R.choice([".", "_", "."]) + name
    if r < 0.93:
        ws[R.randrange(len(ws))] = L.word(R)
        return style_name(ws, R.choice(STYLES), R)
    return style_name([L.invented(R), R.choice([L.word(R), str(R.randint(1, 99))])], R.choice(STYLES), R)


def param_name(name, R):
    r, ws = R.random(), words(name)
    if r < 0.5 or len(name) < 2:
        return name
    if r < 0.62:
        return camel("_".join(ws)) if "_" in name else "_".join(ws)
    if r < 0.74:
        return R.choice(L.ADJECTIVES if R.random() < 0.5 else L.NOUNS) + "_" + "_".join(ws)
    if r < 0.82:
        return "_".join(ws) + "_" + R.choice(["value", "name", "id", "text", "field", "param", "input", L.word(R)])
    if r < 0.9:
        return R.choice([L.word, L.invented])(R) + "_" + ws[-1]
    return "".join(w[0] for w in ws) + "_" + L.word(R) if r < 0.95 else L.word(R)


def apply(task, R, share=0.75):
    """A Task with new names; descriptions and words of the requests stay. share: tools that are renamed."""
    new, used = {}, set()
    tools = []
    for t in task.tools:
        name, props = t["name"], t["parameters"].get("properties", {})
        ren = R.random() < share
        target = tool_name(name, R) if ren else name
        while target in used:
            target += R.choice(["_2", "_b", "_" + L.word(R)])
        used.add(target)
        keys = {}
        for k in props:
            c = param_name(k, R) if ren else k
            keys[k] = c if c not in keys.values() else k if k not in keys.values() else k + "_" + L.word(R)
        new[name] = (target, keys)
        order = list(props)
        if R.random() < 0.3:
            R.shuffle(order)
        p = {"type": "object", "properties": {keys[k]: props[k] for k in order}}
        p["required"] = [keys[k] for k in order if k in t["parameters"].get("required", [])]
        desc = t["description"]
        if ren and R.random() < 0.04:
            desc = ""
        tools.append({"name": target, "description": desc, "parameters": p})

    def swap(calls):
        return [(new[n][0], {new[n][1].get(k, k): v for k, v in a.items()}) if n in new else (n, a) for n, a in calls]

    return Task(tools, [Turn(t.user, swap(t.calls), t.reply, t.results, t.final) for t in task.turns], task.source)
