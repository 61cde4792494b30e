"""A stage started by DVC ends when DVC is gone: `kill -9` on dvc would else leave it running."""

import os
import threading
import time

EVERY = 1.0  # seconds between looks


def ancestors() -> list:
    """The processes from this one's parent up to the one that runs dvc; only the parent when none does."""
    import psutil

    chain = psutil.Process().parents()
    for index, process in enumerate(chain):
        try:
            if any(os.path.basename(part) == "dvc" or part == "dvc" for part in process.cmdline()):
                return chain[: index + 1]
        except psutil.Error:
            break
    return chain[:1]


def alive(process) -> bool:
    import psutil

    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def end_with_parent() -> None:
    """Starts a watcher that ends this process when one of its ancestors up to dvc has gone. Nothing outside of DVC."""
    if "DVC_STAGE" not in os.environ:
        return
    watched = ancestors()

    def look():
        while all(alive(process) for process in watched):
            time.sleep(EVERY)
        os._exit(143)

    threading.Thread(target=look, daemon=True, name="end-with-parent").start()
