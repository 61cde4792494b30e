"""What a text mentions, in a form in which two spellings of one thing are equal.

    Mentions.of(["Book two seats for May 3rd, half past nine"])
    -> words {"book", "two", ...}, numbers {2, 3, ...}, dates {(None, 5, 3)}, times {(9, 30), ...}

English only. Lenient on purpose: what is found here is only ever used to acquit a value of having
been invented, so a doubtful reading ("9:30" as morning and as evening) counts as mentioned.
"""

import re
from dataclasses import dataclass, field

_UNITS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
    "fifteen sixteen seventeen eighteen nineteen"
)
_ORDINALS = (
    "zeroth first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth "
    "fifteenth sixteenth seventeenth eighteenth nineteenth"
)
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_SCALES = {"hundred": 100, "thousand": 1_000, "million": 1_000_000, "billion": 1_000_000_000}
_SUFFIXES = {"k": 1_000, "m": 1_000_000, "bn": 1_000_000_000, "b": 1_000_000_000, "%": 0.01}
_WORDS = (
    {word: value for value, word in enumerate(_UNITS.split())}
    | {word: value for value, word in enumerate(_ORDINALS.split())}
    | {word: 10 * value for value, word in enumerate(_TENS.split(), 2)}
    | {word[:-1] + "ieth": 10 * value for value, word in enumerate(_TENS.split(), 2)}
)
_LOOSE = {"half": 0.5, "quarter": 0.25, "dozen": 12, "couple": 2, "pair": 2, "once": 1, "twice": 2, "single": 1}
_MONTHS = {
    name: number
    for number, names in enumerate(
        "january jan|february feb|march mar|april apr|may|june jun|july jul|august aug|september sept sep|"
        "october oct|november nov|december dec".split("|"),
        1,
    )
    for name in names.split()
}
_MONTH = "(" + "|".join(_MONTHS) + r")\b\.?"
_DAY = r"(\d{1,2})(?:st|nd|rd|th)?\b"
_YEAR = r"(?:,?\s{0,2}(\d{4})\b)?"

TOKEN = re.compile(r"[^\W_]+")
# Each number of at most 30 digits, so that no hostile output makes one that takes long to read.
NUMBER = re.compile(r"(?<![\w.])[-+]?\d(?:[\d,]{0,29}\d)?(?:\.\d{1,30})?(?:e[-+]?\d{1,3}(?!\w))?(?:\s?(%)|(k|m|bn|b)\b)?", re.IGNORECASE)
_DIGITS = re.compile(r"[-+]?[\d,]+(?:\.\d+)?(?:e[-+]?\d+)?", re.IGNORECASE)
ISO_DATE = re.compile(r"(?<!\d)(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?!\d)")
SHORT_DATE = re.compile(r"(?<!\d)(\d{1,2})[-/.](\d{1,2})(?:[-/.](\d{4}|\d{2}))?(?!\d)")
MONTH_FIRST = re.compile(rf"\b{_MONTH}\s{{0,2}}(?:the\s)?{_DAY}{_YEAR}")
DAY_FIRST = re.compile(rf"\b{_DAY}\s{{0,2}}(?:of\s)?{_MONTH}{_YEAR}")
CLOCK = re.compile(r"(?<![\d:])(\d{1,2}):(\d{2})(?!\d)")
HOUR = re.compile(r"(?<![\d:])(\d{1,2})\s?(?:o'?clock|[ap]\.?m\b)")
SPOKEN = re.compile(r"\b(half|quarter|\w+) (past|to) (\w+)")

Date = tuple[int | None, int, int]  # year or None, month, day


@dataclass
class Mentions:
    text: str = ""  # the words, each with a space on both sides
    words: set[str] = field(default_factory=set)
    numbers: set[float] = field(default_factory=set)
    dates: set[Date] = field(default_factory=set)
    times: set[tuple[int, int]] = field(default_factory=set)  # (hour modulo 12, minute)

    @staticmethod
    def of(texts: list[str], numbers: list[float] = ()) -> "Mentions":
        """All that the texts mention; `numbers` are taken as they are."""
        whole = "\n".join(texts).casefold()
        tokens = TOKEN.findall(whole)
        return Mentions(
            text=f" {' '.join(tokens)} ",
            words=set(tokens),
            numbers=_numbers(whole, tokens) | set(numbers),
            dates=_dates(whole),
            times=_times(whole),
        )

    def has_string(self, value: str) -> bool:
        """Whether a string occurs: as a run of words, as the words in any order, or as a date, time or number."""
        low = value.casefold()
        tokens = TOKEN.findall(low)
        if f" {' '.join(tokens)} " in self.text or all(map(self._has_word, tokens)):
            return True
        left = low
        for pattern, known in ((ISO_DATE, self._has_date), (CLOCK, self._has_time), (NUMBER, self._has_number_text)):
            left = pattern.sub(lambda match, known=known: " " if known(match) else match.group(), left)
        # What joins or follows a time: the T, Z and seconds of ISO, "pm" of a clock.
        left = re.sub(r"(?<!\w)(?:t|z|[ap]\.?m)(?!\w)|:00", " ", left)
        return all(map(self._has_word, TOKEN.findall(left)))

    def has_number(self, value: float) -> bool:
        return value in self.numbers or abs(value) in self.numbers  # "5 degrees below zero" is -5

    def _has_word(self, word: str) -> bool:
        # "tiger" where "tigers" was said, and the other way round.
        return word in self.words or f"{word}s" in self.words or (word.endswith("s") and word[:-1] in self.words)

    def _has_date(self, match: re.Match) -> bool:
        year, month, day = map(int, match.groups())
        return (year, month, day) in self.dates or (None, month, day) in self.dates

    def _has_time(self, match: re.Match) -> bool:
        return (int(match[1]) % 12, int(match[2])) in self.times

    def _has_number_text(self, match: re.Match) -> bool:
        return bool(self.numbers & set(_read(match)))


def _read(match: re.Match) -> list[float]:
    """The values that a NUMBER match may stand for: "20k" is 20 and 20,000; "50%" is 50 and 0.5."""
    value = float(_DIGITS.match(match[0])[0].replace(",", ""))
    factor = _SUFFIXES.get((match[1] or match[2] or "").lower())
    return [value, abs(value)] + ([round(value * factor, 12)] if factor else [])


def _numbers(text: str, tokens: list[str]) -> set[float]:
    found = {value for match in NUMBER.finditer(text) for value in _read(match)}
    found |= {float(digits) for token in tokens for digits in re.findall(r"\d{1,30}", token)}  # "8pm", "3rd"
    total = current = None  # the number word being read: "two thousand and five" is 2005
    for token in [*tokens, ""]:
        if token in _WORDS:
            current = (current or 0) + _WORDS[token]
            found.add(float(_WORDS[token]))
        elif token in _SCALES and current is not None:
            current *= _SCALES[token]
            if _SCALES[token] > 100:
                total, current = (total or 0) + current, 0
        elif token in _SCALES:
            current = _SCALES[token]
        elif not (token == "and" and current is not None):
            if current is not None:
                found.add(float((total or 0) + current))
            total = current = None
        if token in _LOOSE:
            found.add(float(_LOOSE[token]))
    return found


def _dates(text: str) -> set[Date]:
    found = {(int(y), int(m), int(d)) for y, m, d in ISO_DATE.findall(text)}
    found |= {(int(y) if y else None, _MONTHS[m], int(d)) for m, d, y in MONTH_FIRST.findall(text)}
    found |= {(int(y) if y else None, _MONTHS[m], int(d)) for d, m, y in DAY_FIRST.findall(text)}
    for first, second, year in SHORT_DATE.findall(text):
        full = (int(year) if len(year) == 4 else 2000 + int(year)) if year else None
        found |= {(full, int(first), int(second)), (full, int(second), int(first))}
    return found


def _times(text: str) -> set[tuple[int, int]]:
    found = {(int(hour) % 12, int(minute)) for hour, minute in CLOCK.findall(text)}
    found |= {(int(hour) % 12, 0) for hour in HOUR.findall(text)}
    if re.search(r"\b(?:noon|midday|midnight)\b", text):
        found.add((0, 0))
    for amount, way, hour in SPOKEN.findall(text):
        minutes = {"half": 30, "quarter": 15}.get(amount, _small(amount))
        base = _small(hour)
        if minutes is not None and base is not None and 0 < minutes < 60:
            found.add((base % 12, minutes) if way == "past" else ((base - 1) % 12, 60 - minutes))
    return found


def _small(word: str) -> int | None:
    return int(word) if word.isdecimal() and len(word) < 3 else _WORDS.get(word)
