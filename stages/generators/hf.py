"""Greedy, batched generation through transformers; adapters through PEFT."""

from collections.abc import Iterator

import torch
from transformers import AutoModelForCausalLM, BitsAndBytesConfig

from stages import hardware, launch
from stages.console import say
from stages.errors import StageError
from stages.generators import Completion
from stages.generators._greedy import greedy, side_by_side
from stages.params import Params
from stages.template import Template, hub_sentence


def load(params: Params, adapter: str | None):
    """The base model, with the adapter merged in where the weights are not quantised."""
    device, dtype, why = hardware.choose(params.model.dtype)
    say(f"model: {params.model.name}{f' + {adapter}' if adapter else ''} on {device} in {dtype} ({why})")
    device = torch.cuda.current_device() if device == "cuda" else device
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
    return model.eval()


def generate(prompts: list[str], params: Params, tmpl: Template, adapter: str | None) -> Iterator[Completion]:
    cores = hardware.set_threads()
    launch.settle()
    model, ids = load(params, adapter), tmpl.batch_ids(prompts)
    pad = tmpl.tokenizer.pad_token_id if tmpl.tokenizer.pad_token_id is not None else tmpl.ends[0]
    asked = (model, ids, tmpl.ends, pad, params.predict.max_new_tokens, params.predict.batch_tokens)
    for index, made, ended in side_by_side(*asked, cores) if model.device.type == "cpu" else greedy(*asked):
        yield Completion(index, tmpl.tokenizer.decode(made, skip_special_tokens=False), len(made), "stop" if ended else "length")
