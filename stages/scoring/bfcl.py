"""The Berkeley Function Calling Leaderboard's AST verdict, re-implemented from its semantics.

    check([Call("get_weather", {"city": "hull"})],
          [{"get_weather": {"city": ["Hull"], "unit": ["C", ""]}}], tools, "simple_python")
    -> Verdict(correct=True, error=None)

Verdict-identical to `ast_checker.py` of ShishirPatil/gorilla at 6ea5797 for Python categories, its
oddities included (each is commented: they look like mistakes to mend, and must not be mended).
Where upstream would end in an exception, there is a verdict here: an odd output is wrong, and an
accepted value of a shape that the benchmark never has is passed over.
Not covered: the Java and JavaScript categories, multi-turn, and the executable ones.
"""

from dataclasses import dataclass

from stages.schema import Call, Example
from stages.scoring.kinds import kind, properties, required

PYTHON_TYPES = {
    "string": str,
    "any": str,
    "integer": int,
    "number": float,
    "boolean": bool,
    "array": list,
    "object": dict,
    "null": type(None),
}
_REMOVED = str.maketrans("", "", " ,./-_*^")
LEFT_OUT = ""  # in a list of accepted values: the parameter may be left out


@dataclass(frozen=True)
class Verdict:
    """correct, or the short name of the first thing found wrong."""

    correct: bool
    error: str | None = None


def check(calls: list[Call], gold: list[dict], tools: list[dict], category: str, underscores: bool = False) -> Verdict:
    """The benchmark's verdict on one case.

    gold: its `ground_truth`, [{function: {parameter: [accepted values]}}], in which "" among the
        accepted values allows leaving the parameter out.
    tools: {"name", "parameters"} dicts with the benchmark's types or JSON Schema's.
    category: only words in it matter: "irrelevance", "relevance", "parallel", "multiple", else simple.
    underscores: the model was shown "." in function names as "_" (upstream `underscore_to_dot`).
    A completion that could not be decoded is `calls=[]`: wrong, but right under irrelevance, as upstream.
    """
    if "irrelevance" in category:
        return _verdict("call_where_none_was_right" if calls else None)
    if "relevance" in category:
        return _verdict(None if calls else "no_call")
    if len(calls) != (len(gold) if "parallel" in category or "multiple" in category else 1):
        return _verdict("wrong_count")
    by_name = {tool["name"]: tool for tool in reversed(tools)}  # the first of a name wins
    if "parallel" in category:
        return _verdict(_parallel(calls, gold, by_name, underscores))
    if not gold:
        return _verdict("call_where_none_was_right")
    # Multiple looks the description up by the expected name, simple takes the only one offered.
    tool = by_name.get(next(iter(gold[0]))) if "multiple" in category else next(iter(tools), None)
    return _verdict(_call(calls[0], gold[0], tool, underscores))


def accepted(example: Example) -> list[dict]:
    """An Example's plain calls as `check`'s gold.

    Each value becomes [value], inside objects too as the benchmark writes them. An optional
    parameter with a default is [default, ""] where gold leaves it out, and gets "" added where gold
    gives just the default. An optional parameter with no default that gold leaves out is not
    listed: giving it is an error. A gold value that is itself "" may also be left out, since the
    form cannot tell the two apart; `strict` does.
    """
    schemas = {tool.name: tool.parameters for tool in reversed(example.tools)}
    return [{call.name: _accepted(call.arguments, schemas.get(call.name, {}))} for call in example.calls or []]


def category(example: Example) -> str:
    """The benchmark category that an Example's target corresponds to."""
    if not example.calls:
        return "irrelevance"
    if len(example.calls) > 1:
        return "parallel_multiple" if len(example.tools) > 1 else "parallel"
    return "multiple" if len(example.tools) > 1 else "simple_python"


def _accepted(arguments: dict, schema: dict) -> dict[str, list]:
    named, needed = properties(schema), required(schema)
    optional = {name: sub["default"] for name, sub in named.items() if name not in needed and "default" in (sub or {})}
    values = {name: [_nested(value, named.get(name))] for name, value in arguments.items()}
    for name, default in optional.items():
        if name not in arguments or (arguments[name] == default and type(arguments[name]) is type(default)):
            values[name] = [_nested(default, named[name]), LEFT_OUT]
    return values


def _nested(value, schema):
    """Objects as {key: [value]}, where the checker will read them so: by the schema, not the value."""
    if kind(schema) == "object" and isinstance(value, dict):
        return {key: [item] for key, item in value.items()}
    if kind(schema) == "array" and kind(schema.get("items")) == "object" and isinstance(value, list):
        return [_nested(item, {"type": "object"}) for item in value]
    return value


def _verdict(error: str | None) -> Verdict:
    return Verdict(error is None, error)


def _parallel(calls: list[Call], gold: list[dict], by_name: dict, underscores: bool) -> str | None:
    # Greedy in gold's order with no backtracking: gold x in {1, 2} then x in {1} fails on (1, 2).
    free = list(calls)
    for entry in gold:
        tool = by_name.get(next(iter(entry)))
        match = next((i for i, call in enumerate(free) if _call(call, entry, tool, underscores) is None), None)
        if match is None:
            return "no_match"
        del free[match]
    return None


def _call(call: Call, entry: dict, tool: dict | None, underscores: bool) -> str | None:
    """What is wrong with one call against one {function: {parameter: [accepted]}}; None = right."""
    answers = next(iter(entry.values()))
    if tool is None:
        return "tool_not_offered"
    if call.name != (tool["name"].replace(".", "_") if underscores else tool["name"]):
        return "wrong_name"
    named = properties(tool.get("parameters"))
    if any(name not in call.arguments for name in required(tool.get("parameters"))):
        return "missing_required"
    for name, value in call.arguments.items():
        if name not in named or name not in answers:
            return "unexpected_argument"
        try:
            error = _value(value, answers[name], named[name])
        except (RecursionError, OverflowError):  # nested beyond comparing; an integer beyond a float
            error = "wrong_value"
        if error:
            return error
    if any(name not in call.arguments and LEFT_OUT not in values for name, values in answers.items()):
        return "missing_argument"
    return None


def _value(value, answers: list, schema: dict) -> str | None:
    wanted = PYTHON_TYPES[kind(schema)]
    inner = _element_type(schema) if wanted is list else None
    if wanted is float and type(value) is int:  # at the top level only: [1, 2] is no float array
        value = float(value)
    gold_type = _first_type(answers)
    # Gold of another type than the schema's stands for a variable's name: compared exactly.
    exactly = gold_type not in (None, wanted)
    if type(value) is not wanted:
        if type(value) is not gold_type:
            return "wrong_type"
        exactly = True
    elif inner and not any(_elements_fit(value, answer, inner) for answer in answers):
        return "wrong_element_type"
    fits = _objects if inner is dict else _CHECKERS.get(wanted)
    right = value in answers if exactly or fits is None else fits(value, answers)
    return None if right else "wrong_value"


def _element_type(schema: dict) -> type | None:
    """What an array's elements must be; None where the schema does not say."""
    items = schema.get("items") if isinstance(schema, dict) else None
    if not isinstance(items, dict) or (kind(items) == "any" and items.get("type") != "any"):
        return None
    return PYTHON_TYPES[kind(items)]


def _first_type(answers: list) -> type | None:
    return next((type(answer) for answer in answers if answer != LEFT_OUT), None)


def _elements_fit(value: list, answer, inner: type) -> bool:
    # An accepted value that is no list ("" above all) checks nothing, so an optional array
    # takes elements of any type here. One level deep, as upstream.
    return not isinstance(answer, list) or all(type(item) in (inner, _first_type(answer)) for item in value)


def normal(text: str) -> str:
    """A string as the benchmark compares it: "April 1, 2024" equals "april 1 2024", and "1.5" equals "15"."""
    return text.translate(_REMOVED).lower().replace("'", '"')


def _normal(value):
    return normal(value) if isinstance(value, str) else value


def _string(value: str, answers: list) -> bool:
    return normal(value) in [normal(answer) for answer in answers if isinstance(answer, str)]


def _array(value: list, answers: list) -> bool:
    # "" among the accepted values reads as an empty list, so an optional array may be [].
    wanted = [[_normal(item) for item in answer] for answer in answers if isinstance(answer, list | str)]
    return [_normal(item) for item in value] in wanted


def _object(value: dict, answers: list) -> bool:
    return any(_object_fits(value, answer) for answer in answers if isinstance(answer, dict))


def _object_fits(value, answer) -> bool:
    if not isinstance(value, dict) or not isinstance(answer, dict):
        return False
    # Strings are normalised one level deep; what lies deeper is compared as it is.
    if not all(isinstance(values, list | str) for values in answer.values()):
        return False
    known = all(key in answer and _normal(item) in map(_normal, answer[key]) for key, item in value.items())
    return known and all(key in value or LEFT_OUT in values for key, values in answer.items())


def _objects(value: list, answers: list) -> bool:
    return any(
        len(value) == len(answer) and all(map(_object_fits, value, answer))
        for answer in answers
        if isinstance(answer, list | str)
    )


_CHECKERS = {str: _string, list: _array, dict: _object}
