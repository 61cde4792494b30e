"""Loss on texts through transformers, with the model and the adapter as the generator loads them."""

from collections.abc import Iterator

import torch
from torch.nn.functional import cross_entropy

from stages import hardware
from stages.generators.hf import load
from stages.params import Params


def nats(texts: list[list[int]], params: Params, adapter: str | None) -> Iterator[float]:
    hardware.set_threads()
    model = load(params, adapter)
    for ids in texts:
        tokens = torch.tensor([ids], device=model.device)
        with torch.inference_mode():
            logits = model(input_ids=tokens).logits[0, :-1].float()
            yield float(cross_entropy(logits, tokens[0, 1:], reduction="sum"))
