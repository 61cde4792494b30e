"""The fast path learns what plain TRL learns: losses, gradients, isolation of packed rows, the mask proof on packs."""

import shutil
from dataclasses import replace

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM, TrainerCallback, set_seed
from trl import SFTConfig, SFTTrainer

from stages.errors import StageError
from stages.schema import Example
from stages.trainers import _attention, _fast, _packing, hf
from stages.trainers._fast import EpochSampler, Plan
from tests import tiny

STEPS, BATCH, ACCUMULATION = 50, 3, 2


@pytest.fixture(scope="module")
def rows(tmpl) -> list[dict]:
    """59 rows {"prompt", "completion"} of about 100 to 300 tokens; 59 is no multiple of the 6 rows of a step."""
    from stages import formats

    made = []
    for number, row in enumerate(tiny.messages_rows()):
        *messages, answer = row["messages"]
        calls = [call["function"] for call in answer.get("tool_calls", [])]
        example = Example.from_json({"id": str(number), "source": "local", "messages": messages, "tools": [tool["function"] for tool in row["tools"]],
                                     "calls": calls or None, "reply": None if calls else answer["content"]})
        rendered = formats.get("native").render(example, tmpl)
        made.append({"prompt": rendered.prompt, "completion": rendered.completion})
    return made[1:]


def parameters(model, **changes):
    fixed = {"model.name": str(model), "train.lora.dropout": 0.0, "train.steps": STEPS, "train.batch_size": BATCH, "train.accumulation": ACCUMULATION,
             "train.save_every": 1000, "train.eval_every": 25}
    return tiny.params(**fixed | changes)


class Watch(TrainerCallback):
    """The first step's gradients, before they are used."""

    def __init__(self):
        self.gradients = None

    def on_pre_optimizer_step(self, args, state, control, model=None, **kwargs):
        if self.gradients is None:
            self.gradients = torch.cat([p.grad.flatten().float() for p in model.parameters() if p.requires_grad])


def trained(trainer) -> tuple[list[float], torch.Tensor, object]:
    """(loss of each step, the first step's gradients, the trainer), from adapters that are not zero, as new ones are."""
    torch.manual_seed(3)
    for name, parameter in sorted(trainer.model.named_parameters()):
        if "lora_B" in name:
            parameter.data = torch.randn(parameter.shape).to(parameter) * 0.02
    watch = Watch()
    trainer.add_callback(watch)
    trainer.args.logging_steps = 1
    trainer.train()
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry], watch.gradients, trainer


@pytest.fixture(scope="module")
def plain(rows, model, tmpl, tmp_path_factory):
    """What TRL's own trainer does: padded, all logits, batches added up; only the order of the rows is ours."""

    class Ordered(SFTTrainer):
        def _get_train_sampler(self, train_dataset=None):
            lengths = [len(ids) for ids in self.train_dataset["input_ids"]]
            return EpochSampler(self.args.seed, batch_size=BATCH * ACCUMULATION, lengths=lengths)

    def run(completion_only=True, quantize="none", steps=STEPS):
        params = parameters(model, **{"model.quantize": quantize})
        set_seed(params.seed)
        data, _ = hf.tokenised(rows, tmpl, completion_only)
        config = SFTConfig(
            output_dir=str(tmp_path_factory.mktemp("plain")), seed=params.seed, use_cpu=True, bf16=False, learning_rate=params.train.learning_rate,
            lr_scheduler_type="linear", warmup_steps=params.train.warmup, max_steps=steps, per_device_train_batch_size=BATCH,
            gradient_accumulation_steps=ACCUMULATION, optim="adamw_torch", gradient_checkpointing=False, max_length=512, save_strategy="no",
            report_to="none", disable_tqdm=True)
        loaded = hf.load_model(params)
        trainer = Ordered(model=loaded, args=config, train_dataset=data, processing_class=tmpl.tokenizer, peft_config=hf.adapted(loaded, params))
        for parameter in trainer.model.parameters():  # as hf.build: TRL trains in bfloat16 over 4-bit weights
            if parameter.requires_grad:
                parameter.data = parameter.data.float()
        return trained(trainer)

    return run


@pytest.fixture(scope="module")
def fast(rows, model, tmpl, tmp_path_factory):
    def run(valid=(), **changes):
        params = parameters(model, **changes)
        set_seed(params.seed)
        return trained(hf.build(rows, list(valid), params, tmpl, tmp_path_factory.mktemp("fast")))

    return run


def same_learning(one, other) -> None:
    assert len(one[0]) == len(other[0])
    assert one[0] == pytest.approx(other[0], rel=1e-3)
    assert (one[1] - other[1]).norm() / other[1].norm() < 1e-3


@pytest.fixture(scope="module")
def reference(plain):
    return plain()


PATHS = {"padded": {"train.packing": False},
         "packed": {"train.packing": True},
         "packed in several passes": {"train.packing": True, "train.batch_tokens": 512},
         "padded in several passes": {"train.packing": False, "train.batch_tokens": 512},
         "TRL's head, checkpointing": {"train.packing": True, "train.sparse_logits": False, "train.gradient_checkpointing": True}}


@pytest.mark.parametrize("changes", PATHS.values(), ids=PATHS)
def test_losses_of_fifty_steps_and_the_first_gradients_are_those_of_plain_trl(reference, fast, changes):
    assert len(reference[0]) == STEPS and reference[0][-1] < 0.7 * reference[0][0]
    same_learning(fast(**changes), reference)


def test_the_same_where_prompt_tokens_are_learnt_as_well(plain, fast):
    same_learning(fast(**{"train.packing": True, "train.completion_only_loss": False, "train.steps": 6}), plain(completion_only=False, steps=6))


def test_the_same_over_4_bit_weights(plain, fast):
    same_learning(fast(**{"train.packing": True, "model.quantize": "nf4", "train.steps": 3}), plain(quantize="nf4", steps=3))


def test_compiled_layers_learn_the_same_and_share_their_kernels(rows, model, tmpl, tmp_path, monkeypatch):
    """Traced as for the real compiler, which takes minutes on a CPU. Two graphs serve four layers and packs of any length: one for the
    first layer, whose input needs no gradient, one for the others."""
    deeper = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(model, num_hidden_layers=4, layer_types=["full_attention"] * 4))
    deeper.save_pretrained(shutil.copytree(model, tmp_path / "model"))
    monkeypatch.setattr(_fast, "COMPILER", "aot_eager")
    monkeypatch.setitem(_attention.NAMES, "rows", "sdpa")  # compiled layers and rows one by one do not go together; a mask does
    params = parameters(tmp_path / "model", **{"train.packing": True, "train.steps": 4, "train.batch_tokens": 600})
    made, plan = {}, Plan.of
    for compiled in (True, False):
        monkeypatch.setattr(Plan, "of", lambda *args: replace(plan(*args), compiled=compiled, dynamic=True))  # noqa: B023
        torch._dynamo.reset()
        torch._dynamo.utils.counters.clear()
        set_seed(params.seed)
        made[compiled] = trained(hf.build(rows, [], params, tmpl, tmp_path / str(compiled))), torch._dynamo.utils.counters["stats"]["unique_graphs"]
    same_learning(made[True][0], made[False][0])
    assert (made[True][1], made[False][1]) == (2, 0)


def test_the_loss_on_unseen_rows_is_the_mean_over_their_targets_however_they_are_passed(rows, fast):
    losses = [[entry["eval_loss"] for entry in fast(rows[:7], **changes, **{"train.steps": 25})[2].state.log_history if "eval_loss" in entry]
              for changes in ({"train.packing": False}, {"train.packing": True, "train.batch_tokens": 600})]
    assert len(losses[0]) == 1 and losses[0] == pytest.approx(losses[1], rel=1e-4)


# --- isolation and proof ----------------------------------------------------------------------------------------------


def test_a_packed_row_sees_nothing_of_the_rows_before_it(model, rows, tmpl):
    """Log-probabilities of a row alone are those in a pack, whatever stands before it there; without isolation they are not."""
    loaded = hf.load_model(parameters(model))
    data, _ = hf.tokenised(rows[:3], tmpl, True)
    one, other, last = ((torch.tensor(row["input_ids"]), torch.tensor(row["labels"])) for row in data)

    def logits(before, attention):
        loaded.set_attn_implementation(attention)
        pack = _packing.packed([*before, last], 0, 300)
        start = sum(len(ids) for ids, _ in before)
        with torch.no_grad():
            return loaded(**{k: v for k, v in pack.items() if k != "labels"}, use_cache=False).logits[0, start : start + len(last[0])]

    rows_name = _attention.NAMES["rows"]
    alone = logits([], "sdpa")
    for before in ([one], [one, other], [other, other]):
        assert torch.allclose(logits(before, rows_name), alone, atol=1e-3)
        assert torch.allclose(logits(before, "sdpa"), alone, atol=1e-3), "transformers' own mask from position ids"
    together = _packing.packed([one, last], 0, 300) | {"position_ids": None}
    together["cu_seq_lens_q"] = torch.tensor([0, together["input_ids"].shape[1]])
    loaded.set_attn_implementation(rows_name)
    with torch.no_grad():
        crossed = loaded(**{k: v for k, v in together.items() if k != "labels"}, use_cache=False).logits[0, len(one[0]) : len(one[0]) + len(last[0])]
    assert not torch.allclose(crossed, alone, atol=1e-2), "as one row, they would see each other"


def test_a_sliding_window_is_kept_row_by_row():
    torch.manual_seed(0)
    query, key, value = torch.randn(1, 4, 12, 8), torch.randn(1, 2, 12, 8), torch.randn(1, 2, 12, 8)
    out, _ = _attention.row_by_row(None, query, key, value, None, sliding_window=3, cu_seq_lens_q=torch.tensor([0, 5, 12]))
    place, row = torch.arange(12), torch.tensor([0] * 5 + [1] * 7)
    allowed = (row[:, None] == row) & (place[:, None] >= place) & (place[:, None] - place < 3)
    expected = torch.nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=allowed, enable_gqa=True)
    assert torch.allclose(out, expected.transpose(1, 2), atol=1e-5)


def test_every_pack_is_proved(rows, fast):
    proof = fast(rows[:5], **{"train.packing": True, "train.steps": 25})[2].proof.report()
    steps = -(-len(rows) // 6)  # an epoch's last step has what is left
    whole, rest = divmod(25, steps)
    assert len(rows) % 6 and proof["rows_checked"] == whole * len(rows) + rest * 6 + 5 and proof["batches"] < proof["rows_checked"]


def test_a_step_that_does_not_fit_the_memory_is_done_anew_in_smaller_packs(rows, model, tmpl, tmp_path, monkeypatch, capsys):
    """The same losses and the same counts as a run in which all had fitted."""
    changes = {"train.packing": True, "train.steps": 4, "train.batch_tokens": 4096}
    made = {}
    for fits in (True, False):
        set_seed(42)
        trainer = hf.build(rows, [], parameters(model, **changes), tmpl, tmp_path / str(fits))
        usual, packs = trainer.compute_loss, []

        def small(model, inputs, *args, usual=usual, packs=packs, fits=fits, **kwargs):
            packs.append(inputs["input_ids"].numel())
            if not fits and packs[-1] > 1024:
                raise torch.cuda.OutOfMemoryError("CUDA out of memory")
            return usual(model, inputs, *args, **kwargs)

        monkeypatch.setattr(trainer, "compute_loss", small)
        made[fits] = trained(trainer)
        assert (max(packs) > 1024) and (fits or packs[-1] <= 1024)
    same_learning(made[False], made[True])
    one, other = (made[fits][2].proof.report() for fits in (True, False))
    assert {**one, "batches": 0} == {**other, "batches": 0} and made[True][2]._total_train_tokens == made[False][2]._total_train_tokens
    assert "did not fit the GPU: anew, in packs of up to" in capsys.readouterr().out


@pytest.mark.parametrize("packing", [True, False])
@pytest.mark.parametrize("fault", ["cut", "prompt", "target", "lost"])
def test_a_fault_in_a_pack_stops_the_run(rows, model, tmpl, tmp_path, monkeypatch, packing, fault):
    trainer = hf.build(rows, [], parameters(model, **{"train.packing": packing}), tmpl, tmp_path)
    built = trainer.pack

    def broken(group, pad):
        ids, labels = group[0][0].clone(), group[0][1].clone()
        if fault == "cut":
            ids, labels = ids[:-1], labels[:-1]
        elif fault == "prompt":
            labels[1] = ids[1]
        elif fault == "target":
            labels[-2] = -100
        else:
            labels[:] = -100
        return built([(ids, labels), *group[1:]], pad)

    monkeypatch.setattr(trainer, "pack", broken)
    words = {"cut": "no row of the data", "prompt": "is supervised", "target": "is not supervised", "lost": "supervised|something to learn"}
    with pytest.raises(StageError, match=words[fault]):
        trainer.train()


# --- packs ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [1, 2, 4])
@pytest.mark.parametrize("budget", [100, 256, 5000])
def test_packs_hold_each_row_once_within_the_budget_and_as_many_for_every_process(budget, share):
    lengths = [37, 90, 12, 64, 64, 5, 99, 71, 33, 120]
    packs = _packing.balanced(lengths, budget, share)
    assert sorted(row for pack in packs for row in pack) == list(range(10)) and len(packs) % share == 0
    assert all(sum(lengths[i] for i in pack) <= budget or len(pack) == 1 for pack in packs)
    padded = _packing.chunks(lengths, 4, budget, share)
    assert [row for pack in padded for row in pack] == list(range(10)) and len(padded) % share == 0
    assert all(len(pack) <= 4 and (len(pack) <= 1 or max(lengths[i] for i in pack) * len(pack) <= budget) for pack in padded)


def test_a_pack_is_filled_up_to_few_lengths_with_what_supervises_nothing():
    pack = _packing.packed([(torch.arange(1, 6), torch.arange(1, 6)), (torch.arange(1, 4), torch.arange(1, 4))], 0, 7)
    assert pack["input_ids"].shape == (1, _packing.ROUND) and pack["cu_seq_lens_q"].tolist() == [0, 5, 8, 128]
    assert pack["labels"][0, :9].tolist() == [-100, 2, 3, 4, 5, -100, 2, 3, -100] and pack["position_ids"][0, 4:10].tolist() == [4, 0, 1, 2, 0, 1]
    assert _packing.unpacked(pack) == [([1, 2, 3, 4, 5], [-100, 2, 3, 4, 5]), ([1, 2, 3], [-100, 2, 3])]


# --- what falls back, and says so -------------------------------------------------------------------------------------

FALLS_BACK = [({}, "cpu", {"attention": None, "compiled": False, "sparse_head": True, "checkpointing": False, "tokens": 0}, []),
              ({}, "cuda", {"attention": "flex", "compiled": True, "sparse_head": False, "checkpointing": "auto", "tokens": None}, []),
              ({"train.packing": True, "train.attention": "flex"}, "cpu", {"attention": "rows"}, ["FlexAttention learns on a GPU only"]),
              ({"train.packing": True, "train.compile": True}, "cpu", {"attention": "rows", "compiled": False}, ["a new shape each time"])]


@pytest.mark.parametrize("changes,device,expected,said", FALLS_BACK, ids=range(len(FALLS_BACK)))
def test_what_the_hardware_does_not_allow_falls_back_with_one_line(model, changes, device, expected, said):
    plan = Plan.of(tiny.params(**changes), AutoConfig.from_pretrained(model), device)
    assert {key: getattr(plan, key) for key in expected} == expected
    assert len(plan.said) == len(said) and all(words in line for words, line in zip(said, plan.said))


def test_models_whose_attention_or_logits_are_of_another_kind_fall_back(model):
    from transformers import Gemma2Config, Qwen3NextConfig

    changes = {"train.packing": True}
    hybrid = Plan.of(tiny.params(**changes), Qwen3NextConfig(num_hidden_layers=4), "cpu")
    assert hybrid.attention is None and "linear_attention" in hybrid.said[-1]
    capped = Plan.of(tiny.params(**changes), Gemma2Config(num_hidden_layers=2), "cpu")
    assert capped.attention is None and not capped.sparse_head and len(capped.said) == 2


def test_windows_that_an_older_torch_does_not_know_fall_back(monkeypatch):
    """Before the training: a model with windows must not stop in its first long row."""
    from torch.nn.attention import varlen
    from transformers import Gemma3TextConfig, Qwen3Config

    monkeypatch.setattr(varlen, "varlen_attn", lambda query, key, value, cu_seq_q, cu_seq_k, max_q, max_k, is_causal=False: query)
    assert "no windows" in _attention.fault(Gemma3TextConfig(num_hidden_layers=6), "varlen", "cuda")
    assert "no windows" not in (_attention.fault(Qwen3Config(num_hidden_layers=2), "varlen", "cuda") or "")
