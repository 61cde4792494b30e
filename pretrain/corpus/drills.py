"""Short exercises: copying, JSON, numbers, dates, lists. Each gives [(text, is_answer)]."""

from . import call_notations as C
from . import forms, kinds
from . import lexicon as L
from . import strings as S
from .tool_notations import dumps


def copying(R):
    """Repeat, reverse or pick items of a list of open-vocabulary strings."""
    items = [R.choice([S.title, S.person, S.code, S.phrase, S.place, S.email, S.path])(R) for _ in range(R.randint(1, 5))]
    r = R.random()
    if r < 0.4:
        return [("Copy: " + " | ".join(items) + "\n", 0), (" | ".join(items) + "\n", 1)]
    if r < 0.7:
        return [("List: " + forms.join(items, R) + "\nJSON: ", 0), (dumps(items) + "\n", 1)]
    i = R.randrange(len(items))
    return [("\n".join(f"{j + 1}. {x}" for j, x in enumerate(items)) + f"\nItem {i + 1}: ", 0), (dumps(items[i]) + "\n", 1)]


def names(R):
    """Style of identifiers."""
    ws = [L.word(R) for _ in range(R.randint(2, 4))]
    forms = {
        "snake_case": "_".join(ws),
        "camelCase": ws[0] + "".join(w.capitalize() for w in ws[1:]),
        "words": " ".join(ws),
        "PascalCase": "".join(w.capitalize() for w in ws),
        "kebab-case": "-".join(ws),
        "dotted": ".".join(ws),
    }
    a, b = R.sample(list(forms), 2)
    return [(f"{forms[a]} in {b}: ", 0), (forms[b] + "\n", 1)]


def conversions(R):
    """Numbers, percentages, dates, times and amounts as a description asks for them."""
    out = []
    for _ in range(R.randint(2, 6)):
        p = kinds.make(
            R,
            set(),
            kind=[
                "date",
                "time",
                "datetime",
                "percent",
                "money",
                "duration",
                "count",
                "number",
                "list_num",
                "point",
                "enum",
                "currency",
                "length",
                "mass",
            ],
        )
        v, s = p.draw(R)
        note = p.schema.get("description", "")
        if "enum" in p.schema:
            note += " One of " + ", ".join(p.schema["enum"])
        out += [(f"{p.name} ({p.schema['type']}): {note} <- {s}\n= ", 0), (dumps(v) + "\n", 1)]
    return out


def json_object(R):
    """Objects: written, rewritten, looked up, with nesting."""

    def build(depth):
        o = {}
        for _ in range(R.randint(1, 5)):
            p = kinds.make(R, set(o))
            o[p.name] = p.draw(R)[0] if depth == 0 or R.random() < 0.75 else build(depth - 1)
        return o

    o = build(2)
    r = R.random()
    if r < 0.3:
        return [(dumps(o, indent=R.choice([None, 2])) + "\n", 1)]
    if r < 0.55:
        return [(dumps(o) + "\nindented:\n", 0), (dumps(o, indent=2) + "\n", 1)]
    k = R.choice(list(o))
    return [(dumps(o) + f"\n{k}: ", 0), (dumps(o[k]) + "\n", 1)]


def notation(R):
    """One call rewritten from one notation to another."""
    used, a = set(), {}
    for _ in range(R.randint(1, 5)):
        p = kinds.make(R, used)
        a[p.name] = p.draw(R)[0]
    cs = [(R.choice([L.word, L.invented])(R) + R.choice(["_", "."]) + R.choice(L.NOUNS), a)]
    return [("From:\n" + C.choose(R)[0](cs) + "\nTo:\n", 0), (C.choose(R)[0](cs) + "\n", 1)]


def sums(R):
    """Small arithmetic, so that digits are more than shapes."""
    out = []
    for _ in range(R.randint(3, 8)):
        a, b = R.randint(0, 99), R.randint(0, 99)
        out += (
            [(R.choice([f"{a} + {b} = ", f"{a} plus {b} is "]), 0), (f"{a + b}\n", 1)]
            if R.random() < 0.6
            else [(f"{a}% as a decimal: ", 0), (f"{a / 100:g}\n", 1)]
        )
    return out


ALL = [(copying, 25), (names, 10), (conversions, 30), (json_object, 15), (notation, 15), (sums, 5)]


def document(R):
    fs, ws = zip(*ALL)
    return R.choices(fs, ws)[0](R)
