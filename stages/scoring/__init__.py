"""Scores of parsed calls, independent of how they were written: one module a score, `case` and `summary` over all."""
