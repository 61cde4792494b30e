"""format as a stage: counts, rejects and errors of one sentence, several processes, and the model's end tokens."""

import json
import os
import subprocess
import sys

import psutil
import pytest

from stages import format
from stages.errors import StageError
from stages.files import read_json, read_jsonl, write_json, write_jsonl
from stages.schema import Example
from stages.template import hub_sentence, load
from tests import tiny
from tests.test_format import ASK, CALLS, TOOL


def run(model, examples: list[Example], **changes) -> dict:
    write_jsonl("data/curated.jsonl", (example.to_json() for example in examples))
    write_json("metrics/data/curate.json", {"kept": len(examples)})
    tiny.write_params(tiny.Path.cwd(), **{"model.name": str(model), **changes})
    format.main()
    return read_json("metrics/data/format.json")


def mixed(good: int, bad: int) -> list[Example]:
    return [*(Example(f"g{n}", "test", ASK, [TOOL], CALLS) for n in range(good)),
            *(Example(f"b{n}", "test", ASK, [TOOL], None, "</tool_call>") for n in range(bad))]


def test_counts_add_up_and_rejects_are_written(folder, model, capsys):
    counts = run(model, mixed(19, 1))
    assert (counts["rows"], counts["kept"], sum(counts["rejected"].values())) == (20, 19, 1)
    assert [(row["id"], row["reason"]) for row in read_jsonl("data/format_rejects.jsonl")] == [("b0", next(iter(counts["rejected"])))]
    assert len(list(read_jsonl("data/formatted.jsonl"))) == 19
    assert counts["dialect"] == "native" and counts["completion_tokens"]["min"] > 1
    assert counts["prompt_tokens"]["max"] >= counts["prompt_tokens"]["median"]
    assert "20 rows in, 19 proved; rejected: " in capsys.readouterr().out


def test_more_rejections_than_allowed_stop_the_run(folder, model):
    with pytest.raises(SystemExit) as error:
        run(model, mixed(18, 2))
    assert "2 of 20 rows fail the gate, more than format.max_rejected (0.05)" in str(error.value) and "\n" not in str(error.value)
    assert len(list(read_jsonl("data/format_rejects.jsonl"))) == 2, "they are there to be looked at"
    assert run(model, mixed(18, 2), **{"format.max_rejected": 0.1})["kept"] == 18


def test_benchmark_rows_are_counted_among_those_read(folder, model):
    write_jsonl("data/curated.jsonl", (example.to_json() for example in mixed(5, 0)))
    write_json("metrics/data/curate.json", {"kept": 3, "benchmark": {"kept": 2}})
    tiny.write_params(folder, **{"model.name": str(model)})
    format.main()
    assert read_json("metrics/data/format.json")["rows"] == 5


def test_several_processes_write_what_one_writes(folder, model, monkeypatch):
    """Byte for byte and in order, rejects and counts as well."""
    cases = [case for number in range(40) for case in (
        Example(f"g{number}", "test", [{"role": "user", "content": f"cold in Hull {number}?"}], [TOOL], CALLS),
        *([Example(f"b{number}", "test", ASK, [TOOL], None, "</tool_call>")] if number % 20 == 0 else []))]
    monkeypatch.setattr(format, "BATCH", 3)
    written = []
    for count in (1, 2):
        monkeypatch.setattr(format, "cores", lambda count=count: count)
        counts = run(model, cases)
        written.append([counts, *((folder / f"data/{name}.jsonl").read_text() for name in ("formatted", "format_rejects"))])
    assert written[0] == written[1] and written[0][0]["kept"] == 40 and len(written[0][2].splitlines()) == 2


WAITING = """
import time
from stages import format
from stages.params import load

def batches():
    yield []
    print("started", flush=True)
    time.sleep(600)

list(format.made_in_order(batches(), load(), 2))
"""


def test_worker_processes_end_when_the_stage_is_killed(folder, model):
    tiny.write_params(folder, **{"model.name": str(model)})
    process = subprocess.Popen([sys.executable, "-c", WAITING], cwd=folder, env=os.environ | {"PYTHONPATH": str(tiny.ROOT)}, stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"started\n"
    workers = psutil.Process(process.pid).children()
    assert workers
    process.kill()
    process.wait()
    gone, left = psutil.wait_procs(workers, timeout=30)
    assert not left


def test_a_line_that_is_no_json_is_named_from_another_process_too(folder, model, monkeypatch):
    monkeypatch.setattr(format, "BATCH", 2)
    for count in (1, 2):
        monkeypatch.setattr(format, "cores", lambda count=count: count)
        write_jsonl("data/curated.jsonl", (example.to_json() for example in mixed(30, 0)))
        with (folder / "data/curated.jsonl").open("a") as handle:
            handle.write("{\n")
        write_json("metrics/data/curate.json", {"kept": 31})
        tiny.write_params(folder, **{"model.name": str(model)})
        with pytest.raises(SystemExit, match="error: data/curated.jsonl has a line that is not JSON .*: run `dvc repro curate` again"):
            format.main()
        assert not (folder / "data/formatted.jsonl").exists()


def test_a_template_without_tools_stops_before_any_row(folder, model, tmp_path_factory):
    plain = tmp_path_factory.mktemp("plain")
    for path in model.iterdir():
        (plain / path.name).write_bytes(path.read_bytes())
    (plain / "chat_template.jinja").write_text("{% for m in messages %}{{ m.content }}<|im_end|>{% endfor %}")
    with pytest.raises(SystemExit, match="dialect is 'native', but the chat template of .*: use tool_tags"):
        run(plain, mixed(5, 0))
    assert not (folder / "data/formatted.jsonl").exists()
    assert run(plain, mixed(5, 0), dialect="tool_tags")["kept"] == 5


@pytest.mark.parametrize("files", [{}, {"config.json": "{}"}, {"tokenizer.json": "{"}])
def test_a_model_that_cannot_be_had_ends_in_one_sentence(folder, files):
    (folder / "broken").mkdir()
    for name, text in files.items():
        (folder / "broken" / name).write_text(text)
    with pytest.raises(SystemExit) as error:
        run(folder / "broken", mixed(5, 0))
    assert "model.name is" in str(error.value) and "\n" not in str(error.value)


def test_a_gated_model_names_the_token():
    for text in ("401 Client Error: Unauthorized", "Access to model x is gated", "403 Forbidden"):
        assert hub_sentence("org/model", OSError(text)) == (
            "model.name is 'org/model', which is gated: accept its terms on its hub page, then set HF_TOKEN and run again.")
    other = hub_sentence("org/model", OSError("could not connect\nsecond line"))
    assert "could not connect" in other and "second line" not in other


# --- the model's end tokens ----------------------------------------------------------------------------------


@pytest.mark.parametrize("eos,ends", [(None, [2]), (2, [2]), (0, [2, 0]), ([0, 2, 5], [2, 0, 5])])
def test_end_tokens_are_those_of_tokenizer_and_generation_config(model, tmp_path, eos, ends):
    for path in model.iterdir():
        if path.name not in ("model.safetensors", "generation_config.json"):
            (tmp_path / path.name).write_bytes(path.read_bytes())
    if eos is not None:
        (tmp_path / "generation_config.json").write_text(json.dumps({"eos_token_id": eos}))
    made = load(tiny.params(**{"model.name": str(tmp_path)}).model)
    assert made.ends == ends and made.end_texts[0] == "<|im_end|>"


def test_no_model_is_a_stage_error(tmp_path):
    with pytest.raises(StageError, match="model.name is"):
        load(tiny.params(**{"model.name": str(tmp_path)}).model)
