"""Writes the page of a made-up run, and reads it as a browser would."""

import json
import os
from html.parser import HTMLParser
from pathlib import Path

from stages import report
from stages.files import read_json
from tests.report import made_up

ROOT = made_up.ROOT
SIZES = {"held_out": 160, "no_tool": 80, "multi_turn": 80, "bfcl_multiple": 40, "structured": 40}
params = made_up.params


def written(folder: Path, sizes: dict[str, int], subjects: dict[str, float] = made_up.SUBJECTS, **changes) -> Path:
    """The page of a made-up run in `folder`, with changed parameters."""
    used = params(subjects=list(subjects), **changes)
    here = os.getcwd()
    os.chdir(folder)
    try:
        cases = made_up.write(Path(), sizes, subjects, used=used)
        for suite, by_subject in cases.items():
            for name, rows in by_subject.items():
                path = Path(f"data/cases/{name}/{suite}.jsonl")
                path.parent.mkdir(parents=True, exist_ok=True)  # ensure_ascii: a lone surrogate is no UTF-8
                path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        report.write(used, cases, read_json("models/log/mask.json"))
    finally:
        os.chdir(here)
    return folder / "report.html"


class Reader(HTMLParser):
    """Elements with their attributes, the text outside of scripts and styles, and each script's content."""

    def __init__(self, html: str):
        super().__init__()
        self.elements, self.words, self.scripts, self.inside = [], [], [], ""
        self.feed(html)
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self.inside = tag if tag in ("script", "style") else ""
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag):
        self.inside = ""

    def handle_data(self, data):
        if self.inside == "script":
            self.scripts[-1] += data
        elif not self.inside:
            self.words.append(data)
