"""New values in the place of an author's: same form, other content, so that values are copied, not recalled."""

import re

from . import lexicon as L
from . import strings as S
from . import values as V
from .forms import join

ISO_DATE, CLOCK = re.compile(r"(\d{4})-(\d\d)-(\d\d)$"), re.compile(r"([01]\d|2[0-3]):([0-5]\d)$")
CODE = re.compile(r"(?=.*\d)[\w#/.:-]{3,}$")
PERSON = re.compile(
    r"name|person|employee|author|artist|user|by$|recipient|guest|patient|player|owner|driver|assignee|teacher|client|customer|host", re.I
)
PLACE = re.compile(r"city|place|location|town|from|^to$|origin|destination|country|region|area|near|address", re.I)


def scramble(code, R):
    """A code of the same shape: digits for digits, letters for letters, separators kept; a leading prefix stays half the time."""
    m = re.match(r"[A-Za-z]+[-_#]", code)
    keep = m.end() if m and R.random() < 0.5 else 0
    out = [code[:keep]]
    for c in code[keep:]:
        out.append(R.choice(S.DIGIT) if c.isdigit() else R.choice(S.UPPER) if c.isupper() else R.choice(S.LOWER) if c.islower() else c)
    return "".join(out)


def new_string(name, value, R):
    if ISO_DATE.match(value):
        return f"{R.randint(1990, 2032)}-{R.randint(1, 12):02d}-{R.randint(1, 28):02d}"
    if CLOCK.match(value):
        return f"{R.randint(0, 23):02d}:{R.choice([0, 15, 20, 30, 45, R.randint(0, 59)]):02d}"
    if "@" in value and "." in value:
        return S.email(R)
    if value.startswith(("http:", "https:", "www.")):
        return S.url(R)
    if CODE.match(value):
        return scramble(value, R)
    if re.search(r"\.\w{2,4}$", value) and " " not in value:
        return S.path(R)
    if value[:1].isupper():
        r = R.random()
        if PLACE.search(name) and r < 0.8:
            return S.place(R)
        if PERSON.search(name) and r < 0.8:
            return S.person(R)
        return S.title(R)
    return S.phrase(R, 1, max(2, value.count(" ") + 2)) if " " in value else L.word(R)


def new_number(value, schema, R):
    if isinstance(value, float) and abs(value) <= 1:
        return round(R.uniform(0, 1), 2)
    span = max(5, abs(value) * 3)
    v = R.uniform(max(schema.get("minimum", 0 if value >= 0 else -span), -span), min(schema.get("maximum", span), span))
    if isinstance(value, int):
        step = 10 if abs(value) >= 50 and value % 10 == 0 else 1
        return int(v // step * step) or value
    return round(v, max(1, min(4, len(repr(value).partition(".")[2]))))


def mutate(name, schema, value, say, R):
    """(value, surface) of the same form, or the pair unchanged where the words cannot be rewritten safely."""
    if "enum" in schema or isinstance(value, bool) or "enum" in schema.get("items", {}):
        return value, say
    if isinstance(value, (int, float)):
        t = V.number_text(value)
        if len(re.findall(r"\d[\d.,]*", say)) == 1 and re.search(rf"(?<![\d.,]){re.escape(t)}(?![\d.,]*\d)", say):
            v = new_number(value, schema, R)
            return v, re.sub(rf"(?<![\d.,]){re.escape(t)}", V.number_text(v), say, count=1)
        return value, say
    if isinstance(value, str):
        if say == value:
            v = new_string(name, value, R)
            return v, v
        m = ISO_DATE.match(value)
        if m and re.search(r"\d", say):
            y, mo, d = R.randint(1990, 2032), R.randint(1, 12), R.randint(1, 28)
            return f"{y}-{mo:02d}-{d:02d}", V.date_words(y, mo, d, R)
        if CLOCK.match(value):
            h, mi = R.randint(0, 23), R.choice([0, 0, 15, 30, 45, R.randint(0, 59)])
            return f"{h:02d}:{mi:02d}", V.time_words(h, mi, R)
        return value, say
    if isinstance(value, list) and value and all(isinstance(x, str) and x in say for x in value):
        vs = list(dict.fromkeys(new_string(name, R.choice(value), R) for _ in range(R.randint(1, 4))))
        return vs, join(vs, R)
    if isinstance(value, list) and value and all(isinstance(x, (int, float)) and not isinstance(x, bool) for x in value):
        if all(V.number_text(x) in say for x in value):
            vs = [new_number(R.choice(value), schema.get("items", {}), R) for _ in range(R.randint(2, 6))]
            return vs, join([V.number_text(v) for v in vs], R)
    return value, say
