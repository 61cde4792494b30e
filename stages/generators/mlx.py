"""Greedy, batched generation through mlx-lm; on Apple's GPU, or with the CPU build on Linux."""

from collections.abc import Iterator

import mlx.core as mx
from mlx_lm import load
from mlx_lm.generate import BatchGenerator

from stages.console import say
from stages.errors import StageError
from stages.generators import Completion
from stages.params import Params
from stages.template import Template, hub_sentence


def generate(prompts: list[str], params: Params, tmpl: Template, adapter: str | None) -> Iterator[Completion]:
    """Continuous batching: a prompt takes the place of one that has ended. Quantised weights keep their type."""
    try:
        model, _ = load(params.model.name, revision=params.model.revision, adapter_path=adapter)
    except (OSError, ValueError) as error:
        raise StageError(hub_sentence(params.model.name, error)) from None
    if params.model.dtype != "auto" or not mx.metal.is_available():
        dtype = "float32" if params.model.dtype == "auto" else params.model.dtype
        model.set_dtype(getattr(mx, dtype))
    say(f"model: {params.model.name}{f' + {adapter}' if adapter else ''} on {mx.default_device()} through mlx")
    ids = tmpl.batch_ids(prompts)
    longest = max(map(len, ids), default=1) + params.predict.max_new_tokens
    size = max(1, params.predict.batch_tokens // longest)
    generator = BatchGenerator(model, max_tokens=params.predict.max_new_tokens, stop_tokens=[[end] for end in tmpl.ends],
                               completion_batch_size=size, prefill_batch_size=min(8, size))
    order = sorted(range(len(ids)), key=lambda i: (-len(ids[i]), i))
    place = dict(zip(generator.insert([ids[i] for i in order]), order))
    tokens: dict[int, list[int]] = {i: [] for i in order}
    while responses := generator.next_generated():
        for response in responses:
            i = place[response.uid]
            if response.finish_reason != "stop":
                tokens[i].append(response.token)
            if response.finish_reason is not None:
                text = tmpl.tokenizer.decode(tokens[i], skip_special_tokens=False)
                yield Completion(i, text, len(tokens[i]), response.finish_reason)
    generator.close()
