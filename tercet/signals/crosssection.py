"""The daily cross-section as a task, and the portfolio that decides: deciles of a score, long the best and short the worst.

A backtest on survivors' prices, or the best of many trials, looks like skill. The deflated Sharpe ratio asks how good the best of as many
trials without skill would have looked; `Portfolio.gate` is what a forecast has to get through, with the symbols whose prices jump and come
back and without them. On survivors alone (signals/evidence.py) nothing passes but a planted control, whose signal is known to be there.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tercet.errors import BadInput
from tercet.signals.evidence import Evidence, evidence_of
from tercet.signals.league import Standing
from tercet.signals.panel import RANKED, forward_returns, panel
from tercet.signals.samples import Samples, Spans
from tercet.signals.scores import Mean, hac_mean, information_coefficients
from tercet.signals.sharpe import (
    Track,
    backtest_overfitting,
    deflated_sharpe,
    expected_maximum_sharpe,
    probabilistic_sharpe,
    track,
)
from tercet.signals.task import Task
from tercet.signals.timed import Table

Floats = NDArray[np.float64]
YEAR: Final = 252
DAY_NS: Final = 86_400 * 10**9
LEAST_PERIODS: Final = 32  # that the probability of overfitting takes: its 16 parts have two each
GATE: Final = 0.95  # of the deflated Sharpe ratio
PLANTED: Final = "planted"  # the feature of a control
FEWEST: Final = 3  # stocks of a date, of which a rank correlation takes as many
PASSED, REJECTED, NOT_JUDGED = "passed", "rejected", "not judged"


@dataclass(frozen=True)
class PanelSettings:
    """How a panel is asked and traded."""

    days: int = field(default=5, metadata={"help": "that a return is taken over, from the next open; portfolios are made anew as often"})
    features: tuple[str, ...] = field(default=(), metadata={"help": "of the panel; none: all"})
    least: int = field(default=50, metadata={"help": "stocks that a date needs"})
    planted: float = field(default=0.0, metadata={"help": "information coefficient of a feature made of what comes: a control; 0: none"})
    most: float = field(
        default=0.5, metadata={"help": "beyond which a return is cut in what is learned: splits and bankruptcies are not in the prices"}
    )
    half_spread_bps: float = field(default=5.0, metadata={"help": "paid on each side of each trade"})
    experiment: str = field(default="", metadata={"help": "that its trials are counted under; none: that of these very prices"})

    def __post_init__(self) -> None:
        """Refuse what no panel can be asked."""
        if self.days < 1 or self.least < FEWEST:
            raise BadInput(f"days were {self.days}, least {self.least} stocks; expected 1 day or more, and {FEWEST} stocks or more")


def panel_task(bars: Table, settings: PanelSettings | None = None, seed: int = 0) -> Task:
    """Which stocks of a date will do better than its others: asked at the close every `days` days, from the next open on.

    What is learned is the return less the mean of its date, cut at `most`; what is earned is the same uncut. The feature `planted` is drawn
    with `seed` where there is to be one.

    Trials are counted under `settings.experiment`; where it is not named, under the checksum of the prices. That count begins anew where
    one byte of them changes, be it a day more: who goes on with the same stocks from newer or mended files names the experiment, and the
    deflated Sharpe ratio is told all that was tried.
    """
    settings = settings or PanelSettings()
    rows = panel(bars, settings.features or None, raw=False)
    labels = forward_returns(bars, settings.days)
    asked = rows.frame["event_time"].unique().sort().gather_every(settings.days)
    joined = rows.frame.filter(pl.col("event_time").is_in(asked.implode())).join(labels, on=["event_time", "symbol"])
    last = joined.select(pl.col("event_time").filter(pl.col("value").is_not_null()).max()).item() or 0
    there = joined.drop_nulls("value")
    kept = there.filter(pl.len().over("event_time") >= settings.least).sort("event_time", "symbol")
    if not len(kept):
        most = there.select(pl.len().over("event_time").max()).item() or 0
        raise BadInput(
            f"no date has {settings.least} stocks with a return over {settings.days} days, the most have {most}; expected more, or --least"
        )
    names = tuple(name for name in kept.columns if name.endswith(RANKED))
    cut = pl.col("value").clip(-settings.most, settings.most)
    table = kept.select(names).to_numpy().astype(np.float32)
    value, earned = (kept.select(one - one.mean().over("event_time")).to_series().to_numpy() for one in (cut, pl.col("value")))
    now, symbols = kept["known_time"].to_numpy(), kept["symbol"].cast(pl.Categorical).to_physical().to_numpy().astype(np.int64)
    if settings.planted:
        noise = np.random.default_rng(seed).standard_normal(len(value))
        scale = kept.select(cut.std().over("event_time")).to_series().to_numpy()
        table = np.column_stack([table, settings.planted * value / scale + np.sqrt(1 - settings.planted**2) * noise]).astype(np.float32)
        names = (*names, PLANTED)
    order = np.argsort(now, kind="stable")
    spans = Spans(kept["t0"].to_numpy(), kept["t1"].to_numpy(), value, np.maximum(kept["available"].to_numpy(), kept["t1"].to_numpy()))
    samples = Samples(table[order], names, now[order], spans.take(order), 400 * DAY_NS, group=symbols[order])
    half = np.full(len(value), settings.half_spread_bps * 1e-4)
    early = joined.filter(pl.col("event_time") <= last)
    left_out = {
        "the data end first": len(joined) - len(early),
        "no price to buy at": early["value"].null_count(),
        "too few stocks on the date": len(there) - len(kept),
        f"kept, but cut to {settings.most:.0%}": int((kept["value"].abs() > settings.most).sum()),
    }
    name = f"panel {settings.days} days" + (f", planted {settings.planted:g}" if settings.planted else "")
    drawn = f" planted {settings.planted:g} {seed}" if settings.planted else ""
    experiment = f"{settings.experiment or f'panel {checksum(bars.frame)[:12]}'}{drawn}"
    evidence = evidence_of(bars)
    suspect = kept["symbol"].is_in(evidence.jumped).to_numpy()[order]
    return Task(name, samples, earned[order], half, half, 1, "return less its date's mean", left_out, experiment, evidence, suspect)


def checksum(frame: pl.DataFrame) -> str:
    """SHA-256 of a frame's names and values: the same prices are the same experiment, whatever is asked of them; others are not."""
    digest = hashlib.sha256(",".join(frame.columns).encode())
    for column in frame:
        digest.update(column.to_numpy().tobytes() if column.dtype.is_numeric() else "\n".join(column.cast(pl.String)).encode())
    return digest.hexdigest()


@dataclass(frozen=True)
class Portfolio:
    """What the deciles of a score made, and whether it is to be believed."""

    expert: str
    returns: Floats  # of each period, after cost, of stocks' returns as they were learned: cut
    gross: float  # mean of a period
    net: float
    turnover: float  # share of the portfolio traded in a period
    sharpe: float  # a year
    psr: float  # chance that the true one is above 0, had it been the only trial
    dsr: float  # beside the best of all trials without skill
    uncut_sharpe: float  # a year, of what was really earned
    uncut_dsr: float
    expected_maximum: float  # Sharpe ratio a year of the best trial without skill
    trials: int
    ic: Mean  # rank correlation by date
    mended_sharpe: float | None = None  # a year, without the symbols whose prices jump and come back; None: too few others, or none jumps
    mended_dsr: float | None = None
    unjudged: str = ""  # why the gate cannot let it through, however good it looks

    @property
    def gate(self) -> str:
        """What the gate says: with the few greatest returns cut and with them, with symbols that jump and come back and without them."""
        known = [one for one in (self.dsr, self.uncut_dsr, self.mended_dsr) if one is not None]
        if min(known) < GATE:
            return REJECTED
        return NOT_JUDGED if self.unjudged else PASSED

    @property
    def passes(self) -> bool:
        """Whether the gate lets it through."""
        return self.gate == PASSED


@dataclass(frozen=True)
class Verdict:
    """Portfolios of all experts, and how often the best in one half of history is below the median in the other."""

    portfolios: tuple[Portfolio, ...]
    overfitting: float | None
    evidence: Evidence | None = None


def verdict(
    task: Task, standings: Sequence[Standing], asked: NDArray[np.int64], trials: int, settings: PanelSettings | None = None
) -> Verdict:
    """Judge every expert's answers about the rows `asked` by the portfolio made of them; trials: how many fits the ledger counts."""
    settings = settings or PanelSettings()
    dates, value, symbols = task.samples.now[asked], task.samples.spans.value[asked], task.samples.group[asked]
    half_spread = settings.half_spread_bps * 1e-4
    made = [deciles(standing.mean, value, dates, symbols, half_spread) for standing in standings]
    sharpes = [track(net).sharpe for _, net, _ in made]
    # Few trials, or trials that are alike, spread less than chance alone would spread them.
    variance = max(float(np.var(sharpes, ddof=1)) if len(sharpes) > 1 else 0.0, 1.0 / len(made[0][1]))
    periods, tried = np.sqrt(YEAR / settings.days), max(trials, len(standings))
    portfolios, some = [], _steady(task, asked)
    unjudged = _unjudged(task, some)
    for standing, (gross, net, turnover) in zip(standings, made, strict=True):
        record, uncut = track(net), track(deciles(standing.mean, task.move[asked], dates, symbols, half_spread)[1])
        steady = _records(standing, task, asked, some, half_spread)
        mended = min(steady, key=lambda one: deflated_sharpe(one, tried, variance)) if steady else None
        portfolios.append(
            Portfolio(
                standing.expert,
                net,
                float(gross.mean()),
                float(net.mean()),
                turnover,
                record.sharpe * periods,
                probabilistic_sharpe(record),
                deflated_sharpe(record, tried, variance),
                uncut.sharpe * periods,
                deflated_sharpe(uncut, tried, variance),
                expected_maximum_sharpe(tried, variance) * periods,
                trials,
                hac_mean(information_coefficients(standing.mean, value, dates, rank=True).values),
                None if mended is None else mended.sharpe * periods,
                None if mended is None else deflated_sharpe(mended, tried, variance),
                unjudged,
            )
        )
    enough = len(made) > 1 and len(made[0][1]) >= LEAST_PERIODS
    overfitting = backtest_overfitting(np.column_stack([net for _, net, _ in made])).pbo if enough else None
    return Verdict(tuple(portfolios), overfitting, task.evidence)


def _steady(task: Task, asked: NDArray[np.int64]) -> NDArray[np.int64] | None:
    """Places in `asked` of symbols that do not jump and come back; None where none does, empty where too few others are left on a date."""
    if task.suspect is None or not task.suspect[asked].any():
        return None
    places = np.flatnonzero(~task.suspect[asked])
    _, left = np.unique(task.samples.now[asked][places], return_counts=True)
    enough = len(left) == len(np.unique(task.samples.now[asked])) and left.min() >= FEWEST
    return places if enough else places[:0]


def _unjudged(task: Task, some: NDArray[np.int64] | None) -> str:
    """Why nothing on this panel can pass. A planted control can: survival did not plant it."""
    if some is not None and not len(some):
        return "too few stocks are left without those whose prices jump and come back"
    if task.evidence is not None and task.evidence.survivors and PLANTED not in task.samples.names:
        return "the panel holds survivors alone"
    return ""


def _records(standing: Standing, task: Task, asked: NDArray[np.int64], some: NDArray[np.int64] | None, half_spread: float) -> list[Track]:
    """Of portfolios of the same forecasts among some of what was asked, with returns cut and uncut."""
    if some is None or not len(some):
        return []
    rows, score = asked[some], standing.mean[some]
    dates, symbols = task.samples.now[rows], task.samples.group[rows]
    return [track(deciles(score, value[rows], dates, symbols, half_spread)[1]) for value in (task.samples.spans.value, task.move)]


def deciles(
    score: Floats, value: Floats, dates: NDArray[np.int64], symbols: NDArray[np.int64], half_spread: float
) -> tuple[Floats, Floats, float]:
    """(gross, net) of each date in turn, and the mean turnover: half a unit long in the best tenth, half short in the worst.

    value: return of each stock less its date's mean. Stocks of one score share what would be theirs. Between dates a holding drifts with
    its value; what brings it back is traded and paid for, and so is the sale of the last portfolio.
    """
    gross, net, traded = [], [], []
    held: dict[int, float] = {}
    for rows in np.split(np.arange(len(dates)), np.flatnonzero(np.diff(dates)) + 1):
        tenth = max(1, len(rows) // 10)
        order = np.argsort(score[rows], kind="stable")
        weight = np.zeros(len(rows))
        weight[order[-tenth:]], weight[order[:tenth]] = 0.5 / tenth, -0.5 / tenth
        _, alike = np.unique(score[rows], return_inverse=True)
        weight = (np.bincount(alike, weight) / np.bincount(alike))[alike]
        wanted = {symbol: share for symbol, share in zip(symbols[rows].tolist(), weight.tolist(), strict=True) if share != 0.0}
        drifted = weight * (1.0 + value[rows])
        change = sum(abs(wanted.get(one, 0.0) - held.get(one, 0.0)) for one in wanted.keys() | held.keys())
        gross.append(float(weight @ value[rows]))
        net.append(gross[-1] - half_spread * change)
        traded.append(change)
        held = {symbol: share for symbol, share in zip(symbols[rows].tolist(), drifted.tolist(), strict=True) if share != 0.0}
    net[-1] -= half_spread * sum(map(abs, held.values()))
    return np.array(gross), np.array(net), float(np.mean(traded))
