"""The chat templates that TRL ships, each with a small tokenizer that knows the template's own tokens."""

import re
from functools import cache
from pathlib import Path

import trl
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from stages.template import Template

FOLDER = Path(trl.__file__).parent / "chat_templates"
NAMES = sorted(path.stem for path in FOLDER.glob("*.jinja") if not path.stem.endswith("_training"))
# How each family's models end a turn: the first fitting start of a name; ChatML for all others.
ENDS = {
    "cohere": "<|END_OF_TURN_TOKEN|>", "deepseek": "<｜end▁of▁sentence｜>",
    "diffusion_gemma": "<turn|>", "gemma4": "<turn|>", "gemma": "<end_of_turn>",
    "glm": "<|endoftext|>", "gptoss": "<|return|>", "idefics": "<end_of_utterance>", "llama": "<|eot_id|>", "llava": "</s>", "muse": "<|eot|>",
    "phi": "<|end|>", "smolvlm": "<end_of_utterance>", "": "<|im_end|>",
}
MORE_ENDS = {"gptoss": ["<|call|>"], "phi3": ["<|endoftext|>"]}  # as their generation configs name them
MARK = re.compile(r"<[|｜][^|｜<>\s']+[|｜]>|<(?:start|end)_of_\w+>|<\|\w+>|<\w+\|>|</?tool_call>|</?think>")
# How Llama 3 and Qwen divide a text before merging: line ends after a mark stay together, whatever follows them.
WORDS = r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"


def pre_tokenizer():
    return pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(WORDS), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


@cache
def template(name: str) -> Template:
    """The template of that name with a tokenizer of its own; the ends are those of its models."""
    jinja = (FOLDER / f"{name}.jinja").read_text(encoding="utf-8")
    end = next(mark for start, mark in ENDS.items() if name.startswith(start))
    special = list(dict.fromkeys(["<s>", end, *MORE_ENDS.get(name, []), *MARK.findall(jinja)]))
    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer, raw.decoder = pre_tokenizer(), decoders.ByteLevel()
    raw.train_from_iterator([jinja, Path(__file__).read_text(encoding="utf-8")], trainers.BpeTrainer(
        vocab_size=600, special_tokens=special, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=raw, bos_token="<s>", eos_token=end, pad_token=end)
    tokenizer.chat_template = jinja
    return Template(name, tokenizer, [tokenizer.eos_token_id, *tokenizer.convert_tokens_to_ids(MORE_ENDS.get(name, []))])
