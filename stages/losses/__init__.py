"""Losses: how well a model predicts plain text. A member has one name:

nats(texts, params, adapter) -> Iterator[float]   for each list of token ids the sum of -ln p over all tokens but the first, in order
"""

import importlib


def get(name: str):
    return importlib.import_module(f"stages.losses.{name}")
