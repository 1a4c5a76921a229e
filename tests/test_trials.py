"""The trial ledger keeps every trial, says what was done to it by whom it was not written, and opens the vault once."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tercet.errors import BadInput
from tercet.signals.sharpe import deflated_sharpe, sharpe_variance, track
from tercet.signals.trials import SEED, Ledger, Trial, Vault, default_path

SPAN = (1, 2)


def add(ledger: Ledger, count: int = 1, experiment: str = "ofi") -> list[Trial]:
    return [ledger.record(experiment, "forest", {"depth": i}, "abc", SPAN, {"sharpe": 0.01 * i, "r2": 0.1}) for i in range(count)]


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "folder" / "trials.jsonl")


def lines(ledger: Ledger) -> list[bytes]:
    return ledger.path.read_bytes().splitlines(keepends=True)


def rewrite(ledger: Ledger, new: list[bytes]) -> Ledger:
    ledger.path.write_bytes(b"".join(new))
    return Ledger(ledger.path)


def test_what_is_recorded_is_read_and_counted(ledger: Ledger) -> None:
    assert ledger.trials() == []
    assert ledger.head() == (0, SEED)
    written = add(ledger, 3) + add(ledger, 2, "news")
    assert Ledger(ledger.path).trials() == written
    assert [trial.id for trial in written] == [1, 2, 3, 4, 5]
    assert (ledger.count("ofi"), ledger.count("news"), ledger.count("none")) == (3, 2, 0)
    assert ledger.sharpes("ofi") == pytest.approx([0.0, 0.01, 0.02])
    assert written[1].before != written[2].before
    assert ledger.head()[0] == 5


def test_where_a_function_lay_in_memory_makes_no_other_trial(ledger: Ledger) -> None:
    for words in ("fit=<function trees at 0x7f01>", "fit=<function trees at 0x7fff02>", "fit=<function tails at 0x7f01>"):
        ledger.record("ofi", "trees", {"warning": words}, "data", (0, 1), {"auc": 0.5})
    assert ledger.count("ofi") == 2


def test_the_ledger_feeds_the_deflated_sharpe(ledger: Ledger) -> None:
    add(ledger, 20)
    record = track(np.random.default_rng(1).normal(0.1, 1.0, 1000))
    sharpes = ledger.sharpes("ofi")
    assert deflated_sharpe(record, ledger.count("ofi"), sharpe_variance(sharpes)) < deflated_sharpe(record, 1, sharpe_variance(sharpes))


def test_text_of_any_language_and_nested_settings_come_back(ledger: Ledger) -> None:
    odd = {"имя": 'a"}\n\\', "list": [1, None, {"x": 0.5}], "seal": ',"seal":"'}
    ledger.record("α\n", "m", odd, "abc", SPAN, {"r2": np.float64(0.1)})
    add(ledger)
    assert Ledger(ledger.path).trials()[0].settings == odd


@pytest.mark.parametrize("place", [0, 2, 4])
def test_a_changed_line_is_named(ledger: Ledger, place: int) -> None:
    add(ledger, 5)
    text = lines(ledger)
    text[place] = text[place].replace(b'"depth":', b'"death":')
    changed = rewrite(ledger, text)
    for reading in (changed.trials, lambda: add(changed)):
        with pytest.raises(BadInput, match=f"row {place + 1}: the line was changed"):
            reading()


def test_a_last_line_that_was_changed_and_sealed_anew_is_found_by_the_head(ledger: Ledger, tmp_path: Path) -> None:
    add(ledger, 2)
    other = Ledger(tmp_path / "other.jsonl")
    add(other, 1)
    with pytest.raises(BadInput, match="row 2: the line was changed"):
        rewrite(ledger, [lines(ledger)[0], lines(ledger)[1][:-1] + b" \n"]).trials()
    forged = other.record("ofi", "forest", {"depth": 7}, "abc", SPAN, {"sharpe": 9.0})
    assert forged.id == 2
    with pytest.raises(BadInput, match="row 2"):
        rewrite(ledger, [lines(ledger)[0], lines(other)[1]]).trials()
    with pytest.raises(BadInput, match="row 2: the line was changed: it is not the one"):
        rewrite(ledger, lines(other)).trials()


@pytest.mark.parametrize("place", [0, 2])
def test_a_missing_line_is_named(ledger: Ledger, place: int) -> None:
    add(ledger, 5)
    text = lines(ledger)
    del text[place]
    with pytest.raises(BadInput, match=f"row {place + 1}: a line is missing"):
        rewrite(ledger, text).trials()


def test_lines_cut_from_the_end_and_a_deleted_file_are_missed(ledger: Ledger) -> None:
    add(ledger, 5)
    cut = rewrite(ledger, lines(ledger)[:3])
    with pytest.raises(BadInput, match="row 4: a line is missing: expected 5 lines, found 3"):
        cut.trials()
    with pytest.raises(BadInput, match="row 4: a line is missing"):
        add(cut)
    with pytest.raises(BadInput, match="a line is missing"):
        add(ledger)
    ledger.path.unlink()
    for reading in (ledger.trials, lambda: add(ledger)):
        with pytest.raises(BadInput, match="expected a ledger of 5 lines, found no file"):
            reading()


def test_a_ledger_without_its_head_is_refused(ledger: Ledger) -> None:
    add(ledger, 2)
    ledger.path.with_name("trials.jsonl.head").unlink()
    with pytest.raises(BadInput, match="expected the head of the ledger beside it"):
        ledger.trials()


def test_moved_lines_are_named(ledger: Ledger) -> None:
    add(ledger, 3)
    text = lines(ledger)
    with pytest.raises(BadInput, match="row 1: a line is missing or was moved: expected trial 1, found trial 2"):
        rewrite(ledger, [text[1], text[0], text[2]]).trials()


@pytest.mark.parametrize("kept", [1, 40, -1])
@pytest.mark.parametrize("before", [0, 2])
def test_a_torn_last_line_is_told_and_mended(ledger: Ledger, kept: int, before: int) -> None:
    add(ledger, before + 1)
    whole = lines(ledger)
    head = ledger.path.with_name("trials.jsonl.head")
    head.write_text(f"{before} {Ledger(ledger.path).trials()[-1].before}\n")  # what a writer killed in its line leaves
    torn = rewrite(ledger, [*whole[:-1], whole[-1][:kept]])
    for reading in (torn.trials, lambda: add(torn)):
        with pytest.raises(BadInput, match=f"row {before + 1}: the last line is torn"):
            reading()
    assert torn.mend() == whole[-1][:kept]
    assert torn.mend() == b""
    add(torn)
    assert len(torn.trials()) == before + 1


def test_a_writer_killed_between_line_and_head_has_recorded_its_trial(ledger: Ledger) -> None:
    add(ledger, 3)
    ledger.path.with_name("trials.jsonl.head").write_text(f"2 {ledger.trials()[2].before}\n")
    fresh = Ledger(ledger.path)
    assert len(fresh.trials()) == 3
    assert add(fresh)[0].id == 4


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_byte_can_be_changed_unseen(tmp_path: Path, data: st.DataObject) -> None:
    ledger = Ledger(tmp_path / "bytes.jsonl")
    if not ledger.path.exists():
        add(ledger, 3)
    text = ledger.path.read_bytes()
    place = data.draw(st.integers(0, len(text) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda value: value != text[place]))
    ledger.path.write_bytes(text[:place] + bytes([byte]) + text[place + 1 :])
    try:
        with pytest.raises(BadInput, match=r"row \d"):
            Ledger(ledger.path).trials()
    finally:
        ledger.path.write_bytes(text)


def test_processes_that_write_at_once_lose_no_trial(ledger: Ledger) -> None:
    program = (
        "import sys\nfrom tercet.signals.trials import Ledger\nledger = Ledger(sys.argv[1])\n"
        "for i in range(15): ledger.record('race', sys.argv[2], {}, 'abc', (1, 2), {'sharpe': i / 100})\n"
    )
    racing = [subprocess.Popen([sys.executable, "-c", program, str(ledger.path), f"m{i}"], cwd=Path(__file__).parents[1]) for i in range(3)]
    while any(one.poll() is None for one in racing):
        ledger.trials()  # a reader never sees half a line
    assert [one.returncode for one in racing] == [0, 0, 0]
    found = ledger.trials("race")
    assert [trial.id for trial in found] == list(range(1, 46))
    for i in range(3):
        assert [trial.scores["sharpe"] for trial in found if trial.model == f"m{i}"] == [j / 100 for j in range(15)]


def test_bad_trials_are_refused_and_leave_no_line(ledger: Ledger) -> None:
    def record(experiment: str = "e", given: object = None, scores: object = None, span: tuple[int, int] = SPAN) -> None:
        ledger.record(experiment, "m", given or {}, "abc", span, {"r2": 0.1} if scores is None else scores)  # type: ignore[arg-type]

    with pytest.raises(BadInput, match="expected finite validation scores, found r2 = nan"):
        record(scores={"r2": float("nan")})
    with pytest.raises(BadInput, match="expected finite validation scores, found none"):
        record(scores={})
    with pytest.raises(BadInput, match="expected finite validation scores, found r2 = None"):
        record(scores={"r2": None})
    for odd in ({"x": float("nan")}, {"x": object()}, {"x": np.arange(3)}):
        with pytest.raises(BadInput, match="settings and fields that JSON can say"):
            record(given=odd)
    with pytest.raises(BadInput, match="starts before it ends"):
        record(span=(2, 1))
    with pytest.raises(BadInput, match="expected names"):
        record(experiment="")
    assert ledger.trials() == []


def test_a_fit_without_sharpe_is_named_where_sharpes_are_asked_for(ledger: Ledger) -> None:
    add(ledger)
    ledger.record("ofi", "svm", {}, "abc", SPAN, {"mcc": 0.2})
    assert ledger.count("ofi") == 2
    with pytest.raises(BadInput, match="row 2: expected a score named 'sharpe', found mcc"):
        ledger.sharpes("ofi")


def test_the_default_path_is_the_users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("TERCET_TRIALS", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert default_path() == tmp_path / "tercet" / "trials.jsonl"
    monkeypatch.setenv("TERCET_TRIALS", str(tmp_path / "mine.jsonl"))
    assert Ledger().path == tmp_path / "mine.jsonl"


def test_the_vault_opens_once_and_then_only_again_counted_and_printed(ledger: Ledger, capsys: pytest.CaptureFixture[str]) -> None:
    loads: list[int] = []

    def load() -> list[int]:
        loads.append(ledger.count("ofi"))  # on the disk before anything is handed out
        return [1, 2, 3]

    add(ledger, 2)
    vault = Vault(ledger, "ofi", "hold-out", load)
    assert vault.openings() == []
    assert vault.open("forest", {"depth": 1}, SPAN) == [1, 2, 3]
    assert capsys.readouterr() == ("", "")
    with pytest.raises(BadInput, match=r"expected it closed, found it opened by model 'forest' .*line 3.*again=True"):
        vault.open("forest", {"depth": 1}, SPAN)
    assert loads == [3]
    vault.open("svm", {}, SPAN, again=True)
    assert "opened 2 times now" in capsys.readouterr().err
    assert loads == [3, 4]
    assert [trial.model for trial in vault.openings()] == ["forest", "svm"]
    assert ledger.count("ofi") == 4
    assert len(ledger.sharpes("ofi")) == 2


def test_a_vault_is_open_under_any_name_of_its_data_and_any_data_of_its_experiment(ledger: Ledger) -> None:
    Vault(ledger, "ofi", "hold-out", int).open("m", {}, SPAN)
    with pytest.raises(BadInput, match="opened by model 'm' of experiment 'ofi'"):
        Vault(ledger, "news", "hold-out", int).open("m", {}, SPAN)
    with pytest.raises(BadInput, match="expected it closed"):
        Vault(ledger, "ofi", "another", int).open("m", {}, SPAN)
    assert Vault(ledger, "news", "another", int).open("m", {}, SPAN) == 0


def test_an_opening_counts_where_the_load_fails(ledger: Ledger) -> None:
    def broken() -> None:
        raise OSError("no disk")

    vault = Vault(ledger, "ofi", "hold-out", broken)
    with pytest.raises(OSError, match="no disk"):
        vault.open("m", {}, SPAN)
    assert len(vault.openings()) == 1
