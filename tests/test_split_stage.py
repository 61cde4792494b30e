"""split as a stage: files and counts that add up, what is printed, and errors of one sentence."""

import pytest

from stages import split
from stages.files import read_json, read_jsonl, write_jsonl
from tests import tiny
from tests.test_split import TOOLS, many, row


def run(rows: list[dict], **changes) -> dict:
    write_jsonl("data/formatted.jsonl", rows)
    tiny.write_params(tiny.Path.cwd(), **{"split.held_out": 0.2, "split.valid": 20, **changes})
    split.main()
    return read_json("metrics/data/split.json")


def ids(path: str) -> list[str]:
    return [one["id"] for one in read_jsonl(path)]


def test_files_and_counts_add_up(folder, capsys):
    rows = many(1000)
    counts = run(rows, suites=["held_out", "seen_tools", "no_tool"], suite_sizes={"default": 10, "held_out": 15})
    written = {part: ids(f"data/split/{part}.jsonl") for part in split.PARTS}
    assert {part: len(found) for part, found in written.items()} == {part: counts[part] for part in split.PARTS}
    assert sum(counts[part] for part in split.PARTS) + sum(counts["left_out"].values()) == len(rows)
    assert set(counts["left_out"]) <= {"offers_a_held_out_tool", "beside_a_held_out_row", "query_in_training"} and "" not in counts["left_out"]
    assert len({id for found in written.values() for id in found}) == sum(map(len, written.values())), "no row twice"
    assert counts["suites"] == {"held_out": 15, "seen_tools": 10, "no_tool": 10}
    for suite, size in counts["suites"].items():
        found = ids(f"data/suites/{suite}.jsonl")
        assert len(found) == size and set(found) <= set(written["test"])
    assert f"{len(rows)} rows in, {counts['train']} train" in capsys.readouterr().out


def test_left_out_rows_have_their_reason(folder):
    counts = run([row(f"r{n}", [TOOLS[n % 20]], tokens=40 if n % 3 else 90) for n in range(300)],
                 **{"split.train": 50, "split.train_tokens": 60, "split.held_out": 0.1})
    assert counts["train"] == 50
    assert set(counts["left_out"]) == {"beyond_split.train", "beyond_split.train_tokens"}
    assert all(one["prompt_tokens"] + one["completion_tokens"] <= 60 for one in read_jsonl("data/split/train.jsonl"))
    assert any(one["prompt_tokens"] + one["completion_tokens"] > 60 for one in read_jsonl("data/split/test.jsonl")), "test rows may be longer"


def test_the_label_is_written_with_the_row(folder):
    run(many())
    assert {one["example"]["labels"]["tools"] for one in read_jsonl("data/split/train.jsonl")} == {"seen"}
    assert {one["example"]["labels"]["tools"] for one in read_jsonl("data/suites/held_out.jsonl")} == {"held_out"}


def test_a_suite_no_longer_asked_for_leaves_no_file(folder):
    run(many(), suites=["held_out", "no_tool"])
    run(many(), suites=["held_out"])
    assert [path.name for path in (folder / "data/suites").iterdir()] == ["held_out.jsonl"]


def test_fewer_cases_than_asked_for_are_said(folder, capsys):
    run(many(), suite_sizes={"default": 5000})
    assert "fewer than the 5000 asked for" in capsys.readouterr().out


@pytest.mark.parametrize("rows,changes,words", [
    ([], {}, "split left 0 training and 0 test rows of 0"),
    ([row("a", ["tool_1"])], {"split.held_out": 0.0, "split.test": 1.0}, "0 training and 1 test"),
    ([row(f"r{n}", ["tool_1"]) for n in range(50)], {"split.held_out": 0.0, "suites": ["seen_tools", "missing_value"]}, "suites has 'missing_value'"),
])
def test_what_cannot_be_split_ends_in_one_sentence(folder, rows, changes, words):
    with pytest.raises(SystemExit) as error:
        run(rows, **changes)
    assert words in str(error.value) and "\n" not in str(error.value)
    assert not (folder / "data/split").exists() and not (folder / "metrics").exists()


def test_what_a_balanced_suite_took_is_said_and_what_others_could_have_is_counted(folder, capsys):
    rows = [row(f"r{n}", ["tool_1"], domain=("weather", "finance", "nothing known")[n % 3]) for n in range(300)]
    counts = run(rows, suites=["domains"], suite_sizes={"default": 15}, **{"split.held_out": 0.0, "split.test": 0.2})
    assert "suite domains takes in turn from money 8, weather 7" in capsys.readouterr().out
    assert counts["available"]["single"] == counts["test"] == 60 and counts["available"]["domains"] < 60 and "parallel" not in counts["available"]


def test_hand_prompts_are_tested_on_and_change_nothing_else(folder):
    hand = [row(f"h{n}", [f"hand_tool_{n}"], category="hand") for n in range(9)]
    plain = run(many())
    before = {part: ids(f"data/split/{part}.jsonl") for part in split.PARTS}
    counts = run(many() + hand, suites=["held_out", "hand"], hand={"path": "prompts.jsonl", "track": "prompts.jsonl"})
    after = {part: ids(f"data/split/{part}.jsonl") for part in split.PARTS}
    assert after == {**before, "test": [*before["test"], *(one["id"] for one in hand)]} and counts["held_out_tools"] == plain["held_out_tools"]
    chosen = ids("data/suites/hand.jsonl")
    assert len(chosen) == 6 and set(chosen) <= {one["id"] for one in hand}
