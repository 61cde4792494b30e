"""A check: a figure with its interval against a limit, and what may be said of it.

    Check("single_turn_exact", "exact match, single turn", 0.34, 0.25, 0.43, limit=0.7, n=110).verdict   # -> "fail"

"pass" and "fail" are said only where the whole interval lies on one side of the limit; else these n cases decide nothing.
"""

import math
from dataclasses import asdict, dataclass

PASS, FAIL, NOT_DECIDABLE = "pass", "fail", "not decidable"
EXIT_CODES = {PASS: 0, FAIL: 1, NOT_DECIDABLE: 2}


@dataclass(frozen=True)
class Check:
    """value: None where nothing was measured. low, high: its 95 % interval. n: cases behind it.

    at_most: whether the limit is the largest allowed value; else it is the smallest. about: what was measured, on which cases.
    """

    name: str
    title: str
    value: float | None
    low: float | None
    high: float | None
    limit: float
    n: int
    at_most: bool = False
    about: str = ""

    @property
    def verdict(self) -> str:
        if self.value is None or self.low is None or self.high is None:
            return NOT_DECIDABLE
        if self.high <= self.limit if self.at_most else self.low >= self.limit:
            return PASS
        return FAIL if (self.low > self.limit if self.at_most else self.high < self.limit) else NOT_DECIDABLE

    @property
    def needed(self) -> int | None:
        """About how many cases would decide it, should the value stay as it is: intervals narrow with the square root of n. Two digits."""
        if self.verdict != NOT_DECIDABLE or self.value is None or self.low is None or self.high is None or self.value == self.limit:
            return None
        half = self.high - self.value if self.value < self.limit else self.value - self.low
        cases = max(self.n + 1, self.n * (half / (self.value - self.limit)) ** 2)
        unit = 10 ** max(0, math.floor(math.log10(cases)) - 1)
        return math.ceil(cases / unit) * unit

    def to_json(self) -> dict:
        """Its fields, rounded, with verdict and needed."""
        rounded = {key: round(value, 6) if isinstance(value, float) else value for key, value in asdict(self).items() if key != "name"}
        return rounded | {"verdict": self.verdict, "needed": self.needed}


def together(checks: list[Check]) -> str:
    """One verdict of all: a fail fails, and what is not decidable decides nothing. Not decidable for no check."""
    verdicts = {check.verdict for check in checks}
    return FAIL if FAIL in verdicts else NOT_DECIDABLE if NOT_DECIDABLE in verdicts or not checks else PASS
