"""The mask proof: good rows pass and are counted; each way to train on the wrong tokens is caught."""

import pytest

from stages.errors import StageError
from stages.mask import IGNORED, MaskProof

END, PROMPT, TARGET = 2, [10, 11, 12], [20, 21, 2]
IDS = PROMPT + TARGET


def proof(completion_only=True, rows=None) -> MaskProof:
    return MaskProof(rows or {tuple(IDS): len(PROMPT)}, [END, 3], completion_only, lambda ids: " ".join(map(str, ids)))


def labels(supervised=range(3, 6), ids=IDS) -> list[int]:
    return [token if place in supervised else IGNORED for place, token in enumerate(ids)]


def test_good_rows_pass_and_are_counted():
    checked = proof(rows={tuple(IDS): 3, (10, 20, 3): 1})
    for _ in range(7):
        checked.check(IDS, labels())
    checked.check([10, 20, 3], [IGNORED, 20, 3])
    checked.batches = 4
    report = checked.report()
    assert {key: report[key] for key in report if key != "examples"} == {
        "rows_checked": 8, "batches": 4, "completion_only_loss": True, "tokens": 45, "supervised_tokens": 23, "supervised_share": 0.511111}
    assert len(report["examples"]) == 5
    assert report["examples"][0] == {"not_supervised": "10 11 12", "supervised": "20 21 2"}


FAULTS = {
    "a prompt token is supervised": (IDS, labels(range(2, 6)), r"prompt token 2 \('12'\) is supervised"),
    "the whole prompt is supervised": (IDS, labels(range(6)), r"prompt token 0 \('10'\) is supervised"),
    "a call token is masked": (IDS, labels([4, 5]), r"token 3 \('20'\) of the target is not supervised"),
    "the end token is masked": (IDS, labels([3, 4]), r"token 5 \('2'\) of the target is not supervised"),
    "nothing is supervised": (IDS, labels([]), "token 3 .* of the target is not supervised"),
    "the labels are shifted": (IDS, [IGNORED] * 2 + IDS[3:] + [IGNORED], "prompt token 2"),
    "a label is another token": (IDS, labels()[:-2] + [99, END], "token 4 .* is not supervised as itself"),
    "the row is cut": (IDS[:-1], labels()[:-1], "a row of the batch is no row of the data: it was cut or changed"),
    "the row is cut on the left": (IDS[1:], labels()[1:], "a row of the batch is no row of the data"),
    "a token is added": ([1, *IDS], [IGNORED, *labels()], "a row of the batch is no row of the data"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_stops_the_run(fault):
    ids, wrong, words = FAULTS[fault]
    checked = proof()
    with pytest.raises(StageError, match=f"mask proof: {words}.*nothing was trained on it") as error:
        checked.check(ids, wrong)
    assert "\n" not in str(error.value) and checked.report()["rows_checked"] == 0


def test_a_row_without_the_end_token_is_caught():
    checked = proof(rows={(10, 20, 21): 1})
    with pytest.raises(StageError, match="does not end with the token at which the model stops"):
        checked.check([10, 20, 21], [IGNORED, 20, 21])


def test_with_loss_on_all_tokens_every_token_must_be_supervised():
    checked = proof(completion_only=False)
    checked.check(IDS, list(IDS))
    checked.check(IDS, [IGNORED, *IDS[1:]])  # the first token follows nothing: a pack's row does not have it as a target
    assert checked.report()["supervised_share"] == 1 and checked.report()["completion_only_loss"] is False
    assert checked.report()["examples"][0]["not_supervised"] == ""
    with pytest.raises(StageError, match="token 1 .* is not supervised"):
        checked.check(IDS, labels())


def test_counting_goes_on_from_what_was_counted():
    whole, first, second = proof(), proof(), proof()
    for turn in range(8):
        whole.check(IDS, labels())
        (first if turn < 3 else second).check(IDS, labels())
        if turn == 2:
            second.go_on_from(first.report())
    assert second.report() == whole.report()
    assert first.report()["rows_checked"] == 3, "what was handed over is not changed"


def test_an_empty_report():
    assert proof().report()["supervised_share"] == 0
