"""Structured output from gold calls: the request asked again for a JSON object of the tool's schema, without tools.

    {"messages": [{"role": "user", "content": "how cold is it in Hull?"}], "tools": [...], "calls": [{..., "arguments": {"city": "Hull"}}]}
    ->  {"messages": [{"role": "system", "content": "Answer with one JSON object ...: {\\"title\\": \\"get_weather\\", ...}"}, ...],
         "tools": [], "schema": {"title": "get_weather", ...}, "reply": "{\\"city\\": \\"Hull\\"}"}

`curate` makes these for a share of the rows (dataset.structured); in `split` they follow their origin, and train only as far as
split.structured lets them: the split of all other rows is the same with and without them.
"""

from stages.rank import rank
from stages.schema import Example, dumps
from stages.strata import rows_asked

SUFFIX = "-json"  # of the id of a derived row, after its origin's
KIND = "structured"  # the label `kind` of a row whose answer is an object of a schema
HOW = "Answer with one JSON object that fits this JSON Schema, and with nothing else:"


def derived(example: Example, share: float) -> Example | None:
    """The row's second form; None unless it is one request with one call that has arguments, and among the share."""
    fits = example.labels.get("kind") == "single" and example.labels.get("turns") == "single" and len(example.calls or []) == 1
    if not fits or not example.calls[0].arguments or rank(0, example.id) >= share * 2**64:
        return None
    call = example.calls[0]
    tool = next(tool for tool in example.tools if tool.name == call.name)
    schema = {"title": tool.name, "description": tool.description, **tool.parameters}
    system = "\n".join([*(m["content"] for m in example.messages if m["role"] == "system"), HOW, dumps(schema)])
    messages = [{"role": "system", "content": system}, *(m for m in example.messages if m["role"] != "system")]
    return Example(f"{example.id}{SUFFIX}", example.source, messages, [], None, dumps(call.arguments), example.group or example.id,
                   {**example.labels, "kind": KIND}, schema=schema)


def place(rows: list, others: list, params, too_long) -> None:
    """Sets part and why of split's rows of this kind, `others` having theirs.

    A derived row goes where its origin is, and is left out with it. Rows of their own (JSON-mode data) are parted by split.test,
    whole groups together. Of those that could train, split.structured for each other training row do; validation has none.
    """
    origins = {row.id: row for row in others}
    alone = {row.group for row in rows if row.id.removesuffix(SUFFIX) not in origins}
    tested = set(sorted(alone, key=lambda group: rank(params.seed, group))[: rows_asked(params.split.test, len(alone))])
    room = round(params.split.structured * sum(row.part == "train" for row in others))
    for row in sorted(rows, key=lambda row: rank(params.seed, row.id)):
        origin = origins.get(row.id.removesuffix(SUFFIX))
        part = origin.part if origin else "test" if row.group in tested else "train"
        row.labels = {**row.labels, "tools": origin.labels["tools"] if origin else "seen"}
        if part == "test":
            row.part = "test"
        elif part != "train":
            row.why = "left_out_with_its_origin"
        elif row.barred:
            row.why = row.barred
        elif too_long(row, params):
            row.why = "beyond_split.train_tokens"
        elif room > 0:
            row.part, room = "train", room - 1
        else:
            row.why = "beyond_split.structured"
