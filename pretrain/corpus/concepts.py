"""Tasks on hand-written concepts (`concept_files.py`): single, several, repeated, asked back, followed up,
and declined: a request whose tool is not offered, or one that only sounds like the tool offered (`near`).
"""

from . import forms, procedural
from . import requests as Q
from .concept_files import SLOT, load
from .task import Task, Turn

# Share of the documents on a concept with `near` requests that put these beside requests it does serve.
NEAR_SHARE = 0.3


def fill(c, say, fixed, R, given=None):
    """Fills the slots of a template: (text, arguments in schema order). given: {slot: (value, surface)}."""
    got = dict(given or {})

    def put(m):
        name = m.group(1)
        if name not in got:
            got[name] = c.draw[name](R)
        return got[name][1]

    text = SLOT.sub(put, say)
    args = {k: v for k, (v, _) in got.items() if not given or k in given or True}
    args.update(fixed)
    return text, {k: args[k] for k in c.parameters["properties"] if k in args}


def single(c, R):
    say, fixed = R.choice(c.phrasings)
    return fill(c, say, fixed, R)


def parallel(c, R):
    """Several calls of one concept: an author's numbered template, or one phrasing with a listed slot, or joined phrasings."""
    if c.parallel and R.random() < 0.6:
        say, fixed = R.choice(c.parallel)
        n = max([int(k) for _, k in SLOT.findall(say) if k] or [2])
        got = {}

        def put(m):
            key = m.group(0)
            if key not in got:
                got[key] = c.draw[m.group(1)](R)
            return got[key][1]

        text = SLOT.sub(put, say)
        calls = []
        for i in range(1, n + 1):
            a = dict(fixed)
            for k in c.parameters["properties"]:
                x = got.get(f"{{{k}.{i}}}") or got.get(f"{{{k}}}")
                if x:
                    a[k] = x[0]
            calls.append((c.name, {k: a[k] for k in c.parameters["properties"] if k in a}))
        return Turn(text, calls)
    say, fixed = R.choice(c.phrasings)
    slots = list(dict.fromkeys(s for s, _ in SLOT.findall(say)))
    open_slots = [
        s
        for s in slots
        if "enum" not in c.parameters["properties"][s] and c.parameters["properties"][s].get("type") in ("string", "number", "integer")
    ]
    n = R.choice([2, 2, 2, 3, 3, 4])
    if open_slots and R.random() < 0.5:
        s = R.choice(open_slots)
        vs = [c.draw[s](R) for _ in range(n)]
        if len({x for _, x in vs}) == n:
            shared = {k: c.draw[k](R) for k in slots if k != s}
            text, _ = fill(c, say, fixed, R, dict(shared, **{s: (None, forms.join([x for _, x in vs], R))}))
            return Turn(text, [(c.name, fill(c, say, fixed, R, dict(shared, **{s: x}))[1]) for x in vs])
    parts = [single(c, R) for _ in range(2)]
    return Turn(glue([p[0] for p in parts], R), [(c.name, p[1]) for p in parts])


def glue(texts, R):
    """Several requests in one message."""
    r = R.random()

    def low(s):
        return s[:1].lower() + s[1:] if s[1:2].islower() else s

    if r < 0.4:
        return R.choice([" And ", " Also, ", " Then ", " After that, ", " Oh, and ", " Plus: "]).join(
            [texts[0].rstrip(".") + ("" if texts[0][-1:] in "?!" else ".")] + [low(t) for t in texts[1:]]
        )
    if r < 0.7:
        return R.choice([", and ", " and then ", "; ", ", then ", " and also ", " and "]).join(
            t.rstrip(".?!") if i < len(texts) - 1 else low(t) for i, t in enumerate(texts)
        )
    if r < 0.9:
        return R.choice([" ", "\n"]).join(t if t[-1:] in ".?!" else t + "." for t in texts)
    return "\n".join(f"{i + 1}. {t}" for i, t in enumerate(texts))


def asked_back(c, R):
    m = R.choice(c.missing)
    fixed = m.get("args") or {}
    got = {s: c.draw[s](R) for s, _ in SLOT.findall(m["say"] + " " + m["answer"]) if s in c.draw}
    _, args = fill(c, m["say"] + " " + m["answer"], fixed, R, got)
    return [Turn(fill(c, m["say"], {}, R, got)[0], [], m["ask"]), Turn(fill(c, m["answer"], {}, R, got)[0], [(c.name, args)])]


def decline(pool, R):
    """Words that decline, some of them saying what one of the tools of `pool` does instead."""
    return R.choice(Q.FRAMES["decline"]).format(v=R.choice(pool).description.rstrip(".").split(".")[0].lower()[:60])


def strangers(c, k, R):
    """Up to k concepts of other topics: none of them is likely to serve a request near to c."""
    found = R.choices([x for x in load()[0] if x.domain != c.domain] or [c], k=k)
    return list({x.name: x for x in found if x.name != c.name}.values())


def near_task(c, R):
    """Requests that only sound like c, declined, among requests that c serves; c is offered alone or among strangers."""
    pool = [c] + strangers(c, R.choice([0, 0, 0, 1, 2, 3, 5, 7]), R)
    turns = []
    for say, reply in R.sample(c.near, min(len(c.near), R.choice([1, 1, 1, 2]))):
        turns.append([Turn(fill(c, say, {}, R)[0], [], reply or decline(pool, R))])
    for _ in range(R.choice([0, 0, 1, 1, 2])):
        if c.missing and R.random() < 0.3:
            turns.append(asked_back(c, R))
        else:
            text, args = single(c, R)
            turns.append([Turn(text, [(c.name, args)])])
    R.shuffle(turns)
    R.shuffle(pool)
    return Task([x.schema() for x in pool], [t for several in turns for t in several], "concepts")


def task(R):
    """A Task on hand-written concepts, or None where the draw does not fit together."""
    concepts, by, lists = load()
    first = R.choice(concepts)
    if first.near and R.random() < NEAR_SHARE:
        return near_task(first, R)
    domain = first.domain
    near, rest = by[domain], R.choices(concepts, k=6)
    pool = list(
        {
            c.name: c for c in R.sample(near, min(len(near), R.choice([1, 1, 1, 2, 3, 4, 5, 6, 8]))) + rest[: R.choice([0, 0, 0, 1, 2, 3, 5, 6])]
        }.values()
    )
    turns, absent = [], None
    for _ in range(R.choices([1, 2, 3, 4], [34, 34, 20, 12])[0]):
        c, r = R.choice(pool), R.random()
        if r < 0.36:
            turns.append(Turn(*(lambda t, a: (t, [(c.name, a)]))(*single(c, R))))
            if c.result is not None and c.reply and R.random() < 0.2:
                turns[-1].results, turns[-1].final = [c.result], c.reply
            if c.followup and R.random() < 0.4:
                say, fixed = R.choice(c.followup)
                text, new = fill(c, say, fixed, R)
                merged = dict(turns[-1].calls[0][1], **new)
                turns.append(Turn(text, [(c.name, {k: merged[k] for k in c.parameters["properties"] if k in merged})]))
        elif r < 0.54:
            turns.append(parallel(c, R))
        elif r < 0.67:
            chosen = R.sample(pool, min(len(pool), R.choice([2, 2, 3])))
            parts = [(x, single(x, R)) for x in chosen]
            turns.append(Turn(glue([p[0] for _, p in parts], R), [(x.name, p[1]) for x, p in parts]))
        elif r < 0.74 and c.missing:
            turns += asked_back(c, R)
        else:
            plain = lists[domain]["none"]
            if plain and R.random() < 0.35:
                e = R.choice(plain)
                turns.append(Turn(e["say"], [], e["reply"]))
            else:
                absent = R.choice(near if R.random() < 0.6 else concepts)
                if any(x.name == absent.name for x in pool):
                    continue
                turns.append(Turn(single(absent, R)[0], [], decline(pool, R)))
    tools = [c.schema() for c in pool]
    combos = lists[domain]["combined"]
    if combos and R.random() < 0.1:
        e = R.choice(combos)
        turns.append(Turn(e["say"], [(x["name"], x["arguments"]) for x in e["calls"]]))
        tools += [c.schema() for c in near if c.name in {n for n, _ in turns[-1].calls} and c.name not in {t["name"] for t in tools}]
    if R.random() < 0.25:
        extra = procedural.T.make(R)
        if extra.name not in {t["name"] for t in tools}:
            tools.append(extra.schema())
    R.shuffle(tools)
    return Task(tools, turns, "concepts") if turns else None


def choose(R):
    """Which of many tools, or none: names and descriptions only, six to twelve requests. [(text, is_answer)].
    Dense practice of the choice itself: a few dozen tokens a decision."""
    concepts, by, lists = load()
    first = R.choice(concepts)
    topic = by[first.domain]
    lookalikes = bool(first.near) and R.random() < NEAR_SHARE
    if lookalikes:
        pool = [first] + strangers(first, R.choice([0, 2, 4, 6, 8]), R)
    else:
        pool = list({c.name: c for c in R.sample(topic, min(len(topic), R.randint(1, 9))) + R.choices(concepts, k=R.choice([0, 1, 3, 6]))}.values())
    style = R.choice(["{n}: {d}", "- {n} - {d}", "{n}({p}) {d}", "[{n}] {d}"])
    lines = [style.format(n=c.name, d=c.description, p=", ".join(c.parameters["properties"])) for c in R.sample(pool, len(pool))]
    q, a, none = (
        R.choice(["Request: ", "Q: ", "> ", "User: "]),
        R.choice(["Tool: ", "-> ", "A: ", "Use "]),
        R.choice(["none", "no tool", "-", "nothing fits"]),
    )
    out = [("\n".join(lines) + "\n\n", 0)]
    for _ in range(R.randint(6, 12)):
        r = R.random()
        if lookalikes:
            c = first if r < 0.7 else R.choice(pool)
            text, right = (fill(c, R.choice(c.near)[0], {}, R)[0], none) if r < 0.4 else (single(c, R)[0], c.name)
        else:
            c = R.choice(pool) if r < 0.72 else R.choice(topic if r < 0.9 else concepts)
            text, right = single(c, R)[0], c.name if any(x is c for x in pool) else none
            if right == none and R.random() < 0.2 and lists[c.domain]["none"]:
                text = R.choice(lists[c.domain]["none"])["say"]
        out += [(f"{q}{text}\n{a}", 0), (right + "\n", 1)]
    return out
