"""cost: what the training took, what a million tokens cost here and at an endpoint, and when the training has paid for itself.

    python -m stages.cost       models/.timing/  ->  cost.json, and two tables on the screen

Run times differ over equal runs, so nothing here is an output that DVC hashes: models/.timing has them where the stages ran, and
figures that were not measured here (a result from DVC's cache) are said to be missing. Prices are in the one currency
of `cost.hour` and `endpoints.*.price`. docs/gate.md has an example.
"""

import math
from dataclasses import asdict, dataclass
from pathlib import Path

from stages.console import main_guard, say
from stages.files import read_json, read_jsonl, write_json
from stages.params import Params, load

TIMING = Path("models/.timing")


@dataclass(frozen=True)
class Training:
    """seconds: of all steps of one adapter; `scaled` where only the steps after an interruption were timed. price: None without cost.hour."""

    seed: int
    seconds: float
    steps: int
    scaled: bool
    tokens_per_second: float | None
    peak_memory_gib: float | None
    price: float | None


@dataclass(frozen=True)
class Use:
    """What one subject used for the requests of all suites together. Tokens are prompt and completion, as its own tokenizer counts them.

    seconds: of generation here, the loading of the model included; None at an endpoint. million, thousand: the price of a million
    tokens and of a thousand such requests; None where the price of an hour or of tokens is not in the parameters.
    """

    subject: str
    endpoint: bool
    requests: int
    prompt_tokens: int | None
    completion_tokens: int | None
    seconds: float | None
    tokens_per_second: float | None
    million: float | None
    thousand: float | None


def trainings(params: Params) -> list[Training]:
    """One entry for each seed whose training was timed here."""
    found = []
    for seed in (params.seed, *params.seeds):
        path = TIMING / "train.json" if seed == params.seed else TIMING / f"seeds/{seed}/train.json"
        log = Path("models/log/loss.jsonl") if seed == params.seed else Path(f"models/seeds/{seed}/log/loss.jsonl")
        if not path.is_file() or not log.is_file():
            continue
        timing, steps = read_json(path), max(row["step"] for row in read_jsonl(log) if "step" in row)
        timed = timing.get("steps") or steps
        seconds = timing["seconds"] * max(1.0, steps / timed)
        found.append(Training(seed, round(seconds, 1), steps, timed < steps, timing.get("tokens_per_second"), timing.get("peak_memory_gib"),
                              priced(params, seconds)))
    return found


def priced(params: Params, seconds: float) -> float | None:
    return None if params.cost.hour is None else seconds / 3600 * params.cost.hour


def use(name: str, params: Params) -> Use | None:
    """One subject over all suites; None when not all of its answers were timed here."""
    paths = [TIMING / "predict" / name / f"{suite}.json" for suite in params.suites]
    if not all(path.is_file() for path in paths):
        return None
    parts, endpoint = [read_json(path) for path in paths], params.endpoints.get(name)
    requests, prompt, made, seconds = (_sum(parts, key) for key in ("requests", "prompt_tokens", "completion_tokens", "seconds"))
    tokens = prompt + made if prompt is not None and made is not None else None
    if endpoint:
        total = (prompt * endpoint.price.input + made * endpoint.price.output) / 1e6 if endpoint.price and tokens is not None else None
    else:
        total = priced(params, seconds)
    priced_out = total is not None and tokens and requests
    return Use(name, bool(endpoint), requests, prompt, made, seconds=None if endpoint else seconds,
               tokens_per_second=tokens / seconds if tokens and seconds and not endpoint else None,
               million=total / tokens * 1e6 if priced_out else None, thousand=total / requests * 1000 if priced_out else None)


def _sum(parts: list[dict], key: str) -> float | None:
    values = [part.get(key) for part in parts]
    return None if None in values else sum(values)


def break_even(spent: float | None, here: float | None, there: float | None) -> int | None:
    """Requests after which the training has paid for itself, from its price and that of a thousand requests; None where it never does."""
    if None in (spent, here, there) or here >= there:
        return None
    return math.ceil(spent * 1000 / (there - here))


def measure(params: Params) -> dict:
    """What cost.json holds."""
    trained, uses = trainings(params), {name: use(name, params) for name in params.subjects}
    spent = None if not trained or params.cost.hour is None else sum(one.price for one in trained)
    local = uses.get("tuned")
    against = {name: break_even(spent, local and local.thousand, one.thousand) for name, one in uses.items() if one and one.endpoint}
    return {"hour": params.cost.hour, "training": [asdict(one) for one in trained],
            "subjects": {name: one and asdict(one) for name, one in uses.items()}, "break_even_requests": against}


def table(found: dict) -> list[str]:
    """The lines on the screen for what `measure` found."""
    lines = [f"{'training':<12} {'seconds':>9} {'steps':>7} {'tokens/s':>9} {'GiB':>6} {'price':>10}"]
    for one in found["training"]:
        lines.append(f"seed {one['seed']:<7} {one['seconds']:>9,.1f} {one['steps']:>7,} {_number(one['tokens_per_second'], 9, 0)} "
                     f"{_number(one['peak_memory_gib'], 6, 2)} {_number(one['price'], 10, 4)}{' (scaled from a part)' if one['scaled'] else ''}")
    if not found["training"]:
        lines.append("no training was timed here: its result came from DVC's cache, or models/.timing was removed")
    lines += ["", f"{'subject':<12} {'requests':>9} {'tokens':>11} {'seconds':>9} {'tokens/s':>9} {'a million tokens':>17} {'1,000 requests':>15}"]
    for name, one in found["subjects"].items():
        if one is None:
            lines.append(f"{name:<12} not timed here: its answers came from DVC's cache, or models/.timing was removed")
            continue
        tokens = None if one["prompt_tokens"] is None else one["prompt_tokens"] + one["completion_tokens"]
        numbers = (tokens, 11, 0), (one["seconds"], 9, 1), (one["tokens_per_second"], 9, 0), (one["million"], 17, 4), (one["thousand"], 15, 4)
        lines.append(f"{name:<12} {one['requests']:>9,} {' '.join(_number(*number) for number in numbers)}")
    if found["hour"] is None:
        lines.append("cost.hour is null: give the price of an hour of this machine to have prices (-S cost.hour=0.5)")
    for name, requests in found["break_even_requests"].items():
        after = f"after {requests:,} requests" if requests is not None else "never, or not known: a request here must be priced, and below one there"
        lines.append(f"break-even against {name}: {after}")
    return lines


def _number(value: float | None, width: int, digits: int) -> str:
    return f"{'-' if value is None else f'{value:,.{digits}f}':>{width}}"


@main_guard
def main() -> None:
    found = measure(load())
    write_json("cost.json", found)
    say("\n".join(table(found)))


if __name__ == "__main__":
    main()
