"""Dialects: how tools are shown and calls are written. A member has the same names:

render(example, template, instructions="", shots=()) -> Rendered   prompt and gold completion as exact text
parse(text) -> Parsed          a raw completion read back; never evaluates it
answer(text) -> str            the words of a raw completion where no call is asked for: without what frames an answer
fits(template) -> None         raises FormatError when the model's chat template cannot carry the dialect

`parse(render(x).completion)` gives back the target of x: the table test over all members.
"""

import importlib
from dataclasses import dataclass


@dataclass(frozen=True)
class Rendered:
    """prompt + completion is the whole training text; the completion ends with the model's end token."""

    prompt: str
    completion: str


def get(name: str):
    return importlib.import_module(f"stages.formats.{name}")
