"""A made-up run with every file that the report reads, scored by the real scorers; some of its text is hostile.

    write(Path("."), sizes={"held_out": 120, "no_tool": 60, "multi_turn": 60})
"""

import base64
import json
import random
from pathlib import Path

import yaml

from stages import evaluate, gate, overlap
from stages import params as parameters
from stages.checks import Check
from stages.files import write_json, write_jsonl
from stages.format import quantiles
from stages.formats._tags import parse

ROOT = Path(__file__).parents[2]
RAW = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
SUBJECTS = {"base": 0.25, "prompted": 0.4, "tuned": 0.8}  # how often each is right
CITIES = ["Hull", "Oslo", "Lima", "Kyoto", "São Paulo", "Ny-Ålesund"]
DOMAINS = ["weather", "files", "calendar", "maps", "finance", "social"]
SCRIPT = "</script><script>window.planted = 1</script><img src=x onerror='window.planted = 2'>"
HOSTILE = [
    SCRIPT,
    "<!--<script>",
    "]]></style><svg/onload=window.planted=3>",
    "&lt;b&gt; &amp; \"quotes\" 'single' `ticks` ${planted} {{script}} {{cases}}",
    "\u2028\u2029\u0000\u202eright to left\u202c \ud800 lone",
    "A" * 3000,
]
PIXEL = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")


def tools(count: int = 40) -> list[dict]:
    kinds = {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 1}, "units": {"type": "string", "enum": ["metric", "imperial"]},
             "account": {"type": "integer"}}
    return [{"name": f"{DOMAINS[i % 6]}_{['get', 'list', 'find', 'set'][i % 4]}_{i}", "description": f"Tool number {i} of {DOMAINS[i % 6]}.",
             "parameters": {"type": "object", "properties": kinds, "required": ["city"]}} for i in range(count)]


def write_calls(calls: list[dict]) -> str:
    return "\n".join(f"<tool_call>\n{json.dumps(call, ensure_ascii=False)}\n</tool_call>" for call in calls)


def example(id: str, suite: str, rng: random.Random, offered: list[dict]) -> dict:
    tool, city, days = rng.choice(offered), rng.choice(CITIES), rng.randint(1, 9)
    asked = [{"role": "user", "content": f"What about {city} for the next {days} days? Use {tool['description'].lower()}"}]
    labels = {"kind": "single", "turns": "single", "domain": tool["name"].split("_")[0], "complexity": "simple", "tools": "held_out"}
    made = {"id": id, "source": "made-up", "messages": asked, "tools": offered, "calls": None, "reply": None, "group": None, "labels": labels}
    if suite == "no_tool":
        return made | {"reply": "None of my tools can do that.", "labels": labels | {"kind": "no_tool"}}
    call = {"name": tool["name"], "arguments": {"city": city, "days": days, "account": 12345678901234567890}}
    if suite == "multi_turn":
        first = {"role": "assistant", "content": "", "tool_calls": [{"type": "function", "function": call}]}
        result = {"role": "tool", "content": '{"ok": true, "note": "<b>not bold</b>"}'}
        messages = [*asked, first, result, {"role": "user", "content": f"and {city} again, twice?"}]
        made |= {"messages": messages, "labels": labels | {"turns": "context", "kind": "parallel"}}
        return made | {"calls": [call, {"name": offered[0]["name"], "arguments": {"city": rng.choice(CITIES)}}]}
    if suite == "structured":
        made |= {"tools": [], "schema": {"title": tool["name"], **tool["parameters"]}, "reply": json.dumps(call["arguments"], ensure_ascii=False)}
        return made | {"labels": labels | {"kind": "structured"}}
    if suite.startswith("bfcl_"):  # the benchmark accepts more than one spelling
        options = {name: [value] for name, value in call["arguments"].items()} | {"city": [city, city.upper()]}
        made |= {"accepted": [{tool["name"]: options}], "labels": labels | {"category": suite.removeprefix("bfcl_")}}
    return made | {"calls": [call]}


def completion(example: dict, right: bool, rng: random.Random) -> str:
    """A raw completion: gold, or one of the ways to be wrong."""
    calls = json.loads(json.dumps(example["calls"] or []))
    if right:
        return write_calls(calls) if calls else example["reply"]
    if "schema" in example:
        return rng.choice([example["reply"][:-1], f"Here: {example['reply']}", '{"city": 5}', '{"city": "Rome"}', *HOSTILE])
    if not calls:
        return write_calls([{"name": example["tools"][0]["name"], "arguments": {"city": rng.choice(CITIES)}}])
    first = calls[0]["arguments"]
    way = rng.randrange(8)
    if way == 0:
        first["city"] = first["city"].upper() if example.get("accepted") else first["city"] + " upon Tyne"
    elif way == 1:
        first["days"] = str(first["days"])
    elif way == 2:
        first.pop("days")
    elif way == 3:
        first["<i>made</i>"] = rng.choice(HOSTILE[:4])
    elif way == 4:
        calls[0]["name"] = rng.choice(["no_such_tool", "<script>alert(1)</script>"])
    elif way == 5:
        return write_calls(calls)[:-20]
    elif way == 6:
        return rng.choice(["I would rather not.", *HOSTILE])
    else:
        calls.append({"name": example["tools"][-1]["name"], "arguments": {}})
    return write_calls(calls)


def params(**changes) -> parameters.Params:
    """The parameters of the repository. Their suites stay as they are: which ones the page shows, the cases say."""
    return parameters.parse(RAW | {"subjects": list(SUBJECTS)} | changes)


def write(folder, sizes: dict[str, int], subjects: dict[str, float] = SUBJECTS, seed: int = 0, used: parameters.Params | None = None) -> dict:
    """Writes the run under `folder` and returns the scored cases: suite -> subject -> rows. used: its parameters, for gate and seeds."""
    rng, catalogue, cases = random.Random(seed), tools(), {}
    for suite, size in sizes.items():
        rows = [{"example": example(f"{suite}-{i:04d}", suite, rng, rng.sample(catalogue, rng.randint(1, 8)))} for i in range(size)]
        if rows and suite == next(iter(sizes)):
            rows[0]["example"]["messages"][0]["content"] = f"planted {SCRIPT}"
        write_jsonl(folder / f"data/suites/{suite}.jsonl", [row | {"prompt": "...", "completion": "..."} for row in rows])
        cases[suite] = {}
        for subject, skill in subjects.items():
            predictions = [{"id": row["example"]["id"], "completion": completion(row["example"], rng.random() < skill, rng), "finish": "stop",
                            "tokens": rng.randint(5, 60)} for row in rows]
            path = folder / f"data/predictions/{subject}/{suite}.jsonl"
            path.parent.mkdir(parents=True, exist_ok=True)  # ensure_ascii: a lone surrogate is no UTF-8
            path.write_text("".join(json.dumps(one) + "\n" for one in predictions), encoding="utf-8")
            if subject == "gpt":
                predictions = [one | {"prompt_tokens": 100, "answer": {}} for one in predictions]
                path.write_text("".join(json.dumps(one) + "\n" for one in predictions), encoding="utf-8")
            cases[suite][subject] = [evaluate.score(row, one, parse) for row, one in zip(rows, predictions)]
        for number in used.seeds if used else ():
            again = [completion(row["example"], rng.random() < subjects["tuned"], rng) for row in rows]
            scored = [evaluate.score(row, {"completion": text, "finish": "stop", "tokens": 9}, parse) for row, text in zip(rows, again)]
            path = folder / f"data/cases/seeds/{number}/{suite}.jsonl"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("".join(json.dumps(one) + "\n" for one in scored), encoding="utf-8")
    write_rest(folder, sizes)
    used = used or params(subjects=list(subjects))
    rows = gate.judged(cases, used)
    write_json(folder / "metrics/gate.json", gate.report({name: gate.checks(rows, name, used) for name in gate.local_subjects(used)}))
    return cases


def loss_log(steps: int = 250) -> list[dict]:
    rng = random.Random(1)
    rows = [{"step": max(1, step), "epoch": step / steps, "loss": round(2.1 * 0.5 ** (step / 30) + 0.4 + rng.uniform(-0.04, 0.04), 4),
             "num_tokens": 900 * max(1, step)} for step in range(0, steps + 1, 10)]
    return rows + [{"step": step, "eval_loss": round(0.5 + 50 / (step + 40), 4)} for step in range(50, steps + 1, 50)]


def write_rest(folder, sizes: dict[str, int]) -> None:
    write_jsonl(folder / "models/log/loss.jsonl", loss_log())
    shown = [{"not_supervised": f"<|im_start|>user\nrow {i}: {HOSTILE[i]}<|im_end|>\n<|im_start|>assistant\n",
              "supervised": f"I see {HOSTILE[i]}<|im_end|>"} for i in range(4)]
    write_json(folder / "models/log/mask.json", {"rows_checked": 1000, "batches": 250, "completion_only_loss": True, "tokens": 654321,
                                                 "supervised_tokens": 43210, "supervised_share": 0.066038, "examples": [*shown, shown[0]]})
    rejected = {"bad_json": 3, "duplicate": 20, "call_of_unoffered_tool": 7}
    labels = {"kind": {"single": 3000, "no_tool": 1970}, "domain": {name: 700 for name in DOMAINS} | {"<b>other</b>": 770}}
    write_json(folder / "metrics/data/curate.json", {"source": "embedded", "read": 5000, "kept": 4970, "rejected": rejected, "labels": labels})
    lengths = quantiles([300 + 7 * i for i in range(200)])
    write_json(folder / "metrics/data/format.json", {"dialect": "tool_tags", "model": "models/embedded", "rows": 4970, "kept": 4960,
                                                     "rejected": {"too_long": 10}, "prompt_tokens": lengths,
                                                     "completion_tokens": quantiles(list(range(8, 120)))})
    sharing = {f"test_rows_sharing_{key}_with_train": number for key, number in zip(overlap.SHARED, (0, 0, 400, 900))}
    write_json(folder / "metrics/data/split.json", {"by": "tool", "train": 1000, "valid": 64, "test": 1200, "held_out_tools": 60,
                                                    "left_out": {"beyond_split.train": 2600, "query_in_training": 96}, **sharing, "suites": sizes})
    cost = Check("no_tool", "cost on no tool", 0.1, -0.02, 0.22, 0.05, 100, True, "share right of base minus that of tuned")
    write_json(folder / "metrics/budget.json", {
        "verdict": cost.verdict, "text_loss": {"base": 4.1, "tuned": 4.2}, "checks": {cost.name: cost.to_json()}})
    (folder / "plots").mkdir(exist_ok=True)
    for name in ("exact_match", "outcomes", "loss", "optimiser", "tokens"):
        (folder / f"plots/{name}.png").write_bytes(PIXEL)
    (folder / "models/tuned").mkdir()
    (folder / "models/tuned/adapter_model.safetensors").write_bytes(bytes(123456))
    write_jsonl(folder / "data/split/train.jsonl", [{"prompt_tokens": 200 + i % 500, "completion_tokens": 20 + i % 60} for i in range(1000)])
