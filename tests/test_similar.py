"""similar: every near-duplicate is found, nothing else is, and the search does not grow with the square."""

import random
import time

import numpy as np
import pytest

from stages import similar
from stages.similar import Texts, rows_per_band, shingles, words

WORDS = [f"w{number}" for number in range(3000)]


def jaccard(one: frozenset[str], other: frozenset[str]) -> float:
    return len(one & other) / len(one | other)


def test_words_without_case_and_punctuation():
    assert words("  What's the WEATHER, in Łódź?! (now)") == ["what", "s", "the", "weather", "in", "łódź", "now"]
    assert words("snake_case and 3.5") == ["snake", "case", "and", "3", "5"]
    assert words("東京の天気 in Tokyo") == ["東", "京", "の", "天", "気", "in", "tokyo"], "scripts without spaces: a character is a word"
    assert words("?!") == []


def test_shingles_are_word_pairs():
    assert shingles("a b c a b") == {"a b", "b c", "c a"}
    assert shingles("Hello!") == {"hello"} and shingles("?!") == {"?!"}


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.7, 0.9, 1.0])
def test_a_band_finds_what_is_at_the_threshold(threshold):
    size = rows_per_band(threshold)
    assert 1 - (1 - threshold**size) ** (similar.PERMUTATIONS // size) >= similar.FOUND
    assert size == 8 or 1 - (1 - threshold ** (size + 1)) ** (similar.PERMUTATIONS // (size + 1)) < similar.FOUND


def texts(count: int, versions: int, seed: int = 0) -> list[str]:
    """`count` requests of 12 to 40 words, each in `versions` that lack or change a few words."""
    rng, made = random.Random(seed), []
    for _ in range(count):
        said = rng.sample(WORDS, rng.randint(12, 40))
        for version in range(versions):
            changed = [*said]
            for _ in range(version):
                changed[rng.randrange(len(changed))] = rng.choice(WORDS)
            made.append(" ".join(changed))
    return list(dict.fromkeys(made))


@pytest.mark.parametrize("threshold", [0.5, 0.7])
def test_the_pairs_found_are_those_of_all_pairs(threshold):
    """Against the full comparison: no false pair ever, and at least 99 of 100 true ones."""
    made = texts(150, 4)
    index, sets = Texts(made, threshold), [shingles(text) for text in made]
    left, right = np.arange(0, len(made), 2), np.arange(1, len(made), 2)
    true = {int(a) for a in left if any(jaccard(sets[a], sets[b]) >= threshold for b in right)}
    found = index.beside(left, right)
    assert len(true) > 80 and found <= true and len(found) >= 0.99 * len(true)


def test_clusters_are_chains_of_near_duplicates():
    made = texts(100, 4, seed=3)
    sets, label = [shingles(text) for text in made], list(range(len(made)))
    for a in range(len(made)):
        for b in range(a):
            if jaccard(sets[a], sets[b]) >= 0.7:
                old, new = max(label[a], label[b]), min(label[a], label[b])
                label = [new if one == old else one for one in label]
    found = Texts(made, 0.7).clusters()
    assert len(set(label)) < len(made) * 0.9, "there is something to find"
    assert sum(a != b for a, b in zip(first_places(found), first_places(label))) <= 2
    assert found == Texts(made, 0.7).clusters(), "the same each time"


def first_places(labels: list[int]) -> list[int]:
    """Each label as the first place that has it."""
    return [labels.index(label) for label in labels]


def test_what_belongs_together_anyway_is_one_cluster():
    assert Texts(["one two three", "four five six", "seven eight nine"], 0.7).clusters([(2, 1)]) == [0, 1, 1]


def test_equal_texts_are_beside_each_other_whatever_their_words():
    assert Texts(["", "?", "a b c"], 0.7).beside(np.array([0, 1, 2]), np.array([0, 2])) == {0, 2}
    assert Texts([], 0.7).clusters() == []


def test_thousands_of_texts_from_one_template_are_not_compared_with_each_other():
    """8,000 near-duplicates are 32 million pairs; the work done is counted, not timed."""
    made = [f"please book a table for two at the little green restaurant near the old harbour on day number {n} thanks" for n in range(8000)]
    index, looks = Texts(made, 0.7), []
    near = index._near
    index._near = lambda one, other: looks.append(len(one)) or near(one, other)
    assert len(set(index.clusters())) == 1
    assert sum(looks) <= 2 * len(made)


@pytest.mark.parametrize("threshold,near", [(1 / 3, True), (0.34, False)])
def test_the_threshold_itself_is_near(threshold, near):
    assert (Texts(["a b c", "a b d"], threshold)._near(np.array([0]), np.array([1])) == [near]).all()


def test_time_grows_with_the_number_and_not_with_its_square():
    """Four times as many texts in less than ten times the time; by all pairs it would be sixteen."""

    def seconds(count):
        made, start = texts(count, 2, seed=count), time.process_time()
        Texts(made, 0.7).clusters()
        return time.process_time() - start

    seconds(200)
    assert seconds(6000) < 10 * seconds(1500)
