"""Object storage as the DVC remote: what one clone pushes another pulls, and a damaged object is noticed. A local S3 server, no network."""

import hashlib
import subprocess
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from tests import tiny

BUCKET, DATA = "callsmith-store", {"models/tuned/adapter_model.safetensors": bytes(range(256)) * 4000, "models/tuned/adapter_config.json": b"{}\n"}


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
    dvc(folder, "remote", "add", "--default", "store", f"s3://{BUCKET}/team")
    tiny.commit(folder, "an adapter")
    keys(folder, server[0])
    dvc(folder, "push")
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
    dvc(second, "pull")
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
        done = dvc(second, "pull", check=False)
        assert done.returncode != 0 and "Traceback" not in done.stderr
        assert not (second / name).exists()
    finally:
        client.put_object(Bucket=BUCKET, Key=key, Body=whole)
    dvc(second, "pull")
    assert (second / name).read_bytes() == DATA[name]
