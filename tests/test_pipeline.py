"""The whole pipeline with real `dvc` in temporary clones, on the tiny model and data: what runs, what does not run again, what comes out."""

import json
import re
import shutil
import time
from pathlib import Path

import pytest
import yaml

from stages.files import read_json, read_jsonl
from tests import tiny

SUBJECTS, SUITE, MORE = ["base", "prompted", "tuned"], "held_out", "seen_tools"
CONFIG = {"subjects": SUBJECTS, "suites": [SUITE], "predict.max_new_tokens": 12, "train.steps": 10}
DATA_STAGES, SHOWN = {"curate", "format", "split"}, {"budget", "summary", "gate", "plot"}


def ran(out: str) -> set[str]:
    """The stages that `dvc repro` says it runs."""
    return set(re.findall(r"Running stage '([^']+)'", out))


def matrix(stage: str, subjects=SUBJECTS, suites=(SUITE,)) -> set[str]:
    return {f"{stage}@{subject}-{suite}" for subject in subjects for suite in suites}


ALL = DATA_STAGES | {"prompt", "train", "text_loss@base", "text_loss@tuned"} | matrix("predict") | matrix("evaluate") | SHOWN


@pytest.fixture(scope="module")
def two(tmp_path_factory, model) -> list[tuple[Path, str]]:
    """(folder, output) of `dvc repro` in two clones, made side by side."""
    folders = [tiny.clone(tmp_path_factory.mktemp(name) / "clone", model, **CONFIG) for name in ("one", "other")]
    running = [tiny.start(folder, "dvc", "repro") for folder in folders]
    outs = [process.communicate(timeout=550)[0] for process in running]
    for process, out in zip(running, outs):
        assert process.returncode == 0, out[-4000:]
    tiny.commit(folders[0], "first results")
    return list(zip(folders, outs))


@pytest.fixture
def copied(two, tmp_path) -> Path:
    """A copy of the first clone with its results, to be changed."""
    return Path(shutil.copytree(two[0][0], tmp_path / "clone", symlinks=True))


def repro(folder: Path, *options: str) -> set[str]:
    return ran(tiny.run(folder, "dvc", "repro", *options).stdout)


# --- one run -------------------------------------------------------------------------------------------------


def test_every_stage_runs_and_leaves_its_files(two):
    folder, out = two[0]
    assert ran(out) == ALL
    counts = read_json(folder / "metrics/data/curate.json")
    assert (counts["read"], counts["kept"]) == (60, 60)
    for name in SUBJECTS:
        assert len(list(read_jsonl(folder / f"data/predictions/{name}/{SUITE}.jsonl"))) == 6
        assert read_json(folder / f"metrics/{name}/{SUITE}.json")["scores"]["strict"]["n"] == 6
    found = {str(path.relative_to(folder / "metrics")) for path in (folder / "metrics").rglob("*.json")}
    texts = {"base/text.json", "tuned/text.json"}
    assert found == texts | {"summary.json", "gate.json", "budget.json", "train.json"} | {*(f"data/{name}.json" for name in DATA_STAGES),
                                                                            *(f"{name}/{SUITE}.json" for name in SUBJECTS)}
    assert read_json(folder / "metrics/summary.json")["exact_match"][SUITE]["cases"] == 6
    assert read_json(folder / "metrics/train.json")["steps"] == 10
    assert "</html>" in (folder / "report.html").read_text(encoding="utf-8")
    assert {path.name for path in (folder / "plots").iterdir()} >= {"exact_match.png", "loss.png", "exact_match.csv"}


def test_each_stage_prints_its_line_and_the_table_comes_last(two):
    out = two[0][1]
    for words in ("curate: 60 rows in, 60 kept", "format: 60 rows in, 60 proved", "split: 60 rows in", "train: 37 rows in, 10 steps",
                  f"predict: tuned on {SUITE}: 6 prompts in, 6 completions", f"evaluate tuned/{SUITE}: "):
        assert words in out
    table = out[out.rindex("suite "):]
    assert all(name in table for name in SUBJECTS) and "95 % interval" in table and "report.html" in table


def test_only_results_for_git_are_new(two):
    """The big files are ignored; metrics, plots and the lock are what a commit takes."""
    new = set(tiny.git(two[1][0], "status", "--short", "--untracked-files=all").split("\n")) - {""}
    assert {line[:2] for line in new} == {"??"}
    assert {line[3:].split("/")[0] for line in new} == {"dvc.lock", "metrics", "plots"}
    assert tiny.git(two[0][0], "status", "--short") == ""


def test_a_second_repro_runs_nothing_and_is_quick(two):
    folder, start = two[0][0], time.monotonic()
    assert repro(folder) == set()
    assert time.monotonic() - start < 60
    assert tiny.git(folder, "status", "--short") == ""


def test_two_clones_give_the_same_bytes(two):
    """Every output's hash, and so what git has: a fresh clone is clean after `dvc repro`."""
    one, other = (yaml.safe_load((folder / "dvc.lock").read_text())["stages"] for folder, _ in two)
    assert set(one) == set(other) == ALL
    for name in ALL:
        assert one[name]["outs"] == other[name]["outs"], name
    assert one == other
    for name in ("metrics", "plots"):
        for path in (two[0][0] / name).rglob("*"):
            assert path.is_dir() or path.read_bytes() == (two[1][0] / path.relative_to(two[0][0])).read_bytes(), path.name


def test_the_lock_is_current_without_the_data(two, tmp_path):
    """What a pull request checks: in a bare clone, with no cache, nothing would run."""
    tiny.git(two[0][0], "clone", "--quiet", str(two[0][0]), str(tmp_path / "bare"))
    out = tiny.run(tmp_path / "bare", "dvc", "repro", "--dry", "--allow-missing").stdout
    assert ran(out) == set()
    tiny.write_params(tmp_path / "bare", **CONFIG | {"train.lora.rank": 2})
    done = tiny.run(tmp_path / "bare", "dvc", "repro", "--dry", "--allow-missing", check=False)
    assert done.returncode != 0 or "train" in ran(done.stdout), "a lock that is not current is noticed"


# --- what a change runs again --------------------------------------------------------------------------------


def edited(folder: Path, name: str) -> Path:
    """The folder, with a comment added to a module."""
    with (folder / name).open("a") as module:
        module.write("# an edit\n")
    return folder


@pytest.mark.parametrize("name", ["stages/formats/tool_tags.py", "stages/sources/sgd.py", "stages/console.py", "stages/files.py", "stages/params.py"])
def test_editing_what_is_not_selected_or_only_prints_runs_nothing(copied, name):
    assert repro(edited(copied, name), "--dry") == set()


@pytest.mark.parametrize("change,first", [
    ({"train.lora.rank": 2}, "train"), ({"train.learning_rate": 0.01}, "train"), ({"prompted.shots": 1}, "prompt"),
    ({"suite_sizes.default": 5}, "split"), ({"dataset.min_kept": 1}, "curate"), ({"dialect": "tool_tags"}, "format")], ids=str)
def test_a_parameter_runs_its_stage_and_none_before(copied, change, first):
    tiny.write_params(copied, **CONFIG | change)
    order = ["curate", "format", "split", "prompt", "train"]
    found = repro(copied, "--dry")
    assert first in found and not found & (set(order[: order.index(first)]) | ({"prompt"} if first == "train" else set()))


def test_editing_a_scorer_scores_again_and_touches_no_model(copied):
    assert repro(edited(copied, "stages/scoring/statistics.py")) == matrix("evaluate") | SHOWN
    assert tiny.git(copied, "status", "--short").split() == ["M", "dvc.lock", "M", "stages/scoring/statistics.py"], "no figure has changed"


def test_adding_a_suite_predicts_only_that_suite(copied):
    tiny.write_params(copied, **CONFIG | {"suites": [SUITE, MORE]})
    assert repro(copied) == {"split"} | matrix("predict", suites=[MORE]) | matrix("evaluate", suites=[MORE]) | SHOWN
    assert set(read_json(copied / "metrics/summary.json")["exact_match"]) == {SUITE, MORE}


# --- several seeds -------------------------------------------------------------------------------------------


def further(stages, seeds) -> set[str]:
    """The stages of further training seeds."""
    return {f"{stage}_seed@{seed}" + ("" if stage == "train" else f"-{SUITE}") for stage in stages for seed in seeds}


def test_several_seeds_as_one_experiment(copied):
    """The seed that was done before stays done, as after an interruption: its stage is in the lock file and does not run again."""
    tiny.write_params(copied, **CONFIG | {"seeds": [1, 2]})
    tiny.run(copied, "dvc", "repro", "train_seed@1")
    assert repro(copied, "--dry", "train_seed@1", "train_seed@2") == {"train_seed@2"}
    done = tiny.run(copied, "dvc", "exp", "run", "--name", "seeds", "-S", "recipe=tiny", "-S", "seeds=[1,2]")
    assert ran(done.stdout) == further(["train"], [2]) | further(["predict", "evaluate"], [1, 2]) | SHOWN, (
        "nothing that has no training seed runs again")
    assert "tuned with 3 training seeds (42, 1, 2)" in done.stdout
    adapters = {(copied / path / "adapter_model.safetensors").read_bytes() for path in ("models/tuned", "models/seeds/1", "models/seeds/2")}
    assert len(adapters) == 3
    rates = [read_json(copied / f"metrics/{name}/{SUITE}.json")["scores"]["strict"]["rate"] for name in ("tuned", "seeds/1", "seeds/2")]
    over = read_json(copied / "metrics/summary.json")["over_seeds"][SUITE]
    assert over["mean"] == pytest.approx(sum(rates) / 3, abs=1e-5)
    assert "over 3 training seeds" in (copied / "report.html").read_text(encoding="utf-8")
    for path in ("train.json", "seeds/1/train.json", f"predict/seeds/2/{SUITE}.json"):
        assert (copied / "models/.timing" / path).is_file()
    assert repro(copied) == set()

    tiny.write_params(copied, **CONFIG | {"seeds": [1, 2, 3]})
    dry = tiny.run(copied, "dvc", "repro", "--dry", check=False)  # ends where it would need the adapter that is not there yet
    assert ran(dry.stdout) == {"train_seed@3"}, "a further seed trains that seed alone"
    tiny.write_params(copied, **CONFIG | {"seeds": [1, 2], "train.lora.rank": 2})
    assert not repro(copied, "--dry") & (DATA_STAGES | {"prompt"}) and "train_seed@1" in repro(copied, "--dry")
    tiny.write_params(copied, **CONFIG | {"seeds": [1, 2]})
    planned = matrix("evaluate") | further(["evaluate"], [1, 2]) | SHOWN - {"budget"}  # it reads no scorer: only scored cases that differ
    assert repro(edited(copied, "stages/scoring/strict.py"), "--dry") == planned


# --- experiments ---------------------------------------------------------------------------------------------


def test_an_experiment_composes_records_and_compares(copied):
    before = yaml.safe_load((copied / "params.yaml").read_text())
    done = tiny.run(copied, "dvc", "exp", "run", "--name", "small", "-S", "recipe=tiny", "-S", "train.lora.rank=2")
    assert ran(done.stdout) <= {"train", "text_loss@tuned", f"predict@tuned-{SUITE}", f"evaluate@tuned-{SUITE}"} | SHOWN
    assert "train" in ran(done.stdout)
    composed = yaml.safe_load((copied / "params.yaml").read_text())
    before["train"]["lora"]["rank"] = 2
    assert composed == before and composed["recipe"] == "tiny", "the default recipe, and the one value that was set"
    assert read_json(copied / "models/tuned/adapter_config.json")["r"] == 2
    shown = json.loads(tiny.run(copied, "dvc", "exp", "show", "--json").stdout)
    assert "small" in json.dumps(shown)
    tiny.run(copied, "dvc", "exp", "branch", "small", "variant")
    params = json.loads(tiny.run(copied, "dvc", "params", "diff", "main", "variant", "--json").stdout)
    assert params == {"params.yaml": {"train.lora.rank": {"old": 4, "new": 2, "diff": -2}}}
    metrics = tiny.run(copied, "dvc", "metrics", "diff", "main", "variant", "--all").stdout
    assert f"exact_match.{SUITE}.tuned" in metrics and f"exact_match.{SUITE}.cases" in metrics

    side = tiny.stage(copied, "comparison", "main", "small", "workspace", check=False)
    found = read_json(copied / "comparison/comparison.json")
    assert side.returncode in (0, 1, 2) and [run["run"] for run in found["runs"]] == ["main", "small", "workspace"], side.stderr
    assert [run["train.lora.rank"] for run in found["runs"]] == [4, 2, 2] and all(run["gate"] for run in found["runs"])
    pairs = {(row["run"], row["against"]): row for row in found["pairs"]}
    assert pairs["small", "main"]["cases"] == 6, "cases of both came from DVC's cache"
    assert pairs["workspace", "small"]["difference"] == 0
    assert {path.name for path in (copied / "comparison").iterdir()} == {"comparison.json", "runs.csv", "suites.csv", "gate.csv", "pairs.csv"}
    assert tiny.one_sentence(tiny.stage(copied, "comparison", "no-such-run", check=False)).startswith("error: no-such-run cannot be read (")
    assert "gate: " in tiny.stage(copied, "gate", check=False).stdout
    assert "seed 42" in tiny.stage(copied, "cost").stdout


def test_an_unknown_recipe_or_key_starts_nothing(copied):
    for option, words in (("recipe=none", "none"), ("train.lora.rnak=2", "rnak")):
        done = tiny.run(copied, "dvc", "exp", "run", "-S", option, check=False)
        assert done.returncode != 0 and words in done.stdout + done.stderr and not ran(done.stdout)
    assert tiny.git(copied, "status", "--short") == ""


def test_a_value_out_of_range_stops_at_the_first_stage(copied):
    done = tiny.run(copied, "dvc", "exp", "run", "-S", "recipe=tiny", "-S", "dataset.min_kept=0", check=False)
    assert done.returncode != 0 and ran(done.stdout) == {"curate"}
    assert "error: params.yaml: dataset.min_kept is 0: input should be greater than or equal to 1." in done.stdout + done.stderr
