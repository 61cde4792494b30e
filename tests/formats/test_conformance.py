"""The conformance gate for every chat template that TRL ships and every dialect.

A pair either carries all cases, each one past the gate of stages/format.py, or `fits` says in one sentence which dialect to use,
and that one fits. What a template refuses by its own rules (Llama: one call at once) is a rejection with the template's words.
"""

import copy
import json
from functools import cache

import pytest

from stages import formats
from stages.errors import FormatError, RowError
from stages.format import formatted
from stages.schema import Call, Example, Tool
from stages.template import Template
from tests.formats.templates import NAMES, template
from tests.tiny import ROOT

DIALECTS = sorted(path.stem for path in (ROOT / "stages/formats").glob("*.py") if not path.stem.startswith("_"))
# LFM2.5's first two templates are no members: they do not escape quotes
NATIVE = {"lfm2_2_5_vl", "lfm2_v2", "llama3_1", "llama3_2", "qwen2_5", "qwen3", "qwen3_instruct_2507", "qwen3_vl"}
# Why nothing that goes through the template fits: reasoning opened in the prompt; no end of a turn; content that is a list of images and texts.
NO_CHAT = {"deepseek_r1_distill": "opens reasoning", "deepseekv3": "opens reasoning", "glm4moe": "does not end with",
           "idefics3": "show the tools", "smolvlm": "show the tools", "llava_next": "has no attribute 'text'"}
ONE_CALL = {"llama3_1", "llama3_2"}  # these refuse parallel calls in their native form

TOOLS = [Tool("get_weather", 'The "weather" now', {"type": "object", "required": ["city"], "properties": {
             "city": {"type": "string"}, "days": {"type": "integer"}, "more": {"type": "object"}}}),
         Tool("note", "", {"type": "object", "properties": {"text": {"type": "string"}}})]
VALUES = {
    "plain": {"city": "Hull"}, "unicode": {"city": "Łódź 東京 😀 é"}, "quotes": {"city": """it's "Hull", she said: 'oh'"""},
    "newlines": {"city": "one\ntwo\n\n\tthree\\n"}, "nested": {"city": "Hull", "days": 2, "more": {"a": [1, 2.5, None, True, {"b": []}], "c": {}}},
    "numbers as text": {"city": "7", "days": 7}, "nothing": {},
}
ASK = {"role": "user", "content": "Is it \"cold\" in Łódź?\nIt's for tomorrow."}


def calling(calls: list[Call], as_text: bool) -> dict:
    """An earlier turn with calls, their arguments as objects or as JSON text."""
    made = [call.wrapped() for call in calls]
    for entry in made:
        if as_text:
            entry["function"] = {**entry["function"], "arguments": json.dumps(entry["function"]["arguments"])}
    return {"role": "assistant", "content": "", "tool_calls": made}


@cache
def cases() -> list[Example]:
    made = []

    def add(name, messages, calls=None, reply=None):
        made.append(Example(name, "test", messages, TOOLS, calls, reply))

    for name, arguments in VALUES.items():
        one, two = Call("get_weather", arguments), Call("note", {"text": json.dumps(arguments, ensure_ascii=False)})
        add(f"one call, {name}", [ASK], [one])
        add(f"parallel calls, {name}", [ASK], [one, two, one])
        add(f"a system turn, {name}", [{"role": "system", "content": "Be brief."}, ASK], [one])
        for as_text in (False, True):
            kind = "text" if as_text else "objects"
            result = {"role": "tool", "content": json.dumps(arguments, ensure_ascii=False)}
            add(f"reply after a result, {name}, {kind}", [ASK, calling([one], as_text), result], reply=f"It says {arguments.get('city', 'nothing')}.")
            add(f"next call after a result, {name}, {kind}", [ASK, calling([one], as_text), result], [two])
            add(f"parallel results, {name}, {kind}", [ASK, calling([one, two], as_text), result, result], reply="Both are done.")
            add(f"second request, {name}, {kind}", [ASK, calling([one], as_text), result, {"role": "assistant", "content": "Cold."}, ASK], [one])
    for name, arguments in {**VALUES, "like a call": {"name": "get_weather", "arguments": {"city": "Hull"}}}.items():
        made.append(Example(f"an object, {name}", "test", [{"role": "system", "content": "Answer in JSON."}, ASK], [], None,
                            json.dumps(arguments, ensure_ascii=False), schema={"type": "object"}))
    add("reply", [ASK], reply="I cannot know that.\n\n- It's \"far\"\n- Łódź 😀")
    add("reply to a reply", [ASK, {"role": "assistant", "content": "Where?"}, ASK], reply="Ah.")
    return made


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("name", NAMES)
def test_each_template_and_dialect(name, dialect):
    tmpl, member = template(name), formats.get(dialect)
    if (dialect == "native" and name not in NATIVE) or (dialect != "query_answer" and name in NO_CHAT):
        with pytest.raises(FormatError) as error:
            member.fits(tmpl)
        text = str(error.value)
        assert text.startswith(f"dialect is {dialect!r}, but the chat template of {name} cannot carry ") and "\n" not in text
        assert NO_CHAT.get(name, "") in text or dialect == "native"
        instead = text.rpartition(": use ")[2].split(",")[0].rstrip(".")
        formats.get(instead).fits(tmpl)  # the dialect that it names
        return
    member.fits(tmpl)
    rejected = {}
    rows = list(formatted(iter(cases()), member, tmpl, 100_000, lambda example, error: rejected.__setitem__(example.id, error)))
    refused = {case.id for case in cases() if name in ONE_CALL and dialect == "native" and case.id.startswith("parallel")}
    assert {id: str(error) for id, error in rejected.items() if id not in refused} == {}
    assert set(rejected) == refused and all(error.reason == "template_refuses" and "single tool-calls" in error.detail for error in rejected.values())
    assert len(rows) == len(cases()) - len(refused)


def test_the_matrix_holds_every_template_and_every_kind_of_case():
    assert len(NAMES) >= 40 and NATIVE | set(NO_CHAT) | ONE_CALL <= set(NAMES)
    assert len(cases()) == len(VALUES) * 12 + 3


@pytest.mark.parametrize("name", ["llama3_2", "gptoss"])
def test_prompts_do_not_depend_on_the_day(name):
    prompt = template(name).text([ASK], None)
    assert "26 Jul 2024" in prompt or "2024-07-26" in prompt


def test_a_thinking_model_is_asked_for_its_answer_at_once():
    """Qwen 3 writes the closed reasoning where an answer follows; it belongs to the prompt, at training and at use."""
    made = formats.get("native").render(cases()[0], template("qwen3"))
    assert made.prompt.endswith("<|im_start|>assistant\n<think>\n\n</think>\n\n") and made.completion.startswith("<tool_call>")


def test_the_completion_ends_at_the_first_end_token():
    """Phi 3 writes a second one after it, at which its models never arrive."""
    made = formats.get("tool_tags").render(cases()[0], template("phi3"))
    assert made.completion.endswith("<|end|>") and made.completion.count("<|end") == 1


def test_gemma_takes_no_system_turn_and_no_two_turns_of_one_role():
    case = next(case for case in cases() if case.id.startswith("parallel results, plain"))
    prompt = formats.get("markdown_json").render(case, template("gemma")).prompt
    assert prompt.startswith("<s><start_of_turn>user\n") and prompt.index("get_weather") < prompt.index("Łódź")
    turns = [line for line in prompt.splitlines() if "start_of_turn" in line]
    assert turns == ["<s><start_of_turn>user", "<start_of_turn>model", "<start_of_turn>user", "<start_of_turn>model"]


FAILING = {
    "prompt_not_prefix": ("{{ 'other ' if not add_generation_prompt }}{% for m in messages %}<|im_start|>{{ m.content }}<|im_end|>{% endfor %}",
                          "the chat template writes '<|im_start|>Is it"),
    "no_end_token": ("{% for m in messages %}{{ m.content }}{% endfor %}", "the turn does not end with <|im_end|>"),
    "template_refuses": ("{{ raise_exception('not\n today') }}", "not today"),
}


@pytest.mark.parametrize("reason", FAILING)
def test_what_a_turn_says_when_a_template_fails(reason):
    tokenizer = copy.deepcopy(template("qwen2_5").tokenizer)
    tokenizer.chat_template, words = FAILING[reason]
    with pytest.raises(RowError) as error:
        Template("fake", tokenizer, [tokenizer.eos_token_id]).turn([ASK], {"role": "assistant", "content": "x"}, None)
    assert error.value.reason == reason and words in error.value.detail and "\n" not in error.value.detail
