"""predict: the raw completions of one subject on one suite; nothing is parsed here, so an edited scorer needs no model.

    python -m stages.predict tuned held_out     ->  data/predictions/tuned/held_out.jsonl

A line: {"id": "emb-00017", "completion": "<tool_call>...", "finish": "stop", "tokens": 31}
An endpoint's has as well its prompt tokens and its answer as it gave it (generators/endpoint.py).
"""

import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from stages import formats, generators, launch, template
from stages.console import main_guard, progress, say
from stages.errors import StageError
from stages.files import read_json, read_jsonl, write_json, write_jsonl
from stages.orphan import end_with_parent
from stages.params import Params, load
from stages.schema import Example


def prompt_of(row: dict, subject: dict, params: Params, tmpl) -> tuple[str, int]:
    """(prompt, number of examples in it): as many of the subject's examples as leave room for the answer."""
    if not subject["shots"] and not subject["instructions"]:
        return row["prompt"], 0
    example, dialect = Example.from_json(row["example"]), formats.get(params.dialect)
    shots = [Example.from_json(shot) for shot in subject["shots"]]
    room = params.model.max_tokens - params.predict.max_new_tokens
    for count in range(len(shots), -1, -1):
        prompt = dialect.render(example, tmpl, subject["instructions"], shots[:count]).prompt
        if count == 0 or len(tmpl.ids(prompt)) <= room:
            return prompt, count
    raise AssertionError("unreachable")


def check_adapter(adapter: str | None, name: str) -> None:
    """Raises StageError for an adapter that was trained on another base model: PEFT would put it on this one, where shapes allow."""
    if adapter is None:
        return
    trained_on = read_json(Path(adapter) / "adapter_config.json").get("base_model_name_or_path")
    if trained_on != name:
        raise StageError(f"{adapter} is an adapter of {trained_on!r}, but model.name is {name!r}: run `dvc repro` to train again.")


def completions(subject: dict, rows: list[dict], prompts: Sequence[str], shots: Sequence[int], params: Params, tmpl,
                name: str, suite: str) -> Iterator[generators.Completion]:
    """From the model in this process, or from the server that params.endpoints has under the subject's name."""
    if params.endpoints.get(name) is None:
        mine = launch.share([len(prompt) for prompt in prompts])
        made = generators.get(params.predict.backend).generate([prompts[i] for i in mine], params, tmpl, subject["adapter"])
        return (replace(one, index=mine[one.index]) for one in made)
    endpoint, shown = generators.get("endpoint"), [Example.from_json(shot) for shot in subject["shots"]]
    cases = [endpoint.Case(Example.from_json(row["example"]), prompt, subject["instructions"], shown[:count])
             for row, prompt, count in zip(rows, prompts, shots)]
    return endpoint.generate(cases, params, tmpl, name, suite)


def timing(prompts: Sequence[str], done: dict[int, generators.Completion], seconds: float, tmpl) -> dict:
    """What stages/cost.py reads; not hashed, since run times differ over equal runs. seconds: with the loading of the model."""
    return {"requests": len(prompts), "seconds": round(seconds, 2), "prompt_tokens": sum(map(len, tmpl.batch_ids(list(prompts)))) if prompts else 0,
            "completion_tokens": sum(made.tokens for made in done.values())}


def line(row: dict, made: generators.Completion) -> dict:
    """A row of the predictions file."""
    return {"id": row["id"], "completion": made.text, "finish": made.finish, "tokens": made.tokens} | (made.extra or {})


@main_guard
def main() -> None:
    end_with_parent()
    name, suite = sys.argv[1:]
    params = load()
    if not params.endpoints.get(name) and launch.relaunched(params.train.launcher, "stages.predict", name, suite):
        return
    tmpl, subject = template.load(params.model), read_json(Path("models") / name / "subject.json")
    check_adapter(subject["adapter"], params.model.name)
    rows = list(read_jsonl(f"data/suites/{suite}.jsonl"))
    prompts, shots = zip(*(prompt_of(row, subject, params, tmpl) for row in rows)) if rows else ((), ())
    done, start = {}, time.perf_counter()
    with progress(len(rows), f"predict {name} {suite}", "prompt") as bar:
        for completion in completions(subject, rows, prompts, shots, params, tmpl, name, suite):
            done[completion.index] = completion
            bar.update()
    seconds = time.perf_counter() - start
    if (done := launch.gathered(done)) is None:  # the first process writes
        return
    write_jsonl(f"data/predictions/{name}/{suite}.jsonl", (line(row, done[i]) for i, row in enumerate(rows)))
    if params.endpoints.get(name):
        generators.get("endpoint").forget(name, suite, params.endpoints[name])
    else:
        write_json(f"models/.timing/predict/{name}/{suite}.json", timing(prompts, done, seconds, tmpl))
    cut = sum(c.finish == "length" for c in done.values())
    fewer = sum(count < len(subject["shots"]) for count in shots)
    say(f"predict: {name} on {suite}: {len(rows)} prompts in, {len(done)} completions, {cut} cut at predict.max_new_tokens"
        + (f", {fewer} with fewer examples for want of room" if fewer else ""))


if __name__ == "__main__":
    main()
