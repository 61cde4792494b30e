"""train: an adapter for the base model, from the training rows.

    python -m stages.train      ->  models/tuned/ (adapter)  models/log/{loss.jsonl,mask.json}

A run that was interrupted goes on from its last checkpoint in models/.scratch/<fingerprint>; the fingerprint covers
parameters, rows, base model and code, so that no run goes on from another one's state.
"""

import hashlib
import json
import shutil
from pathlib import Path

from stages import template, trainers
from stages.console import main_guard, say
from stages.errors import StageError
from stages.files import read_jsonl, write_json, write_jsonl
from stages.orphan import end_with_parent
from stages.params import Params, load

DATA = (Path("data/split/train.jsonl"), Path("data/split/valid.jsonl"))


def fingerprint(params: Params) -> str:
    """16 hex digits over all that the adapter depends on."""
    digest = hashlib.sha256()
    relevant = params.model_dump(include={"seed", "model", "train"}) | {"valid": params.split.valid}
    digest.update(json.dumps(relevant, sort_keys=True).encode())
    code = [Path(__file__), Path(trainers.__file__).parent / f"{params.train.backend}.py"]
    model = Path(params.model.track)
    for path in [*DATA, *code, *(sorted(p for p in model.rglob("*") if p.is_file()) if model.is_dir() else [model])]:
        digest.update(path.name.encode())
        with path.open("rb") as handle:
            digest.update(hashlib.file_digest(handle, "sha256").digest())
    return digest.hexdigest()[:16]


def place(trained: trainers.Trained) -> None:
    """Moves what a training left to where DVC expects it."""
    shutil.rmtree("models/tuned", ignore_errors=True)
    shutil.copytree(trained.adapter, "models/tuned")
    write_json("models/tuned/subject.json", {"adapter": "models/tuned", "instructions": "", "shots": []})
    write_jsonl("models/log/loss.jsonl", trained.log)
    write_json("models/log/mask.json", trained.mask)
    write_json("models/.timing/train.json", trained.timing)


@main_guard
def main() -> None:
    end_with_parent()
    params = load()
    rows, valid = (list(read_jsonl(path)) for path in DATA)
    scratch = Path("models/.scratch") / fingerprint(params)
    trained = trainers.get(params.train.backend).train(rows, valid, params, template.load(params.model), scratch)
    losses = [row["loss"] for row in trained.log if "loss" in row]
    if not losses or losses[-1] != losses[-1]:
        raise StageError("training ended with a loss that is not a number: lower train.learning_rate.")
    place(trained)
    shutil.rmtree(scratch)
    say(f"train: {len(rows)} rows in, {trained.timing['steps']} steps in {trained.timing['seconds']} s, loss {losses[0]:.3f} -> {losses[-1]:.3f}, "
        f"{trained.mask['supervised_share']:.0%} of tokens supervised and proved (models/log/mask.json); adapter in models/tuned")


if __name__ == "__main__":
    main()
