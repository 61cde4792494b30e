"""format: Examples as exact prompt and completion text, each proved before anything is trained on it.

    python -m stages.format     ->  data/formatted.jsonl  data/format_rejects.jsonl  metrics/data/format.json

The gate, for every row: the completion is read back by the dialect's parser and equals the gold; the prompt is a
true prefix of the whole; the completion ends with the token at which the model stops, and has it nowhere else; tokens of
prompt and completion add up to the tokens of the whole; there is no double start token; the row fits the model.
"""

import json
from collections import Counter
from collections.abc import Iterator
from itertools import islice

from stages import formats, template
from stages.console import main_guard, progress, say
from stages.errors import RowError, StageError
from stages.files import atomic, read_json, read_jsonl, write_json
from stages.formats._json import answered
from stages.params import load
from stages.schema import Call, Example, dumps

BATCH = 512  # rows tokenised together


def check_target(example: Example, parsed) -> None:
    """The completion, read back, must be the gold."""
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
        texts = [part for _, text in rendered for part in (text.prompt, text.completion, text.prompt + text.completion)]
        ids = tmpl.batch_ids(texts)
        for index, (example, text) in enumerate(rendered):
            prompt, completion, whole = ids[3 * index : 3 * index + 3]
            try:
                check_tokens(prompt, completion, whole, tmpl, max_tokens)
            except RowError as error:
                reject(example, error)
                continue
            yield {"id": example.id, "prompt": text.prompt, "completion": text.completion,
                   "prompt_tokens": len(prompt), "completion_tokens": len(completion), "example": example.to_json()}


def quantiles(values: list[int]) -> dict:
    """Shortest, median, 95th percentile and longest of token counts."""
    ordered = sorted(values) or [0]
    return {"min": ordered[0], "median": ordered[len(ordered) // 2], "p95": ordered[int(len(ordered) * 0.95)], "max": ordered[-1]}


@main_guard
def main() -> None:
    params = load()
    tmpl, dialect, rejected, lengths = template.load(params.model), formats.get(params.dialect), Counter(), []
    dialect.fits(tmpl)
    counts = read_json("metrics/data/curate.json")
    total = counts["kept"] + sum(counts[name]["kept"] for name in ("benchmark", "hand") if name in counts) + counts.get("structured", 0)
    with atomic("data/formatted.jsonl") as out, atomic("data/format_rejects.jsonl") as rejects, progress(total, "format") as bar:

        def reject(example, error):
            rejected[error.reason] += 1
            rejects.write(dumps({"id": example.id, "reason": error.reason, "detail": error.detail[:300]}) + "\n")

        examples = (Example.from_json(row) for row in read_jsonl("data/curated.jsonl"))
        for row in formatted(examples, dialect, tmpl, params.model.max_tokens, reject):
            out.write(dumps(row) + "\n")
            lengths.append((row["prompt_tokens"], row["completion_tokens"]))
            bar.update()
    report(params, total, rejected, lengths)


def report(params, total: int, rejected: Counter, lengths: list[tuple[int, int]]) -> None:
    failed = sum(rejected.values())
    write_json("metrics/data/format.json", {
        "dialect": params.dialect, "model": params.model.name, "rows": total, "kept": len(lengths), "rejected": dict(sorted(rejected.items())),
        "prompt_tokens": quantiles([p for p, _ in lengths]), "completion_tokens": quantiles([c for _, c in lengths]),
    })
    reasons = ", ".join(f"{reason} {count}" for reason, count in sorted(rejected.items())) or "none"
    say(f"format: {total} rows in, {len(lengths)} proved; rejected: {reasons} (data/format_rejects.jsonl)")
    if failed > params.format.max_rejected * total:
        raise StageError(f"{failed} of {total} rows fail the gate, more than format.max_rejected ({params.format.max_rejected}): {reasons}; "
                         "see data/format_rejects.jsonl, or choose another dialect.")


if __name__ == "__main__":
    main()
