"""Trained policies as files: whole or refused by a sentence, and in compiled code they do what the same network does outside of it."""

import hashlib
import json
import subprocess
import sys
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import numba
import numpy as np
import pytest
from modes import FLAGS, run_again
from numpy.typing import NDArray

from tercet.compiled import compiled
from tercet.envs.actions import actions_of
from tercet.envs.execution import EnvSettings, ExecutionMembers
from tercet.errors import BadInput
from tercet.execution.acting import OUTPUTS, tanh
from tercet.execution.learned import find_policy, outputs, policy_of
from tercet.execution.moves import SHARES, continuous, discrete, price_level
from tercet.execution.observation import USUAL, observe
from tercet.execution.policy import Policy
from tercet.execution.policyfile import FORMAT, HEADER, LAYOUT, MAGIC, NAMES, PolicyFile, network_from, read, table_from, write
from tercet.execution.view import VIEW
from tercet.intrinsics import array_at, floats_on_stack
from tercet.market.events import BUY, SELL

SMALL: dict[str, Any] = {"market": "crowd:zero", "bank": 2, "step": "3s", "horizon": ("1min",), "size": (0.3, 1.0)}
STEPS = 65  # an episode has 20
UNCOMPILED = bool(numba.config.DISABLE_JIT)
in_a_market = pytest.mark.skipif(UNCOMPILED, reason="a market takes minutes with uncompiled code")
SPACES = tuple(OUTPUTS)


def random_network(count: int, hidden: tuple[int, ...] = (24, 16), activation: Any = "relu", seed: int = 0) -> Any:
    """A network of random numbers, large enough that its choices vary."""
    rng, widths = np.random.default_rng(seed), (len(NAMES), *hidden, count)
    layers = [(rng.normal(0, 2 / np.sqrt(a), (a, b)), rng.normal(0, 0.3, b)) for a, b in pairwise(widths)]
    return network_from(activation, layers)


def random_table(count: int) -> Any:
    """A table that looks at three features and tells them apart."""
    edges = ((0.25, 0.5, 0.75), (0.2, 0.6), (-0.3, 0.0, 0.3))
    choices = np.random.default_rng(1).integers(0, count, (4, 3, 4))
    return table_from(("time", "inventory", "imbalance_1"), edges, choices)


def policy_file(actions: str = "discrete", **changes: Any) -> PolicyFile:
    """A policy file that can be used."""
    usual = dict.fromkeys(USUAL.names or (), 1.5)
    terms = {"name": "mine", "algo": "ppo", "actions": actions, "step_ns": 3_000_000_000, "usual": usual}
    if "table" not in changes:
        terms["network"] = random_network(OUTPUTS.get(actions, 2), seed=7)
    return PolicyFile(**terms | changes)


def some_observations(count: int = 40) -> NDArray[np.float32]:
    """Numbers of order one, some of them 0."""
    rows = np.random.default_rng(3).normal(size=(count, len(NAMES))).astype(np.float32)
    rows[rows < -1] = 0
    return rows


def numpy_outputs(network: Any, rows: NDArray[np.float32]) -> NDArray[np.float64]:
    """The slow obvious version."""
    values = rows.astype(np.float64)
    for place, (weights, bias) in enumerate(network.layers()):
        values = values @ weights + bias
        if place + 1 < len(network.shapes):
            values = np.tanh(values) if network.activation == "tanh" else np.maximum(values, 0)
    return values


# The file ------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("table", [False, True])
def test_what_is_written_is_read_again(table: bool, tmp_path: Path) -> None:
    said = {"lineage": {"seed": "7", "data": "crowd:zero"}, "card": [{"market": "crowd:zero", "parents": 400, "is_bps": 1.25}]}
    file = policy_file("price-level", masked=True, table=random_table(12), **said) if table else policy_file(**said)
    path = tmp_path / "deep" / "mine.tercet"
    write(path, file)
    write(path, file)
    assert read(path) == file
    assert [found.name for found in path.parent.iterdir()] == ["mine.tercet"]


def packed(file: Any) -> bytes:
    """A policy file's bytes with a right checksum, whatever it says."""
    payload = msgspec.msgpack.encode(file)
    return HEADER.pack(MAGIC, FORMAT, len(payload), hashlib.sha256(payload).digest()) + payload


def other_layout() -> tuple[str, ...]:
    """The VIEW's fields with one of another type."""
    return (*LAYOUT[:3], LAYOUT[3].replace("int64", "int32"), *LAYOUT[4:])


def altered(good: bytes) -> bytes:
    """The same length with another byte."""
    return good[:-1] + bytes([good[-1] ^ 1])


def with_deep_card() -> bytes:
    """A policy file whose card holds a list in a list in a list, five thousand times."""
    payload = msgspec.msgpack.encode(msgspec.structs.replace(policy_file(), card=[{"a": "deep"}]))
    payload = payload.replace(b"\xa4deep", b"\x91" * 5000 + b"\xc0")
    return HEADER.pack(MAGIC, FORMAT, len(payload), hashlib.sha256(payload).digest()) + payload


def huge_network(size: float) -> Any:
    """Three layers of weights of a size."""
    sizes = (len(NAMES), 24, 24, 16)
    return network_from("relu", [(np.full(shape, size), np.zeros(shape[1])) for shape in pairwise(sizes)])


BAD_BYTES = {
    "a card as deep as a well": (lambda good: with_deep_card(), ["found another"]),
    "another thing": (lambda good: b"PK" + good, ["expected a policy file", "begins with"]),
    "an empty file": (lambda good: b"", ["expected a policy file"]),
    "a head alone": (lambda good: good[:20], ["cut off after 20 bytes"]),
    "a truncated file": (lambda good: good[:-9], ["bytes", "truncated"]),
    "an altered file": (altered, ["checksum", "altered"]),
    "another format": (lambda good: good[:8] + b"\x63" + good[9:], ["format 1", "found format 99"]),
    "another payload": (lambda good: packed({"name": 3}), ["policy of format 1", "found another"]),
}
BAD_TERMS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "other features": ({"features": (*NAMES[:2], "luck", *NAMES[3:])}, ["feature 2 was 'luck'", f"expected {NAMES[2]!r}"]),
    "fewer features": ({"features": NAMES[:-1]}, [f"feature {len(NAMES) - 1} was 'missing'"]),
    "another view": ({"layout": other_layout()}, ["VIEW field 3 was", "int32", "int64"]),
    "no such moves": ({"actions": "jump"}, ["actions was 'jump'", "expected one of discrete, continuous, price-level"]),
    **{
        f"the name {name[:9]!r}": ({"name": name}, ["name was", "100 printable characters without brackets"])
        for name in ("", " ", "[/red]", "a\nb", "\x1b[2J", "x" * 101)
    },
    "no step": ({"step_ns": 0}, ["step_ns was 0"]),
    "other usual": ({"usual": {"spread": 1.0}}, ["usual named spread; expected spread depth"]),
    **{
        f"usual of {one}": ({"usual": dict.fromkeys(USUAL.names or (), one)}, ["expected positive numbers from 1e-09 to 1e+15"])
        for one in (1e-300, 1e300, float("nan"), -1.0)
    },
    "weights that overflow": ({"network": huge_network(1e30)}, ["weights allow outputs of", "1e+30 at most"]),
    "weights that overflow by far": ({"network": huge_network(3e38)}, ["weights allow outputs of"]),
    "usual of 0": ({"usual": dict.fromkeys(USUAL.names or (), 0.0)}, ["expected positive numbers"]),
    "neither": ({"network": None}, ["either a network or a table"]),
    "both": ({"table": random_table(16)}, ["either a network or a table"]),
    "another space's outputs": ({"network": random_network(12)}, ["expected 27 inputs", "16 outputs"]),
    "other inputs": ({"network": network_from("relu", [(np.ones((26, 16)), np.ones(16))])}, ["expected 27 inputs"]),
    "no chain": (
        {"network": network_from("relu", [(np.ones((27, 8)), np.ones(8)), (np.ones((9, 16)), np.ones(16))])},
        ["each layer's outputs the next one's inputs"],
    ),
    "too wide": ({"network": random_network(16, (513,))}, ["at most 512 wide"]),
    "few weights": ({"network": msgspec.structs.replace(random_network(16), weights=b"1234")}, ["weights were 4 bytes"]),
    "not finite": ({"network": network_from("relu", [(np.full((27, 16), np.nan), np.ones(16))])}, ["expected finite"]),
    "masked continuous": ({"actions": "continuous", "masked": True, "network": random_network(2)}, ["they have no masks"]),
}
BAD_TABLES: dict[str, tuple[Any, list[str]]] = {
    "an unknown feature": (table_from(("luck",), ((0.0,),), [1, 2]), ["looks at 'luck'"]),
    "edges of fewer": (table_from(("time", "open"), ((0.0,),), [1, 2]), ["2 features and edges of 1"]),
    "falling edges": (table_from(("time",), ((0.5, 0.1),), [1, 2, 3]), ["rising finite numbers"]),
    "few choices": (table_from(("time",), ((0.5,),), [1, 2, 3]), ["choices were 6 bytes; expected 4"]),
    "choices beyond": (table_from(("time",), ((0.5,),), [1, 16]), ["choices were 1 to 16; expected 0 to 15"]),
}


def refused(path: Path, content: bytes, sentence: list[str]) -> None:
    """Reading that file raises a sentence which names the file."""
    path.write_bytes(content)
    with pytest.raises(BadInput) as error:
        read(path)
    assert all(part in str(error.value) for part in [str(path), *sentence]), str(error.value)


@pytest.mark.parametrize("name", BAD_BYTES)
def test_a_file_that_is_no_whole_policy_is_refused_by_name(name: str, tmp_path: Path) -> None:
    change, sentence = BAD_BYTES[name]
    refused(tmp_path / "bad.tercet", change(packed(policy_file())), sentence)


@pytest.mark.parametrize("name", BAD_TERMS)
def test_a_policy_that_cannot_act_here_is_refused_by_name(name: str, tmp_path: Path) -> None:
    changes, sentence = BAD_TERMS[name]
    file = msgspec.structs.replace(policy_file(), **changes)
    refused(tmp_path / "bad.tercet", packed(file), sentence)
    with pytest.raises(BadInput):
        write(tmp_path / "never.tercet", file)
    with pytest.raises(BadInput):
        policy_of(file)
    assert not (tmp_path / "never.tercet").exists()


@pytest.mark.parametrize("name", BAD_TABLES)
def test_a_table_that_cannot_act_is_refused_by_name(name: str, tmp_path: Path) -> None:
    table, sentence = BAD_TABLES[name]
    refused(tmp_path / "bad.tercet", packed(policy_file(table=table)), sentence)


def test_a_policy_is_found_by_name_or_by_path(tmp_path: Path) -> None:
    path = tmp_path / "mine.tercet"
    write(path, policy_file())
    assert find_policy("twap").name == "twap"
    assert find_policy(str(path)).name == "mine"
    assert actions_of(str(path)).name == "mine"
    write(path, policy_file(name="twap"))
    for name, part in {
        "luck": "expected one of immediate twap",
        "no/such": "found: No such file",
        "luck.tercet": "No such file",
        str(path): "a shipped policy's",
    }.items():
        with pytest.raises(BadInput, match=part):
            find_policy(name)


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="could not be written"):
        write(tmp_path / "file" / "mine.tercet", policy_file())


# The numbers ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize("hidden", [(), (24, 16), (64, 64, 64), (512, 9, 512)], ids=str)
def test_compiled_outputs_are_those_of_numpy(hidden: tuple[int, ...], activation: str) -> None:
    file = policy_file(network=random_network(16, hidden, activation))
    rows, expected = some_observations(), numpy_outputs(file.network, some_observations())
    assert np.abs(outputs(file, rows) - expected).max() < 2e-5 * max(1, np.abs(expected).max())
    assert outputs(file, rows[:0]).shape == (0, 16)
    assert outputs(file, rows).tobytes() == outputs(file, rows).tobytes()


def test_tanh_is_tanh() -> None:
    x = np.concatenate([np.linspace(-12, 12, 20_001), [0.0, 1e-30, -1e30, 1e30]]).astype(np.float32)
    assert max(abs(tanh(value) - np.tanh(float(value))) for value in x[:: 100 if UNCOMPILED else 1]) < 3e-7


def test_outputs_are_refused_for_a_table_and_for_another_shape() -> None:
    with pytest.raises(BadInput, match="expected a network"):
        outputs(policy_file(table=random_table(16)), some_observations())
    with pytest.raises(BadInput, match=r"expected \(batch, 27\)"):
        outputs(policy_file(), np.zeros((3, 26)))


def test_a_file_read_twice_has_one_set_of_weights(tmp_path: Path) -> None:
    write(tmp_path / "mine.tercet", policy_file())
    one, other = (policy_of(read(tmp_path / "mine.tercet")) for _ in range(2))
    assert one == other
    assert one.settings != policy_of(policy_file(network=random_network(16, seed=9))).settings


@compiled
def weigh(address, count):
    """The sum of the numbers there, each put on the stack and doubled."""
    here, there = floats_on_stack(8), array_at(address, count, np.float32)
    total = 0.0
    for i in range(len(there)):
        here[i] = 2.0 * there[i]
        total += here[i]
    return total


def test_an_array_at_an_address_is_what_stands_there() -> None:
    numbers = np.arange(5, dtype=np.float32)
    assert weigh(numbers.ctypes.data, 5) == 20.0
    assert weigh(numbers.ctypes.data, 0) == 0.0


# Acting --------------------------------------------------------------------------------------------------------------------------


def some_view(side: int) -> Any:
    """A VIEW of a parent half an hour long, a third of it filled, in an ordinary book."""
    view = np.zeros(1, VIEW).view(np.recarray)[0]
    view.end, view.now, view.step, view.elapsed = 1800 * 10**9, 600 * 10**9, 3 * 10**9, 1 / 3
    view.side, view.lots, view.filled = side, 900, 300
    view.bid, view.ask, view.mid, view.microprice, view.arrival_mid = 10_000, 10_004, 10_002.0, 10_002.5, 10_001.0
    view.depth[:], view.ticks[0], view.ticks[1] = 40, np.arange(10_000, 9_995, -1), np.arange(10_004, 10_009)
    view.volume, view.volatility_short, view.volatility_long, view.most = 30.0, 0.5, 0.6, 1.0
    return view


@pytest.mark.parametrize("side", [BUY, SELL])
@pytest.mark.parametrize("actions", SPACES)
def test_one_decision_is_that_of_an_agent_who_sees_the_features(actions: str, side: int) -> None:
    file, view, move = policy_file(actions), some_view(side), {"discrete": discrete, "continuous": continuous, "price-level": price_level}
    acting, agent = policy_of(file), Policy("agent", move[actions], SHARES)
    pad, other = acting.new_pad(), agent.new_pad()
    usual, features = np.array([(1.5,) * 6], USUAL).view(np.recarray)[0], np.zeros(len(NAMES), np.float32)
    for filled_before in (0, 300):
        observe(view, usual, filled_before, features)
        found = outputs(file, features[None])[0]
        other.action[:] = np.clip(found, -1, 1) if actions == "continuous" else (np.argmax(found), 0)
        count = acting.decide(view, pad)
        assert count == agent.decide(view, other)
        assert pad.children[:count].tobytes() == other.children[:count].tobytes()
        assert pad.memory[0] == 300


@cache
def usual() -> dict[str, float]:
    """What is usual where the members below are."""
    found = ExecutionMembers(EnvSettings(**SMALL), 1).bank.usual
    return {name: float(found[name]) for name in USUAL.names or ()}


def chosen_by(file: PolicyFile, members: ExecutionMembers) -> NDArray[Any]:
    """What the file says from the observations and masks that an environment shows, in numpy."""
    rows, masks = members.observations, members.masks
    if file.table is not None:
        columns = [NAMES.index(name) for name in file.table.features]
        bins = [np.searchsorted(edges, rows[:, column], side="right") for edges, column in zip(file.table.edges, columns, strict=True)]
        choices = file.table.array()[tuple(bins)].astype(np.int64)
        always = 0 if file.actions == "discrete" else OUTPUTS[file.actions] - 1
        return np.where(masks[np.arange(len(rows)), choices] | (not file.masked), choices, always)
    found = outputs(file, rows)
    if file.actions == "continuous":
        return np.clip(found, -1.0, 1.0)
    return np.argmax(np.where(masks | (not file.masked), found, -np.inf), axis=1)


def worked(members: ExecutionMembers, file: PolicyFile | None = None) -> tuple[list[bytes], list[Any]]:
    """What some steps of all members bring, as bytes, and the actions taken."""
    members.begin(np.arange(members.count))
    seen, taken = [], []
    for _ in range(STEPS):
        actions = np.zeros(members.count, np.int64) if file is None else chosen_by(file, members)
        taken.append(actions)
        members.step(actions)
        ended = members.final_observations[members.terminated]
        seen += [part.tobytes() for part in (members.observations, members.rewards, members.terminated, ended)]
    return seen, taken


def compare(file: PolicyFile, count: int = 4, threads: int = 1, **settings: Any) -> None:
    """The policy working parents itself brings the same episodes as its choices made outside."""
    terms = SMALL | {"threads": threads} | settings
    inside, _ = worked(ExecutionMembers(EnvSettings(actions=policy_of(file), **terms), count))
    outside, taken = worked(ExecutionMembers(EnvSettings(actions=file.actions, **terms), count), file)
    assert inside == outside
    assert len(np.unique(taken)) > 3


@in_a_market
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("actions", SPACES)
def test_a_network_acts_as_its_outputs_say_bit_for_bit(actions: str, masked: bool) -> None:
    if masked and actions == "continuous":
        pytest.skip("continuous actions have no masks")
    compare(policy_file(actions, masked=masked, usual=usual()))


@in_a_market
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("actions", ["discrete", "price-level"])
def test_a_table_acts_as_it_says_bit_for_bit(actions: str, masked: bool) -> None:
    compare(policy_file(actions, masked=masked, usual=usual(), table=random_table(OUTPUTS[actions])))


@in_a_market
def test_a_network_acts_the_same_on_two_threads() -> None:
    compare(policy_file(masked=True, usual=usual(), network=random_network(16, (64, 64), "tanh")), count=34, threads=2)


@in_a_market
def test_equal_outputs_choose_the_lowest_open_action() -> None:
    flat = network_from("relu", [(np.zeros((27, 16)), np.zeros(16))])
    inside, _ = worked(ExecutionMembers(EnvSettings(actions=policy_of(policy_file(usual=usual(), network=flat)), **SMALL), 2))
    outside, _ = worked(ExecutionMembers(EnvSettings(actions="nothing", **SMALL), 2))
    assert inside == outside


@in_a_market
def test_a_policy_may_be_called_as_an_action_space_is() -> None:
    members = ExecutionMembers(EnvSettings(actions=policy_of(policy_file(name="discrete", usual=usual())), **SMALL), 2)
    worked(members)
    assert members.masks.shape == (2, 1)
    assert members.masks.all()


@in_a_market
def test_a_snapshot_goes_back_to_the_policy_of_this_process() -> None:
    members = ExecutionMembers(EnvSettings(actions=policy_of(policy_file(usual=usual())), **SMALL), 2)
    members.begin(np.arange(2))
    kept = members.snapshot()
    first, _ = worked(members)
    members.members.pad.settings[:] = 0  # as another process's address would be
    stale = members.snapshot()
    members.restore(stale)
    members.restore(kept)
    assert worked(members)[0] == first
    members.restore(stale)
    members.step(np.zeros(2))


@in_a_market
def test_a_backtest_takes_a_policy_file(tmp_path: Path) -> None:
    write(tmp_path / "mine.tercet", policy_file(masked=True))
    words = ["backtest", "--policies", "twap,mine.tercet", "--market", "crowd:zero", "--parents", "4", "--horizon", "1min", "--step", "2s"]
    command = [sys.executable, "-c", "from tercet.cli.app import main; main()", *words, "--json", "out.json"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    said = json.loads((tmp_path / "out.json").read_text())
    assert [row["policy"] for row in said["policies"]] == ["twap", "mine"]
    assert any("mine: was trained to decide every 3 s and decides every 2 s here" in warning for warning in said["warnings"])


@pytest.mark.slow
@pytest.mark.parametrize("flag", FLAGS)
def test_learned_policies_once_more(flag: str) -> None:
    run_again(flag, "test_learned.py")
