"""The training in figures: each against a value worked out by hand; nothing that differs between equal runs."""

import json

import pytest

from stages import analysis, plot
from tests import tiny

FALLING = [{"step": 10 * i, "loss": max(2.0 - 0.2 * i, 0.4), "num_tokens": 100.0 * i} for i in range(1, 21)]
ROWS = [{"prompt_tokens": 100 + i, "completion_tokens": 10} for i in range(1, 101)]
MASK = {"supervised_share": 0.25}


def test_a_falling_loss():
    found = analysis.analyse([*FALLING, {"step": 200, "eval_loss": 0.5}, {"step": 200, "train_runtime": 3.0}])
    assert (found.steps, found.first, found.last, found.tokens) == (200, 1.8, 0.4, 2000)
    assert found.final == pytest.approx(0.4) and found.reduction == pytest.approx((1.8 - 0.4) / 1.8)
    # means of 5: ..., (0.8 + 0.6 + 3 * 0.4) / 5 = 0.52 at 100, 0.44 at 110, 0.40 at 120; within 5 % of 0.40 is at most 0.42
    assert found.converged == 120 and dict(found.smoothed)[110] == pytest.approx(0.44)
    assert found.variation == 0 and found.unseen == [(200, 0.5)] and found.unseen_reduction == 0


def test_a_loss_that_leaves_its_level_again_has_not_converged_before_that():
    bump = [{**row, "loss": 3.0} if row["step"] == 150 else row for row in FALLING]
    assert analysis.analyse(bump).converged == 200


def test_variation_is_that_of_the_last_quarter():
    log = [{"step": i, "loss": 9.0 if i < 7 else {7: 1.0, 8: 3.0}[i]} for i in range(1, 9)]
    assert analysis.analyse(log).variation == pytest.approx(2**0.5 / 2)


def test_trainings_that_did_not_go_well():
    assert analysis.analyse([]) is None and analysis.analyse([{"step": 1, "loss": float("nan")}]) is None
    rising = analysis.analyse([{"step": i, "loss": float(i)} for i in range(1, 9)])
    assert rising.converged is None and rising.reduction == -7.0
    alone = analysis.analyse([{"step": 1, "loss": 1.0}])
    assert (alone.variation, alone.converged, alone.tokens, alone.unseen_reduction) == (None, None, None, None)


def test_spread_of_lengths():
    found = analysis.spread(list(range(1, 101)))
    assert found == {"min": 1, "p05": 5, "p25": 25, "p50": 50, "p75": 75, "p95": 95, "p99": 99, "max": 100, "mean": 50.5}
    assert analysis.spread([7])["p05"] == analysis.spread([7])["p99"] == 7 and analysis.spread([])["max"] == 0


def test_the_metrics_file():
    log = [*FALLING, {"step": 100, "eval_loss": 0.8}, {"step": 150, "eval_loss": 0.4}, {"step": 200, "eval_loss": 0.6}]
    found = analysis.figures(log, MASK, ROWS, 4096)
    assert (found["steps"], found["tokens_seen"], found["converged_at_step"], found["adapter_bytes"], found["rows"]) == (200, 2000, 120, 4096, 100)
    assert found["loss"] == {"first": 1.8, "last": 0.4, "final": 0.4, "reduction": 0.777778, "variation": 0.0, "valid_first": 0.8, "valid_last": 0.6,
                             "valid_lowest": 0.4, "valid_reduction": 0.25}
    assert found["tokens"]["row"]["p95"] == 205 and found["tokens"]["completion"]["max"] == 10
    assert not any(word in json.dumps(found) for word in ("second", "memory", "time"))
    assert "loss" not in analysis.figures([], MASK, ROWS, 0)


def test_the_size_of_an_adapter(tmp_path):
    for name, size in (("adapter_model.safetensors", 100), ("adapter_config.json", 11), ("subject.json", 50)):
        (tmp_path / name).write_bytes(bytes(size))
    assert analysis.adapter_bytes(tmp_path) == 111


@pytest.mark.parametrize("log", [[], [{"step": 1, "loss": float("nan")}], FALLING, [*FALLING, {"step": 200, "eval_loss": 0.5, "grad_norm": 1.0}]])
def test_pictures_are_drawn_whatever_was_logged(folder, log):
    plot.draw_loss(log or [{"step": 1, "loss": 1.0}])
    plot.draw_optimiser(log)
    plot.draw_lengths(ROWS)
    drawn = {path.name: path.read_bytes() for path in (folder / "plots").iterdir()}
    assert set(drawn) == {"loss.png", "optimiser.png", "tokens.png"}
    plot.draw_optimiser(log)
    assert (folder / "plots/optimiser.png").read_bytes() == drawn["optimiser.png"], "equal logs give equal bytes"


def test_mlx_logs_the_tokens_that_it_trained_on(model, tmpl, tmp_path):
    """Padding and the validation rows left out, as the other trainer does."""
    pytest.importorskip("mlx_lm")
    from stages import trainers

    prompts = ["<|im_start|>user\nHull?<|im_end|>\n<|im_start|>assistant\n"] * 3 + ["<|im_start|>user\nA timer?<|im_end|>\n<|im_start|>assistant\n"]
    rows = [{"prompt": prompt, "completion": f"Reply {number}.<|im_end|>"} for number, prompt in enumerate(prompts)]
    params = tiny.params(**{"model.name": str(model), "train.backend": "mlx", "predict.backend": "mlx", "train.steps": 2, "train.batch_size": 2,
                            "train.lora.dropout": 0.0})
    made = trainers.get("mlx").train(rows, rows[:2], params, tmpl, tmp_path)
    seen = [row["num_tokens"] for row in made.log if "num_tokens" in row]
    assert seen == [sum(len(tmpl.ids(row["prompt"] + row["completion"])) for row in rows)], "two batches of two: each row once"
    assert made.mask["tokens"] > seen[0] and set(made.timing) == {"seconds", "steps", "steps_per_second", "tokens_per_second", "peak_memory_gib"}
