"""The slow twin of `tercet.signals`: each family from its paper's formula over the whole past, to be read rather than run fast.

A market is a list of Steps, the first of which is the book before anything happened. Rows are those of the clock: what is known at
time `t` comes from the steps up to and including `t`, `passed`.
"""

import math
from bisect import bisect_right
from dataclasses import dataclass, field
from itertools import pairwise
from random import Random
from typing import Any

import numpy as np

from tercet.market.events import ADD, BUY, CANCEL, EVENT, FINER_PER_TICK, HALT, HALTED, HIDDEN, LEVEL_ROW, REDUCE, SELL, TRADE, TRADING

Levels = list[tuple[int, int]]  # tick and lots, best first, ten at most
M = 10
NS = 1_000_000_000


@dataclass
class Step:
    """What happened, and the book after it; side is the resting order's."""

    time: int
    kind: int
    side: int
    price: float
    lots: int
    levels: dict[int, Levels]
    halted: bool

    @property
    def mid2(self) -> int | None:
        """Twice the mid, where there is one."""
        bids, asks = self.levels[BUY], self.levels[SELL]
        return bids[0][0] + asks[0][0] if bids and asks and not self.halted else None


@dataclass
class Market:
    """A random market around 1000 ticks, with a dict of orders a side; now and then one side empties, or trading halts."""

    seed: int
    orders: dict[int, list[int]] = field(default_factory=dict)  # id: side, tick, lots
    halted: bool = False

    def levels(self) -> dict[int, Levels]:
        """The best ten levels of each side."""
        sums: dict[int, dict[int, int]] = {BUY: {}, SELL: {}}
        for side, tick, lots in self.orders.values():
            sums[side][tick] = sums[side].get(tick, 0) + lots
        return {side: sorted(sums[side].items(), key=lambda level: -side * level[0])[:M] for side in (BUY, SELL)}

    def play(self, count: int, thin: float, start: int) -> tuple[Any, Any, list[Step]]:
        """(LEVEL_ROWs, EVENTs, Steps); the thinner, the more often a side is empty."""
        draw, time, centre = Random(self.seed), start, 1000.0
        for number in range(12):
            self.orders[-number - 1] = [(side := 1 - 2 * (number % 2)), 1000 - side * (1 + number), draw.randint(1, 9)]
        rows = np.array([(tick, side, lots) for side, tick, lots in self.orders.values()], LEVEL_ROW)
        steps, events = [Step(start, 0, 0, 0.0, 0, self.levels(), False)], np.zeros(count, EVENT)
        for event in events:
            time += draw.choice((0, 0, 1, 1000, NS // 10, NS // 3, 2 * NS)) if draw.random() < 0.999 else 100 * NS
            centre += draw.gauss(0.0, 0.3)
            kind, side, tick, finer, lots, id = self.act(draw, thin, int(centre))
            event["time"], event["kind"], event["side"], event["tick"] = time, kind, side, tick
            event["finer"], event["lots"], event["id"] = finer, lots, id
            steps.append(Step(time, kind, side, tick + finer / FINER_PER_TICK, lots, self.levels(), self.halted))
        return rows, events, steps

    def act(self, draw: Random, thin: float, centre: int) -> tuple[int, int, int, int, int, int]:
        """One event: kind, side, tick, part of a tick, lots, id."""
        u, side = draw.random(), draw.choice((BUY, SELL))
        touch = {s: levels[0] for s, levels in self.levels().items() if levels}
        if u < (0.3 if self.halted else 0.003):
            self.halted = not self.halted
            return HALT, BUY, HALTED if self.halted else TRADING, 0, 0, 0
        if u < 0.1:
            return HIDDEN, side, centre, draw.choice((0, 5000, 2500)), draw.randint(1, 20), 0
        of_side = [id for id, order in self.orders.items() if order[0] == side]
        if u < 0.5 + thin and of_side:
            id = draw.choice(of_side)
            if (executed := u < 0.3) and not self.halted:
                id = next(i for i in of_side if self.orders[i][1] == touch[side][0])
            _, tick, there = self.orders[id]
            lots = draw.randint(1, there)
            self.orders[id][2] -= lots
            if lots == there:
                del self.orders[id]
            return (TRADE if executed and not self.halted else REDUCE if lots < there else CANCEL), side, tick, 0, lots, id
        id, lots = draw.getrandbits(60) + 1, draw.randint(1, 30)
        tick = centre - side * draw.choice((0, 1, 1, 2, 3, 5, 8, 20))
        if -side in touch and (touch[-side][0] - tick) * side <= 0:
            tick = touch[-side][0] - side
        self.orders[id] = [side, tick, lots]
        return ADD, side, tick, 0, lots, id


def passed(steps: list[Step], t: int) -> list[Step]:
    """The start, and what happened up to `t`."""
    return steps[:1] + [step for step in steps[1:] if step.time <= t]


def share(a: float, b: float) -> float:
    """(a − b) / (a + b)."""
    return (a - b) / (a + b) if a + b else 0.0


def faded(values: list[tuple[int, float]], t: int, seconds: float) -> float:
    """Σ value · exp(−(t − time) / seconds)."""
    return sum(value * math.exp(-(t - time) * 1e-9 / seconds) for time, value in values)


def recent(values: list[float], number: float) -> float:
    """Σ value · exp(−k / number), k counting back from the last."""
    return sum(value * math.exp(-k / number) for k, value in enumerate(reversed(values)))


def mean(values: list[float], number: float) -> float | None:
    """Their mean, forgetting over `number` of them."""
    return recent(values, number) / recent([1.0] * len(values), number) if values else None


# The book -------------------------------------------------------------------------------------------------------------------------


def book(steps: list[Step], t: int) -> dict[str, float | None]:
    """Imbalances, weighted mid, slopes and sweeps of the last book."""
    bids, asks, mid2 = steps[-1].levels[BUY], steps[-1].levels[SELL], steps[-1].mid2
    names = ["spread", *(f"imbalance_{m}" for m in range(1, 6)), *(f"depth_imbalance_{m}" for m in (3, 5, 10))]
    names += ["weighted_mid", "slope_bid", "slope_ask", "sweep_buy", "sweep_sell"]
    if mid2 is None:
        return dict.fromkeys(names)
    lots = {side: [size for _, size in levels] + [0] * M for side, levels in ((BUY, bids), (SELL, asks))}
    found: dict[str, float | None] = {"spread": asks[0][0] - bids[0][0]}
    found |= {f"imbalance_{m}": share(lots[BUY][m - 1], lots[SELL][m - 1]) for m in range(1, 6)}
    found |= {f"depth_imbalance_{m}": share(sum(lots[BUY][:m]), sum(lots[SELL][:m])) for m in (3, 5, 10)}
    (bid, bid_lots), (ask, ask_lots) = bids[0], asks[0]
    found["weighted_mid"] = (bid * ask_lots + ask * bid_lots) / (bid_lots + ask_lots) - mid2 / 2
    for name, levels in (("bid", bids), ("ask", asks)):
        away = np.array([abs(tick - mid2 / 2) for tick, _ in levels])
        found[f"slope_{name}"] = float(np.linalg.lstsq(away[:, None], np.cumsum([size for _, size in levels]), rcond=None)[0][0])
    wanted = 3 * (depth(steps) or math.nan)
    for name, side, levels in (("buy", SELL, asks), ("sell", BUY, bids)):
        each = np.repeat([abs(tick - mid2 / 2) for tick, _ in levels], [size for _, size in levels])
        if math.isnan(wanted) or len(each) < wanted:
            found[f"sweep_{name}"] = None
        else:
            whole = int(wanted)
            found[f"sweep_{name}"] = (each[:whole].sum() + (wanted - whole) * each[min(whole, len(each) - 1)]) / wanted
        assert side in (BUY, SELL)
    return found


def messages(steps: list[Step]) -> list[tuple[Step, Step]]:
    """Each message on a displayed order, outside halts, after the step before it."""
    return [(a, b) for a, b in pairwise(steps) if b.kind in (ADD, REDUCE, CANCEL, TRADE) and not a.halted]


def depth(steps: list[Step]) -> float | None:
    """Mean lots of a level that messages met."""
    met = [sum(size for side in (BUY, SELL) for _, size in a.levels[side]) / (2 * M) for a, _ in messages(steps)]
    return mean(met, 1000)


def gained(before: Levels, after: Levels, side: int, m: int) -> int:
    """Xu, Gould & Howison (2019), eq. 4-5, of one side and level; a level that is not there is infinitely far, with no lots."""
    (old, old_lots), (new, new_lots) = ((levels[m] if m < len(levels) else (-side * math.inf, 0)) for levels in (before, after))
    return (new_lots if side * new >= side * old else 0) - (old_lots if side * new <= side * old else 0)


def orderflow(steps: list[Step], t: int, weights: list[float]) -> dict[str, float | None]:
    """Order-flow imbalance; levels are faded over 10 s."""
    flows = [
        (b.time, [gained(a.levels[BUY], b.levels[BUY], BUY, m) - gained(a.levels[SELL], b.levels[SELL], SELL, m) for m in range(M)])
        for a, b in messages(steps)
    ]
    q = depth(steps) or math.nan
    found: dict[str, float | None] = {"depth": q}
    for name, of in (("ofi", lambda e: e[0]), ("ofi_all", lambda e: sum(w * x for w, x in zip(weights, e, strict=True)))):
        for seconds in (1, 10, 60):
            found[f"{name}_{seconds}s"] = faded([(time, of(e)) for time, e in flows], t, seconds) / q
        for number in (10, 50, 100):
            found[f"{name}_{number}e"] = recent([of(e) for _, e in flows], number) / q
    for m in range(M):
        found[f"ofi_level_{m + 1}"] = faded([(time, e[m]) for time, e in flows], t, 10) / q
        found[f"ofi_total_{m + 1}"] = sum(e[m] for _, e in flows)
    return found


def microprice(steps: list[Step], t: int) -> dict[str, float | None]:
    """Stoikov's G by counting transitions and solving the row that was left."""

    def state(step: Step) -> tuple[int, int] | None:
        if step.mid2 is None:
            return None
        (bid, bid_lots), (ask, ask_lots) = step.levels[BUY][0], step.levels[SELL][0]
        lean = share(bid_lots, ask_lots)
        return int(math.copysign(min(math.floor(abs(lean) * 5.5 + 0.5), 5), lean)), sum(ask - bid >= least for least in (2, 3, 8))

    went: dict[Any, dict[Any, int]] = {}
    moved: dict[Any, float] = {}
    price: dict[Any, float] = {}
    for a, b in pairwise(steps):
        x, y = state(a), state(b)
        if x is None or y is None or (x == y and a.mid2 == b.mid2):
            continue
        by = (b.mid2 - a.mid2) / 2  # type: ignore[operator]
        for sign in (1, -1):
            u, v = (sign * x[0], x[1]), (sign * y[0], y[1])
            went.setdefault(u, {})[v] = went.setdefault(u, {}).get(v, 0) + 1
            moved[u] = moved.get(u, 0.0) + sign * by
        away = sum(count for v, count in went[x].items() if v != x)
        if x[0] != 0 and away:
            price[x] = (moved[x] + sum(count * price.get(v, 0.0) for v, count in went[x].items() if v != x)) / away
            price[-x[0], x[1]] = -price[x]
    now = state(steps[-1])
    return {"microprice": None if now is None else price.get(now, 0.0)}


# Trades ---------------------------------------------------------------------------------------------------------------------------


@dataclass
class Aggressor:
    """One or more executions of one side at one time; the mid before the first of them, where there was one."""

    time: int
    side: int
    price: float
    mid: float | None
    fills: list[tuple[int, float]] = field(default_factory=list)


def aggressors(steps: list[Step]) -> list[Aggressor]:
    """All of them, in order."""
    found: list[Aggressor] = []
    for a, b in pairwise(steps):
        if b.kind in (TRADE, HIDDEN) and not a.halted:
            if not found or (found[-1].time, found[-1].side) != (b.time, -b.side):
                found.append(Aggressor(b.time, -b.side, b.price, None if a.mid2 is None else a.mid2 / 2))
            found[-1].fills.append((b.lots, b.price))
    return found


def trades(steps: list[Step], t: int) -> dict[str, float | None]:
    """Signed flow and the memory of signs."""
    lots = [(one.time, one.side, size) for one in aggressors(steps) for size, _ in one.fills]
    signs = [float(one.side) for one in aggressors(steps)]
    found: dict[str, float | None] = {}
    for seconds in (1, 10, 60):
        signed = faded([(time, side * size) for time, side, size in lots], t, seconds)
        volume = faded([(time, size) for time, side, size in lots], t, seconds)
        found |= {
            f"signed_{seconds}s": signed,
            f"volume_{seconds}s": volume,
            f"signed_share_{seconds}s": signed / volume if volume else 0.0,
        }
    found |= {f"signs_{number}": mean(signs, number) for number in (10, 50, 100)}
    scales = [4**k for k in range(6)]
    kernel = [sum(s**-1.25 * math.exp(-lag / s) for s in scales) for lag in range(len(signs))]
    mass = sum(s**-1.25 / (1 - math.exp(-1 / s)) for s in scales)
    found["sign_expected"] = sum(k * sign for k, sign in zip(kernel, reversed(signs), strict=True)) / mass if signs else None
    return found


def costs(steps: list[Step], t: int) -> dict[str, float | None]:
    """Spreads, Roll and impact."""
    ones = aggressors(steps)
    effective = [[(n * 2 * one.side * (p - one.mid), n) for n, p in one.fills] if one.mid is not None else [] for one in ones]
    paid, lots = (recent([sum(pair[i] for pair in pairs) for pairs in effective], 100) for i in (0, 1))
    changes = [b.price - a.price for a, b in pairwise(ones)]
    covariance = mean([a * b for a, b in pairwise(changes)], 200)
    found: dict[str, float | None] = {
        "effective_spread": paid / lots if lots else None,
        "roll": None if covariance is None else 2 * math.sqrt(max(0.0, -covariance)),
    }
    for after in (1, 5, 30):
        answered = [(one, mid_at(steps, one.time + after * NS)) for one in ones if one.mid is not None and one.time + after * NS <= t]
        found[f"impact_{after}s"] = mean([one.side * (mid - one.mid) for one, mid in answered], 100)  # type: ignore[operator]
        if after == 5:
            found["realised_spread"] = mean([2 * one.side * (one.price - mid) for one, mid in answered], 100)
    return found


def mid_at(steps: list[Step], t: int) -> float:
    """The last mid that there was at `t`."""
    return next(step.mid2 / 2 for step in reversed(passed(steps, t)) if step.mid2 is not None)


def resilience(steps: list[Step], t: int) -> dict[str, float | None]:
    """Refill times, and cancels by adds."""
    waits: list[tuple[int, int, float]] = []
    for side in (BUY, SELL):
        free = -1
        for k, (a, b) in enumerate(pairwise(steps)):
            if b.kind != TRADE or a.halted or b.side != side or k < free:
                continue
            best, before = a.levels[side][0]
            if best != b.price:
                continue
            after, waited = refill(steps, k, side, best, before, b.time, t)
            if waited is not None:
                waits.append((b.time + round(waited * NS), k, waited))
            if after is None:
                break
            free = after
    waits.sort(key=lambda one: (one[0], one[1]))
    told = messages(steps)
    adds, cancels = ([(b.time, 1.0) for _, b in told if b.kind in kinds] for kinds in ((ADD,), (REDUCE, CANCEL)))
    return {
        "refill": mean([waited for *_, waited in waits], 20),
        "cancel_add_ratio": faded(cancels, t, 60) / faded(adds, t, 60) if adds else None,
    }


def refill(steps: list[Step], k: int, side: int, best: int, before: int, time: int, t: int) -> tuple[int | None, float | None]:
    """(the place from which on another may be looked for, seconds waited) of what was taken from `best` by step k + 1."""
    left = dict(steps[k + 1].levels[side]).get(best, 0)
    for i in range(k + 1, len(steps) - 1):
        a, b = steps[i], steps[i + 1]
        if b.time - time > 60 * NS:
            return i, 60.0
        if a.halted or b.side != side:
            continue
        now = b.levels[side][0] if b.levels[side] else (None, 0)
        if b.kind == TRADE and b.time == time:
            left = now[1] if now[0] == best else 0
        if b.kind == ADD and (side * (now[0] - best) > 0 or (now[0] == best and 2 * now[1] >= before + left)):
            return i + 1, (b.time - time) / NS
    return None, 60.0 if t >= time + 60 * NS else None


# The clock ------------------------------------------------------------------------------------------------------------------------


@dataclass
class Second:
    """A second with a mid at both ends: its return in bp, ticks moved, lots and aggressors since the one before."""

    end: int
    r: float
    moved: float
    signed: int
    lots: int
    aggressors: int
    row: int  # returns without a break before it


def seconds(steps: list[Step], t: int, opens: int) -> list[Second]:
    """Those up to `t`, on the clock of the session."""
    first = opens + math.ceil((steps[1].time - opens) / NS) * NS
    ones, found, row, last, since, times = aggressors(steps), [], 0, None, 0, [step.time for step in steps[1:]]
    for end in range(first, t + 1, NS):
        mid2 = steps[bisect_right(times, end)].mid2
        if last is not None and mid2 is not None:
            until = bisect_right(ones, end, key=lambda one: one.time)
            new = ones[since:until]
            signed, lots = (sum((one.side if s else 1) * n for one in new for n, _ in one.fills) for s in (True, False))
            found.append(Second(end, 1e4 * math.log(mid2 / last), (mid2 - last) / 2, signed, lots, len(new), row))
            row, since = row + 1, until
        else:
            row = 0
        last = mid2
    return found


def clock(ones: list[Second]) -> dict[str, float | None]:
    """Variances, jumps, drift, Kyle, Amihud and the branching ratio."""
    n, r = len(ones), np.array([one.r for one in ones])
    w = np.exp(-np.arange(n)[::-1] / 300)
    signed, moved = (np.array([getattr(one, name) for one in ones], float) for name in ("signed", "moved"))
    found: dict[str, float | None] = {"branching": branching([one.aggressors for one in ones])}
    known = n >= 60
    found["kyle"] = float((w * moved * signed).sum() / (w * signed**2).sum()) if known and signed.any() else None
    busy = [i for i, one in enumerate(ones) if one.lots]
    found["amihud"] = float(np.average([abs(r[i]) / ones[i].lots for i in busy], weights=w[busy])) if known and busy else None
    names = ("variance", "bipower", "medrv", "quarticity", "variance_up", "variance_down", "jump", "drift_burst")
    pairs, triples = ([i for i, one in enumerate(ones) if one.row >= least] for least in (1, 2))
    if not known or not triples:
        return found | dict.fromkeys(names)
    a = np.abs(r)
    rv = np.average(r**2, weights=w)
    bv = math.pi / 2 * np.average([a[i] * a[i - 1] for i in pairs], weights=w[pairs])
    med = np.average([np.median(a[i - 2 : i + 1]) ** 2 for i in triples], weights=w[triples])
    mu = 2 ** (2 / 3) * math.gamma(7 / 6) / math.gamma(1 / 2)
    tq = mu**-3 * np.average([np.prod(a[i - 2 : i + 1]) ** (4 / 3) for i in triples], weights=w[triples])
    effective = w.sum() ** 2 / (w**2).sum()
    error = math.sqrt((math.pi**2 / 4 + math.pi - 5) / effective * max(1.0, tq / bv**2 if bv else 1.0))
    found |= {"variance": rv, "bipower": bv, "medrv": math.pi / (6 - 4 * math.sqrt(3) + math.pi) * med, "quarticity": tq}
    found |= {"variance_up": np.average(r**2 * (r > 0), weights=w), "variance_down": np.average(r**2 * (r < 0), weights=w)}
    found["jump"] = (1 - bv / rv) / error if rv else 0.0
    found["drift_burst"] = drift_burst(ones, r, w) if n >= 300 else None
    return found


def drift_burst(ones: list[Second], r: Any, w: Any) -> float:
    """Christensen, Oomen & Renò (2022), eq. 8-10 with exponential kernels: autocovariances by Parzen, weighted by both returns' roots."""
    v = np.exp(-np.arange(len(r))[::-1] / 1500)
    total = (v * r**2).sum()
    for lag in range(1, 6):
        x = lag / 6
        parzen = 1 - 6 * x**2 + 6 * x**3 if x <= 0.5 else 2 * (1 - x) ** 3
        total += 2 * parzen * sum(math.sqrt(v[i] * v[i - lag]) * r[i] * r[i - lag] for i in range(len(r)) if ones[i].row >= lag)
    return float((w * r).sum() / math.sqrt((w**2).sum() * total / v.sum())) if total > 0 else 0.0


def branching(counts: list[int]) -> float | None:
    """Hardiman & Bouchaud (2014), eq. 6, over windows of 30 s."""
    windows = [float(sum(counts[i : i + 30])) for i in range(0, len(counts) - 29, 30)]
    if len(windows) < 10:
        return None
    middle, square = mean(windows, 60), mean([c * c for c in windows], 60)
    assert middle is not None
    assert square is not None
    return 1 - math.sqrt(middle / (square - middle**2)) if square - middle**2 > middle else 0.0


def arrivals(steps: list[Step], t: int) -> dict[str, float | None]:
    """Hawkes intensities: base rate and four exponentials."""
    gone = (t - steps[1].time) / NS
    scales = (0.1, 1.0, 10.0, 60.0)
    found: dict[str, float | None] = {}
    for name, side in (("buy", BUY), ("sell", SELL)):
        ones = [(one.time, 1.0) for one in aggressors(steps) if one.side == side]
        excited = sum(s**-0.15 / s * faded(ones, t, s) for s in scales) / sum(s**-0.15 for s in scales)
        found[f"hawkes_{name}"] = 0.3 * faded(ones, t, 300) / (300 * (1 - math.exp(-gone / 300))) + 0.7 * excited if gone else None
    buy, sell = found["hawkes_buy"], found["hawkes_sell"]
    found["hawkes_imbalance"] = share(buy, sell) if buy is not None and sell is not None else None
    return found


def toxicity(steps: list[Step], t: int, opens: int, size: int) -> dict[str, float | None]:
    """VPIN over buckets of `size` lots (0: of 50 of the first 100 aggressors), and its ridge residual."""
    ones = aggressors(steps)
    if not size:
        if len(ones) <= 100:
            return {"vpin": None, "vpin_net": None}
        size = max(1, sum(n for one in ones[:100] for n, _ in one.fills) * 50 // 100)
        ones = ones[100:]
    every = [(one.time, one.side, n) for one in ones for n, _ in one.fills]
    signs = np.repeat([side for _, side, _ in every], [n for *_, n in every])
    times = np.repeat([time for time, *_ in every], [n for *_, n in every])
    fills = np.repeat(np.arange(len(every)), [n for *_, n in every])
    closed = len(signs) // size
    buckets = [abs(int(signs[i * size : (i + 1) * size].sum())) / size for i in range(closed)]
    x, y, net, clocked = [], [], None, seconds(steps, t, opens)
    before = [(one.time, n) for one in aggressors(steps) for n, _ in one.fills]
    skipped = len(before) - len(every)
    for i in range(10, closed + 1):
        value, at = float(np.mean(buckets[max(0, i - 50) : i])), i * size - 1
        ended = clock([one for one in clocked if one.end < times[at]])["variance"]
        if ended is None:
            continue
        volume = faded([(time, n) for time, n in before[: skipped + fills[at] + 1]], int(times[at]), 60)
        row = np.array([1.0, math.log(ended + 1e-6), math.log(volume + 1)])
        past = np.array(x).reshape(-1, 3)
        beta = np.linalg.solve(past.T @ past + np.eye(3) / 1000, past.T @ np.array(y))
        net = value - row @ beta
        x.append(row)
        y.append(value)
    vpin = float(np.mean(buckets[-50:])) if closed >= 10 else None
    return {"vpin": vpin, "vpin_net": net if len(y) >= 10 else None}


def day(steps: list[Step], t: int, opens: int, closes: int) -> dict[str, float | None]:
    """The time of day, and the pace of volume."""
    lots = [(one.time, float(n)) for one in aggressors(steps) for n, _ in one.fills]
    gone = (t - steps[1].time) / NS
    total = sum(n for _, n in lots)
    pace = math.log(faded(lots, t, 60) / (60 * (1 - math.exp(-gone / 60))) / (total / gone)) if lots and gone else None
    return {"time_of_day": (t - opens) / (closes - opens), "volume_pace": pace}


def everything(steps: list[Step], t: int, opens: int, closes: int, size: int = 0) -> dict[str, float | None]:
    """Every feature as of `t`, None where it is not known."""
    steps = passed(steps, t)
    found = book(steps, t) | orderflow(steps, t, [1 / M] * M) | microprice(steps, t) | trades(steps, t) | costs(steps, t)
    found |= (
        resilience(steps, t)
        | clock(seconds(steps, t, opens))
        | arrivals(steps, t)
        | toxicity(steps, t, opens, size)
        | day(steps, t, opens, closes)
    )
    return {name: None if value is None or math.isnan(value) else float(value) for name, value in found.items()}
