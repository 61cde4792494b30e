"""What a run prints: one line a stage, a progress bar for long steps, one sentence for an error."""

import functools
import logging
import os
import sys
import warnings

from tqdm import tqdm

from stages.errors import FileError, FormatError, ParamsError, StageError


def quiet_libraries() -> None:
    """Takes the libraries' own bars and notes from the screen: a stage prints one line."""
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    warnings.filterwarnings("ignore")
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)


def say(line: str) -> None:
    print(line, flush=True)


def progress(total: int, what: str, unit: str = "row"):
    """A bar with time left on a terminal; about ten plain lines where the output goes to a file."""
    on_terminal = sys.stderr.isatty()
    return tqdm(total=total, desc=what, unit=unit, mininterval=0.5 if on_terminal else 15, file=sys.stderr,
                ncols=100, ascii=not on_terminal, leave=False)


def main_guard(main):
    """Ends a stage in one sentence and exit code 1 for faults that have a remedy, 130 for Ctrl-C."""

    @functools.wraps(main)
    def guarded(*args, **kwargs):
        quiet_libraries()
        try:
            return main(*args, **kwargs)
        except (FileError, FormatError, ParamsError, StageError) as error:
            sys.exit(f"error: {error}")
        except KeyboardInterrupt:
            sys.exit(130)
        except ModuleNotFoundError as error:
            sys.exit(f"error: the package {error.name!r} is not installed: run `make setup`, or `pip install {error.name}`.")
        except PermissionError as error:
            sys.exit(f"error: {error.filename} cannot be written or read: check its permissions and run again.")
        except OSError as error:
            if error.errno == 28:
                sys.exit(f"error: the disk is full while writing {error.filename or 'a file'} in {os.getcwd()}: free some space and run again.")
            raise

    return guarded
