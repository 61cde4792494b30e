"""Near-duplicate requests among many, in time that grows with their number and not with its square.

Two texts are near-duplicates when the Jaccard similarity of their sets of neighbouring word pairs is at least a threshold.
MinHash signatures (datasketch; Broder, "On the resemblance and containment of documents", 1997) are cut into bands; texts that
agree in a band are candidates (Leskovec, Rajaraman, Ullman, "Mining of Massive Datasets", chapter 3.4), and each candidate that
its signature does not rule out is decided by the true Jaccard similarity. A text is compared with at most `LOOKS` others of a
bucket, so that ten thousand texts from one template cost no hundred million comparisons.
"""

import re
import zlib
from array import array
from collections.abc import Iterable, Iterator
from functools import cached_property

import numpy as np
from datasketch import MinHash
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components

PERMUTATIONS = 64
FOUND = 0.99  # a pair at exactly the threshold shares a bucket at least so often
MARGIN = 0.2  # a signature this far below the threshold rules a pair out: three standard errors of 64 permutations
CHUNK = 32768  # pairs that are compared together
LOOKS = 16  # texts of one bucket that a text is compared with, in each band
# a word, or one character of a script that writes no spaces between words
WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]|[^\W_\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]+")


def words(text: str) -> list[str]:
    """The words of a text without case and punctuation."""
    return WORD.findall(text.casefold())


def shingles(text: str) -> frozenset[str]:
    """Neighbouring word pairs; the word itself where there is one, the text where there is none."""
    found = words(text)
    return frozenset(map(" ".join, zip(found, found[1:]))) if len(found) > 1 else frozenset(found or [text])


def rows_per_band(threshold: float) -> int:
    """The most signature rows in a band with which a pair at the threshold shares a bucket with probability FOUND."""
    fits = [rows for rows in range(1, 9) if 1 - (1 - threshold**rows) ** (PERMUTATIONS // rows) >= FOUND]
    return max(fits, default=1)


class Texts:
    """Distinct texts as sets of hashed shingles (CSR matrix) and as signatures (uint32 [texts, PERMUTATIONS], 256 bytes a text)."""

    def __init__(self, texts: list[str], threshold: float):
        self.threshold, self.signatures = threshold, np.empty((len(texts), PERMUTATIONS), np.uint32)
        hashes, ends = array("i"), array("q", [0])

        def hashed() -> Iterator[list[int]]:
            for text in texts:
                found = sorted({zlib.crc32(shingle.encode()) & 0x7FFFFFFF for shingle in shingles(text)})
                hashes.extend(found)
                ends.append(len(hashes))
                yield found

        for place, one in enumerate(MinHash.generator(hashed(), num_perm=PERMUTATIONS, seed=1, hashfunc=int)):
            self.signatures[place] = one.hashvalues
        columns = np.frombuffer(hashes, np.int32) if hashes else np.empty(0, np.int32)
        self.sets = csr_array((np.ones(len(columns), np.int8), columns, np.frombuffer(ends, np.int64)), shape=(len(texts), 2**31 - 1))

    def clusters(self, together: Iterable[tuple[int, int]] = ()) -> list[int]:
        """A number for each text: near-duplicates, and what a chain of them joins, have the same.

        together: pairs of places that belong into one cluster whatever their words.
        """
        everything = np.arange(len(self.signatures))
        label = _joined(everything, *np.array(list(together), dtype=np.int64).reshape(-1, 2).T)
        found = [], []  # pairs that have not been joined yet: joining takes time for every text, so it waits for many
        for one, other in self._candidates(everything, everything):
            apart = label[one] != label[other]
            one, other = one[apart], other[apart]
            near = self._near(one, other)
            found[0].append(one[near])
            found[1].append(other[near])
            if sum(map(len, found[0])) > len(label) / 8:
                label, found = _joined(label, *map(np.concatenate, found)), ([], [])
        return (_joined(label, *map(np.concatenate, found)) if found[0] else label).tolist()

    def beside(self, these: np.ndarray, those: np.ndarray) -> set[int]:
        """Those of `these` (places of texts) that equal, or are near-duplicates of, one of `those`."""
        found = np.zeros(len(self.signatures), bool)
        found[np.intersect1d(these, those)] = True
        for one, other in self._candidates(these, those):
            one, other = one[~found[one]], other[~found[one]]
            found[one[self._near(one, other)]] = True
        return set(np.flatnonzero(found).tolist())

    def _near(self, one: np.ndarray, other: np.ndarray) -> np.ndarray:
        """Whether each pair is at least as similar as the threshold; of 31-bit hashes, which agree for one pair of words in 10^9."""
        near = np.zeros(len(one), bool)
        plausible = np.flatnonzero((self.signatures[one] == self.signatures[other]).mean(axis=1) >= self.threshold - MARGIN)
        a, b = self.sets[one[plausible]], self.sets[other[plausible]]
        shared = a.multiply(b).sum(axis=1, dtype=np.int64)
        near[plausible] = shared >= self.threshold * (np.diff(a.indptr) + np.diff(b.indptr) - shared) - 1e-9
        return near

    def _candidates(self, these: np.ndarray, those: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Arrays of pairs (one of `these`, one of `those`) that share a bucket."""
        size = rows_per_band(self.threshold)
        for start in range(0, PERMUTATIONS - size + 1, size):
            keys = _band_keys(self.signatures[:, start : start + size])
            order = those[np.argsort(keys[those], kind="stable")]
            left = np.searchsorted(keys[order], keys[these], "left")
            count = np.searchsorted(keys[order], keys[these], "right") - left
            for look in range(LOOKS):
                which = np.flatnonzero(count > look)
                for part in np.array_split(which, len(which) // CHUNK + 1):
                    # each text starts at a place of its own, or all of a large bucket would meet the same few
                    other = order[left[part] + (these[part] + look) % count[part]]
                    differ = these[part] != other
                    yield these[part][differ], other[differ]


class Requests:
    """The distinct requests of some rows (split.Row: id, group, query), and which of them are near-duplicates."""

    def __init__(self, rows: Iterable, threshold: float):
        self.threshold = threshold
        self.places = {query: place for place, query in enumerate(sorted({row.query for row in rows}))}  # the same in any order of the rows

    @cached_property
    def texts(self) -> Texts:
        return Texts(list(self.places), self.threshold)

    def clusters(self, rows: list) -> list[str]:
        """Each row's cluster: what groups and near-duplicates join. It is named after the first of its groups in the alphabet."""
        first, together = {}, []
        for row in rows:
            if row.group != row.id and first.setdefault(row.group, self.places[row.query]) != self.places[row.query]:
                together.append((first[row.group], self.places[row.query]))
        label, names = self.texts.clusters(together), {}
        for row in rows:
            cluster = label[self.places[row.query]]
            names[cluster] = min(names.get(cluster, row.group), row.group)
        return [names[label[self.places[row.query]]] for row in rows]

    def beside(self, rows: Iterable, others: Iterable) -> set[str]:
        """The requests of `rows` that equal or are near-duplicates of one of `others`."""
        mine = {self.places[row.query]: row.query for row in rows}
        theirs = {self.places[row.query] for row in others}
        return {mine[place] for place in self.texts.beside(*(np.array(sorted(some), dtype=np.int64) for some in (mine, theirs)))}


def _band_keys(band: np.ndarray) -> np.ndarray:
    """One uint64 for each row of a band [texts, rows]: equal rows have equal keys."""
    keys = np.zeros(len(band), np.uint64)
    for column in band.T:
        keys = (keys ^ column) * np.uint64(0x9E3779B97F4A7C15)
        keys ^= keys >> np.uint64(29)
    return keys


def _joined(label: np.ndarray, one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Labels after the clusters of each pair of places have been joined."""
    if not len(one):
        return label
    links = coo_array((np.ones(len(one), np.int8), (label[one], label[other])), shape=(len(label), len(label)))
    return connected_components(links, directed=False)[1][label]
