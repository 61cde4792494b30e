"""An endpoint as a subject of the pipeline, with real `dvc repro`: what re-runs, what is asked, what is tracked."""

import json
import shutil

import yaml

from tests import tiny
from tests.generators.servers import Faulty


def ran(done) -> set[str]:
    return {line.split("'")[1] for line in done.stdout.splitlines() if line.startswith("Running stage")}


def test_a_subject_that_is_asked(tmp_path, model):
    with Faulty() as server:
        gpt = {"url": server.url, "model": "some-model", "price": {"input": 1, "output": 2}}
        endpoints = {"base": None, "prompted": None, "tuned": None, "gpt": gpt}
        folder = tiny.clone(tmp_path / "clone", model, subjects=["base", "gpt"], suites=["held_out"], endpoints=endpoints)
        shutil.copytree(folder / "models/base", folder / "models/gpt")
        tiny.commit(folder, "an endpoint")
        assert "models/gpt/subject.json" in tiny.git(folder, "ls-files"), "a subject is tracked"

        done = tiny.run(folder, "dvc", "repro", "evaluate@gpt-held_out", "predict@base-held_out")
        assert ran(done) >= {"predict@gpt-held_out", "evaluate@gpt-held_out", "predict@base-held_out"}
        rows = [json.loads(line) for line in (folder / "data/predictions/gpt/held_out.jsonl").read_text().splitlines()]
        assert len(rows) == len(server.asked) == len(server.paid) > 3 and all(row["prompt_tokens"] == 100 for row in rows)
        metrics = json.loads((folder / "metrics/gpt/held_out.json").read_text())
        assert metrics["scores"]["strict"]["n"] == len(rows) and metrics["generation"]["tokens_mean"] == 10
        assert (folder / "models/.timing/predict/gpt/held_out.json").exists()
        assert not [line for line in tiny.git(folder, "status", "--short").splitlines() if not line.endswith(("dvc.lock", "metrics/"))]

        raw = yaml.safe_load((folder / "params.yaml").read_text())
        raw["endpoints"]["gpt"]["model"] = "another-model"
        (folder / "params.yaml").write_text(yaml.safe_dump(raw, sort_keys=False))
        again = tiny.run(folder, "dvc", "repro", "--dry", "evaluate@gpt-held_out", "predict@base-held_out")
        assert ran(again) >= {"predict@gpt-held_out"} and "predict@base-held_out" not in ran(again), "one endpoint's change is its own"
