"""The sections about what follows from the run: gate, seeds, cost.

The gate's figures are those of metrics/gate.json (stages/gate.py), the seeds' those of stages/seeds.py. The cost section holds what is
equal over equal runs, tokens and prices; run times are in models/.timing, and `python -m stages.cost` makes prices of them.
"""

from stages.checks import FAIL, NOT_DECIDABLE, PASS
from stages.params import Params
from stages.report.markup import Safe, Section, cell, count, fold, join, percent, plain, section, table, tag
from stages.report.results import LOOKS, SIGNS, name_of
from stages.seeds import OverSeeds

MARKS = {PASS: "✓", FAIL: "✗", NOT_DECIDABLE: "?"}
CLASSES = {PASS: "yes", FAIL: "no", NOT_DECIDABLE: None}


def gate(found: dict) -> Section:
    """found: metrics/gate.json."""
    last = found["subject"]
    lead = tag("p", "The gate on ", tag("b", last), ": ", said(found["verdict"]), ". Decision: ", tag("b", found["decision"]), f" ({found['why']}).",
               class_="lead")
    note = ("Pass or fail is said only where the whole 95 % interval lies on one side of the limit; otherwise these cases do not decide. The number "
            "of cases that would decide is a rough one: it takes the value to stay as it is. Limits are parameters (gate in params.yaml).")
    folds = [fold(join([f"the same checks on {name}: ", said(one["verdict"])]), _checks(one["checks"], name))
             for name, one in found["subjects"].items() if name != last]
    return section("gate", "Gate", lead, _checks(found["subjects"][last]["checks"], last), tag("p", note, class_="note"), *folds)


def said(verdict: str) -> Safe:
    return tag("strong", f"{MARKS[verdict]} {verdict}", class_=CLASSES[verdict])


def _checks(checks: dict, name: str) -> Safe:
    rows = []
    for check in checks.values():
        more = tag("small", f" about {count(check['needed'])} cases would decide") if check["needed"] else ""
        between = "–" if check["low"] is None else f"[{100 * check['low']:.1f}, {100 * check['high']:.1f}]"
        rows.append([join([plain(check["title"]), tag("small", plain(check["about"]))]), percent(check["value"]), between, _line(check),
                     f"{'≤' if check['at_most'] else '≥'} {100 * check['limit']:g} %", count(check["n"]), join([said(check["verdict"]), more])])
    head = ["check", "value", "95 % interval", tag("th", "0 to 100 %, the limit as a stroke", scope="col", class_="plotted"), "limit", "n", "verdict"]
    return table(f"Checks of {name}", head, rows, "suites checks")


def _line(check: dict) -> Safe:
    """The value, its interval and the limit on a line from 0 to 100 %, for the eye; the figures stand beside it."""
    if check["value"] is None or check["low"] is None:
        return Safe("")
    value, low, high, limit = (f"{100 * min(max(check[key], 0.0), 1.0):.2f}%" for key in ("value", "low", "high", "limit"))
    return tag("span", tag("i", class_="range"), tag("i", class_="limit", style=f"--limit:{limit}"), tag("i", class_="dot"), class_="dots",
               style=f"--c:var(--quiet);--low:{low};--high:{high};--at:{value}", aria_hidden="true")


def seeds(found: dict[str, OverSeeds]) -> Section:
    """The trained subject over its training seeds; found must not be empty."""
    first = next(iter(found.values()))
    rows = []
    for suite, one in found.items():
        gain = "–" if one.difference is None else f"{100 * one.difference:+.1f} {_between(one.difference_low, one.difference_high, '+')}"
        word = tag("strong", f"{SIGNS[one.word]} {one.word}", class_=LOOKS[one.word]) if one.word else ""
        each = cell(", ".join(f"{100 * rate:.1f}" for rate in one.rates), class_="words")
        rows.append([plain(suite), count(one.cases), percent(one.mean), percent(one.sd), _between(one.seed_low, one.seed_high),
                     _between(one.low, one.high), gain, word, each])
    each = tag("th", f"seeds {', '.join(map(str, first.seeds))}", scope="col", class_="words")
    head = ["suite", "n", "mean", "sd", "95 %: another seed", "and other cases", "mean minus base", "in a word", each]
    note = (f"tuned was trained {len(first.seeds)} times on the same rows, with another seed each time, and scored on the same cases. “Another seed” "
            "is Student's t over the seeds, on these very cases. “And other cases” adds the spread between cases, by tool; it counts what seed and "
            "case do together twice, so it is rather too wide. “Improved” and “worse” are said where that interval of the difference leaves 0 out. "
            f"All other sections show seed {first.seeds[0]}.")
    return section("seeds", "Seeds", table(f"Share right of tuned over {len(first.seeds)} training seeds", head, rows, "seeds", note))


def _between(low: float | None, high: float | None, sign: str = "") -> str:
    return "–" if low is None or high is None else f"[{100 * low:{sign}.1f}, {100 * high:{sign}.1f}]"


def cost(params: Params, predictions: dict[str, dict[str, list[dict]]], mask: dict) -> Section:
    """predictions: suite -> subject -> rows of data/predictions. mask: models/log/mask.json."""
    rows, subjects = [], list(next(iter(predictions.values())))
    for name in subjects:
        answers, server = [row for by_subject in predictions.values() for row in by_subject[name]], params.endpoints.get(name)
        made, read = _total(answers, "tokens"), _total(answers, "prompt_tokens")
        price = server.price if server else None
        paid = (read * price.input + made * price.output) / 1e6 if price and None not in (read, made) else None
        thousand = "–" if paid is None or not answers else f"{1000 * paid / len(answers):,.4g}"
        rates = f"{price.input:,.4g} in, {price.output:,.4g} out" if price else "measured where it runs" if not server else "no price given"
        rows.append([name_of(name, subjects), cell(server.model if server else "computed here", class_="words"), count(len(answers)),
                     "not counted" if made is None else count(made), "–" if read is None else count(read), rates, thousand])
    head = ["subject", tag("th", "where", scope="col", class_="words"), "requests", "tokens written", "tokens read", "price of a million tokens",
            "of 1,000 requests"]
    note = join(["The training saw ", count(mask["tokens"]), " tokens with its validation. Seconds, tokens a second, the price of an hour and the "
                 "break-even against an endpoint are not on this page, as equal runs differ in their times: ", tag("code", "python -m stages.cost"),
                 " prints them where the run was made."])
    return section("cost", "Cost", table("What the answers of all suites took", head, rows), tag("p", note, class_="note"))


def _total(rows: list[dict], key: str) -> int | None:
    values = [row.get(key) for row in rows]
    return None if None in values else sum(values)
