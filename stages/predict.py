"""predict: the raw completions of one subject on one suite; nothing is parsed here, so an edited scorer needs no model.

    python -m stages.predict tuned held_out     ->  data/predictions/tuned/held_out.jsonl

A line: {"id": "emb-00017", "completion": "<tool_call>...", "finish": "stop", "tokens": 31}
"""

import sys
from pathlib import Path

from stages import formats, generators, template
from stages.console import main_guard, progress, say
from stages.files import read_json, read_jsonl, write_jsonl
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


@main_guard
def main() -> None:
    end_with_parent()
    name, suite = sys.argv[1:]
    params = load()
    tmpl, subject = template.load(params.model), read_json(Path("models") / name / "subject.json")
    rows = list(read_jsonl(f"data/suites/{suite}.jsonl"))
    prompts, shots = zip(*(prompt_of(row, subject, params, tmpl) for row in rows)) if rows else ((), ())
    done = {}
    with progress(len(rows), f"predict {name} {suite}", "prompt") as bar:
        for completion in generators.get(params.predict.backend).generate(list(prompts), params, tmpl, subject["adapter"]):
            done[completion.index] = completion
            bar.update()
    out = ({"id": row["id"], "completion": done[i].text, "finish": done[i].finish, "tokens": done[i].tokens} for i, row in enumerate(rows))
    write_jsonl(f"data/predictions/{name}/{suite}.jsonl", out)
    cut = sum(c.finish == "length" for c in done.values())
    fewer = sum(count < len(subject["shots"]) for count in shots)
    say(f"predict: {name} on {suite}: {len(rows)} prompts in, {len(done)} completions, {cut} cut at predict.max_new_tokens"
        + (f", {fewer} with fewer examples for want of room" if fewer else ""))


if __name__ == "__main__":
    main()
