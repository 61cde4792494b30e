"""Attention over packed rows that never crosses from one row to another, under names that transformers looks up.

flex     FlexAttention with a block mask that transformers derives from the position ids; needs a compiler on the GPU
varlen   torch.nn.attention.varlen: FlashAttention over variable lengths; bfloat16 and float16 on NVIDIA from Ampere on
rows     scaled dot-product attention row by row: exact everywhere, without padding; many small kernels on a GPU

Each takes queries (1, heads, tokens, width), keys and values with as many or fewer heads.
"""

import inspect

import torch
from transformers import AttentionInterface

from stages.errors import StageError

NAMES = {"flex": "flex_attention", "varlen": "callsmith_varlen", "rows": "callsmith_rows"}


def row_by_row(module, query, key, value, attention_mask, scaling=None, dropout=0.0, sliding_window=None, cu_seq_lens_q=None, **kwargs):
    """-> (output (1, tokens, heads, width), None). cu_seq_lens_q: (rows + 1,) where each row begins and the last ends."""
    edges, out = cu_seq_lens_q.tolist(), []
    for a, b in zip(edges, edges[1:]):
        band = None
        if sliding_window is not None and b - a > sliding_window:
            place = torch.arange(b - a, device=query.device)
            band = (place[:, None] >= place) & (place[:, None] - place < sliding_window)
        out.append(torch.nn.functional.scaled_dot_product_attention(
            query[:, :, a:b], key[:, :, a:b], value[:, :, a:b], attn_mask=band, dropout_p=dropout, is_causal=band is None, scale=scaling,
            enable_gqa=key.shape[1] != query.shape[1]))
    return torch.cat(out, dim=2).transpose(1, 2).contiguous(), None


def variable_length(module, query, key, value, attention_mask, scaling=None, dropout=0.0, sliding_window=None, cu_seq_lens_q=None,
                    max_length_q=None, **kwargs):
    """-> (output (1, tokens, heads, width), None), as row_by_row."""
    from torch.nn.attention.varlen import varlen_attn

    known = inspect.signature(varlen_attn).parameters  # young, and still changing
    if "window_size" in known:
        kind = {"window_size": (-1 if sliding_window is None else sliding_window - 1, 0)}
    elif sliding_window is None or max_length_q <= sliding_window:
        kind = {"is_causal": True}
    else:
        raise StageError("train.attention=varlen: this torch has no windows for it; use train.attention=flex.")
    if "scale" in known:
        kind["scale"] = scaling
    elif scaling is not None:
        query = query * (scaling * query.shape[-1] ** 0.5)
    groups = query.shape[1] // key.shape[1]  # keys are repeated: the option for fewer heads is younger than the function
    query, key, value = (part[0].transpose(0, 1) for part in (query, key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)))
    return varlen_attn(query, key, value, cu_seq_lens_q, cu_seq_lens_q, max_length_q, max_length_q, **kind)[None], None


AttentionInterface.register(NAMES["rows"], row_by_row)
AttentionInterface.register(NAMES["varlen"], variable_length)


def fault(config, name: str, device: str) -> str | None:
    """Why attention `name` cannot isolate packed rows for a model with this configuration; None when it can."""
    text = config.get_text_config()
    if other := set(getattr(text, "layer_types", None) or ()) - {"full_attention", "sliding_attention"}:
        return f"the model has layers of {min(other)}"
    if getattr(text, "attention_dropout", 0) and name != "rows":
        return "the model's attention has dropout"
    if getattr(text, "attn_logit_softcapping", None) and name != "flex":
        return "the model caps its attention scores, which only flex does"
    if name == "flex" and device != "cuda":
        return "FlexAttention learns on a GPU only"
    if name == "varlen":
        try:
            from torch.nn.attention import varlen
        except ImportError:
            return "this torch has no torch.nn.attention.varlen"
        windows = "sliding_attention" in (getattr(text, "layer_types", None) or ())
        if windows and "window_size" not in inspect.signature(varlen.varlen_attn).parameters:
            return "this torch's variable-length attention has no windows"
        if device != "cuda" or not torch.cuda.is_available() or torch.cuda.get_device_capability()[0] < 8:
            return "variable-length attention needs an NVIDIA GPU from Ampere on"
    return None
