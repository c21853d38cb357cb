"""Strong edges: the pasted images and shares of golden formulas, places, dtypes, devices, error messages."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmix.robustness import cam_share, edges, strong_edges

pytestmark = pytest.mark.unoptimized
GOLDEN_NAMES = {
    "frame": "frame", "translucent": "translucent", "grey": "grey", "noise": "with_noise", "image": "picture",
    "soft": "soft_grey",
}  # fmt: skip


def samples(shape=(4, 16, 12, 3), dtype=np.float32):
    x = np.random.default_rng(0).uniform(0.1, 0.4, shape)  # never grey
    return (np.rint(x * 255) if dtype == jnp.uint8 else x).astype(dtype)


@pytest.fixture(autouse=True)
def _the_same_key_on_purpose():
    with jax.debug_key_reuse(False):
        yield


@pytest.fixture(scope="module")
def pasted():
    """One program for all kinds."""

    @jax.jit
    def all_kinds(key, x, size):
        return {kind: strong_edges(key, x, kind, size) for kind in edges.KINDS}

    return all_kinds


def test_pasted_images_are_those_of_the_formulas(golden):
    numbers = golden("beyond/strong_edge")
    x, place = numbers["images"][:3], [numbers[name][:3] for name in ("top", "left", "side")]
    fills = {"noise": numbers["noise"][:3], "image": numbers["others"][:3]}

    @jax.jit
    def all_kinds(x, fills, place):
        return {kind: edges.paste(x, kind, *place, fills.get(kind, 0.5)) for kind in edges.KINDS}

    for kind, (images, window) in all_kinds(x, fills, place).items():
        np.testing.assert_allclose(images, numbers[GOLDEN_NAMES[kind]], rtol=0, atol=1e-6, err_msg=kind)
        np.testing.assert_array_equal(window, numbers["window"][:3])


def test_shares_of_maps_are_those_of_the_formula(golden):
    numbers = golden("beyond/strong_edge")
    window = numbers["window"].astype(np.float32)
    found = cam_share(numbers["cam"].astype(np.float32), window)
    np.testing.assert_allclose(found, numbers["share"], rtol=0, atol=1e-6)
    for cam in (np.zeros((6, 8, 8)), np.full((6, 8, 8), -1.0), np.full((6, 8, 8), np.nan)):
        np.testing.assert_allclose(cam_share(cam.astype(np.float32), window), numbers["area"], rtol=0, atol=1e-6)


def test_cells_that_pixels_do_not_divide_are_covered_by_their_overlap():
    window = np.zeros((1, 7, 5), np.float32)
    window[0, 2:6, 1:4] = 1
    cam = np.random.default_rng(1).uniform(-1, 1, (1, 3, 2)).astype(np.float32)
    fine = np.kron(window[0], np.ones((3, 2)))  # 21 rows and 10 columns, that 3 and 2 divide
    covered = fine.reshape(3, 7, 2, 5).mean((1, 3))
    positive = np.maximum(cam[0], 0)
    np.testing.assert_allclose(cam_share(cam, window), [(positive * covered).sum() / positive.sum()], rtol=1e-5)


def test_windows_are_inside_at_the_same_places_for_all_kinds_and_everywhere(pasted):
    x = samples((400, 8, 10, 1))
    made = pasted(jax.random.key(0), x, 5)
    windows = np.asarray(made["grey"][1])
    np.testing.assert_array_equal(windows.sum((1, 2)), 25)
    for kind, (images, window) in made.items():
        np.testing.assert_array_equal(window, windows, err_msg=kind)
        changed = np.asarray(images != x)[..., 0]
        if kind != "soft":
            assert not (changed & (windows == 0)).any(), kind
    for axis, free in ((2, 3), (1, 5)):  # uniform: within 5 standard deviations
        first = windows.max(axis).argmax(1)
        counts = np.bincount(first, minlength=free + 1)
        assert len(counts) == free + 1
        assert np.abs(counts - 400 / (free + 1)).max() < 5 * np.sqrt(400 / (free + 1))
    inner = np.asarray(made["frame"][0] != x)[..., 0].sum((1, 2))
    np.testing.assert_array_equal(inner, 16)  # the border of 5 x 5
    np.testing.assert_allclose(made["translucent"][0], (x + windows[..., None] * (0.5 - x) / 2), rtol=1e-6)
    other = np.roll(x, -1, 0)
    np.testing.assert_array_equal(made["image"][0], np.where(windows[..., None] > 0, other, x))
    whole = strong_edges(jax.random.key(1), x, "grey", 8)[1]  # the shorter side
    np.testing.assert_array_equal(whole.sum((1, 2)), 64)


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.uint8], ids=["bfloat16", "uint8"])
def test_dtype_is_kept_eager_is_jitted_and_the_rest_stays(dtype, pasted):
    x = samples(dtype=dtype)
    made = pasted(jax.random.key(2), {"image": x}, np.float32(4))
    for kind, (images, window) in made.items():
        assert images.dtype == dtype and images.shape == x.shape and window.dtype == jnp.float32
        if kind != "soft":
            outside = np.asarray(window)[..., None] == 0
            np.testing.assert_array_equal(
                np.asarray(images)[np.broadcast_to(outside, x.shape)], x[np.broadcast_to(outside, x.shape)]
            )
    eager = strong_edges(jax.random.key(2), x, "noise", 4)
    for own, jitted in zip(eager, made["noise"], strict=True):
        np.testing.assert_array_equal(own, jitted)


def test_it_lowers_for_every_platform(pasted):
    shapes = (
        jax.ShapeDtypeStruct((), jax.random.key(0).dtype), jax.ShapeDtypeStruct((2, 8, 8, 3), jnp.uint8),
        jax.ShapeDtypeStruct((), jnp.float32),
    )  # fmt: skip
    exported = jax.export.export(pasted, platforms=("cpu", "cuda", "tpu"))(*shapes)
    assert "callback" not in exported.mlir_module()


def test_mistakes_say_what_was_wanted():
    x, key = samples(), jax.random.key(0)
    for size in (0, 13, np.nan):
        with pytest.raises(ValueError, match=r"size is .*; wanted .* from 1 to 12"):
            strong_edges(key, x, "grey", size)
    with pytest.raises(ValueError, match=r"kind is 'circle'; wanted one of frame, translucent, grey, noise, image"):
        strong_edges(key, x, "circle", 4)
    with pytest.raises(ValueError, match="the batch has one sample"):
        strong_edges(key, x[:1], "image", 4)
    with pytest.raises(ValueError, match=r"images have values from .* to 255; wanted 0..1"):
        strong_edges(key, np.full((1, 8, 8, 1), 255, np.float32), "grey", 4)
    with pytest.raises(ValueError, match=r"window has shape \(2, 8, 8\) .* with b = 1"):
        cam_share(np.ones((1, 2, 2), np.float32), np.ones((2, 8, 8), np.float32))
