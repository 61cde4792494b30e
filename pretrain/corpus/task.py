"""The one shape between the sources and the notations of the corpus."""

from dataclasses import dataclass, field


@dataclass
class Turn:
    """One user turn and what the assistant does: `calls` [(name, arguments)] or a `reply`.
    `results`: JSON values that the calls returned; `final`: what is said after them."""

    user: str
    calls: list = field(default_factory=list)
    reply: str = None
    results: list = None
    final: str = None


@dataclass
class Task:
    """Tools ({"name", "description", "parameters": JSON Schema}) and a conversation over them."""

    tools: list
    turns: list
    source: str = ""
