"""local: xLAM and OpenAI rows, in every file form; arguments as dict, text, or text in text."""

import gzip
import json

import pytest
from hypothesis import given, settings

from stages.errors import FileError, RowError
from stages.schema import Call, Tool, as_arguments
from stages.sources import local, read_rows
from stages.sources._types import flat_parameters, type_schema
from tests import tiny
from tests.sources.rows import anything, cfg, damaged, only_row_errors

KEYS = ["messages", "role", "content", "tool_calls", "function", "name", "arguments", "tools", "query", "answers", "reply", "id",
        "parameters", "properties", "type", "description", "default", "required", "enum"]


def convert(row) -> list:
    return local.convert(row, cfg(""))


# --- the two shapes -------------------------------------------------------------------------------------


def test_both_shapes_give_the_same_requests_and_targets():
    for messages, xlam in zip(tiny.messages_rows(), tiny.xlam_rows(), strict=True):
        (one,), (other,) = convert(messages), convert(xlam)
        assert one.messages == other.messages and one.calls == other.calls
        assert [tool.name for tool in one.tools] == [tool.name for tool in other.tools]
        assert (one.reply is None) == (other.reply is None) == bool(one.calls)


def test_xlam_lists_may_be_lists_or_text():
    row = tiny.xlam_rows()[0]
    plain = row | {"tools": json.loads(row["tools"]), "answers": json.loads(row["answers"])}
    assert convert(row) == convert(plain)


def test_an_xlam_row_without_calls_is_a_reply():
    (made,) = convert({"query": "sing", "tools": [], "answers": "[]", "reply": "I cannot sing."})
    assert made.calls is None and made.reply == "I cannot sing."
    assert convert({"query": "sing", "tools": [], "answers": []})[0].reply


def test_every_assistant_turn_is_an_example():
    call = {"id": "c1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city": "Hull"}'}}
    row = {"tools": [tiny.tool("get_weather")], "messages": [
        {"role": "system", "content": "Be brief."}, {"role": "user", "content": "cold in Hull?"},
        {"role": "assistant", "content": None, "tool_calls": [call]}, {"role": "tool", "tool_call_id": "c1", "content": "9"},
        {"role": "assistant", "content": "9 degrees."}]}
    first, second = convert(row)
    assert first.calls == [Call("get_weather", {"city": "Hull"})] and first.reply is None and len(first.messages) == 2
    assert second.calls is None and second.reply == "9 degrees."
    assert [message["role"] for message in second.messages] == ["system", "user", "assistant", "tool"]
    assert second.messages[2] == {"role": "assistant", "content": "", "tool_calls": [Call("get_weather", {"city": "Hull"}).wrapped()]}


def test_tools_may_be_wrapped_bare_flat_or_text():
    schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    for entry in ({"type": "function", "function": {"name": "f", "description": "d", "parameters": schema}},
                  {"name": "f", "description": "d", "parameters": schema}, {"name": "f", "description": "d", "parameters": json.dumps(schema)},
                  {"name": "f", "description": "d", "parameters": {"city": {"type": "str"}}}):
        assert local.tool(entry) == Tool("f", "d", schema)
    assert local.tool({"name": "f"}) == Tool("f", "", {"type": "object", "properties": {}, "required": []})


def test_a_flat_parameter_may_have_the_name_of_a_schema_word():
    """xLAM has tools with parameters called `type` and `properties`."""
    for name in ("type", "properties", "required"):
        made = local.tool({"name": "f", "parameters": {name: {"type": "str", "description": "kind of thing"}}}).parameters
        assert made["properties"][name] == {"type": "string", "description": "kind of thing"} and made["required"] == [name]


@pytest.mark.parametrize("arguments", [{"a": 1}, '{"a": 1}', '"{\\"a\\": 1}"', json.dumps(json.dumps('{"a": 1}')[1:-1].replace("\\", ""))])
def test_arguments_as_dict_text_or_text_in_text(arguments):
    assert as_arguments(arguments) == {"a": 1}
    (made,) = convert({"query": "x", "tools": [{"name": "f", "parameters": {}}], "answers": [{"name": "f", "arguments": arguments}]})
    assert made.calls == [Call("f", {"a": 1})]


@pytest.mark.parametrize("arguments", [None, ""])
def test_no_arguments_are_none(arguments):
    assert as_arguments(arguments) == {}


@pytest.mark.parametrize("arguments,reason", [
    ([], "arguments_not_object"), (1, "arguments_not_object"), ("[1]", "arguments_not_object"), ("a: 1", "arguments_not_json"),
    ("{'a': 1}", "arguments_not_json"), ('{"a": NaN}', "arguments_not_json"), (json.dumps(json.dumps(json.dumps("{}"))), "arguments_not_object"),
    ("[" * 100_000, "arguments_not_json")])
def test_other_arguments_are_refused(arguments, reason):
    with pytest.raises(RowError) as error:
        as_arguments(arguments)
    assert error.value.reason == reason


# --- xLAM's types ---------------------------------------------------------------------------------------

TYPES = {
    "str": {"type": "string"}, "int": {"type": "integer"}, "float": {"type": "number"}, "bool": {"type": "boolean"},
    "list": {"type": "array"}, "dict": {"type": "object"}, "set": {"type": "array"}, "tuple": {"type": "array"},
    "str, optional": {"type": "string"}, "int,optional": {"type": "integer"}, "List[str]": {"type": "array", "items": {"type": "string"}},
    "List[int], optional": {"type": "array", "items": {"type": "integer"}}, "list[List[float]]": {"type": "array", "items": {
        "type": "array", "items": {"type": "number"}}}, "List[Union[int, float]]": {"type": "array", "items": {}},
    "List[Dict[str, int]]": {"type": "array", "items": {"type": "object"}}, "Dict[str, Any]": {"type": "object"},
    "Tuple[int, str]": {"type": "array"}, "Set[str]": {"type": "array", "items": {"type": "string"}}, "Optional[int]": {"type": "integer"},
    "Union[int, str]": {}, "Callable[[float], float]": {}, "Any": {}, "": {}, "datetime": {}, "List[" * 5000 + "]" * 5000: {},
}


@pytest.mark.parametrize("text", TYPES, ids=lambda text: text[:30])
def test_python_types_as_json_schema(text):
    assert type_schema(text) == TYPES[text]


@pytest.mark.parametrize("entry,required", [
    ({"type": "str"}, True), ({"type": "str, optional"}, False), ({"type": "Optional[str]"}, False), ({"type": "str", "default": "a"}, False),
    ({"type": "str", "default": ""}, False), ({"type": "int", "default": None}, False), ({"type": "str", "required": False}, False),
    ({"type": "str", "required": True}, True), ({"description": "no type"}, True), ("a word", True),
])
def test_when_a_parameter_is_optional(entry, required):
    made = flat_parameters({"a": entry})
    assert (made["required"] == ["a"]) == required


def test_defaults_enums_and_descriptions_are_kept():
    made = flat_parameters({"a": {"type": "int", "default": 5, "description": "how many", "enum": [5, 6], "minimum": 1, "maximum": 9}})
    assert made["properties"]["a"] == {"type": "integer", "description": "how many", "default": 5, "enum": [5, 6], "minimum": 1, "maximum": 9}
    assert "default" not in flat_parameters({"a": {"type": "str", "default": ""}})["properties"]["a"], "an empty default means none"


# --- files ----------------------------------------------------------------------------------------------

ROWS = [{"query": f"Łódź {number}", "tools": [], "answers": []} for number in range(3)]
LINES = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS)
FORMS = {
    "lines": ("rows.jsonl", LINES.encode(), [1, 2, 3]),
    "lines in .json": ("rows.json", LINES.encode(), [1, 2, 3]),
    "no last line end": ("rows.jsonl", LINES.rstrip("\n").encode(), [1, 2, 3]),
    "Windows line ends": ("rows.jsonl", LINES.replace("\n", "\r\n").encode(), [1, 2, 3]),
    "byte order mark": ("rows.jsonl", b"\xef\xbb\xbf" + LINES.encode(), [1, 2, 3]),
    "blank lines": ("rows.jsonl", ("\n \n" + LINES.replace("\n", "\n\n")).encode(), [3, 5, 7]),
    "a list": ("rows.json", json.dumps(ROWS).encode(), [1, 2, 3]),
    "an indented list": ("rows.json", json.dumps(ROWS, indent=2).encode(), [1, 2, 3]),
    "a list after blanks": ("rows.json", b"\n\n  " + json.dumps(ROWS).encode() + b"\n\n", [1, 2, 3]),
    "a list with a byte order mark": ("rows.json", b"\xef\xbb\xbf" + json.dumps(ROWS).encode(), [1, 2, 3]),
    "a list in .jsonl": ("rows.jsonl", json.dumps(ROWS).encode(), [1, 2, 3]),
    "gzip lines": ("rows.jsonl.gz", gzip.compress(LINES.encode()), [1, 2, 3]),
    "gzip list": ("rows.json.gz", gzip.compress(json.dumps(ROWS).encode()), [1, 2, 3]),
    "gzip in two members": ("rows.jsonl.gz", gzip.compress(LINES[:40].encode()) + gzip.compress(LINES[40:].encode()), [1, 2, 3]),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_file_gives_the_same_rows(tmp_path, form):
    name, content, lines = FORMS[form]
    (tmp_path / name).write_bytes(content)
    read = list(local.read(cfg(tmp_path / name)))
    assert [raw.value for raw in read] == ROWS and [raw.line for raw in read] == lines
    assert all(raw.error is None and json.loads(raw.text) == raw.value for raw in read)


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xef\xbb\xbf", b"[]", b" [ ] "])
def test_empty_files_have_no_rows(tmp_path, content):
    (tmp_path / "rows.json").write_bytes(content)
    assert list(read_rows(tmp_path / "rows.json")) == []


def test_a_bad_entry_of_a_list_is_one_bad_row(tmp_path):
    (tmp_path / "rows.json").write_text('[{"a": 1}, {"a": NaN}, {"a": 1, "a": 2}, "\\ud800", {"a": 4}]')
    read = list(read_rows(tmp_path / "rows.json"))
    assert [raw.error and raw.error.reason for raw in read] == [None, "bad_json", "bad_json", "bad_json", None]
    assert read[1].text == '{"a": NaN}' and read[4].value == {"a": 4}


@pytest.mark.parametrize("content,words", [
    (b'[{"a": 1}, {"a": ', "is not JSON"), (b'[{"a": 1} {"a": 2}]', "no ',' or '\\]' after entry 1"), (b'[{"a": 1}', "after entry 1"),
    (b'[{"a": 1}] x', "text after the list"), (b"[" * 100_000, "is not JSON"),
])
def test_a_broken_list_ends_in_one_sentence(tmp_path, content, words):
    (tmp_path / "rows.json").write_bytes(content)
    with pytest.raises(FileError, match=words) as error:
        list(read_rows(tmp_path / "rows.json"))
    assert "\n" not in str(error.value) and str(tmp_path) in str(error.value)


def test_files_that_cannot_be_read_end_in_one_sentence(tmp_path):
    whole = gzip.compress(LINES.encode() * 2000)
    faults = {"latin.jsonl": '{"query": "Łódź"}\n'.encode("iso-8859-2"), "cut.jsonl.gz": whole[: len(whole) // 2], "plain.jsonl.gz": LINES.encode(),
              "damaged.jsonl.gz": whole[:40] + b"\xff" * 40 + whole[80:]}
    for name, content in faults.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(FileError) as error:
            list(local.read(cfg(tmp_path / name)))
        assert name in str(error.value) and "\n" not in str(error.value)
    with pytest.raises(FileError, match="give a file ending in"):
        list(local.read(cfg(tmp_path / "rows.parquet")))


# --- anything at all ------------------------------------------------------------------------------------


@settings(max_examples=300, deadline=None)
@given(anything(KEYS))
def test_any_json_gives_examples_or_a_row_error(value):
    only_row_errors(local.convert, value, cfg(""))


@pytest.mark.parametrize("shape", ["messages", "xlam"])
def test_damaged_rows_give_examples_or_a_row_error(shape):
    rows = tiny.messages_rows() if shape == "messages" else tiny.xlam_rows()
    for seed in range(600):
        only_row_errors(local.convert, damaged(rows[seed % len(rows)], seed), cfg(""))
