"""train with real processes: the same bytes each time, also after a kill; no state of another run; nothing half-written."""

import json
import shutil
import signal
import sys
import time
from pathlib import Path

import pytest

from stages import train, trainers
from stages.errors import StageError
from stages.files import read_json, read_jsonl, write_jsonl
from tests import tiny


@pytest.fixture(scope="module")
def prepared(tmp_path_factory, model) -> Path:
    """A working folder that is ready for training."""
    folder = tiny.clone(tmp_path_factory.mktemp("train") / "clone", model)
    for stage in ("curate", "format", "split"):
        tiny.stage(folder, stage)
    tiny.commit(folder, "metrics of the data")
    return folder


@pytest.fixture
def ready(prepared, tmp_path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(prepared, tmp_path / "clone"))


def left(folder: Path) -> dict[str, bytes]:
    """All files that a training leaves for DVC, by name."""
    return {str(path.relative_to(folder)): path.read_bytes() for name in ("models/tuned", "models/log")
            for path in sorted((folder / name).rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def unbroken(prepared, tmp_path_factory) -> tuple[dict[str, bytes], str]:
    """(files, output) of a training that nothing interrupted."""
    folder = Path(shutil.copytree(prepared, tmp_path_factory.mktemp("unbroken") / "clone"))
    done = tiny.stage(folder, "train")
    assert not (folder / "models/.scratch").exists() or not list((folder / "models/.scratch").iterdir())
    return left(folder), done.stdout


def until(process, condition, what: str, seconds: float = 120) -> None:
    """Waits for a condition while the process runs."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, f"ended before {what}: {process.communicate()[0][-3000:]}"
        assert time.monotonic() < deadline, f"no {what} after {seconds} s"
        time.sleep(0.01)


def checkpoint(folder: Path, step: int) -> bool:
    """Whether a checkpoint of at least that step is whole."""
    return any(int(path.parent.name.split("-")[1]) >= step for path in folder.glob("models/.scratch/*/checkpoint-*/counts.json"))


def interrupted(folder: Path, number: int, step: int = 20) -> tuple[int, str]:
    """(exit code, output) of a training that gets a signal after a checkpoint."""
    process = tiny.start(folder, sys.executable, "-m", "stages.train")
    try:
        until(process, lambda: checkpoint(folder, step), f"checkpoint {step}")
        process.send_signal(number)
        out, _ = process.communicate(timeout=60)
    finally:
        process.kill()
    return process.returncode, out


@pytest.fixture(scope="module")
def killed(prepared, tmp_path_factory) -> tuple[Path, int, str]:
    """(folder, exit code, output) of a training after kill -9 between two checkpoints, in the middle of an epoch."""
    folder = Path(shutil.copytree(prepared, tmp_path_factory.mktemp("killed") / "clone"))
    return folder, *interrupted(folder, signal.SIGKILL)


# --- the same bytes each time ------------------------------------------------------------------------------


def test_what_a_training_leaves(unbroken):
    files, out = unbroken
    assert set(files) == {"models/tuned/adapter_config.json", "models/tuned/adapter_model.safetensors", "models/tuned/subject.json",
                          "models/log/loss.jsonl", "models/log/mask.json"}
    log, mask = [json.loads(line) for line in files["models/log/loss.jsonl"].splitlines()], json.loads(files["models/log/mask.json"])
    assert [row["step"] for row in log if "loss" in row] == [1, 10, 20, 30] and [row["step"] for row in log if "eval_loss" in row] == [15, 30, 32]
    assert log[0]["loss"] > next(row["loss"] for row in reversed(log) if "loss" in row)
    assert not any("runtime" in key or "per_second" in key for row in log for key in row)
    assert mask["rows_checked"] >= 32 * 4 and mask["completion_only_loss"] is True and 0.05 < mask["supervised_share"] < 0.6
    assert mask["examples"][0]["supervised"].endswith("<|im_end|>") and "<|im_start|>assistant" in mask["examples"][0]["not_supervised"]
    config = json.loads(files["models/tuned/adapter_config.json"])
    assert config["r"] == 4 and config["target_modules"] == sorted(config["target_modules"])
    assert json.loads(files["models/tuned/subject.json"]) == {"adapter": "models/tuned", "instructions": "", "shots": []}
    assert "37 rows in, 32 steps in" in out and "cpu in float32" in out


def test_a_second_training_gives_the_same_bytes(ready, unbroken):
    tiny.stage(ready, "train")
    assert left(ready) == unbroken[0]


def test_killed_in_the_middle_it_goes_on_to_the_same_bytes(killed, tmp_path, unbroken):
    """Adapter, loss log and mask proof are those of an unbroken run."""
    folder, code, out = killed
    ready = Path(shutil.copytree(folder, tmp_path / "clone"))
    assert code == -signal.SIGKILL and "goes on from" not in out
    assert not (ready / "models/tuned").exists() and not (ready / "models/log").exists()
    done = tiny.stage(ready, "train")
    assert "train: goes on from models/.scratch/" in done.stdout and "32 steps in" not in done.stdout
    assert left(ready) == unbroken[0]
    assert not list((ready / "models/.scratch").iterdir()), "the state is removed once the adapter is there"


@pytest.mark.parametrize("number,code", [(signal.SIGTERM, 143), (signal.SIGINT, 130)], ids=["SIGTERM", "Ctrl-C"])
def test_a_stopped_training_leaves_no_output(ready, number, code):
    ended, out = interrupted(ready, number, step=10)
    assert ended == code and "Traceback" not in out, out[-3000:]
    assert sorted(path.name for path in (ready / "models").iterdir()) == [".scratch", "base"]
    assert tiny.git(ready, "status", "--short") == ""


def test_a_changed_parameter_never_goes_on_from_another_runs_state(killed, tmp_path):
    ready = Path(shutil.copytree(killed[0], tmp_path / "clone"))
    before = {path.name for path in (ready / "models/.scratch").iterdir()}
    tiny.write_params(ready, **{"train.lora.alpha": 9, "train.steps": 10})
    done = tiny.stage(ready, "train")
    assert "goes on from" not in done.stdout and "37 rows in, 10 steps in" in done.stdout
    assert {path.name for path in (ready / "models/.scratch").iterdir()} == before, "the other run's state is still its own"


# --- what the state depends on -----------------------------------------------------------------------------

CHANGES = [{"seed": 43}, {"train.lora.rank": 8}, {"train.learning_rate": 0.004}, {"train.steps": 33}, {"train.batch_size": 6}, {"train.epochs": 2},
           {"model.max_tokens": 513}, {"model.dtype": "bfloat16"}, {"split.valid": 5}, {"train.completion_only_loss": False}]


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_every_parameter_of_the_training_is_in_the_fingerprint(prepared, monkeypatch, change):
    monkeypatch.chdir(prepared)
    assert train.fingerprint(tiny.params()) == train.fingerprint(tiny.params())
    assert train.fingerprint(tiny.params()) != train.fingerprint(tiny.params(**change))


@pytest.mark.parametrize("change", [{"predict.max_new_tokens": 25}, {"prompted.shots": 1}, {"suite_sizes.default": 7}], ids=str)
def test_other_parameters_are_not(prepared, monkeypatch, change):
    monkeypatch.chdir(prepared)
    assert train.fingerprint(tiny.params()) == train.fingerprint(tiny.params(**change))


@pytest.mark.parametrize("name", ["data/split/train.jsonl", "data/split/valid.jsonl", "tiny/model/model.safetensors", "tiny/model/config.json"])
def test_rows_and_base_model_are_in_the_fingerprint(ready, monkeypatch, name):
    monkeypatch.chdir(ready)
    before = train.fingerprint(tiny.params())
    (ready / name).write_bytes((ready / name).read_bytes() + b" ")
    assert train.fingerprint(tiny.params()) != before


def write_checkpoint(scratch: Path, step: int, **files: str) -> Path:
    folder = scratch / f"checkpoint-{step}"
    folder.mkdir(parents=True)
    for name, text in ({"trainer_state": "{}", "counts": "{}"} | files).items():
        if text is not None:
            (folder / f"{name}.json").write_text(text)
    return folder


def test_the_newest_whole_checkpoint_is_taken(tmp_path):
    last = trainers.get("hf").last_checkpoint
    assert last(tmp_path / "none") is None
    write_checkpoint(tmp_path, 10)
    whole = write_checkpoint(tmp_path, 20)
    assert last(tmp_path) == str(whole)
    write_checkpoint(tmp_path, 30, trainer_state='{"global_step": 3')
    write_checkpoint(tmp_path, 40, trainer_state="")
    write_checkpoint(tmp_path, 50, trainer_state=None)
    write_checkpoint(tmp_path, 60, counts=None)
    write_checkpoint(tmp_path, 70, counts='{"mask": ')
    assert last(tmp_path) == str(whole), "torn ones are passed over"
    write_checkpoint(tmp_path, 9)
    assert last(tmp_path) == str(whole)
    assert str(write_checkpoint(tmp_path, 100)) == last(tmp_path), "by number, not by name"


# --- the mask proof on real batches --------------------------------------------------------------------------


@pytest.fixture
def rows(prepared) -> tuple[list[dict], list[dict]]:
    return tuple(list(read_jsonl(prepared / f"data/split/{part}.jsonl")) for part in ("train", "valid"))


def trained(rows, model, tmpl, scratch, **changes) -> trainers.Trained:
    params = tiny.params(**{"model.name": str(model), "train.steps": 3, **changes})
    return trainers.get("hf").train(*rows, params, tmpl, scratch)


def test_every_batch_is_proved(rows, model, tmpl, tmp_path):
    made = trained(rows, model, tmpl, tmp_path)
    assert (made.mask["batches"], made.mask["rows_checked"]) == (4, 19), "three of training and the validation rows"
    assert made.mask["supervised_tokens"] < made.mask["tokens"] / 2
    assert made.timing["steps"] == 3


def test_loss_on_all_tokens_is_a_choice_that_is_recorded(rows, model, tmpl, tmp_path):
    made = trained(rows, model, tmpl, tmp_path, **{"train.completion_only_loss": False})
    assert made.mask["completion_only_loss"] is False and made.mask["supervised_share"] == 1


def test_rows_that_do_not_end_are_stopped(rows, model, tmpl, tmp_path):
    cut = [row | {"completion": row["completion"].removesuffix("<|im_end|>")} for row in rows[0]]
    with pytest.raises(StageError, match="does not end with the token at which the model stops"):
        trained((cut, rows[1]), model, tmpl, tmp_path)


def test_a_row_without_a_completion_is_stopped(rows, model, tmpl, tmp_path):
    """TRL takes such rows out; training on fewer rows than were given is no small thing."""
    empty = [row | {"completion": ""} if not number else row for number, row in enumerate(rows[0])]
    with pytest.raises(StageError, match="does not end with the token at which the model stops"):
        trained((empty, rows[1]), model, tmpl, tmp_path)


# --- the stage -----------------------------------------------------------------------------------------------


class Stub:
    """A trainer that leaves what the test says."""

    def __init__(self, losses):
        self.losses = losses

    def train(self, rows, valid, params, tmpl, scratch):
        (scratch / "adapter").mkdir(parents=True)
        (scratch / "adapter/adapter_model.safetensors").write_bytes(b"weights")
        log = [{"step": step, "loss": loss} for step, loss in enumerate(self.losses)]
        return trainers.Trained(scratch / "adapter", log, {"supervised_share": 0.5}, {"steps": 1, "seconds": 1.0})


def run(folder, model, monkeypatch, losses, *seed):
    monkeypatch.setattr(trainers, "get", lambda name: Stub(losses))
    tiny.write_params(folder, **{"model.name": str(model), "model.track": "params.yaml"})
    for path in train.DATA:
        write_jsonl(path, [])
    train.main(*seed)


def test_a_further_seed_has_a_place_of_its_own(folder, model, monkeypatch, capsys):
    run(folder, model, monkeypatch, [3.0, 1.0], 7)
    assert sorted(path.name for path in (folder / "models/seeds/7").iterdir()) == ["adapter_model.safetensors", "log", "subject.json"]
    assert sorted(path.name for path in (folder / "models/seeds/7/log").iterdir()) == ["loss.jsonl", "mask.json"]
    assert read_json(folder / "models/seeds/7/subject.json")["adapter"] == "models/seeds/7"
    assert read_json(folder / "models/.timing/seeds/7/train.json")["steps"] == 1
    assert not (folder / "models/tuned").exists() and not (folder / "models/log").exists()
    assert "adapter in models/seeds/7" in capsys.readouterr().out


def test_each_seed_goes_on_from_its_own_checkpoints(folder, model):
    tiny.write_params(folder, **{"model.name": str(model), "model.track": "params.yaml"})
    for path in train.DATA:
        write_jsonl(path, [])
    params = tiny.params(**{"model.name": str(model), "model.track": "params.yaml"})
    assert len({train.fingerprint(params.model_copy(update={"seed": seed})) for seed in (42, 1, 2)}) == 3


def test_what_was_there_before_is_replaced(folder, model, monkeypatch, capsys):
    (folder / "models/tuned").mkdir(parents=True)
    (folder / "models/tuned/old.bin").write_bytes(b"old")
    run(folder, model, monkeypatch, [3.0, 1.0])
    assert sorted(path.name for path in (folder / "models/tuned").iterdir()) == ["adapter_model.safetensors", "subject.json"]
    assert read_json(folder / "models/.timing/train.json") == {"steps": 1, "seconds": 1.0}
    assert "loss 3.000 -> 1.000" in capsys.readouterr().out


@pytest.mark.parametrize("losses", [[], [2.0, float("nan")]])
def test_a_loss_that_is_no_number_places_no_adapter(folder, model, monkeypatch, losses):
    with pytest.raises(SystemExit, match="not a number: lower train.learning_rate"):
        run(folder, model, monkeypatch, losses)
    assert not (folder / "models/tuned").exists()


# --- under DVC -----------------------------------------------------------------------------------------------


def test_with_dvc_killed_the_trainer_ends_and_the_next_repro_goes_on(prepared, tmp_path, unbroken):
    import psutil

    folder = Path(shutil.copytree(prepared, tmp_path / "clone"))
    tiny.run(folder, "dvc", "commit", "--force", "curate", "format", "split")
    tiny.write_params(folder, **{"train.steps": 120})
    dvc = tiny.start(folder, "dvc", "repro", "train")
    try:
        until(dvc, lambda: checkpoint(folder, 10), "checkpoint 10")
        trainer = [child for child in psutil.Process(dvc.pid).children(recursive=True) if "stages.train" in child.cmdline()]
        assert trainer
        dvc.kill()
        _, alive = psutil.wait_procs(trainer, timeout=10)
        assert not alive, "the trainer runs on without dvc"
        out = dvc.communicate(timeout=10)[0]
    finally:
        dvc.kill()
    assert "Running stage 'train'" in out and not (folder / "models/tuned").exists()
    done = tiny.run(folder, "dvc", "repro", "train")
    assert "train: goes on from models/.scratch/" in done.stdout
    assert (folder / "models/tuned/adapter_model.safetensors").is_file() and not list((folder / "models/.scratch").iterdir())


def test_outside_of_dvc_nothing_watches(monkeypatch):
    import threading

    from stages import orphan

    monkeypatch.delenv("DVC_STAGE", raising=False)
    orphan.end_with_parent()
    assert not any(thread.name == "end-with-parent" for thread in threading.enumerate())
