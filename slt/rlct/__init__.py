"""Exact real log canonical thresholds and their multiplicities (floor 1)."""

from slt.rlct._deep_linear import deep_linear
from slt.rlct._record import LearningCoefficient
from slt.rlct._reduced_rank import Stratum, reduced_rank, reduced_rank_strata

__all__ = ["LearningCoefficient", "Stratum", "deep_linear", "reduced_rank", "reduced_rank_strata"]
