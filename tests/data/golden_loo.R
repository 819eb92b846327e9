# Golden values of R's loo for tests/test_golden.py. Rscript golden_loo.R > golden_loo.csv
# The matrix is a formula, the same in any language: column i holds a permuted Pareto tail of index 0.1 i.
# 900 draws: loo rounds the size 3 sqrt(draws) of the tail up, ArviZ down, and here it is whole.
suppressPackageStartupMessages(library(loo))
draws <- 900; n <- 8
s <- 0:(draws - 1)
log_lik <- sapply(1:n, function(i) 0.1 * i * log(((617 * s + 131 * i * i) %% 1009 + 0.5) / 1009) - i / 4)
fit <- suppressWarnings(loo(log_lik, r_eff = rep(1, n)))
crit <- suppressWarnings(waic(log_lik))
show <- function(name, index, value) cat(sprintf("%s,%d,%.15g\n", name, index, value))
cat(sprintf("# R package loo %s\nquantity,index,value\n", packageVersion("loo")))
for (i in 1:n) {
  show("elpd_loo_i", i, fit$pointwise[i, "elpd_loo"])
  show("p_loo_i", i, fit$pointwise[i, "p_loo"])
  show("pareto_k", i, fit$diagnostics$pareto_k[i])
  show("elpd_waic_i", i, crit$pointwise[i, "elpd_waic"])
  show("p_waic_i", i, crit$pointwise[i, "p_waic"])
}
for (name in c("elpd_loo", "p_loo", "looic")) {
  show(name, 0, fit$estimates[name, "Estimate"])
  show(paste0("se_", name), 0, fit$estimates[name, "SE"])
}
for (name in c("elpd_waic", "p_waic", "waic")) {
  show(name, 0, crit$estimates[name, "Estimate"])
  show(paste0("se_", name), 0, crit$estimates[name, "SE"])
}
