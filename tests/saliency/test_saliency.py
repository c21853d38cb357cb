"""Saliency maps: the authors' values, agreement with slow loops, and uninformative maps."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import saliency as slow

from jaxmix import saliency

pytestmark = pytest.mark.unoptimized

smooth = jax.jit(saliency.smooth, static_argnames="size")
normalize, peak = jax.jit(saliency.normalize), jax.jit(saliency.peak)
percentage = jax.jit(saliency.percentage, static_argnums=(1, 2))
mean_abs, root_mean_square = jax.jit(saliency.mean_abs), jax.jit(saliency.root_mean_square)
cam = jax.jit(saliency.cam)
NUMBER = [0.0, 1.0, -2.0, 3.0e38, -3.0e38, 1e-37, np.nan, np.inf, -np.inf]


def noise(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


# Gradients.


def test_the_gradient_of_each_samples_loss_is_that_of_its_own_image():
    x, weight = noise(3, 4, 5, 2), noise(4, 5, 2, seed=1)

    @jax.jit
    def gradients(x):
        def losses(x):
            return (jnp.square(x) * weight[None]).sum((1, 2, 3))

        return saliency.input_gradient(losses, x), saliency.input_gradient(lambda x: losses(x).sum(), x)

    for gradient in gradients(x):
        np.testing.assert_allclose(gradient, 2 * x * weight, rtol=1e-6)


def test_the_gradient_is_float32_whatever_the_images_and_has_no_gradient_itself():
    def square(x):
        return jnp.square(x).sum((1, 2, 3))

    @jax.jit
    def gradients(pixels):
        half = saliency.input_gradient(square, pixels.astype(jnp.bfloat16))
        second = jax.grad(lambda x: saliency.input_gradient(square, x).sum())(pixels.astype(jnp.float32))
        return saliency.input_gradient(square, pixels), half, second

    pixels = (np.arange(12, dtype=np.uint8) * 20).reshape(1, 2, 2, 3)
    first, half, second = gradients(pixels)
    np.testing.assert_array_equal(first, 2 * np.float32(pixels))
    assert half.dtype == jnp.float32
    np.testing.assert_array_equal(second, 0)


def test_a_loss_of_another_shape_says_so():
    with pytest.raises(ValueError, match=r"loss gave shape \(2, 3\) for images of shape \(2, 3, 3, 1\); wanted \[b\]"):
        saliency.input_gradient(lambda x: x.sum((2, 3)), jnp.ones((2, 3, 3, 1)))


def test_maps_of_gradients_are_the_mean_size_and_the_root_of_the_mean_square():
    gradient = noise(2, 3, 4, 5)
    # Sums of five float32 terms.
    np.testing.assert_allclose(mean_abs(gradient), np.abs(gradient.astype(float)).mean(3), rtol=1e-6)
    np.testing.assert_allclose(root_mean_square(gradient), np.sqrt((gradient.astype(float) ** 2).mean(3)), rtol=1e-6)


def test_squares_neither_overflow_nor_underflow():
    gradient, exponents = noise(2, 3, 4, 5), [-112, -60, -56, -52, -49, -48, -47, -30, 30, 56, 60, 120]
    for exponent in exponents:
        scale = np.float32(2.0**exponent)
        # A power of two rounds nothing as long as a term stays in the range of float32.
        np.testing.assert_allclose(root_mean_square(gradient * scale), root_mean_square(gradient) * scale, rtol=1e-6)
    np.testing.assert_array_equal(root_mean_square(np.zeros_like(gradient)), 0)


# Smoothing and normalizing.


@pytest.mark.parametrize("name", ["sage_w32", pytest.param("sage_w64", marks=pytest.mark.slow)])
def test_smoothed_and_normalized_maps_are_the_sage_authors(golden, name):
    # utils_SAGE.py of SamsungLabs/SAGE @00ce751: GaussianBlur((5, 5), (1, 1)), then the sum to 1.
    numbers = golden(f"mixing/{name}")
    for i in "12":
        smoothed = smooth(numbers[f"s{i}"])
        # Float32 sums of ten terms; then shares of about a thousandth.
        np.testing.assert_allclose(smoothed, numbers[f"blur{i}"], rtol=0, atol=1e-6 * numbers[f"blur{i}"].max())
        np.testing.assert_allclose(normalize(smoothed), numbers[f"n{i}"], rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize(("shape", "size"), [((7, 6), 5), ((1, 2), 9), ((3, 1), 3)])
def test_smoothing_agrees_with_the_slow_loops_also_where_a_side_is_shorter_than_the_reach(shape, size):
    maps = noise(2, *shape)
    for sigma in (1.0, 2.5):
        expected = [slow.smooth(one.astype(float), sigma, size) for one in maps]
        np.testing.assert_allclose(smooth(maps, sigma=sigma, size=size), expected, rtol=0, atol=2e-6)  # float32 sums


def test_smoothing_by_almost_nothing_changes_nothing_and_a_traced_sigma_of_0_is_safe():
    maps = noise(2, 7, 6)
    for sigma in (0.0, -1.0, 1e-30):
        np.testing.assert_array_equal(smooth(maps, sigma=sigma), maps)
    with pytest.raises(ValueError, match=r"sigma is 0.0; wanted a number above 0"):
        saliency.smooth(maps, sigma=0.0)
    with pytest.raises(ValueError, match=r"size is 4; wanted an odd number of taps"):
        saliency.smooth(maps, size=4)
    with pytest.raises(ValueError, match=r"size is 0; wanted 1 or more"):
        saliency.smooth(maps, size=0)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.lists(st.sampled_from(NUMBER), min_size=6, max_size=6))
def test_normalizing_agrees_with_the_slow_sums_and_is_uniform_for_uninformative_maps(numbers):
    image = np.float32(numbers).reshape(2, 3)
    made = np.asarray(normalize(image[None])[0])
    np.testing.assert_allclose(made, slow.normalize(image), rtol=1e-6, atol=1e-37)  # float32; smaller ones become 0
    assert made.min() >= 0 and made.sum() == pytest.approx(1, abs=1e-6)


def test_normalizing_does_not_depend_on_the_scale_and_takes_any_dtype():
    image = np.abs(noise(1, 4, 3))
    for exponent in (-100, -64, -30, 30, 64, 100):
        np.testing.assert_array_equal(normalize(image * np.float32(2.0**exponent)), normalize(image))
    for dtype in (jnp.bfloat16, jnp.float16, jnp.uint8):
        made = normalize(np.array([[[1, 3]]], dtype))
        assert made.dtype == jnp.float32 and made.tolist() == [[[0.25, 0.75]]]
    tiny = np.full((1, 4, 3), 2e-39, np.float32)  # below the normal numbers
    np.testing.assert_array_equal(normalize(tiny), np.full((1, 4, 3), np.float32(1 / 12)))


@pytest.mark.parametrize("function", [saliency.smooth, saliency.normalize, saliency.peak])
def test_maps_of_another_rank_say_what_was_wanted(function):
    with pytest.raises(ValueError, match=r"maps has shape \(4, 4\); wanted \[b h w\]"):
        function(jnp.zeros((4, 4)))
    with pytest.raises(ValueError, match=r"gradient has shape \(4, 4\); wanted \[b h w c\]"):
        saliency.mean_abs(jnp.zeros((4, 4)))


@settings(max_examples=20, deadline=None, derandomize=True)
@given(st.lists(st.sampled_from([0.0, 1.0, -2.0, 5.0, -0.0]), min_size=12, max_size=12))
def test_the_peak_is_the_first_largest_value(numbers):
    image = np.float32(numbers).reshape(3, 4)
    assert tuple(int(place[0]) for place in peak(image[None])) == slow.peak(image)


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_the_peak_of_a_map_with_a_value_that_is_not_finite_is_the_first_pixel(number):
    maps = np.zeros((2, 3, 4), np.float32)
    maps[:, 1, 2], maps[0, 2, 3] = 1, number
    np.testing.assert_array_equal(peak(maps), [[0, 1], [0, 2]])


# Class activation maps.


def test_the_mean_of_a_class_activation_map_is_the_logit_and_its_pixels_agree_with_the_slow_sums():
    features, kernel, bias, labels = noise(3, 4, 5, 6), noise(6, 7, seed=1), noise(7, seed=2), np.array([6, 0, 3])
    maps = cam(features, kernel, labels, bias)
    logits = features.mean((1, 2)) @ kernel + bias
    np.testing.assert_allclose(maps.mean((1, 2)), logits[np.arange(3), labels], rtol=0, atol=1e-5)
    expected = [slow.cam(f, kernel, y, bias) for f, y in zip(features, labels, strict=True)]
    np.testing.assert_allclose(maps, expected, rtol=0, atol=2e-6)  # float32 sums of seven values of about 1
    plain = cam(features, kernel, labels)
    np.testing.assert_allclose(maps - plain, np.broadcast_to(bias[labels][:, None, None], maps.shape), atol=2e-6)


def test_grad_cam_of_a_mean_and_a_linear_layer_is_the_positive_part_of_cam_over_the_places():
    features, kernel, labels = noise(3, 4, 5, 6), noise(6, 7, seed=1), np.array([6, 0, 3])
    made = jax.jit(lambda features: saliency.grad_cam(features, lambda f: f.mean((1, 2)) @ kernel, labels))(features)
    np.testing.assert_allclose(made, np.maximum(cam(features, kernel, labels), 0) / 20, rtol=0, atol=1e-6)
    assert (np.asarray(made) > 0).any() and (np.asarray(made) == 0).any()


def test_grad_cam_and_cam_are_without_a_gradient_where_they_say_so():
    features, kernel, labels = noise(2, 2, 2, 3), noise(3, 4, seed=1), np.array([3, 0])

    def total(features):
        return saliency.grad_cam(features, lambda f: jnp.square(f).mean((1, 2)) @ kernel, labels).sum()

    assert not np.asarray(jax.jit(jax.grad(total))(features)).any()


def test_traced_labels_out_of_range_give_maps_of_0_and_known_ones_an_error():
    features, kernel, labels = noise(3, 2, 2, 4), noise(4, 7, seed=1), np.array([7, -1, 0])

    def linear(features):
        return features.mean((1, 2)) @ kernel

    for maps in (cam(features, kernel, labels), jax.jit(saliency.grad_cam, static_argnums=1)(features, linear, labels)):
        assert (np.asarray(maps[:2]) == 0).all() and (np.asarray(maps[2]) != 0).any()
    for make in (saliency.cam, lambda f, kernel, y: saliency.grad_cam(f, linear, y)):
        with pytest.raises(ValueError, match=r"labels go from -1 to 7; wanted class ids, 0 to 6"):
            make(jnp.asarray(features), kernel, labels)
        with pytest.raises(ValueError, match=r"labels have shape \(3, 7\).*wanted integer class ids \[3\].*argmax"):
            make(jnp.asarray(features), kernel, np.zeros((3, 7), np.float32))
        with pytest.raises(ValueError, match=r"features have shape \(3, 4\); wanted \[b h w d\]"):
            make(jnp.zeros((3, 4)), kernel, np.zeros(3, int))


def test_weights_that_do_not_fit_the_features_say_so():
    features, labels = jnp.zeros((2, 3, 3, 4)), np.zeros(2, int)
    with pytest.raises(ValueError, match=r"kernel has shape \(7, 4\); wanted \[d k\] with d = 4"):
        saliency.cam(features, jnp.zeros((7, 4)), labels)
    with pytest.raises(ValueError, match=r"bias has shape \(4,\); wanted \[k\] with k = 7"):
        saliency.cam(features, jnp.zeros((4, 7)), labels, jnp.zeros(4))
    with pytest.raises(ValueError, match=r"logits gave shape \(2,\) for features of shape"):
        saliency.grad_cam(features, lambda f: f.sum((1, 2, 3)), labels)


@pytest.mark.parametrize(("shape", "size"), [((3, 4), (7, 6)), ((7, 6), (3, 4)), ((1, 1), (2, 3)), ((5, 4), (5, 4))])
def test_percentage_maps_agree_with_the_slow_loops(shape, size):
    maps = noise(2, *shape)
    expected = [slow.percentage(one.astype(float), *size) for one in maps]
    np.testing.assert_allclose(percentage(maps, *size), expected, rtol=0, atol=1e-6)  # shares of 1 in float32


@pytest.mark.parametrize("size", ["16x16", pytest.param("32x48", marks=pytest.mark.slow)])
def test_percentage_maps_are_the_snapmix_authors(golden, size):
    # get_spm of Shaoli-Huang/SnapMix @245bda4; NaN, where a map is flat, is uniform here.
    numbers, (height, width) = golden(f"mixing/snapmix_{size}"), map(int, size.split("x"))
    for case, expected in enumerate(numbers["spm"]):
        features, kernel = np.maximum(numbers["feat"][case], 0), numbers["W"][case].T
        maps = percentage(cam(features, kernel, numbers["y"][case], numbers["b"][case]), height, width)
        expected = np.where(np.isnan(expected), 1 / (height * width), expected)
        np.testing.assert_allclose(maps, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("number", [0.0, 0.1, -3.0, 1e30, np.nan, np.inf])
def test_a_flat_map_gives_uniform_percentages_to_the_bit(number):
    # Of these sizes bilinear weights don't sum to 1 to the bit, so a flat map has noise after resizing.
    np.testing.assert_array_equal(percentage(np.full((1, 3, 5), number, np.float32), 13, 10), np.float32(1 / 130))


def test_percentages_do_not_overflow():
    maps = np.float32([[[3e38, -3e38], [1, 0]], [[3e38, 0], [0, 0]]])
    made = np.asarray(percentage(maps, 2, 2))
    np.testing.assert_array_equal(made[0], 0.25)  # the range of the map isn't a float32 number
    np.testing.assert_array_equal(made[1], [[1, 0], [0, 0]])


def test_every_helper_lowers_for_cpu_cuda_and_tpu():
    def all_of_them(images, features):
        maps = saliency.smooth(saliency.fine_grained(images).astype(jnp.float32))
        sage = saliency.mean_abs(features) + saliency.root_mean_square(features)
        return saliency.peak(maps), saliency.percentage(saliency.normalize(sage), 8, 8)

    shapes = jax.ShapeDtypeStruct((2, 8, 8, 3), jnp.uint8), jax.ShapeDtypeStruct((2, 4, 4, 3), jnp.float32)
    exported = jax.export.export(jax.jit(all_of_them), platforms=("cpu", "cuda", "tpu"))(*shapes)
    assert exported.platforms == ("cpu", "cuda", "tpu") and "callback" not in exported.mlir_module()
