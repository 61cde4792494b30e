"""An endpoint under everything that a network and a server can do: no case lost, none doubled, nothing paid for twice."""

import json
import random
import signal
import sys
import time
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from stages import generators
from stages.errors import StageError
from stages.generators import _client, endpoint
from stages.params import parse
from stages.schema import Call, Example, Tool
from tests import tiny
from tests.generators.servers import Faulty

KEY = "sk-verySecret0123456789"


def params(url: str, **settings):
    """Tiny parameters with the endpoint `gpt`; settings change its keys."""
    raw = tiny.raw_params(subjects=["base", "gpt"])
    raw["endpoints"]["gpt"] = {"url": url, "model": "some-model", "timeout": 2, "retries": 20, "concurrency": 8, **settings}
    return parse(raw)


def cases(count: int) -> list[endpoint.Case]:
    made = []
    for number in range(count):
        tool = Tool("send.note", "", {"type": "object", "properties": {"text": {"type": "string"}}})
        example = Example(f"case-{number}", "test", [{"role": "user", "content": f"note {number}, Łódź"}], [tool], [Call("send.note", {})])
        made.append(endpoint.Case(example, f"prompt {number}"))
    return made


def ask(url, tmpl, asked=None, **settings):
    return sorted(endpoint.generate(asked or cases(40), params(url, **settings), tmpl, "gpt", "held_out"), key=lambda made: made.index)


@pytest.fixture(autouse=True)
def quick(folder, monkeypatch):
    """An empty current folder, and no long waits."""
    monkeypatch.setattr(_client, "BACKOFF", 0.01)


def kept() -> list[dict]:
    return [json.loads(line) for line in endpoint.scratch("gpt", "held_out").read_text().splitlines()]


FAULTS = ["hang", "reset", "half", "drip", (500, "oops"), (503, {"error": "busy"}, {"Retry-After": "0.1"}), (200, "{not json"),
          (200, {"choices": []}), (200, {"error": {"message": "overloaded"}}), (200, "[" * 100_000),
          (429, {"error": {"message": "slow down"}}, {"Retry-After": "0.05"}),
          (429, "", {"retry-after-ms": "30"}), (408, ""), (200, "null"), (502, "<html>bad gateway</html>")]


@pytest.mark.parametrize("tools", ["native", "prompt"])
def test_no_case_is_lost_and_none_doubled_whatever_the_server_does(tmpl, tools):
    dice = random.Random(tools)
    planned = {}

    def plan(text, attempt):
        """Each case meets one to three faults, every kind several times, before it is answered."""
        if text not in planned:
            first = FAULTS[len(planned) % len(FAULTS)]
            planned[text] = [first, *dice.choices(FAULTS[1:3] + FAULTS[4:], k=dice.randrange(3))]
        return planned[text][attempt] if attempt < len(planned[text]) else None

    with Faulty(plan) as server:
        started = time.monotonic()
        made = ask(server.url, tmpl, tools=tools, timeout=0.5)
        assert time.monotonic() - started < 15, "a server that hangs or drips for 20 s is left after the time limit"
    assert [one.index for one in made] == list(range(40)), "each case once"
    texts = [f"note {number}, Łódź" if tools == "native" else f"prompt {number}" for number in range(40)]
    for one, text in zip(made, texts):
        assert (json.dumps({"text": text}, ensure_ascii=False) if tools == "native" else text.upper()) in one.text
    assert server.paid == Counter(texts), "each answer is paid for once"
    assert len(server.asked) == 40 + sum(map(len, planned.values()))
    assert len(kept()) == 40
    timing = json.loads((endpoint.Path("models/.timing/predict/gpt/held_out.json")).read_text())
    assert timing["requests"] == 40 and timing["repeated"] >= len(server.asked) - 40, "and tries that found their connection closed"


def test_requests_under_way_are_bounded(tmpl):
    with Faulty(delay=0.03) as server:
        ask(server.url, tmpl, concurrency=5)
    assert server.most == 5


def test_one_429_holds_all_requests_back_for_as_long_as_it_says(tmpl):
    with Faulty(lambda text, attempt: None if attempt or text != server.asked[0][0] else (429, "", {"Retry-After": "1"}), delay=0.05) as server:
        ask(server.url, tmpl, concurrency=4, timeout=20)
    after = [moment - server.times[0] for moment in server.times[1:]]
    assert len(after) == 40 and sum(moment < 0.9 for moment in after) <= 12, "a few were under way before it came"


def test_a_wait_that_is_too_long_is_said_and_not_waited(tmpl):
    with Faulty(lambda *_: (429, {"error": "quota"}, {"Retry-After": "86400"})) as server, pytest.raises(StageError, match="asks to wait 86400 s"):
        ask(server.url, tmpl)


@pytest.mark.parametrize("value,seconds", [("7", 7), ("0.25", 0.25), ("-3", 0), ("soon", None), ("Wed, 21 Oct 2015 07:28:00 GMT", 0)])
def test_retry_after_as_seconds_and_as_a_date(value, seconds):
    assert _client.waiting({"retry-after": value}) == seconds
    ahead = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 60))
    assert 55 < _client.waiting({"retry-after": ahead}) <= 60


def test_a_case_that_finally_fails_stops_the_stage_and_the_next_run_asks_only_for_it(tmpl):
    bad = {"note 7, Łódź", "note 20, Łódź"}
    with Faulty(lambda text, _: (400, {"error": {"message": "The prompt is too long. Shorten it."}}) if text in bad else None) as server:
        with pytest.raises(StageError) as error:
            ask(server.url, tmpl)
        message = str(error.value)
        assert "2 of 40 cases have no answer, 'case-7' first" in message or "2 of 40 cases have no answer, 'case-20' first" in message
        assert "2 x HTTP 400: The prompt is too long; Shorten it" in message and "the 38 answers so far are kept" in message
        assert "\n" not in message and message.count(". ") == 0
        assert len(server.asked) == 40, "a 400 is not tried again"
        server.plan = lambda *_: None
        made = ask(server.url, tmpl)
        assert len(made) == 40 and sorted(text for text, *_ in server.asked[40:]) == sorted(bad)
        assert set(server.paid.values()) == {1}


def test_a_key_that_is_refused_stops_at_once_and_is_shown_nowhere(tmpl, monkeypatch, capsys):
    monkeypatch.setenv("GPT_KEY", f" {KEY}\n")
    with Faulty(lambda *_: (401, {"error": {"message": f"Incorrect API key provided: {KEY}."}}), delay=0.02) as server:
        with pytest.raises(StageError) as error:
            ask(server.url, tmpl, api_key_env="GPT_KEY", concurrency=3)
    assert "HTTP 401: Incorrect API key provided: ***" in str(error.value) and KEY not in str(error.value) + "".join(capsys.readouterr())
    assert len(server.asked) == 3, "those under way"
    assert server.asked[0][1]["Authorization"] == f"Bearer {KEY}"


def test_the_key_goes_into_the_header_that_is_asked_for(tmpl, monkeypatch):
    monkeypatch.setenv("GPT_KEY", KEY)
    with Faulty() as server:
        ask(server.url, tmpl, cases(1), api_key_env="GPT_KEY", api_key_header="api-key")
    headers = {name.lower(): value for name, value in server.asked[0][1].items()}
    assert headers["api-key"] == KEY and "authorization" not in headers


def test_a_key_that_is_not_set_is_named(tmpl, monkeypatch):
    monkeypatch.delenv("GPT_KEY", raising=False)
    with Faulty() as server, pytest.raises(StageError, match="environment variable GPT_KEY, which endpoints.gpt.api_key_env names, is not set"):
        ask(server.url, tmpl, api_key_env="GPT_KEY")
    assert not server.asked


def test_a_used_up_quota_is_not_tried_again(tmpl):
    with Faulty(lambda *_: (429, {"error": {"message": "You exceeded your quota", "code": "insufficient_quota"}}), delay=0.02) as server:
        with pytest.raises(StageError, match="exceeded your quota"):
            ask(server.url, tmpl, concurrency=2)
    assert len(server.asked) == 2


def test_a_server_that_is_gone_ends_the_stage_soon(tmpl):
    with Faulty() as server:
        url = server.url
    with pytest.raises(StageError) as error:
        ask(url, tmpl, cases(200), retries=2)
    assert "200 of 200 cases have no answer" in str(error.value) and "after which no more were asked" in str(error.value)
    assert "connection broken" in str(error.value)


def test_equal_requests_are_paid_for_once(tmpl):
    twice = [replace(case, example=replace(case.example, id=f"{case.example.id}-{turn}")) for turn in range(2) for case in cases(5)]
    with Faulty() as server:
        made = ask(server.url, tmpl, twice)
    assert len(made) == 10 and len(server.asked) == 5 and [one.text for one in made[:5]] == [one.text for one in made[5:]]


def test_a_torn_last_line_is_asked_for_again_and_no_other(tmpl):
    with Faulty() as server:
        before = ask(server.url, tmpl)
        path = endpoint.scratch("gpt", "held_out")
        whole = path.read_bytes()
        for cut in (1, 2, 40):  # the line break alone, a byte of the text, more of it
            path.write_bytes(whole[:-cut])
            server.asked.clear()
            assert ask(server.url, tmpl) == before
            assert len(server.asked) == (0 if cut == 1 else 1)
            assert len({row["key"] for row in map(json.loads, filter(readable, path.read_text().splitlines()))}) == 40
        path.write_bytes(b'{"key": 1}\n[]\nnull\n\xff\xfe\n{"a": 2}\n' + whole)
        server.asked.clear()
        assert len(ask(server.url, tmpl)) == 40 and not server.asked, "lines of another kind are passed over"


def readable(line: str) -> bool:
    try:
        return bool(json.loads(line))
    except ValueError:
        return False


@pytest.mark.parametrize("change", [{"model": "other"}, {"revision": "2"}, {"max_tokens": 7}, {"extra": {"seed": 1}}, {"tools": "prompt"}])
def test_what_changes_the_answer_asks_anew(tmpl, change):
    with Faulty() as server:
        ask(server.url, tmpl, cases(3))
        ask(server.url, tmpl, cases(3), timeout=5, concurrency=2, price={"input": 1, "output": 2})
        assert len(server.asked) == 3
        ask(server.url, tmpl, cases(3), **change)
        assert len(server.asked) == 6


def test_answers_are_forgotten_once_they_are_predictions_unless_kept(tmpl):
    with Faulty() as server:
        ask(server.url, tmpl, cases(3))
        endpoint.forget("gpt", "held_out", params(server.url, keep_answers=True).endpoints["gpt"])
        assert len(kept()) == 3
        endpoint.forget("gpt", "held_out", params(server.url).endpoints["gpt"])
        assert not endpoint.scratch("gpt", "held_out").exists()


def test_tokens_cost_and_latency(tmpl):
    with Faulty(delay=0.05) as server:
        made = ask(server.url, tmpl, cases(20), price={"input": 3, "output": 15}, concurrency=20)
    assert all(one.tokens == 10 and one.extra["prompt_tokens"] == 100 for one in made)
    timing = json.loads(endpoint.Path("models/.timing/predict/gpt/held_out.json").read_text())
    assert timing["cost"] == pytest.approx(20 * (100 * 3 + 10 * 15) / 1e6) and timing["prompt_tokens"] == 2000
    assert 0.05 <= timing["latency_p50"] <= timing["latency_p95"] < 3


def test_percentiles_are_numpys():
    dice = random.Random(5)
    for count in (1, 2, 3, 19, 20, 21, 100, 101):
        values = [dice.random() for _ in range(count)]
        for share in (0.5, 0.95):
            assert endpoint.percentile(values, share) == np.quantile(values, share, method="inverted_cdf")


def test_kill_9_and_again_pays_only_for_what_is_missing(tmp_path, model, monkeypatch):
    """The stage as a process, killed in the middle: what came is in the file, and the second run asks for the rest."""
    import shutil

    shutil.copytree(model, tmp_path / "tiny/model", dirs_exist_ok=True)
    (tmp_path / "models/gpt").mkdir(parents=True)
    (tmp_path / "models/gpt/subject.json").write_text('{"adapter": null, "instructions": "", "shots": []}')
    rows = [{"id": case.example.id, "prompt": case.prompt, "completion": "", "example": case.example.to_json()} for case in cases(60)]
    tiny.write_lines(tmp_path / "data/suites/held_out.jsonl", rows)
    monkeypatch.setenv("GPT_KEY", KEY)
    monkeypatch.setenv("PYTHONPATH", "")

    with Faulty(delay=0.15) as server:
        raw = tiny.raw_params(subjects=["base", "gpt"])
        raw["endpoints"]["gpt"] = {"url": server.url, "model": "m", "concurrency": 4, "api_key_env": "GPT_KEY", "price": {"input": 1, "output": 1}}
        (tmp_path / "params.yaml").write_text(json.dumps(raw))
        shutil.copytree(tiny.ROOT / "stages", tmp_path / "stages", ignore=shutil.ignore_patterns("__pycache__"))
        command = [sys.executable, "-m", "stages.predict", "gpt", "held_out"]
        process = tiny.start(tmp_path, *command)
        while sum(server.paid.values()) < 20:
            assert process.poll() is None, process.communicate()
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        time.sleep(0.3)
        have, first = len(kept()), len(server.asked)
        assert 16 <= have < 40 and first - have <= 4, "at most those under way are paid for in vain"
        assert not (tmp_path / "data/predictions").exists()
        with endpoint.scratch("gpt", "held_out").open("a") as torn:
            torn.write('{"key": "0123", "bo')
        done = tiny.run(tmp_path, *command)
        assert len(server.asked) - first == 60 - have
    assert f"{have} of 60 requests were answered before" in done.stdout and "cost 0.0066" in done.stdout
    found = [json.loads(line) for line in (tmp_path / "data/predictions/gpt/held_out.jsonl").read_text().splitlines()]
    assert [row["id"] for row in found] == [row["id"] for row in rows]
    assert all(f"note {number}, Łódź" in row["completion"] for number, row in enumerate(found))
    assert found[0]["answer"]["tool_calls"] == [{"name": "send.note", "arguments": json.dumps({"text": "note 0, Łódź"})}]
    assert not endpoint.scratch("gpt", "held_out").exists()
    holding = [path for path in tmp_path.rglob("*") if path.is_file() and KEY.encode() in path.read_bytes()]
    assert not holding and KEY not in done.stdout + done.stderr


def test_the_family_finds_it():
    assert generators.get("endpoint") is endpoint
