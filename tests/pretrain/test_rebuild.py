"""A small base, end to end on a CPU: tokenizer, shards, training, export, loading."""

import json
import os
import subprocess
import sys

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def run(*args, build):
    env = dict(os.environ, PRETRAIN_BUILD=str(build), TOKENIZERS_PARALLELISM="false", OMP_NUM_THREADS="1")
    subprocess.run([sys.executable, *args], check=True, cwd=ROOT, env=env, timeout=110)


def test_a_small_rebuild(tmp_path):
    build, tok = tmp_path / "build", tmp_path / "tok"
    run("-c", f"from pretrain import tokenizer as t; t.save(t.build(250, 1500, 3), {str(tok)!r})", build=build)
    file = str(tok / "tokenizer.json")
    run(
        "-m",
        "pretrain.corpus.mix",
        str(tmp_path / "shards"),
        "--tokenizer",
        file,
        "--workers",
        "1",
        "--tokens",
        "60000",
        "--shard",
        "30000",
        build=build,
    )
    run(
        "-m",
        "pretrain.train",
        "--shape",
        "tiny",
        "--data",
        str(tmp_path / "shards"),
        "--out",
        str(tmp_path / "out"),
        "--tokenizer",
        file,
        "--seconds",
        "60",
        "--max-steps",
        "25",
        "--batch",
        "4",
        "--length",
        "128",
        "--min-rows",
        "100",
        "--warmup",
        "5",
        "--optimizer",
        "adamw",
        "--capacity",
        "200000",
        build=build,
    )
    log = json.loads((tmp_path / "out" / "train.json").read_text())
    assert log["steps"] == 25 and log["tokens"] == 25 * 4 * 128
    assert log["loss"] < 8.9  # ln 8192 = 9.01 at the start
    run(
        "-m",
        "pretrain.train",
        "--shape",
        "tiny",
        "--data",
        str(tmp_path / "shards"),
        "--out",
        str(tmp_path / "out2"),
        "--tokenizer",
        file,
        "--seconds",
        "60",
        "--max-steps",
        "5",
        "--batch",
        "4",
        "--length",
        "128",
        "--min-rows",
        "100",
        "--optimizer",
        "adamw",
        "--capacity",
        "200000",
        "--resume",
        str(tmp_path / "out" / "ckpt.pt"),
        build=build,
    )
    assert json.loads((tmp_path / "out2" / "train.json").read_text())["steps"] == 30
    model = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "out2" / "hf")
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "out2" / "hf")
    ids = tokenizer.apply_chat_template([{"role": "user", "content": "hi"}], add_generation_prompt=True, return_tensors="pt", return_dict=True)
    assert model.generate(**ids, max_new_tokens=4).shape[1] > ids["input_ids"].shape[1]
