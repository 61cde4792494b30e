"""glaive_demo, snips, api_bank, toolrl and droidcall: every real row is kept or counted, and broken ones are refused."""

import json
import re
from functools import cache
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given, settings

from stages import sources
from stages.curate import Curator, curated
from stages.errors import FileError, RowError
from stages.schema import Call
from stages.sources import __main__ as table
from tests.sources.rows import anything, cfg, damaged, only_row_errors
from tests.tiny import ROOT, SHARED

# source -> its path, Examples read, kept, rejections
COUNTS = {
    "glaive": ("glaive/glaive_toolcall_en_demo.json.gz", 957, 816, {"arguments_against_schema": 1, "duplicate": 140}),
    "snips": ("snips", 14484, 14248, {"duplicate": 174, "not_utf8": 1, "slot_twice": 61}),
    "api_bank": ("api_bank", 1245, 1196, {"arguments_against_schema": 3, "call_not_readable": 4, "call_of_unoffered_tool": 30, "duplicate": 9,
                                          "unknown_argument": 3}),
    "toolrl": ("toolrl", 400, 333, {"arguments_against_schema": 57, "call_of_unoffered_tool": 1, "tool_twice": 1, "unknown_argument": 8}),
    "droidcall": ("droidcall", 4959, 4763, {"arguments_against_schema": 41, "duplicate": 47, "wrong_type": 108}),
}
KEYS = ["conversations", "from", "value", "tools", "intent", "data", "text", "entity", "instruction", "input", "output",
        "query", "extras", "uri", "mime"]
here = pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/data is not there")


@cache
def curate(source: str):
    """(curator, kept Examples, rejections) of all rows of a source."""
    settings_, member, curator, rejects = cfg(SHARED / COUNTS[source][0]), sources.get(source), Curator(source), []
    kept = list(curated(member.read(settings_), lambda row: member.convert(row, settings_), curator, lambda raw, error: rejects.append((raw, error))))
    return curator, kept, rejects


@here
@pytest.mark.parametrize("source", COUNTS)
def test_every_real_row_is_kept_or_counted(source):
    curator, kept, rejects = curate(source)
    _, read, number, rejected = COUNTS[source]
    assert (curator.read, curator.kept, len(kept), dict(curator.rejected)) == (read, number, number, rejected)
    assert read == number + sum(rejected.values()) == number + len(rejects)
    assert all(Path(raw.file).is_file() and raw.line >= 1 and raw.text for raw, _ in rejects), "each rejection can be found"
    json.dumps([example.to_json() for example in kept]).encode()


@here
@pytest.mark.parametrize("source", COUNTS)
def test_converting_twice_gives_the_same(source):
    settings_, member = cfg(SHARED / COUNTS[source][0]), sources.get(source)
    for raw in islice(member.read(settings_), 40):
        assert member.convert(raw.value, settings_) == member.convert(raw.value, settings_)


@here
@pytest.mark.parametrize("source", COUNTS)
def test_damaged_rows_are_converted_or_refused(source):
    settings_, member = cfg(SHARED / COUNTS[source][0]), sources.get(source)
    for seed, raw in enumerate(islice(member.read(settings_), 150)):
        only_row_errors(member.convert, damaged(raw.value, seed), settings_)


@here
@pytest.mark.parametrize("source", COUNTS)
@settings(max_examples=100, deadline=None)
@given(value=anything(KEYS))
def test_anything_is_converted_or_refused(source, value):
    only_row_errors(sources.get(source).convert, value, cfg(SHARED / COUNTS[source][0]))


@here
def test_glaive_sharegpt_turns():
    _, kept, _ = curate("glaive")
    call = next(example for example in kept if example.calls)
    assert call.messages[-1]["role"] == "user" and call.calls[0].name in {tool.name for tool in call.tools}
    after = next(example for example in kept if example.reply and example.messages[-1]["role"] == "tool")
    assert after.messages[-2]["tool_calls"] and after.group == f"{after.id.rpartition('-')[0]}", "turns of one dialogue share a group"


@here
def test_snips_slots_are_arguments():
    _, kept, rejects = curate("snips")
    assert kept[0].messages[0]["content"] == "Add another song to the Cita Romántica playlist."
    assert kept[0].calls == [Call("AddToPlaylist", {"music_item": "song", "playlist": "Cita Romántica"})]
    assert len({tool.name for tool in kept[0].tools}) == 7
    assert {error.reason for raw, error in rejects if "train_PlayMusic" in raw.file} == {"duplicate", "slot_twice", "not_utf8"}


@here
def test_api_bank_offers_what_the_search_has_found():
    curator, kept, _ = curate("api_bank")
    first, third = kept[0], next(example for example in kept if len(example.tools) == 3)
    assert [tool.name for tool in first.tools] == ["ToolSearcher"] and first.calls[0].name == "ToolSearcher"
    assert first.messages == [{"role": "system", "content": "The current time is 2034-04-15 10:00:00."},
                              {"role": "user", "content": "Find a cardiologist in Los Angeles for a check-up appointment."}]
    roles = [m["role"] for m in third.messages if m["role"] not in ("system", "user")]
    assert third.tools[0].name == "ToolSearcher" and roles[:2] == ["assistant", "tool"]
    assert len({example.group for example in kept}) < len(kept) / 2, "the steps of a dialogue are one group"
    assert curator.labels["json"] == {"mended": 215}


@pytest.mark.parametrize("text,call,mended", [
    ("[F(a='x', b=2)]", Call("F", {"a": "x", "b": 2}), False), ("[F()]", Call("F", {}), False),
    ("[F(city=New York, n=3, name='J. Doe')]", Call("F", {"city": "New York", "n": 3, "name": "J. Doe"}), True),
    ("[F(date=2034-01-02)]", Call("F", {"date": "2034-01-02"}), True),
    ("F(a=1)", None, None), ("[F(a=1)] and more", None, None), ("[F(x y)]", None, None)])
def test_api_bank_calls(text, call, mended):
    from stages.sources import api_bank

    if call is None:
        with pytest.raises(RowError, match="call_not_readable"):
            api_bank.call(text)
    else:
        assert api_bank.call(text) == (call, mended)


@here
def test_toolrl_has_no_reasoning():
    _, kept, _ = curate("toolrl")
    assert not any("<think>" in json.dumps(example.to_json()) for example in kept)
    assert sum(len(example.calls or []) > 1 for example in kept) == 124
    history = next(example for example in kept if example.messages[-1]["role"] == "tool")
    assert [m["role"] for m in history.messages[-3:]] == ["user", "assistant", "tool"]


@here
def test_droidcall_leaves_out_what_is_not_given():
    _, kept, _ = curate("droidcall")
    values = [value for example in kept for value in example.calls[0].arguments.values()]
    assert values and not any(value in (None, "None") for value in values)
    assert all(len(example.tools) == 6 and example.calls[0].name in {tool.name for tool in example.tools} for example in kept)
    assert all(tool.description for example in kept for tool in example.tools)
    places = {[tool.name for tool in example.tools].index(example.calls[0].name) for example in kept[:200]}
    assert len(places) == 6, "the right tool is not always at the same place"


@pytest.mark.parametrize("source", ["snips", "api_bank", "toolrl", "droidcall", "xlam", "glaive", "hermes"])
def test_an_empty_folder_is_one_sentence(source, tmp_path):
    with pytest.raises(FileError) as error:
        list(sources.get(source).read(cfg(tmp_path)))
    assert str(error.value).startswith(f"dataset.path is {tmp_path}, which holds no ") and str(error.value).endswith(".")


@pytest.mark.parametrize("content", ["[1, 2", "[]", '{"PlayMusic": 3}'])
def test_a_broken_snips_file_is_one_sentence(content, tmp_path):
    (tmp_path / "train_PlayMusic_full.json").write_text(content)
    with pytest.raises(FileError, match="train_PlayMusic_full.json .*: fetch the Snips file again"):
        list(sources.get("snips").read(cfg(tmp_path)))


# --- the table of counts --------------------------------------------------------------------------------


@here
@pytest.mark.parametrize("source", ["snips", "api_bank", "toolrl", "droidcall", "seal_tools", "bfcl"])
def test_the_documented_counts_are_true(source):
    documented = [line for line in (ROOT / "docs/sources.md").read_text(encoding="utf-8").splitlines() if line.startswith(f"| {source} |")]
    assert documented == table.lines(source, table.counts(source, str(SHARED / source)))


def test_the_table_counts_each_file_and_writes_nothing(tmp_path, monkeypatch, capsys):
    row = {"query": "x", "tools": "[]", "answers": "[]"}
    (tmp_path / "calls.json").write_text(json.dumps([row, row, {"query": "y"}]))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["sources", "xlam", "calls.json"])
    table.main()
    assert capsys.readouterr().out.splitlines()[-1] == "| xlam | calls.json | 3 | 1 | duplicate 1, missing_key 1 |"
    assert [path.name for path in tmp_path.iterdir()] == ["calls.json"]


@pytest.mark.parametrize("arguments,message", [(["nothing", "x"], "'nothing' is no source: use one of api_bank, "), 
                                               (["xlam"], "takes nothing, or a source"), (["xlam", "absent.json"], "absent.json does not exist")])
def test_what_the_table_cannot_do_is_one_sentence(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["sources", *arguments])
    with pytest.raises(SystemExit, match=re.escape(message)):
        table.main()
