"""Time and memory of curate, format and split on rows of xLAM's shape, and of the format step's peer, `datasets.map`.

    python -m benchmarks.data_stages --rows 60000      ->  benchmarks/results/data_stages.json (one entry for each number of rows)

The rows are made from data/embedded: its 512 tools under seven names each (3,584; xLAM has about 3,600), requests of one or
of two of its examples in a row, one to four tools offered, `tools` and `answers` as JSON text with Python's type names.
Processor seconds count what a stage computed, also where other programs held the processors meanwhile.
Memory is the largest sum over a stage's processes (proportional set size, so that shared pages count once), read every 0.2 s.
The peer renders and tokenises the same rows with a Python function in `datasets.map`, as training scripts do, and proves nothing.
"""

import argparse
import json
import os
import platform
import random
import resource
import subprocess
import sys
import tempfile
import threading
import time
from importlib.metadata import version
from pathlib import Path

import psutil
import yaml

ROOT = Path(__file__).parents[1]
RESULT = ROOT / "benchmarks/results/data_stages.json"
TYPES = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "array": "list", "object": "dict"}
NAMES = 7  # under how many names each tool appears
STAGES = ("curate", "format", "split")


# --- rows -------------------------------------------------------------------------------------------------


def flat(tool: dict, name: str) -> dict:
    """A tool as xLAM writes it."""
    parameters = {}
    for key, schema in tool["parameters"].get("properties", {}).items():
        kind = TYPES.get(schema.get("type"), "Any")
        kind = f"List[{TYPES[schema['items']['type']]}]" if kind == "list" and schema.get("items", {}).get("type") in TYPES else kind
        optional = "" if key in tool["parameters"].get("required", ()) else ", optional"
        parameters[key] = {"type": kind + optional, "description": schema.get("description", "")}
    return {"name": name, "description": tool["description"], "parameters": parameters}


def make_rows(path: Path, count: int, seed: int = 7) -> None:
    """`count` rows of xLAM's shape, one a line."""
    rng = random.Random(seed)
    tools = {tool["name"]: tool for tool in map(json.loads, (ROOT / "data/embedded/tools.jsonl").open(encoding="utf-8"))}
    names = sorted(tools)
    examples = [row for row in map(json.loads, (ROOT / "data/embedded/examples.jsonl").open(encoding="utf-8"))
                if row["calls"] and len(row["messages"]) == 1]
    with path.open("w", encoding="utf-8") as out:
        for number in range(count):
            picked = rng.sample(examples, 1 if rng.random() < 0.1 else 2)
            suffix = rng.randrange(NAMES)
            calls = [call for row in picked for call in row["calls"]]
            offered = list(dict.fromkeys([call["name"] for call in calls] + rng.sample(names, rng.randrange(2))))
            renamed = {name: f"{name}_{suffix}" if suffix else name for name in offered}
            out.write(json.dumps({
                "id": number, "query": " Also, ".join(row["messages"][0]["content"] for row in picked),
                "answers": json.dumps([{"name": renamed[call["name"]], "arguments": call["arguments"]} for call in calls], ensure_ascii=False),
                "tools": json.dumps([flat(tools[name], renamed[name]) for name in offered], ensure_ascii=False)}, ensure_ascii=False) + "\n")


def write_params(folder: Path) -> None:
    """The default parameters with xLAM's source and a split by near-duplicate cluster."""
    raw = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    raw["dataset"] |= {"source": "xlam", "path": "rows.jsonl", "track": "rows.jsonl", "limit": None, "min_kept": 100, "structured": 0.0}
    raw["model"] |= {"name": str(ROOT / "models/embedded")}
    raw["split"] |= {"by": "cluster", "held_out": 0.15, "test": 0.05, "valid": 200, "train": None, "train_tokens": None,
                     "irrelevance": None, "missing": None}
    raw["suites"], raw["suite_sizes"] = ["seen_tools", "parallel"], {"default": 1000}
    (folder / "params.yaml").write_text(yaml.safe_dump(raw, sort_keys=False), encoding="utf-8")


# --- measuring ----------------------------------------------------------------------------------------------


def watch(process: psutil.Process, done: threading.Event, peak: list[int]) -> None:
    """Keeps in peak[0] the largest memory, in bytes, of the process and its children together."""
    while not done.wait(0.2):
        try:
            family = [process, *process.children(recursive=True)]
            peak[0] = max(peak[0], sum(getattr(one.memory_full_info(), "pss", one.memory_info().rss) for one in family))
        except psutil.Error:
            pass  # a child ended between two looks


def measured(command: list[str], folder: Path) -> dict:
    """Seconds by the clock and of the processors, and peak memory in MiB, of a command in the folder; its first line."""
    start, before = time.perf_counter(), processor_seconds()
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                               env={**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"})
    done, peak = threading.Event(), [0]
    thread = threading.Thread(target=watch, args=(psutil.Process(process.pid), done, peak))
    thread.start()
    out, err = process.communicate()
    seconds = time.perf_counter() - start
    done.set()
    thread.join()
    if process.returncode:
        sys.exit(f"error: {' '.join(command)} ended with {process.returncode}: {err[-2000:]}")
    return {"seconds": round(seconds, 1), "processor_seconds": round(processor_seconds() - before, 1), "peak_mib": round(peak[0] / 2**20),
            "said": out.strip().splitlines()[0]}


def processor_seconds() -> float:
    """Of all child processes that have ended, and of theirs: what they computed, also while others held the processors."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


PEER = """
import json, sys, datasets
from transformers import AutoTokenizer
tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
def encode(row):
    example = json.loads(row["text"])
    tools = [{"type": "function", "function": tool} for tool in example["tools"]]
    calls = [{"type": "function", "function": call} for call in example["calls"] or []]
    target = {"role": "assistant", "content": example["reply"] or "", **({"tool_calls": calls} if calls else {})}
    prompt = tokenizer.apply_chat_template(example["messages"], tools=tools, add_generation_prompt=True, tokenize=False)
    whole = tokenizer.apply_chat_template([*example["messages"], target], tools=tools, tokenize=False)
    ids = tokenizer(whole, add_special_tokens=False)["input_ids"]
    return {"prompt": prompt, "completion": whole[len(prompt):], "input_ids": ids,
            "prompt_tokens": len(tokenizer(prompt, add_special_tokens=False)["input_ids"])}
table = datasets.load_dataset("text", data_files="data/curated.jsonl", cache_dir="cache")["train"]
table = table.map(encode, num_proc=int(sys.argv[2]) if int(sys.argv[2]) > 1 else None)
table.to_json("peer.jsonl")
print(len(table), "rows")
"""


def cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=60_000)
    parser.add_argument("--peer-rows", type=int, default=6_000, help="rows that datasets.map is timed on; 0 = leave the peer out")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="data_stages.") as name:
        folder = Path(name)
        make_rows(folder / "rows.jsonl", args.rows)
        write_params(folder)
        figures = {}
        for stage in STAGES:
            figures[stage] = measured([sys.executable, "-m", f"stages.{stage}"], folder)
            show(stage, figures[stage], figures[stage]["said"])
        total = {key: round(sum(figures[stage][key] for stage in STAGES), 1) for key in ("seconds", "processor_seconds")}
        total["peak_mib"] = max(figures[stage]["peak_mib"] for stage in STAGES)
        show("together", total, f"{args.rows} rows on {cores()} core(s)")
        entry = {"rows": args.rows, "cores": cores(), "stages": figures, "together": total}
        if args.peer_rows:
            entry["peer"] = peer(folder, min(args.peer_rows, args.rows))
    record(entry)


def show(what: str, found: dict, words: str) -> None:
    times = f"{found['seconds']:7.1f} s by the clock, {found['processor_seconds']:7.1f} s computed"
    print(f"{what:8} {times}, {found['peak_mib']:5} MiB   {words}", flush=True)


def peer(folder: Path, rows: int) -> dict:
    """The format step on the first `rows` curated rows, ours and `datasets.map`, each with its start."""
    lines = (folder / "data/curated.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)[:rows]
    (folder / "data/curated.jsonl").write_text("".join(lines), encoding="utf-8")
    counts = json.loads((folder / "metrics/data/curate.json").read_text())
    (folder / "metrics/data/curate.json").write_text(json.dumps({**counts, "kept": len(lines)}))
    ours = measured([sys.executable, "-m", "stages.format"], folder)
    (folder / "peer.py").write_text(PEER)
    theirs = measured([sys.executable, "peer.py", str(ROOT / "models/embedded"), str(cores())], folder)
    ratio = round(theirs["processor_seconds"] / ours["processor_seconds"], 2)
    show("ours", ours, f"format of {len(lines)} rows with every proof")
    show("peer", theirs, f"datasets.map with a Python function, without proofs; processor seconds are {ratio} times ours")
    return {"rows": len(lines), "ours": ours, "datasets.map": theirs, "ratio": ratio}


def record(entry: dict) -> None:
    """Puts the entry into the result file in place of an earlier one with as many rows and cores."""
    before = json.loads(RESULT.read_text())["runs"] if RESULT.is_file() else []
    runs = [one for one in before if (one["rows"], one["cores"]) != (entry["rows"], entry["cores"])] + [entry]
    packages = ("datasets", "datasketch", "jsonschema-rs", "numpy", "tokenizers", "transformers")
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(json.dumps({
        "hardware": {"processor": processor(), "memory_gib": round(psutil.virtual_memory().total / 2**30)},
        "versions": {"python": platform.python_version(), **{name: version(name) for name in packages}},
        "runs": sorted(runs, key=lambda one: (one["rows"], one["cores"]))}, indent=2) + "\n")


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


if __name__ == "__main__":
    main()
