"""The chance of each of several independent variables to be the largest, for any densities.

    P_a = integral of f_a(g) * product over b != a of F_b(g) dg

Piecewise Gauss-Legendre. The pieces follow the features of the densities (a centre and a
scale each): a piece at distance y from a feature of scale s is at most about
hypot(s, y) long, so narrow and wide densities, heavy tails and singular ends are all resolved. The
distribution functions come from integrating the densities over the same nodes.
"""

from collections.abc import Callable

import numpy as np
from numpy.polynomial import legendre

from policies.policy import Array

NODES = 12  # per piece
PIECE = 1.0  # length of a piece, in units of hypot(scale, distance)
GRID = 0.5  # spacing, in the same units, of the points at which that length is sampled
TINY = 1e-300


def _rule(nodes: int) -> tuple[Array, Array, Array]:
    """Nodes, weights, and the matrix that integrates from -1 to each node, on [-1, 1]."""
    x, w = legendre.leggauss(nodes)
    ladder = np.empty((nodes, nodes))
    for i in range(nodes):
        unit = np.zeros(nodes)
        unit[i] = 1.0
        ladder[:, i] = legendre.legval(x, legendre.legint(unit, lbnd=-1.0))
    # Values at nodes -> Legendre coefficients: the discrete transform is exact here.
    to_series = legendre.legvander(x, nodes - 1).T * w * (np.arange(nodes) + 0.5)[:, None]
    return x, w, ladder @ to_series


X, W, RUNNING = _rule(NODES)


def pieces(low: float, high: float, centres: Array, scales: Array) -> Array:
    """Edges of the pieces of [low, high], for features (F,) of the given scales (F,)."""
    furthest = np.arcsinh(np.maximum(high - centres, centres - low) / scales).max()
    grid = np.sinh(np.linspace(-furthest, furthest, 2 * int(furthest / GRID + 1) + 1))
    points = (centres[:, None] + scales[:, None] * grid).ravel()
    points = np.sort(np.concatenate(([low, high], points[(points > low) & (points < high)])))
    middle = 0.5 * (points[1:] + points[:-1])
    nearest = np.hypot(scales[:, None], middle - centres[:, None]).min(axis=0)
    length = np.concatenate(([0.0], np.cumsum(np.diff(points) / nearest)))
    count = int(length[-1] / PIECE) + 2
    edges: Array = np.interp(np.linspace(0.0, length[-1], count), length, points)
    return edges


def chance_of_best(edges: Array, density: Callable[[Array], Array], below: Array) -> Array:
    """The chance of each of k variables to be the largest, shape (k,), summing to 1.

    edges    (P + 1,)  pieces; outside them no variable can be the largest
    density  (G,) -> (k, G), normalised
    below    (k,)      each variable's chance to lie below the first edge
    """
    half = 0.5 * np.diff(edges)
    nodes = edges[:-1, None] + half[:, None] * (X + 1.0)
    f = density(nodes.ravel()).reshape(len(below), *nodes.shape)
    mass = (f @ W) * half
    start = below[:, None] + np.cumsum(mass, axis=1) - mass
    cumulative = np.maximum(start[:, :, None] + (f @ RUNNING.T) * half[:, None], TINY)
    weights = np.multiply.reduce(cumulative, axis=0) * (half[:, None] * W)
    chances: Array = (f / cumulative * weights).sum(axis=(1, 2))
    chances /= chances.sum()
    return chances
