"""Which training rows are taken so that rows without a call, and rows that lack a required value, have the share that is asked for,
and which of them are trained on under neutral names (stages/masking.py).

    split.irrelevance  the share of training rows in which no call is right: no tool fits, a value is missing, a result is told
    split.missing      the share of those that lack a required value, where asking back is right (a part of the former)
    format.masking     the share whose tools and parameters have neutral names

Nothing is doubled: where one class has too few rows, fewer rows of the others are taken.
"""

from collections import Counter
from collections.abc import Iterable

from stages.params import Params, Split
from stages.rank import rank

MISSING, REPLY, REST = "missing", "reply", "rest"


def classes(split: Split) -> dict[str, float]:
    """class -> its share of the training rows, adding up to 1; {} where neither share is given."""
    shares = {}
    if split.missing is not None:
        shares[MISSING] = split.missing
    if split.irrelevance is not None:
        shares[REPLY] = round(split.irrelevance - (split.missing or 0), 9)
    return {**shares, REST: round(1 - sum(shares.values()), 9)} if shares else {}


def declines(called: bool, kind: str) -> bool:
    """Whether no call is right; a JSON answer by a given schema (kind "structured") declines nothing."""
    return not called and kind != "structured"


def class_of(called: bool, kind: str, shares: dict[str, float]) -> str:
    """The class of a row with these labels; a class without a share is part of the rest."""
    found = MISSING if kind == "missing" and MISSING in shares else REPLY if declines(called, kind) else REST
    return found if found in shares else REST


def quotas(available: dict[str, int], shares: dict[str, float], limit: int | None) -> dict[str, int]:
    """class -> rows to take, in number at most `limit`, so that the shares hold to within a row each."""
    total = sum(available.values()) if limit is None else min(limit, sum(available.values()))
    for name, share in shares.items():
        if share:
            total = min(total, int(available.get(name, 0) / share + 1e-9))
    taken = {name: min(available.get(name, 0), round(share * total)) for name, share in shares.items()}
    taken[REST] = min(available.get(REST, 0), total - sum(count for name, count in taken.items() if name != REST))
    return taken


def chosen(rows: Iterable[tuple[str, bool, str]], split: Split) -> set[str]:
    """The ids to train on of rows (id, called, kind), the first ones of each class in the order given."""
    rows, shares = list(rows), classes(split)
    named = [(id, class_of(called, kind, shares)) for id, called, kind in rows]
    left = Counter(quotas(Counter(name for _, name in named), shares, split.train))
    taken = set()
    for id, name in named:
        if left[name] > 0:
            left[name] -= 1
            taken.add(id)
    return taken


def mix(rows: list, params: Params) -> None:
    """Takes from the training rows (`split.Row`s), in their order, what the shares do not allow."""
    taken = chosen(((row.id, bool(row.called), row.labels.get("kind", "")) for row in rows), params.split)
    for row in rows:
        if row.id not in taken:
            row.part, row.why = "", "beyond_split.irrelevance"


def mask(rows: list, params: Params) -> None:
    """Marks the share format.masking of the training rows, of those that have a masked variant that is not too long, by seed."""
    limit = params.split.train_tokens
    train = [row for row in rows if row.part == "train"]
    able = [row for row in train if row.masked_tokens is not None and (limit is None or row.masked_tokens <= limit)]
    for row in sorted(able, key=lambda row: rank(params.seed, f"mask/{row.id}"))[: round(params.format.masking * len(train))]:
        row.masked = True


def shares(rows: list, params: Params) -> dict:
    """What became of the shares asked for, as counts of training rows; nothing where none was."""
    train = [row for row in rows if row.part == "train"]
    kinds = [row.labels.get("kind", "") for row in train]
    without = sum(declines(bool(row.called), kind) for row, kind in zip(train, kinds))
    made = {"train_without_call": without, "train_missing": kinds.count("missing")}
    masked = {"train_masked": sum(row.masked for row in train)}
    return (made if classes(params.split) else {}) | (masked if params.format.masking else {})
