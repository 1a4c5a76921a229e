"""What models answered, by name: who fails or says what is no number is left out with its reason, and the others are compared."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from tercet.errors import BadInput, TercetError
from tercet.signals.series import Floats

TWINS: Final = 2e-12  # share of losses' variances that their difference's is at most, where two models are one
Answer = TypeVar("Answer")


@dataclass
class Answers(Generic[Answer]):
    """Answers by model, and the reasons of those without."""

    found: dict[str, Answer] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)

    def ask(self, name: str, model: Callable[[], Answer]) -> Answer | None:
        """What the model answers; None where it raises, and then the reason is kept: one that fails does not take the others with it.

        A missing extra, memory that is short and Ctrl-C are no model's fault, and are raised.
        """
        try:
            self.found[name] = model()
        except BadInput as error:
            self.left_out[name] = str(error).removeprefix(f"{name}: ")
        except (TercetError, ImportError, MemoryError):
            raise
        except Exception as error:  # a library may raise anything, and the league goes on
            self.left_out[name] = f"it failed with {type(error).__name__}: {(str(error).splitlines() or [''])[0]}"
        return self.found.get(name)

    def drop(self, name: str, reason: str) -> None:
        """Leave out a model that had answered."""
        del self.found[name]
        self.left_out[name] = reason

    def drop_twins(self, losses: Callable[[Answer], Floats]) -> dict[str, Floats]:
        """Leave out who has the losses of one before it, for there is nothing to compare; the losses (n,) of the others."""
        kept: dict[str, Floats] = {}
        for name, answer in list(self.found.items()):
            here = losses(answer)
            same = [other for other, there in kept.items() if (here - there).var() <= TWINS * (here.var() + there.var())]
            if same:
                self.drop(name, f"its losses are those of {same[0]}")
            else:
                kept[name] = here
        return kept

    def enough(self, what: str = "models") -> dict[str, Answer]:
        """The answers; BadInput, with the reason of each who is left out, where fewer than two can be compared."""
        if len(self.found) < 2:
            why = "".join(f"; {name}: {reason}" for name, reason in self.left_out.items())
            raise BadInput(f"{len(self.found)} {what} could be asked; expected 2 or more to compare{why}")
        return self.found


def finite(values: Floats, known: NDArray[np.int64], what: str) -> Floats:
    """Values (n,) that are all numbers; BadInput says how many are not, and when (`known`, ns) the first was."""
    return expect(values, np.isfinite(values), known, what, "a number")


def positive(values: Floats, known: NDArray[np.int64], what: str) -> Floats:
    """Values (n,) that are all numbers above 0, as variances are."""
    return expect(values, np.isfinite(values) & (values > 0), known, what, "a number above 0")


def expect(values: Floats, fine: NDArray[np.bool_], known: NDArray[np.int64], what: str, expected: str) -> Floats:
    """The values (n,) where all are fine; else BadInput with the first that is not."""
    if not fine.all():
        first = int((~fine).argmax())
        day = datetime.fromtimestamp(int(known[first]) // 10**9, UTC).date()
        raise BadInput(f"{what} of {day} was {values[first]:g}, {int((~fine).sum())} of {len(fine)} such; expected {expected}")
    return values
