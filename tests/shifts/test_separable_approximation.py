"""Separable approximation: the error of the interpolation, and the nodes for a pair of maps."""

import jax
import numpy as np
import pytest
from reference import sage as slow

from jaxmix.shifts import separable_approximation

pytestmark = pytest.mark.unoptimized

nodes_of = jax.jit(separable_approximation.nodes, static_argnums=2)


def test_interpolation_is_exact_at_the_nodes_and_errs_by_the_product_elsewhere():
    nodes = np.array([0.7, 0.1, 0.02, 0.003])
    a, b = np.geomspace(1e-4, 1, 40)[:, None], np.concatenate([nodes, np.geomspace(1e-4, 1, 37)])[None]

    def ratios(x):
        return np.prod([(x - node) / (x + node) for node in nodes], 0)

    expected = a * b / (a + b) * (1 - ratios(a) * ratios(b))
    np.testing.assert_allclose(slow.interpolated(a, b, nodes), expected, rtol=1e-9)
    np.testing.assert_allclose(expected[:, :4], (a * b / (a + b))[:, :4], rtol=1e-12)
    assert np.abs(ratios(a) * ratios(b)).max() <= 1


def test_nodes_follow_the_range_of_the_maps():
    generator = np.random.default_rng(6)
    flat = generator.random((1, 16, 16)) + 0.5
    sharp = np.full((1, 16, 16), 1e-3)
    sharp[0, 5, 5] = 1
    zero = np.zeros((1, 16, 16))
    for own, other in ((flat, flat), (sharp, flat), (flat, sharp), (sharp, sharp)):
        own, other = (np.float32(0.5 * maps / maps.sum()) for maps in (own, other))
        errors = []
        for number in (2, 4, 5, 8, 16):
            nodes = np.float64(nodes_of(own, other, number)[0])
            ratio = nodes[:-1] / nodes[1:]
            assert nodes[-1] < min(np.median(own), np.median(other)) and nodes[0] > max(own.max(), other.max()) / 2
            assert (ratio > 1.99).all() and np.ptp(ratio) < 1e-3 * ratio.max()
            a, b = (np.float64(np.unique(maps))[:: 1 + len(np.unique(maps)) // 50] for maps in (own, other))
            a, b = a[:, None], b[None]
            errors.append(np.abs(slow.interpolated(a, b, nodes) / (a * b / (a + b)) - 1).max())
        assert errors[2] < 0.06 and errors[3] < errors[2] < errors[1] < errors[0] and errors[4] < 1e-3
    for own, other in ((zero, flat), (flat, zero), (zero, zero)):
        nodes = nodes_of(np.float32(own), np.float32(other), 5)
        weights = jax.jit(separable_approximation.weights)(nodes)
        assert np.isfinite(nodes).all() and (nodes > 0).all() and np.isfinite(weights).all()
