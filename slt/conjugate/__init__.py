"""Posteriors in closed form at any inverse temperature: the ground truth for everything that samples (floor 3)."""

from slt.conjugate.family import (
    ExponentialFamily,
    log_density,
    log_evidence,
    log_lik,
    log_predictive,
    posterior,
    sample,
)
from slt.conjugate.instances import bernoulli, linear_regression, multinomial, normal, normal_mean, poisson
from slt.conjugate.losses import cv_loss, functional_variance, training_loss, waic_loss

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
