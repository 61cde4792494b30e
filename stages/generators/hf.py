"""Greedy, batched generation through transformers; adapters through PEFT."""

from collections.abc import Iterator

import torch
from transformers import AutoModelForCausalLM, BitsAndBytesConfig, GenerationConfig

from stages import hardware
from stages.console import say
from stages.errors import StageError
from stages.generators import Completion
from stages.params import Params
from stages.template import Template, hub_sentence


def load(params: Params, adapter: str | None):
    """The base model, with the adapter merged in where the weights are not quantised."""
    device, dtype, why = hardware.choose(params.model.dtype)
    say(f"model: {params.model.name}{f' + {adapter}' if adapter else ''} on {device} in {dtype} ({why})")
    quantization = None
    if params.model.quantize == "nf4":
        quantization = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True,
                                          bnb_4bit_compute_dtype=getattr(torch, dtype))
    try:
        model = AutoModelForCausalLM.from_pretrained(
            params.model.name, revision=params.model.revision, dtype=getattr(torch, dtype), quantization_config=quantization, device_map={"": device})
    except (OSError, ValueError) as error:
        raise StageError(hub_sentence(params.model.name, error)) from None
    if adapter:
        from peft import PeftModel

        model = PeftModel.from_pretrained(model, adapter)
        if params.model.quantize == "none":
            model = model.merge_and_unload()
    model.generation_config = GenerationConfig()  # a model may bring a repetition penalty or sampling, which is not greedy
    return model.eval()


def batches(lengths: list[int], batch_tokens: int) -> Iterator[list[int]]:
    """Indices of prompts of about equal length, longest first, so that memory runs out at once or never."""
    order = sorted(range(len(lengths)), key=lambda i: (-lengths[i], i))
    while order:
        size = max(1, batch_tokens // lengths[order[0]])
        yield order[:size]
        order = order[size:]


def generate(prompts: list[str], params: Params, tmpl: Template, adapter: str | None) -> Iterator[Completion]:
    hardware.set_threads()
    model, ids = load(params, adapter), tmpl.batch_ids(prompts)
    pad, ends = tmpl.tokenizer.pad_token_id if tmpl.tokenizer.pad_token_id is not None else tmpl.ends[0], tmpl.ends
    for batch in batches([len(row) for row in ids], params.predict.batch_tokens):
        width = max(len(ids[i]) for i in batch)
        tokens = torch.tensor([[pad] * (width - len(ids[i])) + ids[i] for i in batch], device=model.device)
        mask = torch.tensor([[0] * (width - len(ids[i])) + [1] * len(ids[i]) for i in batch], device=model.device)
        with torch.inference_mode():
            out = model.generate(input_ids=tokens, attention_mask=mask, max_new_tokens=params.predict.max_new_tokens, do_sample=False,
                                 eos_token_id=ends, pad_token_id=pad)
        for i, row in zip(batch, out[:, width:].tolist()):
            end = next((place for place, token in enumerate(row) if token in ends), None)
            kept = row if end is None else row[:end]
            yield Completion(i, tmpl.tokenizer.decode(kept, skip_special_tokens=False), len(kept), "length" if end is None else "stop")
