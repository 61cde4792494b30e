"""Files: written whole or not at all; a full disk, a closed folder or a missing file ends in one sentence."""

import errno
import os
import re
import resource
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from stages import console, files
from stages.errors import FileError, StageError
from tests import tiny


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# --- written whole or not at all -------------------------------------------------------------------------


def test_what_is_written_is_read_back(tmp_path):
    rows = [{"a": "Łódź\u2028\n😀", "b": [1.5, None, True]}, {}]
    assert files.write_jsonl(tmp_path / "x/y/rows.jsonl", iter(rows)) == 2
    assert list(files.read_jsonl(tmp_path / "x/y/rows.jsonl")) == rows
    assert (tmp_path / "x/y/rows.jsonl").read_bytes().count(b"\n") == 2
    files.write_json(tmp_path / "value.json", rows)
    assert files.read_json(tmp_path / "value.json") == rows and (tmp_path / "value.json").read_bytes().endswith(b"]\n")
    assert names(tmp_path / "x/y") == ["rows.jsonl"] and (tmp_path / "value.json").stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("error", [ValueError("x"), KeyboardInterrupt(), SystemExit(143), StageError("x")])
def test_an_exception_leaves_the_old_content_and_nothing_else(tmp_path, error):
    files.write_text(tmp_path / "a.txt", "old")
    with pytest.raises(type(error)):
        with files.atomic(tmp_path / "a.txt") as handle:
            handle.write("new" * 100_000)
            raise error
    assert names(tmp_path) == ["a.txt"] and (tmp_path / "a.txt").read_text() == "old"


def test_rows_that_fail_half_way_leave_no_file(tmp_path):
    with pytest.raises(TypeError):
        files.write_jsonl(tmp_path / "rows.jsonl", [{"a": 1}, {"a": object()}])
    assert names(tmp_path) == []


def test_a_reader_never_sees_half_a_file(tmp_path):
    files.write_text(tmp_path / "a.txt", "old")
    with files.atomic(tmp_path / "a.txt") as handle:
        handle.write("new")
        handle.flush()
        assert (tmp_path / "a.txt").read_text() == "old"
    assert (tmp_path / "a.txt").read_text() == "new"


# --- faults, each in one sentence ------------------------------------------------------------------------


def sentence(error) -> str:
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("number,remedy", [
    (errno.ENOSPC, "free some space"), (errno.EDQUOT, "free some space"), (errno.EFBIG, "free some space"),
    (errno.EACCES, "check the folder's permissions"), (errno.EROFS, "check the folder's permissions")])
@pytest.mark.parametrize("where", ["open", "write", "replace"])
def test_a_write_that_fails_names_file_and_remedy(tmp_path, monkeypatch, number, remedy, where):
    files.write_text(tmp_path / "a.txt", "old")

    def fail(*args, **kwargs):
        raise OSError(number, os.strerror(number))

    if where == "open":
        monkeypatch.setattr(files.tempfile, "NamedTemporaryFile", fail)
    elif where == "replace":
        monkeypatch.setattr(files.os, "replace", fail)
    with pytest.raises(FileError) as error:
        if where == "write":
            with files.atomic(tmp_path / "a.txt"):
                fail()
        files.write_text(tmp_path / "a.txt", "new")
    assert f"{tmp_path}/a.txt cannot be written ({os.strerror(number)}): {remedy}" in sentence(error)
    assert names(tmp_path) == ["a.txt"] and (tmp_path / "a.txt").read_text() == "old"


def test_a_folder_that_is_a_file(tmp_path):
    (tmp_path / "data").write_text("")
    with pytest.raises(FileError) as error:
        files.write_text(tmp_path / "data/a.txt", "x")
    assert "data/a.txt cannot be written" in sentence(error)


def test_missing_and_broken_files_are_named(tmp_path):
    (tmp_path / "rows.jsonl").write_text('{"a": 1}\n\n{"a": \n')

    def read_lines(path):
        return list(files.read_jsonl(path))

    for read, name, words in ((files.read_json, "none.json", "does not exist"), (read_lines, "none.jsonl", "does not exist"),
                              (read_lines, "rows.jsonl", "line 3 is not JSON"), (files.read_json, "rows.jsonl", "is not JSON"),
                              (files.read_json, "", "does not exist")):
        with pytest.raises(FileError) as error:
            read(tmp_path / name)
        assert name in sentence(error) and words in sentence(error)


# --- main_guard ------------------------------------------------------------------------------------------


def ended(error) -> SystemExit:
    """How a stage that raises `error` ends."""

    @console.main_guard
    def main():
        raise error

    with pytest.raises(SystemExit) as end:
        main()
    return end.value


RUST = type("SafetensorError", (Exception,), {})


@pytest.mark.parametrize("error,words", [
    (StageError("the split is empty: give more rows."), "error: the split is empty: give more rows."),
    (ModuleNotFoundError("No module named 'bitsandbytes'", name="bitsandbytes"), "the package 'bitsandbytes' is not installed: run `make setup`"),
    (PermissionError(errno.EACCES, "Permission denied", "models/tuned"), "models/tuned cannot be written or read: check its permissions"),
    (OSError(errno.EROFS, "Read-only file system", "plots/a.png"), "plots/a.png cannot be written or read: check its permissions"),
    (OSError(errno.ENOSPC, "No space left on device", "plots/a.png"), "plots/a.png cannot be written, as the disk is full: free some space"),
    (OSError(errno.EDQUOT, "Disk quota exceeded"), "cannot be written, as the disk is full: free some space"),
    (RUST("Error while serializing: I/O error: No space left on device (os error 28)"), "the disk is full: free some space"),
    (Exception("Permission denied (os error 13)"), "check its permissions"),
    (RuntimeError("PytorchStreamWriter failed writing file data/0: file write failed"), "the disk is full: free some space"),
])
def test_faults_with_a_remedy_end_in_one_sentence(error, words):
    message = str(ended(error).code)
    assert message.startswith("error: ") and words in message and "\n" not in message


def test_ctrl_c_has_its_own_exit_code():
    assert ended(KeyboardInterrupt()).code == 130


@pytest.mark.parametrize("error", [ZeroDivisionError("x"), OSError(errno.EIO, "Input/output error"), RuntimeError("shapes do not fit")])
def test_other_faults_keep_their_traceback(error):
    with pytest.raises(type(error)):
        console.main_guard(lambda: (_ for _ in ()).throw(error))()


def test_the_guard_gives_back_what_it_changes():
    before = signal.getsignal(signal.SIGTERM)
    assert console.main_guard(lambda value: value + 1)(2) == 3
    assert signal.getsignal(signal.SIGTERM) is before
    found = []
    thread = threading.Thread(target=lambda: found.append(console.main_guard(lambda: 5)()))
    thread.start()
    thread.join()
    assert found == [5], "outside of the main thread as well"


# --- real stages on real file systems ----------------------------------------------------------------------


@pytest.fixture
def working(tmp_path):
    """A working folder in which `python -m stages.curate` has enough to write."""
    tiny.write_lines(tmp_path / "tiny/rows.jsonl", [row for number in range(40) for row in numbered(number)])
    tiny.write_params(tmp_path)
    (tmp_path / "stages").symlink_to(tiny.ROOT / "stages")
    return tmp_path


def numbered(number: int) -> list[dict]:
    rows = tiny.messages_rows()
    for row in rows:
        row["messages"][0]["content"] += f" ({number})"
    return rows


@pytest.fixture
def small_disk(working):
    """`data/` on a file system of 64 KiB."""
    (working / "data").mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", working / "data"], capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"no file system may be mounted here: {made.stderr.strip()}")
    yield working
    subprocess.run(["umount", working / "data"], check=True)


def test_a_full_disk(small_disk):
    message = tiny.one_sentence(tiny.stage(small_disk, "curate", check=False))
    assert re.fullmatch(r"error: data/\w+.jsonl cannot be written \(No space left on device\): free some space and run again.", message)
    assert names(small_disk / "data") == []


def test_a_file_beyond_its_limit(working):
    """As with a quota: needs no rights, so that it runs everywhere."""
    limit = 64 * 1024
    done = tiny.run(working, sys.executable, "-m", "stages.curate", check=False,
                    preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
    assert re.fullmatch(r"error: data/\w+.jsonl cannot be written \(File too large\): free some space and run again.", tiny.one_sentence(done))
    assert names(working / "data") == []


def test_a_read_only_folder(working):
    (working / "data").mkdir(mode=0o555)
    command = [sys.executable, "-m", "stages.curate"]
    if os.geteuid() == 0:  # the superuser may write everywhere: give that right up
        powers = "-dac_override,-dac_read_search"
        command = ["setpriv", f"--bounding-set={powers}", f"--inh-caps={powers}", *command]
        if not Path("/usr/bin/setpriv").exists():
            pytest.skip("run by the superuser, and there is no setpriv to give rights up")
    message = tiny.one_sentence(tiny.run(working, *command, check=False))
    assert message == "error: data/curated.jsonl cannot be written (Permission denied): check the folder's permissions and run again."


@pytest.mark.parametrize("number,code", [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_stopped_stage_leaves_no_half_written_file(working, number, code):
    """The file is so long that the signal finds curate in the middle of writing."""
    tiny.write_lines(working / "tiny/rows.jsonl", [row for turn in range(1000) for row in numbered(turn)])
    process = tiny.start(working, sys.executable, "-m", "stages.curate")
    try:
        deadline = time.monotonic() + 60
        while not any(path.stat().st_size > 100_000 for path in (working / "data").glob(".curated*")):
            assert process.poll() is None and time.monotonic() < deadline, "not stopped in the middle"
            time.sleep(0.01)
        process.send_signal(number)
        out, _ = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == code and "Traceback" not in out, out
    assert names(working / "data") == [] and not (working / "metrics").exists()

