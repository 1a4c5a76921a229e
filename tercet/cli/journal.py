"""`tercet journal`: what was meant, sent and heard, and whether anybody has changed it since."""

import dataclasses
import io
import json
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from tercet.cli.output import console, say_json
from tercet.errors import BadInput

Where = Annotated[str, typer.Argument(metavar="JOURNAL", help="The file of a journal, or postgresql://...")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")]


def register(app: typer.Typer) -> None:
    """Add these commands."""
    family = typer.Typer(help="Look into the durable journal of orders.", no_args_is_help=True)
    for command in (verify, show, export):
        family.command()(command)
    app.add_typer(family, name="journal")


def verify(
    where: Where,
    head: Annotated[
        str | None, typer.Option("--head", metavar="HASH", help="A head that was kept elsewhere: some row must have it.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Walk the hash chain: name the first row that was changed, removed or inserted, and exit with 1 there.

    Rows cut from the end leave a whole chain. Keep the head that this command prints somewhere else, and give it back as --head: only
    that shows such a cut to somebody who trusts nothing on this disk. Without it, JOURNAL.head has to be there.
    """
    from tercet.orders.journal import verify as walk_chain

    verdict = walk_chain(where, head)
    if as_json:
        say_json(dataclasses.asdict(verdict))
    else:
        console.print(f"{where}: {verdict.rows:,} rows fit", highlight=False)
        if verdict.rows:
            console.print(f"  from {_utc(verdict.first)} to {_utc(verdict.last)}", highlight=False)
        console.print(f"  head {verdict.head}", highlight=False, soft_wrap=True)
        if verdict.fault:
            console.print(f"[bold red]{verdict.fault}[/]", highlight=False, soft_wrap=True)
    if verdict.fault:
        raise typer.Exit(1)


def show(
    where: Where,
    kind: Annotated[str | None, typer.Option(help="Rows of this kind; `intent` is child, cancel and replace.")] = None,
    order: Annotated[str | None, typer.Option(metavar="ID", help="Rows about this order.")] = None,
    symbol: Annotated[str | None, typer.Option(help="Rows about orders in this symbol.")] = None,
    last: Annotated[int | None, typer.Option(metavar="N", min=1, help="The last N of them.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a line of JSON a row on stdout.")] = False,
) -> None:
    """Print rows as they are stored, unchecked: `verify` checks them."""
    rows: Iterable[dict[str, Any]] = _selected(where, kind, order, symbol, checked=False)
    for row in rows if last is None else deque(rows, min(last, sys.maxsize)):
        if as_json:
            typer.echo(_line(row))
        else:
            said = ", ".join(f"{name} {value}" for name, value in row["message"].items() if value not in (None, ""))
            typer.echo(f"{row['seq']:>8}  {_utc(row['time'])}  {row['kind']:<8}{said}")


def export(
    where: Where,
    out: Annotated[Path, typer.Argument(metavar="FILE", help="FILE.jsonl, FILE.csv or FILE.parquet.")],
    kind: Annotated[str | None, typer.Option(help="Rows of this kind; `intent` is child, cancel and replace.")] = None,
) -> None:
    """Write the rows, checked against the chain, to a file: whole or not at all."""
    import polars as pl

    from tercet.report.files import write_whole

    if out.suffix not in (".jsonl", ".csv", ".parquet"):
        raise BadInput(f"{out}: expected a name that ends in .jsonl, .csv or .parquet")
    rows = list(_selected(where, kind, None, None, checked=True))
    if out.suffix == ".jsonl":
        write_whole(out, "".join(_line(row) + "\n" for row in rows))
    else:
        columns = {"seq": pl.Int64, "time": pl.Int64, "kind": pl.String, "order": pl.String, "symbol": pl.String}
        columns |= {"message": pl.String, "hash": pl.String}
        table = pl.DataFrame([row | {"message": json.dumps(row["message"])} for row in rows], schema=columns)
        if out.suffix == ".csv":
            write_whole(out, table.write_csv())
        else:
            _write_parquet(out, table)
    console.print(f"{out}: {len(rows):,} rows", highlight=False, soft_wrap=True)


def _selected(where: str, kind: str | None, order: str | None, symbol: str | None, *, checked: bool) -> Iterator[dict[str, Any]]:
    """Rows as plain values; a row's symbol is that of its order where its message names none."""
    import msgspec

    from tercet.orders.chain import INTENTS, KINDS, decoded, walk
    from tercet.orders.journal import open_store

    if kind not in (None, "intent", *KINDS):
        raise BadInput(f"kind was {kind!r}; expected intent or one of {', '.join(KINDS)}")
    kinds = set(KINDS) if kind is None else set(INTENTS) if kind == "intent" else {kind}
    store = open_store(where)
    symbols: dict[str, str] = {}
    try:
        for row in walk(store.read(), store.seed, store.name) if checked else store.read():
            message = msgspec.to_builtins(decoded(row, store.name))
            message = message if isinstance(message, dict) else {"value": message}
            about = [message[name] for name in ("order", "id", "target", "replaces") if message.get(name)]
            its = message.get("symbol") or next((symbols[id_] for id_ in about if id_ in symbols), "")
            symbols |= dict.fromkeys((id_ for id_ in about if its and isinstance(id_, str)), its)
            if row[2] in kinds and order in (None, *about) and symbol in (None, its):
                named = {"order": about[0] if about else "", "symbol": its, "message": message, "hash": row[4].hex()}
                yield {"seq": row[0], "time": row[1], "kind": row[2]} | named
    finally:
        store.close()


def _utc(time: int) -> str:
    import numpy as np

    return f"{np.datetime64(time, 'ns')}Z"


def _line(row: dict[str, Any]) -> str:
    return json.dumps(row)


def _write_parquet(out: Path, table: Any) -> None:
    """Through a file beside it, so that nobody finds half of one."""
    beside = out.with_name(f".{out.name}.new")
    try:
        packed = io.BytesIO()
        table.write_parquet(packed)
        beside.write_bytes(packed.getvalue())
        beside.replace(out)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise BadInput(f"{out}: could not be written: {error.strerror or error}; expected a place with room and permission") from error
