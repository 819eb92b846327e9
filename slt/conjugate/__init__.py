"""Posteriors in closed form at any inverse temperature: the ground truth for everything that samples (floor 3)."""

from slt.conjugate.family import (
    ExponentialFamily,
    cv_loss,
    functional_variance,
    log_density,
    log_evidence,
    log_lik,
    log_predictive,
    posterior,
    sample,
    training_loss,
    waic_loss,
)
from slt.conjugate.instances import bernoulli, linear_regression, multinomial, normal, normal_mean, poisson

__all__ = [
    "ExponentialFamily",
    "bernoulli",
    "cv_loss",
    "functional_variance",
    "linear_regression",
    "log_density",
    "log_evidence",
    "log_lik",
    "log_predictive",
    "multinomial",
    "normal",
    "normal_mean",
    "poisson",
    "posterior",
    "sample",
    "training_loss",
    "waic_loss",
]
