"""experiments/budget.py: its data hold no held-out tool, its runs are parameters that exist, its table says what was found."""

from experiments import budget
from stages.files import read_json, read_jsonl
from stages.params import parse
from tests.tiny import ROOT


def test_the_development_data_have_no_held_out_tool(tmp_path):
    chosen = budget.development(ROOT / "data/embedded", tmp_path)
    held = set(read_json(ROOT / "data/embedded/held_out.json"))
    assert len(chosen) == budget.DEVELOPMENT and not set(chosen) & held
    assert budget.development(ROOT / "data/embedded", tmp_path) == chosen
    names = {row["name"] for row in read_jsonl(tmp_path / "tools.jsonl")}
    assert set(chosen) <= names and not names & held
    rows = list(read_jsonl(tmp_path / "examples.jsonl"))
    assert len(rows) > 9000 and not any(held & set(row["offered"]) for row in rows)
    assert not {row["group"] for row in rows} & {row["group"] for row in read_jsonl(ROOT / "data/embedded/examples.jsonl")
                                                  if row["labels"]["tools"] == "held_out"}


def test_every_run_has_valid_parameters_of_its_own():
    made = {run: parse(budget.parameters(run, ["split.train=400"])) for run in budget.RUNS}
    assert all(params.dataset.path == "data/development" and params.split.train == 400 for params in made.values())
    assert made["irr35-mask"].split.irrelevance == 0.35 and made["irr35-mask"].format.masking == 0.3
    assert len({params.model_dump_json() for run, params in made.items() if run != "base"}) == len(made) - 1


def test_the_table():
    found = {"rate": 0.5, "low": 0.4, "high": 0.6, "n": 100, "k": 50}
    results = [{"run": name, "train": 800, "suites": dict.fromkeys(budget.SUITES, found), "nats_per_token": loss}
               for name, loss in (("base", 4.0), ("as-is", 4.2))]
    lines = budget.table(results).splitlines()
    assert len(lines) == 4 and len({line.count("|") for line in lines}) == 1
    assert lines[3].startswith("| as-is | 800 | 50 [40, 60] of 100 |") and lines[3].endswith("4.200 (+5.0 %) |")
