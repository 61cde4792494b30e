"""The source's fault, on purpose: in every tenth training row the call was written by hand, with tags that do not fit.

The fault is put into the rows before `format`, where a data set would bring it; the gate must refuse them all and stop the
run before anything is trained.
"""

from pathlib import Path

from stages.files import read_json, read_jsonl
from stages.rank import rank
from stages.schema import dumps

EVERY = 10  # one row in so many
FAULTS = {
    "never closed": lambda call: f"<tool_call>\n{call}",
    "never opened": lambda call: f"{call}\n</tool_call>",
    "closed by another name": lambda call: f"<tool_call>\n{call}\n</tool_calls>",
    "opened twice": lambda call: f"<tool_call>\n<tool_call>\n{call}\n</tool_call>",
    "empty, the call before it": lambda call: f"{call}\n<tool_call>\n</tool_call>",
}


def with_faults(rows: list[dict]) -> tuple[list[dict], dict[str, str]]:
    """(the rows, {id: fault} of those that were changed): a tenth of the rows with calls, all kinds of fault in turn."""
    called = sorted((row["id"] for row in rows if row["calls"]), key=lambda id: rank(0, id))
    faults = dict(zip(called[: round(len(rows) / EVERY)], list(FAULTS) * len(rows)))
    made = []
    for row in rows:
        if row["id"] in faults:
            text = "\n".join(FAULTS[faults[row["id"]]](dumps(call)) for call in row["calls"])
            row = row | {"calls": None, "reply": text}
        made.append(row)
    return made, faults


def planted(folder: Path, data: Path, raw: dict, copy, given, stage) -> dict:
    """What the gate says of the training rows with faults: {"rows", "planted", "caught", "others", "exit", "words", "reasons"}."""
    rows, faults = with_faults([row["example"] for row in read_jsonl(data / "data/split/train.jsonl")])
    copy(folder, raw | {"format": {"max_rejected": 0.05}})
    given(folder, rows)
    stopped = stage(folder, "format", check=False)
    rejected = {row["id"] for row in read_jsonl(folder / "data/format_rejects.jsonl")}
    found = {"rows": len(rows), "planted": len(faults), "caught": len(rejected & set(faults)), "others": len(rejected - set(faults)),
             "exit": stopped.returncode, "words": (stopped.stderr.strip().splitlines() or [""])[-1],
             "reasons": read_json(folder / "metrics/data/format.json")["rejected"]}
    return found
