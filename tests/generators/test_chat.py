"""Requests from cases, and answers as the dialect's text: what the scorer reads is what the server's model called."""

import json
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stages import formats
from stages.errors import RowError
from stages.generators import _chat, _client
from stages.params import Endpoint
from stages.schema import Call, Example, Tool
from tests.test_params import refusal
from tests.tiny import ROOT, raw_params

DIALECTS = sorted(path.stem for path in (ROOT / "stages/formats").glob("[!_]*.py"))
TOOLS = [Tool(name, "", {"type": "object", "properties": {}}) for name in ("maths.sum", "maths_sum", "get", "x" * 80)]
CALLED = {"role": "assistant", "content": "", "tool_calls": [Call("maths.sum", {"a": 1}).wrapped(), Call("get", {"é": "\n"}).wrapped()]}
RESULTS = [{"role": "tool", "content": "1"}, {"role": "tool", "content": "2"}]
TURNS = [{"role": "user", "content": "add"}, CALLED, *RESULTS, {"role": "user", "content": "and?"}]
SHOT = Example("s", "t", [{"role": "user", "content": "shown"}], TOOLS, [Call("maths.sum", {})])
CASE = _chat.Case(Example("e", "t", TURNS, TOOLS, [Call("get", {"k": [1, {"v": None}]})]), "the prompt", "be brief", [SHOT])


def server(**settings) -> Endpoint:
    return Endpoint(url="http://127.0.0.1:1/v1", model="m", **settings)


def read(message: dict | None, tmpl, reason="stop", dialect="native", case=CASE, **settings):
    return _chat.read({"choices": [{"message": message, "finish_reason": reason}]}, case, server(**settings), formats.get(dialect), tmpl)


def calling(*calls, content=None) -> dict:
    return {"role": "assistant", "content": content,
            "tool_calls": [{"id": "random", "type": "function", "function": {"name": name, "arguments": arguments}} for name, arguments in calls]}


def test_native_request(tmpl):
    path, body = _chat.request(CASE, server(), formats.get("native"), tmpl, 99)
    assert path == "chat/completions" and body["tools"] == [tool.wrapped() for tool in TOOLS]
    assert (body["model"], body["max_tokens"], body["temperature"]) == ("m", 99, 0)
    assert [m["role"] for m in body["messages"]] == ["system", "user", "assistant", "user", "assistant", "tool", "tool", "user"]
    assert body["messages"][0]["content"] == "be brief" and body["messages"][1]["content"] == "shown"
    ids = [call["id"] for message in body["messages"] for call in message.get("tool_calls", [])]
    results = [message["tool_call_id"] for message in body["messages"] if message["role"] == "tool"]
    assert len(set(ids)) == 3 and results == ids[1:], "results follow the calls they answer"
    assert json.loads(body["messages"][4]["tool_calls"][1]["function"]["arguments"]) == {"é": "\n"}
    assert CALLED["content"] == "" and "id" not in CALLED["tool_calls"][0], "the Example is as it was"


def test_request_with_tools_in_the_prompt_or_the_messages(tmpl):
    assert _chat.request(CASE, server(tools="prompt"), formats.get("native"), tmpl, 9) == (
        "completions", {"model": "m", "prompt": "the prompt", "max_tokens": 9, "temperature": 0})
    path, body = _chat.request(CASE, server(tools="messages"), formats.get("tool_tags"), tmpl, 9)
    assert path == "chat/completions" and "tools" not in body and not any("tool_calls" in m for m in body["messages"])
    assert '"maths.sum"' in body["messages"][0]["content"] and "<tool_call>" in body["messages"][4 - 2]["content"]


def test_extra_adds_keys_and_takes_them_out(tmpl):
    body = _chat.request(CASE, server(extra={"temperature": None, "max_tokens": None, "max_completion_tokens": 5}), formats.get("native"), tmpl, 9)[1]
    assert body["max_completion_tokens"] == 5 and not {"temperature", "max_tokens"} & set(body)
    assert _chat.request(CASE, server(max_tokens=3), formats.get("native"), tmpl, 9)[1]["max_tokens"] == 3


def test_plain_names_go_out_and_come_back(tmpl):
    body = _chat.request(CASE, server(plain_names=True), formats.get("native"), tmpl, 9)[1]
    sent = [tool["function"]["name"] for tool in body["tools"]]
    assert len(set(sent)) == 4 and all(len(name) <= 64 and not _chat.PLAIN.search(name) for name in sent)
    assert sent[1] == "maths_sum", "a name that is plain stays"
    assert body["messages"][4]["tool_calls"][0]["function"]["name"] == sent[0]
    for tool, name in zip(TOOLS, sent):
        text, _, _ = read(calling((name, "{}")), tmpl, plain_names=True)
        assert [call.name for call in formats.get("native").parse(text).calls] == [tool.name]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_calls_are_written_as_the_dialect_writes_them(tmpl, dialect):
    calls = [("get", {"city": "Łódź", "n": 1.5, "deep": [{"q": '"'}], "none": None}), ("maths.sum", {})]
    for arguments in (json.dumps, lambda value: value, lambda value: json.dumps(json.dumps(value))):
        text, finish, kept = read(calling(*((name, arguments(value)) for name, value in calls)), tmpl, "tool_calls", dialect)
        parsed = formats.get(dialect).parse(text)
        assert [(call.name, call.arguments) for call in parsed.calls] == calls and not parsed.defects and finish == "stop"
        assert [call["name"] for call in kept["tool_calls"]] == ["get", "maths.sum"] and "random" not in json.dumps(kept)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("raw", ['{"a": 1', "[1]", "city=Hull", '{"a": 1, "a": 2}', "{'a': 1}", '"text"', "NaN"])
def test_arguments_that_are_no_object_stay_the_models_fault(tmpl, dialect, raw):
    text, _, _ = read(calling(("get", raw), ("get", '{"b": 2}'), *[("get", raw)] * 10), tmpl, dialect=dialect)
    parsed = formats.get(dialect).parse(text)
    assert text.count(raw) >= 11 and _chat.UNREAD not in text and parsed.attempted
    assert parsed.defects or sum("arguments" in call.arguments for call in parsed.calls) == 11


def test_a_template_that_refuses_several_calls_at_once(tmpl):
    """As Llama 3.1's: the calls are written one by one."""
    class One(_chat.Recorder):
        def turn(self, messages, target, tools):
            if len(target.get("tool_calls", [])) > limit:
                raise RowError("template_refuses", "only one call at a time")
            return self.tmpl.turn(messages, target, tools)

    for limit in (1, 0):  # noqa: B007  the class reads it
        text = read(calling(("get", '{"a": 1}'), ("get", '{"a": 2}')), One(tmpl))[0]
        assert [call.arguments for call in formats.get("native").parse(text).calls] == [{"a": 1}, {"a": 2}]


def test_the_start_token_is_left_to_the_server(tmpl):
    class Starting(_chat.Recorder):
        start_text = "<s>"

    case = replace(CASE, prompt="<s>the prompt")
    assert _chat.request(case, server(tools="prompt"), formats.get("native"), Starting(tmpl), 9)[1]["prompt"] == "the prompt"


@pytest.mark.parametrize("dialect", sorted(set(DIALECTS) - {"native"}))
def test_every_dialect_writes_the_tools_into_messages(tmpl, dialect):
    body = _chat.request(CASE, server(tools="messages"), formats.get(dialect), tmpl, 9)[1]
    assert "maths.sum" in json.dumps(body["messages"]) or body["messages"] == [{"role": "user", "content": "the prompt"}]
    assert {m["role"] for m in body["messages"]} <= {"system", "user", "assistant"}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_text_beside_calls_hides_none(tmpl, dialect):
    text = read(calling(("get", '{"a": 1}'), ("get", "{}"), content="I will [look] at {it}."), tmpl, dialect=dialect)[0]
    assert [call.arguments for call in formats.get(dialect).parse(text).calls] == [{"a": 1}, {}]


def test_text_beside_calls_is_kept_and_a_plain_reply_is_left_alone(tmpl):
    assert read(calling(("get", "{}"), content=" I will look. "), tmpl)[0].startswith("I will look.\n<tool_call>")
    assert read({"content": " Hello <b>\n"}, tmpl)[0] == " Hello <b>\n"
    assert read({"content": '<tool_call>\n{"name": "get", "arguments": {}}\n</tool_call><|im_end|>\n'}, tmpl)[0].endswith("</tool_call>")
    assert read({"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}, tmpl)[0] == "ab"
    assert read({"content": None, "refusal": "I cannot."}, tmpl)[0] == "I cannot."
    assert read({"content": None, "function_call": {"name": "get", "arguments": "{}"}}, tmpl)[0].count('"get"') == 1


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("reason,content", [("tool_calls", ""), ("tool_calls", "Let me see."), ("length", None)])
def test_a_call_that_the_server_dropped_is_no_refusal_to_call(tmpl, reason, content, dialect):
    parsed = formats.get(dialect).parse(read({"content": content, "tool_calls": []}, tmpl, reason, dialect)[0])
    assert parsed.attempted and not parsed.calls and parsed.defects
    assert not formats.get("native").parse(read({"content": "No tool fits."}, tmpl, "length")[0]).attempted


def test_half_a_character_does_not_stop_the_file(tmpl):
    text, _, kept = read(calling(("g\ud800", '{"a": "\ud800"}'), ("get", {"b": "\udfff"}), content="x\udc00"), tmpl)
    (text + json.dumps(kept, ensure_ascii=False)).encode()


KEYS = st.sampled_from(["content", "tool_calls", "function", "name", "arguments", "refusal", "text", "function_call"])
JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
                    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4))
FUNCTION = st.fixed_dictionaries({}, optional={"name": JSON, "arguments": JSON})
CALLS = st.lists(st.fixed_dictionaries({}, optional={"function": FUNCTION}) | JSON, max_size=3)
MESSAGE = st.fixed_dictionaries({}, optional={"content": JSON, "tool_calls": CALLS | JSON, "refusal": JSON, "function_call": JSON})


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(MESSAGE, JSON)
def test_no_answer_of_any_shape_stops_the_stage(tmpl, message, reason):
    text, finish, kept = read(message, tmpl, reason)
    (text + json.dumps(kept, ensure_ascii=False)).encode()
    assert finish in ("stop", "length") and _chat.UNREAD not in text


def test_the_path_goes_before_the_query():
    assert _client.address("http://h/v1/", "completions") == "http://h/v1/completions"
    assert _client.address("https://r.openai.azure.com/openai/deployments/d?api-version=2024-10-21", "chat/completions") == (
        "https://r.openai.azure.com/openai/deployments/d/chat/completions?api-version=2024-10-21")


SECRET = "sk-secret-0123"


@pytest.mark.parametrize("change", [
    {"api_key_env": SECRET}, {"api_key_env": "secret0123"}, {"api_key_header": f"Bearer {SECRET}"}, {"url": f"https://me:{SECRET}@host/v1"},
    {"url": f"https://host/v1?api-key={SECRET}"}, {"url": f"https://host/v1?access_token={SECRET}"}, {"url": "host:8000/v1"}, {"url": "file:///etc"}])
def test_a_secret_in_the_parameters_is_refused_without_being_repeated(change):
    message = refusal(raw_params(endpoints={"base": None, "tuned": None, "gpt": {"url": "http://h/v1", "model": "m", **change}}))
    assert "secret" not in message and "endpoints" in message


GOOD = {"url": "http://h/v1", "model": "m"}


@pytest.mark.parametrize("endpoints,changes,words", [
    ({"gpt": None}, {}, "endpoints.gpt is null"), ({"GPT": GOOD}, {}, "endpoints has 'GPT'"), ({"data": GOOD}, {}, "endpoints has 'data'"),
    ({"a.b": GOOD}, {}, "endpoints has 'a.b'"), ({"tuned": GOOD}, {}, "endpoints.tuned is set"),
    ({"gpt": {**GOOD, "tools": "messages"}}, {}, "endpoints.gpt.tools is 'messages'"), ({"gpt": {**GOOD, "tools": "both"}}, {}, "'both'"),
    ({"gpt": {**GOOD, "temprature": 0}}, {}, "endpoints.gpt.temprature is not a known parameter"),
    ({"gpt": {**GOOD, "concurrency": 0}}, {}, "endpoints.gpt.concurrency is 0"), ({"gpt": {**GOOD, "timeout": 0}}, {}, "endpoints.gpt.timeout is 0"),
    ({}, {"predict.backend": "endpoint"}, "predict.backend is 'endpoint'"), ({}, {"subjects": ["base", "gpt"]}, "subjects has 'gpt'")])
def test_endpoints_that_cannot_be_used_are_refused(endpoints, changes, words):
    assert words in refusal(raw_params(endpoints={"base": None, "tuned": None} | endpoints, **changes))


def test_each_subject_says_where_its_answers_come_from():
    assert "subjects has 'tuned', but endpoints does not" in refusal(raw_params(endpoints={"base": None}))
