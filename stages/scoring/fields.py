"""How much of the calls is right: names, arguments, and (call, argument, value) triples.

    gold   get_weather(city="Hull", days=3)        names 1 of 1, arguments 1 of 2,
    output get_weather(city="Hull", days=4)        triples: 1 right of 2 given and 2 wanted, F1 0.5

Calls are paired so that first the number of pairs of one name, then the number of equal arguments,
then of shared argument names is the largest possible: an assignment problem, solved by SciPy.
"""

from dataclasses import dataclass

from scipy.optimize import linear_sum_assignment

from stages.schema import Call
from stages.scoring.strict import canonical

Pair = tuple[int, int]  # positions in calls and in gold


@dataclass(frozen=True)
class Fields:
    """Counts for one case; values are compared by JSON equality, as `strict` does."""

    gold_calls: int
    made_calls: int
    right_names: int  # pairs of one name
    gold_arguments: int
    made_arguments: int
    named_arguments: int  # gold's arguments in the calls whose name is right
    right_arguments: int  # the same argument with an equal value, in a pair

    @property
    def f1(self) -> float:
        """Of the triples; with none on either side, 1.0 where all names agree and else 0.0."""
        if self.gold_arguments + self.made_arguments:
            return 2 * self.right_arguments / (self.gold_arguments + self.made_arguments)
        return float(self.right_names == self.gold_calls == self.made_calls)


def count(calls: list[Call], gold: list[Call], pairs: list[Pair]) -> Fields:
    """The counts of one case, given `pair(calls, gold)`."""
    return Fields(
        gold_calls=len(gold),
        made_calls=len(calls),
        right_names=len(pairs),
        gold_arguments=sum(len(call.arguments) for call in gold),
        made_arguments=sum(len(call.arguments) for call in calls),
        named_arguments=sum(len(gold[j].arguments) for _, j in pairs),
        right_arguments=sum(equal_arguments(calls[i], gold[j]) for i, j in pairs),
    )


def equal_arguments(call: Call, gold: Call) -> int:
    """The number of arguments that both calls have, with equal values."""
    shared = call.arguments.keys() & gold.arguments.keys()
    return sum(canonical(call.arguments[name]) == canonical(gold.arguments[name]) for name in shared)


def pair(calls: list[Call], gold: list[Call]) -> list[Pair]:
    """The optimal pairing of calls with gold calls of the same name; the rest stay unpaired."""
    names = {call.name for call in gold}
    made = [i for i, call in enumerate(calls) if call.name in names]
    if not made:
        return []
    if len(names) == len(gold) and len({calls[i].name for i in made}) == len(made):  # nothing to choose
        places = {call.name: j for j, call in enumerate(gold)}
        return [(i, places[calls[i].name]) for i in made]
    weights = [[_weight(calls[i], other) for other in gold] for i in made]
    rows, columns = linear_sum_assignment(weights, maximize=True)
    return [(made[i], int(j)) for i, j in zip(rows, columns) if weights[i][j]]


def _weight(call: Call, gold: Call) -> int:
    """0 for other names; else in digits of base 10,000: one name, equal arguments, shared names."""
    if call.name != gold.name:
        return 0
    shared = min(len(call.arguments.keys() & gold.arguments.keys()), 99)
    return 100_000_000 + 10_000 * min(equal_arguments(call, gold), 99) + shared
