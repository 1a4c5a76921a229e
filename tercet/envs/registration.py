"""The environments' ids, so that `gymnasium.make` and `gymnasium.make_vec` know them once `tercet.envs` is imported.

`settings` of an id are the defaults that its keyword arguments change: fields of EnvSettings, or of a world and `actions`.
"""

from typing import Any, Final

from gymnasium.envs.registration import register, registry

DEFAULTS: Final[dict[str, dict[str, Any]]] = {
    "Zero": {"market": "crowd:zero"},
    "Queue": {"market": "crowd:queue"},
    "Hawkes": {"market": "crowd:hawkes"},
    "Calm": {"market": "crowd:calm"},
    "Volatile": {"market": "crowd:volatile"},
    "Thin": {"market": "crowd:thin"},
    "Trending": {"market": "crowd:trending"},
    "Crash": {"market": "crowd:crash"},
    "CrashWatched": {"market": "crowd:crash", "posture": "intraday"},
    "Switching": {"market": "crowd:switching"},
    "Signal": {"market": "crowd:signal"},
    "SignalShuffled": {"market": "crowd:signal-shuffled"},
    "Mixed": {
        "market": tuple(f"crowd:{name}" for name in ("hawkes", "queue", "calm", "volatile", "thin", "trending", "crash", "switching")),
        "size": (0.001, 0.1),
        "horizon": ("5min", "15min", "30min"),
        "latency": (0.5, 2.0),
        "fees": (0.5, 2.0),
    },
    "History": {"day": ""},  # a stored day's folder; without one, a day that the project makes itself
    "AlmgrenChriss": {"world": "AlmgrenChriss"},
    "Martingale": {"world": "Martingale"},
    "PlantedSignal": {"world": "PlantedSignal"},
    "PlantedSignalShuffled": {"world": "PlantedSignal", "shuffled": True},
}
IDS: Final = tuple(f"tercet/{name}-v0" for name in DEFAULTS)


def register_all() -> None:
    """Tell Gymnasium of every id, once."""
    for id, settings in zip(IDS, DEFAULTS.values(), strict=True):
        if id not in registry:
            register(id, "tercet.envs.making:make_env", vector_entry_point="tercet.envs.making:make_vector_env", kwargs=settings)
