"""Strata: equal shares of a label in training, validation and test (split.stratify)."""

from math import ceil, floor

from stages.errors import StageError


def strata(groups: list[list], label: str | None) -> list[list[list]]:
    """Groups of rows, parted by the label of each group's first row; one part when `label` is None. Raises StageError."""
    if label is None:
        return [groups]
    found = {}
    for group in groups:
        found.setdefault(group[0].labels.get(label, ""), []).append(group)
    if groups and set(found) == {""}:
        known = sorted({name for group in groups for name in group[0].labels})
        raise StageError(f"split.stratify is {label!r}, a label that no row has: use one of {', '.join(known)}.")
    return [found[name] for name in sorted(found)]


def quotas(asked: int, sizes: list[int]) -> list[int]:
    """`asked` rows over strata in proportion to their sizes, by largest remainder; adds up to `asked` unless there are too few."""
    asked = min(asked, sum(sizes))
    exact = [asked * size / max(sum(sizes), 1) for size in sizes]
    given = [floor(share) for share in exact]
    order = sorted(range(len(sizes)), key=lambda i: (given[i] - exact[i], i))
    for i in order[: asked - sum(given)]:
        given[i] += 1
    return given


def rows_asked(test: float, rows: int) -> int:
    """split.test as a number of rows: a share of them below 1, else itself."""
    return ceil(test * rows) if test < 1 else int(test)
