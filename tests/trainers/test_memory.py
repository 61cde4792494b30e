"""How many tokens a pack may have is found by trying: rows doubled until the rest of the guess is short."""

from types import SimpleNamespace

import pytest
import torch

from stages.errors import StageError
from stages.trainers import _memory

GIB = 2**30


def test_tokens_lie_on_the_line_through_what_was_seen():
    assert _memory.fitting([(1000, 2 * GIB), (2000, 3 * GIB)], 10 * GIB) == 8960, "9,000 tokens, less to be a multiple of 128"
    assert _memory.fitting([(1000, 2 * GIB)], 4 * GIB) == 1920, "from one pass: in proportion"
    assert _memory.fitting([(1000, 2 * GIB), (2000, 3 * GIB)], 0.5 * GIB) == 0
    assert _memory.fitting([(1000, 3 * GIB), (2000, 3 * GIB)], 4.5 * GIB) == 2944, "no growth seen yet: in proportion"


class Trainer:
    """A GPU with so much room, on which a pass takes what `cost` says."""

    def __init__(self, cost, room: float, checkpointing="auto"):
        self.cost, self.room, self.longest, self.tokens, self.sums, self.enabled = cost, room, 1024, None, {}, False
        self.args = SimpleNamespace(device=torch.device("cpu"), train_batch_size=56)
        self.accelerator = SimpleNamespace(gather=lambda values: values, no_sync=lambda model: torch.no_grad())
        self.plan = SimpleNamespace(checkpointing=checkpointing)
        self.base, self.tried = self, []

    def gradient_checkpointing_enable(self, **options):
        self.enabled = True

    def pass_of(self, rows: int) -> tuple[int, int]:
        self.tried.append(rows)
        needed = self.cost(rows * self.longest, self.enabled)
        if needed > self.room / _memory.SHARE:
            raise torch.cuda.OutOfMemoryError("no room")
        return rows * self.longest, needed


@pytest.fixture
def rehearsed(monkeypatch):
    def rehearse(trainer: Trainer) -> Trainer:
        monkeypatch.setattr(_memory, "tried", lambda trainer, model, rows: trainer.pass_of(rows))
        monkeypatch.setattr(_memory, "room", lambda trainer: trainer.room)
        _memory.rehearse(trainer, torch.nn.Linear(1, 1))
        return trainer

    return rehearse


def test_the_steep_part_of_a_long_pack_is_seen(rehearsed):
    def cost(tokens: int, checkpointed: bool) -> int:  # the head takes most of a short pack's memory, the layers of a long one's
        return int(max(3 * GIB + tokens * 1e5, tokens * 7e5))

    trainer = rehearsed(Trainer(cost, room=10 * GIB))
    assert 0.95 * 10 * GIB <= cost(trainer.tokens, False) <= 10 * GIB and not trainer.enabled
    assert trainer.tried == [1, 2, 4, 8, 16], "two rows alone would have promised more than five times as much"


def test_a_gpu_with_much_room_is_tried_up_to_a_whole_step(rehearsed):
    assert rehearsed(Trainer(lambda tokens, checkpointed: tokens * 1000, room=1000 * GIB)).tried == [1, 2, 4, 8, 16, 32, 56]


def test_a_pack_that_does_not_fit_after_all_leaves_the_last_that_did(rehearsed):
    def cost(tokens: int, checkpointed: bool) -> int:
        return tokens * 1000 if tokens <= 4096 else 100 * GIB

    assert rehearsed(Trainer(cost, room=GIB)).tokens == 4096


def test_short_packs_and_rows_that_do_not_fit_turn_checkpointing_on(rehearsed, capsys):
    def cost(tokens: int, checkpointed: bool) -> int:
        return tokens * (10**5 if checkpointed else 10**6)

    short, tight = rehearsed(Trainer(cost, room=1.5 * GIB)), rehearsed(Trainer(cost, room=0.5 * GIB))
    assert short.enabled and short.tokens > 10_000 and tight.enabled and 4096 < tight.tokens < 6000
    assert "gradient checkpointing on" in capsys.readouterr().out
    left = rehearsed(Trainer(cost, room=1.5 * GIB, checkpointing=False))
    assert not left.enabled and 1024 < left.tokens < 2048, "as the parameter says"
    asked = Trainer(cost, room=GIB)  # the longest row takes all but a little of it
    asked.tokens = 3000
    assert rehearsed(asked).tokens == 3000 and asked.tried == [1] and not asked.enabled, "a bound that was asked for stays"
    asked = Trainer(cost, room=0.5 * GIB)
    asked.tokens = 3000
    assert rehearsed(asked).tokens == 3000 and asked.enabled, "the longest row fits with checkpointing alone"
    with pytest.raises(StageError, match="a row of 1024 tokens does not fit this GPU: set train.gradient_checkpointing=true"):
        rehearsed(Trainer(cost, room=0.5 * GIB, checkpointing=False))
