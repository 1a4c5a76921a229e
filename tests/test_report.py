"""The page of a backtest: it says what the result says, needs no network, and is there whole or not at all."""

import dataclasses
import json
import math
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytest
from plotly.offline import get_plotlyjs

from tercet.backtest.compare import summary
from tercet.backtest.markets import market
from tercet.backtest.parents import SECOND, plan
from tercet.backtest.runner import Result, Settings, run
from tercet.errors import BadInput
from tercet.execution.schedules import by_name
from tercet.report.backtest import write
from tercet.report.figures import spread_of
from tercet.report.groups import quartiles
from tercet.report.page import DASH, interval, number, percent, safe
from tercet.report.parent import works
from tercet.report.words import duration, latency

POLICIES = ("twap", "immediate", "passive-then-cross")
NASTY = "crowd:</script><script src=\"https://evil.example/x.js\"></script><b onload='x'>"


@pytest.fixture(scope="module")
def result() -> Result:
    if numba.config.DISABLE_JIT:
        pytest.skip("policies are handed to markets as compiled pointers")
    crowd = market("crowd:default")
    return run(crowd, plan(crowd, 8, "600", 30 * SECOND, "both", 0), [by_name(name) for name in POLICIES], Settings(threads=1))


@pytest.fixture(scope="module")
def text(result: Result, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("report") / "made" / "page.html"
    write(path, result, summary(result), "tercet backtest --size '600 & <more>'")
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    return path.read_text(encoding="utf-8")


class Seen(HTMLParser):
    """The text that people see and what a browser would load; what stands inside scripts and styles is neither."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.inside, self.words, self.loads, self.tags = "", "", list[str](), list[str]()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.inside = tag
        self.tags.append(tag)
        self.loads += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "data", "action", "poster")]

    def handle_endtag(self, tag: str) -> None:
        self.inside = ""

    def handle_data(self, data: str) -> None:
        if self.inside not in ("script", "style"):
            self.words += data


def figures(text: str) -> list[dict[str, Any]]:
    """What the page hands to Plotly."""
    found = re.search(r'<script type="application/json" id="figures">(.*?)</script>', text, re.DOTALL)
    assert found
    drawn: list[dict[str, Any]] = json.loads(found[1])
    return drawn


def test_the_page_holds_every_policy_and_every_figure_of_the_tables(result: Result, text: str) -> None:
    words, said = Seen(text).words, summary(result)
    for row in said["policies"]:
        shown = [number(row[key]) for key in row if key.endswith("_bps")] + [interval(row["is_low"], row["is_high"])]
        shown += [percent(row[key]) for key in ("completion", "passive_share", "unfilled_share", "participation")]
        assert [value for value in [row["policy"], *shown] if value not in words] == []
    for row in said["paired"]:
        shown = [number(row["difference_bps"], 3), interval(row["low"], row["high"], 3), row["verdict"]]
        assert [value for value in [row["policy"], *shown] if value not in words] == []
    for fact in (said["market"], said["caveat"][1:], said["volume_curve"], f"{said['n_blocks']} blocks", "600 & <more>"):
        assert fact in words


def test_the_page_loads_nothing_and_embeds_plotly_once(text: str) -> None:
    seen = Seen(text)
    assert seen.loads == []
    assert not {"link", "img", "iframe", "base", "object"} & set(seen.tags)
    assert text.count(get_plotlyjs()) == 1
    own = text.replace(get_plotlyjs(), "")
    assert "Content-Security-Policy" in own
    assert not re.search(r"https?://|@import|url\(", own)


def test_what_comes_from_outside_is_escaped(result: Result, tmp_path: Path) -> None:
    named = dataclasses.replace(result, market=dataclasses.replace(result.market, name=NASTY), warnings=(NASTY,))
    named = dataclasses.replace(named, policies=("twap", "<img src=x>", "passive-then-cross"))
    write(tmp_path / "page.html", named, summary(named), NASTY)
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "evil.example" in text
    assert '<script src="https://evil' not in text
    assert Seen(text).loads == []
    assert "<img" not in text.replace(get_plotlyjs(), "")
    assert Seen(text).words.count(NASTY) == 3  # title, heading, command
    assert Seen(text).words.count(NASTY[1:]) == 4  # and the warning, which begins with a capital


def test_a_page_that_cannot_be_written_says_so_and_leaves_nothing(result: Result, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("here")
    with pytest.raises(BadInput, match=r"page\.html"):
        write(tmp_path / "file" / "page.html", result, summary(result))
    (tmp_path / "folder").mkdir()
    with pytest.raises(BadInput, match="folder"):
        write(tmp_path / "folder", result, summary(result))
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "folder"]


def test_the_same_result_makes_the_same_page(result: Result, text: str, tmp_path: Path) -> None:
    write(tmp_path / "page.html", result, summary(result), "tercet backtest --size '600 & <more>'")
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == text


def test_every_figure_names_colours_that_the_page_has(text: str) -> None:
    drawn = figures(text)
    assert len(drawn) == 2 + 1 + len(POLICIES) + 3
    used = set(re.findall(r'"(--[a-z0-9]+)"', json.dumps(drawn)))
    assert used
    assert [name for name in used if f"{name}:" not in text] == []


def test_a_parent_is_drawn_as_the_backtest_worked_it(result: Result) -> None:
    for place in (0, 5):
        done = works(result, [by_name(name) for name in POLICIES], place)
        assert set(done) == set(POLICIES)
        for number_of, name in enumerate(POLICIES):
            assert len(done[name].fills) == result.costs["fills"][number_of, place]
            assert done[name].fills["lots"].sum() == result.plan.parents[place].lots
        assert done["passive-then-cross"].rested
        assert not done["twap"].rested


def test_a_policy_that_costs_something_else_than_in_the_result_is_not_drawn(result: Result) -> None:
    other = dataclasses.replace(by_name("immediate"), name="twap")
    assert works(result, [other], 0) == {}


def test_one_block_has_no_interval_and_is_written_all_the_same(result: Result, tmp_path: Path) -> None:
    one = dataclasses.replace(result, plan=dataclasses.replace(result.plan, blocks=np.zeros(8, np.int64)))
    write(tmp_path / "page.html", one, summary(one))
    assert "there is no interval" in Seen((tmp_path / "page.html").read_text(encoding="utf-8")).words


def test_a_single_parent_of_one_policy_makes_a_page(result: Result, tmp_path: Path) -> None:
    alone = plan(result.market, 1, "100", 30 * SECOND, "buy", 0)
    done = run(result.market, alone, [by_name("passive")], Settings(threads=1))
    write(tmp_path / "page.html", done, summary(done))
    words = Seen((tmp_path / "page.html").read_text(encoding="utf-8")).words
    assert "Backtest of 1 policy on crowd:default" in words
    assert "nothing is compared" in words
    assert not alone.both_sides


def test_both_sides_of_a_start_stay_in_one_group(result: Result) -> None:
    assert result.plan.both_sides
    groups = quartiles(result, np.array([1.0, 3.0, 2.0, 2.5, 7.0, 6.0, 9.0, 9.5]), number)
    assert [group.parents for group in groups] == [2, 2, 2, 2]
    assert len(quartiles(result, np.ones(8), number)) == 1


def test_what_lies_outside_the_view_is_counted() -> None:
    values = np.zeros((1, 4000))
    values[0, :2] = -1000.0
    figure, said = spread_of(["passive"], values)
    assert said == "2 of 4,000 values lie outside the view."
    assert len(figure["data"][0]["x"]) == 1000


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (number(-1234.567), "−1,234.57"),
        (number(-0.001), "0.00"),
        (number(math.inf), DASH),
        (number(None), DASH),
        (percent(0.125), "12.5%"),
        (percent(0.0002), "0.02%"),
        (percent(0.0), "0.0%"),
        (interval(-math.inf, math.inf), DASH),
        (interval(-0.5, 1.0), "−0.50 to 1.00"),
        (safe("<a href='x'>"), "&lt;a href=&#x27;x&#x27;&gt;"),
        (duration(300 * SECOND), "5 min"),
        (duration(90 * SECOND), "1.5 min"),
        (duration(500_000), "500 µs"),
        (duration(7), "7 ns"),
        (latency((500_000,)), "0.5 ms"),
        (latency((400_000, 600_000)), "0.5 ms (0.4 ms to 0.6 ms, drawn from 2)"),
    ],
)
def test_numbers_and_times_read_as_people_write_them(shown: str, expected: str) -> None:
    assert shown == expected
