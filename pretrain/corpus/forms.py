"""Value forms of parameters: each maker takes (R, words of the parameter's name) and gives (schema, note, draw).

`draw(R) -> (value, surface)`; the note is what a description says about the form, so that the way from the
words to the value can be read off the schema.
"""

import os

import yaml

from . import lexicon as L
from . import values as V


def load(name):
    with open(os.path.join(L.HERE, "lexicon", name), encoding="utf-8") as f:
        return yaml.safe_load(f)


def enum_values(text):
    out = []
    for token in text.split():
        value, _, says = token.partition("=")
        out.append((value, [s.replace("_", " ") for s in says.split("|")] if says else [value.replace("_", " ")]))
    return out


ENUMS = {k: enum_values(v) for k, v in load("enums.yaml").items()}
LENGTH, MASS = ["meters", "cm", "feet", "inches", "kilometers", "mm", "miles"], ["kg", "grams", "pounds", "tons"]
SPEED, PHYS = (
    ["m/s", "km/h", "mph"],
    {
        "force": "newtons",
        "acceleration": "m/s^2",
        "energy": "joules",
        "power": "watts",
        "pressure": "pascals",
        "voltage": "volts",
        "current": "amperes",
        "resistance": "ohms",
        "frequency": "Hz",
        "volume": "liters",
        "area": "square meters",
        "density": "kg/m^3",
        "charge": "coulombs",
        "torque": "Nm",
    },
)
SHORT = {
    "kilometers": "km",
    "meters": "m",
    "seconds": "s",
    "grams": "g",
    "pounds": "lbs",
    "feet": "ft",
    "watts": "W",
    "volts": "V",
    "newtons": "N",
    "joules": "J",
}
CODES = "USD EUR GBP JPY CHF INR CAD AUD SEK NOK PLN BRL MXN ZAR KRW CNY".split()
MONEY_WORDS = {"USD": "US dollars", "EUR": "euros", "GBP": "British pounds", "JPY": "Japanese yen", "INR": "Indian rupees", "CAD": "Canadian dollars"}


def strings(f):
    return lambda R, h: ({"type": "string"}, "", V.same(f))


def number_schema(R):
    return {"type": R.choice(["number", "number", "integer"])}


def fit(schema, R, v):
    return int(round(v)) if schema["type"] == "integer" else v


def quantity(units):
    def make(R, h):
        unit = PHYS.get(h.split()[-1]) if units is PHYS else R.choice(units)
        unit, schema = unit or R.choice(["units", "SI units"]), number_schema(R)
        style = R.random()

        def draw(R):
            v = fit(schema, R, V.decimal(R))
            s, u = V.say_number(v, R, 0.05), SHORT.get(unit, unit) if R.random() < 0.4 else unit
            return v, s if R.random() < 0.2 or "unit" in unit else f"{s} {u}" if len(u) > 3 or R.random() < 0.6 else s + u

        return schema, f"in {unit}" if style < 0.75 else "", draw

    return make


def money(R, h):
    schema = number_schema(R)

    def draw(R):
        v = R.choice(
            [
                R.randint(1, 100),
                R.randint(1, 50) * 10,
                R.randint(1, 90) * 100,
                R.randint(1, 500) * 1000,
                R.randint(1, 50) * 100000,
                round(R.uniform(1, 500), 2),
            ]
        )
        v = fit(schema, R, v)
        s = V.say_number(v, R, 0.06)
        return v, R.choice([f"${s}", f"{s} dollars", f"${s}", f"{s} bucks", s, f"{s} USD"])

    return schema, "", draw


def percent(R, h):
    fraction, schema = R.random() < 0.5, {"type": "number"}
    note = (
        R.choice(["as a decimal", "as a fraction between 0 and 1", "in decimal form (e.g. 0.05 for 5%)"])
        if fraction
        else R.choice(["in percent", "as a percentage", "(percent, 0 to 100)"])
    )

    def draw(R):
        p = R.choice([R.randint(1, 100), R.randint(1, 20), round(R.uniform(0.5, 15), 1), R.choice([5, 10, 15, 20, 25, 30, 40, 50, 75, 80, 90])])
        v = round(p / 100, 6) if fraction else p
        if fraction and R.random() < 0.3:
            return v, V.number_text(v)
        s = V.number_words(p) + " percent" if isinstance(p, int) and R.random() < 0.12 else R.choice([f"{p}%", f"{p}%", f"{p} %", f"{p} percent"])
        return v, {50: R.choice(["half", s])}.get(p, s) if not fraction else s

    return schema, note, draw


def date(R, h):
    r = R.random()
    if r < 0.12:
        return {"type": "string"}, R.choice(["as the user says it, e.g. 'next Friday'", "in the user's own words"]), V.same(V.relative_date)
    form = "YYYY-MM-DD" if r < 0.75 else R.choice(list(V.DATE_FORMS))
    schema = {"type": "string"}
    if form == "YYYY-MM-DD" and R.random() < 0.3:
        schema["format"] = "date"

    def draw(R):
        y, m, d = R.randint(1990, 2032), R.randint(1, 12), R.randint(1, 28)
        v = V.DATE_FORMS[form].format(y=y, m=m, d=d)
        return v, v if R.random() < 0.4 else V.date_words(y, m, d, R)

    return schema, R.choice([f"in {form} format", f"({form})", f"formatted as {form}", f"({form} format)"]), draw


def time(R, h):
    twelve = R.random() < 0.15

    def draw(R):
        hh, mm = R.randint(0, 23), R.choice([0, 0, 15, 30, 45, R.randint(0, 59)])
        v = f"{(hh - 1) % 12 + 1}:{mm:02d} {'AM' if hh < 12 else 'PM'}" if twelve else f"{hh:02d}:{mm:02d}"
        return v, v if R.random() < 0.35 else V.time_words(hh, mm, R)

    return (
        {"type": "string"},
        R.choice(["as H:MM AM/PM", "(12-hour, like 3:15 PM)"]) if twelve else R.choice(["in HH:MM, 24-hour", "(HH:MM)", "in 24-hour HH:MM format"]),
        draw,
    )


def datetime(R, h):
    sep = R.choice(["T", " "])

    def draw(R):
        y, m, d, hh, mm = R.randint(2015, 2030), R.randint(1, 12), R.randint(1, 28), R.randint(0, 23), R.choice([0, 15, 30, 45])
        iso = f"{y}-{m:02d}-{d:02d}"
        v = f"{iso}{sep}{hh:02d}:{mm:02d}"
        day, tm = iso if R.random() < 0.4 else V.date_words(y, m, d, R), V.time_words(hh, mm, R) if R.random() < 0.6 else f"{hh:02d}:{mm:02d}"
        return v, R.choice([v, f"{day} at {tm}", f"{tm} on {day}", f"{day}, {tm}"])

    return {"type": "string"}, f"as YYYY-MM-DD{sep}HH:MM", draw


def duration(R, h):
    known = [u for u in ("minutes", "days", "nights", "hours", "years", "weeks", "months", "seconds") if u in h]
    unit = known[0] if known else R.choice(["minutes", "days", "hours"])

    def draw(R):
        n = R.choice([R.randint(1, 12), R.randint(1, 60), R.randint(1, 10) * 5])
        s = V.say_number(n, R, 0.3)
        if unit == "minutes" and n % 60 == 0:
            s2 = f"{n // 60} hour" + ("s" if n > 60 else "")
            return n, R.choice([s2, f"{s} minutes"])
        if unit == "minutes" and n == 30 and R.random() < 0.4:
            return n, "half an hour"
        if unit == "days" and n % 7 == 0 and R.random() < 0.4:
            return n, "a week" if n == 7 else f"{V.say_number(n // 7, R)} weeks"
        return n, R.choice([f"{s} {unit}", f"{s} {unit}", f"{s} {unit[:-1]}" if n == 1 else f"{s} {unit}"])

    return {"type": "integer"}, f"in {unit}", draw


def enum(R, h):
    base = h.split()[-1] if h.split()[-1] in ENUMS else h.replace(" ", "_") if h.replace(" ", "_") in ENUMS else R.choice(list(ENUMS))
    members = R.sample(ENUMS[base], R.randint(2, len(ENUMS[base])) if len(ENUMS[base]) > 2 else 2)
    if R.random() < 0.3:
        members = [(w, [w]) for w in dict.fromkeys(R.choice([L.word, L.invented])(R) for _ in range(R.randint(2, 6)))]
    shape = R.choice([str, str, str, str.upper, str.lower])
    members = [(shape(v), says) for v, says in members]
    listed = R.random() < 0.75
    schema = {"type": "string"}
    note = ""
    if listed:
        schema["enum"] = [v for v, _ in members]
    else:
        note = R.choice(["One of ", "Allowed values: ", "Can be ", "Options: "]) + ", ".join(R.choice(["'%s'"]) % v for v, _ in members)

    def draw(R):
        v, says = R.choice(members)
        return v, R.choice(says) if R.random() < 0.7 else v.replace("_", " ").lower()

    return schema, note, draw


def join(surfaces, R):
    """Words of a list, as people write lists."""
    if len(surfaces) == 1:
        return surfaces[0]
    r = R.random()
    if r < 0.6:
        return ", ".join(surfaces[:-1]) + R.choice([" and ", " and ", ", and "]) + surfaces[-1]
    return R.choice([", ".join(surfaces), " and ".join(surfaces), "[" + ", ".join(surfaces) + "]" if R.random() < 0.2 else ", ".join(surfaces)])


def list_of(f):
    def make(R, h):
        def draw(R):
            vs = list(dict.fromkeys(f(R) for _ in range(R.choice([1, 2, 2, 3, 3, 4, 5]))))
            return vs, join(vs, R)

        return {"type": "array", "items": {"type": "string"}}, "", draw

    return make


def list_num(R, h):
    whole = R.random() < 0.6

    def draw(R):
        big = R.choice([10, 100, 1000])
        vs = [R.randint(1, big) if whole else round(R.uniform(0, big), 1) for _ in range(R.randint(2, 8))]
        t = [V.number_text(v) for v in vs]
        return vs, R.choice([join(t, R), "[" + ", ".join(t) + "]", ", ".join(t), "[" + ",".join(t) + "]", " ".join(t)])

    return {"type": "array", "items": {"type": "integer" if whole else "number"}}, "", draw


def point(R, h):
    n, whole = R.choice([2, 2, 2, 3]), R.random() < 0.7

    def draw(R):
        vs = [R.randint(-10, 60) if whole else round(R.uniform(-90, 90), R.choice([1, 2, 4])) for _ in range(n)]
        t = ", ".join(map(str, vs))
        return vs, R.choice([f"({t})", f"[{t}]", f"({t.replace(' ', '')})", f"({t})"])

    return {"type": "array", "items": {"type": "integer" if whole else "number"}}, "", draw


def spoken(f):
    return lambda R, h: ({"type": "integer"}, "", lambda R: (lambda v: (v, V.say_number(v, R, 0.25)))(f(R)))


def number(R, h):
    schema = number_schema(R)
    return schema, "", lambda R: (lambda v: (v, V.say_number(v, R, 0.1)))(fit(schema, R, V.decimal(R)))


def variable(R, h):
    schema = number_schema(R)
    return (
        schema,
        "",
        lambda R: (lambda v: (v, str(v)))(R.randint(-30, 60) if schema["type"] == "integer" or R.random() < 0.6 else round(R.uniform(-9, 99), 1)),
    )


def currency(R, h):
    return {"type": "string"}, "", lambda R: (lambda c: (c, MONEY_WORDS[c] if c in MONEY_WORDS and R.random() < 0.4 else c))(R.choice(CODES))
