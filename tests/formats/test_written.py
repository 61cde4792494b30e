"""What models write in each dialect: the calls that are read from it, and how it was malformed."""

import pytest

from stages import formats
from stages.errors import RowError
from stages.formats import _calls
from stages.schema import Call, Example, Parsed

F, G = Call("f", {"a": 1}), Call("g", {"b": "x"})
OK, OTHER = '{"name": "f", "arguments": {"a": 1}}', '{"name": "g", "arguments": {"b": "x"}}'
LLAMA = '{"name": "f", "parameters": {"a": 1}}'
# text -> calls, reply, attempted, defects
NATIVE = {
    "Qwen thinks first": (f"<think>\nOne call.\n</think>\n\n<tool_call>\n{OK}\n</tool_call>", [F], "", True, []),
    "Qwen thinks of a call and replies": (f"<think>\n<tool_call>{OK}</tool_call>?\n</think>\n\nNo.", [], "No.", False, []),
    "Qwen thinks to the end": ("<think>\nLet me see", [], "", False, []),
    "the prompt has opened the thought": ("hm\n</think>\n\nYes.", [], "Yes.", False, []),
    "Llama 3.1": (LLAMA, [F], "", True, []),
    "Llama, two": (LLAMA + "; " + LLAMA, [F, F], "", True, []),
    "Llama, two lines": (LLAMA + "\n" + LLAMA, [F, F], "", True, []),
    "Llama, cut off": ('{"name": "f", "parameters": {"a"', [], "", True, ["cut_off"]),
    "Llama, no JSON": ('{"name": "f", "parameters": {a 1}}', [], "", True, ["not_json"]),
    "Llama, python_tag": ("<|python_tag|>" + LLAMA, [F], "", True, []),
    "Llama, built-in tool": ('<|python_tag|>brave_search.call(query="Hull")', [Call("brave_search", {"query": "Hull"})], "", True, []),
    "Llama, built-in tool cut off": ('<|python_tag|>brave_search.call(query="Hu', [], "", True, ["cut_off"]),
    "Llama, prose before the tag": ("Let me see. <|python_tag|>" + LLAMA, [F], "Let me see.", True, ["prose_around"]),
    "Llama, code after the tag": ("<|python_tag|>import os", [], "import os", True, ["not_json"]),
    "Llama, pythonic": ('[f(a=1), g(b="x")]', [F, G], "", True, []),
    "Mistral": (f"[TOOL_CALLS] [{OK}, {OTHER}]", [F, G], "", True, []),
    "Mistral, with arguments apart": ('[TOOL_CALLS]f[ARGS]{"a": 1}[TOOL_CALLS]g[CALL_ID]abc[ARGS]{"b": "x"}', [F, G], "", True, []),
    "Mistral, cut off": (f'[TOOL_CALLS][{OK}, {{"na', [], "", True, ["cut_off"]),
    "Mistral, prose before": (f"Sure.[TOOL_CALLS][{OK}]", [F], "Sure.", True, ["prose_around"]),
    "Mistral, nothing": ("[TOOL_CALLS]", [], "", True, ["empty_block"]),
    "Mistral, empty list": ("[TOOL_CALLS][]", [], "", True, ["empty_block"]),
    "Mistral, single quotes": ("[TOOL_CALLS][{'name': 'f', 'arguments': {'a': 1}}]", [F], "", True, ["mended_json"]),
    "Mistral, arguments as text": ('[TOOL_CALLS]f[ARGS]"{\\"a\\": 1}"', [F], "", True, ["arguments_as_text"]),
    "Qwen, arguments as text": ('<tool_call>\n{"name": "f", "arguments": "{\\"a\\": 1}"}\n</tool_call>', [F], "", True, ["arguments_as_text"]),
    "Qwen, arguments as text of no object": ('<tool_call>\n{"name": "f", "arguments": "1"}\n</tool_call>', [], "", True, ["arguments_not_object"]),
    "Mistral, no name": ('[TOOL_CALLS][ARGS]{"a": 1}', [], "", True, ["no_name"]),
    "Phi-4-mini": (f"<|tool_call|>[{OK}]<|/tool_call|>", [F], "", True, []),
    "Phi-4-mini, cut off": (f"<|tool_call|>[{OK}", [], "", True, ["cut_off"]),
    "Phi-4-mini, one without a list": (f"<|tool_call|>{OK}<|/tool_call|>", [F], "", True, []),
    "LFM2": ('<|tool_call_start|>[f(a=1), g(b="x")]<|tool_call_end|>', [F, G], "", True, []),
    "LFM2, as JSON": (f"<|tool_call_start|>[{OK}]<|tool_call_end|>", [F], "", True, []),
    "LFM2, cut off": ("<|tool_call_start|>[f(a=1), g(b=", [F], "", True, ["cut_off"]),
    "LFM2, nothing": ("<|tool_call_start|><|tool_call_end|>", [], "", True, ["empty_block"]),
    "LFM2, words": ("<|tool_call_start|>the weather<|tool_call_end|>", [], "", True, ["not_json"]),
    "gpt-oss's last channel": ("<|channel|>final<|message|>It is cold.", [], "It is cold.", False, []),
    "gpt-oss thinks first": ("<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>Cold.", [], "Cold.", False, []),
    "Command's frame": ("<|START_RESPONSE|>It is cold.<|END_RESPONSE|>", [], "It is cold.", False, []),
    "a call without its tags": (OK, [F], "", True, ["unbalanced_tags"]),
    "two without their tags": (OK + "\n" + OTHER, [F, G], "", True, ["unbalanced_tags"]),
    "a call in prose": ("I call " + OK + " now.", [F], "I call now.", True, ["unbalanced_tags", "prose_around"]),
    "data in prose": ('The row is {"name": "Ada", "age": 36}.', [], 'The row is {"name": "Ada", "age": 36}.', False, []),
    "code in prose": ("Use list[int] and f(x), see [1].", [], "Use list[int] and f(x), see [1].", False, []),
}
MARKDOWN = {
    "clean": (f"```json\n[{OK}, {OTHER}]\n```", [F, G], "", True, []),
    "one without a list": (f"```json\n{OK}\n```", [F], "", True, []),
    "on many lines": ('```json\n[\n  {\n    "name": "f",\n    "arguments": {"a": 1}\n  }\n]\n```', [F], "", True, []),
    "on one line": (f"```json [{OK}]```", [F], "", True, []),
    "two blocks": (f"```json\n[{OK}]\n```\n```json\n[{OTHER}]\n```", [F, G], "", True, []),
    "prose around": (f"Sure!\n```json\n[{OK}]\n```\nDone.", [F], "Sure! Done.", True, ["prose_around"]),
    "the fence after words": (f"Sure: ```json\n[{OK}]\n```", [F], "Sure:", True, ["prose_around"]),
    "another language name": (f"```tool_code\n[{OK}]\n```", [F], "", True, []),
    "no language": (f"```\n[{OK}]\n```", [F], "", True, []),
    "code is prose": ("```python\nprint(1)\n```", [], "```python\nprint(1)\n```", False, []),
    "code before a call": (f"```matlab\nx = 1\n```\n```json\n[{OK}]\n```", [F], "```matlab\nx = 1\n```", True, ["prose_around"]),
    "no fence": (f"[{OK}]", [F], "", True, ["unbalanced_tags"]),
    "cut off after the call": (f"```json\n[{OK}]", [F], "", True, ["cut_off"]),
    "cut off in the call": (f'```json\n[{OK}, {{"name', [], "", True, ["cut_off"]),
    "cut off at the fence": ("```json", [], "", True, ["empty_block", "cut_off"]),
    "empty list": ("```json\n[]\n```", [], "", True, ["empty_block"]),
    "empty block": ("```json\n```", [], "", True, ["empty_block"]),
    "trailing comma, single quotes": ("```json\n[{'name': 'f', 'arguments': {'a': 1,},},]\n```", [F], "", True, ["mended_json"]),
    "quotes in quotes": (
        '```json\n[{"name": "f", "arguments": {"a": "say "hi" now"}}]\n```', [Call("f", {"a": 'say "hi" now'})], "", True, ["mended_json"]),
    "a fence in an argument": ('```json\n[{"name": "f", "arguments": {"a": "```\\nx\\n```"}}]\n```', [Call("f", {"a": "```\nx\n```"})], "", True, []),
    "not JSON": ("```json\nf(a=1)\n```", [], "", True, ["not_json"]),
    "no name": ('```json\n{"a": 1}\n```', [], "", True, ["no_name"]),
    "a reply": ("It is cold.", [], "It is cold.", False, []),
}
QUERY = {
    "clean": (f"[{OK}, {OTHER}]\n</answer>", [F, G], "", True, []),
    "goes on with a query of its own": (f"[{OK}]\n</answer>\n<query>\nmore\n</query>\n<answer>\n[{OTHER}]", [F], "", True, []),
    "one without a list": (f"{OK}</answer>", [F], "", True, []),
    "no end": (f"[{OK}]", [F], "", True, ["unbalanced_tags"]),
    "cut off": (f'[{OK}, {{"name": "g', [], "", True, ["cut_off"]),
    "prose before": (f"I will call: [{OK}]\n</answer>", [F], "I will call:", True, ["prose_around"]),
    "prose after": (f"[{OK}]\nThat is it.\n</answer>", [F], "That is it.", True, ["prose_around"]),
    "single quotes": ("[{'name': 'f', 'arguments': {'a': 1}}]\n</answer>", [F], "", True, ["mended_json"]),
    "empty list": ("[]\n</answer>", [], "", True, ["empty_block"]),
    "a reply": ("It is cold.\n</answer>", [], "It is cold.", False, []),
    "a reply without an end": ("It is cold.", [], "It is cold.", False, []),
    "arguments missing": ('[{"name": "f"}]</answer>', [Call("f", {})], "", True, ["no_arguments"]),
}
PYTHONIC = {
    "clean": ('[f(a=1), g(b="x")]', [F, G], "", True, []),
    "single quotes": ("[g(b='x')]", [G], "", True, []),
    "an escaped apostrophe": ("[g(b='it\\'s')]", [Call("g", {"b": "it's"})], "", True, []),
    "an apostrophe without an escape": ("[g(b='it's')]", [Call("g", {"b": "it's"})], "", True, ["mended_json"]),
    "Python's values": ("[f(a=True, b=None, c=[1, -2.5e3], d={'k': (1, 2)}, e=())]",
                        [Call("f", {"a": True, "b": None, "c": [1, -2500.0], "d": {"k": [1, 2]}, "e": []})], "", True, []),
    "JSON's words": ("[f(a=true, b=null)]", [Call("f", {"a": True, "b": None})], "", True, ["mended_json"]),
    "unicode escapes": ('[f(a="\\u00e9\\ud83d\\ude00")]', [Call("f", {"a": "é😀"})], "", True, []),
    "dotted and spaced names": ("[maps.route(a=1), Get FAQs(a=1)]", [Call("maps.route", {"a": 1}), Call("Get FAQs", {"a": 1})], "", True, []),
    "no arguments": ("[f()]", [Call("f", {})], "", True, []),
    "trailing commas": ("[f(a=1,),]", [F], "", True, []),
    "prose around": ("Sure: [f(a=1)] there.", [F], "Sure: there.", True, ["prose_around"]),
    "in a fence": ("```python\n[f(a=1)]\n```", [F], "```python ```", True, ["prose_around"]),
    "two lists": ("[f(a=1)]\n[g(b='x')]", [F, G], "", True, []),
    "no brackets": ("f(a=1)", [F], "", True, ["unbalanced_tags"]),
    "no brackets, two": ("f(a=1)\ng(b='x')", [F, G], "", True, ["unbalanced_tags"]),
    "cut off in the second": ("[f(a=1), g(b='x", [F], "", True, ["cut_off"]),
    "cut off before the bracket": ("[f(a=1)", [F], "", True, ["cut_off"]),
    "positions for names": ("[f(a=1), g('x', b=1)]", [F], "", True, ["arguments_not_object"]),
    "a call as a value": ("[f(a=g(b=1))]", [], "[f(a=g(b=1))]", True, ["not_json"]),
    "empty list": ("[]", [], "", True, ["empty_block"]),
    "a reply": ("Call f(x), see [1].", [], "Call f(x), see [1].", False, []),
    "a list in a reply": ("[1, 2, 3] is the answer", [], "[1, 2, 3] is the answer", False, []),
    "names that are no identifiers": ('[f(a=1, **{"x.y": 2})]', [Call("f", {"a": 1, "x.y": 2})], "", True, []),
}
REACT = {
    "clean": ('Action: f\nAction Input: {"a": 1}', [F], "", True, []),
    "two": ('Action: f\nAction Input: {"a": 1}\nAction: g\nAction Input: {"b": "x"}', [F, G], "", True, []),
    "with a thought": ('Thought: I need f.\nAction: f\nAction Input: {"a": 1}', [F], "", True, []),
    "an observation made up": ('Action: f\nAction Input: {"a": 1}\nObservation: 3\nFinal Answer: 3', [F], "", True, []),
    "in bold": ('**Action:** f\n**Action Input:** {"a": 1}', [F], "", True, []),
    "fenced input": ('Action: f\nAction Input: ```json\n{"a": 1}\n```', [F], "", True, ["mended_json"]),
    "input on many lines": ('Action: f\nAction Input: {\n  "a": 1\n}', [F], "", True, []),
    "single quotes": ("Action: f\nAction Input: {'a': 1}", [F], "", True, ["mended_json"]),
    "no input": ("Action: f", [], "", True, ["cut_off"]),
    "no input before the next": ('Action: f\nAction: g\nAction Input: {"b": "x"}', [Call("f", {}), G], "", True, ["no_arguments"]),
    "input without an action": ('Action Input: {"a": 1}', [], "", True, ["no_name"]),
    "cut off": ('Action: f\nAction Input: {"a"', [], "", True, ["cut_off"]),
    "not JSON": ("Action: f\nAction Input: a = 1", [], "", True, ["not_json"]),
    "a list": ("Action: f\nAction Input: [1]", [], "", True, ["arguments_not_object"]),
    "no action at all": ("Thought: easy.\nAction: None\nFinal Answer: 4", [], "4", False, []),
    "final answer": ("Thought: easy.\nFinal Answer: It is 4.\nReally.", [], "It is 4.\nReally.", False, []),
    "a call and an answer": ('Action: f\nAction Input: {"a": 1}\nFinal Answer: 4', [F], "4", True, ["prose_around"]),
    "plain words": ("It is 4.", [], "It is 4.", False, []),
}
WRITTEN = {"native": NATIVE, "markdown_json": MARKDOWN, "query_answer": QUERY, "pythonic": PYTHONIC, "react": REACT}


@pytest.mark.parametrize("dialect,name", [(dialect, name) for dialect, table in WRITTEN.items() for name in table])
def test_what_models_write(dialect, name):
    text, calls, reply, attempted, defects = WRITTEN[dialect][name]
    assert formats.get(dialect).parse(text) == Parsed(calls, reply, attempted, defects)


@pytest.mark.parametrize("name", ["f(x)", "f\ng", "", " f", "f[0]", "f=1", "f,g"])
def test_a_name_that_could_not_be_read_back_is_refused(name):
    with pytest.raises(RowError, match="name_not_writable"):
        _calls.write([Call(name, {})])


@pytest.mark.parametrize("key", ["a.b", "a b", "7", "class-name", "", "**", "é.x"])
def test_any_argument_name_is_read_back(key):
    calls = [Call("f", {"plain": 1, key: [1]})]
    assert _calls.parse(_calls.write(calls)) == Parsed(calls, "", True, [])


def test_query_answer_writes_the_start_token_that_the_tokenizer_would(tmpl):
    case = Example("x", "test", [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hi"}], [], None, "Hello.")
    made = formats.get("query_answer").render(case, tmpl)
    assert made.prompt == "<system_prompt>\nBe brief.\n</system_prompt>\n<query>\nhi\n</query>\n<answer>\n"
    assert made.completion == "Hello.\n</answer><|im_end|>"

    class Starting:
        start_text, end_texts = "<s>", ["</s>"]

    assert formats.get("query_answer").render(case, Starting()).prompt.startswith("<s><system_prompt>")
