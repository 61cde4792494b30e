"""curate: read = kept + the sum of rejections; every malformed row is counted by reason, with file, line and excerpt."""

import gzip
import hashlib
import json
from collections import Counter

import pytest

from stages import curate, sources
from stages.errors import RowError
from stages.files import read_json, read_jsonl
from stages.schema import Call, Example, Tool, depth, loads
from tests import tiny

WEATHER = tiny.tool("get_weather")
GOOD = tiny.messages_rows()


def asking(text="how cold is it?", calls=(("get_weather", {"city": "Hull"}),), tools=(WEATHER,), reply=None, **more) -> dict:
    """An OpenAI row; calls as (name, arguments)."""
    wrapped = [{"type": "function", "function": {"name": name, "arguments": arguments}} for name, arguments in calls]
    answer = {"role": "assistant", "content": reply} if reply is not None else {"role": "assistant", "content": "", "tool_calls": wrapped}
    return {"messages": [{"role": "user", "content": text}, answer], "tools": list(tools), **more}


def broken_tool(parameters) -> dict:
    return {"type": "function", "function": {"name": "get_weather", "description": "", "parameters": parameters}}


DEEP = '{"messages": ' + "[" * 200 + "]" * 200 + "}"
# reason, a line of the file, what the detail says
FAULTS = [
    ("bad_json", '{"messages": [', "Expecting"),
    ("bad_json", "not JSON at all", "Expecting"),
    ("bad_json", '{"messages": [], "score": NaN}', "NaN"),
    ("bad_json", '{"messages": [], "score": -Infinity}', "-Infinity"),
    ("bad_json", '{"messages": [], "score": 1e999}', "Out of range"),
    ("bad_json", '{"messages": [], "tools": [], "messages": []}', "duplicate key 'messages'"),
    ("bad_json", '{"messages": [{"role": "user", "content": "\\ud83d"}]}', "lone surrogate"),
    ("bad_json", json.dumps(GOOD[0]) + " trailing", "Extra data"),
    ("bad_json", DEEP, "nested deeper than 64 levels"),
    ("bad_json", "[" * 100_000, "nested deeper than 64 levels"),
    ("not_an_object", "[1, 2]", "list"),
    ("not_an_object", '"text"', "str"),
    ("not_an_object", "null", "NoneType"),
    ("unknown_shape", "{}", "neither messages nor query"),
    ("unknown_shape", '{"prompt": "x", "completion": "y"}', "neither messages nor query"),
    ("no_query", asking(text=""), "no user turn"),
    ("no_query", asking(text=" \n\t"), "no user turn"),
    ("no_query", {"messages": [{"role": "system", "content": "Be brief."}, {"role": "assistant", "content": "Hi."}]}, "no user turn"),
    ("no_query", {"query": None, "tools": [], "answers": []}, "NoneType"),
    ("no_target", {"messages": [{"role": "user", "content": "hello?"}]}, "no assistant turn"),
    ("empty", {"messages": []}, "messages is empty"),
    ("empty_turn", asking(reply=" "), "neither text nor a call"),
    ("empty_turn", asking(calls=()), "neither text nor a call"),
    ("bad_role", {"messages": [{"role": "robot", "content": "hello?"}]}, "robot"),
    ("bad_role", {"messages": ["hello?"]}, "hello?"),
    ("content_not_text", {"messages": [{"role": "user", "content": [{"type": "text", "text": "hello?"}]}]}, "user turn is list"),
    ("call_of_unoffered_tool", asking(calls=[("get_wether", {"city": "Hull"})]), "'get_wether' is not among the 1 tools"),
    ("call_of_unoffered_tool", asking(tools=()), "is not among the 0 tools"),
    ("unknown_argument", asking(calls=[("get_weather", {"city": "Hull", "country": "UK"})]), "no parameter 'country'"),
    ("arguments_against_schema", asking(calls=[("get_weather", {"city": 7})]), "7 is not of type"),
    ("arguments_against_schema", asking(calls=[("get_weather", {"units": "metric"})]), "required"),
    ("arguments_against_schema", asking(calls=[("get_weather", {"city": "Hull", "units": "Metric"})]), "Metric"),
    ("arguments_against_schema", asking(calls=[("get_weather", {"city": None})]), "null is not of type"),
    ("arguments_not_json", asking(calls=[("get_weather", "city=Hull")]), "Expecting"),
    ("arguments_not_json", asking(calls=[("get_weather", '{"city": "Hull", "city": "Porto"}')]), "duplicate key"),
    ("arguments_not_object", asking(calls=[("get_weather", ["Hull"])]), "list"),
    ("arguments_not_object", asking(calls=[("get_weather", '"[1]"')]), "not an object"),
    ("call_without_name", asking(calls=[("", {})]), "arguments"),
    ("tool_without_name", asking(tools=[{"type": "function", "function": {"parameters": {}}}]), "parameters"),
    ("tool_twice", asking(tools=[WEATHER, WEATHER]), "'get_weather' is offered twice"),
    ("bad_tool_schema", asking(tools=[broken_tool({"type": "object", "properties": {"city": {"type": "text"}}})]), "text"),
    ("bad_tool_schema", asking(tools=[broken_tool({"type": "object", "properties": {"city": {"enum": None}}})]), "null"),
    ("bad_tool_schema", asking(tools=[broken_tool({"type": "object", "properties": {"city": {"$ref": "https://example.org/x"}}})]), "example.org"),
    ("bad_tool_schema", asking(tools=[broken_tool(["city"])]), "are list"),
    ("tools_not_json", asking() | {"tools": "[{"}, "Expecting"),
    ("not_a_list", asking() | {"tools": {"get_weather": {}}}, "tools is dict, not a list"),
    ("not_a_list", {"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "tool_calls": {"name": "f"}}], "tools": []}, "tool_calls"),
    ("answers_not_json", {"query": "x", "tools": "[]", "answers": "["}, "Expecting"),
    ("not_a_list", {"query": "x", "tools": "[]", "answers": "{}"}, "answers is dict, not a list"),
    ("duplicate", GOOD[0], "came before"),
]


def curated(folder, lines: list, **changes) -> tuple[dict, list[dict], list[dict]]:
    """(counts, kept rows, rejected rows) of the stage on a file of these lines."""
    tiny.write_lines(folder / "tiny/rows.jsonl", lines)
    tiny.write_params(folder, **changes)
    curate.main()
    return read_json("metrics/data/curate.json"), list(read_jsonl("data/curated.jsonl")), list(read_jsonl("data/rejects.jsonl"))


def test_all_faults_in_one_file(folder, capsys):
    """Good rows in between are kept; each fault has its reason, its place and an excerpt; nothing is lost."""
    lines = list(GOOD[:1])
    for index, (_, line, _) in enumerate(FAULTS, 1):
        lines += [line, GOOD[index]]
    counts, kept, rejects = curated(folder, lines)
    assert counts["read"] == len(lines) == counts["kept"] + sum(counts["rejected"].values())
    assert counts["rejected"] == dict(sorted(Counter(reason for reason, *_ in FAULTS).items()))
    assert len(kept) == counts["kept"] == len(FAULTS) + 1
    assert [(row["reason"], row["line"]) for row in rejects] == [(reason, 2 * number) for number, (reason, *_) in enumerate(FAULTS, 1)]
    for row, (_, line, words) in zip(rejects, FAULTS):
        written = line if isinstance(line, str) else json.dumps(line, ensure_ascii=False)
        assert row["file"] == "tiny/rows.jsonl" and row["excerpt"] == written[: curate.EXCERPT] and words in row["detail"], row
    assert f"{len(lines)} rows in, {len(kept)} kept; rejected: answers_not_json 1," in capsys.readouterr().out


@pytest.mark.parametrize("reason", sorted({reason for reason, *_ in FAULTS}))
def test_each_fault_alone(folder, reason):
    """A fault is not found only because of the row before it."""
    for _, line, words in (fault for fault in FAULTS if fault[0] == reason):
        if isinstance(line, str) and line.startswith("["):
            continue  # a file that starts so is a JSON list
        counts, _, rejects = curated(folder, [line, GOOD[0]] if reason != "duplicate" else [GOOD[0], line], **{"dataset.min_kept": 1})
        assert counts["rejected"] == {reason: 1} and words in rejects[0]["detail"]


def test_a_clean_file_has_no_rejects(folder):
    counts, kept, rejects = curated(folder, GOOD)
    assert (counts["read"], counts["kept"], counts["rejected"], rejects) == (60, 60, {}, [])
    assert counts["labels"]["kind"] == {"multiple": 4, "no_tool": 8, "parallel": 6, "single": 42}
    assert len({row["id"] for row in kept}) == 60
    assert Example.from_json(kept[0]).calls == [Call("get_weather", {"city": "Hull"})]


def test_a_dialogue_is_counted_turn_by_turn(folder):
    """One bad turn is one rejection; its neighbours are kept, in one group."""
    turns = [{"role": "user", "content": "cold in Hull?"}, asking()["messages"][1], {"role": "tool", "content": "9 degrees"},
             {"role": "assistant", "content": "9 degrees."}, {"role": "user", "content": "and Porto?"},
             asking(calls=[("get_weather", {"town": "Porto"})])["messages"][1]]
    counts, kept, rejects = curated(folder, [{"messages": turns, "tools": [WEATHER]}], **{"dataset.min_kept": 1})
    assert (counts["read"], counts["kept"], counts["rejected"]) == (3, 2, {"unknown_argument": 1})
    assert {row["group"] for row in kept} == {"local-0000001"} and [row["id"] for row in kept] == ["local-0000001-0", "local-0000001-1"]
    assert [(row["labels"]["kind"], row["labels"]["turns"]) for row in kept] == [("single", "single"), ("answer", "sequential")]
    assert len(rejects) == 1


def test_a_later_request_is_a_turn_in_context(folder):
    turns = [{"role": "user", "content": "cold in Hull?"}, {"role": "assistant", "content": "9 degrees."}, *asking()["messages"]]
    _, kept, _ = curated(folder, [{"messages": turns, "tools": [WEATHER]}], **{"dataset.min_kept": 1})
    assert [row["labels"]["turns"] for row in kept] == ["single", "context"]


def test_ids_are_unique_whatever_the_file_says(folder):
    rows = [row | {"id": id} for row, id in zip(tiny.xlam_rows(), ["a", "a", "local-0000001", None, 7, 7, ["x"]])]
    counts, kept, rejects = curated(folder, rows, **{"dataset.min_kept": 1})
    assert [row["id"] for row in kept] == ["a", "local-0000002", "local-0000001", "local-0000004", "7", "local-0000006", "local-0000007"]
    assert curated(folder, [rows[0] | {"id": "local-0000002"}, rows[1] | {"id": "local-0000002"}],
                   **{"dataset.min_kept": 1})[0]["rejected"] == {"id_twice": 1}


def test_only_as_many_rows_as_asked_for(folder):
    counts, kept, _ = curated(folder, GOOD, **{"dataset.limit": 7, "dataset.min_kept": 1})
    assert counts["read"] == len(kept) == 7


def test_too_few_rows_stop_the_run_and_say_so(folder):
    with pytest.raises(SystemExit) as error:
        curated(folder, GOOD[:5] + ["{"])
    assert "5 usable rows are fewer than dataset.min_kept (40)" in str(error.value) and "\n" not in str(error.value)
    assert read_json("metrics/data/curate.json")["rejected"] == {"bad_json": 1}, "the counts are there to be looked at"


@pytest.mark.parametrize("changes,words", [
    ({"dataset.path": None}, "dataset.path is null"),
    ({"dataset.path": "tiny/none.jsonl"}, "tiny/none.jsonl does not exist"),
    ({"dataset.path": "tiny/rows.csv"}, "give a file ending in .jsonl, .json"),
    ({"dataset.source": "embedded", "dataset.path": "tiny"}, "examples.jsonl does not exist"),
    ({"dataset.source": "sgd", "dataset.path": "tiny"}, "holds no train.jsonl.gz"),
    ({"dataset.source": "seal_tools", "dataset.path": "tiny"}, "dev.jsonl.gz does not exist"),
])
def test_no_data_ends_in_one_sentence(folder, changes, words):
    with pytest.raises(SystemExit) as error:
        curated(folder, GOOD, **changes)
    assert words in str(error.value) and "\n" not in str(error.value)
    assert not (folder / "data/curated.jsonl").exists()


def test_the_same_file_gives_the_same_bytes(folder):
    curated(folder, GOOD)
    before = [(folder / name).read_bytes() for name in ("data/curated.jsonl", "metrics/data/curate.json")]
    curated(folder, GOOD)
    assert before == [(folder / name).read_bytes() for name in ("data/curated.jsonl", "metrics/data/curate.json")]


@pytest.mark.skipif(not (tiny.SHARED / "bfcl").is_dir(), reason="../shared/data/bfcl is not there")
def test_benchmark_rows_are_counted_apart(folder, capsys):
    counts, kept, _ = curated(folder, GOOD, benchmark={"path": str(tiny.SHARED / "bfcl"), "track": "params.yaml"})
    assert (counts["kept"], counts["benchmark"]["kept"], len(kept)) == (60, 1240, 1300)
    assert sum("category" in row["labels"] for row in kept) == 1240
    assert "1240 benchmark rows in, 1240 kept, for test only" in capsys.readouterr().out


# --- reading JSON ---------------------------------------------------------------------------------------


def test_depth():
    assert [depth(value) for value in (1, [], {"a": []}, [[], {"a": {"b": [0]}}])] == [0, 1, 2, 4]


def test_values_as_deep_as_calls_get_are_read():
    assert loads("[" * 64 + "]" * 64) and loads(json.dumps([[{}]] * 100))
    for text in ("[" * 65 + "]" * 65, '{"a":' * 65 + "1" + "}" * 65, "[" * 300_000):
        with pytest.raises(ValueError, match="nested deeper than 64 levels"):
            loads(text)


def test_a_late_duplicate_key_is_found_in_linear_time():
    many = ", ".join(f'"k{number}": 0' for number in range(200_000))
    with pytest.raises(ValueError, match="duplicate key 'k199999'"):
        loads("{" + many + ', "k199999": 1}')


def test_the_check_stands_alone():
    tool = Tool("f", "", {"type": "object", "properties": {"a": {"type": "integer"}}})
    asked = [{"role": "user", "content": "x"}]
    curate.check(Example("1", "s", asked, [tool], [Call("f", {"a": 1})]))
    with pytest.raises(RowError, match="no_target"):
        curate.check(Example("1", "s", asked, [tool], [], "  "))


def test_gzip_files_are_read_like_plain_ones(folder):
    tiny.write_lines(folder / "tiny/rows.jsonl", GOOD)
    (folder / "tiny/rows.jsonl.gz").write_bytes(gzip.compress((folder / "tiny/rows.jsonl").read_bytes()))
    plain = curated(folder, GOOD)
    zipped = curated(folder, GOOD, **{"dataset.path": "tiny/rows.jsonl.gz"})
    assert plain == zipped


def test_the_rows_as_they_were_loaded_have_a_recorded_digest(folder):
    """What a hub or a file gave, to the byte: rejected rows count as well, and so does their order."""
    lines = [json.dumps(row) for row in GOOD[:3]]
    found = [curated(folder, rows, **{"dataset.min_kept": 1})[0]["loaded"] for rows in (lines, [lines[1], lines[0], lines[2]], [*lines, "{"])]
    assert found[0] == {"rows": 3, "sha256": hashlib.sha256("".join(f"{line}\n" for line in lines).encode()).hexdigest()}
    assert [one["rows"] for one in found] == [3, 3, 4] and len({one["sha256"] for one in found}) == 3
    assert curated(folder, lines, **{"dataset.min_kept": 1, "dataset.limit": 2})[0]["loaded"]["rows"] == 2, "as many as were read"


# --- rows drawn at random; complexity ------------------------------------------------------------------------


def test_rows_are_drawn_by_seed_from_the_whole_file():
    raws = [sources.Raw("f", number, number) for number in range(200)]
    one = [raw.line for raw in curate.drawn(iter(raws), 20, 42)]
    assert one == sorted(one) and len(set(one)) == 20 and max(one) > 100
    assert one == [raw.line for raw in curate.drawn(iter(raws), 20, 42)] != [raw.line for raw in curate.drawn(iter(raws), 20, 43)]
    assert len(list(curate.drawn(iter(raws), 300, 42))) == 200, "more than there are: all"


def test_a_shuffled_subset_of_a_file(folder):
    tiny.write_lines(folder / "tiny/rows.jsonl", GOOD)
    ids = []
    for changes in ({"dataset.limit": 45}, {"dataset.limit": 45, "dataset.shuffle": 1}, {"dataset.limit": 45, "dataset.shuffle": 2}):
        tiny.write_params(folder, **changes)
        curate.main()
        ids.append(json.dumps([row["messages"] for row in read_jsonl(folder / "data/curated.jsonl")]))
        assert read_json(folder / "metrics/data/curate.json")["read"] == 45
    assert len(set(ids)) == 3


@pytest.mark.parametrize("calls,expected", [
    ([], "simple"), ([{"a": 1, "b": [1, 2, 3]}], "simple"), ([{"a": 1, "b": 2, "c": 3}], "moderate"), ([{}, {}], "moderate"),
    ([{}, {}, {}], "complex"), ([dict.fromkeys("abcde", 1)], "complex"), ([{"a": {"b": 1}}], "complex"), ([{"a": [{"b": 1}]}], "complex")])
def test_complexity(calls, expected):
    assert curate.complexity([Call("f", arguments) for arguments in calls]) == expected


def test_complexity_is_that_of_the_embedded_data():
    for row in list(read_jsonl(tiny.ROOT / "data/embedded/examples.jsonl"))[::40]:
        assert curate.complexity([Call(call["name"], call["arguments"]) for call in row["calls"] or []]) == row["labels"]["complexity"]
