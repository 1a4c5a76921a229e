"""The trial ledger: every fit that has seen validation data is a line that nobody takes back; the vault is opened once, and counted.

A line is a JSON object that names the sha256 of the line before it and carries its own seal. Beside the ledger a file `.head` keeps the
number of lines and the last one's sha256, so that lines cut from the end are missed too. Who rewrites both files by intent can cheat:
keep `Ledger.head()` elsewhere where that matters.
"""

import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from math import isfinite
from numbers import Real
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

import msgspec

from tercet.errors import BadInput, at_row
from tercet.locks import lock

SEED: Final = "0" * 64  # what the first line names as the line before it
ADDRESS: Final = re.compile(rb" at 0x[0-9a-f]+")  # of a function in a setting's words: another one in each process
SHARPE: Final = "sharpe"  # the score that `sharpes` reads, per observation
T = TypeVar("T")


class Trial(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line: a fit that saw validation, or an opening of the vault."""

    id: int  # the line's number, from 1
    time: int  # ns since epoch, UTC
    experiment: str
    model: str
    settings: dict[str, Any]
    data: str  # checksum of what was fitted on, or of what lies in the vault
    span: tuple[int, int]  # what was fitted on, ns since epoch
    scores: dict[str, float]  # validation scores by name
    vault: bool
    before: str  # sha256 of the line before


def default_path() -> Path:
    """The ledger in the user's data folder; `TERCET_TRIALS` names another file."""
    named = os.environ.get("TERCET_TRIALS")
    home = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    return Path(named) if named else home / "tercet" / "trials.jsonl"


class Ledger:
    """An append-only file of trials that several processes may write; every read checks the whole chain."""

    def __init__(self, path: str | Path | None = None) -> None:
        """path: the file, made with its folder by the first trial; None: `default_path()`."""
        self.path = Path(path) if path is not None else default_path()
        if not self.path.name or self.path.is_dir():
            raise BadInput(f"{self.path}: expected the file of a ledger, found a folder")
        self._seen: tuple[int, int, str] = (0, 0, SEED)  # bytes, lines and last sha256 that this object has checked

    def record(
        self,
        experiment: str,
        model: str,
        settings: Mapping[str, Any],
        data: str,
        span: tuple[int, int],
        scores: Mapping[str, float],
    ) -> Trial:
        """A fit that has seen validation, on the disk when this returns; fields as in `Trial`.

        scores: one or more, finite; the one named "sharpe", per observation, feeds the deflated Sharpe.
        """
        wrong = [name for name, score in scores.items() if not _is_finite(score)]
        if wrong or not scores:
            found = f"{wrong[0]} = {scores[wrong[0]]}" if wrong else "none"
            raise BadInput(f"trial of {experiment!r}: expected finite validation scores, found {found}")
        figures = {name: float(score) for name, score in scores.items()}
        return self._append(Trial(0, 0, experiment, model, dict(settings), data, span, figures, False, ""))

    def trials(self, experiment: str | None = None) -> list[Trial]:
        """Every trial, or those of an experiment, in order; BadInput, with the line, where the file is not what was written."""
        with self._opened() as file:
            found = list(_walk(self.path, file, (0, 0, SEED), self._head(file))) if file is not None else []
        return [trial for trial, _ in found if experiment in (None, trial.experiment)]

    def count(self, experiment: str) -> int:
        """How many different trials an experiment took, openings of the vault among them: the N of the deflated Sharpe.

        The same model with the same settings on the same data says nothing new and counts once.
        """
        trials = self.trials(experiment)
        fits = {
            (trial.model, ADDRESS.sub(b"", msgspec.json.encode(trial.settings, order="deterministic")), trial.data)
            for trial in trials
            if not trial.vault
        }
        return len(fits) + sum(trial.vault for trial in trials)

    def sharpes(self, experiment: str) -> list[float]:
        """The validation Sharpe ratio, per observation, of every fit of an experiment; BadInput where a fit recorded none."""
        fits = [trial for trial in self.trials(experiment) if not trial.vault]
        for trial in fits:
            if SHARPE not in trial.scores:
                raise at_row(self.path, trial.id, f"expected a score named {SHARPE!r}, found {', '.join(trial.scores)}")
        return [trial.scores[SHARPE] for trial in fits]

    def head(self) -> tuple[int, str]:
        """How many lines there are and the last one's sha256: kept elsewhere, it shows whether the file is still what it was."""
        with self._opened() as file:
            hashes = [own for _, own in _walk(self.path, file, (0, 0, SEED), self._head(file))] if file is not None else []
        return len(hashes), hashes[-1] if hashes else SEED

    def mend(self) -> bytes:
        """Cuts a torn last line, left by a writer that was killed before its trial was recorded, and returns it; else b""."""
        with self._opened(alone=True) as file:
            if file is None:
                return b""
            size = os.fstat(file).st_size
            text = os.pread(file, size, 0)
            torn = text[text.rfind(b"\n") + 1 :]
            os.ftruncate(file, size - len(torn))
            os.fsync(file)
            return torn

    def _append(self, trial: Trial, allowed: Callable[[list[Trial]], None] | None = None) -> Trial:
        """Writes a line behind the last; `allowed` sees all trials before, under the lock, and raises where there may be no other."""
        if not (trial.experiment and trial.model and trial.data):
            raise BadInput(f"trial: expected names of experiment and model and a checksum of the data, found {trial}")
        if trial.span[0] > trial.span[1]:
            raise BadInput(f"trial of {trial.experiment!r}: expected a span that starts before it ends, found {trial.span}")
        with self._opened(alone=True, make=True) as file:
            assert file is not None
            known = (0, 0, SEED) if allowed else self._seen
            fresh = list(_walk(self.path, file, known, self._head(file)))
            if allowed:
                allowed([one for one, _ in fresh])
            lines, last = known[1] + len(fresh), fresh[-1][1] if fresh else known[2]
            trial = msgspec.structs.replace(trial, id=lines + 1, time=time.time_ns(), before=last)
            line = _line(trial)
            end = os.lseek(file, 0, os.SEEK_END)
            if os.write(file, line) != len(line):
                os.ftruncate(file, end)
                raise OSError(f"{self.path}: the disk took a part of line {trial.id} only; nothing was recorded")
            os.fsync(file)
            self._seen = (end + len(line), lines + 1, _hash(line))
            self._keep_head(lines + 1, self._seen[2])
        return trial

    @contextmanager
    def _opened(self, *, alone: bool = False, make: bool = False) -> Iterator[int | None]:
        """The file under a lock that a killed process lets go; None where there is none and none is made."""
        lines = 0 if self.path.exists() or not self._head_path.exists() else self._head()[0]
        if not self.path.exists():  # looked at after the head: the first writer may have come meanwhile
            if lines:
                raise BadInput(f"{self.path}: expected a ledger of {lines} lines, found no file")
            if not make:
                yield None
                return
            self.path.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_APPEND | (os.O_CREAT if make else 0) if alone else os.O_RDONLY
        file = os.open(self.path, flags, 0o644)
        try:
            lock(file, shared=not alone)
            if make and not self._head_path.exists() and os.fstat(file).st_size == 0:
                self._keep_head(0, SEED)
            yield file
        finally:
            os.close(file)

    @property
    def _head_path(self) -> Path:
        return self.path.with_name(self.path.name + ".head")

    def _head(self, file: int | None = None) -> tuple[int, str]:
        """The lines and the sha256 that the last writer kept; a writer killed between the two files leaves one line fewer."""
        try:
            lines, last = self._head_path.read_text(encoding="ascii").split()
            return int(lines), last
        except FileNotFoundError as error:
            if file is not None and os.fstat(file).st_size == 0:  # its first writer has not come so far
                return 0, SEED
            raise BadInput(f"{self._head_path}: expected the head of the ledger beside it, found no file") from error
        except ValueError as error:
            raise BadInput(f"{self._head_path}: expected the number of lines and a sha256, found something else") from error

    def _keep_head(self, lines: int, last: str) -> None:
        new = self._head_path.with_name(self._head_path.name + ".new")
        with new.open("w", encoding="ascii") as out:
            out.write(f"{lines} {last}\n")
            out.flush()
            os.fsync(out.fileno())
        new.replace(self._head_path)
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


class Vault(Generic[T]):
    """The last hold-out: `load` is called only after the opening is on the disk, once for an experiment and once for its data."""

    def __init__(self, ledger: Ledger, experiment: str, data: str, load: Callable[[], T]) -> None:
        """data: the checksum of what lies in the vault; load: reads it."""
        self.ledger, self.experiment, self.data, self._load = ledger, experiment, data, load

    def openings(self) -> list[Trial]:
        """The openings so far of this experiment's vault or of this data under any name."""
        return [trial for trial in self.ledger.trials() if self._is_mine(trial)]

    def open(self, model: str, settings: Mapping[str, Any], span: tuple[int, int], *, again: bool = False) -> T:
        """What lies in the vault, for the one model that was chosen; an opening counts even where `load` fails.

        BadInput the second time, unless `again`: then it is counted and printed (on stderr).
        """
        before: list[Trial] = []

        def allowed(trials: list[Trial]) -> None:
            before.extend(trial for trial in trials if self._is_mine(trial))
            if before and not again:
                first = before[0]
                raise BadInput(
                    f"vault of {self.experiment!r}: expected it closed, found it opened by model {first.model!r} of experiment "
                    f"{first.experiment!r} ({self.ledger.path}, line {first.id}); again=True opens it once more and is counted"
                )

        trial = Trial(0, 0, self.experiment, model, dict(settings), self.data, span, {}, True, "")
        opened = self.ledger._append(trial, allowed)
        if before:
            times = len(before) + 1
            where = f"({self.ledger.path}, line {opened.id})"
            print(f"vault of {self.experiment!r}: opened {times} times now {where}; it holds out nothing any more", file=sys.stderr)
        return self._load()

    def _is_mine(self, trial: Trial) -> bool:
        return trial.vault and (trial.experiment == self.experiment or trial.data == self.data)


def _walk(path: Path, file: int, known: tuple[int, int, str], head: tuple[int, str]) -> Iterator[tuple[Trial, str]]:
    """The trials behind what is known (bytes, lines, last sha256), each checked against the line before, all against the head."""
    start, number, before = known
    text = os.pread(file, max(0, os.fstat(file).st_size - start), start)
    end = text.rfind(b"\n") + 1
    torn, fits = text[end:], head == (number, before)
    for line in text[:end].split(b"\n")[:-1]:
        number += 1
        trial = _read(path, number, line + b"\n", before)
        before = _hash(line + b"\n")
        fits = fits or head == (number, before)
        yield trial, before
    if torn:
        raise at_row(
            path, number + 1, f"the last line is torn: {len(torn)} bytes without an end; its trial was not recorded: see Ledger.mend"
        )
    if number < head[0] or os.fstat(file).st_size < start:
        raise at_row(path, number + 1, f"a line is missing: expected {head[0]} lines, found {number}")
    if not fits and head[0] >= known[1]:
        raise at_row(path, head[0], "the line was changed: it is not the one that was kept as the head")


def _read(path: Path, number: int, line: bytes, before: str) -> Trial:
    body, seal = _unsealed(line)
    if seal != sha256(body).hexdigest():
        raise at_row(path, number, "the line was changed: its seal does not fit")
    try:
        trial = msgspec.json.decode(body, type=Trial)
    except msgspec.MsgspecError as error:
        raise at_row(path, number, f"expected a trial, found something else ({error})") from error
    if trial.id != number:
        raise at_row(path, number, f"a line is missing or was moved: expected trial {number}, found trial {trial.id}")
    if trial.before != before:
        raise at_row(path, number, "the line before was changed, or this one was moved: it does not name the line before by its sha256")
    return trial


def _line(trial: Trial) -> bytes:
    """A JSON object with the trial's fields in order, sealed, and the end of a line."""
    try:
        fields = {name: getattr(trial, name) for name in trial.__struct_fields__}
        body = json.dumps(fields, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
        msgspec.json.decode(body, type=Trial)
    except (TypeError, ValueError) as error:
        raise BadInput(f"trial of {trial.experiment!r}: expected settings and fields that JSON can say, found others ({error})") from error
    return body[:-1] + b',"seal":"' + sha256(body).hexdigest().encode() + b'"}\n'


def _unsealed(line: bytes) -> tuple[bytes, str]:
    body, _, seal = line.rpartition(b',"seal":"')
    return body + b"}", seal[:-3].decode(errors="replace") if seal.endswith(b'"}\n') else ""


def _is_finite(score: object) -> bool:
    return isinstance(score, Real) and isfinite(score)


def _hash(line: bytes) -> str:
    return sha256(line).hexdigest()
