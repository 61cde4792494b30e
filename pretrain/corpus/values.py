"""Values with the words people use for them.

A *value kind* is chosen once per parameter, `pick(kind, R)`, and yields
`(schema, note, draw)`: the JSON Schema fragment, what a description says about the form, and
`draw(R) -> (value, surface)`. The value is what a call must hold, the surface what a user writes; where
they differ the note states the rule ("as a decimal fraction", "HH:MM, 24-hour"), so it can be learnt.
"""

from . import lexicon as L

SMALL = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen twenty".split()
)
TENS = {20: "twenty", 30: "thirty", 40: "forty", 50: "fifty", 60: "sixty", 70: "seventy", 80: "eighty", 90: "ninety"}
UPPER, LOWER, DIGIT = "ABCDEFGHJKLMNPQRSTUVWXYZ", "abcdefghijkmnopqrstuvwxyz", "0123456789"


def number_words(n):
    """English words of 0 <= n < 1,000,000."""
    if n <= 20:
        return SMALL[n]
    if n < 100:
        return TENS[n // 10 * 10] + ("-" + SMALL[n % 10] if n % 10 else "")
    if n < 1000:
        return SMALL[n // 100] + " hundred" + (" and " + number_words(n % 100) if n % 100 else "")
    return number_words(n // 1000) + " thousand" + (" " + number_words(n % 1000) if n % 1000 else "")


def same(f):
    def draw(R):
        v = f(R)
        return v, v if isinstance(v, str) else number_text(v)

    return draw


def number_text(v):
    return ("true" if v else "false") if isinstance(v, bool) else repr(v) if isinstance(v, float) else str(v)


ACCENTS = {
    "a": "áàâäãåā",
    "e": "éèêëę",
    "i": "íìîï",
    "o": "óòôöõøō",
    "u": "úùûüū",
    "c": "çćč",
    "n": "ñń",
    "s": "śšş",
    "z": "žźż",
    "l": "ł",
    "y": "ý",
    "g": "ğ",
    "d": "đ",
    "t": "ț",
}


def accented(s, R):
    """Now and then letters with accents, as in names from elsewhere: bytes have to be copied, too."""
    if R.random() > 0.1:
        return s
    out = [R.choice(ACCENTS[c]) if c in ACCENTS and R.random() < 0.25 else c for c in s]
    return "".join(out) if R.random() < 0.97 else s + R.choice([" №", " ™", " ✓", "…", " €", " 東京", " Привет", "!"]) + str(R.randint(1, 9))


# ---- strings
def person(R):
    return accented(_person(R), R)


def _person(R):
    f = R.choice(L.FIRST) if R.random() < 0.5 else L.capital(R) if R.random() < 0.6 else L.invented(R).capitalize()
    if R.random() < 0.35:
        return f
    r = R.random()
    last = R.choice(L.LAST) if r < 0.5 else L.capital(R) if r < 0.8 else L.invented(R).capitalize()
    return (R.choice(["Dr. ", "Mr. ", "Ms. ", "Prof. "]) if R.random() < 0.06 else "") + f + " " + last


def place(R):
    return accented(_place(R), R)


def _place(R):
    r = R.random()
    if r < 0.4:
        return R.choice(L.CITIES)
    if r < 0.55:
        return L.slot_value(R, "city", "country", "state", "destination", "location")
    if r < 0.7:
        return L.capital(R)
    if r < 0.76:
        return L.invented(R).capitalize() + R.choice(["", "", "ville", " Falls", " Bay", "burg", " Springs"])
    if r < 0.84:
        return R.choice(L.COUNTRIES)
    return R.choice(L.CITIES) + ", " + R.choice(L.LISTS["regions"])


def title(R):
    return accented(_title(R), R)


def _title(R):
    if R.random() < 0.35:
        return L.slot_value(
            R,
            "song_name",
            "album",
            "track",
            "object_name",
            "entity_name",
            "movie_name",
            "playlist",
            "restaurant_name",
            "hotel_name",
            "event_name",
            "attraction_name",
            "property_name",
            "artist",
        )
    ws = [L.capital(R) if R.random() < 0.5 else L.word(R).capitalize() for _ in range(R.randint(1, 4))]
    if len(ws) > 2 and R.random() < 0.5:
        ws[1] = R.choice(["of", "the", "and", "in", "for"])
    return " ".join(ws)


def phrase(R, lo=1, hi=6):
    r = R.random()
    if r < 0.45:
        return " ".join(L.word(R) for _ in range(R.randint(lo, hi)))
    n = R.choice(L.NOUNS).replace("_", " ")
    a = R.choice(L.ADJECTIVES)
    return R.choice(
        [
            f"{a} {n}",
            f"{a} {n} {L.word(R)}",
            f"{n} {L.word(R)}",
            f"the {a} {n}",
            f"{n} and {R.choice(L.NOUNS)}",
            f"{n} in {R.choice(L.CITIES)}",
            f"how to {L.word(R)} a {n}",
            f"{a} {n} for {R.choice(L.FIRST)}",
        ]
    )


def sentence(R):
    def v():
        return R.choice(R.choice(list(L.VERBS.values())))

    def n():
        return R.choice(L.NOUNS).replace("_", " ")

    return R.choice(
        [
            lambda: f"{v().capitalize()} the {n()} before {R.choice(L.DAYS)}",
            lambda: f"I will be {R.randint(5, 60)} minutes late",
            lambda: f"The {n()} is ready for {R.choice(L.FIRST)}",
            lambda: f"don't forget the {n()}",
            lambda: f"See you at the {n()}!",
            lambda: f"{R.choice(L.FIRST)} needs the {R.choice(L.ADJECTIVES)} {n()}",
            lambda: f"Can we move the {n()} to {R.choice(L.DAYS)}?",
            lambda: phrase(R, 3, 9),
            lambda: f"{v()} {n()} and {v()} {n()}",
            lambda: f"Meeting about the {n()} with {person(R)}",
            lambda: f"happy birthday, {R.choice(L.FIRST)}",
            lambda: f"Thanks for the {n()}",
        ]
    )()


def code(R):
    r, p = R.random(), lambda s, a, b: "".join(R.choices(s, k=R.randint(a, b)))
    if r < 0.3:
        return p(UPPER, 2, 4) + R.choice(["-", "", "_", "#", "-"]) + p(DIGIT, 3, 6)
    if r < 0.45:
        return p(DIGIT, 4, 9)
    if r < 0.6:
        return p(UPPER + LOWER + DIGIT, 6, 12)
    if r < 0.7:
        return p(LOWER, 2, 4) + "_" + p(LOWER[:6] + DIGIT, 4, 7)
    if r < 0.8:
        return f"{p(UPPER, 1, 3)}-{R.randint(2015, 2030)}-{p(DIGIT, 2, 4)}"
    return R.choice(["user", "ord", "inv", "item", "proj", "acct", "dev", "tx", "room", "ref", L.word(R)]) + R.choice("_-#") + p(DIGIT, 2, 5)


def email(R):
    n = R.choice(
        [
            lambda: R.choice(L.FIRST).lower(),
            lambda: R.choice(L.FIRST).lower() + R.choice("._") + R.choice(L.LAST).lower().replace(" ", ""),
            lambda: L.word(R) + str(R.randint(1, 99)),
            lambda: L.invented(R),
        ]
    )()
    return (
        n
        + "@"
        + R.choice(["example", "mail", "acme", "globex", L.word(R), L.invented(R)])
        + R.choice([".com", ".org", ".net", ".io", ".co.uk", ".de"])
    )


def url(R):
    return (
        R.choice(["https://", "http://", "https://www."])
        + R.choice([L.invented(R), L.word(R)])
        + R.choice([".com", ".org", ".io", ".net"])
        + R.choice(["", "/" + L.word(R), f"/{L.word(R)}/{R.randint(1, 999)}"])
    )


def path(R):
    return (
        R.choice(["", "", f"/home/{L.word(R)}/", "docs/", f"/var/{L.word(R)}/", f"{L.word(R)}/{L.word(R)}/", f"C:/{L.word(R)}/"])
        + L.word(R)
        + R.choice(["_", "-", ""])
        + R.choice([L.word(R), str(R.randint(1, 2030))])
        + R.choice([".txt", ".csv", ".pdf", ".json", ".png", ".py", ".docx", ".mp3", ".zip", ".md"])
    )


def phone(R):
    def d(n):
        return "".join(R.choices(DIGIT, k=n))

    return R.choice(
        [
            lambda: f"+{R.randint(1, 99)} {d(3)} {d(4)}",
            lambda: f"{d(3)}-{d(3)}-{d(4)}",
            lambda: f"({d(3)}) {d(3)}-{d(4)}",
            lambda: d(10),
            lambda: f"555-{d(4)}",
        ]
    )()


def address(R):
    return f"{R.randint(1, 2400)} {R.choice(L.LISTS['streets'])} {R.choice(['Street', 'St', 'Avenue', 'Road', 'Lane', 'Drive'])}" + (
        f", {R.choice(L.CITIES)}" if R.random() < 0.5 else ""
    )


def formula(R):
    x = R.choice("xxxxtyn")

    def t():
        return R.choice(
            [
                f"{R.randint(2, 9)}{x}",
                f"{x}^{R.randint(2, 5)}",
                f"{R.randint(2, 9)}{x}^{R.randint(2, 4)}",
                f"sin({x})",
                f"cos({x})",
                f"exp({x})",
                f"{x}**{R.randint(2, 4)}",
                f"{R.randint(2, 9)}*{x}",
                f"log({x})",
                f"{x}",
            ]
        )

    return t() + "".join(R.choice([" + ", " - ", "+", "-"]) + (t() if R.random() < 0.6 else str(R.randint(1, 20))) for _ in range(R.randint(0, 2)))


# ---- numbers
def integer(R):
    return R.choice(
        [
            R.randint(1, 12),
            R.randint(1, 100),
            R.randint(1, 1000),
            R.randint(1, 20) * 10,
            R.randint(1, 50) * 100,
            R.randint(1000, 99999),
            R.randint(1, 90) * 1000,
        ]
    )


def decimal(R):
    r = R.random()
    if r < 0.4:
        return integer(R)
    return R.choice(
        [
            round(R.uniform(0, 10), 1),
            round(R.uniform(0, 100), 2),
            round(R.uniform(0, 1), 2),
            round(R.uniform(0, 1000), 1),
            round(R.uniform(0, 5), 3),
            round(-R.uniform(0, 90), 1),
        ]
    )


def say_number(v, R, words=0.15):
    """A surface of number v: digits, digits with separators, or words."""
    if isinstance(v, int) and 0 <= v:
        r = R.random()
        if v <= 20 and r < words * 1.6 or v < 100 and r < words * 0.7 or v % 100 == 0 and v < 100000 and r < words * 0.5:
            return number_words(v)
        if v == 12 and r < 0.3:
            return "a dozen"
        if v >= 1000 and r > 0.7:
            return f"{v:,}"
        if v >= 1000 and v % 1000 == 0 and r > 0.6:
            return f"{v // 1000}k"
        if v >= 1000000 and v % 100000 == 0:
            return f"{v / 1000000:g} million"
    return number_text(v)


# ---- dates and times
def ordinal(d):
    return f"{d}" + ("th" if 10 < d < 20 else {1: "st", 2: "nd", 3: "rd"}.get(d % 10, "th"))


DATE_FORMS = {
    "YYYY-MM-DD": "{y}-{m:02d}-{d:02d}",
    "DD/MM/YYYY": "{d:02d}/{m:02d}/{y}",
    "MM/DD/YYYY": "{m:02d}/{d:02d}/{y}",
    "DD-MM-YYYY": "{d:02d}-{m:02d}-{y}",
    "YYYYMMDD": "{y}{m:02d}{d:02d}",
    "MM-DD-YYYY": "{m:02d}-{d:02d}-{y}",
}


def date_words(y, m, d, R):
    M = L.MONTHS[m - 1]
    return R.choice(
        [
            f"{M} {d}, {y}",
            f"{M} {ordinal(d)}, {y}",
            f"{d} {M} {y}",
            f"the {ordinal(d)} of {M} {y}",
            f"{M} {ordinal(d)} {y}",
            f"{M[:3]} {d}, {y}",
            f"{d} {M[:3]} {y}",
        ]
    )


def time_words(h, m, R):
    h12, ap = (h - 1) % 12 + 1, "am" if h < 12 else "pm"
    part = "in the morning" if h < 12 else "in the afternoon" if h < 18 else "in the evening"
    forms = [f"{h12}:{m:02d} {ap}", f"{h12}:{m:02d}{ap}", f"{h12}:{m:02d} {ap.upper()}", f"{h12}:{m:02d} {part}"]
    if m == 0:
        forms += [f"{h12} {ap}", f"{h12}{ap}", f"{number_words(h12)} {part}", f"{h12} o'clock {part}"] * 2
        if h in (0, 12):
            forms += ["noon" if h else "midnight"] * 3
    if m == 30:
        forms += [f"half past {number_words(h12)} {part}"] * 2
    if m == 15:
        forms += [f"quarter past {number_words(h12)} {part}"] * 2
    if m == 45 and h not in (11, 23):
        forms += [f"a quarter to {number_words(h12 % 12 + 1)} {part}"] * 2
    return R.choice(forms)


RELATIVE = ["today", "tomorrow", "tonight", "next week", "this weekend", "next month", "yesterday", "this afternoon", "the day after tomorrow"]


def relative_date(R):
    return R.choice(RELATIVE) if R.random() < 0.6 else R.choice(["next ", "this ", "", "last "]) + R.choice(L.DAYS)
