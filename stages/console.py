"""What a run prints: one line a stage, a progress bar for long steps, one sentence for an error."""

import errno
import functools
import logging
import os
import re
import signal
import sys
import threading
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
    """One line; of several processes (stages/launch.py) only the first one speaks."""
    if os.environ.get("RANK", "0") == "0":
        print(line, flush=True)


def progress(total: int, what: str, unit: str = "row"):
    """A bar with time left on a terminal; about ten plain lines where the output goes to a file."""
    on_terminal = sys.stderr.isatty()
    return tqdm(total=total, desc=what, unit=unit, mininterval=0.5 if on_terminal else 15, file=sys.stderr, ncols=100,
                ascii=not on_terminal, leave=False, disable=os.environ.get("RANK", "0") != "0")


FULL, CLOSED = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}, {errno.EACCES, errno.EPERM, errno.EROFS}


def file_fault(error: Exception) -> str | None:
    """The sentence for a full disk or a closed folder, also where a library has wrapped the error; None for any other fault."""
    text = str(error)
    wrapped = re.search(r"\(os error (\d+)\)", text)  # the Rust libraries: tokenizers, safetensors
    number = error.errno if isinstance(error, OSError) else int(wrapped[1]) if wrapped else None
    where = getattr(error, "filename", None) or f"a file in {os.getcwd()}"
    if number in FULL or "PytorchStreamWriter" in text or "inline_container" in text:
        return f"error: {where} cannot be written, as the disk is full: free some space and run again."
    if number in CLOSED:
        return f"error: {where} cannot be written or read: check its permissions and run again."
    return None


def main_guard(main):
    """Ends a stage in one sentence and exit code 1 for faults that have a remedy, 130 for Ctrl-C, 143 for SIGTERM."""

    def terminate(number, frame):
        sys.exit(143)  # an exception, so that half-written files are removed

    @functools.wraps(main)
    def guarded(*args, **kwargs):
        quiet_libraries()
        in_main = threading.current_thread() is threading.main_thread()
        before = signal.signal(signal.SIGTERM, terminate) if in_main else None
        try:
            return main(*args, **kwargs)
        except (FileError, FormatError, ParamsError, StageError) as error:
            sys.exit(f"error: {error}")
        except KeyboardInterrupt:
            sys.exit(130)
        except ModuleNotFoundError as error:
            sys.exit(f"error: the package {error.name!r} is not installed: run `make setup`, or `pip install {error.name}`.")
        except Exception as error:
            if sentence := file_fault(error):
                sys.exit(sentence)
            raise
        finally:
            if in_main:
                signal.signal(signal.SIGTERM, before)

    return guarded
