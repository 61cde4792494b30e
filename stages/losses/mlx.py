"""Loss on texts through mlx-lm."""

from collections.abc import Iterator

import mlx.core as mx
import mlx.nn as nn
from mlx_lm import load

from stages.errors import StageError
from stages.params import Params
from stages.template import hub_sentence


def nats(texts: list[list[int]], params: Params, adapter: str | None) -> Iterator[float]:
    try:
        model, _ = load(params.model.name, revision=params.model.revision, adapter_path=adapter)
    except (OSError, ValueError) as error:
        raise StageError(hub_sentence(params.model.name, error)) from None
    if params.model.dtype != "auto" or not mx.metal.is_available():  # as in the generator
        model.set_dtype(getattr(mx, "float32" if params.model.dtype == "auto" else params.model.dtype))
    for ids in texts:
        tokens = mx.array([ids])
        logits = model(tokens)[0, :-1].astype(mx.float32)
        yield nn.losses.cross_entropy(logits, tokens[0, 1:], reduction="sum").item()
