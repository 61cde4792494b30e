"""The mask proof: on the very batches that the trainer sees, the loss falls on the right tokens.

Every token of a completion, its end token included, is supervised; no prompt token is (with completion-only loss);
no row is cut. A violated rule stops the run; the counts and five decoded rows go to models/log/mask.json.
"""

from stages.errors import StageError

SHOWN = 5
IGNORED = -100


class MaskProof:
    """Checks each batch against the tokens that the rows should have, and counts.

    rows: {tuple of all token ids: length of the prompt in tokens}, one entry a distinct training row.
    """

    def __init__(self, rows: dict[tuple[int, ...], int], ends: list[int], completion_only: bool, decode):
        self.rows, self.ends, self.completion_only, self.decode = rows, set(ends), completion_only, decode
        self.batches = self.checked = self.supervised = self.tokens = 0
        self.examples: list[dict] = []

    def check(self, ids: list[int], labels: list[int]) -> None:
        """One row without its padding: token ids and labels (-100 = not supervised). Raises StageError."""
        prompt = self.rows.get(tuple(ids))
        if prompt is None:
            self._fail("a row of the batch is no row of the data: it was cut or changed on its way", ids)
        first = 0 if self.completion_only is False else prompt
        learnt = max(first, 1)  # a row's first token follows nothing, and is no target
        if labels[:first] != [IGNORED] * first or labels[learnt:] != ids[learnt:]:
            self._explain(ids, labels, first)
        if ids[-1] not in self.ends:
            self._fail("the row does not end with the token at which the model stops", ids)
        self.checked += 1
        self.tokens += len(ids)
        self.supervised += len(ids) - first
        if len(self.examples) < SHOWN:
            self.examples.append({"not_supervised": self.decode(ids[:first]), "supervised": self.decode(ids[first:])})

    def _explain(self, ids: list[int], labels: list[int], first: int) -> None:
        for place, (token, label) in enumerate(zip(ids, labels)):
            if place < first and label != IGNORED:
                self._fail(f"prompt token {place} ({self.decode([token])!r}) is supervised", ids)
            if place >= max(first, 1) and label != token:
                self._fail(f"token {place} ({self.decode([token])!r}) of the target is not supervised as itself", ids)
        self._fail(f"{len(labels)} labels for {len(ids)} tokens", ids)

    def _fail(self, what: str, ids: list[int]) -> None:
        raise StageError(f"mask proof: {what}, in the row that ends {self.decode(ids[-24:])!r}; nothing was trained on it.")

    def go_on_from(self, report: dict) -> None:
        """Takes over what an interrupted run had counted up to its checkpoint."""
        self.checked, self.batches, self.tokens = report["rows_checked"], report["batches"], report["tokens"]
        self.supervised, self.examples = report["supervised_tokens"], list(report["examples"])

    def report(self) -> dict:
        return {
            "rows_checked": self.checked, "batches": self.batches, "completion_only_loss": self.completion_only,
            "tokens": self.tokens, "supervised_tokens": self.supervised,
            "supervised_share": round(self.supervised / max(self.tokens, 1), 6), "examples": self.examples,
        }
