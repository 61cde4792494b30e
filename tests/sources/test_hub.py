"""Hub paths: loaded through `datasets` at the pinned revision, or one sentence that says what to fetch; never other data."""

import json
import re
from pathlib import Path

import pytest
import yaml

from stages import sources
from stages.errors import FileError
from stages.sources import _hub
from tests.sources.rows import cfg
from tests.tiny import ROOT

REVISION = "0123456789abcdef0123456789abcdef01234567"
ROWS = [{"id": 1, "query": "x", "tools": "[]", "answers": "[]"}, {"id": 2, "query": "y", "tools": "[]", "answers": None}, {"id": 3, "query": "é"}]


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A hub whose data sets are folders; records what was asked of it."""
    import datasets

    asked, real = [], datasets.load_dataset
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")

    def load(name, data_files, revision, split):
        asked.append((name, data_files, revision))
        return real(str(tmp_path / name), data_files=data_files, split=split, cache_dir=str(tmp_path / "cache"))

    monkeypatch.setattr(datasets, "load_dataset", load)

    def put(name: str, file: str, rows: list) -> None:
        (tmp_path / name).mkdir(parents=True, exist_ok=True)
        (tmp_path / name / file).write_text(json.dumps(rows), encoding="utf-8")

    return put, asked


def read(source: str, path: str) -> list:
    return list(sources.get(source).read(cfg(path)))


def test_rows_come_at_the_pinned_revision_with_their_digest(hub, capsys):
    put, asked = hub
    put("some/set", "xlam_function_calling_60k.json", ROWS)
    raws = read("xlam", f"hf://some/set@{REVISION}")
    assert asked == [("some/set", ["xlam_function_calling_60k.json"], REVISION)]
    assert [raw.value for raw in raws] == [ROWS[0], {"id": 2, "query": "y", "tools": "[]"}, {"id": 3, "query": "é"}], "Arrow's null is no value"
    assert [(raw.line, raw.file) for raw in raws][0] == (1, f"hf://some/set@{REVISION}/xlam_function_calling_60k.json")
    assert re.search(r"3 rows of some/set/.* at 0123.*, their sha256 is [0-9a-f]{64}\n", capsys.readouterr().out)


def test_a_file_may_be_named_and_hermes_has_several(hub):
    put, asked = hub
    rows = [{"id": "a", "conversations": [{"from": "human", "value": "x"}, {"from": "gpt", "value": "y"}], "tools": "[]"}]
    for file in sources.get("hermes").FILES:
        put("some/hermes", file, rows)
    assert len(read("hermes", f"hf://some/hermes@{REVISION}")) == 5
    assert len(read("hermes", f"hf://some/hermes@{REVISION}/func-calling.json")) == 1
    assert [files for _, files, _ in asked] == [[file] for file in sources.get("hermes").FILES] + [["func-calling.json"]]
    raw = read("hermes", f"hf://some/hermes@{REVISION}/func-calling.json")[0]
    assert sources.get("hermes").convert(raw.value, None)[0].reply == "y"


def test_nested_columns_are_refused(hub):
    """Arrow would fill the keys that some tools lack with null."""
    put, _ = hub
    nested = [{"name": "f", "parameters": {"a": {"type": "int"}}}]
    put("some/set", "xlam_function_calling_60k.json", [{"query": "x", "answers": "[]", "tools": nested}])
    with pytest.raises(FileError, match="nested 'tools', where Arrow fills absent keys with null: download "):
        read("xlam", f"hf://some/set@{REVISION}")


class GatedRepoError(Exception):
    pass


WHY = {
    "gated": (GatedRepoError("Access to dataset some/set is restricted"), "is gated: accept its terms on its hub page and set HF_TOKEN, or download"),
    "401": (OSError("401 Client Error: Unauthorized for url"), "is gated: accept its terms"),
    "offline": (ConnectionError("Couldn't reach 'some/set' on the Hub (OfflineModeIsEnabled)"), "could not be reached over the network: download"),
    "absent": (FileNotFoundError("Dataset 'some/set' doesn't exist\non the Hub"),
               "could not be loaded (Dataset 'some/set' doesn't exist on the Hub)"),
    "no words": (RuntimeError(), "could not be loaded (RuntimeError)"),
}


@pytest.mark.parametrize("name", WHY)
def test_what_cannot_be_loaded_says_what_to_fetch_where_to_put_it_and_which_parameter_finds_it(name, monkeypatch):
    import datasets

    error, words = WHY[name]

    def refuse(*args, **kwargs):
        raise error

    monkeypatch.setattr(datasets, "load_dataset", refuse)
    with pytest.raises(FileError) as caught:
        read("xlam", f"hf://some/set@{REVISION}")
    text = str(caught.value)
    assert words in text and "\n" not in text and text.count(". ") == 0
    assert "download xlam_function_calling_60k.json from https://huggingface.co/datasets/some/set to data/raw/xlam_function_calling_60k.json" in text
    assert text.endswith("-S dataset.path=data/raw/xlam_function_calling_60k.json -S dataset.track=data/raw/xlam_function_calling_60k.json.")


@pytest.mark.parametrize("path,words", [
    ("hf://some/set", "names no revision: pin a commit, as in hf://some/set@REVISION"), ("hf://some/set/file.json", "names no revision"),
    ("hf://set", "is no hub path"), ("hf://", "is no hub path"), ("hf://some/set@", "is no hub path")])
def test_a_hub_path_without_a_revision_is_refused(path, words):
    with pytest.raises(FileError, match=re.escape(words)):
        read("xlam", path)


def test_files_on_disk(tmp_path):
    for file in ("func-calling.json", "glaive-function-calling-5k.json"):
        (tmp_path / file).write_text(json.dumps([{"a": 1}]))
    assert [Path(raw.file).name for raw in read("hermes", str(tmp_path))] == ["func-calling.json", "glaive-function-calling-5k.json"]
    assert len(read("hermes", str(tmp_path / "func-calling.json"))) == 1
    with pytest.raises(FileError, match="absent.json does not exist"):
        read("hermes", str(tmp_path / "absent.json"))


def test_the_configurations_pin_a_commit_and_track_what_pins_it():
    for name in ("xlam", "glaive", "hermes"):
        settings = yaml.safe_load((ROOT / f"conf/dataset/{name}.yaml").read_text(encoding="utf-8"))
        assert settings["source"] == name and _hub.HUB.fullmatch(settings["path"]) and re.search(r"@[0-9a-f]{40}$", settings["path"])
        assert (ROOT / settings["track"]).is_file()
