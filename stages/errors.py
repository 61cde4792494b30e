"""The faults that have a remedy. Each message is one sentence with the file, the row or key, and what to do."""


class FileError(Exception):
    """A file that cannot be read or written."""


class ParamsError(Exception):
    """A parameter that cannot be used."""


class StageError(Exception):
    """A stage that cannot go on."""


class FormatError(Exception):
    """A dialect and a model that do not fit; the message says which dialect to use."""


class RowError(ValueError):
    """A row that cannot be used. `reason` is the short name under which it is counted."""

    def __init__(self, reason: str, detail: str):
        super().__init__(f"{reason}: {detail}")
        self.reason, self.detail = reason, detail
