"""One hand-written domain file: its shape, and how a phrasing with slots becomes text and gold.

A phrasing "is it warmer in {city.1} or {city.2}?" takes its slots from the tool's `values`: a value is
either a plain one, said as it is, or {say: "half past nine", value: "09:30"}.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

import yaml

SLOT = re.compile(r"\{(\w+)(?:\.(\d+))?\}")


class DomainError(Exception):
    """The file cannot be read at all; the message names the file and the line."""


@dataclass(frozen=True)
class Phrasing:
    """`say` with slots, `args` fixed by the words; `ask`, `answer` and `lacks` for a missing value."""

    say: str
    args: dict = field(default_factory=dict)
    lacks: list = field(default_factory=list)
    ask: str = ""
    answer: str = ""


@dataclass(frozen=True)
class AuthoredTool:
    name: str
    description: str
    parameters: dict
    values: dict[str, list]
    phrasings: list[Phrasing]
    parallel: list[Phrasing]
    missing: list[Phrasing]
    followup: list[Phrasing]
    result: object
    reply: str

    def schema(self) -> dict:
        return {"name": self.name, "description": self.description, "parameters": self.parameters}


@dataclass(frozen=True)
class Domain:
    name: str
    about: str
    tools: list[AuthoredTool]
    combined: list[dict]
    sequential: list[dict]
    none: list[dict]


def slots(text: str) -> list[tuple[str, str]]:
    """[(parameter, number or "")] in order: "{city.1}" -> ("city", "1")."""
    return [(match[1], match[2] or "") for match in SLOT.finditer(text)]


def said(value) -> tuple[str, object]:
    """(surface, gold) of one entry of `values`."""
    if isinstance(value, dict) and set(value) == {"say", "value"}:
        return str(value["say"]), value["value"]
    if isinstance(value, bool):
        return str(value).lower(), value
    return str(value), value


def fill(text: str, chosen: dict[tuple[str, str], object]) -> str:
    """The text with every slot replaced by its value's surface."""
    return SLOT.sub(lambda match: said(chosen[match[1], match[2] or ""])[0], text)


def numbers(text: str) -> list[str]:
    """The call numbers that a parallel phrasing uses, in order: ["1", "2"]."""
    return sorted({number for _, number in slots(text) if number})


def load(path: Path) -> Domain:
    """Reads a file of the form described in authoring/README.md. Raises DomainError."""
    try:
        raw = yaml.load(path.read_text(encoding="utf-8"), yaml.CSafeLoader)
    except yaml.YAMLError as error:
        raise DomainError(f"{path}: {error}") from None
    if not isinstance(raw, dict):
        raise DomainError(f"{path}: the file is not a mapping")
    try:
        tools = [_tool(entry) for entry in raw["tools"]]
        return Domain(raw["domain"], raw["about"], tools, raw["combined"], raw["sequential"], raw["none"])
    except (KeyError, TypeError, AttributeError) as error:
        raise DomainError(f"{path}: {type(error).__name__} {error}") from None


def _tool(entry: dict) -> AuthoredTool:
    def phrasings(key):
        return [Phrasing(one) if isinstance(one, str) else Phrasing(**one) for one in entry.get(key) or []]

    known = set(AuthoredTool.__dataclass_fields__)
    if extra := set(entry) - known:
        raise KeyError(f"{entry.get('name')}: unknown key {sorted(extra)}")
    return AuthoredTool(
        entry["name"], entry["description"], entry["parameters"], entry.get("values") or {},
        phrasings("phrasings"), phrasings("parallel"), phrasings("missing"), phrasings("followup"),
        entry.get("result"), entry.get("reply", ""),
    )
