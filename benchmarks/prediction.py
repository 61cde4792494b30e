"""Greedy completions of 512 prompts at the 4B shape: one prompt at a time through `generate`, and this repository's generator.

    python -m benchmarks.prediction               # on a CUDA machine   ->  benchmarks/results/prediction.json
    python -m benchmarks.prediction --scale tiny

About 400 tokens in, 80 out (random weights do not end earlier). One at a time is timed on `--sample` prompts, since all take as long.
`bandwidth_share` is the time to read the weights once a token and each cached key and value once a token, with all prompts in one
batch, at 4.3 TB/s (an H200's copies, as measured), over the time that the generator took.
"""

import torch

from benchmarks import _common
from stages.generators import hf

BANDWIDTH = 4.3e12  # bytes a second


def prompts(options, count: int) -> tuple[list[str], object]:
    tmpl = _common.tokenizer(options.folder)
    return [row["prompt"] for row in _common.rows(count, tmpl)], tmpl


def figures(count: int, seconds: float, tokens: int) -> dict:
    return {"prompts": count, "prompts_per_second": count / seconds, "tokens_per_second": tokens / seconds, "peak_gib": _common.peak_gib()}


def one_at_a_time(options) -> dict:
    texts, tmpl = prompts(options, options.prompts)
    params = _common.parameters(options.folder)
    model, seconds, made = hf.load(params, None), 0.0, 0
    for number, text in enumerate(texts[: options.sample + 1]):
        ids = torch.tensor([tmpl.ids(text)], device=model.device)
        start = _common.now()
        out = model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=80, do_sample=False, pad_token_id=0, eos_token_id=2)
        if number:  # the first one warms up
            seconds, made = seconds + _common.now() - start, made + out.shape[1] - ids.shape[1]
    return figures(options.sample, seconds, made)


def ours(options) -> dict:
    texts, tmpl = prompts(options, options.prompts)
    params = _common.parameters(options.folder, **{"predict.batch_tokens": options.tokens})
    loaded = hf.load(params, None)
    hf.load = lambda params, adapter: loaded  # the time of loading is not the time of generating
    list(hf.generate(texts[:4], params, tmpl, None))
    start = _common.now()
    made = list(hf.generate(texts, params, tmpl, None))
    seconds = _common.now() - start
    tokens = sum(one.tokens for one in made)
    config, lengths = loaded.config, [len(tmpl.ids(text)) for text in texts]
    cached = config.num_hidden_layers * 2 * config.num_key_value_heads * config.head_dim * 2
    weights = sum(p.numel() * p.element_size() for p in loaded.parameters())
    ideal = 80 * (weights + cached * sum(length + 40 for length in lengths)) / BANDWIDTH
    full = torch.cuda.is_available() and options.scale == "full"
    return figures(len(texts), seconds, tokens) | ({"bandwidth_share": ideal / seconds} if full else {})


def main() -> None:
    options = _common.arguments(__doc__.splitlines()[0], prompts=512, sample=16, tokens=262144).parse_args()
    found = _common.contend("benchmarks.prediction", options, {"one at a time": one_at_a_time, "ours": ours})
    _common.record(options, "prediction", "Completions at the 4B shape", found, _common.ratio(found, "ours", "one at a time", "prompts_per_second"))


if __name__ == "__main__":
    main()
