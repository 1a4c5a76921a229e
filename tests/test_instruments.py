"""Instruments and calendars: what fits is kept exactly, what does not is refused."""

from datetime import date, timedelta
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tercet.errors import BadInput
from tercet.market.calendar import SECOND, clock, midnight_ns, session
from tercet.market.events import FINER_PER_TICK
from tercet.market.instruments import LARGEST_TICK, Fees, Instrument, to_ticks

PENNY = Instrument("TEST")
TICKS = st.integers(1, LARGEST_TICK)
SIZES = st.sampled_from(["0.01", "0.0001", "0.25", "1", "5", "0.00000001"])


@given(TICKS, SIZES)
def test_a_tick_becomes_a_price_and_the_same_tick_again(tick: int, size: str) -> None:
    instrument = Instrument("TEST", tick_size=size)
    assert instrument.tick(instrument.price(tick)) == tick


def test_a_price_is_exact() -> None:
    assert PENNY.price(58529) == Decimal("585.29")
    assert PENNY.tick("585.29") == 58529


@pytest.mark.parametrize("price", ["0.005", "0", "-1", "21474836.48", "nan", "Infinity", "ten", 0.01])
def test_a_price_that_does_not_fit_is_refused(price: str) -> None:
    with pytest.raises(BadInput, match="price"):
        PENNY.tick(price)


@pytest.mark.parametrize("field", ["tick_size", "lot_size"])
@pytest.mark.parametrize("size", ["0", "-0.01", "nan", "a penny", ""])
def test_an_instrument_without_a_real_tick_or_lot_is_refused(field: str, size: str) -> None:
    with pytest.raises(BadInput, match=field):
        Instrument("TEST", **{field: size})


def test_a_tick_finer_than_the_feed_and_a_lot_of_half_a_share_are_refused() -> None:
    with pytest.raises(BadInput, match="tick_size"):
        _ = Instrument("TEST", tick_size="0.00015").units_per_tick
    with pytest.raises(BadInput, match="lot_size"):
        _ = Instrument("TEST", lot_size="0.5").units_per_lot


def test_the_default_fees_are_nasdaqs_and_pay_the_maker() -> None:
    assert Fees() == Fees(taker_per_lot=0.0030, maker_per_lot=-0.0020, taker_bps=0.0, maker_bps=0.0)


@given(st.lists(st.tuples(st.integers(1, 10**7), st.integers(0, 99)), min_size=1))
def test_a_price_between_ticks_is_rounded_down_and_keeps_what_is_left(parts: list[tuple[int, int]]) -> None:
    prices = np.array([tick * 100 + left for tick, left in parts], np.int64)
    ticks = to_ticks(prices, 100, True)
    assert ticks.misfit == -1
    assert ticks.tick.tolist() == [tick for tick, _ in parts]
    assert ticks.finer.tolist() == [left * FINER_PER_TICK // 100 for _, left in parts]


@pytest.mark.parametrize("price", [0, -100, 99, 150, (LARGEST_TICK + 1) * 100])
def test_the_first_price_that_does_not_fit_is_named(price: int) -> None:
    prices = np.array([100, 200, price, price, LARGEST_TICK * 100], np.int64)
    assert to_ticks(prices, 100).misfit == 2
    assert to_ticks(np.delete(prices, [2, 3]), 100).misfit == -1


def test_only_rows_that_may_lie_between_ticks_do() -> None:
    prices = np.array([150, 150], np.int64)
    assert to_ticks(prices, 100, np.array([True, False])).misfit == 1


def test_what_is_left_must_fit_the_finer_unit() -> None:
    assert to_ticks(np.array([4], np.int64), 3, True).misfit == 0


def test_midnight_in_new_york_follows_its_summer_time() -> None:
    assert midnight_ns(date(2012, 6, 21)) == 1_340_251_200 * SECOND
    assert midnight_ns(date(2012, 1, 21)) == midnight_ns(date(2012, 1, 21), "UTC") + 5 * 3600 * SECOND


def test_regular_hours_are_half_past_nine_to_four() -> None:
    hours = session(date(2012, 6, 21))
    assert (clock(hours.open_ns), clock(hours.close_ns)) == ("09:30:00.000000000", "16:00:00.000000000")
    assert hours.open_ns in hours
    assert hours.close_ns not in hours


@given(st.dates(date(1990, 1, 1), date(2030, 1, 1)), st.integers(0, 3599), st.integers(0, SECOND - 1))
def test_the_clock_shows_what_was_added_to_midnight(day: date, seconds: int, nanos: int) -> None:
    shown = clock(midnight_ns(day) + seconds * SECOND + nanos)
    assert shown == f"{timedelta(seconds=seconds)!s:0>8}.{nanos:09d}"


@pytest.mark.parametrize("name", ["America/Gotham", "", "../../etc/passwd", "New York"])
def test_an_unknown_zone_is_refused(name: str) -> None:
    with pytest.raises(BadInput, match="time zone"):
        midnight_ns(date(2012, 6, 21), name)


def test_an_unknown_calendar_is_refused() -> None:
    with pytest.raises(BadInput, match="calendar 'moon': expected one of us-equities"):
        session(date(2012, 6, 21), "moon")
