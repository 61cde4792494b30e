"""The case browser's data: every case of every suite once, with what each subject made of it.

    {"subjects": ["base", "tuned"], "suites": ["held_out"], "verdicts": [0], "outcomes": {"exact": "the calls are gold's"},
     "tools": [{"name": ..., "description": ..., "parameters": {...}}],
     "cases": [{"suite": 0, "id": "emb-17", "kind": "single", "messages": [["user", "how cold is it in Hull?"]], "tools": [0],
                "gold": [["get_weather", [["city", "\\"Hull\\""]]]],
                "subjects": [{"outcome": "wrong_value", "right": [0, 0, 0], "raw": "<tool_call>...", "tokens": 31,
                              "calls": [["get_weather", 0, [["city", "\\"Hall\\"", "differs"]]]]}, ...]}]}

Values are JSON text, so that the browser shows 12345678901234567890 and 5.0 as they are. Each call of a subject
brings the place of the gold call that the scorer paired it with (-1 = none), and each argument how it compares;
"calls" is left out where they are gold's. "right" is by VERDICTS, null where one does not apply, and "verdicts" says which of them counts for each
suite. "accepted" are a benchmark's own values, of which gold has the first. A tool is stored once, however many cases offer it.
"""

from stages import summary
from stages.errors import StageError
from stages.report.results import colour
from stages.schema import Call, dumps
from stages.scoring.fields import pair
from stages.scoring.outcomes import OUTCOMES
from stages.scoring.strict import canonical, canonical_call
from stages.suites import verdict

VERDICTS = ("strict", "schema", "bfcl")


def data(cases: summary.Cases, rows: dict[str, list[dict]], completions: dict[str, dict[str, dict[str, str]]]) -> dict:
    """rows: suite -> rows of data/suites. completions: suite -> subject -> id -> raw text. Raises StageError when they do not fit."""
    tools, made = Tools(), []
    subjects = list(next(iter(cases.values())))
    for place, (suite, by_subject) in enumerate(cases.items()):
        scored = {name: {case["id"]: case for case in found} for name, found in by_subject.items()}
        for row in rows[suite]:
            example = row["example"]
            try:
                ours = [(scored[name][example["id"]], completions[suite][name][example["id"]]) for name in subjects]
            except KeyError:
                remedy = "run `dvc repro` to predict and score again"
                raise StageError(f"{suite}: case {example['id']!r} has no completion or no score: {remedy}.") from None
            made.append(_case(example, place, ours, tools))
    used = {outcome["outcome"] for case in made for outcome in case["subjects"]}
    return {
        "subjects": subjects, "colours": [colour(name, subjects) for name in subjects], "suites": list(cases),
        "verdicts": [VERDICTS.index(verdict(suite)) for suite in cases],
        "outcomes": {name: meaning for name, meaning in OUTCOMES.items() if name in used}, "tools": tools.unique, "cases": made,
    }


class Tools:
    """Each tool once, known by its name and everything that is said of it."""

    def __init__(self):
        self.unique: list[dict] = []
        self.places: dict[str, int] = {}

    def place(self, tool: dict) -> int:
        key = canonical(tool)
        if key not in self.places:
            self.places[key] = len(self.unique)
            self.unique.append({"name": tool["name"], "description": tool["description"], "parameters": dumps(tool["parameters"])})
        return self.places[key]


def _case(example: dict, suite: int, ours: list[tuple[dict, str]], tools: Tools) -> dict:
    gold = [Call(**call) for call in example.get("calls") or []]
    labels = example.get("labels") or {}
    shown = {key: labels[key] for key in ("kind", "turns", "complexity", "domain") if labels.get(key)}
    made = {"suite": suite, "id": example["id"], **shown, "messages": [_message(message) for message in example["messages"]],
            "tools": [tools.place(tool) for tool in example["tools"]]}
    if gold:
        made["gold"] = [[call.name, [[name, dumps(value)] for name, value in call.arguments.items()]] for call in gold]
    else:
        made["reply"] = example.get("reply") or ""
    if example.get("accepted"):
        made["accepted"] = dumps(example["accepted"])
    return made | {"subjects": [_subject(case, raw, gold) for case, raw in ours]}


def _message(message: dict) -> list[str]:
    """[role, text] or [role, text, calls as JSON lines]."""
    content = message.get("content")
    text = content if isinstance(content, str) else "" if content is None else dumps(content)
    calls = [dumps(call.get("function", call)) for call in message.get("tool_calls") or []]
    return [message["role"], text] + (["\n".join(calls)] if calls else [])


def _subject(case: dict, raw: str, gold: list[Call]) -> dict:
    calls = [Call(**call) for call in case["calls"]]
    right = [None if case[name] is None else int(case[name]) for name in VERDICTS]
    made = {"outcome": case["outcome"], "right": right, "raw": raw}
    if [canonical_call(call) for call in calls] != [canonical_call(call) for call in gold]:
        made["calls"] = compared(calls, gold)
    extra = {"tokens": case["tokens"], "finish": case["finish"] if case["finish"] != "stop" else None, "defects": case["defects"],
             "bfcl_error": case["bfcl_error"]}
    return made | {key: value for key, value in extra.items() if value not in (None, [], "")}


def compared(calls: list[Call], gold: list[Call]) -> list[list]:
    """[[name, place of its gold call or -1, [[argument, value as JSON, "equal" | "differs" | "extra"]]]] of each call."""
    partner = dict(pair(calls, gold))
    return [
        [call.name, partner.get(place, -1), [
            [name, dumps(value), _status(name, value, gold[partner[place]] if place in partner else None)] for name, value in call.arguments.items()
        ]]
        for place, call in enumerate(calls)
    ]


def _status(name: str, value, gold: Call | None) -> str:
    if gold is None or name not in gold.arguments:
        return "extra"
    return "equal" if canonical(value) == canonical(gold.arguments[name]) else "differs"
