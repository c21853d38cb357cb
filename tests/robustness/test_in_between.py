"""In-between class images: their pixels, partners, and the predictions that count."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import jaxmix
from jaxmix.robustness import in_between

pytestmark = pytest.mark.unoptimized

mixup, cutmix, other_class = map(jax.jit, (in_between.mixup, in_between.cutmix, in_between.other_class))
METHODS = {"mixup": in_between.mixup, "cutmix": in_between.cutmix}
SHARES = np.linspace(0, 1, 11)


def samples(shape=(3, 9, 12, 2), dtype=np.float32):
    x = np.random.default_rng(0).uniform(0.1, 1, shape)
    return (np.rint(x * 255) if dtype == jnp.uint8 else x).astype(dtype)


def test_a_blend_is_of_the_given_share():
    x = samples()
    for share in SHARES:
        images, mix = mixup(x, np.float32(share))
        np.testing.assert_allclose(images, (1 - share) * x + share * np.roll(x, -1, 0), atol=2e-7)
        np.testing.assert_allclose(mix.weight, np.tile([1 - share, share], (3, 1)), atol=1e-7)


@pytest.mark.parametrize("shape", [(3, 9, 12, 2), (2, 32, 32, 1), (2, 7, 7, 3)], ids=str)
def test_a_box_lies_in_the_middle_and_has_the_nearest_area_that_can(shape):
    x, (height, width) = samples(shape), shape[1:3]
    for share in SHARES:
        images, mix = cutmix(x, np.float32(share))
        mask = np.asarray(mix.mask[0, 1])
        np.testing.assert_array_equal(mask, mask[::-1, ::-1])
        for marked, side in zip((mask.max(1).sum(), mask.max(0).sum()), (height, width), strict=True):
            # Sides differ by 2 pixels, so none is off by more than 1; on odd sides no box but at 0 is below 1 pixel.
            assert abs(marked - side * np.sqrt(share)) <= 1 + 1e-5
        np.testing.assert_array_equal(mix.weight[:, 1], np.float32(mask.mean()))
        np.testing.assert_array_equal(images, np.where(mask[:, :, None] > 0, np.roll(x, -1, 0), x))


@pytest.mark.parametrize("method", METHODS)
def test_shares_0_and_1_are_the_image_and_its_partner(method):
    x, partner, call = samples(), np.array([2, 0, 1], np.int32), jax.jit(METHODS[method])
    np.testing.assert_array_equal(call(x, np.float32(0), partner=partner)[0], x)
    np.testing.assert_array_equal(call(x, np.float32(1), partner=partner)[0], x[partner])


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "dtype", [pytest.param(jnp.bfloat16, marks=pytest.mark.slow), jnp.uint8], ids=["bfloat16", "uint8"]
)
def test_dtype_is_kept_eager_is_jitted_and_it_lowers_for_every_platform(method, dtype):
    x, call = samples(dtype=dtype), METHODS[method]
    images, mix = call(x, 0.3)
    assert images.dtype == dtype
    same, other = jax.jit(call)({"image": x}, 0.3)
    np.testing.assert_array_equal(mix.mask, other.mask)
    np.testing.assert_array_equal(images, jaxmix.apply(mix, x))
    # Pixels agree to the last rounding; those of a box are copied.
    step = {"mixup": 1 if dtype == jnp.uint8 else 2**-8, "cutmix": 0}[method]
    np.testing.assert_allclose(images.astype(jnp.float32), same.astype(jnp.float32), rtol=0, atol=step)
    shapes = jax.ShapeDtypeStruct(x.shape, dtype), jax.ShapeDtypeStruct((), jnp.float32)
    exported = jax.export.export(jax.jit(call), platforms=("cpu", "cuda", "tpu"))(*shapes)
    assert "callback" not in exported.mlir_module()


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=7, max_size=7).filter(lambda labels: len(set(labels)) > 1))
def test_the_partner_is_the_next_of_another_class(labels):
    size = len(labels)
    found = np.asarray(other_class(np.array(labels, np.int32)))
    for i, partner in enumerate(found):
        ahead = next(d for d in range(1, size) if labels[(i + d) % size] != labels[i])
        assert partner == (i + ahead) % size


def test_traced_labels_of_one_class_are_their_own_partners():
    np.testing.assert_array_equal(other_class(np.array([4, 4, 4], np.int32)), [0, 1, 2])
    np.testing.assert_array_equal(other_class(np.array([4, 5, 4], np.int32)), [1, 2, 1])
    np.testing.assert_array_equal(in_between.other_class(np.array([4, 5, 4])), [1, 2, 1])


@pytest.mark.parametrize(
    ("share", "expected"), [(0.0, [1, 0, 0]), (0.01, [1, 1, 0]), (0.5, [1, 1, 0]), (1.0, [0, 1, 0])]
)
def test_both_classes_in_the_image_count_and_no_other(share, expected):
    labels = np.array([0, 3, 0], np.int32)  # each has class 0 and 3, but the last, whose partner is of its class
    partners, logits = np.array([1, 0, 0], np.int32), np.eye(4, dtype=np.float32)[[0, 0, 2]]
    np.testing.assert_array_equal(hits(samples(), np.float32(share), partners, logits, labels), expected)


@jax.jit
def hits(x, share, partners, logits, labels):
    _, mix = in_between.mixup(x, share, partner=partners)
    return in_between.hit(logits, labels, mix)


@pytest.mark.parametrize("method", METHODS)
def test_mistakes_say_what_was_wanted(method):
    x, call = samples(), METHODS[method]
    for share in (-0.1, 1.1, np.nan):
        with pytest.raises(ValueError, match=r"share is .*; wanted .* from 0 to 1"):
            call(x, share)
    with pytest.raises(ValueError, match=r"one sample, and mixing needs a partner"):
        call(x[:1], 0.5)
    with pytest.raises(ValueError, match=r"partner has indices from 0 to 3"):
        call(x, 0.5, partner=np.array([0, 1, 3]))


def test_labels_that_have_no_other_class_say_so():
    with pytest.raises(ValueError, match=r"all 3 labels are 7; wanted two classes"):
        in_between.other_class(np.array([7, 7, 7]))
    for labels in (np.zeros((2, 2), int), np.zeros(3), np.zeros(0, int)):
        with pytest.raises(ValueError, match=r"labels have shape .*; wanted integer class ids \[b\]"):
            in_between.other_class(labels)
