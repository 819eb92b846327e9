"""Small public data sets as NumPy columns, and fits of other packages; `README.md` has the sources (floor 5)."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import as_file, files
from typing import Any

import numpy as np

__all__ = ["Table", "fit", "load"]

_ABOUT = {
    "newcomb": (
        {"time": "nanoseconds above 24,800, in the order of measurement"},
        "S. Newcomb's third series of passage times of light, 1882; Stigler (1977), table 5.",
    ),
    "galaxies": (
        {"velocity": "1000 km/s, sorted"},
        "Velocities of 82 galaxies in the Corona Borealis region; Postman, Huchra and Geller (1986), Roeder (1990).",
    ),
    "faithful": (
        {"eruptions": "minutes", "waiting": "minutes to the next eruption"},
        "Eruptions of the Old Faithful geyser, 1985; Azzalini and Bowman (1990), in the version of Haerdle (1991).",
    ),
    "nile": (
        {"year": "calendar year", "flow": "10^8 cubic metres"},
        "Annual flow of the Nile at Aswan, 1871 to 1970; Cobb (1978).",
    ),
}


@dataclass(frozen=True)
class Table:
    r"""Columns of equal length, each an attribute: `load("nile").flow`.

    **Arguments:** `columns`: name to array `(rows,)`, float64. `units`: name to unit. `source`: who measured and
    published it. `licence`: what one may do with it.

    **Source:** `slt/data/README.md`.

    >>> Table({"x": np.zeros(3)}, {"x": "metres"}, "example").x.shape
    (3,)
    """

    columns: Mapping[str, np.ndarray]
    units: Mapping[str, str]
    source: str
    licence: str = "Measured facts, to our knowledge under no copyright; this transcription: MIT, as the library."

    def __getattr__(self, name: str) -> np.ndarray:
        columns = self.__dict__.get("columns", {})
        if name in columns:
            return columns[name]
        raise AttributeError(f"this table has the columns {', '.join(columns)}; got {name!r}.")

    def __repr__(self) -> str:
        rows = len(next(iter(self.columns.values())))
        return f"Table({rows} rows: {', '.join(f'{k} ({u})' for k, u in self.units.items())}; {self.source})"


def load(name: str) -> Table:
    """A data set by its name.

    **Arguments:** `name`: `"newcomb"`, `"galaxies"`, `"faithful"` or `"nile"`.
    **Returns:** a `Table`: columns as attributes, float64, shape `(rows,)`, read-only; `units`; `source`; `licence`.
    **Raises:** `ValueError` for another name.
    **Source:** given in the table, and with the licence in `slt/data/README.md`.

    >>> load("newcomb").time[:6].tolist()
    [28.0, 26.0, 33.0, 24.0, 34.0, -44.0]
    """
    if name not in _ABOUT:
        raise ValueError(f"there is no data set {name!r}; there are {', '.join(_ABOUT)}.")
    units, source = _ABOUT[name]
    header, *rows = (files("slt.data") / f"{name}.csv").read_text(encoding="utf-8").split()
    table = np.array([row.split(",") for row in rows], dtype=np.float64)
    table.flags.writeable = False
    return Table({column: table[:, k] for k, column in enumerate(header.split(","))}, units, source)


def fit(name: str, *, wbic: bool = False) -> Any:
    r"""A fit of the eight schools that PyMC or Stan made, as the ArviZ DataTree that one has after such a fit.

    $$y_j \sim N(\theta_j, \sigma_j^2), \quad \theta_j \sim N(\mu, \tau^2), \quad \mu \sim N(0, 5^2), \quad
    \tau \sim \mathrm{HalfCauchy}(5)$$

    **Arguments:** `name`: `"pymc"` or `"stan"`. `wbic`: whether the posterior is at inverse temperature $1/\log 8$,
    the one for `slt.wbic`, in place of 1.
    **Returns:** a DataTree with `posterior` (`mu`, `tau`) and `log_likelihood` (`y` of PyMC, `log_lik` of Stan, never
    tempered), four thinned chains; its `attrs` hold `beta`.
    **Raises:** `ValueError` for another name.
    **Source:** Rubin (1981) for the data; the programs that sampled are named in `slt/data/README.md`.

    >>> fit("stan").log_likelihood["log_lik"].shape
    (4, 350, 8)
    """
    if name not in ("pymc", "stan"):
        raise ValueError(f"there is no fit {name!r}; there are pymc, stan.")
    from slt._arviz import LOG_LIKELIHOOD, build_datatree

    file = files("slt.data") / "fits" / f"{name}{'_wbic' if wbic else ''}.{'npz' if name == 'pymc' else 'csv'}"
    beta = 1 / np.log(8) if wbic else 1.0
    with as_file(file) as path:
        if name == "pymc":
            with np.load(path) as arrays:
                names = ("posterior.mu", "posterior.tau", "log_likelihood.y")
                mu, tau, log_lik = (arrays[k].astype(np.float64) for k in names)
        else:
            columns = np.loadtxt(path, delimiter=",", skiprows=2).reshape(4, -1, 12)  # chain, lp__, mu, tau, log_lik
            mu, tau, log_lik = columns[..., 2], columns[..., 3], columns[..., 4:]
    likelihood = {"y" if name == "pymc" else "log_lik": log_lik}
    return build_datatree({"posterior": {"mu": mu, "tau": tau}, LOG_LIKELIHOOD: likelihood}, {"beta": float(beta)})
