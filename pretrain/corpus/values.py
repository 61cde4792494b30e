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
