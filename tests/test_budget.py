"""The regression budget: loss on general text against a plain computation, and every check on each side of its limit."""

import json
import math
import sys

import pytest

from stages import budget, losses, summary, text_loss
from stages.checks import FAIL, NOT_DECIDABLE, PASS
from stages.errors import ParamsError, StageError
from stages.files import read_json, read_jsonl, write_json, write_jsonl
from stages.report.budget import budget as section
from tests import tiny


def cases(right: list[bool]) -> list[dict]:
    return [{"id": f"c{i}", "strict": bool(one), "bfcl": bool(one), "tool": f"tool {i}"} for i, one in enumerate(right)]


def some(right: int, n: int) -> list[dict]:
    return cases([i < right for i in range(n)])


def text(loss: float, n: int = 40, wave: float = 0.02) -> list[dict]:
    """Passages of unequal length whose loss a token swings about `loss`."""
    return [{"id": f"p{i}", "kind": "ab"[i % 2], "tokens": 50 + i, "nats": (50 + i) * loss * (1 + wave * math.sin(i))} for i in range(n)]


def judged(base: int, tuned: int, n: int, suite="no_tool", **limits) -> dict:
    found = {suite: {"base": some(base, n), "prompted": some(0, n), "tuned": some(tuned, n)}}
    made = budget.checks(found, {"base": text(3), "tuned": text(3)}, tiny.params(**{f"budget.{key}": value for key, value in limits.items()}))
    return {check.name: check for check in made}


@pytest.mark.parametrize("base,tuned,n,limit,verdict", [
    (380, 380, 400, 0.05, PASS), (300, 380, 400, 0.05, PASS), (380, 300, 400, 0.05, FAIL), (15, 13, 20, 0.05, NOT_DECIDABLE),
    (20, 20, 20, 0.05, NOT_DECIDABLE), (380, 360, 400, 0.05, NOT_DECIDABLE), (380, 360, 400, 0.2, PASS)])
def test_a_suite_on_each_side_of_its_limit(base, tuned, n, limit, verdict):
    check = judged(base, tuned, n, abstention=limit)["no_tool"]
    assert check.verdict == verdict and check.value == pytest.approx((base - tuned) / n) and check.low <= check.value <= check.high
    assert check.n == n and check.limit == limit


def test_cases_that_never_differ_have_no_interval_of_width_zero():
    check = judged(15, 15, 20)["no_tool"]
    assert check.high - check.low > 0.1


def test_each_suite_goes_by_its_own_limit():
    limits = {"abstention": 0.1, "held_out": 0.3}
    for suite, limit in (("no_tool", 0.1), ("missing_value", 0.1), ("bfcl_irrelevance", 0.1), ("held_out", 0.3)):
        assert judged(9, 9, 9, suite, **limits)[suite].limit == limit
    assert "seen_tools" not in judged(9, 9, 9, "seen_tools")
    assert set(judged(9, 9, 9, abstention=None)) == {"text_loss"} and set(judged(9, 9, 9, text_loss=None)) == {"no_tool"}


def test_names_of_the_suites_are_known():
    from stages.suites import SUITES

    assert set(budget.HELD_OUT) <= set(SUITES)
    assert {"no_tool", "missing_value", "bfcl_irrelevance"} <= set(budget.ABSTENTION) & set(SUITES)


@pytest.mark.parametrize("rise,verdict", [(0.0, PASS), (0.03, PASS), (-0.1, PASS), (0.2, FAIL)])
def test_loss_on_general_text_on_each_side_of_its_limit(rise, verdict):
    check = budget.text_check(text(3), text(3 * (1 + rise)), 0.05, seed=1)
    assert check.verdict == verdict and check.value == pytest.approx(rise) and check.low <= check.value + 1e-9 and check.value <= check.high + 1e-9


def test_the_interval_of_the_text_is_that_of_pairs_and_not_of_two_separate_losses():
    """Passages differ much more from each other than tuned from base on the same passage."""
    check = budget.text_check(text(3, wave=0.3), text(3.09, wave=0.3), 0.05, seed=1)
    alone = budget.text_figures(text(3, wave=0.3), seed=1)
    assert check.high - check.low < 0.001 < (alone["high"] - alone["low"]) / 3
    assert check.verdict == PASS


def test_a_rise_that_passages_disagree_on_is_not_decidable():
    base = text(3, n=6, wave=0)
    tuned = [row | {"nats": row["nats"] * (1 + 0.3 * (i % 2) - 0.1)} for i, row in enumerate(base)]
    assert budget.text_check(base, tuned, 0.05, seed=1).verdict == NOT_DECIDABLE


def test_figures_of_a_subject():
    found = budget.text_figures(text(3), seed=1)
    assert found["nats_per_token"] == pytest.approx(3, abs=0.02) and found["low"] < found["nats_per_token"] < found["high"]
    assert found["passages"] == 40 and set(found["by_kind"]) == {"a", "b"} and found["tokens"] == sum(row["tokens"] for row in text(3))


def test_what_does_not_belong_together_is_refused():
    with pytest.raises(StageError, match="different texts"):
        budget.text_check(text(3), text(3, n=39), 0.05, 1)
    with pytest.raises(StageError, match="different cases of no_tool"):
        budget.suite_check("no_tool", some(1, 5), some(1, 6), 0.1, "", 1)


def test_a_limit_below_zero_is_refused():
    for key in ("abstention", "held_out", "text_loss"):
        with pytest.raises(ParamsError, match=f"budget.{key}"):
            tiny.params(**{f"budget.{key}": -0.1})


# --- the stages ----------------------------------------------------------------------------------------------


@pytest.fixture
def measured(folder, model, monkeypatch):
    """A folder with the loss on the tiny text of the tiny model, as base, and of a made-up adapter's, as tuned."""
    tiny.write_text_set(folder / "tiny/text")
    tiny.write_params(folder, **{"model.name": str(model), "suites": ["no_tool", "held_out", "seen_tools"]})
    write_json("models/base/subject.json", {"adapter": None, "instructions": "", "shots": []})
    monkeypatch.setattr(sys, "argv", ["text_loss", "base"])
    text_loss.main()
    write_jsonl("data/text_loss/tuned.jsonl", [row | {"nats": row["nats"] * 1.5} for row in read_jsonl("data/text_loss/base.jsonl")])
    for suite in ("no_tool", "held_out", "seen_tools"):
        write_jsonl(f"data/cases/base/{suite}.jsonl", some(5, 10))
        write_jsonl(f"data/cases/tuned/{suite}.jsonl", some(6, 10))
    return folder


def test_text_loss_is_that_of_the_library_a_passage_each(measured, model, tmpl):
    import torch
    from transformers import AutoModelForCausalLM

    rows = list(read_jsonl("data/text_loss/base.jsonl"))
    assert [(row["id"], row["kind"]) for row in rows] == [
        ("notes-01", "notes"), ("notes-02", "notes"), ("notes-03", "notes"), ("plain-01", "plain"), ("plain-02", "plain")]
    known = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)
    for row, passage in zip(rows, [one for passages in tiny.TEXTS.values() for one in passages]):
        ids = torch.tensor([tmpl.ids(passage)])
        with torch.no_grad():
            mean = float(known(ids, labels=ids).loss)
        assert row["tokens"] == ids.shape[1] - 1 and row["nats"] == pytest.approx(mean * row["tokens"], rel=1e-4)


def test_mlx_gives_the_same_loss(measured, model, tmpl):
    pytest.importorskip("mlx.core")
    ids = [tmpl.ids(passage) for passages in tiny.TEXTS.values() for passage in passages]
    params = tiny.params(**{"model.name": str(model)})
    known = [row["nats"] for row in read_jsonl("data/text_loss/base.jsonl")]
    assert list(losses.get("mlx").nats(ids, params, None)) == pytest.approx(known, rel=1e-3)


def test_a_start_token_is_part_of_what_is_seen_and_long_passages_are_cut(tmpl):
    assert text_loss.token_ids(tmpl, ["the shop", "a"], 3) == [tmpl.ids("the shop")[:3], tmpl.ids("a")]

    class begun:
        start_text, batch_ids = "<|im_start|>", staticmethod(tmpl.batch_ids)

    (ids,) = text_loss.token_ids(begun, ["the shop"], 100)
    assert ids[0] == tmpl.ids("<|im_start|>")[0] and ids[1:] == tmpl.ids("the shop")


def test_the_stage_writes_checks_and_figures(measured, capsys):
    budget.main()
    found = read_json("metrics/budget.json")
    assert set(found["checks"]) == {"no_tool", "held_out", "text_loss"}
    assert found["checks"]["text_loss"]["value"] == 0.5 and found["checks"]["text_loss"]["verdict"] == FAIL == found["verdict"]
    assert found["checks"]["no_tool"]["value"] == -0.1 and found["checks"]["no_tool"]["verdict"] == NOT_DECIDABLE
    assert found["text_loss"]["tuned"] == pytest.approx(1.5 * found["text_loss"]["base"], rel=1e-4)
    assert read_json("metrics/tuned/text.json")["nats_per_token"] == found["text_loss"]["tuned"]
    out = capsys.readouterr().out
    assert "regression budget: fail" in out and "cost on general text" in out and "+50.0%" in out
    assert summary.of_budget(found) == {"text_loss": found["text_loss"], "budget": {"pass": 0, "fail": 1, "not_decidable": 2}}


def test_without_base_among_the_subjects_only_the_text_is_compared(measured):
    tiny.write_params(measured, **{"subjects": ["tuned"], "suites": ["no_tool"]})
    budget.main()
    assert set(read_json("metrics/budget.json")["checks"]) == {"text_loss"}


def test_the_report_shows_each_check(measured):
    budget.main()
    html = section(read_json("metrics/budget.json")).html()
    assert "✗ fail" in html and "? not decidable" in html and "+50.0 %" in html and "cost on held out" in html
    empty = section({"verdict": NOT_DECIDABLE, "text_loss": {"base": 1.0, "tuned": 1.0}, "checks": {}}).html()
    assert "ask for no check" in empty


@pytest.mark.parametrize("files,words", [
    ({}, "has 0 passages"), ({"a.txt": "One only.\n"}, "has 1 passages"), ({"a.md": "x\n---\ny"}, "has 0 passages")])
def test_too_little_text_is_refused(tmp_path, files, words):
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    with pytest.raises(StageError, match=words):
        text_loss.passages(str(tmp_path))


def test_the_text_of_this_repository():
    """Some forty kilobytes of several kinds, no passage twice, none longer than a small model's context."""
    found = text_loss.passages(str(tiny.ROOT / "data/text"))
    sizes = [len(one["text"]) for one in found]
    assert 36_000 < sum(sizes) < 50_000 and len({one["kind"] for one in found}) >= 6 and max(sizes) < 1500 and min(sizes) > 300
    assert len({one["text"] for one in found}) == len(found) == len({one["id"] for one in found})
    json.dumps(found).encode()
