"""The simulation of Gu, Kelly & Xiu is the paper's, and what is in it is found."""

import numpy as np
import pytest

from tercet.errors import BadInput
from tercet.signals.experts import Constant, ElasticNet, Linear, Tuned
from tercet.signals.gkx import GkxSettings, simulate
from tercet.signals.gkxtable import examine, gkx_table

SMALL = {"stocks": 60, "months": 60, "characteristics": 10}
PENALTY = (("penalty", 1e-3, 1e-1, True),)


@pytest.mark.parametrize("design", ["a", "b"])
def test_the_predictable_part_is_the_papers(design):
    samples, known = simulate(GkxSettings(design, seed=3))
    assert samples.features.shape == (36_000, 100)
    c = samples.features[:, :50].astype(float)
    assert np.abs(c).max() < 1
    assert np.abs(c.reshape(180, 200, 50).mean(axis=1)).max() < 1e-6
    x = samples.features[:, 50] / samples.features[:, 0]
    third = c[:, 2] * x
    terms = [c[:, 0], c[:, 1], third] if design == "a" else [c[:, 0] ** 2, c[:, 0] * c[:, 1], np.sign(third)]
    theta = (0.02, 0.02, 0.02) if design == "a" else (0.04, 0.03, 0.012)
    expected = sum(weight * term for weight, term in zip(theta, terms, strict=True))
    assert np.abs(known - expected).max() < 1e-6


def test_a_month_is_known_when_it_has_ended():
    samples, _ = simulate(GkxSettings(**SMALL))
    months = np.unique(samples.now)
    assert (samples.spans.available < np.append(months[1:], samples.spans.available.max() + 1)[np.searchsorted(months, samples.now)]).all()


def test_a_linear_alpha_is_found_and_none_where_labels_are_shuffled():
    settings = GkxSettings("a", seed=100)
    (oracle, _), (found, _), (nothing, _) = examine(settings, (Tuned(ElasticNet(), PENALTY, trials=5, share=0.5), Constant()))
    assert found >= 0.7 * oracle
    assert nothing < 0.05 * oracle


def test_the_table_has_every_family_in_every_design_on_the_same_seeds():
    table = gkx_table([Linear(), Constant()], seeds=2, processes=1)
    assert {(row.design, row.expert) for row in table.rows} == {(d, e) for d in "ab" for e in ("ols", "constant")}
    assert all(row.seeds == 2 and np.isfinite(row.error) for row in table.rows)
    assert table.rows[0].design == "a"
    assert table.rows[0].expert == "ols"
    again = examine(GkxSettings("a", seed=0), (Linear(),))
    assert table.oracle["a"][0] == again[0][0]


@pytest.mark.parametrize("wrong", [{"design": "c"}, {"stocks": 1}, {"months": 3}, {"characteristics": 2}])
def test_what_is_no_panel_is_refused(wrong):
    with pytest.raises(BadInput, match="expected design a or b"):
        GkxSettings(**wrong)


def test_a_table_needs_two_seeds():
    with pytest.raises(BadInput, match="2 or more seeds"):
        gkx_table([Linear()], seeds=1)
