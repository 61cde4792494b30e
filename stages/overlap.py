"""What the parts of a split share, counted and not assumed: requests, near-duplicates, tools and tool signatures."""

from collections.abc import Callable

from stages.similar import Requests

SHARED = {"group": lambda r: [r.group], "query": lambda r: [r.query], "called_tool": lambda r: r.called, "offered_tool": lambda r: r.offered}
TABLE: dict[str, Callable] = {
    "query": lambda r: [r.query], "called_tool": lambda r: r.called, "offered_tool": lambda r: r.offered,
    "tool_signature": lambda r: [signature for _, signature in r.tools],
}
PAIRS = (("valid", "train"), ("test", "train"), ("test", "valid"))  # whose rows are looked at, in what they are looked for


def overlaps(rows: list) -> dict[str, int]:
    """How many test rows (split.Row) share what with train; group and query are 0 by construction (random parts groups) and counted all the same."""
    test = [row for row in rows if row.part == "test"]
    train = [row for row in rows if row.part == "train"]
    return {f"test_rows_sharing_{key}_with_train": number for key, number in _sharing(test, train, SHARED).items()}


def table(rows: list, suites: dict[str, list[str]], requests: Requests) -> dict[str, dict[str, int]]:
    """{"test_in_train": {"rows", "query", "near_duplicate", "called_tool", ...}, ...}: how many of the rows share at least one such thing.

    Each suite is held against train and against valid. near_duplicate counts equal requests too.
    """
    parts = {part: [row for row in rows if row.part == part] for part in ("train", "valid", "test")}
    chosen = {id for ids in suites.values() for id in ids}
    by_id = {row.id: row for row in rows if row.id in chosen}
    tested = parts["test"] + [row for row in by_id.values() if row.part != "test"]  # spare rows may fill a suite
    made = {}
    for part, other in PAIRS:
        near = requests.beside(tested if part == "test" else parts[part], parts[other])
        those = {part: parts[part]} | ({suite: [by_id[id] for id in ids] for suite, ids in suites.items()} if part == "test" else {})
        for name, some in those.items():
            counts = _sharing(some, parts[other], TABLE)
            similar = sum(row.query in near for row in some)
            made[f"{name}_in_{other}"] = {"rows": len(some), "query": counts.pop("query"), "near_duplicate": similar, **counts}
    return made


def _sharing(rows: list, others: list, of: dict[str, Callable]) -> dict[str, int]:
    """How many of `rows` have something in common with any of `others`, by kind."""
    known = {key: {value for row in others for value in values(row)} for key, values in of.items()}
    return {key: sum(any(value in known[key] for value in values(row)) for row in rows) for key, values in of.items()}
