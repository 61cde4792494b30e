"""The training module: Qwen3's shape and parameter names, so a state dict loads into `Qwen3ForCausalLM`.

RMSNorm before attention and MLP, RMSNorm on queries and keys per head, rotary positions (halves, theta 1e4),
SwiGLU, no biases, tied embeddings. `test_model.py` holds it to transformers within 1e-5.
"""

import torch
import torch.nn as nn
import torch.nn.functional as F

SHAPES = {
    "d384": dict(hidden_size=384, num_hidden_layers=6, num_attention_heads=6, num_key_value_heads=2, head_dim=64, intermediate_size=1024),
    "d320": dict(hidden_size=320, num_hidden_layers=9, num_attention_heads=5, num_key_value_heads=5, head_dim=64, intermediate_size=768),
    "d256": dict(hidden_size=256, num_hidden_layers=14, num_attention_heads=4, num_key_value_heads=2, head_dim=64, intermediate_size=704),
    "d384x8": dict(hidden_size=384, num_hidden_layers=8, num_attention_heads=6, num_key_value_heads=2, head_dim=64, intermediate_size=768),
    "tiny": dict(hidden_size=64, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1, head_dim=32, intermediate_size=128),
}
VOCAB, POSITIONS, THETA, EPS = 8192, 2048, 10000.0, 1e-6


def hf_config(shape, vocab=VOCAB):
    """The transformers configuration of a shape (name or dict)."""
    from transformers import Qwen3Config

    c = SHAPES[shape] if isinstance(shape, str) else shape
    return Qwen3Config(
        vocab_size=vocab,
        max_position_embeddings=POSITIONS,
        tie_word_embeddings=True,
        rms_norm_eps=EPS,
        rope_theta=THETA,
        attention_bias=False,
        use_sliding_window=False,
        bos_token_id=None,
        eos_token_id=2,
        pad_token_id=0,
        **c,
    )


class Norm(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(n))

    def forward(self, x):
        return (F.rms_norm(x.float(), (x.shape[-1],), None, EPS) * self.weight.float()).to(x.dtype)


def rotate(x, cos, sin):
    a, b = x.chunk(2, -1)
    return x * cos + torch.cat((-b, a), -1) * sin


class Attention(nn.Module):
    def __init__(self, c):
        super().__init__()
        h, k, d, w = c["num_attention_heads"], c["num_key_value_heads"], c["head_dim"], c["hidden_size"]
        self.h, self.k, self.d = h, k, d
        self.q_proj, self.k_proj, self.v_proj = nn.Linear(w, h * d, bias=False), nn.Linear(w, k * d, bias=False), nn.Linear(w, k * d, bias=False)
        self.o_proj = nn.Linear(h * d, w, bias=False)
        self.q_norm, self.k_norm = Norm(d), Norm(d)

    def forward(self, x, cos, sin):
        B, T, _ = x.shape
        q = rotate(self.q_norm(self.q_proj(x).view(B, T, self.h, self.d)).transpose(1, 2), cos, sin)
        k = rotate(self.k_norm(self.k_proj(x).view(B, T, self.k, self.d)).transpose(1, 2), cos, sin)
        v = self.v_proj(x).view(B, T, self.k, self.d).transpose(1, 2)
        a = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=self.h != self.k)
        return self.o_proj(a.transpose(1, 2).reshape(B, T, -1))


class MLP(nn.Module):
    def __init__(self, c):
        super().__init__()
        w, i = c["hidden_size"], c["intermediate_size"]
        self.gate_proj, self.up_proj, self.down_proj = nn.Linear(w, i, bias=False), nn.Linear(w, i, bias=False), nn.Linear(i, w, bias=False)

    def forward(self, x):
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Block(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.self_attn, self.mlp = Attention(c), MLP(c)
        self.input_layernorm, self.post_attention_layernorm = Norm(c["hidden_size"]), Norm(c["hidden_size"])

    def forward(self, x, cos, sin):
        x = x + self.self_attn(self.input_layernorm(x), cos, sin)
        return x + self.mlp(self.post_attention_layernorm(x))


def head_loss(x, norm, table, y, w):
    """Mean cross-entropy with token weights w [B, T]; logits in bf16, softmax in float32."""
    logits = (norm(x) @ table.to(x.dtype).t()).float().view(-1, table.shape[0])
    losses = F.cross_entropy(logits, y.reshape(-1), reduction="none")
    w = w.reshape(-1)
    return (losses * w).sum() / w.sum().clamp(min=1)


class Model(nn.Module):
    """forward(ids, targets, weights), each [B, T] -> scalar loss."""

    def __init__(self, shape, vocab=VOCAB):
        super().__init__()
        c = SHAPES[shape] if isinstance(shape, str) else shape
        self.c = c
        self.model = nn.Module()
        self.model.embed_tokens = nn.Embedding(vocab, c["hidden_size"])
        self.model.layers = nn.ModuleList(Block(c) for _ in range(c["num_hidden_layers"]))
        self.model.norm = Norm(c["hidden_size"])
        scale = (2 * c["num_hidden_layers"]) ** -0.5
        for n, p in self.named_parameters():
            if p.dim() == 2:
                nn.init.normal_(
                    p, std=0.02 if "embed" in n else p.shape[1] ** -0.5 * (scale if n.endswith(("o_proj.weight", "down_proj.weight")) else 1)
                )
        d = c["head_dim"]
        f = torch.outer(torch.arange(POSITIONS).float(), THETA ** (-torch.arange(0, d, 2).float() / d))
        f = torch.cat((f, f), -1)
        self.register_buffer("cos", f.cos(), persistent=False)
        self.register_buffer("sin", f.sin(), persistent=False)
        self.run_block, self.run_head = Block.forward, head_loss

    def compile(self):
        """Compiles one block (shared by all layers) and the head: starts in seconds, not minutes."""
        self.run_block = torch.compile(Block.forward, dynamic=False)
        self.run_head = torch.compile(head_loss, dynamic=False)

    def forward(self, ids, y, w):
        x = self.model.embed_tokens(ids)
        x = x.to(torch.bfloat16) if ids.is_cuda else x
        cos, sin = self.cos[: ids.shape[1]].to(x.dtype), self.sin[: ids.shape[1]].to(x.dtype)
        for b in self.model.layers:
            x = self.run_block(b, x, cos, sin)
        return self.run_head(x, self.model.norm, self.model.embed_tokens.weight, y, w)

    def flops_per_token(self, T):
        """Training FLOP a token: 6 per matrix parameter (the tied table once) and causal attention."""
        c = self.c
        n = sum(p.numel() for p in self.parameters() if p.dim() == 2)
        return 6 * n + 6 * c["num_hidden_layers"] * c["num_attention_heads"] * c["head_dim"] * T


def export(state, shape, folder, tokenizer_folder, template):
    """bf16 safetensors, config, generation config and tokenizer, as transformers reads them."""
    import os

    from transformers import AutoTokenizer, GenerationConfig, Qwen3ForCausalLM

    h = Qwen3ForCausalLM(hf_config(shape))
    missing, unexpected = h.load_state_dict({k: v.float() for k, v in state.items()}, strict=False)
    assert not unexpected and set(missing) <= {"lm_head.weight"}, (missing, unexpected)
    h.tie_weights()
    h.to(torch.bfloat16).save_pretrained(folder)
    GenerationConfig(do_sample=False, eos_token_id=2, pad_token_id=0, max_new_tokens=256).save_pretrained(folder)
    t = AutoTokenizer.from_pretrained(tokenizer_folder)
    with open(template, encoding="utf-8") as f:
        t.chat_template = f.read()
    t.padding_side = "left"
    t.save_pretrained(folder)
    return os.path.getsize(os.path.join(folder, "model.safetensors"))
