"""The benchmark's verdicts: equal on 1,240 official ones, on gold, and on mutations of gold."""

import copy
import gzip
import json
from pathlib import Path

import pytest

from stages.schema import Call, Example, Tool
from stages.scoring import bfcl

DATA = Path(__file__).parents[2] / ".." / "shared" / "data" / "bfcl"
CATEGORIES = ("simple_python", "multiple", "parallel", "parallel_multiple")
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="../shared/data/bfcl is absent: parity with the official verdicts not checked")


def read(path: Path) -> list[dict]:
    with gzip.open(path, "rt", encoding="utf-8") as handle:
        return [json.loads(line) for line in handle]


@pytest.fixture(scope="module")
def gold() -> dict[str, list[dict]]:
    rows = (row for name in CATEGORIES for row in read(DATA / "possible_answer" / f"BFCL_v4_{name}.json.gz"))
    return {row["id"]: row["ground_truth"] for row in rows}


@pytest.fixture(scope="module")
def verdicts() -> list[dict]:
    return read(DATA / "gpt4omini_verdicts.jsonl.gz")


# Upstream's names for what went wrong, and ours.
ERRORS = {
    None: None,
    "ast_decoder:decoder_failed": "wrong_count",
    "irrelevance_error:decoder_success": "call_where_none_was_right",
    "simple_function_checker:wrong_count": "wrong_count",
    "multiple_function_checker:wrong_count": "wrong_count",
    "parallel_function_checker_no_order:wrong_count": "wrong_count",
    "parallel_function_checker_no_order:cannot_find_match": "no_match",
    "simple_function_checker:wrong_func_name": "wrong_name",
    "type_error:nested": "wrong_element_type",
    "value_error:string": "wrong_value",
    "value_error:others": "wrong_value",
    "value_error:list/tuple": "wrong_value",
    "value_error:list_dict_count": "wrong_value",
}


@needs_data
def test_equals_all_official_verdicts(gold, verdicts):
    assert len(verdicts) == 1240
    for row in verdicts:
        made = row["s_raw"]["model_result"]  # text, or [{name: "arguments as JSON"}]
        calls = [Call(name, json.loads(text)) for one in made for name, text in one.items()] if isinstance(made, list) else []
        # This model's configuration sends "math.factorial" as "math_factorial".
        found = bfcl.check(calls, gold.get(row["id"], []), row["x_raw"]["function"], row["category"], underscores=True)
        assert found.correct == bool(row["y"]), row["id"]
        assert found.error == ERRORS[row["metadata"]["evaluation_error_type"]], row["id"]


def plain(value):
    """An accepted value as a model would give it: objects are written as {key: [accepted]}."""
    if isinstance(value, dict):
        return {key: plain(values[0]) for key, values in value.items() if bfcl.LEFT_OUT not in values}
    return [plain(item) if isinstance(item, dict) else item for item in value] if isinstance(value, list) else value


def first_answers(gold: list[dict], tools: list[dict]) -> list[Call]:
    """The first accepted value of everything. Two rows' gold has a parameter that the schema lacks, which no output may give."""
    named = {tool["name"]: tool["parameters"]["properties"] for tool in tools}
    calls = []
    for name, answers in (pair for entry in gold for pair in entry.items()):
        values = {key: [v for v in values if v != ""] for key, values in answers.items() if key in named[name]}
        calls.append(Call(name, {key: plain(found[0]) for key, found in values.items() if found}))
    return calls


def each(kinds, change):
    """A mutation of benchmark gold: changes the first argument of these kinds that allows just one reading."""

    def mutate(calls, gold, tools):
        schemas = {tool["name"]: tool["parameters"]["properties"] for tool in tools}
        for call, entry in zip(calls, gold):
            for name, value in call.arguments.items():
                answers = entry[call.name][name]
                if schemas[call.name][name]["type"] in kinds and type(value) is kinds[schemas[call.name][name]["type"]]:
                    changed = change(value)
                    if changed is not None and not any(type(a) is type(changed) and a == changed for a in answers):
                        call.arguments[name] = changed
                        return calls
        return None

    return mutate


def drop_required(calls, gold, tools):
    required = {tool["name"]: tool["parameters"]["required"] for tool in tools}
    name = next((name for name in calls[0].arguments if name in required[calls[0].name]), None)
    return name and (calls[0].arguments.pop(name), calls)[1]


def drop_optional(calls, gold, tools):
    name = next((name for name in calls[0].arguments if "" in gold[0][calls[0].name][name]), None)
    required = next(tool for tool in tools if tool["name"] == calls[0].name)["parameters"]["required"]
    return name and name not in required and (calls[0].arguments.pop(name), calls)[1]


STRING, INTEGER, FLOAT, FLAG, ARRAY = {"string": str}, {"integer": int}, {"float": float}, {"boolean": bool}, {"array": list}
BENCHMARK_MUTATIONS = {
    "gold": (True, lambda calls, gold, tools: calls),
    "optional left out": (True, drop_optional),
    "string upper-cased": (True, each(STRING, str.upper)),
    "string with a space before": (True, each(STRING, lambda v: " " + v)),
    "string with an exclamation mark": (False, each(STRING, lambda v: v + "!")),
    "string as a list": (False, each(STRING, lambda v: [v])),
    "integer as float": (False, each(INTEGER, float)),
    "integer as string": (False, each(INTEGER, str)),
    "integer plus a million": (False, each(INTEGER, lambda v: v + 1_000_000)),
    "integer as true": (False, each(INTEGER, lambda v: True)),
    "whole float as integer": (True, each(FLOAT, lambda v: int(v) if v.is_integer() else None)),
    "float plus a tenth": (False, each(FLOAT, lambda v: v + 0.1)),
    "boolean as string": (False, each(FLAG, str)),
    "array with its end twice": (False, each(ARRAY, lambda v: v + v[-1:] if v else None)),
    "array as its text": (False, each(ARRAY, json.dumps)),
    "required left out": (False, drop_required),
    "unknown argument": (False, lambda c, g, t: [Call(c[0].name, {**c[0].arguments, "nonsense": 1}), *c[1:]]),
    "name upper-cased": (False, lambda c, g, t: [Call(c[0].name.upper(), c[0].arguments), *c[1:]]),
    "a call twice": (False, lambda c, g, t: [*c, c[0]]),
    "the last call left out": (False, lambda c, g, t: c[:-1]),
    "no call": (False, lambda c, g, t: []),
    "calls reversed": (True, lambda c, g, t: c[::-1] if len(c) > 1 else None),
}


@needs_data
@pytest.mark.parametrize("name", BENCHMARK_MUTATIONS)
def test_mutated_benchmark_gold(name, gold):
    right, mutate = BENCHMARK_MUTATIONS[name]
    tried, wrong = 0, []
    for category in CATEGORIES:
        for row in read(DATA / f"BFCL_v4_{category}.json.gz"):
            entry, tools = gold[row["id"]], row["function"]
            calls = mutate(copy.deepcopy(first_answers(entry, tools)), entry, tools)
            if calls is None or calls is False:
                continue
            tried += 1
            if bfcl.check(calls, entry, tools, category).correct != right:
                wrong.append(row["id"])
    assert tried >= (1000 if name == "gold" else 10)
    # In one row the entries accept overlapping values, so greedy matching depends on the order: wrong upstream too.
    assert wrong == (["parallel_178"] if name == "calls reversed" else []), f"{len(wrong)} of {tried}"


TOOL = {
    "name": "area.book",
    "parameters": {
        "type": "dict",
        "properties": {
            "city": {"type": "string"},
            "days": {"type": "integer"},
            "price": {"type": "float"},
            "late": {"type": "boolean"},
            "tags": {"type": "array", "items": {"type": "string"}},
            "sizes": {"type": "array", "items": {"type": "float"}},
            "point": {"type": "tuple", "items": {"type": "float"}},
            "who": {"type": "dict", "properties": {"name": {"type": "string"}, "age": {"type": "integer"}}},
            "stops": {"type": "array", "items": {"type": "dict"}},
            "extra": {"type": "any"},
            "ref": {"type": "integer"},
            "note": {"type": "string"},
            "grid": {"type": "array", "items": {"type": "array"}},
        },
        "required": ["city"],
    },
}
GOLD = {
    "city": ["New York, N.Y.", "NYC"],
    "days": [5],
    "price": [1.5, 2.0],
    "late": [True],
    "tags": [["Old-Town", "b"], ["c"]],
    "sizes": ["", [1.0, 2.5]],
    "point": [[1.0, 2.0]],
    "who": [{"name": ["Ann Lee"], "age": [5, ""]}],
    "stops": [[{"at": ["X"]}, {"at": ["Y", "Z"]}]],
    "extra": [7],
    "ref": ["user_id", ""],
    "note": ["it's 9:00", ""],
    "grid": ["", [["Ab"]]],
}
RIGHT = {
    "city": "new york ny", "days": 5, "price": 1.5, "late": True, "tags": ["old town", "B"], "point": [1.0, 2.0],
    "who": {"name": "ann lee"}, "stops": [{"at": "x"}, {"at": "z"}], "extra": 7,
}  # fmt: skip
DROP = object()
# kind of mutation, parameter, value, expected error
MUTATIONS = [
    ("nothing changed", "days", 5, None),
    ("another accepted value", "city", "nyc", None),
    ("removed punctuation put back", "city", "-New_York*^/, N.Y.-", None),
    ("another word", "city", "Boston", "wrong_value"),
    ("required left out", "city", DROP, "missing_required"),
    ("optional in the schema, not in gold, left out", "days", DROP, "missing_argument"),
    ("optional in gold left out", "note", DROP, None),
    ("optional in gold given as empty", "note", "", None),
    ("unknown parameter", "zip", 1, "unexpected_argument"),
    ("string for integer", "days", "5", "wrong_type"),
    ("whole float for integer", "days", 5.0, "wrong_type"),
    ("other integer", "days", 6, "wrong_value"),
    ("negative integer", "days", -5, "wrong_value"),
    ("true for integer", "days", True, "wrong_type"),
    ("null", "days", None, "wrong_type"),
    ("integer for float", "price", 2, None),
    ("other float", "price", 1.5000001, "wrong_value"),
    ("string for float", "price", "1.5", "wrong_type"),
    ("one for true", "late", 1, "wrong_type"),
    ("false for true", "late", False, "wrong_value"),
    ("string for true", "late", "true", "wrong_type"),
    ("list in another order", "tags", ["b", "old town"], "wrong_value"),
    ("second accepted list", "tags", ["C"], None),
    ("shorter list", "tags", ["old town"], "wrong_value"),
    ("a string for a list", "tags", "c", "wrong_type"),
    ("a number in a list of strings", "tags", [1], "wrong_element_type"),
    ("an optional list may be empty", "sizes", [], None),
    ("elements of an optional list are not type-checked", "sizes", [1, 2.5], None),
    ("integers in a list of floats", "point", [1, 2], "wrong_element_type"),
    ("values of a list of floats", "point", [1.0, 3.0], "wrong_value"),
    ("object with its optional key", "who", {"name": "ANN LEE", "age": 5}, None),
    ("object with an extra key", "who", {"name": "Ann Lee", "at": 1}, "wrong_value"),
    ("object without a needed key", "who", {"age": 5}, "wrong_value"),
    ("object with equal number of another type", "who", {"name": "Ann Lee", "age": 5.0}, None),
    ("object with a wrong value", "who", {"name": "Bob"}, "wrong_value"),
    ("objects in another order", "stops", [{"at": "z"}, {"at": "x"}], "wrong_value"),
    ("an object too few", "stops", [{"at": "x"}], "wrong_value"),
    ("any takes gold's type", "extra", 7, None),
    ("any takes a string, and compares it", "extra", "7", "wrong_value"),
    ("gold's variable name for an integer", "ref", "user_id", None),
    ("a variable name is compared exactly", "ref", "USER_ID", "wrong_value"),
    ("an integer where gold has a variable", "ref", 3, "wrong_value"),
    ("single for double quotes", "note", 'IT"S 9:00', None),
    ("a colon is kept", "note", "it's 900", "wrong_value"),
    ("strings of inner lists are not normalised", "grid", [["ab"]], "wrong_value"),
    ("inner lists as they are", "grid", [["Ab"]], None),
    ("an integer beyond any float", "price", 10**400, "wrong_value"),
]


@pytest.mark.parametrize("kind, name, value, error", MUTATIONS, ids=[row[0] for row in MUTATIONS])
def test_mutation(kind, name, value, error):
    arguments = {**RIGHT, name: value}
    if value is DROP:
        del arguments[name]
    found = bfcl.check([Call("area.book", arguments)], [{"area.book": GOLD}], [TOOL], "simple_python")
    assert found == bfcl.Verdict(error is None, error)


def test_there_are_enough_kinds():
    assert len({row[0] for row in MUTATIONS}) >= 25


def test_json_schema_types_give_the_same_verdicts():
    as_json_schema = json.loads(
        json.dumps(TOOL).replace('"dict"', '"object"').replace('"float"', '"number"').replace('"tuple"', '"array"').replace('"type": "any"', "")
    )
    for kind, name, value, _ in MUTATIONS:
        arguments = {key: item for key, item in {**RIGHT, name: value}.items() if item is not DROP}
        both = [bfcl.check([Call("area.book", arguments)], [{"area.book": GOLD}], [tool], "simple_python") for tool in (TOOL, as_json_schema)]
        assert both[0] == both[1], kind


X = {"name": "f", "parameters": {"type": "dict", "properties": {"x": {"type": "integer"}}, "required": ["x"]}}
Y = {**X, "name": "g.h"}


def f(x):
    return Call("f", {"x": x})


DISPATCH = [
    ("greedy without backtracking", "parallel", [{"f": {"x": [1, 2]}}, {"f": {"x": [1]}}], [f(1), f(2)], "no_match"),
    ("greedy in luck", "parallel", [{"f": {"x": [1, 2]}}, {"f": {"x": [1]}}], [f(2), f(1)], None),
    ("parallel, a call too many", "parallel", [{"f": {"x": [1]}}], [f(1), f(1)], "wrong_count"),
    ("parallel, other tools", "parallel_multiple", [{"g.h": {"x": [1]}}, {"f": {"x": [1]}}], [f(1), Call("g.h", {"x": 1})], None),
    ("multiple looks the tool up", "multiple", [{"g.h": {"x": [1]}}], [Call("g.h", {"x": 1})], None),
    ("multiple, the other tool", "multiple", [{"g.h": {"x": [1]}}], [f(1)], "wrong_name"),
    ("multiple, counts", "multiple", [{"f": {"x": [1]}}], [], "wrong_count"),
    ("simple takes one call only", "simple_python", [{"f": {"x": [1]}}], [f(1), f(1)], "wrong_count"),
    ("simple, name in another case", "simple_python", [{"f": {"x": [1]}}], [Call("F", {"x": 1})], "wrong_name"),
    ("a tool that is not offered", "multiple", [{"zz": {"x": [1]}}], [Call("zz", {"x": 1})], "tool_not_offered"),
    ("irrelevance without a call", "irrelevance", [], [], None),
    ("irrelevance with a call", "live_irrelevance", [], [f(1)], "call_where_none_was_right"),
    ("relevance takes any call", "live_relevance", [], [Call("zz", {})], None),
    ("relevance without a call", "live_relevance", [], [], "no_call"),
    ("no gold", "simple_python", [], [f(1)], "call_where_none_was_right"),
]


@pytest.mark.parametrize("kind, category, gold, calls, error", DISPATCH, ids=[row[0] for row in DISPATCH])
def test_dispatch(kind, category, gold, calls, error):
    assert bfcl.check(calls, gold, [X, Y], category).error == error


@pytest.mark.parametrize("underscores, name, right", [(True, "g_h", True), (True, "g.h", False), (False, "g.h", True), (False, "g_h", False)])
def test_dots_in_names(underscores, name, right):
    assert bfcl.check([Call(name, {"x": 1})], [{"g.h": {"x": [1]}}], [Y], "simple_python", underscores).correct is right


def example(calls, schema):
    return Example("1", "test", [{"role": "user", "content": "?"}], [Tool("f", "", schema)], calls=[Call("f", c) for c in calls])


SCHEMA = {
    "type": "object",
    "properties": {
        "a": {"type": "integer"},
        "unit": {"type": "string", "default": "C"},
        "free": {"type": "string"},
        "who": {"type": "object", "properties": {"name": {"type": "string"}}},
        "rows": {"type": "array", "items": {"type": "object"}},
    },
    "required": ["a"],
}


def test_accepted_takes_defaults_either_way():
    assert bfcl.accepted(example([{"a": 1}], SCHEMA)) == [{"f": {"a": [1], "unit": ["C", ""]}}]
    assert bfcl.accepted(example([{"a": 1, "unit": "C"}], SCHEMA)) == [{"f": {"a": [1], "unit": ["C", ""]}}]
    assert bfcl.accepted(example([{"a": 1, "unit": "F"}], SCHEMA)) == [{"f": {"a": [1], "unit": ["F"]}}]


def test_accepted_writes_objects_as_the_benchmark_does():
    made = bfcl.accepted(example([{"a": 1, "who": {"name": "Ann"}, "rows": [{"x": {"y": 1}}]}], SCHEMA))
    assert made[0]["f"]["who"] == [{"name": ["Ann"]}]
    assert made[0]["f"]["rows"] == [[{"x": [{"y": 1}]}]]


def test_gold_is_accepted_by_its_own_form():
    row = example([{"a": 1, "free": "x", "who": {"name": "Ann"}, "rows": [{"x": {"y": 1}}, {}]}, {"a": 2}], SCHEMA)
    tools = [{"name": tool.name, "parameters": tool.parameters} for tool in row.tools]
    assert bfcl.category(row) == "parallel"
    assert bfcl.check(row.calls, bfcl.accepted(row), tools, bfcl.category(row)).correct
