"""Object storage as the DVC remote: what one clone pushes another pulls, and a damaged object is noticed. A local S3 server, no network."""

import hashlib
import subprocess
from pathlib import Path

import boto3
import pytest
import yaml
from moto.server import ThreadedMotoServer

from tests import tiny

BUCKET, DATA = "callsmith-store", {"models/tuned/adapter_model.safetensors": bytes(range(256)) * 4000, "models/tuned/adapter_config.json": b"{}\n"}
# a stage whose dvc.lock is not committed: its outputs reach another clone through the run cache alone
STAGE = {"stages": {"made": {"cmd": "cp models/tuned/adapter_config.json made.json", "deps": ["models/tuned"], "outs": ["made.json"]}}}


@pytest.fixture(scope="module")
def server():
    """(endpoint, client) of a running S3 server with one bucket."""
    running = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    running.start()
    host, port = running.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    client = boto3.client("s3", endpoint_url=endpoint, aws_access_key_id="test", aws_secret_access_key="test", region_name="us-east-1")
    client.create_bucket(Bucket=BUCKET)
    yield endpoint, client
    running.stop()


def dvc(folder: Path, *arguments: str, check: bool = True) -> subprocess.CompletedProcess:
    return tiny.run(folder, "dvc", *arguments, check=check)


@pytest.fixture(scope="module")
def pushed(server, tmp_path_factory) -> Path:
    """A repository whose outputs lie in the bucket; its address and keys are in the clone's own configuration, not under git."""
    folder = tmp_path_factory.mktemp("first")
    for name, content in DATA.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    tiny.git(folder, "init", "--quiet", "--initial-branch=main")
    dvc(folder, "init", "--quiet")
    dvc(folder, "add", "--quiet", "models/tuned")
    (folder / "dvc.yaml").write_text(yaml.safe_dump(STAGE))
    dvc(folder, "remote", "add", "--default", "store", f"s3://{BUCKET}/team")
    tiny.commit(folder, "an adapter")
    keys(folder, server[0])
    dvc(folder, "repro", "--quiet")
    dvc(folder, "push", "--run-cache")
    return folder


def keys(folder: Path, endpoint: str) -> None:
    for key, value in (("endpointurl", endpoint), ("access_key_id", "test"), ("secret_access_key", "test"), ("region", "us-east-1")):
        dvc(folder, "remote", "modify", "--local", "store", key, value)


@pytest.fixture
def second(pushed, server, tmp_path) -> Path:
    """Another clone, with an empty cache."""
    folder = tmp_path / "second"
    subprocess.run(["git", "clone", "--quiet", str(pushed), str(folder)], check=True)
    keys(folder, server[0])
    return folder


def test_what_one_clone_pushes_another_pulls(second):
    assert not (second / "models/tuned").exists()
    dvc(second, "pull", "models/tuned")
    assert {name: (second / name).read_bytes() for name in DATA} == DATA
    assert "test" not in (second / ".dvc/config").read_text(), "no key is under git"


def test_a_damaged_object_is_noticed_and_never_used(second, server):
    """`verify` makes DVC hash what it downloads; an object whose content is another's stops the pull."""
    client, name = server[1], "models/tuned/adapter_model.safetensors"
    digest = hashlib.md5(DATA[name]).hexdigest()
    key = f"team/files/md5/{digest[:2]}/{digest[2:]}"
    whole = client.get_object(Bucket=BUCKET, Key=key)["Body"].read()
    assert whole == DATA[name]
    dvc(second, "remote", "modify", "--local", "store", "verify", "true")
    try:
        client.put_object(Bucket=BUCKET, Key=key, Body=b"x" + whole[1:])
        done = dvc(second, "pull", "models/tuned", check=False)
        assert done.returncode != 0 and "Traceback" not in done.stderr
        assert not (second / name).exists()
    finally:
        client.put_object(Bucket=BUCKET, Key=key, Body=whole)
    dvc(second, "pull", "models/tuned")
    assert (second / name).read_bytes() == DATA[name]


def test_an_experiment_made_elsewhere_is_taken_from_the_run_cache(second):
    """As after deploy/skypilot.yaml: the stage that another machine ran is not run again."""
    assert not (second / "dvc.lock").exists()
    dvc(second, "pull", "--run-cache", "--allow-missing")
    done = dvc(second, "repro")
    assert "Running stage" not in done.stdout and "cached" in done.stdout and (second / "made.json").read_bytes() == b"{}\n"


def test_the_skypilot_task_runs_the_recipe_and_pushes(tmp_path):
    """Its commands, with a stand-in for dvc that writes down what it is asked."""
    task = yaml.safe_load((tiny.ROOT / "deploy/skypilot.yaml").read_text())
    assert set(task) <= {"name", "resources", "workdir", "envs", "secrets", "setup", "run"} and task["workdir"] == "."
    assert task["envs"]["STORE"] is None, "null: SkyPilot then asks for it"
    (tmp_path / ".venv/bin").mkdir(parents=True)
    stand_in = tmp_path / ".venv/bin/dvc"
    stand_in.write_text('#!/bin/sh\necho "$@" >> asked.txt\n')
    stand_in.chmod(0o755)
    given = {"RECIPE": "embedded", "OVERRIDES": "-S train.lora.rank=8", "STORE": "s3://b/c"}
    subprocess.run(["bash", "-c", task["run"]], cwd=tmp_path, env=tiny.environment(tmp_path) | given, check=True)
    asked = (tmp_path / "asked.txt").read_text().splitlines()
    assert asked[0] == "remote add --local --force --default store s3://b/c"
    assert asked[-2:] == ["exp run -S recipe=embedded -S train.lora.rank=8", "push --run-cache"]
    subprocess.run(["bash", "-n", "-c", task["setup"]], check=True)
