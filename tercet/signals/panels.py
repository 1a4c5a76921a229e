"""A daily cross-section, asked and judged: a league a horizon, and the portfolios of those experts that tell stocks apart."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from tercet.errors import BadInput
from tercet.signals.crosssection import PanelSettings, Verdict, panel_task, verdict
from tercet.signals.fitted import Expert
from tercet.signals.league import League, Standing, Tell, evaluate
from tercet.signals.timed import Table
from tercet.signals.trials import Ledger
from tercet.signals.walkforward import WalkForward


@dataclass(frozen=True)
class PanelsSettings:
    """What is asked, and how often."""

    horizons: tuple[int, ...] = field(default=(5,), metadata={"help": "days that a return is taken over"})
    planted: float = field(default=0.0, metadata={"help": "information coefficient of a planted feature, a control; 0: none"})
    folds: int = field(default=5, metadata={"help": "stretches of the second half of history, each asked of a model of all before it"})
    experiment: str = field(default="", metadata={"help": "that its trials are counted under; none: that of these very prices"})
    least: int = field(default=50, metadata={"help": "stocks that a date needs"})

    def __post_init__(self) -> None:
        """Refuse what asks nothing."""
        if not self.horizons or min(self.horizons) < 1 or len(set(self.horizons)) < len(self.horizons) or self.folds < 1:
            raise BadInput(f"horizons were {self.horizons} and folds {self.folds}; expected days, 1 or more, each once, and 1 fold or more")
        if not 0.0 <= self.planted < 1.0:
            raise BadInput(f"planted was {self.planted}; expected an information coefficient from 0 to below 1")


def judged(
    bars: Table, experts: Sequence[Expert], settings: PanelsSettings, ledger: Ledger, tell: Tell = lambda what: None
) -> Iterator[tuple[League, Verdict, list[str]]]:
    """For each horizon the league, the verdict on its portfolios, and the experts that said the same of all stocks of some date.

    The trials of all horizons are made before any of them is judged.
    """
    same = PanelSettings(planted=settings.planted, experiment=settings.experiment, least=settings.least)
    asked = [replace(same, days=days) for days in settings.horizons]
    tasks = [panel_task(bars, one) for one in asked]
    split = WalkForward(folds=settings.folds)
    leagues = []
    for task in tasks:

        def said(what: str, name: str = task.name) -> None:
            tell(f"{name}: {what}")

        leagues.append(evaluate(task, experts, split, ledger, tell=said))
    for one, task, ran in zip(asked, tasks, leagues, strict=True):
        league = replace(ran, trials=ledger.count(task.experiment))
        dates = task.samples.now[league.asked]
        telling = [standing for standing in league.standings if tells_apart(standing, dates)]
        found = verdict(task, telling, league.asked, league.trials, one) if telling else Verdict((), None, task.evidence)
        yield league, found, [one.expert for one in league.standings if not tells_apart(one, dates)]


def tells_apart(standing: Standing, dates: NDArray[np.int64]) -> bool:
    """Whether an expert's forecasts differ between the stocks of every date; dates in order."""
    begins = np.r_[0, np.flatnonzero(np.diff(dates)) + 1]
    return bool((np.maximum.reduceat(standing.mean, begins) > np.minimum.reduceat(standing.mean, begins)).all())
