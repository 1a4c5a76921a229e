"""Which models find an alpha that is known to be there? Gu, Kelly & Xiu (2020), their simulation, on two seeds of ours.

Their Table A.1 (100 samples, R² out of sample, 50 characteristics): least squares 1.14% on the linear design (a) and −4.72% on (b), where
squares, products and signs matter. They learn from a third of history and choose by another; ours learn from both. All twenty seeds and
every family: `tercet forecast evaluate gkx`.
"""

from tercet.signals.experts import Boosting, ElasticNet, Linear
from tercet.signals.gkxtable import gkx_table

if __name__ == "__main__":
    experts = [Linear(), ElasticNet(penalty=0.02), Boosting(rounds=150, checked=0.5, leaf=200)]
    for row in gkx_table(experts, seeds=2).rows:
        theirs = "" if row.paper is None else f"   theirs {row.paper:5.2f}%"
        print(f"({row.design})  {row.expert:12s} R² {row.r2:6.2%}, {row.fraction:4.0%} ± {row.error:.0%} of the oracle's{theirs}")
