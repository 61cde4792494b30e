"""The training module equals transformers' Qwen3; the shipped model loads everywhere."""

import json
import os

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from pretrain import model as M  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
EMBEDDED = os.path.join(ROOT, "models", "embedded")
shipped = pytest.mark.skipif(not os.path.exists(os.path.join(EMBEDDED, "model.safetensors")), reason="models/embedded has no weights")
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "Weather of a city.",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
        },
    }
]


def test_the_loss_is_that_of_transformers():
    torch.manual_seed(0)
    ours, theirs = M.Model("tiny"), transformers.Qwen3ForCausalLM(M.hf_config("tiny"))
    for p in ours.parameters():
        if p.dim() < 2:
            torch.nn.init.uniform_(p, 0.5, 1.5)
    missing, unexpected = theirs.load_state_dict(ours.state_dict(), strict=False)
    theirs.tie_weights()
    assert not unexpected and set(missing) <= {"lm_head.weight"}
    ids = torch.randint(0, M.VOCAB, (2, 65))
    with torch.no_grad():
        a = ours(ids[:, :-1], ids[:, 1:], torch.ones(2, 64)).item()
        b = theirs(input_ids=ids, labels=ids).loss.item()
    assert abs(a - b) < 1e-5


@shipped
def test_the_shipped_model_is_small_and_plain():
    assert os.path.getsize(os.path.join(EMBEDDED, "model.safetensors")) <= 30_000_000
    config = transformers.AutoConfig.from_pretrained(EMBEDDED)
    assert config.architectures == ["Qwen3ForCausalLM"] and config.tie_word_embeddings and config.max_position_embeddings >= 2048
    tok = transformers.AutoTokenizer.from_pretrained(EMBEDDED)
    assert tok.padding_side == "left" and tok.pad_token == "<|endoftext|>" and tok.eos_token == "<|im_end|>"
    for s in ("<|im_start|>", "<|im_end|>", "<|endoftext|>", "<tool_call>", "</tool_call>", "<tools>", "</tools>"):
        assert len(tok(s, add_special_tokens=False)["input_ids"]) == 1
    for text in ("San Francisco, 12.5 % of Łódź\n", '{"a": [1, -2.5], "b": "東京"}'):
        assert tok.decode(tok(text, add_special_tokens=False)["input_ids"]) == text


@shipped
def test_the_chat_template():
    tok = transformers.AutoTokenizer.from_pretrained(EMBEDDED)
    call = {"type": "function", "function": {"name": "get_weather", "arguments": {"city": "Åre"}}}
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "cold?"},
        {"role": "assistant", "content": "", "tool_calls": [call, {"name": "get_weather", "arguments": '{"city": "Hull"}'}]},
        {"role": "tool", "content": '{"t": 3}'},
        {"role": "assistant", "content": "Yes."},
    ]
    line = json.dumps(TOOLS[0]["function"])
    expected = (
        "<|im_start|>system\nBe brief.\n<tools>\n" + line + "\n</tools><|im_end|>\n<|im_start|>user\ncold?<|im_end|>\n<|im_start|>assistant\n"
        '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Åre"}}\n</tool_call>\n'
        '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Hull"}}\n</tool_call><|im_end|>\n'
        '<|im_start|>tool\n{"t": 3}<|im_end|>\n<|im_start|>assistant\nYes.<|im_end|>\n'
    )
    for tools in (TOOLS, [TOOLS[0]["function"]]):
        assert tok.apply_chat_template(messages, tools=tools, tokenize=False) == expected
    assert (
        tok.apply_chat_template(messages[1:2], tokenize=False, add_generation_prompt=True)
        == "<|im_start|>user\ncold?<|im_end|>\n<|im_start|>assistant\n"
    )
    out = tok.apply_chat_template(messages, tools=TOOLS, return_dict=True, return_assistant_tokens_mask=True)
    marked = tok.decode([i for i, m in zip(out["input_ids"], out["assistant_masks"]) if m])
    assert marked.startswith("<tool_call>") and marked.endswith("Yes.<|im_end|>") and "cold" not in marked


@shipped
def test_mlx_gives_the_same_greedy_tokens():
    """50 prompts in float32 in both engines; a tie within rounding may end a prompt's comparison early."""
    mx = pytest.importorskip("mlx.core")
    mlx_lm = pytest.importorskip("mlx_lm")
    from mlx.utils import tree_map
    from mlx_lm.models.cache import make_prompt_cache

    tok = transformers.AutoTokenizer.from_pretrained(EMBEDDED)
    theirs = transformers.AutoModelForCausalLM.from_pretrained(EMBEDDED, dtype=torch.float32)
    ours, _ = mlx_lm.load(EMBEDDED)
    ours.update(tree_map(lambda a: a.astype(mx.float32), ours.parameters()))
    for i in range(50):
        text = f"weather in {['Hull', 'Porto', 'Gdańsk', 'Accra', 'Quito'][i % 5]} on day {i}"
        tools = TOOLS if i % 10 == 0 else None  # a prompt with tools takes mlx a second on a CPU
        ids = tok.apply_chat_template([{"role": "user", "content": text}], tools=tools, add_generation_prompt=True, return_dict=True)["input_ids"]
        with torch.no_grad():
            out = theirs.generate(torch.tensor([ids]), max_new_tokens=8, do_sample=False, output_scores=True, return_dict_in_generate=True)
        cache, feed = make_prompt_cache(ours), list(ids)
        for step, want in enumerate(out.sequences[0][len(ids) :].tolist()):
            got = int(mx.argmax(ours(mx.array([feed]), cache=cache)[0, -1]))
            top = out.scores[step][0].topk(2).values
            if got != want:
                assert (top[0] - top[1]).item() < 1e-3, f"prompt {i}, token {step}"
                break
            feed = [got]
