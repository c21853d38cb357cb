"""The recipe for detection boxes in docs/guides/other_data.md, against counted pixels."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pages
import pytest

import jaxmix

pytestmark = pytest.mark.unoptimized
SIDE, SIZE, BOXES = 16, 40, 4
LEAST = 0.5


@pytest.fixture(autouse=True)
def settings_of_the_pages():
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        yield


def recipes():
    """The functions of the page's section about boxes, on their own."""
    section = (pages.ROOT / "docs/guides/other_data.md").read_text().split("## Detection boxes")[1]
    names = {"jax": jax, "jnp": jnp, "jaxmix": jaxmix}
    for block in re.findall(r"```python\n(.*?)```", section, re.DOTALL):
        exec(block.split("\nboxes = ")[0], names)  # without the calls at its end
    return names


def boxes_of(rng):
    corner = rng.integers(0, SIDE - 4, (SIZE, BOXES, 2))
    far = np.minimum(corner + rng.integers(2, 9, (SIZE, BOXES, 2)), SIDE)
    return np.concatenate([corner, far], -1).astype(np.float32)


def drawn(box):
    """The pixels of a box."""
    top, left, bottom, right = box.astype(int)
    pixels = np.zeros((SIDE, SIDE), bool)
    pixels[top:bottom, left:right] = True
    return pixels


def test_boxes_are_kept_where_enough_of_their_pixels_is_visible_and_clipped_to_the_region():
    rng = np.random.default_rng(0)
    boxes, classes = boxes_of(rng), rng.integers(0, 9, (SIZE, BOXES))
    present = (rng.random((SIZE, BOXES)) < 0.8).astype(np.float32)
    images = np.zeros((SIZE, SIDE, SIDE, 3), np.float32)
    _, mixed, ids, weight = jax.jit(recipes()["cutmix_boxes"])(jax.random.key(0), images, boxes, classes, present)
    _, mix = jaxmix.cutmix(jax.random.key(0), images)
    pasted, partner = np.asarray(mix.mask[:, 1]) > 0, np.asarray(mix.source[:, 1])
    np.testing.assert_array_equal(ids, np.concatenate([classes, classes[partner]], 1))
    np.testing.assert_array_equal(mixed[:, :BOXES], boxes)
    for b in range(SIZE):
        for n in range(BOXES):
            own, other = drawn(boxes[b, n]), drawn(boxes[partner[b], n])
            visible = (own & ~pasted[b]).sum() >= LEAST * own.sum()
            kept = (other & pasted[b]).sum() >= LEAST * other.sum()
            assert weight[b, n] == present[b, n] * visible
            assert weight[b, BOXES + n] == present[partner[b], n] * kept
            if kept:
                np.testing.assert_array_equal(drawn(np.asarray(mixed[b, BOXES + n])), other & pasted[b])
    assert 0 < weight[:, :BOXES].sum() < present.sum() and 0 < weight[:, BOXES:].sum() < present.sum()


def test_the_boxes_of_a_blend_have_the_weights_of_their_images():
    rng = np.random.default_rng(1)
    boxes, classes = boxes_of(rng), rng.integers(0, 9, (SIZE, BOXES))
    images = np.zeros((SIZE, SIDE, SIDE, 3), np.float32)
    present = np.ones((SIZE, BOXES), np.float32)
    _, mixed, ids, weight = recipes()["mixup_boxes"](jax.random.key(0), images, boxes, classes, present)
    _, mix = jaxmix.mixup(jax.random.key(0), images, alpha=1.5)
    np.testing.assert_array_equal(mixed[:, BOXES:], boxes[np.asarray(mix.source[:, 1])])
    np.testing.assert_array_equal(weight, np.repeat(mix.weight, BOXES, 1))
