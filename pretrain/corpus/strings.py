"""Strings that a request may hold: names, places, titles, sentences, codes, addresses. Each maker takes R and gives the text."""

from . import lexicon as L

UPPER, LOWER, DIGIT = "ABCDEFGHJKLMNPQRSTUVWXYZ", "abcdefghijkmnopqrstuvwxyz", "0123456789"
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
