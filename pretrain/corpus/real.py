"""Tasks from the real rows that `prepare.py` packed, and requests made from real tool descriptions."""

import json
import lzma
import os
import re
from functools import lru_cache

from . import kinds, procedural
from . import lexicon as L
from . import requests as Q
from .task import Task, Turn
from .tools import Tool


@lru_cache(None)
def load():
    path = os.path.join(L.BUILD, "real.json.xz")
    if not os.path.exists(path):
        return {}
    with lzma.open(path, "rt", encoding="utf-8") as f:
        return json.load(f)


def to_task(row):
    turns = [
        Turn(t["user"], [(n, a) for n, a in t.get("calls") or []], t.get("reply"), t.get("results") if t.get("final") else None, t.get("final"))
        for t in row["turns"]
    ]
    return Task(row["tools"], turns, row["source"])


def distract(task, R, lo=0, hi=3):
    """Adds library or procedural tools, shuffled."""
    names = {t["name"] for t in task.tools}
    for _ in range(R.randint(lo, hi)):
        t = R.choice(load()["library"]) if R.random() < 0.6 else procedural.T.make(R).schema()
        if t["name"] not in names:
            names.add(t["name"])
            task.tools.append(t)
    task.tools = R.sample(task.tools, len(task.tools))
    return task


def sgd(R):
    """A window of a dialogue: up to five turns, at least one with a call; earlier turns stay as history."""
    row = R.choice(load()["sgd"])
    t = to_task(row)
    where = [i for i, x in enumerate(t.turns) if x.calls]
    end = R.choice(where) + 1 + (R.random() < 0.3)
    t.turns = t.turns[:end][-8:]
    t.tools = R.sample(t.tools, len(t.tools))
    return t


def sgd_text(R):
    """A dialogue as plain conversation: [(text, is_answer)]."""
    row = R.choice(load()["sgd"])
    u, a = R.choice([("User: ", "Assistant: "), ("A: ", "B: "), ("Customer: ", "Agent: "), ("<|im_start|>user\n", "<|im_start|>assistant\n")])
    e = "<|im_end|>\n" if "im_start" in u else "\n"
    return [("".join(f"{u}{t['user']}{e}{a}{t.get('final') or t.get('reply')}{e}" for t in row["turns"]), 1)]


def snips(R):
    """One utterance; the intent's tool has the slots seen, others from the same intent, and other intents beside."""
    rows = load()["snips"]
    intent, text, got = R.choice(rows)

    def make(i, ks):
        return {
            "name": i,
            "description": re.sub("([A-Z])", r" \1", i).strip() + ".",
            "parameters": {
                "type": "object",
                "properties": {k: {"type": "string", "description": f"The {k.replace('_', ' ')}."} for k in ks},
                "required": [],
            },
        }

    keys = list(got)
    tools = []
    for _ in range(R.randint(0, 12)):
        i, _, g = R.choice(rows)
        if i == intent:
            keys += [k for k in g if k not in keys]
        elif i not in {t["name"] for t in tools}:
            tools.append(make(i, R.sample(list(g), len(g))))
    r = R.random()
    turn = Turn(text, [(intent, got)])
    if r < 0.88 or not tools:
        tools.append(make(intent, R.sample(keys, len(keys))))
    else:
        turn = Turn(text, [], R.choice(Q.FRAMES["decline"]).format(v="do other things"))
    if r < 0.2 and len(tools) > 1:  # two utterances in one message
        i, tx, g = R.choice(rows)
        have = next((t for t in tools if t["name"] == i), None)
        if have and set(g) <= set(have["parameters"]["properties"]):
            turn = Turn(text + R.choice([" and ", ". Also ", ", then ", "; "]) + tx, [(intent, got), (i, g)])
    return Task(R.sample(tools, len(tools)), [turn], "snips")


def rows_of(name):
    def draw(R):
        t = to_task(R.choice(load()[name]))
        return distract(t, R) if len(t.turns) < 3 else t

    return draw


EXAMPLES = re.compile(r"\(e\.g\.?,? ([^)]*)\)")
BY_NAME = [
    (re.compile(p), g)
    for p, g in [
        ("date|day$", "date"),
        ("time", "time"),
        ("email", "email"),
        ("city|location|place|country|region|area", "place"),
        ("name|author|person|user|artist", "person"),
        ("id$|code|number", "code"),
        ("url|link", "url"),
        ("file|path", "path"),
        ("message|text|content|description|notes?$|info", "sentence"),
        ("title|product|project|company", "title"),
    ]
]


def _param(name, schema, required, R):
    """A drawable Param for a real parameter: examples of its description, else a guess by its name."""
    human = " ".join(w.lower() for w in re.findall(r"[A-Z]?[a-z]+|\d+|[A-Z]+", name)) or name
    t, m = schema["type"], EXAMPLES.search(schema.get("description", ""))
    words = [w.strip(" .'\"") for w in m.group(1).split(",")] if m else []
    words = [w for w in words if w and w != "etc"]
    if t == "string" and words and R.random() < 0.6:

        def draw(R):
            return (lambda w: (w, w))(R.choice(words))

        kind = "example"
    else:
        kind = {"integer": "count", "number": "number", "boolean": "bool", "array": "list_word"}.get(t) or next(
            (g for p, g in BY_NAME if p.search(human)), R.choice(["phrase", "title", "phrase"])
        )
        made, note, draw = kinds.GENERATORS[kind](R, human)
        if note and kind in ("date", "time"):
            schema = dict(schema, description=schema.get("description", "").rstrip(".") + " " + note)
        if t == "number" and made["type"] == "integer":
            schema = dict(schema, type="integer")
    phrases = next((k["p"] for k in kinds.KINDS if k["g"] == kind), []) or ["with {h} {v}", "{h} {v}", "for {v}", "{v}"]
    return kinds.Param(name, human, schema, phrases, draw, required, kind)


def described(R):
    """A tool of the real library; the request is its description as an imperative, with drawn values."""
    t = R.choice(load()["library"])
    req = set(t["parameters"]["required"])
    params = [_param(k, s, k in req or R.random() < 0.2, R) for k, s in t["parameters"]["properties"].items()]
    verb, _, rest = t["description"].rstrip(".").partition(" ")
    rest = re.sub(r" (based on|given|using|with) .*", "", rest) if R.random() < 0.6 else rest
    x = Tool(t["name"], t["description"], params, verb.lower(), re.sub(r"^(the|a|an) ", "", rest))
    schema = x.schema()
    schema["parameters"]["required"] = [k for k in schema["parameters"]["properties"] if k in req]
    return x, schema


def library(R):
    """A Task of one to three turns over real tools with made requests."""
    pairs = {}
    for _ in range(R.choice([1, 2, 2, 3, 4, 5])):
        x, s = described(R)
        pairs[x.name] = (x, s)
    turns = []
    for _ in range(R.choice([1, 1, 2, 2, 3])):
        x, _ = R.choice(list(pairs.values()))
        args, said = Q.fill(x, R, 0.3)
        r = R.random()
        if r < 0.6:
            turns.append(Turn(_say(x, said, R), [(x.name, args)]))
        elif r < 0.72:
            v = procedural.varied(x, R)
            turns += [v] if v else []
        elif r < 0.84:
            y, _ = R.choice(list(pairs.values()))
            args2, said2 = Q.fill(y, R, 0.3)
            turns.append(
                Turn(
                    _say(x, said, R).rstrip(".?!") + R.choice([". Also, ", ", and ", "; ", ". Then "]) + _say(y, said2, R),
                    [(x.name, args), (y.name, args2)],
                )
            )
        else:
            y, _ = described(R)
            if y.name not in pairs:
                turns.append(Turn(_say(y, Q.fill(y, R, 0.3)[1], R), [], R.choice(Q.FRAMES["decline"]).format(v=f"{x.verb} {x.noun}")))
    return Task([s for _, s in pairs.values()], turns, "library") if turns else None


def _say(x, said, R):
    c = f"{x.verb} the {x.noun} " + " ".join(Q.phrases_of(said, R))
    return Q.finish(R.choice(Q.FRAMES["polite"]).replace("{c}", c), R)
