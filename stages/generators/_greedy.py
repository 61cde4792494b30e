"""Greedy decoding of many prompts with one model: rows that end leave the batch at once and waiting prompts take their place,
and what prompts begin with in common goes through the model once (_prefix.py).

`model.generate` runs a batch until its longest answer ends, which one rambling row makes long for all. The tokens are the same:
tests/test_predict.py holds the two against each other.
"""

import threading
from collections.abc import Iterator
from itertools import groupby
from queue import SimpleQueue

import torch
from torch.nn.utils.rnn import pad_sequence
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

from stages.generators._prefix import beginnings

# tokens of prompts that go through the model at once: as many as a CPU's caches hold; on a GPU enough to fill it, with little padding
PREFILL = {"cpu": 2048, "cuda": 65536}
SHARES = 4  # threads that decode side by side on a CPU, at most
ROOM = 64  # tokens of spare room in the cache


class RoomyLayer(DynamicLayer):
    """Writes a token into spare room in place of copying all that came before it."""

    room = None

    def update(self, key_states, value_states, *args, **kwargs):
        if not self.is_initialized or key_states.shape[-2] > 1:
            return super().update(key_states, value_states, *args, **kwargs)
        length = self.keys.shape[-2]
        # keys that are no longer the buffer's were cut, or joined with others
        if self.room is None or self.keys.data_ptr() != self.room[0].data_ptr() or length == self.room[0].shape[-2]:
            self.room = [torch.nn.functional.pad(states, (0, 0, 0, ROOM)) for states in (self.keys, self.values)]
        for states, new in zip(self.room, (key_states, value_states)):
            states[..., length, :] = new[..., 0, :]
        self.keys, self.values = (states[..., :length + 1, :] for states in self.room)
        return self.keys, self.values


class Batch:
    """The rows that are being answered: what the model has seen of each, padded on the left to one width."""

    def __init__(self, model, pad: int):
        self.model, self.pad = model, pad
        self.rows: list[int | None] = []  # the prompt's place in the list, row by row; None = answered
        self.mask = self.cache = self.chosen = None
        # layers that keep only a window of the past, or a state, can be neither padded nor cut afterwards
        self.plain = all(type(layer) is DynamicLayer for layer in DynamicCache(config=model.config).layers)

    def admit(self, families: list[tuple[list[int], list[list[int]], DynamicCache | None]]) -> None:
        """Takes in prompts and chooses the first token of each: (rows, prompts [token ids], what is known of their common beginning)."""
        parts = [(self.cache, self.mask, self.chosen)] if self.rows else []
        for rows, prompts, beginning in families:
            self.rows += rows
            parts += self.read(prompts, beginning)
        width = max(mask.shape[1] for _, mask, _ in parts)
        self.cache = parts[0][0]
        for layers in zip(*(cache.layers for cache, _, _ in parts)) if len(parts) > 1 else ():
            layers[0].keys = torch.cat([pad_left(layer.keys, width, -2) for layer in layers])
            layers[0].values = torch.cat([pad_left(layer.values, width, -2) for layer in layers])
        self.mask = torch.cat([pad_left(mask, width) for _, mask, _ in parts])
        self.chosen = torch.cat([chosen for _, _, chosen in parts])

    def read(self, prompts: list[list[int]], beginning: DynamicCache | None = None) -> Iterator[tuple]:
        """(cache, mask, next tokens) of prompts, in parts that go through the model at once; padding lies between beginning and rest."""
        limit = PREFILL.get(self.model.device.type) if self.plain else None
        known = beginning.get_seq_length() if beginning else 0
        per_part = max(1, limit // max(len(prompt) - known for prompt in prompts)) if limit else len(prompts)
        for start in range(0, len(prompts), per_part):
            ids = [torch.tensor(prompt[known:], device=self.model.device) for prompt in prompts[start:start + per_part]]
            mask = pad_sequence([torch.ones_like(row) for row in ids], batch_first=True, padding_side="left")
            mask, cache = torch.cat([mask.new_ones(len(ids), known), mask], 1), DynamicCache(config=self.model.config)
            if self.plain:
                cache.layers = [RoomyLayer() for _ in cache.layers]
            for layer, before in zip(cache.layers, beginning.layers) if beginning else ():
                layer.update(before.keys.expand(len(ids), -1, -1, -1), before.values.expand(len(ids), -1, -1, -1))
            yield cache, mask, self.forward(pad_sequence(ids, batch_first=True, padding_value=self.pad, padding_side="left"), mask, cache)

    def forward(self, ids: torch.Tensor, mask: torch.Tensor, cache: DynamicCache) -> torch.Tensor:
        """The likeliest next token of each row; positions count from the first real token."""
        positions = (mask.cumsum(1) - 1).clamp(min=0)[:, -ids.shape[1]:]
        out = self.model(input_ids=ids, attention_mask=mask, position_ids=positions, past_key_values=cache, logits_to_keep=1)
        return out.logits[:, -1].argmax(-1)

    def step(self) -> None:
        """Shows the model the tokens that it chose and has it choose the next ones."""
        self.mask = torch.cat([self.mask, self.mask.new_ones(len(self.rows), 1)], 1)
        self.chosen = self.forward(self.chosen[:, None], self.mask, self.cache)

    def keep(self, places: list[int]) -> None:
        """Drops all other rows, and the padding that no row needs any more."""
        self.rows = [self.rows[place] for place in places]
        if not places:
            self.cache = self.mask = self.chosen = None
            return
        kept = torch.tensor(places, device=self.model.device)
        self.mask, self.chosen = self.mask[kept], self.chosen[kept]
        self.cache.batch_select_indices(kept)
        unused = int((self.mask.sum(0) > 0).int().argmax()) if self.plain else 0
        self.mask = self.mask[:, unused:]
        for layer in self.cache.layers if unused else ():
            layer.keys, layer.values = layer.keys[:, :, unused:], layer.values[:, :, unused:]


def pad_left(values: torch.Tensor, width: int, dimension: int = -1) -> torch.Tensor:
    """Zeros before `values` up to `width` in the last dimension or the one before it."""
    missing = width - values.shape[dimension]
    return torch.nn.functional.pad(values, (missing, 0) if dimension == -1 else (0, 0, missing, 0)) if missing else values


@torch.inference_mode()
def greedy(model, prompts: list[list[int]], ends: list[int], pad: int, limit: int, batch_tokens: int) -> Iterator[tuple[int, list[int], bool]]:
    """(place in prompts, new token ids without the end token, whether an end token came), in the order in which answers end.

    Longest prompts first, so that memory runs out at once or never, and those with a common beginning together; rows x width
    stay within batch_tokens where one row does.
    """
    made: list[list[int]] = [[] for _ in prompts]
    batch = Batch(model, pad)
    shared = beginnings(prompts, model.device.type) if batch.plain else []
    family = {place: number for number, (_, places) in enumerate(shared) for place in places}

    def number_of(place: int) -> int:
        return family.get(place, -1)

    def beginning_of(number: int) -> DynamicCache | None:
        if number >= 0 and number not in known:
            length, places = shared[number]
            known[number], _, _ = next(batch.read([prompts[places[0]][:length]]))
        return known.get(number)

    def size(place: int) -> tuple[int, int, int, int]:
        places = shared[number_of(place)][1] if place in family else [place]
        return max(len(prompts[place]) for place in places), number_of(place), len(prompts[place]), -place

    waiting, known = sorted(range(len(prompts)), key=size), {}
    while waiting or batch.rows:
        if waiting and (batch.plain or not batch.rows):
            width = max(len(prompts[waiting[-1]]), batch.mask.shape[1] if batch.rows else 0)
            free = max(batch_tokens // width, 1) - len(batch.rows)
            if free > len(batch.rows) // 8:
                new = sorted((waiting.pop() for _ in range(min(free, len(waiting)))), key=number_of)
                batch.admit([(rows, [prompts[place] for place in rows], beginning_of(number)) for number, rows
                             in ((number, list(rows)) for number, rows in groupby(new, number_of))])
                known = {number: known[number] for number in known if waiting and number == number_of(waiting[-1])}
        for place, (row, token) in enumerate(zip(batch.rows, batch.chosen.tolist())):
            if row is None:
                continue
            if token not in ends:
                made[row].append(token)
            if token in ends or len(made[row]) == limit:
                yield row, made[row], token in ends
                batch.rows[place] = None
        going = [place for place, row in enumerate(batch.rows) if row is not None]
        if len(going) <= len(batch.rows) * 7 // 8:  # leaving and joining copy the cache: not for single rows
            batch.keep(going)
        if batch.rows:
            batch.step()


def side_by_side(model, prompts: list[list[int]], ends: list[int], pad: int, limit: int, batch_tokens: int, cores: int):
    """As `greedy`, on a CPU: each thread answers a share of the prompts on its part of the cores.

    One step of decoding is many small operations, over which several cores mostly wait for each other. Yields as `greedy`;
    raises what a thread raised.
    """
    count = max(1, min(cores, SHARES, len(prompts)))
    most = -(-len(prompts) // (2 * count))  # prompts with a common beginning stay together, if they are not a thread's whole work
    families = [places[i:i + most] for _, places in beginnings(prompts, model.device.type) for i in range(0, len(places), most)]
    families += [[place] for place in sorted(set(range(len(prompts))).difference(*families))]
    shares, loads, done = [[] for _ in range(count)], [0] * count, SimpleQueue()
    for load, places in sorted(((sum(len(prompts[place]) for place in places), places) for places in families), reverse=True):
        least = loads.index(min(loads))
        shares[least] += places
        loads[least] += load

    def work(share: list[int]) -> None:
        torch.set_num_threads(max(1, cores // count))
        try:
            for place, made, ended in greedy(model, [prompts[place] for place in share], ends, pad, limit, max(1, batch_tokens // count)):
                done.put((share[place], made, ended))
            done.put(None)
        except BaseException as error:
            done.put(error)

    threads = [threading.Thread(target=work, args=(share,), daemon=True) for share in shares]
    for thread in threads:
        thread.start()
    try:
        while count:
            one = done.get()
            if isinstance(one, BaseException):
                raise one
            if one is None:
                count -= 1
            else:
                yield one
    finally:
        torch.set_num_threads(cores)
