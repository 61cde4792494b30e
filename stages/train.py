"""train: an adapter for the base model, from the training rows.

    python -m stages.train      ->  models/tuned/ (adapter)  models/log/{loss.jsonl,mask.json}
    python -m stages.train 7    ->  models/seeds/7/, the same with 7 as the training seed; its log/ is inside

A run that was interrupted goes on from its last checkpoint in models/.scratch/<fingerprint>; the fingerprint covers
parameters, rows, base model and code, so that no run goes on from another one's state.
"""

import hashlib
import json
import shutil
import sys
from pathlib import Path

from stages import launch, template, trainers
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
    folder = Path(trainers.__file__).parent
    code = [Path(__file__), folder / f"{params.train.backend}.py", *sorted(folder.glob("_*.py"))]
    model = Path(params.model.track)
    for path in [*DATA, *code, *(sorted(p for p in model.rglob("*") if p.is_file()) if model.is_dir() else [model])]:
        digest.update(path.name.encode())
        with path.open("rb") as handle:
            digest.update(hashlib.file_digest(handle, "sha256").digest())
    return digest.hexdigest()[:16]


def place(trained: trainers.Trained, adapter: str = "models/tuned", log: str = "models/log", timing: str = "models/.timing/train.json") -> None:
    """Moves what a training left to where DVC expects it."""
    shutil.rmtree(adapter, ignore_errors=True)
    shutil.copytree(trained.adapter, adapter)
    write_json(f"{adapter}/subject.json", {"adapter": adapter, "instructions": "", "shots": []})
    write_jsonl(f"{log}/loss.jsonl", trained.log)
    write_json(f"{log}/mask.json", trained.mask)
    write_json(timing, trained.timing)


def places(seed: int) -> dict[str, str]:
    """Where `place` puts what a further seed trained."""
    return {"adapter": f"models/seeds/{seed}", "log": f"models/seeds/{seed}/log", "timing": f"models/.timing/seeds/{seed}/train.json"}


@main_guard
def main(seed: int | None = None) -> None:
    """Trains with `seed` of the parameters, or with a further seed."""
    end_with_parent()
    params = load()
    if launch.relaunched(params.train.launcher, "stages.train", *([] if seed is None else [str(seed)])):
        return
    if seed is not None:
        params = params.model_copy(update={"seed": seed})
    rows, valid = (list(read_jsonl(path)) for path in DATA)
    scratch = Path("models/.scratch") / fingerprint(params)
    trained = trainers.get(params.train.backend).train(rows, valid, params, template.load(params.model), scratch)
    losses = [row["loss"] for row in trained.log if "loss" in row]
    if not losses or losses[-1] != losses[-1]:
        raise StageError("training ended with a loss that is not a number: lower train.learning_rate.")
    if launch.rank():
        return
    where = {"adapter": "models/tuned"} if seed is None else places(seed)
    place(trained, **where)
    shutil.rmtree(scratch)
    say(f"train: {len(rows)} rows in, {trained.timing['steps']} steps in {trained.timing['seconds']} s, loss {losses[0]:.3f} -> {losses[-1]:.3f}, "
        f"{trained.mask['supervised_share']:.0%} of tokens supervised and proved (mask.json); adapter in {where['adapter']}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else None)
