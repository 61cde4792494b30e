"""contamination: planted copies of a benchmark's requests and tools are found wherever its files hold them, and nothing else is."""

import gzip
import json

import pytest

from stages import contamination
from stages.contamination import load, signature
from stages.errors import FileError, StageError
from stages.sources import get
from tests import tiny

LONG = "Work out how many of the red boxes in hall seven were moved before noon, and by whom they were moved."
MIDDLE = "Which of the red boxes in hall seven were moved?"
SHORT = "Count the boxes"
TOOL = {"name": "boxes.count", "description": "x", "parameters": {"type": "dict", "properties": {"hall": {}, "colour": {}}}}


def bench(folder, files: dict[str, object]):
    """A benchmark folder with these files: text as it is, other values as JSON."""
    for name, content in files.items():
        path = folder / "bench" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        text = content if isinstance(content, str) else json.dumps(content)
        path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return str(folder / "bench")


def kinds(made, *turns, tools=()) -> list[str]:
    return [hit["kind"] for hit in made.hits(list(turns), list(tools))]


SHAPES = {
    "BFCL": {"question": [[{"role": "user", "content": LONG}]], "function": [TOOL]},
    "OpenAI": {"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": LONG}],
               "tools": [{"type": "function", "function": TOOL}]},
    "ShareGPT": {"conversations": [{"from": "human", "value": LONG}], "tools": json.dumps([TOOL])},
    "xLAM": {"query": LONG, "tools": json.dumps([{**TOOL, "parameters": {"hall": {"type": "int"}, "colour": {"type": "str"}}}])},
    "instruction": {"instruction": LONG, "api": {"inner": [TOOL]}},
}
FILES = {
    "a list": ("a.json", lambda row: [{}, row]), "lines": ("b.jsonl", lambda row: "{}\n" + json.dumps(row) + "\n"),
    "lines in .json": ("c.json", lambda row: "{}\n" + json.dumps(row)), "gzip": ("d.jsonl.gz", lambda row: "{}\n" + json.dumps(row)),
    "a folder below": ("deep/er/e.json", lambda row: [{}, row]),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("file", FILES)
def test_requests_and_tools_are_found_in_any_shape_and_file(tmp_path, shape, file):
    name, content = FILES[file]
    made = load(bench(tmp_path, {name: content(SHAPES[shape])}), 13)
    hits = list(made.hits([LONG], ["boxes.count(colour, hall)"]))
    assert [(hit["file"], hit["row"], hit["kind"]) for hit in hits] == [(name, 2, "words"), (name, 2, "tool")]
    assert hits[0]["hit"] == "work out how many of the red boxes in hall seven were moved" and hits[1]["hit"] == "boxes.count(colour, hall)"
    assert made.counts() == {"files": 1, "unreadable_rows": 0, "requests": 1, "tools": 1}


def test_one_object_over_several_lines_is_a_row(tmp_path):
    made = load(bench(tmp_path, {"one.json": json.dumps({"conversation": [{"role": "user", "content": LONG}]}, indent=2)}), 13)
    assert [hit["row"] for hit in made.hits([LONG], [])] == [1]


NEAR_COPIES = [  # planted
    LONG, LONG.upper(), LONG.replace(",", ";").replace(" ", "  "), f"Hi there! {LONG} Thanks!", " ".join(LONG.split()[3:]),
    "Listen: how many of the red boxes in hall seven were moved before noon?", MIDDLE, f"Quick one: {MIDDLE}", SHORT, "count, the boxes!!"]
OTHERS = [  # twelve words of the long one; part of the middle one; the short one inside of another; too little to say anything
    "how many of the red boxes in hall seven were moved before dawn", "Which of the red boxes in hall seven?", "Count the boxes in hall 7", "Yes", "",
    LONG.replace("hall", "room").replace("moved", "taken")]


@pytest.mark.parametrize("turn", NEAR_COPIES)
def test_near_copies_are_found(tmp_path, turn):
    made = load(bench(tmp_path, {"b.json": [{"query": LONG}, {"query": MIDDLE}, {"query": SHORT}]}), 13)
    assert kinds(made, turn) == ["words"] and kinds(made, "Good morning", turn) == ["words"]


@pytest.mark.parametrize("turn", OTHERS)
def test_what_only_sounds_alike_is_not(tmp_path, turn):
    assert kinds(load(bench(tmp_path, {"b.json": [{"query": LONG}, {"query": MIDDLE}, {"query": SHORT}, {"query": "Yes."}]}), 13), turn) == []


@pytest.mark.parametrize("ngram,words,hit", [
    (5, 5, True), (5, 4, False), (8, 8, True), (8, 7, False), (13, 13, True), (13, 12, False), (20, 19, False)])
def test_the_number_of_words_is_a_parameter(tmp_path, ngram, words, hit):
    made = load(bench(tmp_path, {"b.json": [{"query": LONG}]}), ngram)
    assert bool(kinds(made, "Well " + " ".join(LONG.split()[2 : 2 + words]) + " indeed")) == hit


def test_signatures_are_names_and_parameter_names():
    assert signature("f", {"type": "object", "properties": {"b": {}, "a": {}}}) == "f(a, b)"
    assert signature("f", {"b": {"type": "str"}, "type": {"type": "str"}}) == "f(b, type)", "xLAM's flat map, with a parameter called type"
    assert signature("f", {"type": "object"}) == signature("f", {}) == "f()"


def test_a_tool_with_other_parameters_or_another_name_is_another(tmp_path):
    made = load(bench(tmp_path, {"b.json": [{"function": [TOOL]}]}), 13)
    assert kinds(made, tools=["boxes.count(colour, hall)"]) == ["tool"]
    assert kinds(made, tools=["boxes.count(colour)", "boxes_count(colour, hall)", "boxes.count(colour, hall, x)"]) == []


def test_what_is_no_request_is_not_taken_for_one(tmp_path):
    """Descriptions, answers and other turns: a training row may say what they say."""
    row = {"messages": [{"role": "system", "content": LONG}, {"role": "assistant", "content": LONG}], "description": LONG, "query": SHORT}
    assert kinds(load(bench(tmp_path, {"b.json": [row]}), 13), LONG) == []


def test_lines_that_are_no_json_are_counted(tmp_path):
    made = load(bench(tmp_path, {"b.jsonl": f'{json.dumps({"query": LONG})}\nnot JSON\n{{"query": \n'}), 13)
    assert made.counts()["unreadable_rows"] == 2 and kinds(made, LONG) == ["words"]


@pytest.mark.parametrize("files", [{}, {"readme.txt": LONG}, {"b.json": [{"answer": 4}]}])
def test_a_folder_without_a_benchmark_is_refused(tmp_path, files):
    with pytest.raises(StageError, match="neither a request nor a tool: give a benchmark's folder, or null"):
        load(bench(tmp_path, files) if files else str(tmp_path / "nowhere"), 13)


def test_a_file_cut_off_is_named(tmp_path):
    path = tmp_path / "bench/b.json.gz"
    bench(tmp_path, {"b.json.gz": [{"query": LONG}] * 50})
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(FileError, match="b.json.gz cannot be read"):
        load(str(tmp_path / "bench"), 13)


# --- the real benchmark --------------------------------------------------------------------------------------

# the example on the card of xlam-function-calling-60k, which is an item of BFCL
CARD = {"id": 0, "query": "Find the sum of all the multiples of 3 and 5 between 1 and 1000. Also find the product of the first five prime numbers.",
        "answers": json.dumps([{"name": "math_toolkit.sum_of_multiples", "arguments": {"lower_limit": 1, "upper_limit": 1000, "multiples": [3, 5]}},
                               {"name": "math_toolkit.product_of_primes", "arguments": {"count": 5}}]),
        "tools": json.dumps([{"name": "math_toolkit.sum_of_multiples", "description": "Find the sum of all multiples of specified numbers.",
                              "parameters": {"lower_limit": {"type": "int"}, "upper_limit": {"type": "int"}, "multiples": {"type": "list"}}},
                             {"name": "math_toolkit.product_of_primes", "description": "Find the product of the first n prime numbers.",
                              "parameters": {"count": {"type": "int"}}}])}


@pytest.mark.skipif(not (tiny.SHARED / "bfcl").is_dir(), reason="../shared/data/bfcl is not there")
def test_the_example_of_xlams_card_is_found_in_bfcl():
    made = load(str(tiny.SHARED / "bfcl"), 13)
    (example,) = get("xlam").convert(CARD, None)
    hits = list(made.hits([example.query()], [signature(tool.name, tool.parameters) for tool in example.tools]))
    assert [(hit["file"], hit["row"], hit["kind"]) for hit in hits] == [
        ("BFCL_v4_parallel_multiple.json.gz", 1, "words"), ("BFCL_v4_parallel_multiple.json.gz", 1, "tool")]
    assert made.counts()["requests"] >= 1240 and made.counts()["tools"] > 900


@pytest.mark.skipif(not (tiny.SHARED / "bfcl").is_dir(), reason="../shared/data/bfcl is not there")
def test_no_row_of_the_embedded_data_is_in_bfcl():
    made, tools = load(str(tiny.SHARED / "bfcl"), 13), {}
    for line in (tiny.ROOT / "data/embedded/tools.jsonl").read_text(encoding="utf-8").splitlines():
        tool = json.loads(line)
        tools[tool["name"]] = signature(tool["name"], tool["parameters"])
    rows = map(json.loads, (tiny.ROOT / "data/embedded/examples.jsonl").read_text(encoding="utf-8").splitlines())
    assert contamination.SAYING == 3
    found = [hit for row in rows for hit in made.hits([turn["content"] for turn in row["messages"] if turn["role"] == "user"],
                                                      [tools[name] for name in row["offered"]])]
    assert found == []
