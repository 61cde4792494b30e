"""format: each rule of the gate fails on a defect planted for it, and good rows come through unchanged."""

import json
import os
import subprocess
import sys

import psutil
import pytest

from stages import format, formats
from stages.errors import RowError, StageError
from stages.files import read_json, read_jsonl, write_json, write_jsonl
from stages.schema import Call, Example, Parsed, Tool
from stages.template import hub_sentence, load
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


# --- the stage -----------------------------------------------------------------------------------------------


def run(model, examples: list[Example], **changes) -> dict:
    write_jsonl("data/curated.jsonl", (example.to_json() for example in examples))
    write_json("metrics/data/curate.json", {"kept": len(examples)})
    tiny.write_params(tiny.Path.cwd(), **{"model.name": str(model), **changes})
    format.main()
    return read_json("metrics/data/format.json")


def mixed(good: int, bad: int) -> list[Example]:
    return [*(Example(f"g{n}", "test", ASK, [TOOL], CALLS) for n in range(good)),
            *(Example(f"b{n}", "test", ASK, [TOOL], None, "</tool_call>") for n in range(bad))]


def test_counts_add_up_and_rejects_are_written(folder, model, capsys):
    counts = run(model, mixed(19, 1))
    assert (counts["rows"], counts["kept"], sum(counts["rejected"].values())) == (20, 19, 1)
    assert [(row["id"], row["reason"]) for row in read_jsonl("data/format_rejects.jsonl")] == [("b0", next(iter(counts["rejected"])))]
    assert len(list(read_jsonl("data/formatted.jsonl"))) == 19
    assert counts["dialect"] == "native" and counts["completion_tokens"]["min"] > 1
    assert counts["prompt_tokens"]["max"] >= counts["prompt_tokens"]["median"]
    assert "20 rows in, 19 proved; rejected: " in capsys.readouterr().out


def test_more_rejections_than_allowed_stop_the_run(folder, model):
    with pytest.raises(SystemExit) as error:
        run(model, mixed(18, 2))
    assert "2 of 20 rows fail the gate, more than format.max_rejected (0.05)" in str(error.value) and "\n" not in str(error.value)
    assert len(list(read_jsonl("data/format_rejects.jsonl"))) == 2, "they are there to be looked at"
    assert run(model, mixed(18, 2), **{"format.max_rejected": 0.1})["kept"] == 18


def test_benchmark_rows_are_counted_among_those_read(folder, model):
    write_jsonl("data/curated.jsonl", (example.to_json() for example in mixed(5, 0)))
    write_json("metrics/data/curate.json", {"kept": 3, "benchmark": {"kept": 2}})
    tiny.write_params(folder, **{"model.name": str(model)})
    format.main()
    assert read_json("metrics/data/format.json")["rows"] == 5


def test_several_processes_write_what_one_writes(folder, model, monkeypatch):
    """Byte for byte and in order, rejects and counts as well."""
    cases = [case for number in range(40) for case in (
        Example(f"g{number}", "test", [{"role": "user", "content": f"cold in Hull {number}?"}], [TOOL], CALLS),
        *([Example(f"b{number}", "test", ASK, [TOOL], None, "</tool_call>")] if number % 20 == 0 else []))]
    monkeypatch.setattr(format, "BATCH", 3)
    written = []
    for count in (1, 2):
        monkeypatch.setattr(format, "cores", lambda count=count: count)
        counts = run(model, cases)
        written.append([counts, *((folder / f"data/{name}.jsonl").read_text() for name in ("formatted", "format_rejects"))])
    assert written[0] == written[1] and written[0][0]["kept"] == 40 and len(written[0][2].splitlines()) == 2


WAITING = """
import time
from stages import format
from stages.params import load

def batches():
    yield []
    print("started", flush=True)
    time.sleep(600)

list(format.made_in_order(batches(), load(), 2))
"""


def test_worker_processes_end_when_the_stage_is_killed(folder, model):
    tiny.write_params(folder, **{"model.name": str(model)})
    process = subprocess.Popen([sys.executable, "-c", WAITING], cwd=folder, env=os.environ | {"PYTHONPATH": str(tiny.ROOT)}, stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"started\n"
    workers = psutil.Process(process.pid).children()
    assert workers
    process.kill()
    process.wait()
    gone, left = psutil.wait_procs(workers, timeout=30)
    assert not left


def test_a_line_that_is_no_json_is_named_from_another_process_too(folder, model, monkeypatch):
    monkeypatch.setattr(format, "BATCH", 2)
    for count in (1, 2):
        monkeypatch.setattr(format, "cores", lambda count=count: count)
        write_jsonl("data/curated.jsonl", (example.to_json() for example in mixed(30, 0)))
        with (folder / "data/curated.jsonl").open("a") as handle:
            handle.write("{\n")
        write_json("metrics/data/curate.json", {"kept": 31})
        tiny.write_params(folder, **{"model.name": str(model)})
        with pytest.raises(SystemExit, match="error: data/curated.jsonl has a line that is not JSON .*: run `dvc repro curate` again"):
            format.main()
        assert not (folder / "data/formatted.jsonl").exists()


def test_a_template_without_tools_stops_before_any_row(folder, model, tmp_path_factory):
    plain = tmp_path_factory.mktemp("plain")
    for path in model.iterdir():
        (plain / path.name).write_bytes(path.read_bytes())
    (plain / "chat_template.jinja").write_text("{% for m in messages %}{{ m.content }}<|im_end|>{% endfor %}")
    with pytest.raises(SystemExit, match="dialect is 'native', but the chat template of .*: use tool_tags"):
        run(plain, mixed(5, 0))
    assert not (folder / "data/formatted.jsonl").exists()
    assert run(plain, mixed(5, 0), dialect="tool_tags")["kept"] == 5


@pytest.mark.parametrize("files", [{}, {"config.json": "{}"}, {"tokenizer.json": "{"}])
def test_a_model_that_cannot_be_had_ends_in_one_sentence(folder, files):
    (folder / "broken").mkdir()
    for name, text in files.items():
        (folder / "broken" / name).write_text(text)
    with pytest.raises(SystemExit) as error:
        run(folder / "broken", mixed(5, 0))
    assert "model.name is" in str(error.value) and "\n" not in str(error.value)


def test_a_gated_model_names_the_token():
    for text in ("401 Client Error: Unauthorized", "Access to model x is gated", "403 Forbidden"):
        assert hub_sentence("org/model", OSError(text)) == (
            "model.name is 'org/model', which is gated: accept its terms on its hub page, then set HF_TOKEN and run again.")
    other = hub_sentence("org/model", OSError("could not connect\nsecond line"))
    assert "could not connect" in other and "second line" not in other


# --- the model's end tokens ----------------------------------------------------------------------------------


@pytest.mark.parametrize("eos,ends", [(None, [2]), (2, [2]), (0, [2, 0]), ([0, 2, 5], [2, 0, 5])])
def test_end_tokens_are_those_of_tokenizer_and_generation_config(model, tmp_path, eos, ends):
    for path in model.iterdir():
        if path.name not in ("model.safetensors", "generation_config.json"):
            (tmp_path / path.name).write_bytes(path.read_bytes())
    if eos is not None:
        (tmp_path / "generation_config.json").write_text(json.dumps({"eos_token_id": eos}))
    made = load(tiny.params(**{"model.name": str(tmp_path)}).model)
    assert made.ends == ends and made.end_texts[0] == "<|im_end|>"


def test_no_model_is_a_stage_error(tmp_path):
    with pytest.raises(StageError, match="model.name is"):
        load(tiny.params(**{"model.name": str(tmp_path)}).model)
