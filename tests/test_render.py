"""Pictures of an execution episode: they have the promised shape, go on with the episode, and show where our orders stand."""

import re

import numpy as np
import pytest

from tercet.envs.execution import EnvSettings, ExecutionMembers
from tercet.envs.render import FILL, HEIGHT, OWN, WIDTH, Trail, ansi, rgb_array
from tercet.errors import BadInput
from tercet.execution.view import VIEW
from tercet.market.events import BUY

SECOND = 1_000_000_000


def view(seconds: int, filled: int = 0, own_tick: int = 0, mid: int = 1000) -> np.record:
    """A VIEW of a buy of 1000 lots over 100 s, with a spread of two ticks and five levels a side."""
    seen = np.zeros(1, VIEW).view(np.recarray)[0]
    seen.now, seen.start, seen.end, seen.side = seconds * SECOND, 0, 100 * SECOND, BUY
    seen.lots, seen.filled, seen.bid, seen.ask = 1000, filled, mid - 1, mid + 1
    seen.ticks[0], seen.ticks[1] = mid - 1 - np.arange(5), mid + 1 + np.arange(5)
    seen.depth[:] = 300
    if own_tick:
        seen.own[0].slot, seen.own[0].tick, seen.own[0].lots = 7, own_tick, 200
        seen.open = 200
    return seen


def trail(*views: np.record) -> Trail:
    """The trail of those views."""
    made = Trail()
    made.begin(views[0])
    for one in views[1:]:
        made.step(one, False)
    return made


def painted(picture: np.ndarray, colour: tuple[int, int, int]) -> int:
    """How many pixels have that colour."""
    return int((picture == colour).all(axis=2).sum())


def test_a_picture_is_an_array_of_bytes_and_text_before_and_after_an_episode_begins() -> None:
    for made in (Trail(), trail(view(0)), trail(view(0), view(50, 500))):
        picture = rgb_array(made)
        assert picture.shape == (HEIGHT, WIDTH, 3)
        assert picture.dtype == np.uint8
        assert isinstance(ansi(made), str)


def test_the_picture_changes_as_the_episode_goes_on() -> None:
    first, second, third = (rgb_array(trail(*[view(10 * k, 100 * k, mid=1000 + k) for k in range(count)])) for count in (1, 3, 6))
    assert (first != second).any()
    assert (second != third).any()
    assert painted(first, FILL) == 0 < painted(second, FILL) < painted(third, FILL)


@pytest.mark.parametrize("tick", [999, 997, 985])
def test_an_order_of_ours_is_seen_in_the_picture_and_in_the_text(tick: int) -> None:
    with_us, without = trail(view(0, own_tick=tick)), trail(view(0))
    assert painted(rgb_array(with_us), OWN) > 20
    assert painted(rgb_array(without), OWN) == 0
    assert re.search(rf"300 @ {tick} \*200|200 @ {tick}$", ansi(with_us), re.MULTILINE)


def test_the_text_tells_time_inventory_touch_depth_and_fills() -> None:
    said = ansi(trail(view(0), view(10, 250), view(20, 400)))
    for part in ("20 of 100 s", "buy 1000: 600 left (60%)", "touch 999 / 1001", "300 @ 995", "300 @ 1005", "filled 400 in 2 steps"):
        assert part in said


def test_an_episode_that_ended_stays_in_sight_until_the_next_step_and_shows_all_filled() -> None:
    made = trail(view(0), view(95, 900))
    made.step(view(0, mid=2000), True)
    assert made.ended
    assert "0 left" in ansi(made)
    assert "999 / 1001" in ansi(made)
    made.step(view(5, mid=2001), False)
    assert not made.ended
    assert len(made.looks) == 2
    assert "2000 / 2002" in ansi(made)


def test_members_draw_their_episodes_only_where_they_were_made_to() -> None:
    settings = EnvSettings(market="crowd:zero", actions="passive", lots=2000, bank=2, step="5s", horizon=("1min",), threads=1)
    members = ExecutionMembers(settings, 1, rendered=True)
    members.begin(np.arange(1))
    before = members.render(0, "rgb_array")
    for _ in range(3):
        members.step(np.zeros(1, np.int64))
    after = members.render(0, "rgb_array")
    assert painted(before, OWN) == 0 < painted(after, OWN)
    assert "15 of 60 s" in members.render(0, "ansi")
    assert "*" in members.render(0, "ansi")
    while not members.terminated[0]:
        members.step(np.zeros(1, np.int64))
    assert "ended" in members.render(0, "ansi")
    with pytest.raises(BadInput, match="rendered"):
        ExecutionMembers(settings, 1, members.markets).render(0, "ansi")
    with pytest.raises(BadInput, match="human"):
        members.render(0, "human")
