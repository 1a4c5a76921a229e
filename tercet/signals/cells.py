"""Texts become numbers: percent signs, thousands, decimal commas and holes are read where they can be read in one way only."""

from typing import Final

import polars as pl

from tercet.signals.files import Column

HOLES: Final = ("", "null", "na", "n/a", "nan", "none", "nil", "-", "--", "\u2013", "\u2014", ".", "#n/a", "#na", "<na>", "nat", "missing")
GROUPED: Final = r"^[-+]?[1-9]\d{0,2}(,\d{3})+(\.\d*)?$"  # 10,026.75
COMMA: Final = r"^[-+]?(\d{1,3}(\.\d{3})+|\d*),\d+$"  # 10.026,75
DOTTED: Final = r"^[-+]?\d{1,3}(\.\d{3})+$"  # 10.026, which is 10026 where others have decimal commas
SIZES: Final = {"K": 1e3, "M": 1e6, "B": 1e9, "T": 1e12}
NUMERIC: Final = r"^[-+(]?[$\u20ac\u00a3]?[\d.,]*\d[\d.,]*([eE][-+]?\d+)?\)? ?[%KMB]?$"
MOSTLY: Final = 0.9  # share of cells that are numbers from which on the others are mistakes
WHOLE: Final = r"^-?(0|[1-9]\d{0,17})$"


def holes(texts: pl.Series) -> pl.Series:
    """The texts without blanks around them, null where one says that there is nothing."""
    bare = texts.str.strip_chars(" \t\u00a0\u202f\"'")
    return pl.select(pl.when(~pl.lit(bare.str.to_lowercase().is_in(list(HOLES)))).then(pl.lit(bare))).to_series().alias(texts.name)


def numbers(column: Column) -> pl.Series:
    """A column as float64, NaN as null; BadInput names the row whose cell is no number."""
    kind = column.values.dtype
    if not (kind == pl.String or kind.is_numeric() or kind == pl.Null):
        raise column.refuse(f"the column holds {kind}; expected numbers")
    found = (_of_texts(column) if kind == pl.String else column.values.cast(pl.Float64)).fill_nan(None)
    if (endless := found.is_infinite()).any():
        raise column.refuse_row(endless, "expected a number, found {found}, which is infinite")
    return found


def _of_texts(column: Column) -> pl.Series:
    texts = holes(column.values)
    found = texts.cast(pl.Float64, strict=False)
    return found if found.null_count() == texts.null_count() else _as_written(column.holding(texts))


def inferred(column: Column) -> pl.Series:
    """A column of a text file as what most of its cells are: whole numbers, numbers, or texts as they stand."""
    if column.values.dtype != pl.String:
        return column.values
    texts = holes(column.values)
    there = texts.drop_nulls()
    if not len(there):
        return texts.cast(pl.Float64, strict=False)
    if there.str.contains("^(?i)(true|false)$").all():
        return texts.str.to_lowercase() == "true"
    if there.str.contains(NUMERIC).sum() < MOSTLY * len(there):
        return column.values
    return texts.cast(pl.Int64) if there.str.contains(WHOLE).all() else numbers(column)


def keys_of(column: pl.Series) -> pl.Series:
    """A column of names: whole numbers where all are, else texts; a stock may be called NA."""
    if column.dtype != pl.String:
        return column
    bare = column.str.strip_chars()
    there = bare.drop_nulls()
    return bare.cast(pl.Int64) if len(there) and there.str.contains(WHOLE).all() else bare


def _as_written(column: Column) -> pl.Series:
    """Numbers as people write them."""
    texts = column.values
    bare = texts.str.replace_all("\u2212", "-", literal=True).str.replace_all(r"[$\u20ac\u00a3\u00a5]", "")
    bare = bare.str.replace(r"^\((.*)\)$", "-$1").str.replace_all(r"(\d)[ \u00a0\u202f'\u2019](\d{3})", "$1$2")
    percent = bare.str.ends_with("%").fill_null(False)
    if percent.any():
        if (without := ~percent & bare.is_not_null()).any():
            raise column.refuse_row(without, "{found} has no percent sign, as others have; expected one way of writing")
        bare = bare.str.strip_suffix("%").str.strip_chars()
    bare = _without_commas(column.holding(bare))
    size = bare.str.extract(r"^[-+]?[\d.]+ ?([KMBTkmbt])$").str.to_uppercase()
    scale = size.replace_strict(SIZES, default=1.0, return_dtype=pl.Float64)
    found = bare.str.strip_chars_end("KMBTkmbt ").cast(pl.Float64, strict=False) * scale
    if (wrong := found.is_null() & texts.is_not_null()).any():
        raise column.refuse_row(wrong, "expected a number, found {found}")
    return found


def _without_commas(column: Column) -> pl.Series:
    """Numbers whose commas are thousands or decimals, whichever all of them can be."""
    texts = column.values
    where = texts.str.contains(",", literal=True).fill_null(False)
    commas = texts.filter(where)
    if not len(commas):
        return texts
    grouped, decimal = bool(commas.str.contains(GROUPED).all()), bool(commas.str.contains(COMMA).all())
    points = (texts.str.contains(".", literal=True) & ~texts.str.contains(DOTTED) & ~where).fill_null(False)
    decimal = decimal and not points.any()
    if grouped and decimal:
        raise column.refuse_row(where, "{found} is a thousand or a decimal as one reads it; expected numbers without commas")
    if grouped:
        return texts.str.replace_all(",", "", literal=True)
    if decimal:
        return texts.str.replace_all(".", "", literal=True).str.replace(",", ".", literal=True)
    raise column.refuse_row(where, "expected a number, found {found}")
