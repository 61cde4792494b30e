"""Beginnings that prompts share (system text, tools, examples): found here, so that a model reads each of them once."""

from itertools import pairwise

LEAST = 0.5  # of the longest prompt; a shorter beginning saves less than keeping its prompts together costs in padding
RUN = 256  # prompts with one beginning; where more share it, it is read once for each so many
WORTH = {"cpu": 128, "cuda": 8192}  # tokens that a beginning must save; on a GPU a pass of its own costs as much as thousands of tokens


def beginnings(prompts: list[list[int]], device: str) -> list[tuple[int, list[int]]]:
    """[(length in tokens, places of the prompts that begin with the same so many)], a prompt in at most one of them.

    Of all ways to cut the sorted prompts into runs, the one that saves most tokens; every prompt keeps a token of its own.
    """
    order = sorted(range(len(prompts)), key=lambda place: prompts[place])
    alike = [0] + [common(prompts[a], prompts[b]) for a, b in pairwise(order)]  # with the prompt before
    saved, start_of = [0] * (len(order) + 1), list(range(-1, len(order)))
    for end in range(1, len(order) + 1):
        saved[end] = saved[end - 1]
        length = longest = len(prompts[order[end - 1]])
        for start in range(end - 2, max(end - RUN, 0) - 1, -1):
            length, longest = min(length, alike[start + 1]), max(longest, len(prompts[order[start]]))
            if length < LEAST * longest:
                break
            if (whole := saved[start] + (end - 1 - start) * length) > saved[end]:
                saved[end], start_of[end] = whole, start
    found, end = [], len(order)
    while end > 0:
        start = start_of[end]
        if end - start > 1 and saved[end] - saved[start] >= WORTH.get(device, WORTH["cuda"]):
            found.append((min(alike[start + 1:end]), order[start:end]))
        end = start
    return found


def common(one: list[int], other: list[int]) -> int:
    """How many tokens two prompts begin with in common, the last of each left out."""
    most = min(len(one), len(other)) - 1
    if one[:most] == other[:most]:
        return most
    return next(place for place in range(most) if one[place] != other[place])
