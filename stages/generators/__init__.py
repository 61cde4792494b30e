"""Generators: raw completions of prompts. A member has one name:

generate(prompts, params, tmpl, adapter) -> Iterator[Completion]   in any order, each prompt once
"""

import importlib
from dataclasses import dataclass


@dataclass(frozen=True)
class Completion:
    """index: the prompt's place in the list. text: without the end token. finish: "stop" at an end token, else "length"."""

    index: int
    text: str
    tokens: int
    finish: str


def get(name: str):
    return importlib.import_module(f"stages.generators.{name}")
