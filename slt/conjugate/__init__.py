"""Posteriors in closed form at any inverse temperature: the ground truth for everything that samples (floor 3)."""

from slt.conjugate.counts import bernoulli, multinomial, poisson
from slt.conjugate.family import (
    ExponentialFamily,
    log_density,
    log_evidence,
    log_lik,
    log_predictive,
    posterior,
    sample,
)
from slt.conjugate.losses import cv_loss, functional_variance, training_loss, waic_loss
from slt.conjugate.normals import linear_regression, normal, normal_mean

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
