"""Generators: raw completions of prompts. A member has one name:

generate(prompts, params, tmpl, adapter) -> Iterator[Completion]   in any order, each prompt once

`endpoint` takes cases in place of prompts: a server that is given tools writes the prompt itself.
"""

import importlib
from dataclasses import dataclass


@dataclass(frozen=True)
class Completion:
    """index: the prompt's place in the list. text: without the end token. finish: "stop" at an end token, else "length".

    tokens: None where a server did not count them. extra: what else goes into the predictions row.
    """

    index: int
    text: str
    tokens: int | None
    finish: str
    extra: dict | None = None


def get(name: str):
    return importlib.import_module(f"stages.generators.{name}")
