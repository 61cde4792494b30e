"""The section about the data: rows in and out of each step, why rows were rejected, and what the parts share."""

from stages.report.markup import Safe, Section, count, fold, join, percent, plain, section, table, tag

SHARING = "test_rows_sharing_"
MEANINGS = {
    "group": "made from one origin (a phrasing, a dialogue); 0 by construction unless split.by is random",
    "query": "the same words of the user; 0 by construction",
    "called_tool": "gold calls a tool that gold of a training row calls: the suites of seen tools",
    "offered_tool": "a tool offered that a training row also offers",
}


def steps(curated: dict, formatted: dict, split: dict) -> list[tuple[str, int, list[tuple[str, int]], dict]]:
    """(step, rows in, [(where to, rows)], {reason: rows}) of each step that drops rows."""
    parts = [(part, split[part]) for part in ("train", "valid", "test")]
    return [
        ("curate", curated["read"], [("kept", curated["kept"])], curated["rejected"]),
        ("format", formatted["rows"], [("proved", formatted["kept"])], formatted["rejected"]),
        ("split", formatted["kept"], parts, split["left_out"]),
    ]


def data(curated: dict, formatted: dict, split: dict) -> Section:
    rows = []
    for name, read, kept, dropped in steps(curated, formatted, split):
        lost = sum(dropped.values())
        adds_up = read == sum(number for _, number in kept) + lost
        reasons = [tag("li", f"{plain(reason)}: {count(number)}") for reason, number in sorted(dropped.items(), key=lambda one: (-one[1], one[0]))]
        rows.append([
            name, count(read), join((tag("div", f"{where} {count(number)}") for where, number in kept)), count(lost),
            tag("ul", *reasons) if reasons else "none",
            tag("span", "✓ every row", class_="yes") if adds_up else tag("strong", "✗ rows are missing", class_="no"),
        ])
    head = ["step", "rows in", "rows out", "rejected or left out", "by reason", "accounted for"]
    about = (f"Source {curated['source']}; dialect {formatted['dialect']}; split by {split['by']}, with {count(split['held_out_tools'])} tools kept "
             "from training. Rejected rows are in data/rejects.jsonl and data/format_rejects.jsonl, each with its reason.")
    return section(
        "data", "Data", tag("p", about), table("Rows in and out of each step", head, rows, "flow"), _overlaps(split),
        _shared(split), _contamination(split.get("contamination")),
        fold("suite sizes", table("Cases in each suite", ["suite", "cases"], ([plain(name), count(size)] for name, size in split["suites"].items()))),
        fold("labels of the curated rows", *(_labels(name, counts, curated["kept"]) for name, counts in curated["labels"].items())),
    )


def _overlaps(split: dict) -> Safe:
    rows = []
    for key, number in split.items():
        if key.startswith(SHARING):
            what = key.removeprefix(SHARING).removesuffix("_with_train")
            rows.append([plain(what), count(number), _part(number, split["test"]), MEANINGS.get(what, "")])
    caption = f"What the {count(split['test'])} test rows share with the training rows"
    return table(caption, ["shared", "test rows", "share", "meaning"], rows, "facts")


def _shared(split: dict) -> Safe:
    """Each part and suite against the training rows and the validation rows."""
    pairs = split.get("overlap")
    if not pairs:
        return join([])
    kinds = [kind for kind in next(iter(pairs.values())) if kind != "rows"]
    rows = [[plain(name.replace("_in_", " in ")), count(pair["rows"]), *(count(pair[kind]) for kind in kinds)] for name, pair in pairs.items()]
    caption = f"Rows that share at least one such thing (near duplicates: similarity of at least {split.get('similarity')})"
    head = ["whose rows in which part", "rows", *(kind.replace("_", " ") for kind in kinds)]
    return fold("overlap of parts and suites", table(caption, head, rows))


def _contamination(found: dict | None) -> Safe:
    if not found:
        return tag("p", "Training rows were not compared with a benchmark: contamination.path is null.")
    numbers = {key: count(number) for key, number in found.items()}
    return tag("p", "Compared with a benchmark of {files} files ({requests} requests, {tools} tools; {unreadable_rows} rows unreadable): "
               "{rows_with_its_words} rows hold words of its requests, {rows_with_its_tool} offer one of its tools, {rows_hit} in all. None of "
               "them is trained on; data/contamination.jsonl lists them.".format(**numbers))


def _labels(name: str, counts: dict[str, int], total: int) -> Safe:
    ordered = sorted(counts.items(), key=lambda one: (-one[1], one[0]))
    return table(f"Label {name}", [name, "rows", "share"], ([plain(value), count(number), _part(number, total)] for value, number in ordered))


def _part(number: int, total: int) -> str:
    return percent(number / total if total else None)
