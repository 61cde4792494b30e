"""Masking: neutral names throughout a row, the same each time, and nothing else changed; what cannot be masked is left."""

import json
import re

import pytest

from stages import format, formats, masking
from stages.files import read_jsonl
from stages.schema import Call, Example, Tool
from tests import tiny

WEATHER = Tool("get_weather", "Weather of a city.", {
    "type": "object", "required": ["city", "when"],
    "properties": {
        "city": {"type": "string", "description": "Which city."},
        "units": {"type": "string", "enum": ["city", "metric"], "description": "city is a value here."},
        "when": {"type": "object", "description": "Day and hour.", "required": ["day"],
                 "properties": {"day": {"type": "string", "description": "The day."}, "hour": {"type": "integer"}}},
        "stops": {"type": "array", "description": "On the way.", "items": {
            "type": "object", "properties": {"city": {"type": "string", "description": "A stop."}}}}}})
TIMER = Tool("timer", "Starts a timer.", {"type": "object", "properties": {"city": {"type": "string", "description": "Whose time."}}})
ARGUMENTS = {"city": "Hull", "when": {"day": "Monday", "hour": 7}, "stops": [{"city": "York"}, {"city": "Leeds"}]}
ASK = [{"role": "user", "content": "Weather in the city of Hull on Monday at 7, start a timer."}]


CALLS = (Call("get_weather", ARGUMENTS), Call("timer", {"city": "Rome"}))


def example(id="one", messages=ASK, tools=(WEATHER, TIMER), calls=CALLS, reply=None) -> Example:
    return Example(id, "test", list(messages), list(tools), None if reply else list(calls), reply, "group", {"kind": "single", "turns": "single"})


def test_names_are_neutral_in_tools_and_gold_alike():
    made = masking.masked(example())
    weather, timer = made.tools
    assert weather.name.startswith("tool_") and timer.name.startswith("tool_") and weather.name != timer.name
    city, units, when, stops = weather.parameters["properties"]
    assert all(name.startswith("arg_") for name in (city, units, when, stops))
    day, hour = weather.parameters["properties"][when]["properties"]
    (inner,) = weather.parameters["properties"][stops]["items"]["properties"]
    assert weather.parameters["required"] == [city, when] and weather.parameters["properties"][when]["required"] == [day]
    assert day.startswith("arg_") and hour == "hour", "a parameter without a description keeps its name"
    assert made.calls[0] == Call(weather.name, {city: "Hull", when: {day: "Monday", "hour": 7}, stops: [{inner: "York"}, {inner: "Leeds"}]})
    assert made.calls[1].name == timer.name and list(made.calls[1].arguments) == list(timer.parameters["properties"])
    names = [weather.name, timer.name, city, units, when, stops, day, inner, *timer.parameters["properties"]]
    assert len(set(names)) == len(names), "no name stands for two things, so one `city` cannot be taken for the other"


def test_descriptions_values_and_everything_else_stay():
    plain, made = example(), masking.masked(example())
    assert [tool.description for tool in made.tools] == [tool.description for tool in plain.tools]
    assert (made.id, made.group, made.labels, made.messages) == (plain.id, plain.group, plain.labels, plain.messages)
    schema = list(made.tools[0].parameters["properties"].values())[1]
    assert schema == WEATHER.parameters["properties"]["units"], "an enum's value is no name, though it reads like one"
    assert plain == example(), "the row itself is not changed"


def test_the_same_names_each_time_and_others_in_another_row():
    assert masking.masked(example()) == masking.masked(example())
    assert masking.masked(example("one")).tools != masking.masked(example("two")).tools


def test_earlier_turns_are_renamed_as_well():
    before = [*ASK, {"role": "assistant", "content": "", "tool_calls": [Call("timer", {"city": "Oslo"}).wrapped()]},
              {"role": "tool", "name": "timer", "content": '{"city": "started"}'}, {"role": "user", "content": "and again"}]
    made = masking.masked(example(messages=before))
    call = made.messages[1]["tool_calls"][0]["function"]
    assert call == {"name": made.tools[1].name, "arguments": {next(iter(made.tools[1].parameters["properties"])): "Oslo"}}
    assert made.messages[2] == {"role": "tool", "name": made.tools[1].name, "content": '{"city": "started"}'}
    as_text = [{**before[1], "tool_calls": [{"type": "function", "function": {"name": "timer", "arguments": '{"city": "Oslo"}'}}]}]
    assert masking.masked(example(messages=[before[0], *as_text, *before[2:]])).messages[1]["tool_calls"][0]["function"] == call


def test_a_row_with_a_reply_has_its_tools_masked():
    made = masking.masked(example(reply="I cannot do that."))
    assert made.calls is None and made.reply == "I cannot do that." and made.tools[0].name.startswith("tool_")


@pytest.mark.parametrize("row", [
    example(messages=[{"role": "user", "content": "please use get_weather for Hull"}]),
    example(reply="get_weather needs a day."),
    example(messages=[*ASK, {"role": "assistant", "content": "", "tool_calls": [Call("not_offered", {}).wrapped()]}]),
    example(tools=[Tool("get_weather", "", {}), Tool("timer", "", {})]),
    example(tools=[WEATHER, WEATHER, TIMER]),
    example(tools=[Tool(f"t{n}", "x", {"type": "object", "properties": {f"p{m}": {"description": "x"} for m in range(50)}}) for n in range(20)]),
], ids=["a message names a tool", "the reply names a tool", "calls what is not offered", "no descriptions", "a name twice", "too many names"])
def test_what_cannot_be_masked_throughout_is_left(row):
    assert masking.masked(row) is None


def test_a_plain_word_in_a_message_is_no_name():
    assert masking.masked(example(messages=[{"role": "user", "content": "set a timer"}])) is not None


@pytest.mark.parametrize("keyword,value", [
    ("default", {"city": "Hull"}), ("anyOf", [{"required": ["city"]}]), ("$ref", "#/x"), ("dependentRequired", {})])
def test_a_schema_that_speaks_of_its_properties_in_other_ways_keeps_them(keyword, value):
    tool = Tool(TIMER.name, TIMER.description, TIMER.parameters | {keyword: value})
    made = masking.masked(example(tools=[tool], calls=[Call("timer", {"city": "Rome"})]))
    assert made.tools[0].parameters == tool.parameters and made.calls[0].arguments == {"city": "Rome"} and made.calls[0].name != "timer"


def test_all_rows_of_the_embedded_set_can_be_masked_and_read_back(tmpl):
    """Some hundred of them, through the chat template and the gate."""
    catalogue = {row["name"]: Tool(row["name"], row["description"], row["parameters"]) for row in read_jsonl(tiny.ROOT / "data/embedded/tools.jsonl")}
    rows = [row for number, row in enumerate(read_jsonl(tiny.ROOT / "data/embedded/examples.jsonl")) if number % 60 == 0]
    examples = [Example(row["id"], "embedded", row["messages"], [catalogue[name] for name in row["offered"]],
                        [Call(**call) for call in row["calls"]] if row["calls"] else None, row["reply"], row["group"], row["labels"]) for row in rows]
    made = [masking.masked(one) for one in examples]
    done = [one for one in made if one]
    assert len(done) >= 0.98 * len(examples) > 150
    rejected = []
    kept = list(format.formatted(iter(done), formats.get("native"), tmpl, 10**6, lambda example, error: rejected.append(error)))
    assert len(kept) == len(done) and not rejected
    for plain, masked in zip(examples, made):
        if masked and plain.calls:
            one, other = ([list(values(call.arguments)) for call in calls] for calls in (plain.calls, masked.calls))
            assert json.dumps(one) == json.dumps(other)
            assert {call.name for call in masked.calls} <= {tool.name for tool in masked.tools}


def values(value):
    """The plain values in arguments, in order."""
    if isinstance(value, (dict, list)):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from values(inner)
    else:
        yield value


NEUTRAL = re.compile(r"(tool|arg)_\d")

# --- the stages ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_masked_text_is_trained_on_and_never_tested_on(folder, model, share):
    from stages import curate, prompt, split

    tiny.write_lines(folder / "tiny/rows.jsonl", described())
    (folder / "tiny/held_out.json").write_text(json.dumps(tiny.HELD_OUT))
    tiny.write_params(folder, **{"model.name": str(model), "format.masking": share})
    for stage in (curate, format, split, prompt):
        stage.main()
    train = list(read_jsonl("data/split/train.jsonl"))
    marked = [row for row in train if row.get("masked")]
    assert len(marked) == round(share * len(train))
    for row in train:
        assert bool(NEUTRAL.search(row["prompt"])) == (row in marked)
        assert row["prompt_tokens"] > 0 and set(row) - {"masked"} == {"id", "prompt", "completion", "prompt_tokens", "completion_tokens", "example"}
    for path in ("data/split/valid.jsonl", "data/split/test.jsonl", *map(str, (folder / "data/suites").iterdir()), "models/prompted/subject.json"):
        text = (folder / path).read_text()
        assert not NEUTRAL.search(text) and "masked" not in text
    found = json.loads((folder / "metrics/data/split.json").read_text())
    assert found.get("train_masked") == (len(marked) if share else None)
    assert ("masked" in json.loads((folder / "metrics/data/format.json").read_text())) == bool(share)


def described() -> list[dict]:
    """The tiny rows with a description for each parameter."""
    rows = json.loads(json.dumps(tiny.messages_rows()))
    for row in rows:
        for tool in row["tools"]:
            for name, schema in tool["function"]["parameters"]["properties"].items():
                schema["description"] = f"The {name}."
    return rows
