"""What a recipe's training takes at its model's true shape: random weights, the recipe's own settings, real steps on a GPU.

    python -m benchmarks.shapes qwen3-4b-base-qlora --steps 10      # on a CUDA machine
    python -m benchmarks.shapes gemma-3-1b-mlx --scale tiny         # two layers, narrow: that this script runs, on any CPU
        ->  benchmarks/results/shapes-RECIPE.json (with --scale tiny only the screen)

The shapes are those of the models' published configurations, written out below, so nothing is fetched. The tokenizer is that of
models/embedded: its ids are all in the larger vocabularies, and the loss is computed over the true vocabulary. Rows are of 100
tokens up to the recipe's model.max_tokens. Trained through stages/trainers/hf; a recipe for MLX has its 4-bit weights as NF4 there. Three
steps of warm-up, in which kernels are compiled, are not counted.
Peak memory and step time say what hardware a recipe needs; the loss says nothing.
"""

import argparse
import gc
import json
import random
import shutil
import sys
import tempfile
from pathlib import Path

import yaml

from benchmarks import _common, training
from stages import hardware, launch, template
from stages.compose import composed
from stages.files import write_json
from stages.params import Params, parse
from stages.trainers import hf

ROOT = Path(__file__).parents[1]
TOKENIZER = ROOT / "models/embedded"
# recipe: (class of the configuration, its published values)
SHAPES = {
    "qwen3-4b-base-qlora": ("Qwen3Config", dict(
        vocab_size=151936, hidden_size=2560, intermediate_size=9728, num_hidden_layers=36, num_attention_heads=32, num_key_value_heads=8,
        head_dim=128, max_position_embeddings=32768, tie_word_embeddings=True)),
    "llama-3.1-8b-hermes": ("LlamaConfig", dict(
        vocab_size=128256, hidden_size=4096, intermediate_size=14336, num_hidden_layers=32, num_attention_heads=32, num_key_value_heads=8,
        max_position_embeddings=131072, tie_word_embeddings=False)),
    "gemma-3-1b-mlx": ("Gemma3TextConfig", dict(
        vocab_size=262144, hidden_size=1152, intermediate_size=6912, num_hidden_layers=26, num_attention_heads=4, num_key_value_heads=1,
        head_dim=256, query_pre_attn_scalar=256, sliding_window=512, max_position_embeddings=32768, tie_word_embeddings=True)),
}
WARMUP = 3  # steps, in which kernels are compiled
TINY = dict(vocab_size=8192, hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1, head_dim=32)


def write_model(recipe: str, folder: Path, tiny: bool) -> int:
    """Random weights in bfloat16 with the tokenizer beside them; returns the number of parameters."""
    import torch
    import transformers

    kind, values = SHAPES[recipe]
    config = getattr(transformers, kind)(**values | (TINY if tiny else {}), bos_token_id=None, eos_token_id=2, pad_token_id=0)
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)
    try:
        with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
            model = transformers.AutoModelForCausalLM.from_config(config)
    finally:
        torch.set_default_dtype(before)
    count = sum(parameter.numel() for parameter in model.parameters())
    model.save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        shutil.copy(TOKENIZER / name, folder / name)
    del model
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()  # the weights' making is not the training's memory
    return count


def rows(count: int, longest: int, tmpl, seed: int = 42) -> list[dict]:
    """{"prompt", "completion"} of random words: from 100 tokens to nearly `longest`, most of them short; a tenth is completion."""
    draw, words = random.Random(seed), "weather timer message convert play search create update list order book track find send".split()
    made = []
    for _ in range(count):
        tokens = min(100 + int(draw.expovariate(1 / (0.3 * longest))), longest - 8)
        text = " ".join(draw.choice(words) for _ in range(tokens))
        ids = tmpl.ids(text)[:tokens]
        cut = len(ids) - len(ids) // 10
        made.append({"prompt": tmpl.tokenizer.decode(ids[:cut]), "completion": tmpl.tokenizer.decode(ids[cut:]) + tmpl.end_texts[0]})
    return [row for row in made if len(tmpl.ids(row["prompt"])) + len(tmpl.ids(row["completion"])) <= longest]


def settings(recipe: str, model: Path, steps: int, tiny: bool) -> Params:
    """The recipe's parameters, with this model and so many steps, trained through hf."""
    raw = yaml.safe_load(composed([f"recipe={recipe}"], ROOT / "conf"))
    raw["model"] |= {"name": str(model), "track": str(model), "dtype": "float32" if tiny else "bfloat16"}
    raw["model"]["quantize"] = "none" if tiny else "nf4"  # 4-bit layers need a GPU to be quick
    raw["train"] |= {"backend": "hf", "steps": WARMUP + steps, "save_every": 10_000}
    raw["predict"]["backend"] = "hf"
    raw["split"]["valid"] = 0
    return parse(raw)


def measure(recipe: str, steps: int, scale: str) -> dict:
    tiny = scale == "tiny"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        count = write_model(recipe, folder / "model", tiny)
        params = settings(recipe, folder / "model", steps, tiny)
        tmpl = template.load(params.model)
        rows_a_step = params.train.batch_size * params.train.accumulation
        data = rows(params.train.steps * rows_a_step, 160 if tiny else params.model.max_tokens, tmpl)
        hardware.set_threads()
        launch.settle()
        trainer = hf.build(data, [], params, tmpl, folder / "scratch")
        asked = argparse.Namespace(steps=steps, warmup=WARMUP, scale="tiny")
        figures = training.measured(trainer, asked, lambda trainer: trainer._total_train_tokens)
    figures.pop("loss")  # of random words
    return {"recipe": recipe, "scale": scale, "parameters": count, "quantize": params.model.quantize, "steps": steps,
            "rows_a_step": rows_a_step, "longest_row": params.model.max_tokens, **figures, "peak_gib": hf.peak_memory(),
            "checkpointing": trainer.plan.checkpointing is True, "attention": trainer.plan.attention, "hardware": _common.hardware()}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("recipes", nargs="*", help="recipes whose shapes are written out here; all of them when none is named")
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--scale", choices=["full", "tiny"], default="full")
    asked = parser.parse_args()
    if unknown := [name for name in asked.recipes if name not in SHAPES]:
        sys.exit(f"error: {unknown[0]!r} has no shape here: use some of {', '.join(SHAPES)}.")
    import torch

    if asked.scale == "full" and not torch.cuda.is_available():
        sys.exit("error: no CUDA device, which the true shapes need: run on a GPU machine, or use --scale tiny.")
    for recipe in asked.recipes or SHAPES:
        result = measure(recipe, asked.steps, asked.scale)
        if asked.scale == "full":
            write_json(ROOT / f"benchmarks/results/shapes-{recipe}.json", result)
        print(json.dumps(result, indent=2), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
