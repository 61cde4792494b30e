"""Procedural tasks: a set of tools and one to four turns over them.

Turn kinds: a single call, several tools at once, one tool several times, a missing value that is asked
back, a follow-up that changes one value, no fitting tool (near misses among the tools at hand).
"""

from . import lexicon as L
from . import requests as Q
from . import tools as T
from .task import Task, Turn

RELATED = {
    "get": ["search", "list", "track"],
    "create": ["update", "delete", "copy"],
    "delete": ["archive", "update", "create"],
    "book": ["cancel", "get", "update"],
    "cancel": ["book", "update", "pause"],
    "send": ["delete", "get", "share"],
    "calculate": ["estimate", "compare", "convert"],
    "update": ["get", "delete", "create"],
}
SINGLE, SEVERAL, REPEAT, NONE, MISSING, FOLLOW = "single several repeat none missing follow".split()


def decline(tools, R):
    t = R.choice(tools) if tools else None
    what = f"{R.choice(L.VERBS.get(t.verb, ['get']))} {T.article(t.noun)} {t.noun}" if t else "chat"
    return R.choice(Q.FRAMES["decline"]).format(v=what)


def near(t, R):
    """A tool that is easily confused with t: same noun with another operation, or same verb, other noun."""
    if R.random() < 0.55:
        verbs = RELATED.get(t.verb) or [v for v in R.sample(list(L.VERBS), 3) if v != t.verb]
        return T.make(R, verb=R.choice(verbs), noun=t.noun)
    noun = t.noun.split(" ")
    noun[0 if len(noun) > 1 and R.random() < 0.5 else -1] = R.choice(L.NOUNS).replace("_", " ")
    return T.make(R, verb=t.verb, noun=" ".join(noun))


def synonymous(a, b):
    va, vb = L.VERBS.get(a.verb, ["get"]), L.VERBS.get(b.verb, ["get"])
    return a.noun == b.noun and (a.verb == b.verb or set(va) & set(vb))


def toolset(R, n):
    tools, names = [], set()
    while len(tools) < n:
        t = near(R.choice(tools), R) if tools and R.random() < 0.45 else T.make(R)
        if t.name not in names and not any(synonymous(t, x) for x in tools):
            names.add(t.name)
            tools.append(t)
    return tools


def varied(t, R):
    """A turn of several calls of one tool, or None where no parameter can vary."""
    args, said = Q.fill(t, R, 0.4)
    free = [p for p, _, _ in said if p.kind not in ("bool", "object", "list_obj") and not p.kind.startswith("list")]
    if not free:
        return None
    n = R.choices([2, 3, 4, 5], [55, 30, 10, 5])[0]
    chosen = R.sample(free, 1 if len(free) == 1 or R.random() < 0.55 else R.randint(2, min(3, len(free))))
    columns = []
    for p in chosen:
        vs = [p.draw(R) for _ in range(n)]
        if len(chosen) == 1 and len({str(v) for v, _ in vs}) < n:
            return None
        columns.append((p, vs))
    shared = [x for x in said if x[0] not in chosen]
    calls = []
    for i in range(n):
        a = dict(args)
        a.update({p.name: vs[i][0] for p, vs in columns})
        calls.append((t.name, a))
    return Turn(Q.varied_request(t, shared, columns, R), calls)


def several(tools, R):
    """A turn of calls of different tools (or the same tool with unrelated values)."""
    n = R.choices([2, 3, 4], [70, 24, 6])[0]
    chosen = R.sample(tools, min(n, len(tools)))
    while len(chosen) < n and R.random() < 0.6:
        chosen.append(R.choice(tools))
    parts, calls = [], []
    for t in chosen:
        args, said = Q.fill(t, R, 0.35)
        parts.append((t, said))
        calls.append((t.name, args))
    r = R.random()
    if r < 0.5:
        s = Q.finish(
            R.choice([" and ", ", and ", ", then ", " and also ", "; ", ". Also, ", ". Then ", " plus "]).join(
                Q.clause(t, said, R) for t, said in parts
            ),
            R,
        )
        s = Q.finish(R.choice(Q.FRAMES["polite"]).replace("{c}", s[:1].lower() + s[1:]), R)
    elif r < 0.85:
        s = (
            R.choice([" ", " Also: ", " Next: ", " And ", "\n", " Oh, and ", " Besides that, ", " After that, "])
            .join(Q.request(t, said, R) + ("" if R.random() < 0.5 else ".") for t, said in parts)
            .replace("..", ".")
        )
    else:
        s = "\n".join(f"{i + 1}. {Q.request(t, said, R)}" if r < 0.95 else "- " + Q.clause(t, said, R) for i, (t, said) in enumerate(parts))
    return Turn(s, calls)


def follow(t, args, said, R):
    """A later turn that changes or adds one or two values of an earlier call."""
    free = [p for p in t.params if p.kind != "bool" and p.kind not in ("object", "list_obj")]
    if not free:
        return None
    new = R.sample(free, 1 if len(free) == 1 or R.random() < 0.75 else 2)
    drawn = [(p,) + p.draw(R) for p in new]
    a = {p.name: args[p.name] for p in t.params if p.name in args}
    a.update({p.name: v for p, v, _ in drawn})
    words = " and ".join(Q.phrases_of(drawn, R))
    return Turn(Q.finish(R.choice(Q.FRAMES["again"]).replace("{x}", words), R), [(t.name, a)])


def missing(t, R):
    """[Turn asking back, Turn with the answer] or None."""
    req = [p for p in t.params if p.required and p.kind not in ("bool", "object", "list_obj")]
    if not req:
        return None
    p = R.choice(req)
    args, said = Q.fill(t, R, 0.3)
    value = next((v, s) for q, v, s in said if q is p)
    first = Q.request(t, [x for x in said if x[0] is not p], R)
    ask = R.choice(Q.FRAMES["ask"]).format(h=p.human)
    answer = Q.finish(
        R.choice(["{x}", "{s}", "{s}", "{s} please", "make that {s}", "the {h} is {s}", "{x}, thanks"]).format(
            x=Q.param_phrase(p, value[0], value[1], R, False), s=value[1], h=p.human
        ),
        R,
    )
    return [Turn(first, [], ask), Turn(answer, [(t.name, args)])]


def result_of(t, args, R):
    """A plausible JSON result and a sentence that tells it."""
    key, v = R.choice(L.NOUNS), R.choice([R.randint(1, 999), round(R.uniform(0, 100), 1), L.word(R), "ok", True])
    res = R.choice([{"status": R.choice(["ok", "success", "done"])}, {key: v}, {"result": v}, {key: v, "id": f"{L.word(R)}-{R.randint(1, 999)}"}])
    body = ", ".join(f"{k.replace('_', ' ')} {str(x).lower() if isinstance(x, bool) else x}" for k, x in res.items())
    return res, R.choice(["Done: {b}.", "The {n}: {b}.", "Here you go, {b}.", "I got {b} for the {n}.", "{b}.", "All set ({b})."]).format(
        b=body, n=t.noun
    )


WEIGHTS = [36, 13, 14, 22, 8, 7]


def sample(R, turns=None):
    """A Task over 1 to 7 tools."""
    tools = toolset(R, R.choices([1, 2, 3, 4, 5, 6, 7, 9], [22, 18, 18, 15, 11, 8, 5, 3])[0])
    want = turns or R.choices([1, 2, 3, 4, 5], [30, 30, 20, 12, 8])[0]
    out, last = [], None
    offered = list(tools)
    while len(out) < want:
        kind = R.choices([SINGLE, SEVERAL, REPEAT, NONE, MISSING, FOLLOW], WEIGHTS)[0]
        t = R.choice(tools)
        if kind == NONE:
            absent = near(t, R) if R.random() < 0.6 else T.make(R)
            if absent.name in {x.name for x in offered} or any(synonymous(absent, x) for x in offered):
                continue
            out.append(Turn(Q.request(absent, Q.fill(absent, R, 0.4)[1], R), [], decline(offered, R)))
        elif kind == REPEAT:
            x = varied(t, R)
            if x:
                out.append(x)
        elif kind == SEVERAL:
            out.append(several(tools, R))
        elif kind == MISSING:
            out += missing(t, R) or []
        elif kind == FOLLOW and last:
            x = follow(*last, R)
            if x:
                out.append(x)
        else:
            args, said = Q.fill(t, R)
            x = Turn(Q.request(t, said, R), [(t.name, args)])
            if R.random() < 0.15:
                res, x.final = result_of(t, args, R)
                x.results = [res]
            last = (t, args, said)
            out.append(x)
    return Task([t.schema() for t in tools], out, "procedural")
