"""Requests in words: one clause per call, frames and registers round it."""

import os

import yaml

from . import lexicon as L
from .forms import join
from .tools import article

with open(os.path.join(L.HERE, "lexicon", "frames.yaml"), encoding="utf-8") as _f:
    FRAMES = yaml.safe_load(_f)
GENERIC = [
    "with {h} {v}",
    "{h} {v}",
    "{v} as the {h}",
    "with a {h} of {v}",
    "where the {h} is {v}",
    "{h}: {v}",
    "and {h} {v}",
    "using {v} for the {h}",
    "the {h} being {v}",
    "given {h} {v}",
    "{h} = {v}",
    "having {v} as {h}",
]
QUOTED = {"title", "phrase", "sentence", "path"}
VERBISH = ("include", "notify", "send", "show", "confirm", "overwrite", "repeat", "shuffle", "encrypt", "compress", "force", "express")


def quote(s, R):
    return R.choice(["'%s'", '"%s"', "“%s”", "%s", "%s"]) % s


def bool_phrase(h, on, R):
    w = h.split(" ")
    if w[0] in VERBISH:
        return (
            R.choice([f"and {h}", f"and please {h}", f"make sure to {h}", f"{h} too"])
            if on
            else R.choice([f"but don't {h}", f"do not {h}", f"no need to {h}", f"without {h}"])
        )
    if w[0] in ("is", "has", "with", "allowed"):
        rest = " ".join(w[1:]) or h
        return (
            R.choice([f"with {rest}", f"it should be {rest}", f"{rest}: yes"]) if on else R.choice([f"without {rest}", f"no {rest}", f"{rest}: no"])
        )
    return (
        R.choice([f"make it {h}", f"with {h}", f"{h}", f"{h} on", f"it's {h}", f"as {h}", f"{h}: yes", f"{h} = true"])
        if on
        else R.choice([f"not {h}", f"without {h}", f"{h} off", f"no {h}", f"{h}: no", f"non-{h}"])
    )


def param_phrase(p, value, surface, R, clash):
    """The words that give one parameter. clash: another parameter of the tool looks alike."""
    if p.kind == "bool":
        return bool_phrase(p.human, value, R)
    pool = p.phrases
    if clash or R.random() < 0.2:
        pool = [x for x in p.phrases if "{h}" in x] or GENERIC
        pool = pool if R.random() < 0.5 else GENERIC
    t = R.choice(pool)
    q = quote(surface, R) if p.kind in QUOTED or R.random() < 0.08 and isinstance(value, str) else surface
    return t.format(v=q if p.kind in ("phrase", "sentence") else surface, q=q, h=p.human)


def fill(tool, R, richness=0.5):
    """Draws the arguments of a call: ({name: value}, [(param, value, surface)])."""
    args, said = {}, []
    for p in tool.params:
        if not p.required and R.random() > richness:
            continue
        if p.kind == "bool":
            d = p.extra.get("default")
            v = (not d) if isinstance(d, bool) and R.random() < 0.8 else R.random() < 0.7
            s = ""
        else:
            v, s = p.draw(R)
        args[p.name] = v
        said.append((p, v, s))
    return args, said


def phrases_of(said, R):
    kinds = [p.kind for p, _, _ in said]
    parts = [param_phrase(p, v, s, R, kinds.count(p.kind) > 1) for p, v, s in said]
    if R.random() < 0.5:
        R.shuffle(parts)
    return parts


def verb_of(tool, R):
    return R.choice(L.VERBS.get(tool.verb, ["get", "find", "check"]))


def object_of(tool, R):
    n = tool.noun
    return R.choice([f"the {n}", f"{article(n)} {n}", f"my {n}", f"{n}", f"{n}s", f"the {n}", f"{article(n)} {n}", f"this {n}", f"some {n}"])


def clause(tool, said, R):
    """An imperative clause: verb, object, parameter phrases."""
    parts, v, o = phrases_of(said, R), verb_of(tool, R), object_of(tool, R)
    r = R.random()
    if r < 0.6 or not parts:
        return " ".join([v, o] + parts)
    if r < 0.7:
        return f"{v} {o}{R.choice([': ', ', ', ' - ', ' '])}" + R.choice([", ", "; ", ", "]).join(parts)
    if r < 0.78:
        k = R.randint(0, len(parts) - 1)
        return f"{parts[k]}, {v} {o} " + " ".join(parts[:k] + parts[k + 1 :])
    if r < 0.86 and len(parts) > 1:
        return f"{v} {o} {', '.join(parts[:-1])} and {parts[-1]}"
    if r < 0.93:
        given = [(p.human, s if p.kind != "bool" else ("yes" if x else "no")) for p, x, s in said]
        return f"{v} {o} " + R.choice(["(%s)", "- %s", "with %s", "where %s", ": %s"]) % ", ".join(
            R.choice([f"{h}: {s}", f"{h} {s}", f"{h} = {s}", f"{h} is {s}"]) for h, s in given
        )
    k = len(parts) // 2
    return (
        f"{v} {o} {' '.join(parts[:k])}".rstrip()
        + ". "
        + R.choice(["It should be ", "Make it ", "Use ", "I want it ", "That's ", ""])
        + ", ".join(parts[k:])
    )


def finish(s, R):
    """Registers: case, full stop, contractions of chat."""
    s = " ".join(s.split()).replace(" ,", ",").replace(" ;", ";").replace("?.", "?").replace("..", ".").replace(" :", ":")
    r = R.random()
    if r < 0.5:
        s = s[:1].upper() + s[1:]
    if r < 0.4 and s[-1:] not in ".?!":
        s += R.choice([".", ".", "!", "?"])
    return s


def colour(t, R):
    return t.format(p=R.choice(L.FIRST), x=R.choice(L.CITIES), n=R.choice(L.NOUNS).replace("_", " "))


def request(tool, said, R):
    """A whole request for one call."""
    r = R.random()
    if r < 0.66 or not said:
        s = R.choice(FRAMES["polite"]).replace("{c}", clause(tool, said, R))
    else:
        pool = (
            FRAMES["question"]
            if tool.verb in ("get", "calculate", "estimate", "count", "measure", "track", "find_out") or R.random() < 0.3
            else FRAMES["noun_request"]
        )
        n = tool.noun
        s = R.choice(pool).replace("{ao}", f"{article(n)} {n}").replace("{o}", n).replace("{p}", " ".join(phrases_of(said, R)))
    if R.random() < 0.12:
        s = colour(R.choice(FRAMES["context"]), R) + " " + s
    if R.random() < 0.08:
        s = s.rstrip(".!?") + R.choice([". ", "! ", "? "]) + colour(R.choice(FRAMES["tail"]), R)
    return finish(s, R)


def varied_request(tool, shared, varied, R):
    """One request for several calls of one tool that differ in the parameters `varied`:
    [(param, [(value, surface), ...])], equally long lists; `shared` as in fill()."""
    n = len(varied[0][1])
    if len(varied) == 1:
        p, vs = varied[0]
        said = shared + [(p, None, join([s for _, s in vs], R))]
        s = (
            request(tool, said, R)
            if R.random() < 0.7
            else finish(
                clause(tool, shared, R)
                + R.choice([" for each of ", " for ", ": ", " separately for ", " once per item: "])
                + join([s for _, s in vs], R),
                R,
            )
        )
        if R.random() < 0.15:
            s = s.rstrip(".!?") + R.choice(
                [", each one separately.", ", respectively.", " too.", ", one at a time", ", both of them" if n == 2 else ", all of them"]
            )
        return s
    r = R.random()
    if r < 0.4:
        said = shared + [(p, None, join([s for _, s in vs], R)) for p, vs in varied]
        return finish(request(tool, said, R).rstrip(".!?") + R.choice([", respectively", " respectively", ", in that order"]), R)
    bits = [" ".join(phrases_of([(p, vs[i][0], vs[i][1]) for p, vs in varied], R)) for i in range(n)]
    if r < 0.55:
        bits = [", ".join(vs[i][1] for _, vs in varied) for i in range(n)]
        return finish(clause(tool, shared, R) + ": " + "; ".join(f"({b})" if R.random() < 0.3 else b for b in bits), R)
    if r < 0.7:
        lines = [f"{R.choice(['- ', '* ']) if r < 0.63 else str(i + 1) + '. '}{b}" for i, b in enumerate(bits)]
        return R.choice([clause(tool, shared, R), request(tool, shared, R)]) + ":\n" + "\n".join(lines)
    return finish(
        request(tool, shared, R).rstrip(".!?") + ", " + join(bits, R)
        if r < 0.85
        else clause(tool, shared, R) + " " + R.choice([" and then ", " and also ", ", then ", "; then repeat ", " and again "]).join(bits),
        R,
    )
