"""The PyMC fits in `slt/data/fits`: eight schools at beta = 1 and at beta = 1/log n. `python make_pymc.py FOLDER`."""

import sys
from pathlib import Path

import numpy as np
import pymc as pm

EFFECT = np.array([28.0, 8, -3, 7, -1, 1, 18, 12])
ERROR = np.array([15.0, 10, 16, 11, 9, 11, 10, 18])
THIN = 8


def fit(beta):
    """Draws at inverse temperature `beta`, their log-likelihoods untempered."""
    with pm.Model():
        mu = pm.Normal("mu", 0, 5)
        tau = pm.HalfCauchy("tau", 5)
        theta = mu + tau * pm.Normal("z", 0, 1, shape=8)
        pm.Normal("y", theta, ERROR, observed=EFFECT)
        pm.Potential("tempering", (beta - 1) * pm.logp(pm.Normal.dist(theta, ERROR), EFFECT).sum())
        tree = pm.sample(4000, tune=2000, chains=4, cores=1, target_accept=0.98, random_seed=1981, progressbar=False)
        return pm.compute_log_likelihood(tree, progressbar=False)


if __name__ == "__main__":
    for name, beta in {"pymc": 1.0, "pymc_wbic": 1 / np.log(8)}.items():
        tree = fit(beta)
        groups = {"posterior": ("mu", "tau"), "log_likelihood": ("y",)}
        kept = {f"{g}.{v}": np.asarray(tree[g][v])[:, ::THIN] for g, vs in groups.items() for v in vs}
        arrays = {k: a.astype(np.float32) for k, a in kept.items()}
        print(name, pm.__version__, int(tree["sample_stats"]["diverging"].sum()), "divergences")
        np.savez_compressed(Path(sys.argv[1]) / f"{name}.npz", beta=beta, **arrays)
