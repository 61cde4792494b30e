"""report: one page with all that a run showed, which opens with no network; called by the plot stage.

    write(params, cases, mask)  ->  report.html

Equal inputs give equal bytes: no date, no run time. Text of a model or of a data set is escaped by `markup`,
shown by page.js through textContent alone, and the page's policy lets no other script run.
"""

import base64
import hashlib
import re
from pathlib import Path

from stages import seeds, summary
from stages.analysis import adapter_bytes
from stages.files import open_text, read_json, read_jsonl, write_text
from stages.params import Params
from stages.report import browser, budget, gate, quality, results, training
from stages.report.markup import Safe, Section, count, embedded_json, join, tag, text
from stages.suites import verdict

HERE = Path(__file__).parent
PICTURES = {
    "exact_match": "Exact match of each subject on each suite, in percent, with 95 % intervals; the figures are in the table above.",
    "outcomes": "Shares of the outcomes on the first suite, a bar a subject; the figures are in the tables below.",
    "loss": "Loss a supervised token over the training steps, on training and on validation rows; the figures are in the table below.",
    "optimiser": "Learning rate and, where the trainer reports it, gradient norm over the training steps.",
    "tokens": "Tokens in a training row: histograms of prompt and completion, and the share of rows of at most so many tokens.",
}


def write(params: Params, cases: summary.Cases, mask: dict) -> None:
    """Reads what else the page shows (gate, suites, completions, data metrics, loss log, pictures) and writes report.html.

    cases: the rows of every cases file. mask: models/log/mask.json. Raises FileError for a missing file, StageError
    where suites, completions and cases do not fit each other.
    """
    rows = {suite: list(read_jsonl(f"data/suites/{suite}.jsonl")) for suite in cases}
    predictions = {suite: {name: list(read_jsonl(f"data/predictions/{name}/{suite}.jsonl")) for name in by_subject}
                   for suite, by_subject in cases.items()}
    completions = {suite: {name: {row["id"]: row["completion"] for row in found} for name, found in by_subject.items()}
                   for suite, by_subject in predictions.items()}
    curated, formatted, split = (read_json(f"metrics/data/{name}.json") for name in ("curate", "format", "split"))
    log = list(read_jsonl("models/log/loss.jsonl"))
    tests = {suite: summary.comparisons(by_subject, verdict(suite), params.seed) for suite, by_subject in cases.items()}
    repeated = seeds.measure(params, cases)
    pictures = {name: picture(name) for name in PICTURES}
    sections = [
        results.headline(cases, tests),
        gate.gate(read_json("metrics/gate.json")),
        results.suites(cases, tests, pictures["exact_match"]),
        *([gate.seeds(repeated)] if repeated else []),
        budget.budget(read_json("metrics/budget.json")),
        results.by_suite(cases, pictures["outcomes"]),
        results.domains(cases),
        results.decisions(cases),
        training.training(log, params.train, pictures["loss"], adapter_bytes("models/tuned"), pictures["optimiser"]),
        training.lengths(formatted, pictures["tokens"]),
        quality.data(curated, formatted, split),
        training.mask_proof(mask),
        gate.cost(params, predictions, mask),
    ]
    write_text("report.html", page(sections, browser.data(cases, rows, completions), about(params, formatted, split)))


def picture(name: str) -> Safe:
    """plots/<name>.png inside the page, so that the page is whole without the folder."""
    path = Path("plots") / f"{name}.png"
    if not path.is_file():
        return tag("p", f"The picture {path} was not made.", class_="note")
    encoded = base64.b64encode(path.read_bytes()).decode()
    return tag("figure", tag("img", src=f"data:image/png;base64,{encoded}", alt=PICTURES[name], loading="lazy"))


def about(params: Params, formatted: dict, split: dict) -> str:
    subjects = ", ".join(params.subjects)
    return (f"{formatted['model']}, {count(split['train'])} training rows, {formatted['dialect']} dialect, seed {params.seed}. "
            f"Subjects: {subjects}; {params.subjects[-1]} is compared with the others on the same cases.")


def page(sections: list[Section], cases: dict, subtitle: str) -> str:
    """page.html with its places filled, in one pass: what is filled in is never searched for places itself."""
    script, style = asset("page.js"), asset("page.css")
    filled = {
        "style": Safe(style),
        "script": Safe(script),
        "script_hash": base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        "links": join(tag("li", tag("a", one.title, href=f"#{one.anchor}")) for one in sections),
        "subtitle": subtitle,
        "sections": join((one.html() for one in sections), "\n"),
        "cases": embedded_json(cases),
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda found: text(filled[found[1]]), asset("page.html"))


def asset(name: str) -> str:
    with open_text(HERE / name) as handle:
        return handle.read()
