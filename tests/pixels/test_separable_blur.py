"""Separable blurs: scipy's, as taps or as a matrix, with weights that may be traced."""

import jax
import numpy as np
import pytest
from scipy import ndimage

from jaxmix.pixels import separable_blur

# numpy's names for borders, and scipy's.
MODES = {"edge": "nearest", "reflect": "mirror", "symmetric": "reflect"}


def test_taps_and_matrices_are_scipys_correlation_for_every_border():
    x = np.random.default_rng(0).random((2, 9, 7, 3), np.float32)
    taps = separable_blur.gaussian(1.3, truncate=3.0)
    assert len(taps) == 9 and taps.sum() == pytest.approx(1)

    @jax.jit
    def both(x, taps):
        made = {}
        for mode in MODES:
            matrices = [
                separable_blur.matrix(separable_blur.gaussian(1.3, truncate=3.0), side, mode) for side in (9, 7)
            ]
            made[mode] = [separable_blur.blur(x, weights, (1, 2), mode) for weights in ((taps, taps), matrices)]
        return made

    for mode, made in both(x, taps.astype(np.float32)).items():
        expected = x.astype(np.float64)
        for axis in (1, 2):
            expected = ndimage.correlate1d(expected, taps, axis, mode=MODES[mode])
        for own in made:
            np.testing.assert_allclose(own, expected, rtol=0, atol=1e-6)


def test_long_kernels_are_matrices_and_a_sigma_of_almost_0_is_the_identity():
    assert separable_blur.kernel(separable_blur.gaussian(12.0), 20, "edge").shape == (97,)
    assert separable_blur.kernel(separable_blur.gaussian(13.0), 20, "edge").shape == (20, 20)
    assert separable_blur.gaussian(0.05).tolist() == [1]
    x = np.ones((1, 2, 2, 1), np.float32)
    assert separable_blur.blur(x, [np.ones(1, np.float32)], [1]) is x
