"""sgd: the real dialogues, counted, and broken ones refused."""

from functools import cache

import pytest
from hypothesis import given, settings

from stages import curate
from stages.errors import FileError, RowError
from stages.files import read_jsonl
from stages.schema import Call
from stages.sources import sgd
from tests.sources.rows import anything, cfg, damaged, only_row_errors
from tests.tiny import SHARED

pytestmark = pytest.mark.skipif(not (SHARED / "sgd").is_dir(), reason="../shared/data/sgd is not there")
CFG = cfg(SHARED / "sgd")
KEYS = ["id", "services", "turns", "role", "text", "calls_before_text", "method", "parameters"]
COUNTS = {"read": 25411, "kept": 25393, "rejected": {"duplicate": 18}, "kind": {"missing": 2608, "single": 6015, "answer": 16770}}  # of dev


@cache
def dialogues() -> list[dict]:
    return list(read_jsonl(SHARED / "sgd/dev.jsonl.gz"))


@pytest.fixture
def dev(tmp_path):
    """A folder with the smaller of the two files; the schemas of both."""
    for name in ("dev.jsonl.gz", "dev_schema.json", "train_schema.json"):
        (tmp_path / name).symlink_to(SHARED / "sgd" / name)
    return cfg(tmp_path)


def test_every_turn_of_the_real_dialogues_is_kept_or_counted(dev):
    curator, rejects = curate.Curator("sgd"), []
    kept = list(curate.curated(sgd.read(dev), lambda row: sgd.convert(row, dev), curator, lambda raw, error: rejects.append(raw)))
    turns = [turn for row in dialogues() for turn in row["turns"] if turn["role"] == "system"]
    calls = sum(bool(turn.get("calls_before_text")) for turn in turns)
    assert len(dialogues()) == 2098 and curator.read == len(turns) + calls == COUNTS["read"]
    assert curator.read == len(kept) + sum(curator.rejected.values()) and len(rejects) == sum(curator.rejected.values())
    assert {"read": curator.read, "kept": curator.kept, "rejected": dict(curator.rejected), "kind": dict(curator.labels["kind"])} == COUNTS
    assert len({example.id for example in kept}) == len(kept)


def test_both_files_are_read():
    places = {(raw.file.rsplit("/", 1)[-1], raw.line) for raw, _ in zip(sgd.read(CFG), range(12175))}
    assert ("train.jsonl.gz", 12174) in places and ("dev.jsonl.gz", 1) in places


def test_one_file_is_read_alone_with_all_schemas():
    one = cfg(SHARED / "sgd/dev.jsonl.gz")
    files = {raw.file.rsplit("/", 1)[-1] for raw in sgd.read(one)}
    assert files == {"dev.jsonl.gz"} and sgd.services(one.path) == sgd.services(CFG.path)


def test_rows_of_two_files_have_different_ids(tmp_path):
    for name in ("dev.jsonl.gz", "dev_schema.json", "train_schema.json"):
        (tmp_path / name).symlink_to(SHARED / "sgd" / name)
    (tmp_path / "train.jsonl.gz").symlink_to(SHARED / "sgd/dev.jsonl.gz")
    folder, curator = cfg(tmp_path), curate.Curator("sgd")
    for _ in curate.curated(sgd.read(folder), lambda row: sgd.convert(row, folder)[:1], curator, lambda raw, error: None):
        pass
    assert set(curator.rejected) == {"duplicate"} and 2098 <= curator.rejected["duplicate"] < 2200


def test_a_dialogue_as_examples():
    row = dialogues()[0]
    made = sgd.convert(row, CFG)
    first_call = next(example for example in made if example.calls)
    assert first_call.calls[0] == Call("ReserveRestaurant", {
        "date": "2019-03-01", "location": "San Jose", "number_of_seats": "2", "restaurant_name": "Sino", "time": "11:30"})
    assert [example.labels.get("kind") for example in made[:2]] == ["missing", "missing"], "before the first call it asks"
    answer = made[made.index(first_call) + 1]
    assert answer.reply == row["turns"][5]["text"] and answer.messages[-1]["role"] == "tool" and answer.labels["kind"] == "answer"
    assert answer.messages[-2]["tool_calls"][0]["function"]["name"] == "ReserveRestaurant"
    assert {example.group for example in made} == {row["id"]}
    schema = next(tool for tool in made[0].tools if tool.name == "ReserveRestaurant").parameters
    assert "dontcare" in schema["properties"]["number_of_seats"]["enum"] and set(schema["required"]) <= set(schema["properties"])


def test_a_service_without_schema_is_refused():
    with pytest.raises(RowError, match="unknown_service: no schema file has 'Telepathy_1'"):
        sgd.convert(dialogues()[0] | {"services": ["Telepathy_1"]}, CFG)
    with pytest.raises(RowError, match="no_target"):
        sgd.convert(dialogues()[0] | {"turns": []}, CFG)


def test_a_folder_without_the_files_is_refused(tmp_path):
    with pytest.raises(FileError, match="holds no train.jsonl.gz or dev.jsonl.gz"):
        list(sgd.read(cfg(tmp_path)))


@settings(max_examples=200, deadline=None)
@given(anything(KEYS))
def test_any_json_gives_examples_or_a_row_error(value):
    only_row_errors(sgd.convert, value, CFG)


def test_damaged_rows_give_examples_or_a_row_error():
    for seed in range(300):
        only_row_errors(sgd.convert, damaged(dialogues()[seed], seed), CFG)
