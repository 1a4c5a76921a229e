"""Families of models that scikit-learn, LightGBM and XGBoost fit, each a frozen dataclass of its settings; see `sequence` for networks.

Every one standardises its features by its lesson alone, clips them, and fits a mean or the chances of down, flat and up.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import lightgbm
import numpy as np
import optuna
import xgboost
from numpy.typing import NDArray
from sklearn import linear_model
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, SVR, LinearSVC, LinearSVR

from tercet.errors import BadInput
from tercet.signals.fitted import Model, Numbers
from tercet.signals.samples import CLASSES, DIRECTION, Lesson, Questions
from tercet.signals.walkforward import inner, inner_rows

STILL = 1e-6  # of a feature's largest value: a float32 that never moves spreads less
CLIP = 8.0  # standard deviations beyond which a feature says no more
PATIENCE = 30  # trees without gain before growing stops


@dataclass(frozen=True)
class Scaler:
    """Centres and spreads of a lesson's features; what never moved is left out of account."""

    centre: Numbers
    spread: Numbers

    @classmethod
    def of(cls, lesson: Lesson) -> "Scaler":
        """Fitted on a lesson's rows and nothing else."""
        table, _ = lesson.taught()
        centre, spread = table.mean(axis=0, dtype=np.float64), table.std(axis=0, dtype=np.float64)
        return cls(centre, np.where(spread > STILL * np.abs(table).max(axis=0), spread, np.inf))

    def __call__(self, table: Numbers) -> Numbers:
        """(rows, features), standardised."""
        scaled: Numbers = np.clip((table - self.centre) / self.spread, -CLIP, CLIP).astype(np.float32)
        return scaled


@dataclass(frozen=True)
class Scaled:
    """A model of scikit-learn's manner behind its lesson's scaler."""

    scaler: Scaler
    estimator: Any
    target: str

    def answer(self, asked: Questions) -> Numbers:
        """(asked,) means or (asked, 3) chances."""
        table = self.scaler(asked.table())
        if self.target != DIRECTION:
            return np.asarray(self.estimator.predict(table), np.float64)
        return chances(np.asarray(self.estimator.predict_proba(table), np.float64), self.estimator.classes_)


def chances(given: Numbers, classes: NDArray[Any]) -> Numbers:
    """(rows, 3) in the order of CLASSES, of probabilities of those classes that a lesson had."""
    full = np.zeros((len(given), len(CLASSES)))
    full[:, np.searchsorted(CLASSES, classes)] = given
    return full


def learned(estimator: Any, lesson: Lesson) -> Scaled:
    """An estimator that has learned a lesson."""
    scaler = Scaler.of(lesson)
    table, values = lesson.taught()
    answers = values.astype(np.int64) if lesson.target == DIRECTION else values
    return Scaled(scaler, estimator.fit(scaler(table), answers), lesson.target)


@dataclass(frozen=True)
class Constant:
    """What a lesson's answers were on average, whatever the features: below it nobody has learned anything."""

    name: str = "constant"

    def fit(self, lesson: Lesson, seed: int) -> Model:
        """The mean, or the share of each class."""
        if lesson.target != DIRECTION:
            return Same(np.asarray(lesson.values.mean()))
        return Same(np.array([(lesson.values == one).mean() for one in CLASSES]))


@dataclass(frozen=True)
class Same:
    """One answer to all questions."""

    value: Numbers

    def answer(self, asked: Questions) -> Numbers:
        """(asked,) or (asked, 3)."""
        return np.broadcast_to(self.value, (len(asked.rows), *self.value.shape))


@dataclass(frozen=True)
class Linear:
    """Ordinary least squares."""

    name: str = "ols"

    def fit(self, lesson: Lesson, seed: int) -> Model:
        """By least squares of least norm."""
        return learned(LinearRegression(), lesson)


@dataclass(frozen=True)
class ElasticNet:
    """Least squares with both penalties (Zou & Hastie 2005); for a direction logistic regression with both."""

    name: str = "elastic-net"
    penalty: float = field(default=1e-3, metadata={"help": "of standardised features, beside the answers' standard deviation"})
    mix: float = field(default=0.5, metadata={"help": "share of the absolute penalty"})

    def fit(self, lesson: Lesson, seed: int) -> Model:
        """By coordinate descent, or by stochastic average gradients."""
        if lesson.target == DIRECTION:
            strength = 1.0 / (self.penalty * len(lesson.taught_values()))
            return learned(
                LogisticRegression(C=strength, l1_ratio=self.mix, solver="saga", max_iter=200, tol=1e-3, random_state=seed), lesson
            )
        return learned(linear_model.ElasticNet(alpha=self.penalty * lesson.values.std(), l1_ratio=self.mix, max_iter=5000), lesson)


@dataclass(frozen=True)
class Logistic:
    """Multinomial logistic regression with a quadratic penalty: the chances of a direction."""

    name: str = "logistic"
    penalty: float = field(default=1e-2, metadata={"help": "of standardised features, a row"})

    def fit(self, lesson: Lesson, seed: int) -> Model:
        """By L-BFGS."""
        return learned(LogisticRegression(C=1.0 / (self.penalty * len(lesson.taught_values())), max_iter=500), lesson)


@dataclass(frozen=True)
class Forest:
    """Random forest (Breiman 2001)."""

    name: str = "random-forest"
    trees: int = field(default=200, metadata={"help": "grown on as many bootstrap samples"})
    depth: int = field(default=6, metadata={"help": "questions from root to leaf"})
    share: float = field(default=0.3, metadata={"help": "of the features looked at for each question"})
    leaf: int = field(default=20, metadata={"help": "rows that a leaf holds at least"})
    rows: float = field(default=1.0, metadata={"help": "share of the rows that a tree is grown on"})

    def fit(self, lesson: Lesson, seed: int) -> Model:
        """Each tree on rows of its own."""
        kind = RandomForestClassifier if lesson.target == DIRECTION else RandomForestRegressor
        drawn = None if self.rows >= 1.0 else self.rows
        options = {"max_depth": self.depth, "max_features": self.share, "min_samples_leaf": self.leaf, "max_samples": drawn}
        made = learned(kind(self.trees, n_jobs=-1, random_state=seed, **options), lesson)
        made.estimator.n_jobs = 1  # threads add up the trees' answers in any order: the last bits would differ from call to call
        return made


@dataclass(frozen=True)
class Boosted:
    """What gradient-boosted trees have in common: they stop where the newest part of the lesson gains no more."""

    rounds: int = field(default=500, metadata={"help": "trees at most"})
    rate: float = field(default=0.05, metadata={"help": "of learning"})
    share: float = field(default=0.7, metadata={"help": "of the features that a tree sees"})
    rows: float = field(default=0.8, metadata={"help": "share of the rows that a tree sees; half of it of rows and their images together"})
    ridge: float = field(default=1.0, metadata={"help": "quadratic penalty of the leaves"})
    checked: float = field(default=0.2, metadata={"help": "share of the lesson, its newest, that says when to stop; 0: never"})
    threads: int = field(default=1, metadata={"help": "the trees are the same on any number; where others compute, more are slower"})

    def seen(self, lesson: Lesson) -> float:
        """The share of what is taught that a tree sees: as many rows with images as without."""
        return self.rows if lesson.mirror is None else 0.5 * self.rows

    def boosted(
        self, lesson: Lesson, grown: Callable[..., Any], best: Callable[[Any], int], ask: Callable[[Any, Numbers], Numbers]
    ) -> "Trees":
        """Trees grown on a whole lesson, as many as did best on its newest part when grown on the rest."""
        rounds = self.rounds
        if self.checked > 0.0:
            early, late = inner(lesson, self.checked)
            scaler = Scaler.of(early)
            rounds = max(1, best(grown(rounds, rows_of(early, scaler), rows_of(late, scaler))))
        scaler = Scaler.of(lesson)
        return Trees(scaler, grown(rounds, rows_of(lesson, scaler)), ask)


@dataclass(frozen=True)
class Boosting(Boosted):
    """Gradient-boosted trees by LightGBM (Ke et al. 2017)."""

    name: str = "lightgbm"
    leaves: int = field(default=15, metadata={"help": "of a tree"})
    leaf: int = field(default=50, metadata={"help": "rows that a leaf holds at least"})

    def fit(self, lesson: Lesson, seed: int) -> Model:
        """The number of trees is chosen inside the lesson; then all of it is learned."""
        settings = {
            "objective": "multiclass" if lesson.target == DIRECTION else "l2",
            "num_class": len(CLASSES) if lesson.target == DIRECTION else 1,
            "learning_rate": self.rate,
            "num_leaves": self.leaves,
            "min_data_in_leaf": self.leaf,
            "feature_fraction": self.share,
            "bagging_fraction": self.seen(lesson),
            "bagging_freq": 1,
            "lambda_l2": self.ridge,
            "seed": seed,
            "deterministic": True,
            "force_row_wise": True,
            "num_threads": self.threads,
            "verbose": -1,
        }

        def grown(rounds: int, rows: Rows, watched: Rows | None = None) -> Any:
            stop: list[Any] = [lightgbm.early_stopping(PATIENCE, verbose=False)] if watched else []
            return lightgbm.train(
                settings, lightgbm.Dataset(*rows), rounds, valid_sets=[lightgbm.Dataset(*watched)] if watched else None, callbacks=stop
            )

        return self.boosted(lesson, grown, lambda trees: trees.best_iteration, lambda trees, table: trees.predict(table))


@dataclass(frozen=True)
class XGBoost(Boosted):
    """Gradient-boosted trees by XGBoost (Chen & Guestrin 2016)."""

    name: str = "xgboost"
    depth: int = field(default=4, metadata={"help": "questions from root to leaf"})
    weight: float = field(default=50.0, metadata={"help": "of the rows that a leaf holds at least"})

    def fit(self, lesson: Lesson, seed: int) -> Model:
        """The number of trees is chosen inside the lesson; then all of it is learned."""
        settings = {
            "objective": "multi:softprob" if lesson.target == DIRECTION else "reg:squarederror",
            "learning_rate": self.rate,
            "max_depth": self.depth,
            "min_child_weight": self.weight,
            "colsample_bytree": self.share,
            "subsample": self.seen(lesson),
            "reg_lambda": self.ridge,
            "seed": seed,
            "tree_method": "hist",
            "nthread": self.threads,
        } | ({"num_class": len(CLASSES)} if lesson.target == DIRECTION else {})

        def grown(rounds: int, rows: Rows, watched: Rows | None = None) -> Any:
            seen = [(xgboost.DMatrix(*watched), "late")] if watched else []
            stop = PATIENCE if watched else None
            return xgboost.train(settings, xgboost.DMatrix(*rows), rounds, evals=seen, early_stopping_rounds=stop, verbose_eval=False)

        return self.boosted(lesson, grown, lambda trees: trees.best_iteration + 1, lambda trees, table: trees.inplace_predict(table))


@dataclass(frozen=True)
class Machine:
    """Support vector machine (Cortes & Vapnik 1995): linear at any size, or with Gaussian kernels on the newest rows."""

    name: str = "svm-linear"
    kernel: str = field(default="linear", metadata={"help": "linear or rbf"})
    cost: float = field(default=1.0, metadata={"help": "of a row on the wrong side, against the margin"})
    newest: int = field(default=4000, metadata={"help": "rows that Gaussian kernels learn from, evenly taken from the lesson"})
    checked: float = field(default=0.3, metadata={"help": "share of a lesson on directions, its newest, that distances become chances by"})

    def fit(self, lesson: Lesson, seed: int) -> Model:
        """Chances come of the distances by Platt's logistic fit, made on rows that the machine has not seen."""
        direction = lesson.target == DIRECTION
        if self.kernel == "linear":
            cost = self.cost / len(lesson.taught_values())
            machine: Any = LinearSVC(C=cost * 100, random_state=seed) if direction else LinearSVR(C=cost * 100, random_state=seed)
            part = lesson
        else:
            step = max(1, -(-len(lesson.rows) // self.newest))
            part = lesson.part(np.arange(len(lesson.rows) - 1, -1, -step)[::-1], lesson.fit_time)
            machine = SVC(C=self.cost) if direction else SVR(C=self.cost)
        if not direction:
            return learned(TransformedTargetRegressor(machine, transformer=StandardScaler()), part)
        early, late = inner_rows(part, self.checked)
        taught = part.taught_values()
        for rows, what in ((early, "learned from"), (late, "calibrated on")):
            if missing := set(taught.tolist()) - set(taught[part.taught_places(rows)].tolist()):
                raise BadInput(f"{self.name}: no label of the {len(rows)} rows {what} is {min(missing):g}; expected some of each class")
        return learned(CalibratedClassifierCV(machine, cv=[(part.taught_places(early), part.taught_places(late))]), part)


Rows = tuple[Numbers, Numbers]


@dataclass(frozen=True)
class Trees:
    """Boosted trees behind their lesson's scaler."""

    scaler: Scaler
    trees: Any
    ask: Callable[[Any, Numbers], Numbers]

    def answer(self, asked: Questions) -> Numbers:
        """(asked,) or (asked, 3)."""
        return np.asarray(self.ask(self.trees, self.scaler(asked.table())), np.float64)


def rows_of(lesson: Lesson, scaler: Scaler) -> Rows:
    """Standardised features, and answers as numbers or as places in CLASSES."""
    table, values = lesson.taught()
    return scaler(table), np.searchsorted(CLASSES, values).astype(np.float64) if lesson.target == DIRECTION else values


@dataclass(frozen=True)
class Tuned:
    """Another expert with settings chosen by Optuna inside each lesson: learned on its early part, judged on its newest."""

    expert: Any
    space: tuple[tuple[str, float, float, bool], ...]  # setting, lowest, highest, in logarithms; whole numbers where the default is one
    trials: int = field(default=15, metadata={"help": "settings tried in each lesson"})
    share: float = field(default=0.3, metadata={"help": "of the lesson, its newest, that they are judged on"})

    @property
    def name(self) -> str:
        """The expert's."""
        return str(self.expert.name)

    def fit(self, lesson: Lesson, seed: int) -> Model:
        """The best settings' expert, on the whole lesson."""
        early, late = inner(lesson, self.share)
        optuna.logging.set_verbosity(optuna.logging.WARNING)

        def loss(trial: optuna.Trial) -> float:
            return loss_of(self._with(trial).fit(early, seed).answer(late), late)

        study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed))
        study.optimize(loss, self.trials)
        return self._with(study.best_trial).fit(lesson, seed)  # type: ignore[no-any-return]  # an Expert's

    def _with(self, trial: Any) -> Any:
        chosen: dict[str, float] = {}
        for setting, low, high, logarithms in self.space:
            if isinstance(getattr(self.expert, setting), int):
                chosen[setting] = trial.suggest_int(setting, int(low), int(high), log=logarithms)
            else:
                chosen[setting] = trial.suggest_float(setting, low, high, log=logarithms)
        return replace(self.expert, **chosen)


def loss_of(given: Numbers, lesson: Lesson) -> float:
    """Mean squared error of means, or mean log loss of chances."""
    if lesson.target != DIRECTION:
        return float(((given - lesson.values) ** 2).mean())
    right = given[np.arange(len(given)), np.searchsorted(CLASSES, lesson.values)]
    return float(-np.log(np.maximum(right, 1e-12)).mean())
