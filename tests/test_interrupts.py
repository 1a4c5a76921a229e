"""Ctrl-C ends a process within seconds with exit code 130 and one sentence, whatever it is doing, and leaves no half of a file."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from test_layers import ROOT

from tercet import interrupts, wholefiles
from tercet.cores import cores, share_processes, share_work
from tercet.errors import BadInput
from tercet.wholefiles import write_whole

# What a command may be doing; each would go on for minutes.
DOING = {
    "a library that calls back": "ctypes.CFUNCTYPE(None)(lambda: time.sleep(600))(); time.sleep(600)",
    "a folder": "with being_made(Path('whole')): os.mkdir('whole'); hashlib.pbkdf2_hmac('sha256', b'', b'', 2**31 - 1)",
    "Python": "while True: pass",
    "a wait": "time.sleep(600)",
    "native code that never looks up": "hashlib.pbkdf2_hmac('sha256', b'', b'', 2**31 - 1)",
    "threads": "share_work(lambda piece: (time.sleep(0.01) for _ in range(100_000)), [1, 2, 3], 2)",
    "threads that never look up": "share_work(lambda piece: [hashlib.pbkdf2_hmac('sha256', b'', b'', 2**31 - 1)], [1, 2, 3], 2)",
    "processes": "list(share_processes(time.sleep, [(600,)] * 3, 2))",
    "a file": "write_whole(Path('whole'), iter(lambda: time.sleep(0.01) or b'piece', None))",
}
SCRIPT = """
import ctypes, hashlib, os, signal, sys, threading, time
from pathlib import Path
import typer
from tercet.cli import app as door
from tercet.cores import share_processes, share_work
from tercet.wholefiles import being_made, write_whole

def work():
    {what}

if __name__ == "__main__":
    door.app = typer.Typer()
    door.app.command()(work)
    threading.Timer(0.7, lambda: os.killpg(0, signal.SIGINT)).start()  # as a terminal does it: to all of the group
    door.main()
"""


def run(code: str, folder: Path, *words: str) -> tuple["subprocess.CompletedProcess[str]", float]:
    """A script as a process in a group of its own, and how many seconds it took."""
    (folder / "script.py").write_text(code, encoding="utf-8")
    began = time.perf_counter()
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "script.py", *words]
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=120, check=False, start_new_session=True)
    return done, time.perf_counter() - began


@pytest.mark.parametrize("doing", DOING)
def test_a_process_that_does_this_stops_and_says_so(doing: str, tmp_path: Path) -> None:
    done, seconds = run(SCRIPT.format(what=DOING[doing]), tmp_path)
    assert done.returncode == interrupts.STOPPED, done.stderr
    assert done.stderr.split("\n") == [interrupts.SENTENCE, ""]
    assert seconds < 30.0  # on a busy machine; alone it is 1 s, or 3 s where nothing looks up
    assert [path.name for path in tmp_path.iterdir()] == ["script.py"]


def test_a_backtest_stops_before_its_file_is_written(tmp_path: Path) -> None:
    code = "import os, signal, sys, threading\nfrom tercet.cli.app import main\n"
    code += "threading.Timer(3.0, os.kill, (os.getpid(), signal.SIGINT)).start()\nmain()\n"
    done, _ = run(code, tmp_path, "backtest", "--parents", "20000", "--horizon", "30min", "--json", "costs.json")
    assert done.returncode == interrupts.STOPPED, done.stderr
    assert done.stderr.rstrip().endswith(interrupts.SENTENCE)
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "costs.json").exists()


def test_who_sees_to_the_first_signal_is_left_alone_and_the_second_ends_the_process(tmp_path: Path) -> None:
    code = """
import os, signal, time
from tercet.interrupts import forgive, stoppable
heard = []
with stoppable(patience_s=0.2):
    signal.signal(signal.SIGINT, lambda *_: heard.append(1))
    with forgive():
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.6)
        print(len(heard), flush=True)
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(60)
"""
    done, seconds = run(code, tmp_path)
    assert (done.returncode, done.stdout) == (interrupts.STOPPED, "1\n")
    assert seconds < 30.0


def test_outside_of_the_main_thread_nothing_is_listened_to() -> None:
    seen: list[int] = []

    def look() -> None:
        with interrupts.stoppable():
            seen.append(1)

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert seen == [1]


def test_afterwards_signals_are_heard_as_before() -> None:
    before = signal.getsignal(signal.SIGINT)
    with interrupts.stoppable():
        pass
    assert signal.getsignal(signal.SIGINT) is before
    assert signal.set_wakeup_fd(-1) == -1


# Shared work -----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("threads", [0, 1, 3])
def test_every_piece_is_worked_to_its_end(threads: int) -> None:
    seen: list[tuple[int, int]] = []
    share_work(lambda piece: (seen.append((piece, k)) for k in range(3)), list(range(7)), threads)
    assert sorted(seen) == [(piece, k) for piece in range(7) for k in range(3)]


def test_an_error_of_one_piece_stops_the_others_where_they_may_be_stopped() -> None:
    steps = 0

    def work(piece: int) -> object:
        nonlocal steps
        for _ in range(10_000):
            if piece == 0:
                raise BadInput("the first piece")
            steps += 1
            time.sleep(0.001)
            yield

    with pytest.raises(BadInput, match="the first piece"):
        share_work(work, [0, 1, 2, 3], 2)
    assert steps < 2000


def test_processes_give_what_they_found_and_an_error_of_one_is_raised() -> None:
    assert sorted(share_processes(divmod, [(7, 2), (9, 4)], 2)) == [((7, 2), (3, 1)), ((9, 4), (2, 1))]
    with pytest.raises(ZeroDivisionError):
        list(share_processes(divmod, [(7, 0)], 1))


def test_there_is_a_core_at_least() -> None:
    assert cores() >= 1


# Whole files -----------------------------------------------------------------------------------------------------------------------------


def test_a_file_that_could_not_be_written_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_whole(path, "first")

    def pieces() -> object:
        yield b"a half"
        assert len(wholefiles.unfinished) == 1
        raise OSError(28, "No space left on device")

    with pytest.raises(BadInput, match="could not be written: No space left on device"):
        write_whole(path, pieces())
    assert path.read_text() == "first"
    assert list(tmp_path.iterdir()) == [path]
    assert not wholefiles.unfinished


def test_files_have_the_mode_that_the_process_gives_its_files(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_whole(tmp_path / "file", b"text")
    finally:
        os.umask(before)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o640


def test_what_is_unfinished_is_removed_before_a_process_ends(tmp_path: Path) -> None:
    file, folder = tmp_path / "file", tmp_path / "folder"
    with wholefiles.being_made(file), wholefiles.being_made(folder):
        file.write_text("a half")
        folder.mkdir()
        (folder / "part").write_text("a half")
        wholefiles.remove_unfinished()
        assert list(tmp_path.iterdir()) == []
    assert not wholefiles.unfinished


def test_a_folder_that_could_not_be_made_is_not_there(tmp_path: Path) -> None:
    def make() -> None:
        with wholefiles.being_made(tmp_path / "folder"):
            (tmp_path / "folder").mkdir()
            raise BadInput("the second file")

    with pytest.raises(BadInput, match="the second file"):
        make()
    assert list(tmp_path.iterdir()) == []
    assert not wholefiles.unfinished
