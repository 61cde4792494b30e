"""A model that is served gives the greedy answers of the model in this process, and what a server's own parser makes of them.

`transformers serve` and `mlx_lm.server` are asked for two models: the tiny one, taught the tiny rows so that it writes whole and
broken calls, and the embedded one, which writes calls in notations of its own. docs/endpoints.md shows what is asserted here.
"""

import json
import shutil
import sys
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from stages import formats, hardware, template
from stages.errors import StageError
from stages.generators import _client, endpoint, hf
from stages.params import parse
from stages.schema import Call, Example, Tool
from tests import tiny
from tests.generators.servers import served

EMBEDDED = tiny.ROOT / "models/embedded"
BIN = Path(sys.executable).parent
PARSE = formats.get("native").parse
# A tokenizer's description of its answers, for transformers serve: all is content, nothing is parsed.
RAW = {"defaults": {"role": "assistant"}, "start_anchor": "<|im_start|>assistant\n",
       "fields": {"content": {"close_pattern": r"<\|im_end\|>", "content": "text"}}}


def taught(folder: Path) -> Path:
    """The tiny model after some steps on the tiny rows: most answers are calls, some are broken ones."""
    tiny.write_model(folder)
    tmpl, model = template.load(parse(tiny.raw_params(**{"model.name": str(folder)})).model), AutoModelForCausalLM.from_pretrained(folder)
    rows = [(tmpl.ids(tmpl.text(row["messages"][:-1], row["tools"])), tmpl.ids(tmpl.text(row["messages"], row["tools"], generate=False)))
            for row in tiny.messages_rows()]
    rows.sort(key=lambda row: len(row[1]))
    pad, optimizer = tmpl.tokenizer.pad_token_id, torch.optim.AdamW(model.parameters(), lr=4e-3)
    torch.manual_seed(1)
    for step in range(90):
        batch = rows[step % 4 :: 4][step % 3 :: 2]  # of all lengths alike
        width = max(len(whole) for _, whole in batch)
        ids = torch.tensor([whole + [pad] * (width - len(whole)) for _, whole in batch])
        labels = torch.tensor([[-100] * len(prompt) + whole[len(prompt):] + [-100] * (width - len(whole)) for prompt, whole in batch])
        model(input_ids=ids, attention_mask=(ids != pad).long(), labels=labels).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """As for the servers: see there."""
    before, choose = torch.get_num_threads(), hardware.set_threads
    hardware.set_threads = lambda: torch.set_num_threads(1) or 1
    torch.set_num_threads(1)
    yield
    hardware.set_threads = choose
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> Path:
    """A folder with the tiny model as it is, with a raw response template, and with mlx-lm's parser of JSON calls named; the embedded one."""
    folder = tmp_path_factory.mktemp("served")
    taught(folder / "plain")
    if (EMBEDDED / "model.safetensors").exists():
        shutil.copytree(EMBEDDED, folder / "embedded")
        # mlx-lm computes in the number type of the file
        AutoModelForCausalLM.from_pretrained(EMBEDDED, dtype=torch.float32).save_pretrained(folder / "embedded")
        retold(folder, "embedded", "embedded_raw", {"response_template": RAW})
    retold(folder, "plain", "raw", {"response_template": RAW})
    retold(folder, "plain", "parsed", {"tool_parser_type": "json_tools"})
    return folder


def retold(folder: Path, name: str, copy: str, changes: dict) -> None:
    """A copy of a model whose tokenizer says other things of itself."""
    shutil.copytree(folder / name, folder / copy)
    config = folder / copy / "tokenizer_config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | changes))


def params(models: Path, url: str = "http://127.0.0.1:1/v1", tokens: int = 48, here: str = "plain", **settings):
    """Settings name the endpoint's own keys."""
    raw = tiny.raw_params(subjects=["base", "here"], **{"model.name": str(models / here), "predict.max_new_tokens": tokens})
    raw["endpoints"]["here"] = {"url": url, "model": str(models / "plain"), "retries": 0, "concurrency": 4, **settings}
    return parse(raw)


@pytest.fixture(scope="module")
def tmpl(models):
    return template.load(params(models).model)


@pytest.fixture(scope="module")
def cases(tmpl) -> list[endpoint.Case]:
    return cases_for(tmpl)


def cases_for(tmpl) -> list[endpoint.Case]:
    made = []
    for number, row in enumerate(tiny.messages_rows()[::2]):
        turns, target = row["messages"][:-1], row["messages"][-1]
        calls = [Call(**call["function"]) for call in target.get("tool_calls", [])] or None
        tools, reply = [Tool(**tool["function"]) for tool in row["tools"]], None if calls else target["content"]
        example = Example(f"row-{number}", "tiny", turns, tools, calls, reply)
        made.append(endpoint.Case(example, tmpl.text(turns, row["tools"])))
    return made


@pytest.fixture(scope="module")
def here(models, tmpl, cases):
    """{limit of new tokens: completions of the model in this process}; at the low limit most calls are cut off."""
    found = {limit: in_process(cases, models, tmpl, tokens=limit) for limit in (48, 14)}
    assert sum(PARSE(made.text).attempted for made in found[48]) > len(cases) / 2, "the model calls"
    assert sum("cut_off" in PARSE(made.text).defects for made in found[14]) > len(cases) / 2
    return found


@pytest.fixture(scope="module")
def transformers_url(models, tmp_path_factory):
    pytest.importorskip("fastapi", reason="transformers serve needs fastapi, uvicorn and openai")
    command = [str(BIN / "transformers"), "serve", "--device", "cpu", "--dtype", "float32"]
    with served(models, command, tmp_path_factory.mktemp("log") / "transformers.log") as url:
        yield url


@pytest.fixture(scope="module")
def mlx_url(models, tmp_path_factory):
    pytest.importorskip("mlx_lm", reason="mlx_lm.server needs mlx-lm, which this machine has no packages of")
    with served(models, [str(BIN / "mlx_lm.server"), "--model", str(models / "plain")], tmp_path_factory.mktemp("log") / "mlx.log") as url:
        yield url


@pytest.fixture(autouse=True)
def quick(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(_client, "BACKOFF", 0.01)


def in_process(cases, models, tmpl, **settings):
    return sorted(hf.generate([case.prompt for case in cases], params(models, **settings), tmpl, None), key=lambda made: made.index)


def ask(cases, models, tmpl, url, **settings):
    return sorted(endpoint.generate(cases, params(models, url, **settings), tmpl, "here", "suite"), key=lambda made: made.index)


def assert_equal(made, wanted):
    assert [one.text for one in made] == [one.text for one in wanted]
    assert [one.finish for one in made] == [one.finish for one in wanted]
    # Servers count the end token as well.
    assert [one.tokens for one in made] == [one.tokens + (one.finish == "stop") for one in wanted]


@pytest.mark.parametrize("limit", [48, 14])
def test_transformers_with_a_raw_response_template_answers_as_the_model_here(cases, models, tmpl, here, transformers_url, limit):
    assert_equal(ask(cases, models, tmpl, transformers_url, tokens=limit, model=str(models / "raw")), here[limit])


def test_the_parser_of_transformers_gives_whole_calls_back_unchanged(cases, models, tmpl, here, transformers_url):
    whole = [index for index, made in enumerate(here[48]) if not PARSE(made.text).defects]
    made = ask([cases[index] for index in whole], models, tmpl, transformers_url)
    assert [one.text for one in made] == [here[48][index].text for index in whole]
    calling = [one for one in made if PARSE(one.text).calls]
    assert calling and all(one.extra["answer"]["tool_calls"] for one in calling), "they came as tool_calls"


def test_the_parser_of_transformers_fails_on_a_broken_call_and_so_does_the_stage(cases, models, tmpl, here, transformers_url):
    broken = [index for index, made in enumerate(here[14]) if "cut_off" in PARSE(made.text).defects]
    with pytest.raises(StageError, match=f"{len(broken[:3])} of {len(broken[:3])} cases have no answer.*HTTP 500"):
        ask([cases[index] for index in broken[:3]], models, tmpl, transformers_url, tokens=14)


def test_transformers_leaves_special_tokens_out_of_a_completion(cases, models, tmpl, here, transformers_url, capsys):
    made = ask(cases, models, tmpl, transformers_url, tools="prompt")
    special = [token.content for token in tmpl.tokenizer.added_tokens_decoder.values() if token.special]

    def bare(text):
        for token in special:
            text = text.replace(token, "")
        return text

    assert [one.text for one in made] == [bare(one.text) for one in here[48]]
    assert "<tool_call>, </tool_call> are special tokens" in capsys.readouterr().out, "and the user is told"


def test_the_embedded_model_answers_alike_everywhere(models, transformers_url, mlx_url):
    if not (models / "embedded").exists():
        pytest.skip("models/embedded has no weights in this clone")
    tmpl = template.load(params(models, here="embedded").model)
    cases = cases_for(tmpl)[::5]
    wanted = in_process(cases, models, tmpl, here="embedded")
    assert any(PARSE(one.text).attempted for one in wanted)
    for url, name in ((transformers_url, "embedded_raw"), (mlx_url, "embedded")):
        assert_equal(ask(cases, models, tmpl, url, here="embedded", model=str(models / name)), wanted)


@pytest.mark.parametrize("tools,limit", [("native", 48), ("native", 14), ("prompt", 48)])
def test_mlx_answers_as_the_model_here(cases, models, tmpl, here, mlx_url, tools, limit):
    assert_equal(ask(cases, models, tmpl, mlx_url, tools=tools, tokens=limit, model="default_model"), here[limit])


def test_the_parser_of_mlx_drops_broken_calls_and_they_stay_attempts(cases, models, tmpl, here, mlx_url):
    made = ask(cases, models, tmpl, mlx_url, model=str(models / "parsed"))
    for one, wanted in zip(made, here[48]):
        if not PARSE(wanted.text).defects:
            assert one.text == wanted.text
    made = ask(cases, models, tmpl, mlx_url, model=str(models / "parsed"), tokens=14)
    for one, wanted in zip(made, here[14]):
        assert PARSE(one.text).attempted == PARSE(wanted.text).attempted
        assert "cut_off" in PARSE(one.text).defects or one.text == wanted.text
