"""The faces: what Gymnasium's and Stable-Baselines3's own checkers ask, and member i of a batch is the single environment bit for bit."""

import itertools
import subprocess
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.wrappers import NormalizeObservation
from gymnasium.wrappers.vector import NormalizeReward, RecordEpisodeStatistics, RescaleAction
from numpy.typing import NDArray

from tercet.backtest.markets import crowd_market, market
from tercet.bench.made import DATE, MADE, made_day, write_lobster
from tercet.book.records import FREE, RESTING
from tercet.envs.bank import fill_bank
from tercet.envs.execution import EnvSettings, ExecutionMembers, FaultyReward
from tercet.envs.made import made_market
from tercet.envs.making import make_members
from tercet.envs.members import Members
from tercet.envs.registration import DEFAULTS, IDS
from tercet.envs.rewards import reward
from tercet.envs.single import MemberEnv
from tercet.envs.vector import MemberVectorEnv
from tercet.errors import BadInput
from tercet.execution.caution import CautionSettings
from tercet.execution.moves import CROSS, JOIN
from tercet.execution.observation import FEATURES
from tercet.execution.schedules import POLICIES, by_name
from tercet.market import lobster
from tercet.market.store import save
from tercet.sim.settings import CrowdSettings

WORLD_IDS = tuple(id for id, settings in zip(IDS, DEFAULTS.values(), strict=True) if "world" in settings)
BOOK_IDS = tuple(id for id in IDS if id not in WORLD_IDS)
QUICK = {"bank": 4, "step": "30s"}  # ten decisions in five minutes
BOTH = ("tercet/Hawkes-v0", "tercet/PlantedSignal-v0")  # with a book and without


def few(id: str) -> dict[str, Any]:
    """Settings that make an environment small."""
    return {} if id in WORLD_IDS else {**QUICK, "bank": 8} if id == "tercet/Mixed-v0" else QUICK


def batch(id: str, count: int, **settings: Any) -> MemberVectorEnv:
    """A small batch."""
    return MemberVectorEnv(make_members(id, count, **few(id) | settings))


def single(id: str, **settings: Any) -> MemberEnv:
    """A small single environment."""
    return MemberEnv(make_members(id, 1, **few(id) | settings))


@cache
def chosen(id: str, count: int, steps: int) -> NDArray[Any]:
    """Random actions, (steps, count, ...)."""
    space = single(id).action_space
    space.seed(5)
    return np.array([[space.sample() for _ in range(count)] for _ in range(steps)])


def equal(one: Any, other: Any) -> bool:
    """Whether two trees of arrays are the same bytes."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one)
    if isinstance(one, (tuple, list)) or getattr(one, "dtype", np.dtype(bool)).hasobject:
        return len(one) == len(other) and all(equal(a, b) for a, b in zip(one, other, strict=True))
    return one is None if other is None else np.asarray(one).tobytes() == np.asarray(other).tobytes()


def steps_of(envs: MemberVectorEnv, actions: NDArray[Any]) -> list[Any]:
    """What each of those steps returns."""
    return [envs.step(action) for action in actions]


# Checkers -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("id", IDS)
def test_every_id_makes_without_arguments_what_gymnasium_calls_an_environment(id: str) -> None:
    env = gym.make(id)
    check_env(env.unwrapped)


@pytest.mark.parametrize("id", [*BOTH, "tercet/History-v0"])
def test_stable_baselines_calls_it_an_environment_too(id: str) -> None:
    from stable_baselines3.common.env_checker import check_env as check

    check(single(id))


@pytest.mark.parametrize("id", IDS)
def test_make_vec_gives_the_batched_form(id: str) -> None:
    envs = gym.make_vec(id, num_envs=3, **few(id))
    assert isinstance(envs, MemberVectorEnv)
    assert envs.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    observations, infos = envs.reset(seed=1)
    assert envs.observation_space.contains(observations)
    assert infos == {}
    assert envs.step(envs.action_space.sample())[0].shape == observations.shape


def test_importing_the_ids_compiles_nothing_and_loads_no_torch() -> None:
    code = "import sys, tercet.envs; print(sorted({'numba', 'torch', 'polars'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# One member is one environment --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("id", [*BOTH, "tercet/Mixed-v0", "tercet/History-v0", "tercet/CrashWatched-v0"])
def test_member_i_is_the_single_environment_of_the_same_seed_bit_for_bit_over_several_episodes(id: str) -> None:
    count, steps = 5, 65
    envs, actions = batch(id, count), chosen(id, count, steps)
    first, _ = envs.reset(seed=40)
    told = steps_of(envs, actions)
    assert sum(int(row[2].sum()) for row in told) >= 2
    for place in (0, 2, 4):
        env = single(id)
        observation, _ = env.reset(seed=40 + place)
        assert equal(observation, first[place])
        for action, (observations, rewards, ended, _, infos) in zip(actions, told, strict=True):
            observation, gained, terminated, truncated, info = env.step(action[place])
            assert (gained, terminated, truncated) == (rewards[place], ended[place], False)
            if terminated:
                assert equal(observation, infos["final_obs"][place])
                assert equal(info, {name: infos["final_info"][name][place] for name in info})
                assert len(info) >= 5
                observation, _ = env.reset()
            assert equal(observation, observations[place])
            assert equal(env.action_masks(), env.members.masks[0])


def test_one_thread_and_two_give_the_same_bytes() -> None:
    actions = chosen("tercet/Hawkes-v0", 40, 12)
    told = []
    for threads in (1, 2):
        envs = batch("tercet/Hawkes-v0", 40, threads=threads)
        told.append((envs.reset(seed=1), steps_of(envs, actions)))
    assert equal(*told)


@pytest.mark.parametrize("id", [*BOTH, "tercet/CrashWatched-v0"])
def test_a_snapshot_gives_the_same_future_again(id: str) -> None:
    envs, actions = batch(id, 3), chosen(id, 3, 30)
    envs.reset(seed=1)
    steps_of(envs, actions[:7])
    state = envs.snapshot()
    once = steps_of(envs, actions[7:])
    envs.restore(state)
    assert equal(once, steps_of(envs, actions[7:]))

    env = single(id)
    env.reset(seed=1)
    while not env.step(actions[0, 0])[2]:
        pass
    state = env.snapshot()
    once = [env.reset(), env.step(actions[0, 0])]
    env.restore(state)
    with pytest.raises(ResetNeeded):
        env.step(actions[0, 0])
    assert equal(once, [env.reset(), env.step(actions[0, 0])])


def test_an_action_space_draws_its_samples_alone() -> None:
    one, other = single("tercet/Hawkes-v0"), single("tercet/Hawkes-v0")
    one.action_space.seed(3)
    expected = [one.action_space.sample() for _ in range(5)]
    one.action_space.seed(3)
    assert [(one.action_space.sample(), other.action_space.sample())[0] for _ in range(5)] == expected


@pytest.mark.parametrize("id", BOTH)
def test_the_batch_says_what_gymnasiums_own_vector_of_single_environments_says(id: str) -> None:
    theirs = SyncVectorEnv([lambda: single(id)] * 3, autoreset_mode=AutoresetMode.SAME_STEP)
    ours, actions = batch(id, 3), chosen(id, 3, 45)
    assert equal(ours.reset(seed=4), theirs.reset(seed=4))
    for action in actions:
        assert equal(ours.step(action), theirs.step(action))
    assert equal(ours.reset(), theirs.reset())


def test_gymnasiums_wrappers_of_rewards_and_actions_work_on_the_batch() -> None:
    # Its wrappers of observations refuse every vector that resets in the same step.
    envs = NormalizeReward(RescaleAction(batch("tercet/PlantedSignal-v0", 2), np.float32(0.0), np.float32(1.0)))
    envs.reset(seed=1)
    told = [envs.step(envs.action_space.sample()) for _ in range(20)][-1]
    assert told[2].all()
    assert np.isfinite(told[1]).all()


def test_gymnasiums_wrappers_of_observations_work_on_a_single_environment() -> None:
    env = NormalizeObservation(single("tercet/Hawkes-v0"))
    env.reset(seed=1)
    assert [bool(env.step(0)[2]) for _ in range(10)] == [False] * 9 + [True]


# Resets -------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("id", BOTH)
def test_who_ends_begins_anew_in_the_same_step_and_the_last_observation_is_kept(id: str) -> None:
    envs = batch(id, 3)
    envs.reset(seed=[1, 1, 9])
    for row in steps_of(envs, chosen(id, 3, 25)):
        observations, _, ended, truncated, infos = row
        assert not truncated.any()
        assert (observations[ended, 0] == 1.0).all()
        assert (observations[~ended, 0] < 1.0).all()
        if ended.any():
            assert equal(infos["_final_obs"], ended)
            assert [last is None or last[0] for last in infos["final_obs"]] == [0.0 if end else True for end in ended]
            assert equal(infos["final_info"]["_is_bps"], ended)


@pytest.mark.parametrize("id", BOTH)
def test_a_seed_is_seed_plus_i_and_a_list_is_taken_as_it_is(id: str) -> None:
    envs = batch(id, 3)
    actions = chosen(id, 1, 5).repeat(3, axis=1)

    def play(seed: Any) -> NDArray[np.float32]:
        begun, _ = envs.reset(seed=seed)
        return np.array([begun, *(row[0] for row in steps_of(envs, actions))])

    counted = play(7)
    assert equal(play([9, 7, 8]), counted[:, [2, 0, 1]])
    assert equal(play(7), counted)
    assert not equal(play(None), counted)


@pytest.mark.parametrize("id", BOTH)
def test_a_mask_resets_only_whom_it_names_and_none_keeps_a_members_seed(id: str) -> None:
    envs, twin = batch(id, 3), batch(id, 3)
    actions = chosen(id, 3, 8)
    envs.reset(seed=3)
    twin.reset(seed=3)
    steps_of(envs, actions[:3])
    before = steps_of(twin, actions[:3])[-1][0]
    mask = np.array([False, True, False])
    after, _ = envs.reset(seed=[None, 4, None], options={"reset_mask": mask})
    assert equal(after[~mask], before[~mask])
    assert after[1, 0] == 1.0
    rest, rest_twin = steps_of(envs, actions[3:]), steps_of(twin, actions[3:])
    assert all(equal(a[0][~mask], b[0][~mask]) for a, b in zip(rest, rest_twin, strict=True))
    assert any(not equal(a[0][mask], b[0][mask]) for a, b in zip(rest, rest_twin, strict=True))


def test_without_a_seed_two_environments_differ() -> None:
    one, other = single("tercet/PlantedSignal-v0"), single("tercet/PlantedSignal-v0")
    assert not equal(one.reset()[0], other.reset()[0])
    assert not equal(one.reset()[0], one.reset()[0])


@pytest.mark.parametrize("id", BOTH)
def test_a_single_environment_asks_for_reset_before_the_first_step_and_after_the_last(id: str) -> None:
    env, action = single(id), chosen(id, 1, 1)[0, 0]
    with pytest.raises(ResetNeeded):
        env.step(action)
    env.reset(seed=0)
    while not env.step(action)[2]:
        pass
    with pytest.raises(ResetNeeded):
        env.step(action)
    env.reset()
    env.step(action)
    with pytest.raises(ResetNeeded):
        batch(id, 2).step(chosen(id, 2, 1)[0])


def test_statistics_that_gymnasium_records_are_those_of_the_episodes() -> None:
    envs = RecordEpisodeStatistics(batch("tercet/PlantedSignal-v0", 3))
    envs.reset(seed=1)
    for _ in range(2):
        rows = steps_of(envs, chosen("tercet/PlantedSignal-v0", 3, 20))
        episode = rows[-1][4]["episode"]
        assert np.allclose(episode["r"], sum(row[1] for row in rows), rtol=1e-12)
        assert episode["l"].tolist() == [20, 20, 20]


@pytest.mark.parametrize("id", BOTH)
def test_a_picture_after_the_end_is_of_the_episode_that_ended_and_after_reset_of_the_next(id: str) -> None:
    env, action = gym.make(id, render_mode="ansi", **few(id)).unwrapped, chosen(id, 1, 1)[0, 0]
    env.reset(seed=1)
    first = env.render()
    env.step(action)
    assert env.render() != first
    while not env.step(action)[2]:
        pass
    last = env.render()
    env.reset()
    second = env.render()
    assert len({first, last, second}) == 3
    frames = gym.make_vec(id, num_envs=2, render_mode="rgb_array", **few(id))
    frames.reset(seed=1)
    assert [frame.dtype for frame in frames.render()] == [np.uint8, np.uint8]


# Errors -------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("id", BOTH)
def test_an_action_outside_the_space_names_the_member_and_moves_nobody(id: str) -> None:
    envs, actions = batch(id, 3), chosen(id, 3, 4)
    envs.reset(seed=1)
    steps_of(envs, actions[:2])
    state, wrong = envs.snapshot(), actions[2].copy()
    wrong[1] = 99
    with pytest.raises(BadInput, match="member 1"):
        envs.step(wrong)
    after = steps_of(envs, actions[2:])
    envs.restore(state)
    assert equal(after, steps_of(envs, actions[2:]))


@reward
def broken(before, after, fills, params):  # type: ignore[no-untyped-def]
    """No number in the third step of a seller's parent."""
    third = before.elapsed > 0.15 and before.elapsed < 0.25 and before.side < 0
    return np.nan if third else -fills.cost


def test_a_reward_that_is_no_number_names_the_member_and_the_others_go_on_as_if_nothing_had_been() -> None:
    members = make_members("tercet/Hawkes-v0", 6, **QUICK, reward=broken)
    envs, twin = MemberVectorEnv(members), batch("tercet/Hawkes-v0", 6)
    actions = chosen("tercet/Hawkes-v0", 6, 9)
    assert equal(envs.reset(seed=2)[0], twin.reset(seed=2)[0])
    assert equal(steps_of(envs, actions[:2]), steps_of(twin, actions[:2]))
    expected = twin.step(actions[2])
    with pytest.raises(FaultyReward, match=r"of member . in its episode 1 .* was nan; expected a finite number") as refusal:
        envs.step(actions[2])
    well = np.setdiff1d(np.arange(6), refusal.value.places)
    assert 0 < len(well) < 6
    assert f"of member {refusal.value.places[0]} " in str(refusal.value)
    assert equal(members.observations[well], expected[0][well])
    assert equal(members.rewards[well], expected[1][well])
    assert (members.observations[refusal.value.places, 0] == 1.0).all()
    for action in actions[3:5]:  # before the new episodes come to their third step
        told, other = (face.step(action) for face in (envs, twin))
        assert all(equal(a[well], b[well]) for a, b in zip(told[:3], other[:3], strict=True))


def test_a_step_before_any_episode_is_refused() -> None:
    with pytest.raises(BadInput, match="begun no episode"):
        ExecutionMembers(EnvSettings(market="crowd:zero"), 2).step(np.zeros(2))


def test_a_single_environment_begins_anew_after_a_reward_that_is_no_number() -> None:
    env = single("tercet/Hawkes-v0", reward=broken, side="sell")
    env.reset(seed=1)
    env.step(0)
    env.step(0)
    with pytest.raises(FaultyReward):
        env.step(0)
    with pytest.raises(ResetNeeded):
        env.step(0)
    assert env.reset()[0][0] == 1.0


@pytest.mark.parametrize(
    ("id", "settings", "message"),
    [
        ("tercet/Zero-v0", {"hurry": 1}, "no setting is called 'hurry'"),
        ("tercet/Zero-v0", {"size": 0.1}, "size"),
        ("tercet/Zero-v0", {"side": "left"}, "side was 'left'"),
        ("tercet/Zero-v0", {"actions": "wild"}, "actions was 'wild'"),
        ("tercet/Zero-v0", {"render_mode": "film"}, "render_mode was 'film'"),
        ("tercet/History-v0", {"market": "crowd:zero"}, "market was 'crowd:zero' beside a recorded day"),
        ("tercet/History-v0", {"day": "/no/such/day"}, "/no/such/day"),
        ("tercet/Martingale-v0", {"kappa_t": 1.0}, "no setting of Martingale is called 'kappa_t'"),
        ("tercet/AlmgrenChriss-v0", {"steps": 0}, "steps was 0"),
        ("tercet/AlmgrenChriss-v0", {"actions": "wild"}, "actions was 'wild'"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*The environment is being initialised with render_mode:UserWarning")  # Gymnasium's word before ours
def test_a_wrong_setting_is_refused_by_its_name(id: str, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput) as refusal:
        gym.make(id, **settings)
    assert message in str(refusal.value)


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"seed": -1}, "seed was -1"),
        ({"seed": 2**62}, "expected a whole number from 0 to"),
        ({"seed": [1, 2]}, "seeds were 2; expected 3"),
        ({"seed": [1, 2, "x"]}, "seed was 'x'"),
        ({"options": {"reset_mask": np.zeros(3, bool)}}, "reset_mask"),
        ({"options": {"reset_mask": np.ones(2, bool)}}, "reset_mask"),
        ({"options": {"reset_mask": [1, 0, 1]}}, "reset_mask"),
    ],
)
def test_a_wrong_reset_is_refused(keywords: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput) as refusal:
        batch("tercet/Martingale-v0", 3).reset(**keywords)
    assert message in str(refusal.value)


def test_a_single_environment_is_made_of_one_member() -> None:
    with pytest.raises(BadInput, match="members were 2; expected 1"):
        MemberEnv(make_members("tercet/Martingale-v0", 2))


def test_a_policy_and_a_reward_of_ones_own_are_settings_like_others() -> None:
    env = gym.make("tercet/Zero-v0", bank=4, actions=by_name("twap"), reward=broken)
    assert env.spec is not None  # a copy of the settings
    env.reset(seed=1)
    assert env.step(0)[2] is False


def test_a_stored_day_is_played_where_its_folder_is_named(tmp_path: Path) -> None:
    pair = write_lobster(tmp_path, *made_day(80_000))
    day = save(tmp_path / "store", lobster.read(*pair, MADE, DATE), MADE, DATE)
    for where in (day, str(day)):
        env = single("tercet/History-v0", day=where)
        env.reset(seed=1)
        assert np.isfinite(next(row for row in (env.step(0) for _ in itertools.count()) if row[2])[4]["is_bps"])
    assert env.members.markets[0].name == f"history:{day.name}"


# Costs and policies -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("id", ["tercet/Hawkes-v0", "tercet/Mixed-v0", "tercet/History-v0"])
def test_the_rewards_of_an_episode_sum_to_minus_its_shortfall(id: str) -> None:
    envs, sums, ends = batch(id, 6), np.zeros(6), 0
    envs.reset(seed=1)
    for _, rewards, ended, _, infos in steps_of(envs, chosen(id, 6, 65)):
        sums += rewards
        if ended.any():
            info = infos["final_info"]
            assert np.abs(sums + info["is_bps"])[ended].max() < 1e-9
            parts = info["spread_bps"] + info["walk_bps"] + info["timing_bps"] + info["completion_bps"] + info["fees_bps"]
            assert np.abs(parts - info["is_bps"])[ended].max() < 1e-9
            sums[ended] = 0.0
            ends += int(ended.sum())
    assert ends >= 6


@pytest.mark.parametrize("id", IDS)
def test_every_policy_works_every_environment_to_the_end(id: str) -> None:
    for name in POLICIES:
        env = single(id, actions=name)
        env.reset(seed=1)
        told = next(row for row in (env.step(0) for _ in itertools.count()) if row[2])
        assert np.isfinite(told[4]["is_bps"]), name


# Stable-Baselines3 --------------------------------------------------------------------------------------------------------------


def learners(members: Members) -> Any:
    """Those members as Stable-Baselines3 sees them."""
    from tercet.learn.vecenv import MemberVecEnv

    return MemberVecEnv(members)


@pytest.mark.parametrize("id", BOTH)
def test_the_learners_face_tells_what_gymnasiums_tells(id: str) -> None:
    count, steps = 4, 45
    env, envs, actions = learners(make_members(id, count, **few(id))), batch(id, count), chosen(id, count, steps)
    assert env.seed(6) == [6, 7, 8, 9]
    assert equal(env.reset(), envs.reset(seed=6)[0])
    sums, kept = np.zeros(count), []
    for action in actions:
        observations, rewards, ended, infos = env.step(action)
        expected = envs.step(action)
        sums += expected[1]
        assert equal((observations, rewards, ended), (expected[0], expected[1].astype(np.float32), expected[2]))
        assert equal(np.stack(env.env_method("action_masks")), envs.action_masks())
        for place in range(count):
            if not ended[place]:
                assert infos[place] == {}
                continue
            assert equal(infos[place]["terminal_observation"], expected[4]["final_obs"][place])
            assert infos[place]["is_bps"] == expected[4]["final_info"]["is_bps"][place]
            assert infos[place]["episode"]["r"] == pytest.approx(sums[place], rel=1e-12)
            assert infos[place]["episode"]["l"] == {"tercet/Hawkes-v0": 10}.get(id, 20)
            assert infos[place]["TimeLimit.truncated"] is False
            sums[place] = 0.0
        kept.append((observations, observations.copy()))
    assert all(equal(array, copy) for array, copy in kept)


def test_attributes_are_shared_by_all_members() -> None:
    env = learners(make_members("tercet/PlantedSignal-v0", 3, actions="units"))
    assert env.get_attr("num_envs", [0, 2]) == [3, 3]
    assert env.has_attr("action_masks")
    assert not env.has_attr("nothing_of_the_kind")
    env.set_attr("weight", 2.0)
    assert env.get_attr("weight") == [2.0, 2.0, 2.0]
    with pytest.raises(BadInput, match="expected all of them"):
        env.set_attr("weight", 3.0, [1])
    assert env.env_is_wrapped(gym.wrappers.TimeLimit) == [False] * 3


@pytest.mark.parametrize(("name", "id", "actions"), [
    ("MaskablePPO", "tercet/Hawkes-v0", "discrete"),
    ("PPO", "tercet/Hawkes-v0", "continuous"),
    ("DQN", "tercet/PlantedSignal-v0", "units"),
    ("PPO", "tercet/AlmgrenChriss-v0", "share"),
])  # fmt: skip
def test_a_learner_learns_a_little(name: str, id: str, actions: str) -> None:
    import sb3_contrib
    import stable_baselines3 as sb3
    from stable_baselines3.common.evaluation import evaluate_policy

    env = learners(make_members(id, 8, **few(id), actions=actions))
    terms = {"learning_starts": 50} if name == "DQN" else {"n_steps": 16, "batch_size": 64, "n_epochs": 2}
    model = getattr(sb3_contrib if name == "MaskablePPO" else sb3, name)("MlpPolicy", env, device="cpu", seed=0, **terms)
    model.learn(400)
    assert len(model.ep_info_buffer) >= 8
    mean, _ = evaluate_policy(model, env, 8)
    assert np.isfinite(mean)


def test_a_masked_agent_never_does_what_its_mask_forbids() -> None:
    env = learners(ExecutionMembers(EnvSettings(**QUICK), 8))
    env.seed(1)
    env.reset()
    rng = np.random.default_rng(0)
    for _ in range(20):
        masks = np.stack(env.env_method("action_masks"))
        assert masks[:, 0].all()
        env.step(np.array([rng.choice(np.flatnonzero(mask)) for mask in masks]))
    assert not masks.all()


def test_a_start_at_which_a_side_of_the_book_is_empty_is_refused_with_its_time() -> None:
    empty = crowd_market("empty", CrowdSettings(limit_rate=1e-4))
    with pytest.raises(BadInput, match=r"crowd:empty: at \d\d:\d\d:\d\d.* one side of the book was empty; expected bids and asks"):
        ExecutionMembers(EnvSettings(bank=2), 1, (empty,))


def test_the_large_seller_of_a_crash_begins_within_the_episodes() -> None:
    members = ExecutionMembers(EnvSettings(market="crowd:crash", bank=16, step="10s"), 32)
    members.begin(np.arange(32))
    began = np.zeros(32, np.bool_)
    for _ in range(29):
        members.step(np.zeros(32))
        began |= members.sims.seller_began > 0
    assert began.mean() > 0.8


def test_no_episode_of_a_crash_ends_after_the_close_and_each_has_its_seller() -> None:
    crash, hours = market("crowd:crash"), 2 * 3600 * 10**9
    bank = fill_bank((crash,), 24, (hours,), 0, 0)
    begins, ends = bank.templates["start"][:, 0], bank.templates["end"][:, 0]
    assert ends.max() <= crash.close_ns
    onsets = np.array([crash.onset(number, 0) for number in range(24)])
    assert ((begins <= onsets) & (onsets <= ends)).all()


POSTURE = [name for name, _ in FEATURES].index("posture")


def test_a_posture_is_warm_at_the_start_and_rises_in_crashes_alone() -> None:
    worst = {}
    for name in ("calm", "crash"):
        members = ExecutionMembers(EnvSettings(market=f"crowd:{name}", posture="intraday", bank=32, step="10s", horizon=("15min",)), 32)
        members.begin(np.arange(32))
        assert members.cautions["elapsed"].min() > 1700
        assert (members.cautions["blind"] == 0).all()
        seen = [members.observations[:, POSTURE].copy()]
        for _ in range(89):
            members.step(np.zeros(32))
            seen.append(members.observations[:, POSTURE].copy())
        worst[name] = np.max(seen, axis=0)
        assert np.mean(seen[0] > 0) < 0.1
    defensive = {name: float((found > 0.5).mean()) for name, found in worst.items()}
    assert defensive["calm"] < 0.2
    assert defensive["crash"] > 0.3 + defensive["calm"]


def test_a_posture_changes_nothing_but_what_it_forbids() -> None:
    """Who does nothing sees the same market whether anybody watches or not."""
    told = []
    for posture in ("off", "intraday"):
        members = ExecutionMembers(EnvSettings(market="crowd:crash", posture=posture, bank=4, step="10s", actions="nothing"), 8)
        members.begin(np.arange(8))
        rows = []
        for _ in range(40):
            members.step(np.zeros(8))
            rows.append((np.delete(members.observations, POSTURE, axis=1), members.rewards.copy()))
        told.append(rows)
    assert equal(*told)


def test_an_agent_behind_a_posture_may_not_cross_what_it_forbids() -> None:
    always = CautionSettings(enters=(-2.0, -1.0, 90.0), intercept=0.0, weights=(0.0,) * 9)
    members = ExecutionMembers(EnvSettings(market="crowd:zero", posture=always, bank=4, step="10s", lots=1000), 4)
    members.begin(np.arange(4))
    members.step(np.zeros(4))  # until others have traded, nobody may
    crossing = members.masks[:, 1 + 3 * CROSS : 4 + 3 * CROSS]
    assert members.observations[:, POSTURE] == pytest.approx(2 / 3)
    assert crossing[:, :2].all()
    assert not crossing[:, 2].any()


def test_an_order_as_large_as_the_posture_allows_keeps_its_place_in_the_queue() -> None:
    always = CautionSettings(enters=(-2.0, -1.0, 90.0), intercept=0.0, weights=(0.0,) * 9)
    members = ExecutionMembers(EnvSettings(market="crowd:zero", posture=always, bank=4, step="5s", lots=20_000), 16)
    members.begin(np.arange(16))
    looks, back = 0, 0
    for _ in range(50):
        before = [members.sims.own[place, 0].copy() for place in range(16)]
        filled = members.sims.filled.copy()
        members.step(np.full(16, 1 + 3 * JOIN + 2))
        for place in np.flatnonzero((members.sims.filled == filled) & ~members.terminated):
            one, other = before[place], members.sims.own[place, 0]
            if one["state"] == RESTING and other["state"] == RESTING and one["tick"] == other["tick"]:
                looks += 1
                back += one["handle"] != other["handle"] or one["slot"] != other["slot"]
    assert looks > 100
    assert back == 0


@pytest.mark.parametrize("actions", ["discrete", "continuous", "price-level"])
def test_an_agent_works_one_order_at_a_time(actions: str) -> None:
    members = ExecutionMembers(EnvSettings(market="crowd:hawkes", bank=4, step="2s", actions=actions), 16)
    members.begin(np.arange(16))
    space = members.actions.space
    space.seed(3)
    most = 0
    for _ in range(100):
        members.step(np.array([space.sample() for _ in range(16)]))
        most = max(most, int((members.sims.own["state"] != FREE).sum(axis=1).max()))
    assert most == 1


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"step": "0s"}, "step was 0s; expected more than 0"),
        ({"step": "1ns"}, "decisions in 5min; expected"),
        ({"step": "10min"}, "at most the shortest horizon"),
        ({"reward": "shortfal"}, "reward was 'shortfal'"),
        ({"reward": lambda before, after, fills, params: 0.0}, "a function made by @reward"),
        ({"size": (0.1, 0.01)}, "size was"),
        ({"size": (1.0, 1e9)}, "size was"),
        ({"lots": 10**19}, "lots was"),
        ({"threads": 1.5}, "threads was 1.5; expected a whole number"),
        ({"posture": "both"}, "posture was 'both'; expected off, intraday"),
        ({"posture": ["intraday"]}, "expected off, intraday"),
        ({"bank": "64"}, "bank was '64'; expected a whole number"),
        ({"terminal": "5"}, "terminal was '5'; expected a number"),
        ({"own": (float("nan"),)}, "expected finite numbers"),
        ({"market": ()}, "market was empty"),
        ({"horizon": ()}, "horizon was empty"),
        ({"feed_latency_ns": ()}, "a latency was empty"),
    ],
)
def test_settings_that_make_no_episode_are_refused_by_name(change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(BadInput, match=sentence):
        EnvSettings(**change)


def test_where_no_other_day_tells_no_policy_sees_the_days_own_volume() -> None:
    day = replace(made_market(), expected_day_lots=0.0)
    members = ExecutionMembers(EnvSettings(bank=2), 2, (day,))
    members.begin(np.arange(2))
    assert (members.members.views["expected_lots"] == 0).all()
    assert (members.parents.lots > 1).all()


def test_a_bank_has_no_byte_that_nobody_wrote() -> None:
    """Between the fields of a record numpy leaves what lay there before, and snapshots are compared by all their bytes."""
    dirty = [np.full(size, 255, np.uint8) for size in range(64, 100_000, 672)]
    del dirty
    templates = batch(BOOK_IDS[0], 2).members.bank.templates.view(np.ndarray)
    named = np.zeros(templates.dtype.itemsize, np.bool_)
    for kind, offset in (field[:2] for field in templates.dtype.fields.values()):
        named[offset : offset + kind.itemsize] = True
    assert not named.all()
    assert not templates.view(np.uint8).reshape(-1, len(named))[:, ~named].any()
