"""Each benchmark runs at the tiny scale and leaves its record; the page shows records, and says what was not run."""

import json
import sys

import pytest

from benchmarks import page
from tests import tiny

RUNS = [
    ("training", ["--steps=2", "--warmup=1", "--only", "TRL as published", "ours"], "ours / TRL as published, tokens_per_second"),
    ("gpus", ["--steps=2", "--warmup=1"], "2 GPUs / 1 GPUs, tokens_per_second"),
    ("prediction", ["--prompts=6", "--sample=2", "--tokens=2048"], "ours / one at a time, prompts_per_second"),
    ("equality", ["--steps=3", "--only", "TRL", "ours"], "ours: the same, mean of 3 steps"),
    ("cpu", ["--steps=2", "--only", "TRL", "ours"], "TRL / ours, processor_seconds_per_step"),
]


@pytest.fixture(scope="module")
def shape(tmp_path_factory):
    """The tiny scale's model, written by the first benchmark and found by the others."""
    return tmp_path_factory.mktemp("benchmark") / "model"


@pytest.mark.parametrize("name,options,ratio", RUNS, ids=[name for name, _, _ in RUNS])
def test_a_benchmark_runs_peer_and_ours_and_records_their_ratio(tmp_path, shape, name, options, ratio):
    words = ["--scale=tiny", "--folder", str(shape), "--results", str(tmp_path), *options]
    done = tiny.run(tiny.ROOT, sys.executable, "-m", f"benchmarks.{name}", *words)
    made = json.loads((tmp_path / f"{name}-tiny.json").read_text())
    assert not [figures["fault"] for figures in made["figures"].values() if "fault" in figures]
    assert len(made["figures"]) == 2 and made["ratios"][ratio] > 0 and f"{ratio}: " in done.stdout
    assert made["hardware"]["versions"]["torch"] and made["settings"]["scale"] == "tiny" and str(tmp_path) not in json.dumps(made)


def test_rows_are_as_long_as_the_page_says(tmpl):
    from benchmarks._common import rows

    lengths = [len(tmpl.ids(row["prompt"] + row["completion"])) for row in rows(400, tmpl)]
    assert 90 <= min(lengths) and max(lengths) <= 1030 and 360 < sum(lengths) / len(lengths) < 440


def test_the_page_is_made_from_the_records(tmp_path):
    assert (tiny.ROOT / "docs/benchmarks.md").read_text() == page.page(), "run `python -m benchmarks.page`"
    assert page.page(tmp_path).count("Not yet run.") == len(page.CLAIMS) + 2
    record = {"claim": "cpu", "title": "", "settings": {"steps": 3}, "figures": {"TRL": {"seconds_per_step": 1.5}, "ours": {"fault": "no memory"}},
              "hardware": {"gpus": [], "processor": "x86", "cores": 1, "python": "3.11", "versions": {"torch": "2"}}, "ratios": {"TRL / ours": 1.25}}
    (tmp_path / "cpu.json").write_text(json.dumps(record))
    made = page.page(tmp_path)
    assert "| TRL | 1.5 |  |" in made and "| ours |  | no memory |" in made and "**TRL / ours: 1.25**" in made and "x86, 1 core;" in made
