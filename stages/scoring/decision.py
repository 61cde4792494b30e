"""Call or no call: what the model decided against what was right, as a 2x2 table.

A malformed attempt is a decision to call: counting it as an abstention would turn a model that
breaks its calls into one that knows when to decline.
"""

import numpy as np
from sklearn.metrics import balanced_accuracy_score, confusion_matrix, precision_recall_fscore_support

from stages.schema import Example, Parsed


def should_call(example: Example) -> bool:
    """Whether a call is right. Empty `calls` say as little to call as a reply does."""
    return bool(example.calls)


def does_call(parsed: Parsed) -> bool:
    """Whether the output calls, or tries to."""
    return bool(parsed.calls) or parsed.attempted


def scores(should: list[bool], does: list[bool]) -> dict:
    """The confusion table and precision, recall, F1 of "call", and balanced accuracy.

    Ratios are in [0, 1], or None where they have no denominator: precision where nothing called,
    recall where no call was right, balanced accuracy where only one of the two was ever right.
    """
    right, made = np.asarray(should, bool), np.asarray(does, bool)
    table = confusion_matrix(right, made, labels=[False, True]) if len(right) else np.zeros((2, 2), int)
    both = bool(right.any() and not right.all())
    precision, recall, f1, _ = (
        precision_recall_fscore_support(right, made, average="binary", zero_division=0) if len(right) else (0, 0, 0, 0)
    )
    return {
        "reply_when_reply_right": int(table[0, 0]),
        "call_when_reply_right": int(table[0, 1]),
        "reply_when_call_right": int(table[1, 0]),
        "call_when_call_right": int(table[1, 1]),
        "precision": float(precision) if made.any() else None,
        "recall": float(recall) if right.any() else None,
        "f1": float(f1) if made.any() or right.any() else None,
        "balanced_accuracy": float(balanced_accuracy_score(right, made)) if both else None,
    }
