"""Compiled recursions of many assets: exponential averages of variances and products, GARCH and cDCC, and ticks of prices in no step."""

import math

import numpy as np

from tercet.compiled import compiled


@compiled
def follow_speeds(rows, variances, products, keep_variance, keep_product, floor):
    """Move variances (h, k) and products (m, k, k) of returns, divided by the first variances' roots as of the day before, over rows."""
    k = rows.shape[1]
    z = np.empty(k)
    for t in range(len(rows)):
        for i in range(k):
            z[i] = rows[t, i] / math.sqrt(variances[0, i])
        for h in range(len(keep_variance)):
            for i in range(k):
                moved = keep_variance[h] * variances[h, i] + (1.0 - keep_variance[h]) * rows[t, i] * rows[t, i]
                variances[h, i] = max(moved, floor)
        for m in range(len(keep_product)):
            keep = keep_product[m]
            for i in range(k):
                scaled = (1.0 - keep) * z[i]
                for j in range(i + 1):
                    products[m, i, j] = keep * products[m, i, j] + scaled * z[j]


@compiled
def follow_average(rows, average, keep):
    """Move an average (k, k) of products of returns, its lower triangle, over rows."""
    k = rows.shape[1]
    for t in range(len(rows)):
        for i in range(k):
            scaled = (1.0 - keep) * rows[t, i]
            for j in range(i + 1):
                average[i, j] = keep * average[i, j] + scaled * rows[t, j]


@compiled
def follow_dcc(rows, variances, q, garch, target, a, b, floor):
    """Move variances (k,) and q (k, k), lower triangle, over rows; garch: (k, 3) omega, alpha, beta (Aielli 2013, eqs. 2.2 and 3.1)."""
    k = rows.shape[1]
    e = np.empty(k)
    for t in range(len(rows)):
        for i in range(k):
            e[i] = rows[t, i] / math.sqrt(variances[i]) * math.sqrt(q[i, i])
            moved = garch[i, 0] + garch[i, 1] * rows[t, i] * rows[t, i] + garch[i, 2] * variances[i]
            variances[i] = max(moved, floor)
        for i in range(k):
            for j in range(i + 1):
                q[i, j] = (1.0 - a - b) * target[i, j] + a * e[i] * e[j] + b * q[i, j]


@compiled
def garch_loss(returns, alpha, beta, variance):
    """−2 log likelihood a day of normal GARCH(1,1) whose long-run variance is given."""
    h, total = variance, 0.0
    for t in range(len(returns)):
        total += math.log(h) + returns[t] * returns[t] / h
        h = (1.0 - alpha - beta) * variance + alpha * returns[t] * returns[t] + beta * h
    return total / len(returns)


@compiled
def garch_scaled(returns, alpha, beta, variance, scaled):
    """Fill `scaled` with returns over their deviation told the day before."""
    h = variance
    for t in range(len(returns)):
        scaled[t] = returns[t] / math.sqrt(h)
        h = (1.0 - alpha - beta) * variance + alpha * returns[t] * returns[t] + beta * h


@compiled
def dcc_corrected(scaled, a, b, corrected):
    """Fill `corrected` (n, k) with √q_ii times the scaled returns: what has the target as its correlation (Aielli 2013, section 3.2)."""
    for i in range(scaled.shape[1]):
        q = 1.0
        for t in range(len(scaled)):
            e = scaled[t, i] * math.sqrt(q)
            corrected[t, i] = e
            q = (1.0 - a - b) + a * e * e + b * q


@compiled
def dcc_loss(scaled, a, b, corrected):
    """−2 log likelihood a pair and day of the correlations of contiguous pairs; fills `corrected`."""
    dcc_corrected(scaled, a, b, corrected)
    total = 0.0
    for i in range(scaled.shape[1] - 1):
        one, other, both = 0.0, 0.0, 0.0
        for t in range(len(scaled)):
            one += corrected[t, i] * corrected[t, i]
            other += corrected[t, i + 1] * corrected[t, i + 1]
            both += corrected[t, i] * corrected[t, i + 1]
        target = both / math.sqrt(one * other)
        q1, q2, q12 = 1.0, 1.0, target
        for t in range(len(scaled)):
            r = q12 / math.sqrt(q1 * q2)
            r = min(max(r, -0.9999), 0.9999)
            x, y = scaled[t, i], scaled[t, i + 1]
            total += math.log(1.0 - r * r) + (x * x + y * y - 2.0 * r * x * y) / (1.0 - r * r)
            u, v = corrected[t, i], corrected[t, i + 1]
            q1 = (1.0 - a - b) + a * u * u + b * q1
            q2 = (1.0 - a - b) + a * v * v + b * q2
            q12 = (1.0 - a - b) * target + a * u * v + b * q12
    return total / (len(scaled) * (scaled.shape[1] - 1))


@compiled
def refresh(times, starts, places):
    """Fill `places` (≥ m, k) with the newest tick of each series at each refresh time; returns m.

    times: all series' one behind the other, series i from starts[i] to starts[i + 1]. The next refresh time is when all have a new tick.
    """
    k = len(starts) - 1
    at = np.empty(k, np.int64)
    for i in range(k):
        at[i] = starts[i]
    count = 0
    while True:
        now = times[at[0]]
        for i in range(1, k):
            now = max(now, times[at[i]])
        for i in range(k):
            while at[i] + 1 < starts[i + 1] and times[at[i] + 1] <= now:
                at[i] += 1
            places[count, i] = at[i] - starts[i]
        count += 1
        for i in range(k):
            at[i] += 1
            if at[i] == starts[i + 1]:
                return count


@compiled
def overlapping(first_times, first_moves, second_times, second_moves):
    """Σ of products of moves whose spans (t before, t] overlap; moves[i] is from times[i] to times[i + 1]."""
    total, low = 0.0, 0
    for i in range(len(first_moves)):
        while low < len(second_moves) and second_times[low + 1] <= first_times[i]:
            low += 1
        j = low
        while j < len(second_moves) and second_times[j] < first_times[i + 1]:
            total += first_moves[i] * second_moves[j]
            j += 1
    return total
