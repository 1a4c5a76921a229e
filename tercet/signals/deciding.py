"""Kept models asked at each message of a market, as live code asks: the row comes of the event, the answers of the row."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from tercet.errors import BadInput
from tercet.market.calendar import Session
from tercet.signals.days import BOOK_SIZES
from tercet.signals.fitted import Fitted, Numbers
from tercet.signals.messagerows import MessageRows
from tercet.signals.quick import quick
from tercet.signals.samples import Leak


class Deciding:
    """Several models of one market's rows, each asked after every message."""

    def __init__(
        self, models: Mapping[str, Fitted], start: NDArray[np.void], hours: Session, size: tuple[int, int] = BOOK_SIZES[0]
    ) -> None:
        """models: by the name that their answers go by, all of the same features."""
        features = {fitted.lineage.names for fitted in models.values()}
        if len(features) != 1:
            raise BadInput(f"{len(models)} models look at {len(features)} sets of features; expected one or more, all at the same")
        self.rows = MessageRows(start, hours, features.pop(), size)
        self.askers = {name: quick(fitted) for name, fitted in models.items()}
        self.known = max(fitted.max_known_time for fitted in models.values())

    def take(self, message: NDArray[np.void]) -> dict[str, Numbers] | None:
        """What each says after a message: (3,) chances of down, flat and up, or (1,) a mean; None while a feature says nothing yet.

        The arrays are used again at the next message. Raises Leak where a model knows what came later.
        """
        if int(message["time"][0]) <= self.known:
            raise Leak(f"a model knows things of {self.known} and was asked about {int(message['time'][0])}; expected a later time")
        row = self.rows.take(message)
        return None if row is None else {name: ask(row) for name, ask in self.askers.items()}
