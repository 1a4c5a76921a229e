"""Experts by name: what is written on the command line, in tables and in model files."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Final

from tercet.errors import BadInput
from tercet.signals.fitted import Expert
from tercet.signals.samples import DIRECTION, MEAN


@cache
def _of_rows() -> dict[str, Expert]:
    """Those that look at a row, each with the libraries it learns by."""
    from tercet.signals import experts as them  # noqa: PLC0415  # scikit-learn, LightGBM and XGBoost are loaded where somebody learns

    return {
        "constant": them.Constant(),
        "ols": them.Linear(),
        "elastic-net": them.ElasticNet(),
        "logistic": them.Logistic(),
        "random-forest": them.Forest(),
        "lightgbm": them.Boosting(),
        "xgboost": them.XGBoost(),
        "svm-linear": them.Machine(),
        "svm-rbf": them.Machine("svm-rbf", "rbf"),
    }


@cache
def _networks() -> dict[str, Expert]:
    """Those that torch trains."""
    from tercet.signals import sequence as them  # noqa: PLC0415  # and so is torch

    return {"mlp": them.Perceptrons(), "lstm": them.Lstm(), "transformer": them.Transformer(), "deeplob": them.DeepLob()}


KNOWN: Final[dict[str, Callable[[], dict[str, Expert]]]] = {
    **dict.fromkeys(
        ("constant", "ols", "elastic-net", "logistic", "random-forest", "lightgbm", "xgboost", "svm-linear", "svm-rbf"), _of_rows
    ),
    **dict.fromkeys(("mlp", "lstm", "transformer", "deeplob"), _networks),
}
ONLY: Final = {"ols": MEAN, "logistic": DIRECTION}  # the one question that an expert answers; the others answer both


class Experts(Mapping[str, Expert]):
    """Every expert with its default settings, made when it is asked for."""

    def __getitem__(self, name: str) -> Expert:
        """Raises BadInput for a name that nobody has."""
        if name not in KNOWN:
            raise BadInput(f"expert was {name!r}; expected one of {', '.join(KNOWN)}")
        return KNOWN[name]()[name]

    def __contains__(self, name: object) -> bool:
        return name in KNOWN

    def __iter__(self) -> Iterator[str]:
        return iter(KNOWN)

    def __len__(self) -> int:
        return len(KNOWN)


EXPERTS: Final = Experts()


def chosen(names: Sequence[str], target: str) -> list[Expert]:
    """Those experts, for a question of that target; raises BadInput where one is unknown, is named twice or answers another question."""
    if not names or len(set(names)) < len(names):
        raise BadInput(f"experts were {', '.join(names) or 'none'}; expected one or more, each once")
    for name in names:
        if name not in EXPERTS:
            raise BadInput(f"expert was {name!r}; expected one of {', '.join(answering(target))}")
        if ONLY.get(name, target) != target:
            raise BadInput(
                f"{name} answers with a {ONLY[name]} alone, and was asked for a {target}; expected {', '.join(answering(target))}"
            )
    return [EXPERTS[name] for name in names]


def answering(target: str) -> tuple[str, ...]:
    """The names of those that answer a question of that target."""
    return tuple(name for name in KNOWN if ONLY.get(name, target) == target)
