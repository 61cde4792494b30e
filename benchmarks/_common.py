"""What the benchmarks share: models with random weights in true shapes, rows of true lengths, hardware and versions, records.

Each contender of a benchmark runs in a process of its own, so that none pays for another's memory or gains from its kernels.
"""

import argparse
import json
import os
import platform
import random
import subprocess
import sys
import tempfile
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch
from transformers import TrainerCallback

from stages import template
from stages.compose import composed
from stages.files import write_json
from stages.params import Params, parse

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks/results"
# Qwen3-4B as published; 3.6e9 of its parameters lie in layers, where a trained token takes 4 operations a parameter with LoRA
# (forward 2, backward 2, as the frozen weights need no gradient of their own)
SHAPES = {
    "full": dict(vocab_size=151936, hidden_size=2560, intermediate_size=9728, num_hidden_layers=36, num_attention_heads=32, num_key_value_heads=8,
                 head_dim=128, max_position_embeddings=32768, tie_word_embeddings=True),
    "tiny": dict(vocab_size=8192, hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1,
                 head_dim=32, max_position_embeddings=4096, tie_word_embeddings=True),
}
OPERATIONS, PEAK = 4 * 3.6e9, 790e12  # a token; bf16 operations a second of an H200 on random data, as measured
PACKAGES = ("torch", "transformers", "trl", "peft", "accelerate", "bitsandbytes", "liger-kernel", "triton")


def write_model(folder: Path, scale: str) -> Path:
    """Random weights with the tokenizer of models/embedded, whose ids are all in the larger vocabulary."""
    from transformers import AutoTokenizer, Qwen3Config, Qwen3ForCausalLM

    if (folder / "config.json").exists():
        return folder
    torch.manual_seed(7)
    with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
        config = Qwen3Config(**SHAPES[scale], bos_token_id=None, eos_token_id=2, pad_token_id=0)
        Qwen3ForCausalLM(config).to(torch.bfloat16).save_pretrained(folder)
    AutoTokenizer.from_pretrained(ROOT / "models/embedded").save_pretrained(folder)
    return folder


def rows(count: int, tmpl, seed: int = 42) -> list[dict]:
    """{"prompt", "completion"} of random words: 100 to 1,024 tokens together with a mean of about 400, of which 40 to 120 are completion."""
    draw = random.Random(seed)
    words = [word for word in ("weather", "time", "send", "play", "find", "list", "book", "open", "city", "name") if len(tmpl.ids(f" {word}")) == 1]
    end, made = tmpl.tokenizer.eos_token, []
    for _ in range(count):
        total, answer = 100 + int(924 * draw.betavariate(1.2, 2.5)), draw.randint(40, 120)
        answer = min(answer, total // 2)
        prompt, completion = (" " + " ".join(draw.choice(words) for _ in range(tokens)) for tokens in (total - answer, answer - 1))
        made.append({"prompt": prompt, "completion": completion + end})
    return made


def parameters(model: Path, **changes) -> Params:
    """The published recipe's adapter and schedule (rank 32 on all projections, 1e-4, cosine), for the model in a folder."""
    import yaml

    raw = yaml.safe_load(composed([], conf=ROOT / "conf"))
    raw["model"] |= {"name": str(model), "track": str(model), "revision": None, "dtype": "auto", "quantize": "none", "max_tokens": 1024}
    raw["split"] |= {"valid": 0}
    raw["predict"] |= {"max_new_tokens": 80}
    raw["train"] |= {"learning_rate": 1e-4, "schedule": "cosine", "warmup": 0.03, "steps": 10, "batch_size": 2, "accumulation": 4,
                     "save_every": 10000}
    raw["train"]["lora"] |= {"rank": 32, "alpha": 64, "dropout": 0.0}
    for key, value in changes.items():
        *parents, last = key.split(".")
        inner = raw
        for part in parents:
            inner = inner[part]
        inner[last] = value
    return parse(raw)


class Watch(TrainerCallback):
    """Seconds of each step, from the end of the one before. The GPU's work is waited for at the end of a step in `stops` alone: a wait
    at each would take from a trainer what it prepares meanwhile, so only sums between stops are true."""

    def __init__(self, *stops: int):
        self.seconds: list[float] = []
        self.stops = stops

    def on_train_begin(self, args, state, control, **kwargs):
        self.last = now()

    def on_step_end(self, args, state, control, **kwargs):
        self.seconds.append((now() if state.global_step in self.stops else time.perf_counter()) - self.last)
        self.last += self.seconds[-1]


def now() -> float:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


def peak_gib() -> float | None:
    return round(torch.cuda.max_memory_allocated() / 2**30, 2) if torch.cuda.is_available() else None


def hardware() -> dict:
    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return {"gpus": gpus, "processor": platform.processor() or platform.machine(), "cores": len(os.sched_getaffinity(0))
            if hasattr(os, "sched_getaffinity") else os.cpu_count(), "python": platform.python_version(), "versions": versions()}


def versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def arguments(description: str, **more) -> argparse.ArgumentParser:
    """The words that all benchmarks know; `more` are defaults of numbers as options."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--scale", choices=SHAPES, default="full", help="tiny: that the script runs, on any CPU")
    parser.add_argument("--folder", type=Path, help="where the model is written, and found again by a later run")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--only", nargs="*", help="contenders to run; default all")
    parser.add_argument("--one", help=argparse.SUPPRESS)  # a contender's own process
    for name, default in more.items():
        parser.add_argument(f"--{name}", type=type(default), default=default)
    return parser


def contend(module: str, options: argparse.Namespace, contenders: dict, before: dict[str, list[str]] | None = None,
            model: bool = True) -> dict[str, dict]:
    """{contender: its figures}, each from a process of its own; {"fault": last line} where that failed.

    before: {contender: command that its process is started under, as torchrun}. model: whether they need the random one. A contender is
    a function of the options.
    """
    if options.one:
        figures = contenders[options.one](options)
        if int(os.environ.get("RANK", 0)) == 0:
            print("FIGURES", json.dumps(figures), flush=True)
        sys.exit()
    found = {}
    with tempfile.TemporaryDirectory() as made:
        options.folder = options.folder or Path(made) / "model"
        if model:
            write_model(options.folder, options.scale)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        for name in options.only or contenders:
            words = ["--one", name, "--folder", str(options.folder)]
            for key, value in vars(options).items():
                if key not in ("one", "folder", "only", "results") and value is not None:
                    words += [f"--{key}", str(value)]
            start = [sys.executable, *(before or {}).get(name, []), "-m", module]
            done = subprocess.run([*start, *words], capture_output=True, text=True, cwd=ROOT)
            lines = [line for line in done.stdout.splitlines() if line.startswith("FIGURES ")]
            said = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
            found[name] = json.loads(lines[-1][8:]) if lines else {"fault": said[-1][:300] if said else f"ended with {done.returncode}"}
            print(f"{name}: {json.dumps(found[name])}", flush=True)
    return found


def record(options: argparse.Namespace, claim: str, title: str, found: dict, ratios: dict[str, float]) -> None:
    """Prints the ratios and writes RESULTS/CLAIM.json; at the tiny scale CLAIM-tiny.json."""
    for name, ratio in ratios.items():
        print(f"{name}: {ratio:.3g}", flush=True)
    name = claim if options.scale == "full" else f"{claim}-tiny"
    settings = {key: value for key, value in vars(options).items() if key not in ("one", "folder", "results", "only")}
    write_json(options.results / f"{name}.json", {"claim": claim, "title": title, "settings": settings, "hardware": hardware(), "figures": found,
                                                  "ratios": {key: float(f"{value:.4g}") for key, value in ratios.items()}})


def ratio(found: dict, one: str, other: str, figure: str) -> dict[str, float]:
    """{"one / other": ...} where both have the figure."""
    values = [found.get(name, {}).get(figure) for name in (one, other)]
    return {f"{one} / {other}, {figure}": values[0] / values[1]} if all(values) else {}


def tokenizer(folder: Path) -> template.Template:
    return template.load(parameters(folder).model)
