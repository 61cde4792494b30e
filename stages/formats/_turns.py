"""What all dialects share: the turns before the answer, and the answer as a turn."""

from collections.abc import Sequence

from stages.schema import Example


def target(example: Example) -> dict:
    """The assistant turn to be produced."""
    if example.calls:
        return {"role": "assistant", "content": "", "tool_calls": [call.wrapped() for call in example.calls]}
    return {"role": "assistant", "content": example.reply}


def conversation(example: Example, instructions: str, shots: Sequence[Example]) -> list[dict]:
    """The case's messages, with instructions as the system turn and solved examples as earlier turns."""
    messages = list(example.messages)
    system = [instructions] if instructions else []
    if messages and messages[0]["role"] == "system":
        system.append(messages.pop(0)["content"])
    for shot in reversed(shots):
        messages = [m for m in shot.messages if m["role"] != "system"] + [target(shot)] + messages
    return ([{"role": "system", "content": "\n".join(system)}] if system else []) + messages
