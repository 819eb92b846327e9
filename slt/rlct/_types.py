"""Names for annotations (floor 1)."""

from typing import Any

Polynomial = Any  # a `sympy.polys.rings.PolyElement`, whose own annotations are narrower than what it does
