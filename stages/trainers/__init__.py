"""Trainers: how an adapter is made. A member has one name:

train(rows, valid, params, tmpl, scratch) -> Trained    writes checkpoints under `scratch` and goes on from them
"""

import importlib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Trained:
    """What a training leaves.

    adapter: folder with the adapter's files.
    log: one dict a logged step, equal over runs on one machine (no times).
    mask: the mask proof.
    timing: seconds, steps/s, tokens/s, peak memory; differs over runs and is kept out of hashed outputs.
    """

    adapter: Path
    log: list[dict]
    mask: dict
    timing: dict


def get(name: str):
    return importlib.import_module(f"stages.trainers.{name}")
