"""The two backends, hf and mlx, on the embedded model: the same answers without an adapter, and both learn with one."""

import random

import pytest

pytest.importorskip("mlx_lm")

from stages import format, formats, generators, template, trainers  # noqa: E402
from stages.predict import check_adapter  # noqa: E402
from stages.schema import Example  # noqa: E402
from stages.sources import local  # noqa: E402
from tests import tiny  # noqa: E402

EMBEDDED = tiny.ROOT / "models/embedded"
BACKENDS = ("hf", "mlx")


def params(backend: str, **changes):
    return tiny.params(**{"model.name": str(EMBEDDED), "train.backend": backend, "predict.backend": backend, "predict.max_new_tokens": 10,
                          "train.lora.dropout": 0.0, **changes})


@pytest.fixture(scope="module")
def tmpl():
    return template.load(params("hf").model)


@pytest.fixture(scope="module")
def rows(tmpl) -> list[dict]:
    """Sixty proved rows, shuffled."""
    examples = [Example(str(number), "test", one.messages, one.tools, one.calls, one.reply)
                for number, row in enumerate(tiny.messages_rows()) for one in local.convert(row, None)]
    random.Random(0).shuffle(examples)
    return list(format.formatted(iter(examples), formats.get("native"), tmpl, 512, lambda example, error: pytest.fail(str(error))))


def short(row: dict, tmpl) -> str:
    """A row's prompt without the tools, which are most of it: mlx takes long for each token on a processor."""
    return tmpl.text(row["example"]["messages"], None)


def margin(tmpl, prompt: str, one: str, other: str) -> float:
    """How far apart the model's two candidates are where two answers part, in logits (float32)."""
    import torch
    from transformers import AutoModelForCausalLM

    ours, theirs = tmpl.ids(one), tmpl.ids(other)
    at = next((place for place, (a, b) in enumerate(zip(ours, theirs)) if a != b), min(len(ours), len(theirs)))
    with torch.no_grad():
        model = AutoModelForCausalLM.from_pretrained(EMBEDDED, dtype=torch.float32)
        top = model(torch.tensor([tmpl.ids(prompt) + ours[:at]])).logits[0, -1].topk(2).values
    return float(top[0] - top[1])


def test_both_give_the_same_greedy_tokens(tmpl, rows):
    """50 prompts through the generators themselves, batching and end tokens included; only a tie within rounding may differ."""
    prompts = [row["prompt"] for row in rows[:4]] + [short(row, tmpl) for row in rows[4:50]]
    answers = {}
    for backend in BACKENDS:
        made = sorted(generators.get(backend).generate(prompts, params(backend), tmpl, None), key=lambda one: one.index)
        assert [one.index for one in made] == list(range(50))
        answers[backend] = [(one.text, one.tokens, one.finish) for one in made]
    assert len({text for text, _, _ in answers["hf"]}) > 10, "the answers differ from prompt to prompt"
    for prompt, one, other in zip(prompts, answers["hf"], answers["mlx"]):
        assert one == other or margin(tmpl, prompt, one[0], other[0]) < 1e-3, (prompt[-80:], one, other)


def test_both_learn(tmpl, rows, tmp_path):
    """On validation rows, which are one batch for both: after 6 steps the loss is below the base's, and each adapter is its own backend's."""
    import torch
    from transformers import AutoModelForCausalLM

    rows = [row | {"prompt": short(row, tmpl)} for row in rows]
    train, valid = rows[:12], rows[48:50]
    model, losses, tokens = AutoModelForCausalLM.from_pretrained(EMBEDDED, dtype=torch.float32), 0.0, 0
    for row in valid:
        ids, size = torch.tensor([tmpl.ids(row["prompt"] + row["completion"])]), row["completion_tokens"]
        with torch.no_grad():
            log = model(ids).logits[0, -size - 1 : -1].log_softmax(-1)
        losses, tokens = losses - log.gather(1, ids[0, -size:, None]).sum().item(), tokens + size
    base, after = losses / tokens, {}
    for backend in BACKENDS:
        asked = params(backend, **{"train.steps": 6, "train.batch_size": 2, "train.eval_every": 6, "train.learning_rate": 0.002})
        made = trainers.get(backend).train(train, valid, asked, tmpl, tmp_path / backend)
        unseen = [row["eval_loss"] for row in made.log if "eval_loss" in row]
        after[backend] = unseen[-1]
        assert made.mask["rows_checked"] >= 12 and made.timing["tokens_per_second"] > 0
        if backend == "mlx":
            assert unseen[0] == pytest.approx(base, abs=2e-3), "before the first step it is the base's, as transformers reckons it"
        check_adapter(str(made.adapter), str(EMBEDDED))
        answer = next(iter(generators.get(backend).generate([valid[0]["prompt"]], asked, tmpl, str(made.adapter))))
        assert answer.text and answer.tokens <= 10
    assert after["hf"] < 0.9 * base and after["mlx"] < 0.9 * base, (base, after)
