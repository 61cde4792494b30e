"""text_loss: how well a subject still predicts general text, in nats a token.

    python -m stages.text_loss tuned    data/text/*.txt  ->  data/text_loss/tuned.jsonl

A line: {"id": "news-03", "kind": "news", "tokens": 187, "nats": 611.2043}, a passage each; tokens are those predicted.
The passages are plain text without chat marks. Base and tuned see the same tokens, so that their losses are paired.
"""

import sys
from pathlib import Path

from stages import losses, template
from stages.console import main_guard, say
from stages.errors import StageError
from stages.files import open_text, read_json, write_jsonl
from stages.orphan import end_with_parent
from stages.params import load


def passages(folder: str) -> list[dict]:
    """{"id", "kind", "text"} of every passage of FOLDER/*.txt; kind is the file's name. Raises StageError for fewer than two."""
    found = []
    for path in sorted(Path(folder).glob("*.txt")):
        with open_text(path) as handle:
            texts = [text.strip() for text in handle.read().split("\n---\n")]
        found += [{"id": f"{path.stem}-{number:02d}", "kind": path.stem, "text": text} for number, text in enumerate(texts, 1) if text]
    if len(found) < 2:
        raise StageError(f"budget.text is {folder!r}, which has {len(found)} passages in *.txt files: give two or more, parted by lines of ---.")
    return found


def token_ids(tmpl, texts: list[str], most: int) -> list[list[int]]:
    """Each text's ids after the tokenizer's start token, if it has one; at most `most`, what the model takes."""
    return [ids[:most] for ids in tmpl.batch_ids([tmpl.start_text + text for text in texts])]


@main_guard
def main() -> None:
    end_with_parent()
    (name,) = sys.argv[1:]
    params = load()
    found, subject = passages(params.budget.text), read_json(Path("models") / name / "subject.json")
    ids = token_ids(template.load(params.model), [one["text"] for one in found], params.model.max_tokens)
    if short := [one["id"] for one, tokens in zip(found, ids) if len(tokens) < 2]:
        raise StageError(f"{params.budget.text}: passage {short[0]!r} has fewer than two tokens: take it out.")
    nats = losses.get(params.predict.backend).nats(ids, params, subject["adapter"])
    rows = [{"id": one["id"], "kind": one["kind"], "tokens": len(tokens) - 1, "nats": round(loss, 4)} for one, tokens, loss in zip(found, ids, nats)]
    write_jsonl(f"data/text_loss/{name}.jsonl", rows)
    tokens = sum(row["tokens"] for row in rows)
    say(f"text_loss: {name}: {len(rows)} passages, {tokens} tokens, {sum(row['nats'] for row in rows) / tokens:.3f} nats a token")


if __name__ == "__main__":
    main()
