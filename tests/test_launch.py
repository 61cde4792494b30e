"""Several processes do what one does: the same losses, the same predictions, one set of outputs; and an engine's failure ends in one sentence."""

import json
import os
import shutil
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from stages import launch
from stages.errors import StageError
from stages.params import Launcher
from tests import tiny

TWO = {"train.launcher": {"engine": "torchrun", "processes": 2, "strategy": "ddp", "arguments": []}}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory, model) -> Path:
    """A working folder that is ready for training without dropout, whose random numbers differ between processes."""
    folder = tiny.clone(tmp_path_factory.mktemp("launch") / "clone", model, **{"train.lora.dropout": 0.0, "train.steps": 20})
    for stage in ("curate", "format", "split"):
        tiny.stage(folder, stage)
    return folder


def trained(prepared: Path, folder: Path, **changes) -> tuple[list[dict], dict, str]:
    """(loss log, mask proof, output) of a training with changed parameters in a copy of the folder."""
    shutil.copytree(prepared, folder)
    tiny.write_params(folder, **{"train.lora.dropout": 0.0, "train.steps": 20} | changes)
    done = tiny.stage(folder, "train")
    log = [json.loads(line) for line in (folder / "models/log/loss.jsonl").read_text().splitlines()]
    return log, json.loads((folder / "models/log/mask.json").read_text()), done.stdout


@pytest.fixture(scope="module")
def alone(prepared, tmp_path_factory):
    folder = tmp_path_factory.mktemp("alone") / "clone"
    return folder, trained(prepared, folder)


@pytest.mark.parametrize("packing", [False, True])
@pytest.mark.parametrize("strategy", ["ddp", "fsdp"])
def test_two_processes_learn_what_one_learns(prepared, alone, tmp_path, packing, strategy):
    """5 rows a step do not part evenly, and the last step of an epoch has fewer; losses on training and validation rows agree."""
    changes = {"train.launcher": TWO["train.launcher"] | {"strategy": strategy}, "train.packing": packing}
    log, mask, out = trained(prepared, tmp_path / "two", **changes)
    expected, proof, _ = alone[1]
    assert [row["step"] for row in log] == [row["step"] for row in expected]
    for key in ("loss", "eval_loss", "grad_norm", "learning_rate", "num_tokens", "mean_token_accuracy"):
        values = [row[key] for row in log if key in row]
        assert values and values == pytest.approx([row[key] for row in expected if key in row], rel=1e-3 if key != "mean_token_accuracy" else 0.02)
    assert mask["rows_checked"] == proof["rows_checked"] and mask["supervised_tokens"] == proof["supervised_tokens"]
    assert out.count("20 steps in") == 1, "only the first process speaks"
    name = "models/tuned/adapter_model.safetensors"
    one, two = (load_file(folder / name) for folder in (alone[0], tmp_path / "two"))
    assert set(one) == set(two) and all(torch.allclose(one[key], two[key], atol=1e-3) for key in one)


def test_prompts_are_shared_over_two_processes(alone):
    folder = alone[0]
    written = {}
    for name, changes in (("one", {}), ("two", TWO)):
        tiny.write_params(folder, **changes)
        done = tiny.stage(folder, "predict", "tuned", "held_out")
        written[name] = (folder / "data/predictions/tuned/held_out.jsonl").read_bytes()
        assert done.stdout.count("prompts in") == 1
    assert written["one"] == written["two"] and written["one"].count(b"\n") == 6


def test_a_process_that_fails_ends_the_stage_in_one_sentence(alone):
    folder = alone[0]
    tiny.write_params(folder, **TWO | {"model.name": "nowhere"})
    done = tiny.stage(folder, "train", check=False)
    assert done.returncode == 1 and "torchrun: a process of stages.train ended with code 1" in done.stderr.splitlines()[-1]


# --- without processes ------------------------------------------------------------------------------------------------


@pytest.fixture
def process(monkeypatch):
    """Puts the test into process `rank` of `world`."""

    def put(rank: int, world: int) -> None:
        monkeypatch.setenv("RANK", str(rank))
        monkeypatch.setenv("WORLD_SIZE", str(world))

    return put


def test_each_thing_falls_to_one_process_and_long_ones_are_spread(process):
    sizes, shares = [5, 90, 7, 80, 3, 85, 1], []
    for rank in range(3):
        process(rank, 3)
        shares.append(launch.share(sizes))
    assert sorted(index for share in shares for index in share) == list(range(7))
    assert sorted(share[0] for share in shares) == [1, 3, 5], "one of the three long ones each"


def test_the_engines_command_lines():
    torchrun = launch.command(Launcher(engine="torchrun", processes=4), "stages.train", ["a"], gpu=True)
    assert torchrun[1:] == ["-m", "torch.distributed.run", "--nproc-per-node=4", "--standalone", "-m", "stages.train", "a"]
    two = launch.command(Launcher(engine="torchrun", processes=8, arguments=["--nnodes=2", "--node-rank=1"]), "stages.train", [], gpu=True)
    assert "--standalone" not in two and two[3:6] == ["--nproc-per-node=8", "--nnodes=2", "--node-rank=1"]
    accelerate = launch.command(Launcher(engine="accelerate", processes=2), "stages.train", [], gpu=True)
    assert "accelerate.commands.launch" in accelerate and "--multi_gpu" in accelerate and accelerate[-2:] == ["-m", "stages.train"]


def test_a_stage_starts_itself_anew_only_once(monkeypatch):
    for name in ("LOCAL_RANK", "RANK", "ACCELERATE_MIXED_PRECISION"):
        monkeypatch.delenv(name, raising=False)
    assert launch.relaunched(Launcher(), "json.tool") is False
    monkeypatch.setattr(launch, "command", lambda *args: [sys.executable, "-c", "raise SystemExit(3)"])
    with pytest.raises(StageError, match="ended with code 3"):
        launch.relaunched(Launcher(engine="torchrun"), "stages.train")
    monkeypatch.setattr(launch, "command", lambda *args: [sys.executable, "-c", ""])
    assert launch.relaunched(Launcher(engine="torchrun"), "stages.train") is True
    monkeypatch.setitem(os.environ, "LOCAL_RANK", "0")
    assert launch.relaunched(Launcher(engine="torchrun"), "stages.train") is False
