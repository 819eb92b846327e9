"""The Stan fits in `slt/data/fits`: eight schools at beta = 1 and at beta = 1/log n. `python make_stan.py FOLDER`."""

import sys
from pathlib import Path

import numpy as np
import stan

PROGRAM = """
data {
  array[8] real y;
  array[8] real<lower=0> sigma;
  real<lower=0> beta;
}
parameters {
  real mu;
  real<lower=0> tau;
  vector[8] z;
}
transformed parameters {
  vector[8] theta = mu + tau * z;
}
model {
  mu ~ normal(0, 5);
  tau ~ cauchy(0, 5);
  z ~ std_normal();
  target += beta * normal_lpdf(y | theta, sigma);
}
generated quantities {
  vector[8] log_lik;
  for (i in 1:8) log_lik[i] = normal_lpdf(y[i] | theta[i], sigma[i]);
}
"""
DATA = {"y": [28, 8, -3, 7, -1, 1, 18, 12], "sigma": [15, 10, 16, 11, 9, 11, 10, 18]}
DRAWS, THIN = 3500, 10


if __name__ == "__main__":
    for name, beta in {"stan": 1.0, "stan_wbic": 1 / np.log(8)}.items():
        model = stan.build(PROGRAM, data=DATA | {"beta": beta}, random_seed=1981)
        fit = model.sample(num_chains=4, num_samples=DRAWS, num_warmup=2000, delta=0.98)
        # PyStan keeps draws in the order (parameter, draw, chain).
        log_lik = np.asarray(fit["log_lik"]).reshape(8, DRAWS, 4)
        rest = [np.asarray(fit[v]).reshape(DRAWS, 4) for v in ("lp__", "mu", "tau")]
        rows = [
            ",".join([str(c + 1), *(f"{v[s, c]:.6g}" for v in rest), *(f"{v:.6g}" for v in log_lik[:, s, c])])
            for c in range(4)
            for s in range(0, DRAWS, THIN)
        ]
        head = ",".join(["chain", "lp__", "mu", "tau", *(f"log_lik.{i}" for i in range(1, 9))])
        about = f"# PyStan {stan.__version__}; beta={beta!r}; {int(np.sum(fit['divergent__']))} divergences"
        (Path(sys.argv[1]) / f"{name}.csv").write_text("\n".join([about, head, *rows]) + "\n", encoding="utf-8")
