"""The rows of one optimiser step as packs: several rows in one forward pass, none of which sees another.

A step's batch is one line of tokens, row after row, on the CPU; from it every process makes the same packs, checks them
all and trains on its own share, so that packed or padded, on one process or many, a step learns from the same rows.
"""

import numpy as np
import torch

IGNORED = -100
ROUND = 128  # tokens; packed lengths are a multiple, so that kernels see few shapes (FlexAttention's blocks are this long)


def flat(rows: list[dict]) -> dict[str, torch.Tensor]:
    """Rows {"input_ids", "labels"} as one line: each value (1, tokens); position_ids start at 0 in every row."""
    together = {key: torch.from_numpy(np.concatenate([row[key] for row in rows], dtype=np.int64))[None] for key in ("input_ids", "labels")}
    together["position_ids"] = torch.cat([torch.arange(len(row["input_ids"])) for row in rows])[None]
    return together


def bounds(position_ids: torch.Tensor) -> list[int]:
    """Where the rows of a line begin, and where the last one ends."""
    return [*(position_ids[0] == 0).nonzero().flatten().tolist(), position_ids.shape[1]]


def rows_of(batch: dict[str, torch.Tensor]) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """(input ids, labels) of each row of a flat batch, each (tokens,)."""
    edges = bounds(batch["position_ids"])
    return [(batch["input_ids"][0, a:b], batch["labels"][0, a:b]) for a, b in zip(edges, edges[1:])]


def balanced(lengths: list[int], budget: int, share: int) -> list[list[int]]:
    """Row indices in the fewest packs of at most `budget` tokens, their number a multiple of `share`, about equally full.

    Longest first into the emptiest pack (Graham's LPT rule); a row longer than the budget has a pack to itself. Packs may
    be empty where there are fewer rows than `share`.
    """
    order = sorted(range(len(lengths)), key=lambda i: (-lengths[i], i))
    count = share * max(1, -(-sum(lengths) // (budget * share)))
    while True:
        packs, sizes = [[] for _ in range(count)], [0] * count
        for row in order:
            emptiest = sizes.index(min(sizes))
            packs[emptiest].append(row)
            sizes[emptiest] += lengths[row]
        if count >= len(lengths) or all(size <= budget or len(pack) == 1 for size, pack in zip(sizes, packs)):
            return [sorted(pack) for pack in packs]
        count += share


def chunks(lengths: list[int], rows: int, budget: int | None, share: int) -> list[list[int]]:
    """Row indices in padded batches of at most `rows` rows, and of at most `budget` tokens with their padding."""
    packs, order = [], range(len(lengths))
    for row in order:
        longest = max([lengths[i] for i in packs[-1]] + [lengths[row]]) if packs else 0
        if not packs or len(packs[-1]) == rows or (budget and longest * (len(packs[-1]) + 1) > budget):
            packs.append([])
        packs[-1].append(row)
    return packs + [[] for _ in range(-len(packs) % share)]


def first_is_no_target(labels: torch.Tensor) -> torch.Tensor:
    """A row's first token follows nothing and is never predicted; in a pack it must not be predicted from the row before."""
    return torch.cat([labels.new_full((1,), IGNORED), labels[1:]])


def packed(rows: list[tuple[torch.Tensor, torch.Tensor]], pad: int, longest: int) -> dict:
    """Rows in one line (1, tokens), filled up to a multiple of ROUND by a row of padding that supervises nothing.

    cu_seq_lens and max_length are what variable-length kernels need; max_length is `longest` in every pack, so that it
    is no new shape.
    """
    fill = -sum(len(ids) for ids, _ in rows) % ROUND
    lengths = [len(ids) for ids, _ in rows] + [fill] * (fill > 0)
    ids = torch.cat([ids for ids, _ in rows] + [torch.full((fill,), pad)])
    labels = torch.cat([first_is_no_target(labels) for _, labels in rows] + [torch.full((fill,), IGNORED)])
    edges = torch.tensor([0, *lengths]).cumsum(0).to(torch.int32)
    longest = max(longest, ROUND)
    return {"input_ids": ids[None], "labels": labels[None], "position_ids": torch.cat([torch.arange(n) for n in lengths])[None],
            "cu_seq_lens_q": edges, "cu_seq_lens_k": edges, "max_length_q": longest, "max_length_k": longest}


def padded(rows: list[tuple[torch.Tensor, torch.Tensor]], pad: int) -> dict[str, torch.Tensor]:
    """Rows one below the other (rows, longest), filled up on the right, as TRL does it."""
    def stack(parts, value):
        return torch.nn.utils.rnn.pad_sequence(parts, batch_first=True, padding_value=value)

    return {"input_ids": stack([ids for ids, _ in rows], pad), "labels": stack([first_is_no_target(labels) for _, labels in rows], IGNORED),
            "attention_mask": stack([torch.ones_like(ids) for ids, _ in rows], 0)}


def unpacked(pack: dict) -> list[tuple[list[int], list[int]]]:
    """(input ids, labels) of each row in a pack, padding left out: what the mask proof looks at."""
    if "attention_mask" in pack:
        return [(ids[mask.bool()].tolist(), labels[mask.bool()].tolist())
                for ids, labels, mask in zip(pack["input_ids"], pack["labels"], pack["attention_mask"])]
    rows = [(ids.tolist(), labels.tolist()) for ids, labels in rows_of(pack)]
    return [(ids, labels) for ids, labels in rows if any(label != IGNORED for label in labels)]
