"""Sessions and time zones: local wall clocks to int64 ns since the epoch, UTC, and back."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from tercet.errors import BadInput

NEW_YORK: Final = "America/New_York"
SECOND: Final = 1_000_000_000
HOURS: Final = {"us-equities": (NEW_YORK, time(9, 30), time(16, 0))}  # calendar: zone, open, close; half days are not in it
FIRST_YEAR, LAST_YEAR = 1970, 2200  # what int64 ns hold, with room
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Session:
    """Continuous trading on one day: from `open_ns` up to `close_ns`, ns since the epoch, UTC."""

    open_ns: int
    close_ns: int

    def __contains__(self, time_ns: int) -> bool:
        return self.open_ns <= time_ns < self.close_ns


def zone(name: str) -> ZoneInfo:
    """The time zone `name`; BadInput where there is none."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise BadInput(f"time zone {name!r}: expected a name such as {NEW_YORK}") from error


def midnight_ns(day: date, tz: str = NEW_YORK) -> int:
    """When `day` begins in the zone `tz`, in ns since the epoch, UTC."""
    return _at(day, time(0), tz)


def day_of(text: str) -> date:
    """The day that `text` names as YYYY-MM-DD; BadInput where it names none."""
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise BadInput(f"date was {text!r}; expected YYYY-MM-DD") from error


def session(day: date, calendar: str = "us-equities") -> Session:
    """The regular hours of `day`; BadInput for an unknown calendar."""
    if calendar not in HOURS:
        raise BadInput(f"calendar {calendar!r}: expected one of {', '.join(HOURS)}")
    tz, opens, closes = HOURS[calendar]
    return Session(_at(day, opens, tz), _at(day, closes, tz))


def trading_session(day: date) -> Session:
    """The regular hours of a day on which there is trading; BadInput for a Saturday or a Sunday. Holidays are not in it."""
    if day.weekday() >= 5:
        raise BadInput(f"date {day}: expected a day of trading, found a {day:%A}")
    return session(day)


def trading_hours(day: date, tz: str, first_ns: int, last_ns: int) -> Session:
    """The part of a recorded day's regular hours that its events cover; all that they cover where its zone has no calendar here."""
    if tz == NEW_YORK:
        regular = session(day)
        opens, closes = max(regular.open_ns, first_ns), min(regular.close_ns, last_ns)
        if opens < closes:
            return Session(opens, closes)
    return Session(first_ns, last_ns)


def clock(time_ns: int, tz: str = NEW_YORK) -> str:
    """The wall clock of `tz` at `time_ns`, as 09:30:00.004241176."""
    seconds, nanos = divmod(int(time_ns), SECOND)
    return f"{datetime.fromtimestamp(seconds, zone(tz)):%H:%M:%S}.{nanos:09d}"


def date_clock(time_ns: int, tz: str = NEW_YORK) -> str:
    """Date and wall clock of `tz` at `time_ns`, as 2012-06-21 09:30:00.004241176."""
    return f"{datetime.fromtimestamp(int(time_ns) // SECOND, zone(tz)):%Y-%m-%d} {clock(time_ns, tz)}"


def at_clock(day: date, text: str, tz: str = NEW_YORK) -> int:
    """When the wall clock of `tz` shows `text` (HH:MM, HH:MM:SS) on `day`, in ns since the epoch, UTC; BadInput where it never does."""
    try:
        wall = datetime.strptime(text, "%H:%M:%S" if text.count(":") == 2 else "%H:%M").time()
    except ValueError as error:
        raise BadInput(f"time of day was {text!r}; expected HH:MM or HH:MM:SS") from error
    return _at(day, wall, tz)


def _at(day: date, wall: time, tz: str) -> int:
    if not FIRST_YEAR <= day.year <= LAST_YEAR:
        raise BadInput(f"date {day}: expected a year from {FIRST_YEAR} to {LAST_YEAR}")
    since = datetime.combine(day, wall, zone(tz)).astimezone(UTC) - _EPOCH
    return (since.days * 86_400 + since.seconds) * SECOND
