"""The sections about what the subjects got right: headline, suites, outcomes, domains, decisions.

All figures come from `stages.summary` and `stages.scoring`; here they only become HTML.
"""

from stages import summary
from stages.domains import OTHER
from stages.report.markup import Safe, Section, cell, count, fold, interval, join, percent, plain, section, table, tag
from stages.scoring import decision
from stages.scoring.outcomes import OUTCOMES, RIGHT
from stages.scoring.statistics import IMPROVED, NOT_SHOWN, WORSE, Comparison, p_value, points, power_note
from stages.scoring.summary import share, summarise
from stages.scoring.validity import RUNGS
from stages.suites import SUITES, verdict

SIGNS = {IMPROVED: "▲", WORSE: "▼", NOT_SHOWN: "="}
LOOKS = {IMPROVED: "yes", WORSE: "no", NOT_SHOWN: None}  # classes of page.css: green, red, plain
MEANING = tag("th", "meaning", scope="col", class_="words")
BASE, EQUIVALENT = "base", "equivalent"
SCORES = {
    "strict": "exact match: the same calls, names and values, in any order; no call where none is right",
    "schema": "the same calls under the tools' schemas: a default left out, 5 for 5.0",
    "bfcl": "the verdict of the Berkeley Function-Calling Leaderboard's checker",
}


STRUCTURED = {
    "valid": ("valid JSON", "the answer is one JSON object and nothing else; a Markdown fence is taken"),
    "fits": ("fits the schema", "and the object satisfies the schema"),
}


def colour(subject: str, subjects: list[str]) -> str:
    """The subject's accent as a CSS variable: page.css has its light and its dark value."""
    others = [name for name in subjects if name not in ("base", "prompted", "tuned")]
    return f"var(--other-{others.index(subject) % 4 + 1})" if subject in others else f"var(--{subject})"


def name_of(subject: str, subjects: list[str]) -> Safe:
    return tag("span", tag("span", class_="swatch", style=f"--c:{colour(subject, subjects)}", aria_hidden="true"), subject, class_="subject")


def right(rows: list[dict], suite: str) -> dict:
    """The share of cases that are right by the suite's own verdict: exact match, or a benchmark's."""
    return share(sum(case[verdict(suite)] for case in rows), len(rows))


def scored_by(suites: list[str]) -> str:
    """What "right" means for these suites."""
    return " or ".join(dict.fromkeys("exact match" if verdict(suite) == "strict" else "the benchmark's verdict" for suite in suites))


def dots(rate: dict, accent: str) -> Safe:
    """The rate and its interval on a line from 0 to 100 %; the figures beside it say the same to a screen reader."""
    bar = f"--c:{accent};--low:{100 * rate['low']:.2f}%;--high:{100 * rate['high']:.2f}%;--at:{100 * rate['rate']:.2f}%"
    return tag("span", tag("i", class_="range"), tag("i", class_="dot"), class_="dots", style=bar, aria_hidden="true")


def word(test: Comparison) -> Safe:
    """The word that the test allows, with what could have been shown where nothing was."""
    made = tag("strong", f"{SIGNS[test.word]} {test.word}", class_=LOOKS[test.word])
    return join([made, tag("small", f" ({power_note(test)})")]) if power_note(test) else made


def headline(cases: summary.Cases, tests: dict[str, dict[str, Comparison]]) -> Section:
    """The first suite: each subject's rate, and the last subject against the others."""
    suite, by_subject = next(iter(cases.items()))
    subjects = list(by_subject)
    last = subjects[-1]
    cards = []
    for name, rows in by_subject.items():
        rate = right(rows, suite)
        cards.append(tag(
            "div", name_of(name, subjects), tag("span", percent(rate["rate"]), class_="figure"), dots(rate, colour(name, subjects)),
            tag("span", f"95 % interval {interval(rate)} · {count(rate['k'])} of {count(rate['n'])}", class_="fine"), class_="card"))
    lines = [
        tag("li", tag("b", last), f" against {other}: ", tag("b", f"{points(test)} points"), f", {p_value(test)}, ", word(test),
            f"; right only with {last}: {test.better} cases, only with {other}: {test.worse}.")
        for other, test in tests[suite].items()
    ]
    others = {other: by_other[BASE].word for other, by_other in tests.items() if other != suite and BASE in by_other}
    if others and last != BASE:
        groups = [f"{sign} on {', '.join(plain(other) for other in found)}" for sign in (WORSE, IMPROVED, NOT_SHOWN)
                  if (found := [other for other, its in others.items() if its == sign])]
        lines.append(tag("li", tag("b", last), f" against {BASE} on the other suites: ", "; ".join(groups), "."))
    what = SUITES[suite][0] if suite in SUITES else "as named in the parameters"
    size = count(len(by_subject[last]))
    lead = tag("p", scored_by([suite]).capitalize(), " on ", tag("b", plain(suite)), f" ({what}; {size} cases):", class_="lead")
    return section("headline", "Headline", lead, tag("div", *cards, class_="cards"), tag("ul", *lines, class_="tests") if lines else "")


def suites(cases: summary.Cases, tests: dict[str, dict[str, Comparison]], picture: Safe) -> Section:
    """Every subject on every suite, with the last subject's paired test against it."""
    rows, last = [], ""
    for suite, by_subject in cases.items():
        subjects = list(by_subject)
        last = subjects[-1]
        for place, (name, found) in enumerate(by_subject.items()):
            rate, test = right(found, suite), tests[suite].get(name)
            about = SUITES[suite][0] if suite in SUITES else ""
            title = tag("th", plain(suite), tag("small", about), scope="rowgroup", rowspan=len(subjects))
            size = cell(count(len(found)), rowspan=len(subjects))
            tested = [points(test), p_value(test), word(test)] if test else ["", "", ""]
            shown = [name_of(name, subjects), percent(rate["rate"]), interval(rate), dots(rate, colour(name, subjects)), *tested]
            rows.append([title, size, *shown] if not place else [cell(shown[0]), *shown[1:]])
    head = ["suite", "n", "subject", "right", "95 % interval", tag("th", "0 to 100 %", scope="col", class_="plotted"),
            f"{last} minus this, points", "paired test", "in a word"]
    note = (
        "Right is an exact match: the same calls as gold, names and values, in any order; where no call is right, none was made or tried. "
        "Suites of a benchmark go by its own verdict. Intervals of a rate are Wilson's. The difference is on the same cases: its interval "
        "resamples whole tools (cluster bootstrap), p is McNemar's exact test, and "
        "“improved” or “worse” is said only where p < 0.05."
    )
    return section("suites", "Suites", table(f"Cases right by {scored_by(list(cases))}", head, rows, "suites", note), picture)


def by_suite(cases: summary.Cases, picture: Safe) -> Section:
    """Outcomes and all other scores, a fold a suite."""
    folds = []
    for place, (suite, by_subject) in enumerate(cases.items()):
        subjects = list(by_subject)
        figures = {name: summarise(rows) for name, rows in by_subject.items()}
        size = len(by_subject[subjects[0]])
        folds.append(fold(tag("span", plain(suite), tag("small", f" {count(size)} cases")),
                          _outcomes(suite, figures, subjects), _scores(suite, figures, subjects), opened=not place))
    return section("outcomes", "Outcomes", picture, *folds)


def _outcomes(suite: str, figures: dict, subjects: list[str]) -> Safe:
    rows = []
    for outcome, meaning in OUTCOMES.items():
        found = [figures[name]["outcomes"].get(outcome, 0) for name in subjects]
        if any(found):
            mark, look, title = _judged(outcome, suite)
            sign = tag("span", f"{mark} ", class_=look, title=title)
            cells = [
                cell(count(k), tag("small", f" {percent(k / figures[name]['cases'], 0)}"), class_="bar",
                     style=f"--share:{k / figures[name]['cases']:.4f};--c:{colour(name, subjects)}")
                for k, name in zip(found, subjects)
            ]
            rows.append([join([sign, plain(outcome)]), *cells, cell(meaning, class_="words")])
    return table(f"Outcomes on {plain(suite)}", ["outcome", *(name_of(name, subjects) for name in subjects), MEANING], rows)


def _judged(outcome: str, suite: str) -> tuple[str, str | None, str]:
    """(mark, class, meaning) of an outcome; exact match, which counts here, takes "equivalent" for wrong."""
    if outcome not in RIGHT:
        return "✗", "no", "wrong"
    if outcome == EQUIVALENT and verdict(suite) == "strict":
        return "≈", None, "right under the schema, but no exact match"
    return "✓", "yes", "right"


def _scores(suite: str, figures: dict, subjects: list[str]) -> Safe:
    def line(name: str, meaning: str, of) -> list:
        return [name, *(_rate(of(figures[subject])) for subject in subjects), cell(meaning, class_="words")]

    rows = [line(name, meaning, lambda f, name=name: f["scores"][name]) for name, meaning in SCORES.items()]
    if any("structured" in found for found in figures.values()):
        rows += [line(name, meaning, lambda f, key=key: f["structured"][key]) for key, (name, meaning) in STRUCTURED.items()]
    rows += [line(f"ladder: {name}", meaning, lambda f, name=name: f["ladder"][name]) for name, meaning in RUNGS.items()]
    rows += [
        line("function name", "gold's calls whose tool is called", lambda f: f["fields"]["function_name"]),
        line("arguments", "gold's arguments given with an equal value", lambda f: f["fields"]["arguments"]),
        *([f"field {figure}", *(percent(figures[name]["fields"]["micro"][key]) for name in subjects),
           cell("of all (call, argument, value) triples, or fields of objects, together", class_="words")]
          for figure, key in (("precision", "precision"), ("recall", "recall"), ("F1", "f1"))),
        line("invented tools", "of all calls made", lambda f: f["hallucination"]["tools"]),
        line("invented arguments", "of all arguments made", lambda f: f["hallucination"]["arguments"]),
        line("invented values", "of the strings and numbers given: neither said nor a default", lambda f: f["hallucination"]["values"]),
    ]
    return fold("all scores", table(f"All scores on {plain(suite)}, with 95 % intervals",
                                    ["score", *(name_of(name, subjects) for name in subjects), MEANING], rows))


def _rate(found: dict) -> Safe:
    return join([percent(found["rate"]), tag("small", f" {interval(found)}")]) if found["n"] else tag("span", "–")


def distinct(cases: summary.Cases) -> dict[str, list[dict]]:
    """subject -> its cases over all suites, each with "right"; a case that is in several suites counts once."""
    found = {}
    for suite, by_subject in cases.items():
        for name, rows in by_subject.items():
            found.setdefault(name, {}).update((case["id"], case | {"right": case[verdict(suite)]}) for case in rows)
    return {name: list(by_id.values()) for name, by_id in found.items()}


def domains(cases: summary.Cases) -> Section:
    """The heat map: cases right by domain (`stages.domains`) and subject, over all suites."""
    found = distinct(cases)
    subjects = list(found)
    names = sorted({case["area"] for case in found[subjects[0]]}, key=lambda name: (name == OTHER, name))
    rows = []
    for domain in names:
        inside = [[case["right"] for case in found[name] if case["area"] == domain] for name in subjects]
        rates = [share(sum(one), len(one)) for one in inside]
        cells = [cell(percent(rate["rate"], 0), tag("small", f" {interval(rate, 0)}"), class_="heat", style=f"--share:{rate['rate']:.4f}")
                 for rate in rates]
        rows.append([plain(domain), count(rates[0]["n"]), *cells])
    head = ["domain", "n", *(name_of(name, subjects) for name in subjects)]
    note = ("Right as in the table of the suites; all of them together, a case in several suites counted once. In brackets the 95 % interval: "
            "small n, wide interval. The ten domains are detected by tool and by keywords (docs/suites.md); other: none was found.")
    return section("domains", "Domains", table("Share of right cases by domain and subject", head, rows, "heatmap", note))


def decisions(cases: summary.Cases) -> Section:
    """Call or no call, a 2 x 2 table a subject, over all suites."""
    tables = []
    found = distinct(cases)
    for name, rows in found.items():
        rows = [case for case in rows if case["should_call"] is not None]
        scores = decision.scores([case["should_call"] for case in rows], [case["does_call"] for case in rows])
        lines = []
        for right in ("call", "reply"):
            made = [scores[f"{does}_when_{right}_right"] for does in ("call", "reply")]
            total = sum(made) or 1
            lines.append([f"a {right} was right", *(
                cell(count(k), tag("small", f" {percent(k / total, 0)}"), class_="heat", style=f"--share:{k / total:.4f}") for k in made)])
        made = table(name_of(name, list(found)), ["", "called", "replied"], lines, "confusion")
        keys = {"precision": "precision of a call", "recall": "recall of a call", "f1": "F1", "balanced_accuracy": "balanced accuracy"}
        tables.append(tag("div", made, tag("p", " · ".join(f"{label} {percent(scores[key])}" for key, label in keys.items()), class_="note")))
    note = "A malformed attempt at a call counts as called, never as a reply. All suites together; percentages are of the row."
    return section("decisions", "Call or reply", tag("p", note, class_="note"), tag("div", *tables, class_="columns"))
