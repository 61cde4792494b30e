"""Parameter kinds: what a parameter may be called, hold and how a request mentions it.

`make(R, used) -> Param` draws one. Names are realistic, compounded with adjectives, abbreviated or
invented; the description always says enough to know which words of a request belong to it.
"""
import os
from dataclasses import dataclass, field
from typing import Callable

import yaml

from . import lexicon as L
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


def _load(name):
    with open(os.path.join(L.HERE, "lexicon", name), encoding="utf-8") as f:
        return yaml.safe_load(f)


def _enum_values(text):
    out = []
    for token in text.split():
        value, _, says = token.partition("=")
        out.append((value, [s.replace("_", " ") for s in says.split("|")] if says else [value.replace("_", " ")]))
    return out


ENUMS = {k: _enum_values(v) for k, v in _load("enums.yaml").items()}
KINDS = [dict(k, n=[str(x) for x in k["n"].split()]) for k in _load("kinds.yaml")]
LENGTH, MASS = ["meters", "cm", "feet", "inches", "kilometers", "mm", "miles"], ["kg", "grams", "pounds", "tons"]
SPEED, PHYS = ["m/s", "km/h", "mph"], {"force": "newtons", "acceleration": "m/s^2", "energy": "joules", "power": "watts", "pressure": "pascals", "voltage": "volts", "current": "amperes", "resistance": "ohms", "frequency": "Hz", "volume": "liters", "area": "square meters", "density": "kg/m^3", "charge": "coulombs", "torque": "Nm"}
SHORT = {"kilometers": "km", "meters": "m", "seconds": "s", "grams": "g", "pounds": "lbs", "feet": "ft", "watts": "W", "volts": "V", "newtons": "N", "joules": "J"}
CODES = "USD EUR GBP JPY CHF INR CAD AUD SEK NOK PLN BRL MXN ZAR KRW CNY".split()
MONEY_WORDS = {"USD": "US dollars", "EUR": "euros", "GBP": "British pounds", "JPY": "Japanese yen", "INR": "Indian rupees", "CAD": "Canadian dollars"}


def _strings(f):
    return lambda R, h: ({"type": "string"}, "", V.same(f))


def _number_schema(R):
    return {"type": R.choice(["number", "number", "integer"])}


def _fit(schema, R, v):
    return int(round(v)) if schema["type"] == "integer" else v


def _quantity(units):
    def make(R, h):
        unit = PHYS.get(h.split()[-1]) if units is PHYS else R.choice(units)
        unit, schema = unit or R.choice(["units", "SI units"]), _number_schema(R)
        style = R.random()

        def draw(R):
            v = _fit(schema, R, V.decimal(R))
            s, u = V.say_number(v, R, .05), SHORT.get(unit, unit) if R.random() < .4 else unit
            return v, s if R.random() < .2 or "unit" in unit else f"{s} {u}" if len(u) > 3 or R.random() < .6 else s + u
        return schema, f"in {unit}" if style < .75 else "", draw
    return make


def _money(R, h):
    schema = _number_schema(R)

    def draw(R):
        v = R.choice([R.randint(1, 100), R.randint(1, 50) * 10, R.randint(1, 90) * 100, R.randint(1, 500) * 1000, R.randint(1, 50) * 100000, round(R.uniform(1, 500), 2)])
        v = _fit(schema, R, v)
        s = V.say_number(v, R, .06)
        return v, R.choice([f"${s}", f"{s} dollars", f"${s}", f"{s} bucks", s, f"{s} USD"])
    return schema, "", draw


def _percent(R, h):
    fraction, schema = R.random() < .5, {"type": "number"}
    note = R.choice(["as a decimal", "as a fraction between 0 and 1", "in decimal form (e.g. 0.05 for 5%)"]) if fraction else R.choice(["in percent", "as a percentage", "(percent, 0 to 100)"])

    def draw(R):
        p = R.choice([R.randint(1, 100), R.randint(1, 20), round(R.uniform(.5, 15), 1), R.choice([5, 10, 15, 20, 25, 30, 40, 50, 75, 80, 90])])
        v = round(p / 100, 6) if fraction else p
        if fraction and R.random() < .3:
            return v, V.number_text(v)
        s = V.number_words(p) + " percent" if isinstance(p, int) and R.random() < .12 else R.choice([f"{p}%", f"{p}%", f"{p} %", f"{p} percent"])
        return v, {50: R.choice(["half", s])}.get(p, s) if not fraction else s
    return schema, note, draw


def _date(R, h):
    r = R.random()
    if r < .12:
        return {"type": "string"}, R.choice(["as the user says it, e.g. 'next Friday'", "in the user's own words"]), V.same(V.relative_date)
    form = "YYYY-MM-DD" if r < .75 else R.choice(list(V.DATE_FORMS))
    schema = {"type": "string"}
    if form == "YYYY-MM-DD" and R.random() < .3:
        schema["format"] = "date"

    def draw(R):
        y, m, d = R.randint(1990, 2032), R.randint(1, 12), R.randint(1, 28)
        v = V.DATE_FORMS[form].format(y=y, m=m, d=d)
        return v, v if R.random() < .4 else V.date_words(y, m, d, R)
    return schema, R.choice([f"in {form} format", f"({form})", f"formatted as {form}", f"({form} format)"]), draw


def _time(R, h):
    twelve = R.random() < .15

    def draw(R):
        hh, mm = R.randint(0, 23), R.choice([0, 0, 15, 30, 45, R.randint(0, 59)])
        v = f"{(hh - 1) % 12 + 1}:{mm:02d} {'AM' if hh < 12 else 'PM'}" if twelve else f"{hh:02d}:{mm:02d}"
        return v, v if R.random() < .35 else V.time_words(hh, mm, R)
    return {"type": "string"}, R.choice(["as H:MM AM/PM", "(12-hour, like 3:15 PM)"]) if twelve else R.choice(["in HH:MM, 24-hour", "(HH:MM)", "in 24-hour HH:MM format"]), draw


def _datetime(R, h):
    sep = R.choice(["T", " "])

    def draw(R):
        y, m, d, hh, mm = R.randint(2015, 2030), R.randint(1, 12), R.randint(1, 28), R.randint(0, 23), R.choice([0, 15, 30, 45])
        iso = f"{y}-{m:02d}-{d:02d}"
        v = f"{iso}{sep}{hh:02d}:{mm:02d}"
        day, tm = iso if R.random() < .4 else V.date_words(y, m, d, R), V.time_words(hh, mm, R) if R.random() < .6 else f"{hh:02d}:{mm:02d}"
        return v, R.choice([v, f"{day} at {tm}", f"{tm} on {day}", f"{day}, {tm}"])
    return {"type": "string"}, f"as YYYY-MM-DD{sep}HH:MM", draw


def _duration(R, h):
    known = [u for u in ("minutes", "days", "nights", "hours", "years", "weeks", "months", "seconds") if u in h]
    unit = known[0] if known else R.choice(["minutes", "days", "hours"])

    def draw(R):
        n = R.choice([R.randint(1, 12), R.randint(1, 60), R.randint(1, 10) * 5])
        s = V.say_number(n, R, .3)
        if unit == "minutes" and n % 60 == 0:
            s2 = f"{n // 60} hour" + ("s" if n > 60 else "")
            return n, R.choice([s2, f"{s} minutes"])
        if unit == "minutes" and n == 30 and R.random() < .4:
            return n, "half an hour"
        if unit == "days" and n % 7 == 0 and R.random() < .4:
            return n, "a week" if n == 7 else f"{V.say_number(n // 7, R)} weeks"
        return n, R.choice([f"{s} {unit}", f"{s} {unit}", f"{s} {unit[:-1]}" if n == 1 else f"{s} {unit}"])
    return {"type": "integer"}, f"in {unit}", draw


def _enum(R, h):
    base = h.split()[-1] if h.split()[-1] in ENUMS else h.replace(" ", "_") if h.replace(" ", "_") in ENUMS else R.choice(list(ENUMS))
    members = R.sample(ENUMS[base], R.randint(2, len(ENUMS[base])) if len(ENUMS[base]) > 2 else 2)
    if R.random() < .3:
        members = [(w, [w]) for w in dict.fromkeys(R.choice([L.word, L.invented])(R) for _ in range(R.randint(2, 6)))]
    shape = R.choice([str, str, str, str.upper, str.lower])
    members = [(shape(v), says) for v, says in members]
    listed = R.random() < .75
    schema = {"type": "string"}
    note = ""
    if listed:
        schema["enum"] = [v for v, _ in members]
    else:
        note = R.choice(["One of ", "Allowed values: ", "Can be ", "Options: "]) + ", ".join(R.choice(["'%s'"]) % v for v, _ in members)

    def draw(R):
        v, says = R.choice(members)
        return v, R.choice(says) if R.random() < .7 else v.replace("_", " ").lower()
    return schema, note, draw


def join(surfaces, R):
    """Words of a list, as people write lists."""
    if len(surfaces) == 1:
        return surfaces[0]
    r = R.random()
    if r < .6:
        return ", ".join(surfaces[:-1]) + R.choice([" and ", " and ", ", and "]) + surfaces[-1]
    return R.choice([", ".join(surfaces), " and ".join(surfaces), "[" + ", ".join(surfaces) + "]" if R.random() < .2 else ", ".join(surfaces)])


def _list(f):
    def make(R, h):
        def draw(R):
            vs = list(dict.fromkeys(f(R) for _ in range(R.choice([1, 2, 2, 3, 3, 4, 5]))))
            return vs, join(vs, R)
        return {"type": "array", "items": {"type": "string"}}, "", draw
    return make


def _list_num(R, h):
    whole = R.random() < .6

    def draw(R):
        big = R.choice([10, 100, 1000])
        vs = [R.randint(1, big) if whole else round(R.uniform(0, big), 1) for _ in range(R.randint(2, 8))]
        t = [V.number_text(v) for v in vs]
        return vs, R.choice([join(t, R), "[" + ", ".join(t) + "]", ", ".join(t), "[" + ",".join(t) + "]", " ".join(t)])
    return {"type": "array", "items": {"type": "integer" if whole else "number"}}, "", draw


def _point(R, h):
    n, whole = R.choice([2, 2, 2, 3]), R.random() < .7

    def draw(R):
        vs = [R.randint(-10, 60) if whole else round(R.uniform(-90, 90), R.choice([1, 2, 4])) for _ in range(n)]
        t = ", ".join(map(str, vs))
        return vs, R.choice([f"({t})", f"[{t}]", f"({t.replace(' ', '')})", f"({t})"])
    return {"type": "array", "items": {"type": "integer" if whole else "number"}}, "", draw


def _object(R, h):
    inner, used = [], set()
    while len(inner) < R.randint(2, 4):
        p = make(R, used, flat=True)
        inner.append(p)
    schema = {"type": "object", "properties": {p.name: p.schema for p in inner}}
    if R.random() < .6:
        schema["required"] = [p.name for p in inner if R.random() < .6]

    def draw(R):
        chosen = [p for p in inner if p.name in schema.get("required", []) or R.random() < .75] or inner[:1]
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


def _spoken(f):
    return lambda R, h: ({"type": "integer"}, "", lambda R: (lambda v: (v, V.say_number(v, R, .25)))(f(R)))


def _number(R, h):
    schema = _number_schema(R)
    return schema, "", lambda R: (lambda v: (v, V.say_number(v, R, .1)))(_fit(schema, R, V.decimal(R)))


def _variable(R, h):
    schema = _number_schema(R)
    return schema, "", lambda R: (lambda v: (v, str(v)))(R.randint(-30, 60) if schema["type"] == "integer" or R.random() < .6 else round(R.uniform(-9, 99), 1))


def _currency(R, h):
    return {"type": "string"}, "", lambda R: (lambda c: (c, MONEY_WORDS[c] if c in MONEY_WORDS and R.random() < .4 else c))(R.choice(CODES))


GENERATORS = {
    "place": _strings(V.place), "country": _strings(lambda R: R.choice(L.COUNTRIES).replace("the ", "")), "person": _strings(V.person), "title": _strings(V.title),
    "phrase": _strings(V.phrase), "sentence": _strings(V.sentence), "code": _strings(V.code), "email": _strings(V.email), "phone": _strings(V.phone),
    "url": _strings(V.url), "path": _strings(V.path), "address": _strings(V.address), "formula": _strings(V.formula),
    "language": _strings(lambda R: R.choice([v for v, _ in ENUMS["language"]] + ["Polish", "Dutch", "Arabic", "Hindi", "Swahili", "Turkish"])),
    "weekday": _strings(lambda R: R.choice(L.DAYS)), "month": _strings(lambda R: R.choice(L.MONTHS)),
    "year": lambda R, h: ({"type": "integer"}, "", V.same(lambda R: R.randint(1850, 2035))),
    "count": _spoken(lambda R: R.choice([R.randint(1, 12), R.randint(1, 12), R.randint(1, 60), R.randint(1, 20) * 10])),
    "small_id": lambda R, h: ({"type": "integer"}, "", V.same(lambda R: R.choice([R.randint(1, 99), R.randint(100, 99999)]))),
    "duration": _duration, "money": _money, "length": _quantity(LENGTH), "mass": _quantity(MASS), "speed": _quantity(SPEED), "physical": _quantity(PHYS),
    "temperature": _quantity(["degrees Celsius", "degrees Fahrenheit", "kelvin"]), "percent": _percent, "variable": _variable, "number": _number,
    "date": _date, "time": _time, "datetime": _datetime, "enum": _enum, "currency": _currency, "point": _point,
    "latitude": lambda R, h: ({"type": "number"}, "", V.same(lambda R: round(R.uniform(-90, 90), 4))),
    "longitude": lambda R, h: ({"type": "number"}, "", V.same(lambda R: round(R.uniform(-180, 180), 4))),
    "bool": lambda R, h: ({"type": "boolean"}, "", lambda R: (True, "")),
    "list_word": _list(lambda R: L.word(R) if R.random() < .5 else R.choice(L.NOUNS).replace("_", " ") if R.random() < .7 else V.title(R)),
    "list_person": _list(V.person), "list_place": _list(V.place), "list_code": _list(lambda R: V.code(R) if R.random() < .7 else V.email(R)),
    "list_num": _list_num, "object": _object, "list_obj": _list_obj,
}
HEAVY = {"object", "list_obj"}
WEIGHTS = [1.6 if k["g"] == "enum" else .5 if k["g"] in HEAVY | {"latitude", "longitude", "month", "weekday", "phone"} else 1.1 for k in KINDS]


def vary_name(n, R):
    """Parameter name variants: compound, abbreviated, invented."""
    r = R.random()
    if r < .55:
        return n
    if r < .75:
        return R.choice(L.ADJECTIVES) + "_" + n
    if r < .87:
        return R.choice(L.NOUNS) + "_" + n.split("_")[-1]
    if r < .95:
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
        if tries > 20:                                                 # short name lists run out
            name = R.choice(L.ADJECTIVES) + "_" + base
        shown = camel(name) if style == "camel" else name
        if shown in used:
            continue
        used.add(shown)
        break
    human = name.replace("_", " ")
    schema, note, draw = GENERATORS[k["g"]](R, human)
    desc = R.choice(k["d"]).format(h=human)
    if name.split("_")[0] != base.split("_")[0] and "{h}" not in desc and human not in desc and R.random() < .6:
        desc = R.choice([f"The {human}.", f"{human.capitalize()}.", f"{desc[:-1]} ({human})."])
    if note:
        desc = desc.rstrip(".") + (" " if note[0].islower() or note[0] == "(" else ". ") + note + R.choice([".", "", "."])
    elif R.random() < .15 and k["g"] not in ("bool", "object", "list_obj"):
        desc = desc.rstrip(".") + R.choice([", e.g. {}.", " (e.g. {}).", ". Example: {}."]).format(draw(R)[1] or "true")
    if R.random() < .93:
        schema = dict(schema, description=desc)
    return Param(shown, human, schema, k["p"], draw, True, k["g"])
