"""All dialects: what is rendered is read back, and no text makes a parser fail, run long or run code."""

import time
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stages import formats
from stages.errors import FormatError, RowError
from stages.format import check_target
from stages.schema import DEFECTS, Call, Example, Parsed, Tool
from tests import tiny
from tests.tiny import ROOT

DIALECTS = sorted(path.stem for path in (ROOT / "stages/formats").glob("*.py") if not path.stem.startswith("_"))
CAN_SAY_ALL = ("native", "tool_tags")  # these must carry every case; another dialect may refuse one with a reason

TOOLS = [Tool("get_weather", "Weather \"now\" — of a city", {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}),
         Tool("maps.route", "", {"type": "object", "properties": {"stops": {"type": "array", "items": {"type": "string"}}}})]
ASK = [{"role": "user", "content": "Wie kalt ist's in Łódź?\n\"Jetzt\""}]
CALLED = {"role": "assistant", "content": "", "tool_calls": [Call("get_weather", {"city": "Łódź"}).wrapped()]}
AFTER = [*ASK, CALLED, {"role": "tool", "content": '{"degrees": -3}'}]

TARGETS = {
    "one call": [Call("get_weather", {"city": "Hull"})],
    "no arguments": [Call("get_weather", {})],
    "dotted name": [Call("maps.route", {"stops": []})],
    "parallel calls": [Call("get_weather", {"city": "Hull"}), Call("get_weather", {"city": "Porto"}), Call("maps.route", {"stops": ["a", "b"]})],
    "unicode": [Call("get_weather", {"city": "Łódź 東京 😀 é é"})],
    "quotes": [Call("get_weather", {"city": """it's "Hull" 'said' \\ he\\n"""})],
    "newlines and tabs": [Call("get_weather", {"city": "a\nb\r\n\tc\u2028d\x00e"})],
    "nested": [Call("get_weather", {"city": {"a": [{"b": None, "c": [True, False, 1.5, -2e-7]}, []], "": {}}})],
    "numbers": [Call("get_weather", {"a": 0, "b": -1, "c": 10**15, "d": 0.1, "e": 1e30, "f": True, "g": None})],
    "words that look like JSON": [Call("get_weather", {"city": '{"name": "x", "arguments": {}}', "b": "null", "c": "[1, 2", "d": "{'a': 1}"})],
    "words that look like markup": [Call("get_weather", {"city": "<b>&amp;</b> <tools> ``` Action: x"})],
    "reply": "It is 3 degrees.",
    "reply with code": 'Write {"a": 1}, or `x[0]`.',
    "reply in lines": "First.\n\n- one\n- two",
    "reply in unicode": "Łódź: −3 °C 😀",
}
BEFORE = {"one request": ASK, "after a result": AFTER, "a second request": [*AFTER, {"role": "assistant", "content": "-3."}, *ASK],
          "a system turn": [{"role": "system", "content": "Be brief."}, *ASK]}


def as_example(target, messages=ASK) -> Example:
    calls, reply = (None, target) if isinstance(target, str) else (target, None)
    return Example("x", "test", messages, TOOLS, calls, reply)


def end_of(text: str, tmpl) -> str:
    ends = [end for end in tmpl.end_texts if text.endswith(end)]
    assert ends, f"no end token closes {text[-40:]!r}"
    return text.removesuffix(max(ends, key=len))


def rendered(dialect: str, case: Example, tmpl, **options):
    try:
        return formats.get(dialect).render(case, tmpl, **options)
    except RowError as error:
        assert dialect not in CAN_SAY_ALL, error
        pytest.skip(f"{dialect} refuses it: {error}")


@pytest.mark.parametrize("before", BEFORE)
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_what_is_rendered_is_read_back(dialect, target, before, tmpl):
    case = as_example(TARGETS[target], BEFORE[before])
    text = rendered(dialect, case, tmpl)
    parsed = formats.get(dialect).parse(end_of(text.completion, tmpl))
    check_target(case, parsed)
    if case.calls:
        assert parsed == Parsed(case.calls, parsed.reply, True, [])
    else:
        assert (parsed.calls, parsed.attempted, parsed.defects) == ([], False, []) and parsed.reply.split() == case.reply.split()


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_prompt_shows_tools_request_and_earlier_turns(dialect, tmpl):
    prompt = rendered(dialect, as_example(TARGETS["one call"], BEFORE["a second request"]), tmpl).prompt
    for words in ("get_weather", "maps.route", "Wie kalt ist's in Łódź?", "degrees", "-3."):
        assert words in prompt
    assert "Hull" not in prompt, "the answer is no part of the prompt"


@pytest.mark.parametrize("dialect", DIALECTS)
def test_instructions_and_examples_come_before_the_request(dialect, tmpl):
    shot = Example("s", "test", [{"role": "user", "content": "cold in Bergen?"}], TOOLS[:1], [Call("get_weather", {"city": "Bergen"})])
    text = rendered(dialect, as_example(TARGETS["one call"]), tmpl, instructions="Answer like a sailor.", shots=[shot])
    places = [text.prompt.index(words) for words in ("Answer like a sailor.", "cold in Bergen?", "Wie kalt")]
    assert places == sorted(places)
    assert text.prompt.count("Bergen") >= 2, "the example's answer is shown"
    assert text.completion == rendered(dialect, as_example(TARGETS["one call"]), tmpl).completion


@pytest.mark.parametrize("dialect", DIALECTS)
def test_no_tools_offered(dialect, tmpl):
    case = Example("x", "test", ASK, [], None, "I cannot.")
    assert formats.get(dialect).parse(end_of(rendered(dialect, case, tmpl).completion, tmpl)).reply == "I cannot."


plain = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8)
values = st.recursive(plain, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3), max_leaves=8)

any_arguments = st.dictionaries(st.text(min_size=1, max_size=6), values, max_size=3)
any_calls = st.lists(st.builds(Call, st.sampled_from(["get_weather", "maps.route"]), any_arguments), min_size=1, max_size=3)


@pytest.mark.parametrize("dialect", DIALECTS)
@settings(max_examples=120, deadline=None)
@given(calls=any_calls)
@example(calls=[Call("get_weather", {"city": "</tool_call>"})])
@example(calls=[Call("get_weather", {"city": "<|im_end|>"})])
@example(calls=[Call("get_weather", {"city": "```"})])
def test_any_arguments_are_read_back_or_refused_by_the_gate(dialect, tmpl, calls):
    """A value may hold the dialect's own marks: such a row is refused and never trained on."""
    case = as_example(calls)
    try:
        parsed = formats.get(dialect).parse(end_of(formats.get(dialect).render(case, tmpl).completion, tmpl))
        check_target(case, parsed)
    except RowError:
        text = repr(calls)
        assert dialect not in CAN_SAY_ALL or any(mark in text for mark in ("<", "_call")), "only marks may be a reason"
        return
    assert parsed.calls == calls


# --- parsers on any text --------------------------------------------------------------------------------

MARKS = ["<tool_call>", "</tool_call>", "<|python_tag|>", "[TOOL_CALLS]", "```json", "```", "<answer>", "</answer>", "Action:", "Action Input:",
         '{"name": "f", "arguments": {"a": 1}}', '{"name": ', '"arguments": ', "{'name': 'f'}", "[f(a=1)]", "{", "}", "[", "]", '"', "'", "\\",
         "\\u00", "\\ud83d", ",", ":", "//", "/*", "*/", "#", "\n", " ", "None", "NaN", "1e999", "-", "9" * 30, "é", "😀", "name", "arguments",
         "(", ")", "="]


@pytest.mark.parametrize("dialect", DIALECTS)
@settings(max_examples=400, deadline=None)
@given(text=st.lists(st.sampled_from(MARKS) | st.text(max_size=4), max_size=25).map("".join))
def test_no_text_makes_a_parser_fail(dialect, text):
    parsed = formats.get(dialect).parse(text)
    assert set(parsed.defects) <= set(DEFECTS) and len(set(parsed.defects)) == len(parsed.defects)
    assert isinstance(parsed.reply, str) and parsed.attempted in (True, False) and (parsed.attempted or not parsed.calls)
    for call in parsed.calls:
        assert call.name and isinstance(call.name, str) and isinstance(call.arguments, dict)
        repr(call.arguments).encode()


LONG = {
    "opening tags": "<tool_call>", "closing tags": "</tool_call>", "both tags": "<tool_call></tool_call>", "braces": "{", "brackets": "[",
    "nested keys": '{"a":', "tags and braces": "<tool_call>{", "quotes": '"', "apostrophes": "'", "backslashes": "\\", "comments": "/*",
    "hashes": "#", "slashes": "//", "spaces": " ",
    "lines": "\n", "commas": ",", "digits": "9", "escapes": "\\u00e9", "halves": "\\ud83d", "calls": "f(a=1),",
    "bare call": '{"name": "f", "arguments": {}}', "call in tags": '<tool_call>{"name": "f", "arguments": {}}</tool_call>', "fences": "```json\n",
    "lines of thought": "Thought: x\nAction: f\n", "letters": "a", "brackets and quotes": "[\"", "quote and space": '" ', "open arguments": "f(",
}
START = ["", "<tool_call>", '<tool_call>{"name": "f", "arguments": {"a": ', '<tool_call>{"name": "f", "arguments": "', "<tool_call>{'name': '",
         '{"name": ', "```json\n", "[f(a=", "<answer>", "Action: f\nAction Input: "]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_ten_times_the_text_takes_about_ten_times_as_long(dialect):
    parse = formats.get(dialect).parse

    def seconds(text):
        start = time.process_time()
        parse(text)
        return time.process_time() - start

    for start in START:
        for name, part in LONG.items():
            short, long = start + part * (2_000 // len(part)), start + part * (20_000 // len(part))
            if seconds(long) < 0.02:
                continue  # fast enough whatever its growth; a square would take longer
            ratio = min(seconds(long) for _ in range(3)) / max(min(seconds(short) for _ in range(3)), 1e-4)
            assert ratio < 20, f"{name} after {start!r}: {ratio:.0f} times as long"
    assert max(seconds(start + part * (200_000 // len(part))) for start in START[:3] for part in LONG.values()) < 5


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("depth", [60, 1_000, 100_000])
def test_deep_nesting_is_no_stack_overflow(dialect, depth):
    parse = formats.get(dialect).parse
    for opening, closing in (("[", "]"), ('{"a": ', "}"), ("(", ")"), ("f(a=", ")")):
        for start in START:
            parse(start + opening * depth + closing * depth)
            parse(start + opening * depth)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_nothing_is_evaluated(dialect, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for code in ('__import__("pathlib").Path("planted").touch()', 'open("planted", "w")', "(lambda: open('planted', 'w'))()"):
        for shape in ('<tool_call>{{"name": "f", "arguments": {{"a": {0}}}}}</tool_call>', "[f(a={0})]", "<tool_call>{0}</tool_call>",
                      "```json\n{0}\n```", "{0}", "Action: f\nAction Input: {0}", "<answer>{0}</answer>", "<|python_tag|>{0}"):
            formats.get(dialect).parse(shape.format(code))
    assert not Path("planted").exists()


# --- whether a model can carry the dialect --------------------------------------------------------------


TOOLED = "{% for tool in tools or [] %}{{ tool | tojson }}{% endfor %}" + tiny.TURNS
UNFIT = {
    "shows nothing": "<|im_end|>",
    "shows no tools": tiny.TURNS,
    "shows no calls": TOOLED.replace("m.tool_calls", "[]"),
    "shows no results": TOOLED.replace("for m in messages", "for m in messages if m.role != 'tool'"),
    "refuses tools": "{% if tools %}{{ raise_exception('no tools here') }}{% endif %}" + tiny.TURNS,
    "refuses calls": TOOLED.replace("m.tool_calls or []", "(raise_exception('no calls here') if m.tool_calls else [])"),
    "never ends a turn": TOOLED.replace("<|im_end|>", ""),
    "is no template": "{% for",
}


@pytest.mark.parametrize("name", UNFIT)
def test_a_template_that_cannot_carry_tools_does_not_fit_native(name, tmpl):
    with pytest.raises(FormatError) as error:
        formats.get("native").fits(tiny.changed(tmpl, UNFIT[name]))
    assert str(error.value).startswith("dialect is 'native', but the chat template of fake/model ")
    assert ": use tool_tags" in str(error.value) or ": use query_answer" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_template_that_shows_both_fits_native(tmpl):
    formats.get("native").fits(tiny.changed(tmpl, TOOLED))
    formats.get("native").fits(tmpl)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_dialect_fits_the_tiny_model(dialect, tmpl):
    formats.get(dialect).fits(tmpl)


def test_tool_tags_need_a_template_but_no_tools(tmpl):
    formats.get("tool_tags").fits(tiny.changed(tmpl, UNFIT["refuses tools"]))
    for name in ("shows nothing", "is no template", "never ends a turn"):
        with pytest.raises(FormatError, match="dialect is 'tool_tags', but .*: use "):
            formats.get("tool_tags").fits(tiny.changed(tmpl, UNFIT[name]))


def test_without_a_system_turn_tools_go_into_the_first_request(tmpl):
    """Gemma refuses a system turn."""
    refuses = "{% if messages[0].role == 'system' %}{{ raise_exception('no system turn') }}{% endif %}" + tiny.TURNS
    text = formats.get("tool_tags").render(as_example(TARGETS["one call"]), tiny.changed(tmpl, refuses))
    assert text.prompt.startswith("<|im_start|>user") and text.prompt.index("get_weather") < text.prompt.index("Wie kalt")
    assert "<|im_start|>system" in formats.get("tool_tags").render(as_example(TARGETS["one call"]), tiny.changed(tmpl, tiny.TURNS)).prompt
