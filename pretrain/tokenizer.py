"""Byte-level BPE on Qwen2's split expression, with words shared across their left neighbour.

    python -m pretrain.tokenizer models/embedded

Trained so that merges stay inside runs of letters: ` San` and `"San` are both a separator and the token
`San`, so copying a name out of a sentence into JSON copies tokens. At use the split is Qwen2's own, with
single digits, so engines that know the `qwen2` pre-tokenizer read the file. Afterwards merges of the space
with closed-class words (` the`, ` of`, ...) are appended: these are rarely copied, and they save tokens.
"""

import json
import os
import random
import sys

from .corpus import mix

SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<tool_call>", "</tool_call>", "<tools>", "</tools>"]
QWEN2 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
LETTERS = r"\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
FUNCTION_WORDS = """the of to and a in for is it that with as on by be was at this from or an are not have you I my me we he she his her him
they them their our your its would could can will do does did has had been were which what when where how who than then
there here if but so no any all some each other only also just more most about into over under please need want find get
give show tell make use using used given number name value list type return returns based one two with without whether
optional default defaults format should must may might let know like up out off down after before between during per its
being such these those very much many own same new first last next time day if because while both either too again""".split()


def corpus(documents, seed):
    """Texts of the mixture, whole documents."""
    return ("".join(t for t, _ in d) for _, (_, d) in zip(range(documents), mix.stream(seed)))


def build(documents=16000, vocab=8192, seed=3):
    """A trained `tokenizers.Tokenizer`."""
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

    def split(rx):
        return pre_tokenizers.Sequence(
            [pre_tokenizers.Split(Regex(rx), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
        )

    t = Tokenizer(models.BPE())
    t.normalizer, t.pre_tokenizer, t.decoder = normalizers.NFC(), split(LETTERS), decoders.ByteLevel()
    words = list(dict.fromkeys(FUNCTION_WORDS))
    t.train_from_iterator(
        corpus(documents, seed),
        trainers.BpeTrainer(
            vocab_size=vocab - len(words), special_tokens=SPECIAL, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
        ),
    )
    raw = json.loads(t.to_str())
    have = raw["model"]["vocab"]
    for w in words:
        if w in have and "Ġ" + w not in have:
            raw["model"]["merges"].append(["Ġ", w])
            have["Ġ" + w] = len(have)
    t = Tokenizer.from_str(json.dumps(raw, ensure_ascii=False))
    t.pre_tokenizer = split(QWEN2)
    return t


def save(tokenizer, folder, template=None):
    """tokenizer.json, tokenizer_config.json (AutoTokenizer, left padding) and the chat template."""
    from transformers import PreTrainedTokenizerFast

    f = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        additional_special_tokens=[s for s in SPECIAL if s not in ("<|im_end|>", "<|endoftext|>")],
        model_max_length=2048,
        clean_up_tokenization_spaces=False,
        padding_side="left",
    )
    path = template or os.path.join(folder, "chat_template.jinja")
    if os.path.exists(path):
        with open(path, encoding="utf-8") as h:
            f.chat_template = h.read()
    f.save_pretrained(folder)


def main(folder):
    import yaml

    with open(os.path.join(os.path.dirname(__file__), "params.yaml"), encoding="utf-8") as f:
        p = yaml.safe_load(f)["tokenizer"]
    t = build(p["documents"], p["vocab"], p["seed"])
    os.makedirs(folder, exist_ok=True)
    save(t, folder)
    R, texts = random.Random(9), list(corpus(400, 12345))
    print(
        "vocabulary",
        t.get_vocab_size(),
        "characters a token",
        round(sum(map(len, texts)) / sum(len(t.encode(x).ids) for x in texts), 3),
        "novel",
        round(sum(len(mix.novel(R, (0.97, 1))[0][0]) for _ in range(1)) and (lambda x: len(x) / len(t.encode(x).ids))(mix.novels()[-60000:]), 3),
    )


if __name__ == "__main__":
    main(sys.argv[1])
