"""Procedural tools: verb and noun, parameters, descriptions, names in every style."""

from dataclasses import dataclass

from . import kinds
from . import lexicon as L


@dataclass
class Tool:
    name: str
    description: str
    params: list
    verb: str
    noun: str  # as words, e.g. "quarterly report"
    order: list = None

    def schema(self):
        """{"name", "description", "parameters"} with JSON Schema."""
        props = {p.name: p.schema for p in self.params}
        return {
            "name": self.name,
            "description": self.description,
            "parameters": {"type": "object", "properties": props, "required": [p.name for p in self.params if p.required]},
        }


STYLES = ["snake"] * 9 + ["camel"] * 5 + ["dotted"] * 5 + ["pascal"] * 2 + ["kebab"]


def style_name(words, style, R):
    ws = [w for x in words for w in x.replace("-", "_").replace(" ", "_").split("_") if w]
    if style == "camel":
        return ws[0].lower() + "".join(w.capitalize() for w in ws[1:])
    if style == "pascal":
        return "".join(w.capitalize() for w in ws)
    if style == "kebab":
        return "-".join(ws)
    if style == "dotted" and len(ws) > 1:
        k = R.randint(1, len(ws) - 1)
        return "_".join(ws[:k]) + "." + "_".join(ws[k:])
    return "_".join(ws)


DESCRIPTIONS = [
    "{V} {a} {n}.",
    "{V} {a} {n} {by}.",
    "{Vs} the {n} {by}.",
    "{V} {n}s.",
    "Function to {v} {a} {n} {by}.",
    "Use this to {v} {a} {n}.",
    "{V} the {n} with the given parameters.",
    "Allows to {v} {a} {n} {by}.",
    "{n_cap} service: {v} {a} {n}.",
    "{V} a specific {n} {by}.",
    "This tool {vs} {a} {n}.",
]


def third(v):
    a, *b = v.split(" ")
    a = a + "es" if a.endswith(("s", "sh", "ch", "x")) else a[:-1] + "ies" if a.endswith("y") and a[-2:-1] not in "aeou" else a + "s"
    return " ".join([a] + b)


def article(n):
    return "an" if n[:1] in "aeiou" else "a"


def make_noun(R):
    r = R.random()
    n = R.choice(L.NOUNS) if r < 0.75 else L.word(R)
    q = R.random()
    if q < 0.35:
        n = R.choice(L.ADJECTIVES) + "_" + n
    elif q < 0.5:
        n = R.choice(L.NOUNS) + "_" + n
    return n.replace("_", " ")


def make(R, verb=None, noun=None, arity=None):
    """A procedural Tool; `verb` and `noun` fix the operation (for near misses)."""
    verb = verb or (
        R.choice(list(L.VERBS))
        if R.random() < 0.72
        else R.choice(["get", "get", "search", "create", "calculate", "calculate", "book", "send", "find_out"])
    )
    base = L.VERBS.get(verb, ["get", "find"])
    noun = noun or make_noun(R)
    shown = verb.split("_")[0] if R.random() < 0.6 else R.choice(base).split(" ")[0]
    style, r = R.choice(STYLES), R.random()
    words = (
        [shown, noun]
        if r < 0.68
        else [noun, shown]
        if r < 0.85
        else [noun]
        if r < 0.93
        else [shown, noun, R.choice(["info", "data", "tool", "api", "v2", "service", "now", "details"])]
    )
    name = style_name(words, style, R)
    if R.random() < 0.06:
        name = L.invented(R) + R.choice(["_", "."]) + name
    n = arity if arity is not None else R.choices([0, 1, 2, 3, 4, 5, 6, 7], [3, 18, 24, 22, 16, 9, 5, 3])[0]
    used, pstyle = set(), "camel" if style in ("camel", "pascal") and R.random() < 0.6 else "snake"
    params = [kinds.make(R, used, style=pstyle) for _ in range(n)]
    if n >= 2 and R.random() < 0.12:  # twins: num1/num2, from/to
        a = R.choice(params)
        twin = kinds.make(R, used, style=pstyle, kind=[a.kind])
        params.append(twin)
    required = R.randint(1, n) if n else 0
    for i, p in enumerate(params):
        p.required = i < required and p.kind != "bool" or p.kind == "bool" and R.random() < 0.25
    if R.random() < 0.25:
        R.shuffle(params)
    for p in params:
        if not p.required and p.kind not in ("object", "list_obj"):
            add_default(p, R)
    v = R.choice(base)
    by = (
        ""
        if not params
        else R.choice(["by", "based on", "for a given", "using the", "given", "with the"])
        + " "
        + " and ".join(p.human for p in params[: R.randint(1, 3)])
    )
    d = R.choice(DESCRIPTIONS).format(
        V=v.capitalize(), Vs=third(v).capitalize(), v=v, vs=third(v), a=article(noun), n=noun, n_cap=noun.capitalize(), by=by
    )
    d = d.replace(" .", ".").replace("  ", " ")
    return Tool(name, d, params, verb, noun)


def add_default(p, R):
    """A default, in the schema or told by the description, or only the word optional."""
    r = R.random()
    if r < 0.35:
        d = R.random() < 0.5 if p.kind == "bool" else p.draw(R)[0]
        p.schema = dict(p.schema, default=d)
        p.extra["default"] = d
    elif r < 0.7 and "description" in p.schema:
        d = R.random() < 0.5 if p.kind == "bool" else p.draw(R)[0]
        shown = str(d).lower() if isinstance(d, bool) else d
        text = R.choice([" Default is {}.", " Defaults to {}.", " (default: {})", " Optional, default {}.", " Default '{}'."]).format(shown)
        p.schema = dict(p.schema, description=p.schema["description"].rstrip(".") + "." + text)
        p.extra["default"] = d
    elif r < 0.85 and "description" in p.schema:
        p.schema = dict(p.schema, description=R.choice(["Optional. ", "Optional: ", "(optional) "]) + p.schema["description"])
