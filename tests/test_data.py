"""The data sets against published summaries, so that no digit was lost on the way."""

import re
from importlib.resources import files

import numpy as np
import pytest

import slt

# name: (column, rows, sum, first, last, published mean to the digits given, its source)
CASES = [
    ("newcomb", "time", 66, 1730, 28, 23, 26.21, 2),  # Stigler (1977), table 5; median 27
    ("galaxies", "velocity", 82, 1708.180, 9.172, 34.279, 20.83, 2),  # Roeder (1990), as analysed since
    ("faithful", "eruptions", 272, 948.677, 3.6, 4.467, 3.488, 3),  # R's summary(faithful)
    ("faithful", "waiting", 272, 19284, 79, 74, 70.9, 1),
    ("nile", "flow", 100, 91935, 1120, 740, 919.35, 2),  # Durbin and Koopman (2012), section 2.2.5
]


@pytest.mark.parametrize(("name", "column", "rows", "total", "first", "last", "mean", "digits"), CASES)
def test_the_columns(name, column, rows, total, first, last, mean, digits):
    values = getattr(slt.data.load(name), column)
    assert values.dtype == np.float64
    assert values.shape == (rows,)
    assert values.sum() == pytest.approx(total, abs=1e-9)
    assert (values[0], values[-1]) == (first, last)
    assert round(values.mean(), digits) == mean


def test_newcombs_outliers_and_median():
    time = slt.data.load("newcomb").time
    assert (time[5], time[9]) == (-44, -2)
    assert np.sort(time)[2] == 16
    assert np.median(time) == 27
    assert time.std(ddof=1) == pytest.approx(10.745, abs=1e-3)  # Gelman et al. (2013), section 3.2: s = 10.8


def test_nile_years_and_lowest_flow():
    nile = slt.data.load("nile")
    assert nile.year.tolist() == list(range(1871, 1971))
    assert (nile.year[nile.flow.argmin()], nile.flow.min()) == (1913, 456)


def test_galaxies_are_sorted_and_carry_the_corrected_value():
    velocity = slt.data.load("galaxies").velocity
    assert (np.diff(velocity) > 0).all()
    assert velocity[77] == 26.960


def test_an_unknown_name_lists_what_there_is():
    with pytest.raises(ValueError, match=r"no data set 'iris'; there are newcomb, galaxies, faithful, nile"):
        slt.data.load("iris")


def test_an_unknown_column_lists_the_columns():
    with pytest.raises(AttributeError, match=r"columns year, flow; got 'volume'"):
        _ = slt.data.load("nile").volume


def test_every_file_has_its_source_and_licence_in_the_readme():
    readme = (files("slt.data") / "README.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(\w+)\.csv` \|(.*)\|$", readme, re.M))
    assert set(rows) == {p.name[:-4] for p in files("slt.data").iterdir() if p.name.endswith(".csv")}
    for name, column, n, total, *_ in CASES:
        assert f" {n} |" in rows[name]
        assert re.search(rf"`{column}` {total}0?\b", rows[name])
        assert slt.data.load(name).units[column]
        assert slt.data.load(name).source in repr(slt.data.load(name))
    assert "copyright" in readme


def test_the_columns_cannot_be_written_over():
    nile = slt.data.load("nile")
    with pytest.raises(ValueError, match="read-only"):
        nile.flow[0] = 0.0
    assert "copyright" in nile.licence


def test_the_rows_of_old_faithful_belong_together():
    # R prints 0.9008112 for cor(faithful); a column shifted by one row has a negative correlation.
    faithful = slt.data.load("faithful")
    r = np.corrcoef(faithful.eruptions, faithful.waiting)[0, 1]
    assert r == pytest.approx(0.9008112, abs=5e-8)
