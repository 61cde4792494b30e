"""Tagged calls as models really write them: what is read from each, and how it was malformed."""

import pytest

from stages import formats
from stages.schema import Call, Parsed

F = Call("f", {"a": 1})
OK = '{"name": "f", "arguments": {"a": 1}}'


def tagged(text: str) -> str:
    return f"<tool_call>\n{text}\n</tool_call>"


def args(text: str) -> str:
    return tagged(f'{{"name": "f", "arguments": {text}}}')


# text -> calls, reply, attempted, defects
WRITTEN = {
    "clean": (tagged(OK), [F], "", True, []),
    "on one line": (f"<tool_call>{OK}</tool_call>", [F], "", True, []),
    "two blocks": (tagged(OK) + "\n" + tagged(OK), [F, F], "", True, []),
    "two blocks with nothing between": (tagged(OK) + tagged(OK), [F, F], "", True, []),
    "a list in one block": (tagged(f"[{OK}, {OK}]"), [F, F], "", True, []),
    "white space around": ("\n\n  " + tagged("\n  " + OK + "  \n") + " \n", [F], "", True, []),
    "another key order": (tagged('{"arguments": {"a": 1}, "name": "f"}'), [F], "", True, []),
    "more keys": (tagged('{"id": "c1", "type": "function", "name": "f", "arguments": {"a": 1}}'), [F], "", True, []),
    "parameters for arguments": (tagged('{"name": "f", "parameters": {"a": 1}}'), [F], "", True, []),
    "arguments as text": (args('"{\\"a\\": 1}"'), [F], "", True, ["arguments_as_text"]),
    "prose before": ("I will look it up.\n" + tagged(OK), [F], "I will look it up.", True, ["prose_around"]),
    "prose after": (tagged(OK) + "\nDone!", [F], "Done!", True, ["prose_around"]),
    "prose between": (tagged(OK) + " and " + tagged(OK), [F, F], "and", True, ["prose_around"]),
    "a reply": ("It is cold.", [], "It is cold.", False, []),
    "nothing": ("", [], "", False, []),
    "a reply in braces": ('{"answer": 42}', [], '{"answer": 42}', False, []),
    "cut off after the call": ("<tool_call>\n" + OK, [F], "", True, ["cut_off"]),
    "cut off inside the call": ('<tool_call>\n{"name": "f", "argu', [], "", True, ["cut_off"]),
    "cut off in the second call": (tagged(OK) + '\n<tool_call>\n{"name": "f", "arguments": {"a"', [F], "", True, ["cut_off"]),
    "cut off at the tag": (tagged(OK) + "\n<tool_call>", [F], "", True, ["cut_off", "empty_block"]),
    "no opening tag": (OK + "\n</tool_call>", [], OK, True, ["unbalanced_tags"]),
    "two opening tags": (f"<tool_call>\n{OK}\n<tool_call>\n{OK}\n</tool_call>", [F, F], "", True, ["unbalanced_tags"]),
    "two closing tags": (tagged(OK) + "\n</tool_call>", [F], "", True, ["unbalanced_tags"]),
    "an opening for a closing tag": (f"<tool_call>\n{OK}\n<tool_call>", [F], "", True, ["unbalanced_tags", "cut_off", "empty_block"]),
    "empty block": ("<tool_call>\n</tool_call>", [], "", True, ["empty_block"]),
    "not JSON": (tagged("call f with a = 1"), [], "", True, ["not_json"]),
    "two objects in one block": (tagged(OK + "\n" + OK), [], "", True, ["not_json"]),
    "a brace missing": (tagged('{"name": "f", "arguments": {"a": 1}'), [], "", True, ["not_json"]),
    "a brace too many": (tagged(OK + "}"), [], "", True, ["not_json"]),
    "single quotes": (tagged("{'name': 'f', 'arguments': {'a': 1}}"), [F], "", True, ["mended_json"]),
    "trailing commas": (tagged('{"name": "f", "arguments": {"a": 1,},}'), [F], "", True, ["mended_json"]),
    "Python words": (args('{"a": True, "b": None, "c": False}'), [Call("f", {"a": True, "b": None, "c": False})], "", True, ["mended_json"]),
    "bare keys": (tagged('{name: "f", arguments: {a: 1}}'), [F], "", True, ["mended_json"]),
    "comments": (tagged('{"name": "f", // the tool\n"arguments": {"a": 1} /* one */}'), [F], "", True, ["mended_json"]),
    "an apostrophe in double quotes": (args('{"a": "it\'s",}'), [Call("f", {"a": "it's"})], "", True, ["mended_json"]),
    "an escaped apostrophe": (args("{'a': 'it\\'s'}"), [Call("f", {"a": "it's"})], "", True, ["mended_json"]),
    "a line end in a string": (args('{"a": "x\ny"}'), [Call("f", {"a": "x\ny"})], "", True, ["mended_json"]),
    "unicode escapes": (args('{"a": "\\u00e9\\ud83d\\ude00"}'), [Call("f", {"a": "é😀"})], "", True, []),
    "unicode escapes in single quotes": (args("{'a': '\\u00e9\\ud83d\\ude00'}"), [Call("f", {"a": "é😀"})], "", True, ["mended_json"]),
    "half of a character": (args('{"a": "\\ud83d"}'), [], "", True, ["not_json"]),
    "the same key twice": (args('{"a": 0, "a": 1}'), [F], "", True, ["mended_json"]),
    "no number": (args('{"a": NaN}'), [], "", True, ["not_json"]),
    "more than a number can hold": (args('{"a": 1e999}'), [], "", True, ["not_json"]),
    "a number of 5,000 digits": (args('{"a": ' + "1" * 5000 + "}"), [], "", True, ["not_json"]),
    "no name": (tagged('{"arguments": {"a": 1}}'), [], "", True, ["no_name"]),
    "an empty name": (tagged('{"name": "", "arguments": {"a": 1}}'), [], "", True, ["no_name"]),
    "a name that is no text": (tagged('{"name": 7, "arguments": {"a": 1}}'), [], "", True, ["no_name"]),
    "no object": (tagged("7"), [], "", True, ["no_name"]),
    "no arguments": (tagged('{"name": "f"}'), [Call("f", {})], "", True, ["no_arguments"]),
    "arguments null": (args("null"), [Call("f", {})], "", True, ["no_arguments"]),
    "arguments as a list": (args("[1]"), [], "", True, ["arguments_not_object"]),
    "arguments as other text": (args('"a=1"'), [], "", True, ["arguments_not_object"]),
    "a good and a bad block": (tagged(OK) + "\n" + tagged("?"), [F], "", True, ["not_json"]),
    "marks in a reply": ("Use </tool_call> to end it.", [], "Use to end it.", True, ["unbalanced_tags"]),
}


@pytest.mark.parametrize("name", WRITTEN)
@pytest.mark.parametrize("dialect", ["native", "tool_tags"])
def test_what_models_write(dialect, name):
    text, calls, reply, attempted, defects = WRITTEN[name]
    assert formats.get(dialect).parse(text) == Parsed(calls, reply, attempted, defects)


@pytest.mark.parametrize("dialect", ["native", "tool_tags"])
def test_a_call_without_tags_is_an_attempt(dialect):
    """Some families write calls so in their native form; where tags are asked for, it is malformed."""
    parsed = formats.get(dialect).parse(OK)
    assert (parsed.calls, parsed.reply, parsed.attempted) == ([F], "", True)
    assert dialect == "native" or parsed.defects == ["unbalanced_tags"]
    broken = formats.get(dialect).parse('{"name": "f", "arguments": {"a": ')
    assert (broken.calls, broken.attempted) == ([], True) and broken.defects
