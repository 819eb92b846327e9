"""Pictures of learning coefficients: the Newton polyhedron, the strata of the zero set."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import sympy
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from mpl_toolkits.mplot3d.art3d import Line3DCollection, Poly3DCollection
from scipy.spatial import ConvexHull

from slt import rlct
from slt.plots._style import COLORS, GREY, style

POINTS, SLICES = 301, 13
MARKERS = ("o", "s", "^", "D")


def newton_polyhedron(K: Any) -> Axes:
    r"""The Newton polyhedron in two or three variables, the deciding face, and the point where the ray meets it.

    $$\frac{1}{\lambda}(h_1 + 1, \dots, h_d + 1) \in \partial\Gamma_+$$

    **Arguments:** `K`: a polynomial or generators, as `slt.rlct.newton` takes them, or the result of `newton`, or its
    certificate.
    **Returns:** the axes: exponents as dots, compact faces in blue, the deciding face and the ray in vermilion.
    **Raises:** `ValueError` for another number of variables, or a result that has no polyhedron.
    **Source:** Watanabe (2009), section 4; Arnold, Gusein-Zade and Varchenko (1988).

    >>> x, y = sympy.symbols("x y")
    >>> axis = newton_polyhedron(x**4 + x**2 * y**2 + y**6)
    >>> axis.get_title()
    'λ = 1/2, m = 2'
    >>> plt.close(axis.figure)
    """
    certificate = (
        K if isinstance(K, rlct.NewtonCertificate) else getattr(K, "certificate", None) or rlct.newton(K).certificate
    )
    if not isinstance(certificate, rlct.NewtonCertificate):
        raise ValueError(
            "newton_polyhedron needs a Newton polyhedron, and this learning coefficient was found by blow-ups or in "
            "parts: pass K itself, or one part (in its certificate)."
        )
    d = len(certificate.variables)
    if d not in (2, 3):
        raise ValueError(f"a picture needs two or three variables; got {d}: {certificate.variables}.")
    hull = certificate.polyhedron()
    assert certificate.optimum is not None  # or there were no polyhedron
    costs = np.array([float(c) for c in certificate.optimum.costs])
    meets = costs / float(certificate.rlct)
    exponents, face = np.array(hull.points, dtype=float), np.array(sorted(certificate.deciding_face), dtype=float)
    size = 1.15 * max(exponents.max(), meets.max(), 1.0)
    with plt.rc_context(style()):
        figure = plt.figure(figsize=(5, 4.4))
        axis: Any = figure.add_subplot(projection="3d" if d == 3 else None)
        ray = np.stack([0 * meets, meets])
        if d == 2:
            _draw_polygon(axis, np.array(sorted(hull.vertices), dtype=float), size)
        else:
            for side in (f for f in hull.compact_faces if f.dimension == 2):
                corners = _around(np.array(side.vertices, dtype=float))
                axis.add_collection3d(Poly3DCollection([corners], facecolor=COLORS[0], edgecolor=COLORS[0], alpha=0.25))
        axis.plot(*exponents.T, "o", color=COLORS[0], label="exponents of K")
        axis.plot(*ray.T, "--", color=GREY, label="ray through h + 1")
        _draw_face(axis, face, certificate.optimum, size)
        axis.plot(*meets[:, None], "D", color=COLORS[3], markersize=5, zorder=4, label="(h + 1)/λ")
        names = [f"exponent of {v}" for v in certificate.variables]
        axis.set(xlim=(0, size), ylim=(0, size), xlabel=names[0], ylabel=names[1])
        if d == 3:
            axis.set(zlim=(0, size), zlabel=names[2])
            axis.view_init(elev=22, azim=38)
            for pane in (axis.xaxis, axis.yaxis, axis.zaxis):
                pane.set_pane_color((0, 0, 0, 0))
        m = certificate.multiplicity
        known = "λ =" if certificate.nondegenerate and not certificate.strict_transforms else "polyhedron: λ ≤"
        axis.set_title(f"{known} {certificate.rlct}" + (f", m = {m}" if known == "λ =" else ""))
        figure.legend(*axis.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return axis


def _draw_polygon(axis: Axes, vertices, size: float) -> None:
    """The unbounded polygon, and its compact boundary."""
    first, last = vertices[0], vertices[-1]
    far = [[2 * size, last[1]], [2 * size, 2 * size], [first[0], 2 * size]]
    axis.fill(*np.vstack([vertices, far]).T, color=COLORS[0], alpha=0.15, linewidth=0)
    axis.plot(*vertices.T, color=COLORS[0])
    axis.set_aspect("equal")


def _draw_face(axis: Any, face, optimum: Any, size: float) -> None:
    """The deciding face: its exponents as squares, and the segment or polygon that they span, as far as is seen."""
    corners = face
    for j in (j for j, u in enumerate(optimum.weights) if u == 0):  # the face is unbounded in this direction
        far = corners.copy()
        far[:, j] = size
        corners = np.vstack([corners, far])
    ends = np.array(sorted(corners.tolist()))[[0, -1]]
    dimension = len(optimum.costs) - optimum.multiplicity
    if dimension == 2:
        axis.add_collection3d(Poly3DCollection([_around(corners)], facecolor=COLORS[1], edgecolor=COLORS[1], alpha=0.4))
    elif dimension == 1:
        axis.plot(*ends.T, color=COLORS[1], linewidth=3)
    axis.plot(*face.T, "s", color=COLORS[1], markersize=9, label="deciding face")


def _around(corners):
    """Corners of a plane polygon in space, in order."""
    centred = corners - corners.mean(axis=0)
    flat = centred @ np.linalg.svd(centred)[2][:2].T
    return corners[ConvexHull(flat).vertices]


def strata(K: Any, *, prior: Any = 1, width: float | None = None) -> Axes:
    r"""The real zeros of K in two or three variables, coloured by the local pair $(\lambda, m)$.

    $$\{w \in [-a, a]^d : K(w) = 0\}$$

    **Arguments:** `K`, `prior`: as in `slt.rlct.strata`. `width`: $a$; by default 2, or so much that all points which
    are strata are inside.
    **Returns:** the axes: one colour and legend entry for each pair, the least λ first; points as markers. Surfaces
    are drawn by their level curves. Pieces that are not decided are grey and dashed.
    **Raises:** `ValueError` as `slt.rlct.strata`, or if `width` is not positive.
    **Source:** `slt.rlct.strata`.

    >>> x, y = sympy.symbols("x y")
    >>> axis = strata(x**2 * y**2)
    >>> [text.get_text() for text in axis.figure.legends[0].get_texts()]
    ['λ = 1/2, m = 2', 'λ = 1/2, m = 1']
    >>> plt.close(axis.figure)
    """
    if width is not None and not width > 0:
        raise ValueError(f"width, half the side of the picture, must be positive; got {width}.")
    pieces = rlct.strata(K, prior=prior)
    reach = [abs(float(c)) for p in pieces if p.dimension == 0 for c in p.point or ()]
    width = width or max(2.0, 1.25 * max(reach, default=0.0))
    names = sorted({s for p in pieces for e in p.equations for s in e.free_symbols} | _symbols(K), key=str)
    pairs = list(dict.fromkeys((p.rlct, p.multiplicity) for p in pieces if p.exact))
    looks: dict = {pair: (COLORS[i % 4], MARKERS[i % 4], "solid") for i, pair in enumerate(pairs)}
    with plt.rc_context(style()):
        figure = plt.figure(figsize=(5, 4.4))
        axis: Any = figure.add_subplot(projection="3d" if len(names) == 3 else None)
        for p in sorted(pieces, key=lambda p: -p.dimension):
            color, marker, line = looks.get((p.rlct, p.multiplicity) if p.exact else None, (GREY, "x", "dashed"))
            if p.dimension == 0:
                place = [float(c) for c in p.point or ()]
                if max(map(abs, place)) <= width:
                    axis.plot(*([c] for c in place), marker, color=color, markersize=8, clip_on=False, zorder=5)
            elif p.dimension == len(names) - 1:
                _hypersurface(axis, p.equations[0], names, (color, line), width)
            elif p.point is not None:
                _space_curve(axis, p, names, (color, line), width)
        axis.set(xlim=(-width, width), ylim=(-width, width), xlabel=str(names[0]), ylabel=str(names[1]))
        if len(names) == 3:
            axis.set(zlim=(-width, width), zlabel=str(names[2]))
            axis.set(**{f"{v}ticks": (-width, 0, width) for v in "xyz"})
            for pane in (axis.xaxis, axis.yaxis, axis.zaxis):
                pane.set_pane_color((0, 0, 0, 0))
        else:
            axis.set_aspect("equal")
        entries = {f"λ = {a}, m = {m}": looks[a, m] for a, m in pairs}
        entries |= {"not decided": (GREY, "x", "dashed")} if any(not p.exact for p in pieces) else {}
        handles = [Line2D([], [], color=c, marker=k, linestyle=s) for c, k, s in entries.values()]
        figure.legend(handles, list(entries), loc="outside lower center", ncols=2)
    return axis


def _symbols(K) -> set:
    return set().union(*(sympy.sympify(f).free_symbols for f in (K if isinstance(K, list | tuple) else [K])))


def _level(equation, names, u, v):
    """Polylines in the plane where a polynomial of two variables changes sign."""
    values = np.broadcast_to(sympy.lambdify(names, equation, "numpy")(*np.meshgrid(u, v)), (len(v), len(u)))
    scratch = plt.figure()
    try:
        return (
            scratch.add_subplot().contour(u, v, values, levels=[0.0]).allsegs[0]
            if values.min() < 0 < values.max()
            else []
        )
    finally:
        plt.close(scratch)


def _hypersurface(axis, equation, names, look, width) -> None:
    color, line = look
    grid = np.linspace(-width, width, POINTS + 1)
    if len(names) == 2:
        for path in _level(equation, names, grid, grid):
            axis.plot(*path.T, color=color, linestyle=line)
        return
    paths = []
    for j in range(3):
        rest = [i for i in range(3) if i != j]
        for height in np.linspace(-width, width, SLICES):
            flat = equation.subs(names[j], sympy.Float(height))
            for path in _level(flat, [names[i] for i in rest], grid[::3], grid[::3]):
                paths.append(np.insert(path, j, height, axis=1))
    axis.add_collection3d(Line3DCollection(paths, color=color, linewidth=0.6, alpha=0.6, linestyle=line))


def _space_curve(axis, piece, names, look, width) -> None:
    """A curve: where each plane of a fine stack meets it, joined if the curve is a graph over that axis."""
    color, line = look
    t = np.linspace(-width, width, POINTS)
    for j, name in enumerate(names):
        solved = sympy.solve(piece.equations, [n for n in names if n != name], dict=True)
        for branch in solved if len(solved) < 3 else ():
            if len(branch) == 2:
                with np.errstate(all="ignore"):  # a pole of the curve: not finite, so not good
                    values: dict[Any, Any] = {
                        n: np.broadcast_to(sympy.lambdify(name, e, "numpy")(t + 0j), t.shape) for n, e in branch.items()
                    }
                good = np.all(
                    [abs(v.imag) < 1e-9 for v in values.values()] + [abs(v) <= width for v in values.values()], axis=0
                )
                for condition in piece.conditions:
                    good &= np.broadcast_to(sympy.lambdify(name, condition, "numpy")(t), t.shape)
                path = [np.where(good, t if n == name else values[n].real, np.nan) for n in names]
                axis.plot(*path, color=color, linestyle=line, linewidth=3, gid=f"over {names[j]}")
        if any(len(b) == 2 for b in solved):
            return
