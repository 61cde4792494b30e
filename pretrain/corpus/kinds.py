"""Parameter kinds: what a parameter may be called, hold and how a request mentions it.

`make(R, used) -> Param` draws one. Names are realistic, compounded with adjectives, abbreviated or
invented; the description always says enough to know which words of a request belong to it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from . import forms
from . import lexicon as L
from . import strings as S
from . import values as V


@dataclass
class Param:
    """One procedural parameter. `schema` is its JSON Schema, `draw(R) -> (value, surface)`."""

    name: str
    human: str
    schema: dict
    phrases: list
    draw: Callable
    required: bool = True
    kind: str = ""
    extra: dict = field(default_factory=dict)


MORE_LANGUAGES = ["Polish", "Dutch", "Arabic", "Hindi", "Swahili", "Turkish"]
KINDS = [dict(k, n=[str(x) for x in k["n"].split()]) for k in forms.load("kinds.yaml")]


def _object(R, h):
    inner, used = [], set()
    while len(inner) < R.randint(2, 4):
        p = make(R, used, flat=True)
        inner.append(p)
    schema = {"type": "object", "properties": {p.name: p.schema for p in inner}}
    if R.random() < 0.6:
        schema["required"] = [p.name for p in inner if R.random() < 0.6]

    def draw(R):
        chosen = [p for p in inner if p.name in schema.get("required", []) or R.random() < 0.75] or inner[:1]
        v, says = {}, []
        for p in chosen:
            v[p.name], s = p.draw(R)
            says.append(R.choice([f"{p.human} {s}", f"{p.human} {s}", f"{s} as {p.human}", f"{p.human}: {s}", f"a {p.human} of {s}"]))
        return v, ", ".join(says[:-1]) + (R.choice([" and ", ", "]) if len(says) > 1 else "") + says[-1]

    return schema, "", draw


def _list_obj(R, h):
    schema, _, one = _object(R, h)

    def draw(R):
        items = [one(R) for _ in range(R.choice([1, 2, 2, 3]))]
        return [v for v, _ in items], R.choice(["; ", "; and ", ", then "]).join(s for _, s in items)

    return {"type": "array", "items": schema}, "", draw


GENERATORS = {
    "place": forms.strings(S.place),
    "country": forms.strings(lambda R: R.choice(L.COUNTRIES).replace("the ", "")),
    "person": forms.strings(S.person),
    "title": forms.strings(S.title),
    "phrase": forms.strings(S.phrase),
    "sentence": forms.strings(S.sentence),
    "code": forms.strings(S.code),
    "email": forms.strings(S.email),
    "phone": forms.strings(S.phone),
    "url": forms.strings(S.url),
    "path": forms.strings(S.path),
    "address": forms.strings(S.address),
    "formula": forms.strings(S.formula),
    "language": forms.strings(lambda R: R.choice([v for v, _ in forms.ENUMS["language"]] + MORE_LANGUAGES)),
    "weekday": forms.strings(lambda R: R.choice(L.DAYS)),
    "month": forms.strings(lambda R: R.choice(L.MONTHS)),
    "year": lambda R, h: ({"type": "integer"}, "", V.same(lambda R: R.randint(1850, 2035))),
    "count": forms.spoken(lambda R: R.choice([R.randint(1, 12), R.randint(1, 12), R.randint(1, 60), R.randint(1, 20) * 10])),
    "small_id": lambda R, h: ({"type": "integer"}, "", V.same(lambda R: R.choice([R.randint(1, 99), R.randint(100, 99999)]))),
    "duration": forms.duration,
    "money": forms.money,
    "length": forms.quantity(forms.LENGTH),
    "mass": forms.quantity(forms.MASS),
    "speed": forms.quantity(forms.SPEED),
    "physical": forms.quantity(forms.PHYS),
    "temperature": forms.quantity(["degrees Celsius", "degrees Fahrenheit", "kelvin"]),
    "percent": forms.percent,
    "variable": forms.variable,
    "number": forms.number,
    "date": forms.date,
    "time": forms.time,
    "datetime": forms.datetime,
    "enum": forms.enum,
    "currency": forms.currency,
    "point": forms.point,
    "latitude": lambda R, h: ({"type": "number"}, "", V.same(lambda R: round(R.uniform(-90, 90), 4))),
    "longitude": lambda R, h: ({"type": "number"}, "", V.same(lambda R: round(R.uniform(-180, 180), 4))),
    "bool": lambda R, h: ({"type": "boolean"}, "", lambda R: (True, "")),
    "list_word": forms.list_of(lambda R: L.word(R) if R.random() < 0.5 else R.choice(L.NOUNS).replace("_", " ") if R.random() < 0.7 else S.title(R)),
    "list_person": forms.list_of(S.person),
    "list_place": forms.list_of(S.place),
    "list_code": forms.list_of(lambda R: S.code(R) if R.random() < 0.7 else S.email(R)),
    "list_num": forms.list_num,
    "object": _object,
    "list_obj": _list_obj,
}
HEAVY = {"object", "list_obj"}
WEIGHTS = [1.6 if k["g"] == "enum" else 0.5 if k["g"] in HEAVY | {"latitude", "longitude", "month", "weekday", "phone"} else 1.1 for k in KINDS]


def vary_name(n, R):
    """Parameter name variants: compound, abbreviated, invented."""
    r = R.random()
    if r < 0.55:
        return n
    if r < 0.75:
        return R.choice(L.ADJECTIVES) + "_" + n
    if r < 0.87:
        return R.choice(L.NOUNS) + "_" + n.split("_")[-1]
    if r < 0.95:
        return L.word(R) + R.choice(["_", "_"]) + n.split("_")[-1]
    return L.word(R)


def camel(n):
    a, *b = [w for w in n.split("_") if w]
    return a + "".join(w.capitalize() for w in b)


def make(R, used, flat=False, style="snake", kind=None):
    """A Param whose name is not in `used` (which it joins). flat: no nested object. kind: only these generators."""
    pool = KINDS if kind is None else [k for k in KINDS if k["g"] in kind]
    tries = 0
    while True:
        tries += 1
        k = R.choices(KINDS, WEIGHTS)[0] if kind is None or tries > 40 else R.choice(pool)
        if flat and (k["g"] in HEAVY or k["g"].startswith("list") or k["g"] == "bool"):
            continue
        base = R.choice(k["n"])
        name = base if k["g"] in ("variable", "latitude", "longitude", "bool", "duration") else vary_name(base, R)
        if tries > 20:  # short name lists run out
            name = R.choice(L.ADJECTIVES) + "_" + base
        shown = camel(name) if style == "camel" else name
        if shown in used:
            continue
        used.add(shown)
        break
    human = name.replace("_", " ")
    schema, note, draw = GENERATORS[k["g"]](R, human)
    desc = R.choice(k["d"]).format(h=human)
    if name.split("_")[0] != base.split("_")[0] and "{h}" not in desc and human not in desc and R.random() < 0.6:
        desc = R.choice([f"The {human}.", f"{human.capitalize()}.", f"{desc[:-1]} ({human})."])
    if note:
        desc = desc.rstrip(".") + (" " if note[0].islower() or note[0] == "(" else ". ") + note + R.choice([".", "", "."])
    elif R.random() < 0.15 and k["g"] not in ("bool", "object", "list_obj"):
        desc = desc.rstrip(".") + R.choice([", e.g. {}.", " (e.g. {}).", ". Example: {}."]).format(draw(R)[1] or "true")
    if R.random() < 0.93:
        schema = dict(schema, description=desc)
    return Param(shown, human, schema, k["p"], draw, True, k["g"])
