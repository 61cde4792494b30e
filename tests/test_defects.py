"""Planted defects: each way that fine-tuning for tool calls is known to go wrong, planted on purpose, and the gate that must catch it.

DEFECTS names them all: what is planted, where it hurt others, which gate catches it. Each has one test here, of the same name.
More of the same kind: tests/test_format.py (chat templates), tests/test_mask.py (labels), tests/formats/test_written.py (parsers).
"""

import json
import sys
from types import SimpleNamespace

import pytest

from experiments.defect import FAULTS, with_faults
from stages import curate, format, formats, predict, summary
from stages.errors import FormatError, RowError, StageError
from stages.files import read_json, read_jsonl, write_json, write_jsonl
from stages.mask import IGNORED, MaskProof
from stages.schema import Call, Example
from stages.sources import hermes, local
from tests import tiny
from tests.test_format import ASK, CALLS, TOOL, called, gate, replied
from tests.test_summary import cases

DEFECTS = {  # name -> (where it hurt, the gate that catches it)
    "all_masked_batch": ("TRL 3927, 6668: loss 0.0", "mask proof"),
    "no_generation_marks": ("TRL 4879, transformers 34172: an assistant mask of zeros", "mask proof"),
    "prompt_supervised": ("completion-only asked for, learnt on everything", "mask proof"),
    "labels_shifted": ("each token learnt as its neighbour", "mask proof"),
    "call_cut_by_truncation": ("calls end in the middle", "mask proof, and format: too_long"),
    "no_end_token_learned": ("TRL 1623: generation never stops", "format: no_end_token, and mask proof"),
    "none_in_schemas": ("datasets 7617: Arrow fills absent keys", "curate: bad_tool_schema"),
    "none_in_arguments": ("the same, in calls", "curate: arguments_against_schema"),
    "arguments_as_string": ("transformers 45419: the template wants an object", "curate: an object from here on, or arguments_not_json"),
    "arguments_as_text_in_template": ("a template that quotes the arguments: a model learns strings", "format: arguments_as_text; does not fit"),
    "tools_not_in_prompt": ("slime 1008, oumi 2599", "format: the dialect does not fit"),
    "another_template_at_predict": ("LLaMA-Factory 6889", "predict answers the text that format proved"),
    "adapter_of_another_model": ("scores of a mixture that nobody trained", "predict: StageError"),
    "inconsistent_tags": ("the source's manual tags, in a tenth of the rows", "format: more than max_rejected stops the run"),
    "empty_tags": ("the source's manual tags", "format: reply_reads_as_call, gold_malformed"),
    "unbalanced_tags_in_data": ("Hermes rows", "curate: unbalanced_tags"),
    "unbalanced_tags_in_template": ("a template without the closing tag", "format: gold_malformed"),
    "double_start_token": ("the template and the tokenizer each write one", "format: double_start_token"),
    "prompt_no_prefix": ("templates that change the past when an answer follows", "format: prompt_not_prefix"),
    "tokens_differ_at_boundary": ("prompt and completion tokenised apart", "format: tokens_differ_at_boundary"),
    "duplicate_keys": ("JSON readers keep the last and say nothing", "curate: arguments_not_json, bad_json"),
    "call_of_unoffered_tool": ("a model is taught to make tools up", "curate: call_of_unoffered_tool"),
    "cannot_decline": ("Hermes-Function-Calling 15: tools taught too hard", "summary: the word worse"),
}


def test_every_defect_of_the_table_has_its_test():
    tests = {name.removeprefix("test_") for name in globals() if name.startswith("test_")}
    assert set(DEFECTS) == tests - {"every_defect_of_the_table_has_its_test"} and len(DEFECTS) >= 15


# --- the loss falls on the wrong tokens ---------------------------------------------------------------------


@pytest.fixture
def row(tmpl) -> SimpleNamespace:
    """A proved row: its token ids, the prompt's length, and a mask proof that knows it."""
    (made,), _ = gate([called()], tmpl)
    ids, size = tmpl.ids(made["prompt"] + made["completion"]), made["prompt_tokens"]
    return SimpleNamespace(ids=ids, size=size, proof=MaskProof({tuple(ids): size}, tmpl.ends, True, tmpl.tokenizer.decode))


def labels(row, supervised) -> list[int]:
    return [token if on else IGNORED for token, on in zip(row.ids, supervised)]


def caught(row, wrong: list[int], words: str, ids: list[int] | None = None) -> None:
    row.proof.check(row.ids, labels(row, [place >= row.size for place in range(len(row.ids))]))  # the row itself is good
    with pytest.raises(StageError, match=f"mask proof: .*{words}"):
        row.proof.check(row.ids if ids is None else ids, wrong)


def test_all_masked_batch(row):
    caught(row, [IGNORED] * len(row.ids), "is not supervised as itself")


def test_no_generation_marks(row, tmpl):
    """What transformers returns as the assistant mask for a template without {% generation %}."""
    bare = tiny.changed(tmpl, tiny.TURNS).tokenizer
    turns = [*ASK, {"role": "assistant", "content": "Cold."}]
    mask = bare.apply_chat_template(turns, return_dict=True, return_assistant_tokens_mask=True)["assistant_masks"]
    assert not any(mask)
    caught(row, labels(row, [0] * len(row.ids)), "is not supervised as itself")


def test_prompt_supervised(row):
    caught(row, list(row.ids), "prompt token 0 .* is supervised")


def test_labels_shifted(row):
    caught(row, [IGNORED] * (row.size - 1) + row.ids[row.size :] + [IGNORED], "prompt token .* is supervised")


def test_call_cut_by_truncation(row, tmpl):
    cut = row.ids[:-4]
    caught(row, cut, "it was cut or changed", cut)
    assert gate([called()], tmpl, max_tokens=len(row.ids) - 1)[1]["c"].startswith("too_long")


def test_no_end_token_learned(row, tmpl):
    assert gate([called()], tiny.changed(tmpl, tiny.TURNS.replace("<|im_end|>", "")))[1]["c"].startswith("no_end_token")
    endless = row.ids[:-1]
    row.proof.rows[tuple(endless)] = row.size
    caught(row, [IGNORED] * row.size + endless[row.size :], "does not end with the token at which the model stops", endless)


# --- data that changed on its way ----------------------------------------------------------------------------


def through_arrow(rows: list[dict]) -> list[dict]:
    """The rows as a nested column of `datasets` gives them back: every key of any row, None where it was absent."""
    from datasets import Dataset

    return Dataset.from_list([{"value": row} for row in rows])["value"]


def tool(**properties) -> dict:
    return {"name": "f", "description": "", "parameters": {"type": "object", "properties": properties, "required": []}}


def reason(examples: list[Example]) -> str:
    with pytest.raises(RowError) as error:
        for example in examples:
            curate.check(example)
    return error.value.reason


def test_none_in_schemas():
    one, _ = through_arrow([tool(a={"type": "string"}), tool(b={"type": "integer"})])
    assert one["parameters"]["properties"]["b"] is None
    turns = [*ASK, {"role": "assistant", "content": "No."}]
    assert reason(local.convert({"messages": turns, "tools": [one]}, None)) == "bad_tool_schema"


def test_none_in_arguments():
    one, _ = through_arrow([{"name": "f", "arguments": {"a": "x"}}, {"name": "f", "arguments": {"b": 1}}])
    assert one["arguments"] == {"a": "x", "b": None}
    row = {"query": "x", "tools": [tool(a={"type": "string"}, b={"type": "integer"})], "answers": [one]}
    assert reason(local.convert(row, None)) == "arguments_against_schema"


def test_arguments_as_string(tmpl):
    """In the answer and in earlier turns: the template gets objects, so that text and objects give one prompt and one completion."""

    def row(write) -> dict:
        turns = [{"role": "assistant", "tool_calls": [{"type": "function", "function": {"name": "f", "arguments": write({"a": city})}}]}
                 for city in ("Hull", "Porto")]
        return {"messages": [*ASK, turns[0], {"role": "tool", "content": "9"}, turns[1]], "tools": [tool(a={"type": "string"})]}

    as_text, as_objects = (gate(local.convert(row(write), None), tmpl)[0] for write in (json.dumps, dict))
    assert [(one["prompt"], one["completion"]) for one in as_text] == [(one["prompt"], one["completion"]) for one in as_objects]
    assert '{"name": "f", "arguments": {"a": "Hull"}}' in as_text[1]["prompt"] and '"arguments": {"a": "Porto"}' in as_text[1]["completion"]
    with pytest.raises(RowError, match="arguments_not_json"):
        local.convert(row(lambda arguments: "a=Hull"), None)


def test_duplicate_keys():
    row = {"query": "x", "tools": [], "answers": [{"name": "f", "arguments": '{"a": 1, "a": 2}'}]}
    with pytest.raises(RowError, match="arguments_not_json: duplicate key 'a'"):
        local.convert(row, None)


def test_call_of_unoffered_tool():
    assert reason([Example("x", "test", ASK, [TOOL], [Call("get_wether", {})])]) == "call_of_unoffered_tool"


def test_unbalanced_tags_in_data():
    said = '<tool_call>\n{"name": "f", "arguments": {}}\n<tool_call>'
    row = {"conversations": [{"from": "human", "value": "x"}, {"from": "gpt", "value": said}], "tools": "[]"}
    with pytest.raises(RowError, match="unbalanced_tags"):
        hermes.convert(row, None)


# --- text that is not what it should be ----------------------------------------------------------------------


def test_tools_not_in_prompt(tmpl):
    blind = tiny.changed(tmpl, tiny.TURNS)  # writes calls, shows no tools
    with pytest.raises(FormatError, match="it does not show the tools"):
        formats.get("native").fits(blind)


def test_empty_tags(tmpl):
    for text in ("<tool_call>\n</tool_call>", "<tool_call></tool_call>\nDone."):
        assert gate([replied(text)], tmpl)[1]["r"].startswith(("gold_malformed", "reply_reads_as_call"))


def test_inconsistent_tags(folder, model, capsys):
    """In the whole stage: every planted row is refused and no other, and the run stops before anything is trained."""
    good = [Example(f"g{n}", "test", [{"role": "user", "content": f"cold in city {n}?"}], [TOOL], CALLS) for n in range(100)]
    rows, faults = with_faults([example.to_json() for example in good])
    assert len(faults) == 10 and set(faults.values()) == set(FAULTS)
    write_jsonl("data/curated.jsonl", rows)
    write_json("metrics/data/curate.json", {"kept": len(rows)})
    tiny.write_params(folder, **{"model.name": str(model), "dialect": "tool_tags"})
    with pytest.raises(SystemExit, match=r"10 of 100 rows fail the gate, more than format.max_rejected \(0.05\)"):
        format.main()
    assert {row["id"] for row in read_jsonl("data/format_rejects.jsonl")} == set(faults)
    assert read_json("metrics/data/format.json")["kept"] == 90


def test_unbalanced_tags_in_template(tmpl):
    assert gate([called()], tiny.changed(tmpl, tiny.TURNS.replace("</tool_call>", "")))[1]["c"].startswith("gold_malformed")


@pytest.mark.parametrize("name", ["arguments", "parameters"])
def test_arguments_as_text_in_template(tmpl, name):
    """The calls read back are gold's all the same, so that a comparison alone would let each row pass."""
    plain, quoted = (tiny.changed(tmpl, tiny.TURNS.replace("c.function | tojson", f"{{'name': c.function.name, '{name}': {arguments}}} | tojson"))
                     for arguments in ("c.function.arguments", "c.function.arguments | tojson"))
    rows, rejected = gate([called(), replied()], quoted)
    assert [row["id"] for row in rows] == ["r"] and rejected["c"].startswith("arguments_as_text: ") and "dialect tool_tags" in rejected["c"]
    seen = tiny.changed(quoted, "{{ tools | tojson if tools }}" + quoted.tokenizer.chat_template)
    with pytest.raises(FormatError, match="cannot carry a call .*arguments_as_text.*: use tool_tags"):
        formats.get("native").fits(seen)
    assert not gate([called()], plain)[1]


def test_double_start_token(tmpl):
    twice = tiny.changed(tmpl, "<|im_start|>" + tiny.TURNS, bos_token="<|im_start|>")
    assert gate([called()], twice)[1]["c"].startswith("double_start_token")


def test_prompt_no_prefix(tmpl):
    late = tiny.changed(tmpl, tiny.TURNS.replace("{{ m.role }}", "{{ m.role }}{% if loop.last %} (now){% endif %}"))
    assert gate([called()], late)[1]["c"].startswith("prompt_not_prefix")


def test_tokens_differ_at_boundary(tmpl):
    blank = tiny.TURNS.replace("<|im_start|>assistant\n{% endif %}", "<|im_start|>assistant {% endif %}").replace("{{ m.role }}\n", "{{ m.role }} ")
    assert gate([replied("the city")], tiny.changed(tmpl, blank))[1]["r"].startswith("tokens_differ_at_boundary")


# --- predict, and what is said at the end --------------------------------------------------------------------


def test_another_template_at_predict(tmpl):
    """The prompt is the text that was proved and split with the training rows; a template that changed since is not asked."""
    (row,), _ = gate([called()], tmpl)
    subject = {"adapter": "models/tuned", "instructions": "", "shots": []}
    other = tiny.changed(tmpl, tiny.TURNS.replace("<|im_start|>", "<|im_start|>The "))
    assert formats.get("native").render(called(), other).prompt != row["prompt"]
    assert predict.prompt_of(row, subject, tiny.params(), other) == (row["prompt"], 0)


def test_adapter_of_another_model(folder, model, monkeypatch):
    tiny.write_params(folder, **{"model.name": str(model)})
    write_json("models/tuned/subject.json", {"adapter": "models/tuned", "instructions": "", "shots": []})
    write_json("models/tuned/adapter_config.json", {"base_model_name_or_path": "other/model", "r": 4})
    write_jsonl("data/suites/held_out.jsonl", [])
    monkeypatch.setattr(sys, "argv", ["predict", "tuned", "held_out"])
    with pytest.raises(SystemExit, match="models/tuned is an adapter of 'other/model', but model.name is .*: run `dvc repro` to train again"):
        predict.main()


def test_cannot_decline():
    """Exact match rises where a call is right, and the table says in words what was lost where none is."""
    suites = {"held_out": {"base": cases(10), "tuned": cases(80)}, "no_tool": {"base": cases(90), "tuned": cases(40)}}
    _, called_better, _, declined, _ = summary.table(suites, seed=0)
    assert called_better.endswith(": improved") and "no_tool" in declined and declined.endswith("p < 0.001: worse")
    assert json.dumps(summary.headline(suites, 0)["exact_match"]["no_tool"]).count("-0.5") == 1
