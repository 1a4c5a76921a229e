"""Walks through the real command line, from a LOBSTER day that the project makes itself to costs and a report."""

import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tercet.bench.made import made_day, write_lobster
from tercet.report.files import write_whole

MESSAGES = 30_000
TERCET = [sys.executable, "-c", "from tercet.cli.app import main; main()"]
PARTS = ["spread_bps", "walk_bps", "timing_bps", "completion_bps", "fees_bps"]
ROW_FIELDS = ["policy", "parents", "n_blocks", "is_bps", "is_low", "is_high", *PARTS, "sd_bps", "cvar95_bps"]
ROW_FIELDS += ["completion", "passive_share", "unfilled_share"]


def tercet(*words: object, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run the command line as a user would, in a process of its own."""
    return subprocess.run([*TERCET, *map(str, words)], capture_output=True, text=True, timeout=240, check=False, **options)


def said(run: subprocess.CompletedProcess[str]) -> Any:
    """The JSON on stdout of a run that went well."""
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def refused(run: subprocess.CompletedProcess[str], *words: str) -> None:
    """A run that failed with one sentence, which holds these words."""
    assert run.returncode == 1
    assert run.stderr.strip().splitlines()[-1].startswith("tercet: ")
    assert "Traceback" not in run.stderr
    for word in words:
        assert word in run.stderr


@pytest.fixture(scope="module")
def lobster(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A made day's message and orderbook files."""
    return write_lobster(tmp_path_factory.mktemp("lobster"), *made_day(MESSAGES))


@pytest.fixture(scope="module")
def day(lobster: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The made day, imported by the command line."""
    store = tmp_path_factory.mktemp("store")
    messages, book = lobster
    return Path(said(tercet("import", "lobster", messages, "--book", book, "--out", store, "--json"))["day"])


def test_an_imported_day_is_fit_for_use_and_replays_without_a_mismatch(day: Path, lobster: tuple[Path, Path]) -> None:
    assert said(tercet("check", day, "--json"))["verdict"] != "bad"
    verified = said(tercet("replay", day, "--verify", lobster[1], "--json"))
    assert (verified["rows"], verified["mismatches"]) == (MESSAGES, 0)
    assert verified["revealed"] > 0
    assert said(tercet("replay", day, "--json"))["missing_lots"] == 0


def test_one_changed_message_is_a_mismatch(lobster: tuple[Path, Path], tmp_path: Path) -> None:
    messages, book = lobster
    lines = messages.read_text().splitlines()
    cells = lines[5000].split(",")
    cells[3] = str(int(cells[3]) + 100)
    changed = tmp_path / messages.name
    changed.write_text("\n".join([*lines[:5000], ",".join(cells), *lines[5001:]]))
    imported = said(tercet("import", "lobster", changed, "--book", book, "--out", tmp_path / "store", "--json"))
    assert imported["replay"]["mismatches"] > 0
    assert imported["replay"]["first_mismatch_row"] == 5001
    assert "rows differ from the book that the messages make, first row 5001" in imported["warnings"][-1]
    day = imported["day"]
    verified = said(tercet("replay", day, "--verify", book, "--json"))
    assert (verified["mismatches"], verified["first_mismatch_row"]) == (imported["replay"]["mismatches"], 5001)
    assert tercet("replay", day, "--verify", book, "--strict").returncode == 1


def test_a_backtest_says_every_field_and_the_same_bytes_for_the_same_seed(day: Path, tmp_path: Path) -> None:
    words = ["backtest", "--market", f"history:{day}", "--policies", "twap,passive,nothing", "--parents", 12, "--size", 300]
    words += ["--horizon", "1min", "--side", "both"]
    files = [tmp_path / name for name in ("one.json", "two.json", "other.json")]
    for file, more in zip(files, (["--threads", 1], ["--threads", 2], ["--seed", 1]), strict=True):
        run = tercet(*words, *more, "--json", file)
        assert run.returncode == 0, run.stderr
    assert files[0].read_bytes() == files[1].read_bytes() != files[2].read_bytes()
    result = json.loads(files[0].read_text())
    for row in result["policies"]:
        assert set(ROW_FIELDS) <= set(row)
        assert sum(row[part] for part in PARTS) == pytest.approx(row["is_bps"], abs=1e-9)
        assert row["parents"] == 12
    assert [pair["policy"] for pair in result["paired"]] == ["passive", "nothing"]


def test_the_demo_leaves_a_page_that_needs_no_network(tmp_path: Path) -> None:
    run = tercet("demo", "--out", tmp_path / "out", "--parents", 8)
    assert run.returncode == 0, run.stderr
    page = (tmp_path / "out" / "demo.html").read_text()
    assert "passive-then-cross" in page
    assert 'src="http' not in page


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["backtest", "--market", "crowd:nobody"], ["crowd:nobody", "expected"]),
        (["backtest", "--market", "history:/no/such/day"], ["/no/such/day", "expected"]),
        (["backtest", "--policies", "twap,luck"], ["luck", "expected one of", "twap"]),
        (["backtest", "--parents", "0"], ["parents was 0"]),
        (["backtest", "--size", "many"], ["size was 'many'", "expected"]),
        (["backtest", "--horizon", "8h"], ["horizon", "expected"]),
        (["backtest", "--horizon", "5 parsecs"], ["5 parsecs", "expected"]),
        (["backtest", "--side", "up"], ["side was 'up'", "expected"]),
        (["backtest", "--step", "0s"], ["step was 0", "expected"]),
        (["check", "/no/such/day"], ["/no/such/day", "expected"]),
        (["replay", "/no/such/day"], ["/no/such/day", "expected"]),
        (["backtest", "--policies", "twap,twap"], ["twap twap", "each once"]),
        (["backtest", "--threads", "-1"], ["threads was -1"]),
        (["backtest", "--seed", "-1"], ["seed was -1"]),
        (["backtest", "--order-latency", "999999999999h"], ["999999999999h", "expected"]),
        (["backtest", "--size", "9" * 20], ["size was", "expected"]),
        (["backtest", "--step", "1us"], ["step was 1000 ns", "at most"]),
        (["backtest", "--taker-fee", "nan"], ["taker_per_lot", "finite"]),
        (["bench", "everything"], ["everything", "expected one of"]),
        (["import", "lobster", "mesages.csv", "--out", "store"], ["mesages.csv: expected a file that can be read, found: No such file"]),
    ],
)
def test_bad_words_are_answered_by_a_sentence(words: list[str], sentence: list[str], tmp_path: Path) -> None:
    refused(tercet(*words, cwd=tmp_path), *sentence)
    assert list(tmp_path.rglob("*")) == []


def test_a_file_without_symbol_and_date_in_its_name_asks_for_them(lobster: tuple[Path, Path], tmp_path: Path) -> None:
    nameless = tmp_path / "messages.csv"
    nameless.write_bytes(lobster[0].read_bytes())
    refused(tercet("import", "lobster", nameless, "--out", tmp_path / "store"), "--symbol", "--date")


def test_an_orderbook_of_another_day_is_refused_and_nothing_is_stored(lobster: tuple[Path, Path], tmp_path: Path) -> None:
    _, other = write_lobster(tmp_path, *made_day(MESSAGES, seed=1))
    run = tercet("import", "lobster", lobster[0], "--book", other, "--out", tmp_path / "store")
    refused(run, lobster[0].name, other.name, "row")
    assert not list((tmp_path / "store").rglob("*.npy"))


def test_a_verification_against_a_shorter_file_names_both_counts(day: Path, lobster: tuple[Path, Path], tmp_path: Path) -> None:
    short = tmp_path / "book.csv"
    short.write_text("\n".join(lobster[1].read_text().splitlines()[:100]))
    refused(tercet("replay", day, "--verify", short), "100", str(MESSAGES))


def test_a_full_disk_leaves_nothing_half_written(lobster: tuple[Path, Path], tmp_path: Path) -> None:
    def small_files_only() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))

    cache = {**os.environ, "NUMBA_DISABLE_JIT": "0"}
    run = tercet("import", "lobster", lobster[0], "--book", lobster[1], "--out", tmp_path / "store", preexec_fn=small_files_only, env=cache)
    refused(run, str(tmp_path / "store"))
    assert not [path for path in (tmp_path / "store").rglob("*") if path.is_file()]


def test_a_result_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    run = tercet("backtest", "--parents", 2, "--policies", "twap", "--horizon", "10s", "--json", blocked / "out.json")
    refused(run, str(blocked / "out.json"))


def test_a_result_follows_links_and_leaves_devices_alone(tmp_path: Path) -> None:
    target, link = tmp_path / "there.json", tmp_path / "link.json"
    link.symlink_to(target)
    write_whole(link, "{}")
    assert link.is_symlink()
    assert target.read_text() == "{}"
    os.mkfifo(tmp_path / "pipe")
    reader = subprocess.Popen(["cat", tmp_path / "pipe"], stdout=subprocess.PIPE, text=True)
    write_whole(tmp_path / "pipe", "said")
    assert reader.communicate(timeout=20)[0] == "said"
    assert (tmp_path / "pipe").is_fifo()
