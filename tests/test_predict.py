"""predict: each prompt answered once, greedily, up to the end token, whatever the batches; examples left out for want of room."""

import json
import shutil
import sys

import pytest

from stages import generators, predict, template
from stages.errors import StageError
from stages.files import read_json, read_jsonl, write_json, write_jsonl
from stages.generators import Completion
from stages.schema import Call, Example, Tool
from tests import tiny

hf = generators.get("hf")


# --- against the library's own loop ------------------------------------------------------------------------------


def shaped(**changes):
    """A model with random weights whose answers end now and then."""
    import torch
    from transformers import MistralConfig, MistralForCausalLM, Qwen3Config, Qwen3ForCausalLM

    torch.manual_seed(3)
    sizes = dict(vocab_size=24, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, head_dim=16,
                 intermediate_size=48, initializer_range=0.4)
    if changes:
        return MistralForCausalLM(MistralConfig(**sizes, **changes)).eval()
    return Qwen3ForCausalLM(Qwen3Config(**sizes)).eval()


@pytest.mark.parametrize("changes", [{}, {"sliding_window": 8}], ids=["all of the past", "a window of it"])
@pytest.mark.parametrize("batch_tokens", [1, 100, 400, 10_000])
@pytest.mark.parametrize("prefill", [20, 2048])
def test_the_tokens_are_those_of_generate(changes, batch_tokens, prefill, monkeypatch):
    import torch

    from stages.generators import _greedy

    monkeypatch.setattr(_greedy, "PREFILL", {"cpu": prefill})
    model, ends, limit = shaped(**changes), [1, 5], 30
    draw = torch.Generator().manual_seed(0)
    prompts = [torch.randint(2, 24, (length,), generator=draw).tolist() for length in [3, 40, 7, 7, 22, 1, 30, 12, 13, 5, 18, 2]]
    expected = []
    for prompt in prompts:
        out = model.generate(torch.tensor([prompt]), attention_mask=torch.ones(1, len(prompt), dtype=torch.long), max_new_tokens=limit,
                             do_sample=False, eos_token_id=ends, pad_token_id=0)[0, len(prompt):].tolist()
        expected.append((out[:-1], True) if out[-1] in ends else (out, False))
    assert {len(made) for made, _ in expected} > {limit} and any(not ended for _, ended in expected), "short and cut answers"
    shapes, forward = [], model.forward

    def seen(input_ids, **options):
        shapes.append((len(input_ids), options["attention_mask"].shape[1], input_ids.shape[1]))
        return forward(input_ids=input_ids, **options)

    monkeypatch.setattr(model, "forward", seen)
    made = list(_greedy.greedy(model, prompts, ends, 0, limit, batch_tokens))
    assert sorted(place for place, _, _ in made) == list(range(len(prompts))), "each prompt once"
    assert [(tokens, ended) for _, tokens, ended in sorted(made)] == expected
    assert all(rows == 1 or rows * (width - limit) <= batch_tokens for rows, width, _ in shapes), "batches stay within their size"
    assert shapes[0][1] == 40, "longest first"
    for cores in (1, 3, 50):
        assert [(tokens, ended) for _, tokens, ended in sorted(_greedy.side_by_side(model, prompts, ends, 0, limit, batch_tokens, cores))] == expected


@pytest.mark.parametrize("sliding", [False, True])
@pytest.mark.parametrize("prefill", [64, 2048])
def test_what_prompts_begin_with_in_common_is_read_once(monkeypatch, sliding, prefill):
    import torch

    from stages.generators import _greedy
    from stages.generators._prefix import beginnings

    monkeypatch.setattr(_greedy, "PREFILL", {"cpu": prefill})
    changes = {"sliding_window": 8} if sliding else {}
    model, ends, limit = shaped(**changes), [1, 5], 12
    draw = torch.Generator().manual_seed(3)

    def some(count: int) -> list[int]:
        return torch.randint(2, 24, (count,), generator=draw).tolist()

    first, second = some(50), some(40)
    prompts = [first + some(n) for n in (3, 20, 1, 9, 7, 12)] + [second + some(n) for n in (30, 2, 2, 5)] + [some(n) for n in (9, 33, 60)] + [first]
    alone = [next(iter(_greedy.greedy(model, [prompt], ends, 0, limit, 10_000)))[1:] for prompt in prompts]
    read, forward = [], model.forward

    def seen(input_ids, **options):
        read.append(input_ids.numel() if input_ids.shape[1] > 1 else 0)
        return forward(input_ids=input_ids, **options)

    monkeypatch.setattr(model, "forward", seen)
    for batch_tokens in (150, 10_000):
        counts = []
        for device in ("cpu", "none"):  # with what is worth it there, and without
            monkeypatch.setattr(_greedy, "beginnings", lambda prompts, _, device=device: beginnings(prompts, device))
            read.clear()
            assert [(tokens, ended) for _, tokens, ended in sorted(_greedy.greedy(model, prompts, ends, 0, limit, batch_tokens))] == alone
            counts.append(sum(read))
        assert counts[0] == counts[1] if sliding else counts[0] < 0.75 * counts[1]
    for cores in (2, 3):
        assert [(tokens, ended) for _, tokens, ended in sorted(_greedy.side_by_side(model, prompts, ends, 0, limit, 500, cores))] == alone


def test_common_beginnings_that_save_most():
    from stages.generators._prefix import beginnings

    system, tools, other = list(range(100, 300)), list(range(300, 420)), list(range(500, 620))
    prompts = [system + tools + [n] for n in range(3)] + [system + other + [n, n] for n in range(4)] + [[7] * 400]
    found = {tuple(sorted(places)): length for length, places in beginnings(prompts, "cpu")}
    assert found == {(0, 1, 2): 320, (3, 4, 5, 6): 320}, "each with its tools saves more than all with the system text alone"
    assert not beginnings(prompts, "cuda"), "too little to pay a GPU's pass"
    assert beginnings([system + tools + [n] for n in range(60)], "cuda") == [(320, list(range(60)))]
    assert beginnings([[1, 2, 3]], "cpu") == beginnings([], "cpu") == []
    same = beginnings([list(range(300))] * 5, "cpu")
    assert [(length, len(places)) for length, places in same] == [(299, 5)], "each prompt keeps a token of its own"
    half = [list(range(200)) + [n] * 300 for n in range(1000, 1004)]
    assert not beginnings(half, "cpu"), "less than half of a prompt costs more in padding"
    many = beginnings([system + [n] for n in range(1000, 1600)], "cpu")
    assert sum(len(places) for _, places in many) == 600 and all(length == 200 for length, _ in many)


def test_prompts_with_one_beginning_keep_all_threads_busy(monkeypatch):
    import threading

    from stages.generators import _greedy

    model, seen, greedy = shaped(), [], _greedy.greedy

    def noted(model, prompts, *options):
        seen.append((threading.get_ident(), len(prompts)))
        return greedy(model, prompts, *options)

    monkeypatch.setattr(_greedy, "greedy", noted)
    prompts = [[7] * 150 + [3 + n] for n in range(12)]
    assert len(list(_greedy.side_by_side(model, prompts, [1], 0, 3, 10_000, 2))) == 12
    assert sorted(count for _, count in seen) == [6, 6]


def test_what_a_thread_raises_is_raised(monkeypatch):
    from stages.generators import _greedy

    model = shaped()

    def broken(input_ids, **options):
        raise MemoryError("no room")

    monkeypatch.setattr(model, "forward", broken)
    with pytest.raises(MemoryError, match="no room"):
        list(_greedy.side_by_side(model, [[3, 4], [5]], [1], 0, 4, 100, 2))


# --- a model whose answers are known: each letter is followed by the next, z by the end token -------------------


@pytest.fixture
def alphabet(tmpl, monkeypatch):
    """Puts a model in place that counts from the last letter of a prompt to z, then ends."""
    import torch
    from transformers import Qwen3Config, Qwen3ForCausalLM

    letters = [tmpl.ids(letter)[0] for letter in "abcdefghijklmnopqrstuvwxyz"]
    follow = torch.full((len(tmpl.tokenizer),), tmpl.ends[0])
    follow[letters[:-1]] = torch.tensor(letters[1:])

    class Alphabet(Qwen3ForCausalLM):
        def forward(self, input_ids=None, **options):
            out = super().forward(input_ids=input_ids, **options)
            out.logits = torch.nn.functional.one_hot(follow[input_ids[:, -1:]], len(follow)).float()
            return out

    shape = dict(hidden_size=32, num_hidden_layers=1, num_attention_heads=1, num_key_value_heads=1, head_dim=32, intermediate_size=32)
    made = Alphabet(Qwen3Config(vocab_size=len(follow), **shape)).eval()
    monkeypatch.setattr(hf, "load", lambda params, adapter: made)
    return made


def answers(prompts, tmpl, **changes) -> list[Completion]:
    made = list(hf.generate(prompts, tiny.params(**changes), tmpl, None))
    assert sorted(one.index for one in made) == list(range(len(prompts))), "each prompt once"
    return sorted(made, key=lambda one: one.index)


PROMPTS = ["#x", "a much longer prompt than the others, so that it makes them wide #t", "#z", "some words #w", "#m"]


def test_an_answer_ends_at_the_end_token(alphabet, tmpl):
    assert answers(PROMPTS, tmpl) == [
        Completion(0, "yz", 2, "stop"), Completion(1, "uvwxyz", 6, "stop"), Completion(2, "", 0, "stop"), Completion(3, "xyz", 3, "stop"),
        Completion(4, "nopqrstuvwxyz", 13, "stop")]


def test_an_answer_is_cut_at_the_limit_and_says_so(alphabet, tmpl):
    made = answers(PROMPTS, tmpl, **{"predict.max_new_tokens": 6})
    assert [(one.text, one.finish) for one in made] == [
        ("yz", "stop"), ("uvwxyz", "length"), ("", "stop"), ("xyz", "stop"), ("nopqrs", "length")]
    assert answers(PROMPTS, tmpl, **{"predict.max_new_tokens": 7})[1].finish == "stop", "the end token is the seventh"


def test_any_of_several_end_tokens_ends(alphabet, tmpl):
    more = tiny.changed(tmpl, ends=[*tmpl.ends, tmpl.ids("v")[0]])
    assert [one.text for one in answers(PROMPTS, more)] == ["yz", "u", "", "xyz", "nopqrstu"]


def test_no_prompts_no_answers(alphabet, tmpl):
    assert answers([], tmpl) == []


# --- the tiny model ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def prompts(tmpl) -> list[str]:
    return [tmpl.text(row["messages"][:1], row["tools"]) for row in tiny.messages_rows()[::2]]


@pytest.fixture(scope="module")
def alone(model, tmpl, prompts) -> list[Completion]:
    return answers(prompts, tmpl, **{"model.name": str(model), "predict.batch_tokens": 256})


@pytest.mark.parametrize("batch_tokens", [600, 1024, 100_000])
def test_the_size_of_batches_does_not_change_an_answer(model, tmpl, prompts, alone, batch_tokens):
    """In float32, greedily: padding on the left must neither be seen nor shift positions."""
    assert len({len(tmpl.ids(prompt)) for prompt in prompts}) > 9, "of different lengths"
    assert len({one.text for one in alone}) > 20, "the answers differ"
    assert answers(prompts, tmpl, **{"model.name": str(model), "predict.batch_tokens": batch_tokens}) == alone


def test_a_models_own_settings_do_not_change_an_answer(model, tmpl, prompts, alone, tmp_path):
    """Hub models bring a repetition penalty, a temperature or top-k in generation_config.json."""
    shutil.copytree(model, tmp_path, dirs_exist_ok=True)
    settings = {"repetition_penalty": 5.0, "no_repeat_ngram_size": 1, "do_sample": True, "temperature": 2.0, "top_k": 50, "num_beams": 2,
                "max_length": 10, "eos_token_id": 5}
    (tmp_path / "generation_config.json").write_text(json.dumps(settings))
    assert answers(prompts, tmpl, **{"model.name": str(tmp_path)}) == alone


def test_the_adapter_changes_the_answers(model, tmpl, prompts, alone, tmp_path):
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(1)
    lora = LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False, task_type="CAUSAL_LM")
    get_peft_model(AutoModelForCausalLM.from_pretrained(model), lora).save_pretrained(tmp_path)
    made = list(hf.generate(prompts[:3], tiny.params(**{"model.name": str(model)}), tmpl, str(tmp_path)))
    assert {one.index: one.text for one in made} != {one.index: one.text for one in alone[:3]}


def test_a_model_without_weights_ends_in_one_sentence(model, tmpl, tmp_path):
    shutil.copytree(model, tmp_path, dirs_exist_ok=True)
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(StageError, match="model.name is") as error:
        list(hf.generate(["x"], tiny.params(**{"model.name": str(tmp_path)}), tmpl, None))
    assert "\n" not in str(error.value)


# --- prompts -------------------------------------------------------------------------------------------------

TOOL = Tool("get_weather", "Weather.", {"type": "object", "properties": {"city": {"type": "string"}}})


def case(city: str) -> Example:
    return Example(city, "test", [{"role": "user", "content": f"cold in {city}?"}], [TOOL], [Call("get_weather", {"city": city})])


ROW = {"id": "Hull", "prompt": "the row's own prompt", "example": case("Hull").to_json()}


def subject(*cities: str, instructions: str = "") -> dict:
    return {"adapter": None, "instructions": instructions, "shots": [case(city).to_json() for city in cities]}


def test_without_examples_the_prompt_is_the_rows_own(tmpl):
    assert predict.prompt_of(ROW, subject(), tiny.params(), tmpl) == ("the row's own prompt", 0)


def test_examples_and_instructions_come_first(tmpl):
    prompt, count = predict.prompt_of(ROW, subject("Porto", "Łódź", instructions="Be exact."), tiny.params(), tmpl)
    assert count == 2
    places = [prompt.index(words) for words in ("Be exact.", "cold in Porto?", '{"city": "Porto"}', "cold in Łódź?", "cold in Hull?")]
    assert places == sorted(places)
    assert predict.prompt_of(ROW, subject(instructions="Be exact."), tiny.params(), tmpl)[0].count("Be exact.") == 1


def test_examples_are_left_out_for_want_of_room(tmpl):
    full, _ = predict.prompt_of(ROW, subject("Porto", "Bergen", "Osaka"), tiny.params(), tmpl)
    size = len(tmpl.ids(full))
    for room, count in ((size, 3), (size - 1, 2), (size - len(tmpl.ids(full)) // 2, 0)):
        params = tiny.params(**{"model.max_tokens": room + 24, "predict.max_new_tokens": 24})
        prompt, used = predict.prompt_of(ROW, subject("Porto", "Bergen", "Osaka"), params, tmpl)
        assert used == count or (count == 0 and used < 2)
        assert ("Porto" in prompt) == (used > 0) and ("Osaka" in prompt) == (used == 3), "the last ones go first"
        assert used == 0 or len(tmpl.ids(prompt)) <= room
    assert predict.prompt_of(ROW, subject("Porto"), tiny.params(**{"model.max_tokens": 64}), tmpl)[1] == 0, "the request itself always stays"


# --- the stage -----------------------------------------------------------------------------------------------


def test_the_predictions_file_keeps_the_suites_order(folder, model, alphabet, monkeypatch, capsys):
    tiny.write_params(folder, **{"model.name": str(model), "predict.max_new_tokens": 6})
    write_json("models/base/subject.json", subject())
    suite = [{"id": f"r{n}", "prompt": prompt, "example": case("Hull").to_json()} for n, prompt in enumerate(PROMPTS)]
    write_jsonl("data/suites/held_out.jsonl", suite)
    monkeypatch.setattr(sys, "argv", ["predict", "base", "held_out"])
    predict.main()
    assert list(read_jsonl("data/predictions/base/held_out.jsonl")) == [
        {"id": "r0", "completion": "yz", "finish": "stop", "tokens": 2}, {"id": "r1", "completion": "uvwxyz", "finish": "length", "tokens": 6},
        {"id": "r2", "completion": "", "finish": "stop", "tokens": 0}, {"id": "r3", "completion": "xyz", "finish": "stop", "tokens": 3},
        {"id": "r4", "completion": "nopqrs", "finish": "length", "tokens": 6}]
    assert "base on held_out: 5 prompts in, 5 completions, 2 cut at predict.max_new_tokens" in capsys.readouterr().out
    timing = read_json("models/.timing/predict/base/held_out.json")
    tokens = sum(len(ids) for ids in template.load(tiny.params(**{"model.name": str(model)}).model).batch_ids(list(PROMPTS)))
    assert timing.pop("seconds") > 0 and timing == {"requests": 5, "prompt_tokens": tokens, "completion_tokens": 17}


@pytest.mark.parametrize("missing", ["models/base/subject.json", "data/suites/held_out.jsonl"])
def test_a_missing_file_is_named(folder, model, monkeypatch, missing):
    tiny.write_params(folder, **{"model.name": str(model)})
    for name in {"models/base/subject.json", "data/suites/held_out.jsonl"} - {missing}:
        write_json(name, subject())
    monkeypatch.setattr(sys, "argv", ["predict", "base", "held_out"])
    with pytest.raises(SystemExit, match=f"{missing} does not exist"):
        predict.main()
