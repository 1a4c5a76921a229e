"""Tables in a terminal: headline columns are whole at any width, what went is named, and a bad day is in the title."""

from collections.abc import Iterator

import pytest
from rich.text import Text

from tercet.cli.judging import shown
from tercet.cli.output import console
from tercet.cli.tables import fitted
from tercet.report.page import BAD_DAY, Page

NAMES = ("policy", "mean", "95% interval", "spare", "other", "verdict")
ROWS = (("twap", "1.23", "1.00 to 1.50", "99", "0.5", ""), ("passive-then-cross", "0.50", "0.30 to 0.75", "98", "0.25", "-0.73 better"))
POSTURE = {"model": "posture without volatility", "Sharpe": "0.712", "95%": "0.17 to 1.21", "drawdown": "13.2%", "volatility": "7.9"}
POSTURE |= {"earned": "5.6", "turnover": "2.1"}
POSTURE |= {f"less {other}{more}": "-0.28 to 0.23" for other in ("holding", "HMM", "target") for more in ("", ", 95%")}


@pytest.fixture(autouse=True)
def _wide_again() -> Iterator[None]:
    before = console.width
    yield
    console.width = before


def printed(width: int, table: object) -> str:
    """What a terminal of that width shows."""
    console.width = width
    with console.capture() as taken:
        console.print(table)
    text = taken.get()
    assert all(len(line) <= width for line in text.splitlines())
    return text


def drawn(width: int, bad: bool = False, title: str = "") -> str:
    """The table of ROWS at that width."""
    console.width = width
    return printed(width, fitted(NAMES, ROWS, title, spare=("spare", "other"), bad=bad))


def test_where_there_is_room_nothing_goes() -> None:
    text = drawn(120)
    assert all(name in text for name in NAMES)
    assert "without" not in text


@pytest.mark.parametrize(
    ("width", "gone", "kept"), [(68, [], ["spare", "other"]), (67, ["spare"], ["other"]), (60, ["spare", "other"], [])]
)
def test_spare_columns_go_in_their_order_and_only_as_many_as_must(width: int, gone: list[str], kept: list[str]) -> None:
    head, text = drawn(width).splitlines()[1], drawn(width)
    assert all(name in head for name in [*kept, "mean", "95% interval", "verdict"])
    assert not any(name in head for name in gone)
    assert (f"without {', '.join(gone)}: a wider terminal" in " ".join(text.split())) == bool(gone)


@pytest.mark.parametrize("width", [52, 46, 43, 40])
def test_then_words_break_and_numbers_never_do(width: int) -> None:
    text = drawn(width)
    for whole in ("mean", "1.23", "0.50", "verdict", "-0.73 better"):
        assert whole in text
    assert ("0.30 to 0.75" in text) or "95% interval" in text.split("without")[1]


@pytest.mark.parametrize("width", [80, 100, 60, 40])
def test_the_sharpe_ratio_of_a_posture_is_seen_whole(width: int) -> None:
    console.width = width
    text = printed(width, shown("A year, net of 1 bp a turn", [POSTURE]))
    assert "Sharpe" in text
    assert "0.712" in text


def test_markup_in_a_name_is_a_name() -> None:
    console.width = 80
    assert "[red]x[/red]" in printed(80, fitted(("policy", "mean"), [("[red]x[/red]", Text("1"))]))


def test_a_bad_day_is_in_the_title_of_a_table_and_of_all_that_a_page_holds() -> None:
    assert BAD_DAY in drawn(120, bad=True)
    assert f"{BAD_DAY} – costs" in " ".join(drawn(120, bad=True, title="costs").split())
    assert BAD_DAY not in drawn(120, title="costs")
    page, good = Page("Costs", bad=True), Page("Costs")
    for one in (page, good):
        one.add("<table><tr></tr></table>", "<table></table>", "&lt;table&gt;")
    assert page.html().count(f"<caption>{BAD_DAY}</caption>") == 2
    assert page.html().count(BAD_DAY) == 3
    assert BAD_DAY not in good.html()
