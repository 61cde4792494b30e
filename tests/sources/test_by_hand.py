"""xlam, glaive as published, and hermes: rows written by hand with the traps that their public files hold."""

import json

import pytest
from hypothesis import given, settings

from stages import sources
from stages.curate import Curator
from stages.errors import RowError
from stages.schema import Call, Tool
from tests.sources.rows import anything, cfg, damaged, only_row_errors

CFG = cfg("unused")
ROME, MILAN = Call("get_weather", {"city": "Rome"}), Call("get_weather", {"city": "Milan"})


def convert(source: str, row) -> list:
    """The Examples of a row, each one past curate's own check."""
    curator = Curator(source)
    return [curator.accept(example, f"{source}-{number}") for number, example in enumerate(sources.get(source).convert(row, CFG))]


def reason(source: str, row) -> str:
    with pytest.raises(RowError) as error:
        convert(source, row)
    return error.value.reason


# --- xlam -----------------------------------------------------------------------------------------------

FLAT = {"name": "math_toolkit.sum of multiples", "description": "Sums.", "parameters": {
    "lower": {"type": "int", "description": "from"}, "of": {"type": "List[int]", "description": "which"},
    "upper": {"type": "int, optional", "description": "to"}, "unit": {"type": "str", "description": "name", "default": ""},
    "kind": {"type": "Union[int, float]", "description": "?", "required": False}, "weights": {"type": "Tuple[float, float]", "default": "1"}}}
SUM = {"name": FLAT["name"], "arguments": {"lower": 1, "of": [3, 5]}}


def xlam(**changes) -> dict:
    row = {"id": 7, "query": "sum them", "tools": json.dumps([FLAT]), "answers": json.dumps([SUM])}
    return {**row, **{key: value if isinstance(value, str) else json.dumps(value) for key, value in changes.items()}}


def test_xlam_lists_are_json_text_and_parameters_a_flat_map():
    (made,) = convert("xlam", xlam())
    assert (made.id, made.calls, made.reply) == ("xlam-7", [Call(FLAT["name"], {"lower": 1, "of": [3, 5]})], None)
    schema = made.tools[0].parameters
    assert schema["required"] == ["lower", "of"], "optional by type, by an empty default and by required: false"
    assert schema["properties"]["of"] == {"type": "array", "items": {"type": "integer"}, "description": "which"}
    assert schema["properties"]["weights"]["type"] == "array" and "type" not in schema["properties"]["kind"]


@pytest.mark.parametrize("arguments", [{"lower": 1, "of": []}, '{"lower": 1, "of": []}', '"{\\"lower\\": 1, \\"of\\": []}"'])
def test_xlam_arguments_as_object_text_and_text_in_text(arguments):
    (made,) = convert("xlam", xlam(answers=[{"name": FLAT["name"], "arguments": arguments}]))
    assert made.calls[0].arguments == {"lower": 1, "of": []}


def test_xlam_lists_that_are_lists_already():
    assert convert("xlam", {"query": "sum them", "tools": [FLAT], "answers": [SUM]})[0].calls[0].name == FLAT["name"]


def test_xlam_many_calls_and_none():
    assert len(convert("xlam", xlam(answers=[SUM] * 50))[0].calls) == 50
    (none,) = convert("xlam", xlam(answers=[]))
    assert none.calls is None and none.reply and none.labels["kind"] == "no_tool"


XLAM_FAULTS = {
    "missing_key": {"query": "x", "tools": "[]"}, "not_an_object": ["x"], "wrong_type": {"query": 3, "tools": "[]", "answers": "[]"},
    "answers_not_json": xlam(answers="[{'name': 1}]"), "tools_not_json": xlam(tools='[{"name": "f", "name": "g"}]'),
    "not_a_list": xlam(answers={"a": 1}),
    "call_without_name": xlam(answers=[{"arguments": {}}]), "tool_without_name": xlam(tools=[{"description": "x"}]), "no_query": xlam(query=" "),
    "call_of_unoffered_tool": xlam(answers=[{"name": "other", "arguments": {}}]), "tool_twice": xlam(tools=[FLAT, FLAT]),
    "unknown_argument": xlam(answers=[{"name": FLAT["name"], "arguments": {"lower": 1, "of": [], "more": 1}}]),
    "arguments_against_schema": xlam(answers=[{"name": FLAT["name"], "arguments": {"lower": "one", "of": []}}]),
    "arguments_not_object": xlam(answers=[{"name": FLAT["name"], "arguments": [1]}]),
    "arguments_not_json": xlam(answers=[{"name": FLAT["name"], "arguments": "{'lower': 1}"}]),
}


@pytest.mark.parametrize("fault", XLAM_FAULTS)
def test_xlam_faults(fault):
    assert reason("xlam", XLAM_FAULTS[fault]) == fault


# --- glaive, as published -------------------------------------------------------------------------------

WEATHER = {"name": "get_weather", "description": "Weather",
           "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}
NOTE = {"name": "note", "description": "", "parameters": {"type": "object", "properties": {"text": {"type": "string"}, "n": {"type": "float"}}}}
OFFER = "SYSTEM: You are a helpful assistant with access to the following functions. Use them if required -\n"
NOTHING = "SYSTEM: You are a helpful assistant, with no access to external functions.\n\n\n"


def glaive(system: str, *turns: str) -> dict:
    return {"system": system, "chat": "\n\n\n".join(turns)}


def called(arguments: str, name: str = "get_weather") -> str:
    return f"""ASSISTANT: <functioncall> {{"name": "{name}", "arguments": '{arguments}'}} <|endoftext|>"""


def test_glaive_a_dialogue_with_a_call_and_its_result():
    row = glaive(OFFER + json.dumps(WEATHER, indent=4) + "\n\n" + json.dumps(NOTE) + "\n", "USER: Weather in Rome?", called('{"city": "Rome"}'),
                 'FUNCTION RESPONSE: {"degrees": 3}', "ASSISTANT: It is 3 degrees. <|endoftext|>",
                 "USER: Thanks!", "ASSISTANT: My pleasure. <|endoftext|>\n\n\n")
    call, answer, thanks = convert("glaive", row)
    assert [tool.name for tool in call.tools] == ["get_weather", "note"] and call.tools[1].parameters["properties"]["n"]["type"] == "number"
    assert call.calls == [ROME] and call.messages == [{"role": "user", "content": "Weather in Rome?"}]
    assert answer.reply == "It is 3 degrees." and [m["role"] for m in answer.messages] == ["user", "assistant", "tool"]
    assert answer.messages[2]["content"] == '{"degrees": 3}' and answer.messages[1]["tool_calls"] == [ROME.wrapped()]
    assert thanks.reply == "My pleasure."


@pytest.mark.parametrize("written,text", [
    ('{"text": "it\'s fine"}', "it's fine"), ('{"text": "it\\\'s fine"}', "it's fine"), ('{"text": "say \\"hi\\""}', 'say "hi"'),
    ('{"text": "two\\nlines"}', "two\nlines"), ('{"text": "Łódź \\u00e9"}', "Łódź é")])
def test_glaive_arguments_in_single_quotes(written, text):
    (made,) = convert("glaive", glaive(OFFER + json.dumps(NOTE), "USER: note it", called(written, "note")))
    assert made.calls == [Call("note", {"text": text})]


def test_glaive_other_forms_of_a_call():
    system = OFFER + json.dumps(WEATHER)
    both = f"ASSISTANT: I will look. <functioncall> {json.dumps({'name': 'get_weather', 'arguments': {'city': 'Rome'}})} <|endoftext|> " \
           + called('{"city": "Milan"}').removeprefix("ASSISTANT: ")
    (made,) = convert("glaive", glaive(system, "USER: Rome and Milan?", both))
    assert made.calls == [ROME, MILAN]


def test_glaive_without_functions():
    (made,) = convert("glaive", glaive(NOTHING, "USER: What is 2 + 2?\nQuickly.", "ASSISTANT: 4. <|endoftext|>"))
    assert (made.tools, made.reply, made.messages) == ([], "4.", [{"role": "user", "content": "What is 2 + 2?\nQuickly."}])


def test_glaive_other_words_of_the_system_turn_are_kept():
    (made,) = convert("glaive", glaive("SYSTEM: Speak like a sailor.", "USER: Hi", "ASSISTANT: Ahoy! <|endoftext|>"))
    assert made.messages[0] == {"role": "system", "content": "Speak like a sailor."}


GLAIVE_FAULTS = {
    "tools_not_json": glaive(OFFER + '{"name": "f", }', "USER: x", "ASSISTANT: y"),
    "tool_without_name": glaive(OFFER + "{}", "USER: x", "ASSISTANT: y"),
    "no_speaker": glaive(NOTHING, "Hello", "ASSISTANT: y"), "empty_turn": glaive(NOTHING, "USER: x", "ASSISTANT: <|endoftext|>"),
    "no_target": glaive(NOTHING, "USER: x"),
    "call_not_json": glaive(OFFER + json.dumps(WEATHER), "USER: x", "ASSISTANT: <functioncall> get_weather(Rome)"),
    "arguments_not_json": glaive(OFFER + json.dumps(WEATHER), "USER: x", called('{"city": Rome}')),
    "call_of_unoffered_tool": glaive(OFFER + json.dumps(NOTE), "USER: x", called('{"city": "Rome"}')), "missing_key": {"system": "x"},
}


@pytest.mark.parametrize("fault", GLAIVE_FAULTS)
def test_glaive_faults(fault):
    assert reason("glaive", GLAIVE_FAULTS[fault]) == fault


def test_glaive_sharegpt_parallel_calls():
    row = {"conversations": [{"from": "human", "value": "both?"}, {"from": "function_call", "value": json.dumps([vars(ROME), vars(MILAN)])}],
           "tools": json.dumps([WEATHER])}
    assert convert("glaive", row)[0].calls == [ROME, MILAN]


# --- hermes ---------------------------------------------------------------------------------------------

WRAPPED = json.dumps([{"type": "function", "function": WEATHER}])
HOW = "You are a function calling AI model. You get signatures within <tools> </tools> XML tags. " \
      f"<tools>\n{WRAPPED}\n</tools> Call in <tool_call> tags."


def hermes(*turns: tuple[str, str], tools: str | None = WRAPPED, system: str = HOW) -> dict:
    listed = [{"from": "system", "value": system}] if system else []
    listed += [{"from": role, "value": text} for role, text in turns]
    return {"id": "x", "conversations": listed, **({"tools": tools} if tools is not None else {}), "category": "c", "task": "t"}


def tagged(text: str) -> str:
    return f"<tool_call>\n{text}\n</tool_call>"


GOOD = '{"arguments": {"city": "Rome"}, "name": "get_weather"}'


def test_hermes_single_turn():
    (made,) = convert("hermes", hermes(("human", "Rome?"), ("gpt", tagged(GOOD))))
    assert made.calls == [ROME] and made.messages == [{"role": "user", "content": "Rome?"}] and "json" not in made.labels
    assert made.tools == [Tool("get_weather", "Weather", WEATHER["parameters"])]


def test_hermes_multi_turn_with_prose_and_several_results():
    second = tagged(GOOD.replace("Rome", "Milan"))
    row = hermes(("human", "both?"), ("gpt", "Let me see.\n" + tagged(GOOD) + "\n" + second),
                 ("tool", '<tool_response>\n{"t": 1}\n</tool_response>\n<tool_response>\n{"t": 2}\n</tool_response>'), ("gpt", "1 and 2."))
    call, answer = convert("hermes", row)
    assert call.calls == [ROME, MILAN] and answer.reply == "1 and 2."
    assert [m["content"] for m in answer.messages] == ["both?", "Let me see.", '{"t": 1}', '{"t": 2}']


def test_hermes_tools_only_in_the_system_turn():
    assert convert("hermes", hermes(("human", "Rome?"), ("gpt", tagged(GOOD)), tools=None))[0].tools[0].name == "get_weather"


def test_hermes_python_literals_are_read_and_counted():
    (made,) = convert("hermes", hermes(("human", "Rome?"), ("gpt", tagged("{'name': 'get_weather', 'arguments': {'city': 'Rome',}}"))))
    assert made.calls == [ROME] and made.labels["json"] == "mended"


def test_hermes_a_system_turn_without_tools_is_kept():
    (made,) = convert("hermes", hermes(("human", "hi"), ("gpt", "Hello."), tools="[]", system="Be brief."))
    assert made.messages[0] == {"role": "system", "content": "Be brief."} and made.tools == []


def json_mode(*answers: str, schema='{"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}') -> dict:
    turns = [turn for answer in answers for turn in (("human", "Where is it?"), ("gpt", answer))]
    return hermes(*turns, tools=None, system=f"Answer in JSON within the <schema> below:\n<schema>\n{schema}\n</schema>")


def test_hermes_json_mode_is_structured_output():
    (made,) = convert("hermes", json_mode('{\n  "city": "Rome"\n}'))
    assert made.schema["required"] == ["city"] and made.tools == [] and made.calls is None and json.loads(made.reply) == {"city": "Rome"}
    assert made.labels["kind"] == "structured" and "<schema>" in made.messages[0]["content"], "the schema is shown as the data set shows it"
    assert convert("hermes", json_mode('{"city": "Rome"}', schema="{'type': 'object'}"))[0].schema == {"type": "object"}, "Python literals are read"
    assert [one.reply for one in convert("hermes", json_mode('{"city": "Rome"}', '{"city": "Milan"}'))] == ['{"city": "Rome"}', '{"city": "Milan"}']


HERMES_FAULTS = {
    "schema_not_json": json_mode("{}", schema="{type: "), "answer_not_json": json_mode("In Rome."), "answer_not_object": json_mode('["Rome"]'),
    "answer_against_schema": json_mode('{"city": 5}'), "bad_tool_schema": json_mode("{}", schema='{"type": "objet"}'),
    "unbalanced_tags": hermes(("human", "x"), ("gpt", "<tool_call>\n" + GOOD)),
    "call_not_json": hermes(("human", "x"), ("gpt", tagged("get_weather()"))),
    "call_without_name": hermes(("human", "x"), ("gpt", tagged('{"arguments": {}}'))),
    "tools_not_json": hermes(("human", "x"), ("gpt", "y"), tools="[{"),
    "empty_turn": hermes(("human", "x"), ("gpt", "")), "no_target": hermes(("human", "x")), "wrong_type": hermes(("user", "x")),
    "arguments_not_object": hermes(("human", "x"), ("gpt", tagged('{"name": "get_weather", "arguments": [1]}'))),
}


@pytest.mark.parametrize("fault", HERMES_FAULTS)
def test_hermes_faults(fault):
    assert reason("hermes", HERMES_FAULTS[fault]) == fault


# --- any rows -------------------------------------------------------------------------------------------

ROWS = {"xlam": xlam(), "glaive": glaive(OFFER + json.dumps(WEATHER), "USER: x", called('{"city": "Rome"}')),
        "hermes": hermes(("human", "Rome?"), ("gpt", tagged(GOOD))), "json_mode": json_mode('{"city": "Rome"}')}
KEYS = ["query", "tools", "answers", "name", "arguments", "parameters", "properties", "type", "system", "chat",
        "conversations", "from", "value", "function"]


@pytest.mark.parametrize("source", ["xlam", "glaive", "hermes"])
@settings(max_examples=200, deadline=None)
@given(value=anything(KEYS))
def test_anything_is_converted_or_refused(source, value):
    only_row_errors(sources.get(source).convert, value, CFG)


@pytest.mark.parametrize("source", ROWS)
def test_damaged_rows_are_converted_or_refused(source):
    for seed in range(300):
        only_row_errors(sources.get("hermes" if source == "json_mode" else source).convert, damaged(ROWS[source], seed), CFG)
