"""format: each rule of the gate fails on a defect planted for it, and good rows come through unchanged."""


import pytest

from stages import format, formats
from stages.errors import RowError
from stages.schema import Call, Example, Parsed, Tool
from tests import tiny
from tests.tiny import TURNS

TOOL = Tool("get_weather", "Weather.", {"type": "object", "properties": {"city": {"type": "string"}}})
ASK = [{"role": "user", "content": "cold in Hull?"}]
CALLS = [Call("get_weather", {"city": "Hull"})]


def called(calls=CALLS, messages=ASK) -> Example:
    return Example("c", "test", messages, [TOOL], calls)


def replied(reply="I cannot.", messages=ASK) -> Example:
    return Example("r", "test", messages, [TOOL], None, reply)


def gate(examples: list[Example], tmpl, dialect="native", max_tokens=512) -> tuple[list[dict], dict[str, str]]:
    """(rows that pass, {id: "reason: detail"} of the others)."""
    rejected = {}
    if isinstance(dialect, str):
        dialect = formats.get(dialect)

    def reject(example, error):
        rejected[example.id] = str(error)

    return list(format.formatted(iter(examples), dialect, tmpl, max_tokens, reject)), rejected


def test_good_rows_pass_with_their_exact_text(tmpl):
    rows, rejected = gate([called(), replied()], tmpl)
    assert not rejected and [row["id"] for row in rows] == ["c", "r"]
    assert rows[0]["completion"] == '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Hull"}}\n</tool_call><|im_end|>'
    assert rows[0]["prompt"].endswith("<|im_start|>user\ncold in Hull?<|im_end|>\n<|im_start|>assistant\n") and "get_weather" in rows[0]["prompt"]
    for row in rows:
        assert row["prompt_tokens"] == len(tmpl.ids(row["prompt"])) and row["completion_tokens"] == len(tmpl.ids(row["completion"]))
    assert Example.from_json(rows[0]["example"]) == called()


def test_batches_keep_the_order(tmpl, monkeypatch):
    monkeypatch.setattr(format, "BATCH", 3)
    cases = [Example(str(number), "test", ASK, [TOOL], None, f"Reply {number}." if number % 4 else "<|im_end|> x") for number in range(10)]
    rows, rejected = gate(cases, tmpl)
    assert [row["id"] for row in rows] == ["1", "2", "3", "5", "6", "7", "9"] and set(rejected) == {"0", "4", "8"}
    assert all(row["completion"] == f"Reply {row['id']}.<|im_end|>" for row in rows)


def test_prompts_are_tokenised_in_two_parts_and_come_out_as_one(tmpl):
    """Every turn of the sixty rows: the same ids as from whole texts, and the head of each prompt is tokenised once."""
    turns = [text for row in tiny.messages_rows() for text in [rendered(row, tmpl)]]
    fresh = tiny.changed(tmpl)
    whole = [(tmpl.ids(turn.prompt), tmpl.ids(turn.completion), tmpl.ids(turn.prompt + turn.completion)) for turn in turns]
    assert fresh.ids_of_turns(turns[:5]) == whole[:5] and fresh._parts_hold == [True]
    seen, batch_ids = [], fresh.batch_ids
    fresh.batch_ids = lambda texts: seen.extend(texts) or batch_ids(texts)
    assert fresh.ids_of_turns(turns[5:]) == whole[5:]
    assert sum(map(len, seen)) < 0.75 * sum(2 * len(turn.prompt) + 2 * len(turn.completion) for turn in turns[5:])


def rendered(row: dict, tmpl):
    *messages, answer = row["messages"]
    tools = [Tool(**entry["function"]) for entry in row["tools"]]
    calls = [Call(**entry["function"]) for entry in answer.get("tool_calls", [])]
    return formats.get("native").render(Example("x", "test", messages, tools, calls or None, None if calls else answer["content"]), tmpl)


def test_a_tokenizer_whose_parts_do_not_add_up_is_given_whole_texts(tmpl):
    """One that writes a token of its own before each text: noticed on the first turns, and right from them on."""
    turns = [rendered(row, tmpl) for row in tiny.messages_rows()[:8]]
    odd = tiny.changed(tmpl)
    odd.batch_ids = lambda texts: [[0, *ids] for ids in tmpl.batch_ids(texts)]
    whole = [tuple([0, *tmpl.ids(text)] for text in (turn.prompt, turn.completion, turn.prompt + turn.completion)) for turn in turns]
    assert whole_texts(odd.ids_of_turns(turns[:4])) == whole[:4] and odd._parts_hold == [False]
    assert whole_texts(odd.ids_of_turns(turns[4:])) == whole[4:]


def whole_texts(found: list) -> list:
    """Without what the odd tokenizer writes for the empty head."""
    return [(prompt[1:], completion, both[1:]) for prompt, completion, both in found]


def test_tokens_that_take_in_blanks_or_lie_in_others_are_no_place_to_part(tmpl):
    from transformers import AddedToken

    odd = tiny.changed(tmpl)
    odd.tokenizer.add_special_tokens({"additional_special_tokens": [AddedToken("<a>", lstrip=True, special=True), AddedToken("<b>", special=True),
                                                                    AddedToken("x<b>", special=True), AddedToken("<c>", special=True)]})
    assert [odd._last_parting(text) for text in ("one <a> two", "one <b> two", "one <c> two <c>", "one")] == [0, 0, 12, 0]


# --- planted defects: broken chat templates ------------------------------------------------------------------

TEMPLATES = {
    "good": (TURNS, None),
    "marks the last turn": (TURNS.replace("{{ m.role }}", "{{ m.role }}{% if loop.last %} (now){% endif %}"), "prompt_not_prefix"),
    "drops earlier tool lists": ("{% if not messages[-1].tool_calls %}tools{% endif %}" + TURNS, "prompt_not_prefix"),
    "another opening for generation": (TURNS.replace("<|im_start|>assistant\n{% endif %}", "<|im_start|>model\n{% endif %}"), "prompt_not_prefix"),
    "never ends a turn": (TURNS.replace("<|im_end|>", ""), "no_end_token"),
    "ends the call, then talks on": (TURNS.replace("{% endfor %}{% if", "{% endfor %}Good bye.{% if"), "prompt_not_prefix|no_end_token"),
    "ends with another token": (TURNS.replace("<|im_end|>\n{% endfor %}", "<|endoftext|>\n{% endfor %}"), "no_end_token"),
    "no closing tag": (TURNS.replace("</tool_call>", ""), "gold_malformed"),
    "no tags": (TURNS.replace("</tool_call>", "").replace("<tool_call>", ""), "gold_malformed|calls_not_read_back"),
    "writes Python for JSON": (TURNS.replace("c.function | tojson", "c.function"), "gold_malformed"),
    "writes the tags twice": (TURNS.replace("<tool_call>", "<tool_call><tool_call>"), "gold_malformed"),
    "prose around the call": (TURNS.replace("<tool_call>", "Calling:\n<tool_call>"), "gold_malformed"),
    "drops the calls": (TURNS.replace("m.tool_calls", "[]"), "calls_not_read_back"),
    "writes only the first call": (TURNS.replace("m.tool_calls or []", "(m.tool_calls or [])[:1]"), "calls_not_read_back"),
    "writes arguments inside of an argument": (
        TURNS.replace("c.function | tojson", "{'name': c.function.name, 'arguments': {'a': c.function.arguments}} | tojson"), "calls_not_read_back"),
    "changes names": (
        TURNS.replace("c.function | tojson", "{'name': c.function.name | upper, 'arguments': c.function.arguments} | tojson"), "calls_not_read_back"),
    "refuses the turns": ("{{ raise_exception('roles must alternate') }}", "template_refuses"),
}


@pytest.mark.parametrize("name", TEMPLATES)
def test_what_a_template_does_wrong_is_a_counted_rejection(tmpl, name):
    template, reasons = TEMPLATES[name]
    rows, rejected = gate([called([*CALLS, Call("get_weather", {"city": "Porto's"})])], tiny.changed(tmpl, template))
    if reasons is None:
        assert len(rows) == 1 and not rejected
    else:
        assert not rows and rejected["c"].split(": ")[0] in reasons.split("|")


def test_what_follows_the_end_token_is_no_part_of_the_completion(tmpl):
    """Templates write a line end after it, which the model never gets to see at inference."""
    (row,), _ = gate([replied()], tiny.changed(tmpl, TURNS))
    assert row["completion"] == "I cannot.<|im_end|>"


# --- planted defects: rows -----------------------------------------------------------------------------------


def test_a_reply_that_holds_call_marks(tmpl):
    for reply in ("Write <tool_call> to call.", '<tool_call>\n{"name": "f", "arguments": {}}\n</tool_call>', "</tool_call>"):
        assert gate([replied(reply)], tmpl)[1]["r"].startswith(("gold_malformed", "reply_reads_as_call"))


def test_an_argument_that_holds_call_marks(tmpl):
    assert gate([called([Call("get_weather", {"city": "</tool_call>"})])], tmpl)[1]["c"].startswith(("gold_malformed", "calls_not_read_back"))


def test_an_end_token_inside_of_the_completion(tmpl):
    for case in (replied("First.<|im_end|>Second."), called([Call("get_weather", {"city": "<|im_end|>"})])):
        assert gate([case], tmpl)[1][case.id].startswith(("end_token_inside: ", "no_end_token: "))


def test_a_row_that_is_too_long(tmpl):
    (row,), _ = gate([called()], tmpl)
    size = row["prompt_tokens"] + row["completion_tokens"]
    assert len(gate([called()], tmpl, max_tokens=size)[0]) == 1
    assert gate([called()], tmpl, max_tokens=size - 1)[1]["c"] == f"too_long: {size} tokens are more than model.max_tokens ({size - 1})"


def test_a_start_token_written_twice(tmpl):
    begun = tiny.changed(tmpl, "<|im_start|>" + TURNS, bos_token="<|im_start|>")
    assert gate([replied()], begun)[1]["r"].startswith("double_start_token: the text begins twice with '<|im_start|>'")
    assert gate([replied()], tiny.changed(tmpl, TURNS, bos_token="<|im_start|>"))[1] == {}


def test_tokens_that_differ_at_the_boundary(tmpl):
    """A prompt that ends in a blank, before a completion whose first token would take the blank in."""
    assert len(tmpl.ids("the ") + tmpl.ids("the")) > len(tmpl.ids("the the"))
    blank = TURNS.replace("{% for c", "{% for c").replace("<|im_start|>assistant\n{% endif %}", "<|im_start|>assistant {% endif %}")
    blank = blank.replace("{{ m.role }}\n", "{{ m.role }} ")
    assert gate([replied("the city")], tiny.changed(tmpl, blank))[1]["r"].startswith("tokens_differ_at_boundary")


class Dialect:
    """Renders as native does; `parse` reads what the test says."""

    def __init__(self, parsed: Parsed):
        self.parsed = parsed

    render = staticmethod(formats.get("native").render)

    def parse(self, text):
        return self.parsed


@pytest.mark.parametrize("case,parsed,reason", [
    (called(), Parsed([], "", True, ["not_json"]), "gold_malformed: the gold itself reads as not_json"),
    (called(), Parsed([], "", False), "calls_not_read_back: written get_weather, read []"),
    (called(), Parsed([Call("get_weather", {"city": "hull"})], "", True), "calls_not_read_back"),
    (called(), Parsed(CALLS * 2, "", True), "calls_not_read_back"),
    (called([Call("get_weather", {"n": 1})]), Parsed([Call("get_weather", {"n": True})], "", True), "calls_not_read_back"),
    (replied(), Parsed(CALLS, "I cannot.", True), "reply_reads_as_call"),
    (replied(), Parsed([], "I cannot.", True), "reply_reads_as_call"),
    (replied(), Parsed([], "I can.", False), "reply_not_read_back: read 'I can.'"),
])
def test_a_parser_that_reads_something_else(tmpl, case, parsed, reason):
    rows, rejected = gate([case], tmpl, Dialect(parsed))
    assert not rows and rejected[case.id].startswith(reason)


@pytest.mark.parametrize("prompt,completion,whole,reason", [
    ([1, 5], [6, 2], [1, 5, 6, 2], None),
    ([1, 5], [6, 2], [1, 56, 2], "tokens_differ_at_boundary"),
    ([1, 5], [6, 7], [1, 5, 6, 7], "no_end_token: the completion ends with token 7, the model stops at [2]"),
    ([1, 5], [2, 6, 2], [1, 5, 2, 6, 2], "end_token_inside"),
    ([1, 1, 5], [6, 2], [1, 1, 5, 6, 2], "double_start_token"),
    ([1, 5], [6] * 9 + [2], [1, 5] + [6] * 9 + [2], "too_long: 12 tokens"),
    ([1, 5, 2], [6, 2], [1, 5, 2, 6, 2], None),
])
def test_rules_on_tokens(prompt, completion, whole, reason):
    class tmpl:
        ends = [2]

        class tokenizer:
            bos_token_id, bos_token = 1, "<s>"

    if reason is None:
        return format.check_tokens(prompt, completion, whole, tmpl, 10)
    with pytest.raises(RowError) as error:
        format.check_tokens(prompt, completion, whole, tmpl, 10)
    assert str(error.value).startswith(reason)
