"""Ways in which files break: bytes, tokens, rows and values, each drawn from a generator, so that a seed names a broken file."""

import io
import json
import random
import re
from collections.abc import Callable
from typing import Any

import numpy as np

NUMBERS = ["0", "-1", "1", "127", "255", "-2147483649", "4294967296", "9223372036854775807", "9223372036854775808", "-9223372036854775809"]
NUMBERS += [
    "1e308",
    "-1e308",
    "1e400",
    "nan",
    "inf",
    "-inf",
    "1e-320",
    "0.1",
    "1,234",
    "1.23%",
    "null",
    "",
    "--",
    "0x10",
    "\uff11",
    "1" * 400,
]
VALUES: list[Any] = [None, True, -1, 0, 2**31, 2**63, -(2**63) - 1, 10**40, 0.5, 1e308]
VALUES += ["", "x", "nan", "\x00", "\ud7ff", [], [1], [[]], {}, {"x": 1}]
JUNK = [b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", "−".encode(), b"\r\n", b'"', b"'", b",", b";"]
JUNK += [b"\t", b"[", b"}", b"\x1a", b"%s", b"../", b"\n\n"]
NUMBER = re.compile(rb"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")

Mutate = Callable[[bytes, random.Random], bytes]


def break_bytes(data: bytes, rng: random.Random) -> bytes:
    """One to four bytes changed, a piece cut, repeated, moved or filled, junk put in, or the end lost."""
    content = bytearray(data)
    a, b = sorted(rng.randrange(len(content) + 1) for _ in range(2))
    b = min(b, a + rng.choice([1, 8, 64, 4096]))
    kind = rng.randrange(7)
    if kind <= 1 and content:
        for _ in range(rng.randint(1, 4)):
            content[rng.randrange(len(content))] = rng.choice([0, 1, 127, 128, 255, rng.randrange(256)])
    elif kind == 2:
        del content[a:b]
    elif kind == 3:
        content[a:a] = content[a:b]
    elif kind == 4:
        content[a:a] = rng.choice(JUNK)
    elif kind == 5:
        content[a:b] = bytes([rng.choice([0, 255])]) * (b - a)
    else:
        del content[a:]
    return bytes(content)


def break_numbers(data: bytes, rng: random.Random) -> bytes:
    """One or two of the numbers in a text replaced by odd ones."""
    for _ in range(rng.randint(1, 2)):
        places = list(NUMBER.finditer(data))
        if places:
            place = rng.choice(places)
            data = data[: place.start()] + rng.choice(NUMBERS).encode() + data[place.end() :]
    return data


def break_rows(data: bytes, rng: random.Random) -> bytes:
    """A row lost, given twice, moved, emptied or cut; a cell more or less; another separator, line end or encoding; no header."""
    rows = data.split(b"\n")
    at, other = rng.randrange(len(rows)), rng.randrange(len(rows))
    cells = rows[at].split(b",")
    cell = rng.randrange(len(cells))
    changes: list[Callable[[], bytes]] = [
        lambda: b"\n".join(rows[:at] + rows[at + 1 :]),
        lambda: b"\n".join([*rows[:at], rows[at], *rows[at:]]),
        lambda: b"\n".join([*rows[:at], rows[other], *rows[at + 1 :]]),
        lambda: b"\n".join([*rows[:at], b"", *rows[at:]]),
        lambda: b"\n".join([*rows[:at], b",".join(cells[:cell] + cells[cell + 1 :]), *rows[at + 1 :]]),
        lambda: b"\n".join([*rows[:at], b",".join([*cells, b"1"]), *rows[at + 1 :]]),
        lambda: b"\n".join([*rows[:at], b",".join([*cells[:cell], rng.choice(NUMBERS).encode(), *cells[cell + 1 :]]), *rows[at + 1 :]]),
        lambda: data.replace(b",", rng.choice([b";", b"\t", b" ", b"|"])),
        lambda: data.replace(b"\n", rng.choice([b"\r\n", b"\r", b"\n\n"])),
        lambda: b"\n".join(rows[1:]),
        lambda: b"\n".join(rows[:1]),
        lambda: b"\n".join(str(i).encode() + b"," + row for i, row in enumerate(rows)),
        lambda: data.decode("utf-8", "replace").encode(rng.choice(["utf-16", "utf-8-sig", "utf-32"])),
        lambda: b"",
    ]
    return rng.choice(changes)()


def break_values(data: bytes, rng: random.Random) -> bytes:
    """One value in lines of JSON replaced by another type, left out, renamed, or given a neighbour that nobody knows."""
    lines = data.splitlines() if data.count(b"\n{") else [data]
    at = rng.randrange(len(lines))
    try:
        tree = json.loads(lines[at])
    except ValueError:
        return break_bytes(data, rng)
    lines[at] = json.dumps(_changed(tree, rng)).encode("utf-8", "replace")
    return b"\n".join(lines)


def _changed(tree: Any, rng: random.Random) -> Any:
    places: list[tuple[Any, Any]] = []

    def walk(node: Any) -> None:
        for key in node if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ():
            places.append((node, key))
            walk(node[key])

    walk(tree)
    if not places:
        return rng.choice(VALUES)
    node, key = rng.choice(places)
    kind = rng.randrange(6)
    if kind == 0 and isinstance(node, dict):
        del node[key]
    elif kind == 1 and isinstance(node, dict):
        node[f"{key}x"] = node.pop(key)
    elif kind == 2 and isinstance(node, dict):
        node["unheard_of"] = rng.choice(VALUES)
    else:
        node[key] = rng.choice(VALUES)
    return tree


def break_arrays(data: bytes, rng: random.Random) -> bytes:
    """One array of an .npz with odd numbers in it, of another shape or type, or gone."""
    with np.load(io.BytesIO(data)) as file:
        arrays = {name: file[name] for name in file.files}
    name = rng.choice(sorted(arrays))
    whole = arrays[name]
    kind = rng.randrange(7)
    if kind == 0:
        del arrays[name]
    elif kind == 1:
        arrays[name] = whole[: len(whole) // 2] if whole.ndim else whole.reshape(1)
    elif kind == 2:
        arrays[name] = whole.astype(rng.choice(["f2", "i1", "u8", "c16", "U3", "?"]))
    elif kind == 3:
        arrays[name] = whole.reshape(-1)[None]
    elif whole.size:
        flat = whole.reshape(-1).copy()
        odd = [0, -1, 1, 2**31 - 1, -(2**31)] if whole.dtype.kind in "iu" else [np.nan, np.inf, 0, -1, 1e300]
        if whole.dtype.kind in "iuf":
            with np.errstate(all="ignore"):
                flat[rng.randrange(len(flat))] = np.array(rng.choice(odd)).astype(whole.dtype)
        arrays[name] = flat.reshape(whole.shape)
    out = io.BytesIO()
    np.savez(out, **arrays)
    return out.getvalue()


TEXT: tuple[Mutate, ...] = (break_bytes, break_numbers, break_rows)
JSON_TEXT: tuple[Mutate, ...] = (break_values, break_values, break_numbers, break_bytes)
BINARY: tuple[Mutate, ...] = (break_bytes,)
