"""A picture of an execution episode, with numpy alone: the book around the touch, the inventory, the fills on the mid's path.

A TRAIL is what an episode's looks said so far; members keep one only where pictures are wanted.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tercet.market.calendar import clock
from tercet.market.events import BUY

HEIGHT, WIDTH, EDGE = 480, 720, 12
WHITE, INK, FAINT, BID, ASK, OWN, FILL = (
    (255, 255, 255), (60, 60, 60), (210, 210, 210), (70, 130, 190), (205, 95, 85), (250, 180, 30), (20, 140, 60),
)  # fmt: skip
BOOK_TICKS: Final = 40  # shown at most, evenly around the touch
SECOND: Final = 1_000_000_000
LAST_FILLS: Final = 5


class Trail:
    """The looks of one episode: time, bid, ask and lots filled, and the last VIEW. An ended one stays to be seen until the next begins."""

    def __init__(self) -> None:
        """Nothing seen yet."""
        self.looks: list[tuple[int, int, int, int]] = []
        self.view: Any = None
        self._next: Any = None

    def begin(self, view: Any) -> None:
        """A new episode, from its first VIEW."""
        self.looks, self._next = [], None
        self._note(view)

    def step(self, view: Any, ended: bool) -> None:
        """A step has led to `view`: the next look, or, where the episode has ended, the first of the next episode."""
        if self._next is not None:
            self.begin(self._next)
        if ended:
            last = self.view
            self.looks.append((int(last.end), int(last.bid), int(last.ask), int(last.lots)))
            self._next = _copy(view)
        else:
            self._note(view)

    def _note(self, view: Any) -> None:
        self.view = _copy(view)
        self.looks.append((int(view.now), int(view.bid), int(view.ask), int(view.filled)))

    @property
    def ended(self) -> bool:
        """Whether the episode shown is over; its parent was completed."""
        return self._next is not None

    @property
    def table(self) -> NDArray[np.int64]:
        """Time, bid, ask and filled lots, a row a look."""
        return np.array(self.looks, np.int64).reshape(-1, 4)

    @property
    def fills(self) -> list[tuple[int, int]]:
        """The look's time and the lots, of every look that told of new fills."""
        table = self.table
        filled = np.diff(table[:, 3], prepend=0)
        return [(int(table[place, 0]), int(filled[place])) for place in np.flatnonzero(filled > 0)]


def _copy(view: Any) -> Any:
    kept = np.zeros(1, view.dtype).view(np.recarray)
    kept[0] = view
    return kept[0]


def _standing(view: Any) -> dict[int, int]:
    """Lots of our orders in the book by tick."""
    lots: dict[int, int] = {}
    for own in view.own:
        if own["slot"] != 0:
            lots[int(own["tick"])] = lots.get(int(own["tick"]), 0) + int(own["lots"])
    return lots


def ansi(trail: Trail) -> str:
    """The episode so far in a few lines of text: time, inventory, touch, five levels with our orders (*), fills."""
    view = trail.view
    if view is None or view.lots == 0:
        return "no episode has begun"
    time, bid, ask, filled = trail.looks[-1]
    side, lots, ours = "buy" if view.side == BUY else "sell", int(view.lots), _standing(view)
    length = (int(view.end) - int(view.start)) / SECOND
    gone = (time - int(view.start)) / SECOND
    lines = [
        f"{clock(time)}  {gone:g} of {length:g} s  {side} {lots}: {lots - filled} left ({1 - filled / lots:.0%}), {int(view.open)} open"
        + (", ended" if trail.ended else ""),
        f"touch {bid} / {ask}, spread {ask - bid}, {int(view.ahead)} lots ahead of us"
        if ours
        else f"touch {bid} / {ask}, spread {ask - bid}",
    ]
    for place in range(view.depth.shape[1]):
        cells = [_level(int(view.ticks[row, place]), int(view.depth[row, place]), ours) for row in range(2)]
        lines.append(f"{cells[0]:>22} | {cells[1]}")
    beyond = [f"{own} @ {tick}" for tick, own in ours.items() if tick not in view.ticks]
    lines.append(f"ours farther away: {', '.join(beyond)}" if beyond else "* ours")
    fills = trail.fills
    told = ", ".join(f"{number} by {clock(when)[:8]}" for when, number in fills[-LAST_FILLS:])
    lines.append(f"filled {filled} in {len(fills)} steps" + (f", last: {told}" if fills else ""))
    return "\n".join(lines)


def _level(tick: int, lots: int, ours: dict[int, int]) -> str:
    """A level of the book, with our share of it marked."""
    if lots == 0:
        return "-"
    return f"{lots} @ {tick}" + (f" *{ours[tick]}" if tick in ours else "")


def rgb_array(trail: Trail) -> NDArray[np.uint8]:
    """The episode so far, (480, 720, 3): left the book, bids blue, asks red, ours yellow; right above the inventory against an even
    schedule (grey), right below the mid between bid and ask (grey), with our fills (green).
    """
    pixels = np.full((HEIGHT, WIDTH, 3), WHITE, np.uint8)
    split, half = WIDTH // 3, HEIGHT // 2
    book = pixels[EDGE : HEIGHT - EDGE, EDGE : split - EDGE]
    inventory = pixels[EDGE : half - EDGE // 2, split + EDGE : WIDTH - EDGE]
    path = pixels[half + EDGE // 2 : HEIGHT - EDGE, split + EDGE : WIDTH - EDGE]
    for panel in (book, inventory, path):
        _frame(panel)
    if trail.view is not None and trail.view.lots > 0:
        _draw_book(book[2:-2, 2:-2], trail.view)
        _draw_inventory(inventory[2:-2, 2:-2], trail)
        _draw_path(path[2:-2, 2:-2], trail)
    return pixels


def _frame(panel: NDArray[np.uint8]) -> None:
    panel[[0, -1]] = FAINT
    panel[:, [0, -1]] = FAINT


def _draw_book(panel: NDArray[np.uint8], view: Any) -> None:
    """A bar a tick, the dearest on top; its length is the depth by the deepest one's. Ours lies over it, with a mark at the edge."""
    height, width = panel.shape[:2]
    shown = view.depth > 0
    if not shown.any():
        return
    ours = _standing(view)
    reach = np.concatenate([view.ticks[shown], list(ours)])
    middle = (int(view.bid) + int(view.ask)) // 2
    low, high = max(int(reach.min()), middle - BOOK_TICKS // 2), min(int(reach.max()), middle + BOOK_TICKS // 2)
    thick = height / (high - low + 1)
    most = int(view.depth.max())

    def rows(tick: int) -> slice:
        top = int((high - tick) * thick)
        return slice(top, max(top + 1, int((high - tick + 1) * thick) - 1))

    for side, colour in ((0, BID), (1, ASK)):
        for tick, lots in zip(view.ticks[side], view.depth[side], strict=True):
            if lots > 0 and low <= tick <= high:
                panel[rows(int(tick)), : max(1, int(width * lots / most))] = colour
    for tick, lots in ours.items():
        if low <= tick <= high:
            panel[rows(tick), : max(6, min(width, int(width * lots / most)))] = OWN
            panel[rows(tick), width - 6 :] = OWN


def _columns(times: NDArray[np.int64], view: Any, width: int) -> NDArray[np.int64]:
    """Where times lie between the parent's start and its end."""
    share = (times - int(view.start)) / (int(view.end) - int(view.start))
    placed: NDArray[np.int64] = np.rint(np.clip(share, 0, 1) * (width - 1)).astype(np.int64)
    return placed


def _line(panel: NDArray[np.uint8], columns: NDArray[np.int64], heights: NDArray[np.float64], colour: tuple[int, int, int]) -> None:
    """A line through points, from 0 (bottom) to 1 (top), two pixels thick."""
    height = panel.shape[0]
    across = np.arange(columns[0], columns[-1] + 1)
    rows = np.rint((1.0 - np.interp(across, columns, np.clip(heights, 0, 1))) * (height - 1)).astype(np.int64)
    before = np.concatenate([rows[:1], rows[:-1]])
    for column, first, last in zip(across, np.minimum(rows, before), np.maximum(rows, before), strict=True):
        panel[first : last + 2, column] = colour


def _draw_inventory(panel: NDArray[np.uint8], trail: Trail) -> None:
    width, table = panel.shape[1], trail.table
    _line(panel, np.array([0, width - 1]), np.array([1.0, 0.0]), FAINT)
    _line(panel, _columns(table[:, 0], trail.view, width), 1.0 - table[:, 3] / int(trail.view.lots), INK)


def _draw_path(panel: NDArray[np.uint8], trail: Trail) -> None:
    """Bid, ask and mid, and a dot on the mid where lots were filled, the larger the more."""
    (height, width), table = panel.shape[:2], trail.table
    columns, prices = _columns(table[:, 0], trail.view, width), table[:, 1:3].astype(np.float64)
    low, high = prices.min() - 1.0, prices.max() + 1.0
    mid = prices.mean(axis=1)
    for price, colour in ((prices[:, 0], FAINT), (prices[:, 1], FAINT), (mid, INK)):
        _line(panel, columns, (price - low) / (high - low), colour)
    filled = np.diff(table[:, 3], prepend=0)
    down, across = np.mgrid[:height, :width]
    for place in np.flatnonzero(filled > 0):
        radius = 2.5 + 5.0 * min(1.0, 4.0 * filled[place] / int(trail.view.lots)) ** 0.5
        row = (1.0 - (mid[place] - low) / (high - low)) * (height - 1)
        panel[(down - row) ** 2 + (across - columns[place]) ** 2 <= radius**2] = FILL
