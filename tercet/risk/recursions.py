"""Variance recursions, a value a day: the variance of the day after, from that day and those before it."""

import math

import numpy as np

from tercet.compiled import compiled


@compiled
def gjr(returns, terms):
    """(n,): h' = omega + (alpha + gamma if the error is below 0) error² + beta h; terms: mean, omega, alpha, gamma, beta, first h.

    Glosten, Jagannathan & Runkle (1993); with gamma 0 the GARCH of Bollerslev (1986), and without omega an exponential average.
    """
    mean, omega, alpha, gamma, beta, h = terms[0], terms[1], terms[2], terms[3], terms[4], terms[5]
    found = np.empty(len(returns))
    for t in range(len(returns)):
        error = returns[t] - mean
        h = omega + (alpha + (gamma if error < 0.0 else 0.0)) * error * error + beta * h
        found[t] = h
    return found


@compiled
def egarch(returns, terms):
    """(n,): log h' = omega + alpha (|z| − √(2/π)) + gamma z + beta log h, z = error / √h (Nelson 1991); terms as in `gjr`."""
    mean, omega, alpha, gamma, beta, h = terms[0], terms[1], terms[2], terms[3], terms[4], terms[5]
    found = np.empty(len(returns))
    log = math.log(h)
    for t in range(len(returns)):
        z = (returns[t] - mean) / math.exp(0.5 * log)
        log = omega + alpha * (abs(z) - math.sqrt(2.0 / math.pi)) + gamma * z + beta * log
        found[t] = math.exp(log)
    return found


@compiled
def realised(returns, measured, terms, predicted, likelihood):
    """(n,): the log-linear realised GARCH of Hansen, Huang & Shek (2012, eqs. 3-5); fills `predicted` with E[log x] a day, and likelihoods.

    log h' = omega + beta log h + gamma log x; log x = xi + phi log h + tau1 z + tau2 (z² − 1) + u, u normal with variance `noise`.
    terms: mean, omega, beta, gamma, xi, phi, tau1, tau2, noise, first log h. likelihood[0] of the returns, likelihood[1] of log x.
    """
    mean, omega, beta, gamma, xi, phi = terms[0], terms[1], terms[2], terms[3], terms[4], terms[5]
    tau1, tau2, noise, log = terms[6], terms[7], terms[8], terms[9]
    found = np.empty(len(returns))
    likelihood[0] = likelihood[1] = 0.0
    for t in range(len(returns)):
        z = (returns[t] - mean) * math.exp(-0.5 * log)
        predicted[t] = xi + phi * log + tau1 * z + tau2 * (z * z - 1.0)
        u = math.log(measured[t]) - predicted[t]
        likelihood[0] -= 0.5 * (math.log(2.0 * math.pi) + log + z * z)
        likelihood[1] -= 0.5 * (math.log(2.0 * math.pi * noise) + u * u / noise)
        log = omega + beta * log + gamma * math.log(measured[t])
        found[t] = math.exp(min(log, 50.0))
    return found


@compiled
def recalibrate(returns, said, level, slow, fast, keep, most):
    """(n,): what values at risk are multiplied by, given on how many days before returns fell below them; said[t] is of returns[t + 1].

    The logarithm moves by slow·(hit − level), which lasts, and by fast times an exponential sum of hit − level, which is forgotten; it
    stays within ± most.
    """
    found = np.empty(len(returns))
    lasting, lately = 0.0, 0.0
    for t in range(len(returns)):
        before = found[t - 1] * said[t - 1] if t > 0 else math.nan
        if not math.isnan(before):
            excess = (1.0 if returns[t] <= before else 0.0) - level
            lasting = min(max(lasting + slow * excess, -most), most)
            lately = keep * lately + excess
        found[t] = math.exp(min(max(lasting + fast * lately, -most), most))
    return found
