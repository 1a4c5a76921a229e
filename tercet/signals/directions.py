"""Where the mid of a stored day goes next: a league of experts for each horizon, all on the same features."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import numpy as np

from tercet.errors import BadInput
from tercet.market.store import Day
from tercet.signals.fitted import Expert, NoAnswer
from tercet.signals.league import League, Standing, Tell, evaluate
from tercet.signals.messagerows import message_features
from tercet.signals.task import direction
from tercet.signals.trials import Ledger
from tercet.signals.walkforward import WalkForward

POINTS: Final = 400  # of a curve of what trades earned


@dataclass(frozen=True)
class DirectionSettings:
    """What is asked, and how often."""

    horizons: tuple[int, ...] = field(default=(10, 50, 100), metadata={"help": "messages until the mid is looked at"})
    folds: int = field(default=5, metadata={"help": "stretches of the second half of the day, each asked of a model of all before it"})
    seeds: int = field(default=1, metadata={"help": "times that everything is learned, each with another seed"})

    def __post_init__(self) -> None:
        """Refuse what asks nothing."""
        if not self.horizons or min(self.horizons) < 1 or len(set(self.horizons)) < len(self.horizons):
            raise BadInput(f"horizons were {self.horizons}; expected one or more numbers of messages, 1 or more, each once")
        if self.folds < 1 or self.seeds < 1:
            raise BadInput(f"folds were {self.folds} and seeds {self.seeds}; expected 1 or more of each")


def leagues(
    day: Day, experts: Sequence[Expert], settings: DirectionSettings, ledger: Ledger, tell: Tell = lambda what: None
) -> dict[int, tuple[League, ...]]:
    """By horizon, a league for each seed; the features are computed once."""
    tell(f"features of {len(day.events):,} events")
    frame, found = message_features(day), {}
    split = WalkForward(folds=settings.folds)
    for horizon in settings.horizons:
        task = direction(day, horizon, frame=frame)

        def said(what: str, task: str = task.name) -> None:
            tell(f"{task}: {what}")

        found[horizon] = tuple(evaluate(task, experts, split, ledger, seed, said) for seed in range(settings.seeds))
    return found


def summary(runs: Sequence[League]) -> dict[str, Any]:
    """Leagues of one task, one a seed, as plain values: the mean over seeds, and under `runs` everything of each.

    An expert that was dropped with one seed is dropped, and named under `dropped`.
    """
    first, dropped = runs[0], {name: why for league in runs for name, why in league.dropped.items()}
    names = [one.expert for one in first.standings if one.expert not in dropped]
    if not names:
        raise NoAnswer(f"{first.task}: no expert answered with every seed: {'; '.join(dropped.values())}")
    standings = [[next(one for one in league.standings if one.expert == name) for league in runs] for name in names]
    return {
        "task": first.task,
        "unit": first.unit,
        "features": len(first.standings[0].models[0].lineage.names),
        "rows": first.rows,
        "folds": first.folds,
        "purged": first.purged,
        "left_out": first.left_out,
        "trials": runs[-1].trials,
        "seeds": [league.seed for league in runs],
        "stretches": [asdict(stretch) for stretch in first.stretches],
        "experts": [_expert(of, runs) for of in standings],
        "dropped": dropped,
    }


def _expert(standings: list[Standing], runs: Sequence[League]) -> dict[str, Any]:
    scores, spread = _over([standing.scores for standing in standings])
    return {
        "expert": standings[0].expert,
        "scores": scores,
        "spread": spread,
        "fit_s": float(np.mean([standing.fit_s for standing in standings])),
        "answer_us": float(np.mean([standing.answer_us for standing in standings])),
        "runs": [{"seed": league.seed, **_run(standing)} for league, standing in zip(runs, standings, strict=True)],
    }


def _over(scores: list[dict[str, float | None]]) -> tuple[dict[str, float | None], dict[str, float] | None]:
    """Means over seeds, None where one of them has no score; and standard deviations where there are several seeds."""
    told = {name: [value for one in scores if (value := one[name]) is not None] for name in scores[0]}
    whole = {name: values for name, values in told.items() if len(values) == len(scores)}
    means = {name: float(np.mean(whole[name])) if name in whole else None for name in told}
    return means, {name: float(np.std(values, ddof=1)) for name, values in whole.items()} if len(scores) > 1 else None


def _run(standing: Standing) -> dict[str, Any]:
    curve = standing.calibration
    gross, net = np.cumsum(standing.every.gross), np.cumsum(standing.every.net)
    thin = np.unique(np.linspace(0, len(net) - 1, min(len(net), POINTS)).astype(np.int64))
    return {
        "scores": standing.scores,
        "fit_s": standing.fit_s,
        "answer_us": standing.answer_us,
        "confusion": None if standing.confusion is None else standing.confusion.tolist(),
        "calibration": None
        if curve is None
        else {"said": curve.said.tolist(), "happened": curve.happened.tolist(), "count": curve.count.tolist()},
        "earned": {"trade": (thin + 1).tolist(), "gross": gross[thin].tolist(), "net": net[thin].tolist()},
        "folds": [
            {
                "scores": scores,
                "model_id": model.lineage.model_id,
                "rows": model.lineage.rows,
                "fit_time": model.lineage.fit_time,
                "known_until": model.max_known_time,
                "data": model.lineage.data,
            }
            for scores, model in zip(standing.by_fold, standing.models, strict=True)
        ],
    }
