"""docs/benchmarks.md from the last results: python -m benchmarks.page"""

import json
from pathlib import Path

from benchmarks._common import RESULTS, ROOT
from stages.files import write_text

# claim: (what it shows, command, what it is to reach)
CLAIMS = {
    "training": ("LoRA in bfloat16, one H200", "python -m benchmarks.training",
                 "27,000 tokens/s; 3.4 times TRL packed with Liger, 14 times TRL as published"),
    "equality": ("losses of 50 steps in bfloat16, one H200", "python -m benchmarks.equality", "no step's loss further than 2 % from TRL's"),
    "nf4": ("QLoRA, one H200", "python -m benchmarks.training --quantize nf4",
            "12 times TRL as published at no more than twice its memory; 2 times TRL packed with Liger"),
    "nf4-9gib": ("QLoRA within twice the published recipe's memory",
                 'python -m benchmarks.training --quantize nf4 --gib 9 --only ours "TRL as published"', "12 times TRL as published"),
    "nf4-24gib": ("QLoRA within 24 GiB", "python -m benchmarks.training --quantize nf4 --gib 24 --only ours", "trains at 1,024 tokens"),
    "nf4-16gib": ("QLoRA within 16 GiB", "python -m benchmarks.training --quantize nf4 --gib 16 --only ours", "trains at 1,024 tokens"),
    "gpus": ("several H200s", "python -m benchmarks.gpus --most 4", "2 GPUs 1.85 times one, 4 GPUs 3.6 times (not yet run)"),
    "prediction": ("512 prompts, one H200", "python -m benchmarks.prediction", "20 times one prompt at a time"),
    "cpu": ("the embedded default's training step, CPU", "python -m benchmarks.cpu", "below TRL's"),
}
HEAD = """# Benchmarks

Each command runs the peer and this repository one after the other on the same machine and prints the ratio; models have random weights
of the true shape, rows are of 100 to 1,024 tokens with a mean of about 400. `--scale tiny` runs each on any CPU, which shows that it runs and
nothing more. This page is written by `python -m benchmarks.page` from `benchmarks/results/*.json`.
"""


def section(claim: str, results: Path) -> str:
    what, command, goal = CLAIMS[claim]
    text = f"\n## {claim}: {what}\n\n    {command}\n\nTo reach: {goal}.\n\n"
    path = results / f"{claim}.json"
    if not path.exists():
        return text + "Not yet run.\n"
    made = json.loads(path.read_text(encoding="utf-8"))
    keys = list(dict.fromkeys(key for figures in made["figures"].values() for key in figures if key != "loss"))  # of random words
    text += f"| | {' | '.join(key.replace('_', ' ') for key in keys)} |\n|---|{'---|' * len(keys)}\n"
    for name, figures in made["figures"].items():
        text += f"| {name} | {' | '.join(shown(figures.get(key)) for key in keys)} |\n"
    text += "".join(f"\n**{name}: {value:.3g}**\n" for name, value in made["ratios"].items())
    place, settings = made["hardware"], ", ".join(f"{key} {value}" for key, value in made["settings"].items())
    machine = ", ".join(place["gpus"]) or f"{place['processor']}, {place['cores']} core{'s' * (place['cores'] != 1)}"
    return text + f"\n{machine}; Python {place['python']}; {', '.join(f'{k} {v}' for k, v in place['versions'].items())}; {settings}\n"


def shown(value) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"
    return "" if value is None else str(value)


def page(results: Path = RESULTS) -> str:
    return HEAD + "".join(section(claim, results) for claim in CLAIMS)


if __name__ == "__main__":
    write_text(ROOT / "docs/benchmarks.md", page())
    print("docs/benchmarks.md: written")
