"""Cross-correlations by matrix products and by FFTs, and the approximate scores that they add up to."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from reference import sage as slow
from reference.saliency_pairs import pairs

from jaxmix.shifts import cross_correlation, fft_search

pytestmark = pytest.mark.unoptimized

approximate = jax.jit(fft_search.approximate, static_argnums=2)
SIZES = [(5, 4), *(pytest.param(size, marks=pytest.mark.slow) for size in [(1, 6), (6, 1), (1, 1)])]
TRANSFORMS = [cross_correlation.by_matrix_products, cross_correlation.by_ffts]


@jax.jit
def sums(own, other, nodes):
    return fft_search.sum_in_frame(other), *(transform(own, other, nodes) for transform in TRANSFORMS)


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_correlations_agree_with_the_slow_sums(size):
    own, other = np.random.default_rng(5).random((2, 3, *size)).astype(np.float32)
    nodes = np.float32([[1, 0.3, 0.1], [0.5, 0.2, 0.05], [0.8, 0.4, 0.2]])
    own[1, 0, 0] = nodes[1, 1]  # where a factor is 0
    left, *made = map(np.asarray, sums(own, other, nodes))
    for b in range(3):
        for dy, dx in slow.all_shifts(*size):
            moved, at = slow.moved(other[b], (dy, dx)), (dy + size[0] - 1, b, dx + size[1] - 1)
            expected = slow.interpolated(np.float64(own[b]), moved, np.float64(nodes[b])).sum()
            for correlation in made:
                np.testing.assert_allclose(correlation[at], expected, rtol=0, atol=2e-5)  # float32 sums up to 20
            np.testing.assert_allclose(left[at], moved.sum(), rtol=0, atol=3e-6)


def test_the_larger_maps_go_through_ffts(monkeypatch):
    used = []
    for name in ("by_matrix_products", "by_ffts"):
        monkeypatch.setattr(
            cross_correlation, name, lambda own, *rest, name=name: used.append(name) or own.swapaxes(0, 1)
        )
    for size in ((128, 128), (96, 129), (224, 224)):
        maps = jnp.zeros((1, *size))
        cross_correlation.correlate(maps, maps, jnp.zeros((1, 5)))
    assert used == ["by_matrix_products", "by_ffts", "by_ffts"]


def test_approximate_scores_are_those_of_the_authors_to_a_thousandth(golden):
    arrays = golden("mixing/sage_w32")
    some = arrays["scoremap_pair"]
    share = arrays["a"][some, None, None]
    own, other = np.float32(share * arrays["n1"][some]), np.float32((1 - share) * arrays["n2"][some])
    made = np.moveaxis(approximate(own, other, 5), 1, 0)
    np.testing.assert_allclose(own.sum((1, 2))[:, None, None] + made, arrays["scoremap"], rtol=0, atol=1e-3)


@pytest.mark.slow
def test_more_nodes_come_closer():
    own, other = pairs(8, 20, 12, 10)
    exact = np.stack([slow.search(a, b)[2] for a, b in zip(own, other, strict=True)])
    errors = []
    for nodes in (2, 4, 8):
        made = np.moveaxis(approximate(own, other, nodes), 1, 0).reshape(20, -1)
        errors.append(np.abs(own.sum((1, 2))[:, None] + made - exact).max(1))
    assert (np.median(errors, 1) < [5e-2, 5e-4, 2e-5]).all()  # about half of that when measured
