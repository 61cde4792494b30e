"""The section about what tuning cost: the checks of metrics/budget.json (stages/budget.py)."""

from stages.checks import FAIL, NOT_DECIDABLE, PASS
from stages.report.markup import Safe, Section, cell, count, join, plain, section, table, tag

MARKS = {PASS: "✓", FAIL: "✗", NOT_DECIDABLE: "?"}
CLASSES = {PASS: "yes", FAIL: "no", NOT_DECIDABLE: None}


def budget(found: dict) -> Section:
    """found: metrics/budget.json."""
    lead = tag("p", "What tuning cost, against what it may cost: ", said(found["verdict"]), ".", class_="lead")
    losses = ", ".join(f"{name} {loss:.3f}" for name, loss in found["text_loss"].items())
    note = ("A cost is base minus tuned in points, or for text the rise of the loss; below 0 something was gained. Pass or fail is said only where "
            f"the whole 95 % interval lies on one side of the limit. Loss on general text, nats a token: {losses}.")
    rows = []
    for check in found["checks"].values():
        more = tag("small", f" about {count(check['needed'])} cases would decide") if check["needed"] else ""
        rows.append([join([plain(check["title"]), tag("small", check["about"])]), f"{100 * check['value']:+.1f} %",
                     f"[{100 * check['low']:+.1f}, {100 * check['high']:+.1f}]", f"{100 * check['limit']:g} %", count(check["n"]),
                     cell(said(check["verdict"]), more)])
    head = ["what", "cost", "95 % interval", "at most", "n", "verdict"]
    made = table("Regression budget", head, rows, "suites costs", note) if rows else tag("p", "The parameters ask for no check.", class_="note")
    return section("budget", "Regression budget", lead, made)


def said(verdict: str) -> Safe:
    return tag("strong", f"{MARKS[verdict]} {verdict}", class_=CLASSES[verdict])
