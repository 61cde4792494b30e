"""format: Examples as exact prompt and completion text, each proved before anything is trained on it.

    python -m stages.format     ->  data/formatted.jsonl  data/format_rejects.jsonl  metrics/data/format.json

The gate, for every row: the completion is read back by the dialect's parser and equals the gold; the prompt is a
true prefix of the whole; the completion ends with the token at which the model stops, and has it nowhere else; tokens of
prompt and completion add up to the tokens of the whole; there is no double start token; the row fits the model.
"""

import json
import os
import sys
import time
from array import array
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from multiprocessing import get_context
from threading import Thread

from stages import formats, template
from stages.console import main_guard, progress, say
from stages.errors import FileError, RowError, StageError
from stages.files import atomic, open_text, read_json, write_json
from stages.formats._json import answered
from stages.masking import masked
from stages.params import Params, load
from stages.schema import Call, Example, dumps

BATCH = 512  # rows tokenised together
MOST = 8  # processes; more wait for the one that writes


def check_target(example: Example, parsed) -> None:
    """The completion, read back, must be the gold."""
    if "arguments_as_text" in parsed.defects:  # it reads well here, but a model that learns it writes what no plain reader takes
        raise RowError("arguments_as_text", "the chat template writes a call's arguments as JSON text in quotes: "
                       "let it write `arguments | tojson` of the object, once, or choose dialect tool_tags")
    if parsed.defects:
        raise RowError("gold_malformed", f"the gold itself reads as {', '.join(parsed.defects)}")
    if example.calls:
        if as_json(parsed.calls) != as_json(example.calls):
            raise RowError("calls_not_read_back", f"written {example.calls[0].name}, read {[c.name for c in parsed.calls]}")
    elif parsed.attempted or parsed.calls:
        raise RowError("reply_reads_as_call", "the reply holds call marks")
    elif parsed.reply.split() != example.reply.split():
        raise RowError("reply_not_read_back", f"read {parsed.reply[:80]!r}")


def check_answer(example: Example, text: str) -> None:
    """The JSON object that a dialect's answer holds, read back, must be the gold."""
    made, defects = answered(text)
    if defects or json.dumps(made, sort_keys=True) != json.dumps(json.loads(example.reply), sort_keys=True):
        raise RowError("answer_not_read_back", f"read {text[:80]!r}")


def as_json(calls: list[Call]) -> list[tuple[str, str]]:
    """Calls to be compared: to Python 1, 1.0 and True are equal, in JSON they are not."""
    return [(call.name, json.dumps(call.arguments, sort_keys=True)) for call in calls]


def check_tokens(prompt: list[int], completion: list[int], whole: list[int], tmpl, max_tokens: int) -> None:
    if prompt + completion != whole:
        raise RowError("tokens_differ_at_boundary", "prompt and completion, tokenised apart, are not the tokens of the whole")
    if completion[-1] not in tmpl.ends:
        raise RowError("no_end_token", f"the completion ends with token {completion[-1]}, the model stops at {tmpl.ends}")
    if any(token in tmpl.ends for token in completion[:-1]):
        raise RowError("end_token_inside", "the model would stop before the completion's end")
    start = tmpl.tokenizer.bos_token_id
    if start is not None and whole[:2] == [start, start]:
        raise RowError("double_start_token", f"the text begins twice with {tmpl.tokenizer.bos_token!r}")
    if len(whole) > max_tokens:
        raise RowError("too_long", f"{len(whole)} tokens are more than model.max_tokens ({max_tokens})")


def formatted(examples: Iterator[Example], dialect, tmpl, max_tokens: int, reject) -> Iterator[dict]:
    """Rows {"id", "prompt", "completion", "prompt_tokens", "completion_tokens", "example"} that pass the gate."""
    while batch := list(islice(examples, BATCH)):
        rendered = []
        for example in batch:
            try:
                text = dialect.render(example, tmpl)
                end = max((t for t in tmpl.end_texts if text.completion.endswith(t)), key=len)
                written = text.completion.removesuffix(end)
                if example.schema is not None:
                    check_answer(example, dialect.answer(written))
                else:
                    check_target(example, dialect.parse(written))
                rendered.append((example, text))
            except RowError as error:
                reject(example, error)
        ids = tmpl.ids_of_turns([text for _, text in rendered])
        for (example, text), (prompt, completion, whole) in zip(rendered, ids):
            try:
                check_tokens(prompt, completion, whole, tmpl, max_tokens)
            except RowError as error:
                reject(example, error)
                continue
            yield {"id": example.id, "prompt": text.prompt, "completion": text.completion,
                   "prompt_tokens": len(prompt), "completion_tokens": len(completion), "example": example.to_json()}


def with_masked(rows: Iterator[dict], dialect, tmpl, max_tokens: int, reject) -> Iterator[dict]:
    """The rows; those that a masked variant can be made of, which passes the gate as well, have it under "masked" (without example)."""
    while batch := list(islice(rows, BATCH)):
        examples = (Example.from_json(row["example"]) for row in batch if "category" not in row["example"]["labels"])
        variants = filter(None, map(masked, examples))
        made = {row["id"]: row for row in formatted(variants, dialect, tmpl, max_tokens, reject)}
        for row in batch:
            if row["id"] in made:
                row["masked"] = {key: value for key, value in made[row["id"]].items() if key not in ("id", "example")}
            yield row


@dataclass
class Made:
    """What became of a batch of lines of data/curated.jsonl: lines to be written, and counts."""

    rows: list[str] = field(default_factory=list)
    rejects: list[str] = field(default_factory=list)
    reasons: Counter = field(default_factory=Counter)
    lengths: list[tuple[int, int]] = field(default_factory=list)  # tokens of prompt and completion
    maskable: int = 0  # rows with a masked variant
    unmasked: Counter = field(default_factory=Counter)  # variants that failed the gate, by reason


def read(line: str) -> Example:
    """Raises FileError; `make` has no number of the line, as its batch may be any."""
    try:
        return Example.from_json(json.loads(line))
    except ValueError as error:
        raise FileError(f"data/curated.jsonl has a line that is not JSON ({error}): run `dvc repro curate` again.") from None


def make(lines: list[str], dialect, tmpl, max_tokens: int, masking: bool = False) -> Made:
    made = Made()

    def reject(example, error):
        made.reasons[error.reason] += 1
        made.rejects.append(dumps({"id": example.id, "reason": error.reason, "detail": error.detail[:300]}) + "\n")

    rows = formatted(map(read, lines), dialect, tmpl, max_tokens, reject)
    if masking:
        rows = with_masked(rows, dialect, tmpl, max_tokens, lambda example, error: made.unmasked.update([error.reason]))
    for row in rows:
        made.rows.append(dumps(row) + "\n")
        made.lengths.append((row["prompt_tokens"], row["completion_tokens"]))
        made.maskable += "masked" in row
    return made


# --- over several processes ---------------------------------------------------------------------------------

WORKER = {}  # in a worker process: what `make` takes beside the lines


def begin(params: Params) -> None:
    """Starts a worker process: its own tokenizer, with one thread, as there is a process for each core."""
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    Thread(target=end_without, args=(os.getppid(),), daemon=True).start()
    WORKER.update(dialect=formats.get(params.dialect), tmpl=template.load(params.model), max_tokens=params.model.max_tokens,
                  masking=params.format.masking > 0)


def end_without(parent: int) -> None:
    """Ends this process when its parent has gone: after `kill -9` it would else wait for work for ever."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(143)


def make_here(lines: list[str]) -> Made:
    return make(lines, **WORKER)


def made_in_order(batches: Iterator[list[str]], params: Params, workers: int) -> Iterator[Made]:
    """`make` of each batch by `workers` processes, in the order of the batches; at most two a process wait at a time."""
    method = "fork" if sys.platform == "linux" else "spawn"  # a fork shares the imported libraries' memory; elsewhere it is unsafe
    waiting = deque()
    with ProcessPoolExecutor(workers, get_context(method), begin, (params,)) as pool:
        for batch in batches:
            waiting.append(pool.submit(make_here, batch))
            if len(waiting) > 2 * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def cores() -> int:
    """The processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def quantiles(values: Iterable[int]) -> dict:
    """Shortest, median, 95th percentile and longest of token counts."""
    ordered = sorted(values) or [0]
    return {"min": ordered[0], "median": ordered[len(ordered) // 2], "p95": ordered[int(len(ordered) * 0.95)], "max": ordered[-1]}


@main_guard
def main() -> None:
    params = load()
    tmpl, dialect = template.load(params.model), formats.get(params.dialect)
    dialect.fits(tmpl)
    counts = read_json("metrics/data/curate.json")
    total = counts["kept"] + sum(counts[name]["kept"] for name in ("benchmark", "hand") if name in counts) + counts.get("structured", 0)
    workers = min(cores(), MOST, total // (4 * BATCH))  # few rows are done before a process has started
    rejected, prompts, completions, maskable, unmasked = Counter(), array("L"), array("L"), 0, Counter()
    options = dialect, tmpl, params.model.max_tokens, params.format.masking > 0
    with atomic("data/formatted.jsonl") as out, atomic("data/format_rejects.jsonl") as rejects, progress(total, "format") as bar, \
            open_text("data/curated.jsonl") as lines:
        batches = iter(lambda: list(islice(lines, BATCH)), [])
        for made in made_in_order(batches, params, workers) if workers > 1 else (make(b, *options) for b in batches):
            out.writelines(made.rows)
            rejects.writelines(made.rejects)
            rejected.update(made.reasons)
            prompts.extend(prompt for prompt, _ in made.lengths)
            completions.extend(completion for _, completion in made.lengths)
            maskable += made.maskable
            unmasked.update(made.unmasked)
            bar.update(len(made.rows) + len(made.rejects))
    report(params, total, rejected, prompts, completions, {"rows": maskable, "rejected": dict(sorted(unmasked.items()))})


def report(params, total: int, rejected: Counter, prompts: array, completions: array, variants: dict) -> None:
    failed = sum(rejected.values())
    write_json("metrics/data/format.json", {
        "dialect": params.dialect, "model": params.model.name, "rows": total, "kept": len(prompts), "rejected": dict(sorted(rejected.items())),
        "prompt_tokens": quantiles(prompts), "completion_tokens": quantiles(completions),
        **({"masked": variants} if params.format.masking else {}),
    })
    reasons = ", ".join(f"{reason} {count}" for reason, count in sorted(rejected.items())) or "none"
    say(f"format: {total} rows in, {len(prompts)} proved; rejected: {reasons} (data/format_rejects.jsonl)")
    if failed > params.format.max_rejected * total:
        raise StageError(f"{failed} of {total} rows fail the gate, more than format.max_rejected ({params.format.max_rejected}): {reasons}; "
                         "see data/format_rejects.jsonl, or choose another dialect.")


if __name__ == "__main__":
    main()
