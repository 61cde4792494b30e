"""What training and answers cost: times and prices by hand."""

import pytest

from stages import cost
from stages.files import read_json, write_json
from tests import tiny

GPT = {"url": "http://127.0.0.1:1/v1", "model": "m", "price": {"input": 2, "output": 10}}
CHANGES = {"subjects": ["base", "gpt", "tuned"], "endpoints": {"base": None, "prompted": None, "tuned": None, "gpt": GPT}, "cost.hour": 3.6}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A run that was timed: 32 steps in 100 s; 2 suites of 50 requests, 1,000 + 500 tokens a second here."""
    monkeypatch.chdir(tmp_path)
    tiny.write_lines(tmp_path / "models/log/loss.jsonl", [{"step": step, "loss": 1.0} for step in (1, 10, 20, 30, 32)])
    write_json("models/.timing/train.json", {"seconds": 100.0, "steps": 32, "tokens_per_second": 50.0, "peak_memory_gib": 1.5})
    for suite in tiny.SUITES:
        for name in ("base", "tuned"):
            write_json(f"models/.timing/predict/{name}/{suite}.json",
                       {"requests": 50, "seconds": 10.0, "prompt_tokens": 10_000, "completion_tokens": 5_000})
        write_json(f"models/.timing/predict/gpt/{suite}.json", {"requests": 50, "prompt_tokens": 8_000, "completion_tokens": 2_000, "cost": 0.036})
    return tmp_path


def test_by_hand(folder):
    found = cost.measure(tiny.params(**CHANGES))
    train, = found["training"]
    assert (train["seed"], train["seconds"], train["scaled"]) == (42, 100.0, False)
    assert train["price"] == pytest.approx(0.1), "100 s at 0.001 a second"
    tuned, gpt = found["subjects"]["tuned"], found["subjects"]["gpt"]
    assert (tuned["requests"], tuned["seconds"], tuned["tokens_per_second"]) == (100, 20.0, 1500.0)
    assert tuned["million"] == pytest.approx(0.02 / 30_000 * 1e6) and tuned["thousand"] == pytest.approx(0.2)
    assert gpt["thousand"] == pytest.approx((16_000 * 2 + 4_000 * 10) / 1e6 * 10) and gpt["million"] == pytest.approx(3.6)
    assert gpt["seconds"] is None and gpt["endpoint"]
    assert found["break_even_requests"] == {"gpt": 193}, "0.1 spent, 0.00052 saved on each request: 192.3"


@pytest.mark.parametrize("spent, here, there, requests", [
    (0.1, 0.2, 0.72, 193), (1.0, 1.0, 2.0, 1000), (1.0, 2.0, 2.0, None), (1.0, 3.0, 2.0, None), (None, 1.0, 2.0, None), (1.0, None, 2.0, None)])
def test_break_even(spent, here, there, requests):
    assert cost.break_even(spent, here, there) == requests


def test_without_a_price_of_an_hour_there_are_times_only(folder):
    found = cost.measure(tiny.params(**CHANGES | {"cost.hour": None}))
    assert found["training"][0]["price"] is None and found["subjects"]["tuned"]["thousand"] is None
    assert found["subjects"]["tuned"]["tokens_per_second"] == 1500.0 and found["subjects"]["gpt"]["thousand"] == pytest.approx(0.72)
    assert found["break_even_requests"] == {"gpt": None}
    assert any("cost.hour is null" in line for line in cost.table(found))


def test_an_interrupted_training_is_scaled_to_all_its_steps(folder):
    write_json("models/.timing/train.json", {"seconds": 25.0, "steps": 8})
    train, = cost.measure(tiny.params(**CHANGES))["training"]
    assert (train["seconds"], train["scaled"]) == (100.0, True)


def test_every_seed_is_paid_for(folder):
    write_json("models/.timing/seeds/7/train.json", {"seconds": 300.0, "steps": 32})
    tiny.write_lines(folder / "models/seeds/7/log/loss.jsonl", [{"step": 32, "loss": 1.0}])
    found = cost.measure(tiny.params(**CHANGES, seeds=[7]))
    assert [one["seed"] for one in found["training"]] == [42, 7]
    assert found["break_even_requests"]["gpt"] == 770, "0.4 spent"


def test_what_was_not_timed_here_is_said(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    tiny.write_params(tmp_path)
    cost.main()
    out = capsys.readouterr().out
    assert "no training was timed here" in out and out.count("not timed here: its answers came from DVC's cache") == 2
    assert read_json("cost.json")["subjects"] == {"base": None, "tuned": None}


def test_a_server_that_does_not_count_has_no_price(folder):
    write_json("models/.timing/predict/gpt/held_out.json", {"requests": 50, "prompt_tokens": None, "completion_tokens": None, "cost": None})
    gpt = cost.measure(tiny.params(**CHANGES))["subjects"]["gpt"]
    assert gpt["prompt_tokens"] is None and gpt["thousand"] is None and gpt["requests"] == 100
    assert cost.table(cost.measure(tiny.params(**CHANGES)))
