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
    "equality-embedded": ("the same on the embedded model and real text", "python -m benchmarks.equality --weights embedded",
                          "as near to TRL as TRL is to itself with another attention kernel"),
    "nf4": ("QLoRA, one H200", "python -m benchmarks.training --quantize nf4",
            "12 times TRL as published at no more than twice its memory; 2 times TRL packed with Liger"),
    "nf4-9.8gib": ("QLoRA within twice the published recipe's memory",
                 'python -m benchmarks.training --quantize nf4 --gib 9.8 --only ours "TRL as published"', "12 times TRL as published"),
    "nf4-24gib": ("QLoRA within 24 GiB", "python -m benchmarks.training --quantize nf4 --gib 24 --only ours", "trains at 1,024 tokens"),
    "nf4-16gib": ("QLoRA within 16 GiB", "python -m benchmarks.training --quantize nf4 --gib 16 --only ours", "trains at 1,024 tokens"),
    "gpus": ("several H200s", "python -m benchmarks.gpus --most 4", "2 GPUs 1.85 times one, 4 GPUs 3.6 times"),
    "prediction": ("512 prompts, one H200", "python -m benchmarks.prediction", "20 times one prompt at a time"),
    "cpu": ("the embedded default's training step, CPU", "python -m benchmarks.cpu", "below TRL's"),
}
UNSHOWN = ("loss", "losses")  # of random words; too many for a table
HEAD = """# Benchmarks

Each command runs the peer and this repository one after the other on the same machine and prints the ratio; models have random weights
of the true shape, rows are of 100 to 1,024 tokens with a mean of about 400. `--scale tiny` runs each on any CPU, which shows that it runs and
nothing more. This page is written by `python -m benchmarks.page` from `benchmarks/results/*.json`. Unsloth is no peer here: its version 2026.10.9
asks for trl <= 1.15, transformers <= 5.17 and datasets < 5, and this repository has later ones.
"""


def section(claim: str, results: Path) -> str:
    what, command, goal = CLAIMS[claim]
    text = f"\n## {claim}: {what}\n\n    {command}\n\nTo reach: {goal}.\n\n"
    path = results / f"{claim}.json"
    if not path.exists():
        return text + "Not yet run.\n"
    made = json.loads(path.read_text(encoding="utf-8"))
    keys = list(dict.fromkeys(key for figures in made["figures"].values() for key in figures if key not in UNSHOWN))
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
    if isinstance(value, int) and value >= 100_000:
        return f"{value:,}"
    return "" if value is None else str(value)


def table(head: list[str], rows: list[list]) -> str:
    lines = [head, ["---"] * len(head), *([shown(cell) for cell in row] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def shapes(results: Path) -> str:
    """The recipes' models at their true shapes: one file a recipe."""
    text = "\n## shapes: what a recipe's training takes at its model's true shape, one H200\n\n    python -m benchmarks.shapes --steps 10\n\n"
    made = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(results.glob("shapes-*.json"))]
    if not made:
        return text + "Not yet run.\n"
    keys = ["parameters", "quantize", "rows_a_step", "longest_row", "seconds_per_step", "tokens_per_second", "peak_gib", "checkpointing",
            "attention"]
    text += table(["recipe", *(key.replace("_", " ") for key in keys)], [[one["recipe"], *(one[key] for key in keys)] for one in made])
    return text + "\nPacks grow with the memory that is free; train.batch_tokens sets another bound.\n"


def data_stages(results: Path) -> str:
    """Time and memory of the stages before training: one entry for each number of rows."""
    text = ("\n## data_stages: curate, format and split on rows of xLAM's shape, two cores\n\n    python -m benchmarks.data_stages --rows 60000\n\n"
            "To reach: 60,000 rows in 90 s and 1 GiB; 600,000 in ten times that and the same memory.\n\n")
    if not (path := results / "data_stages.json").exists():
        return text + "Not yet run.\n"
    made = json.loads(path.read_text(encoding="utf-8"))
    rows = [[f"{run['rows']:,}", run["cores"], name, *(one[key] for key in ("seconds", "processor_seconds", "peak_mib"))]
            for run in made["runs"] for name, one in [*run["stages"].items(), ("together", run["together"])]]
    text += table(["rows", "cores", "stage", "seconds", "processor seconds", "peak MiB"], rows)
    text += "".join(f"\n**datasets.map / ours, processor seconds of format on {run['peer']['rows']:,} rows: {run['peer']['ratio']:.3g}**\n"
                    for run in made["runs"] if "peer" in run)
    return text + f"\n{made['hardware']['processor']}; {', '.join(f'{k} {v}' for k, v in made['versions'].items())}\n"


def page(results: Path = RESULTS) -> str:
    return HEAD + "".join(section(claim, results) for claim in CLAIMS) + shapes(results) + data_stages(results)


if __name__ == "__main__":
    write_text(ROOT / "docs/benchmarks.md", page())
    print("docs/benchmarks.md: written")
