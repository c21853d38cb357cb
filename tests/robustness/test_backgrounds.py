"""Backgrounds: the authors' compositions and their challenge, donors, and slow loops."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmix.robustness import backgrounds

pytestmark = pytest.mark.unoptimized

FILES = ["backgrounds_32", pytest.param("backgrounds_64", marks=pytest.mark.slow)]
BOXED = {"only_bg_b": backgrounds.only_background_black, "only_bg_t": backgrounds.only_background_tiled}
only_foreground, no_foreground = jax.jit(backgrounds.only_foreground), jax.jit(backgrounds.no_foreground)
mixed, challenge_images = jax.jit(backgrounds.mixed), jax.jit(backgrounds.challenge_images)
black, tiled = (jax.jit(BOXED[name]) for name in BOXED)
same_class, random_class = (jax.jit(jax.vmap(f, (0, None))) for f in (backgrounds.same_class, backgrounds.random_class))
next_class = jax.jit(
    jax.vmap(functools.partial(backgrounds.next_class, num_classes=4), (0, None)),
)
vulnerable, challenge_accuracy = jax.jit(backgrounds.vulnerable), jax.jit(backgrounds.challenge_accuracy)
accuracy, gap = jax.jit(backgrounds.accuracy), jax.jit(backgrounds.gap)
fooling_rates = jax.jit(backgrounds.fooling_rates, static_argnums=2)


def noise(*shape, seed=0):
    return np.random.default_rng(seed).random(shape, np.float32)


def unit(numbers):
    return numbers["images"].astype(np.float32) / 255


def keys(count):
    return jax.random.split(jax.random.key(0), count)


# The authors' compositions: MadryLab/backgrounds_challenge @46d224b; the tiles are those of the specification.


@pytest.mark.parametrize("file", FILES)
def test_images_without_a_part_and_mixed_ones_are_the_golden_ones(golden, file):
    numbers = golden(f"robustness/{file}")

    @jax.jit
    def composed(x, images, masks, soft, boxes, donors):
        made = {"only_fg": backgrounds.only_foreground(x, masks), "no_fg": backgrounds.no_foreground(x, masks)}
        levels = {}
        for name, function in BOXED.items():
            made[name], levels[name] = function(x, boxes), function(images, boxes)
        others = {name: made["only_bg_t"][donor] for name, donor in donors.items()}
        made |= {f"mixed_{name}": backgrounds.mixed(x, masks, other) for name, other in others.items()}
        return made | {"mixed_rand_soft": backgrounds.mixed(x, soft, others["rand"])}, levels

    donors = {name: numbers[f"idx_{name}"] for name in ("same", "next", "rand")}
    arrays = (numbers[name] for name in ("images", "mask", "soft_mask", "box_x0y0x1y1"))
    made, levels = composed(unit(numbers), *arrays, donors)
    for name, own in made.items():
        np.testing.assert_allclose(own, numbers[name], rtol=0, atol=1e-6, err_msg=name)
    for name, own in levels.items():
        assert own.dtype == jnp.uint8
        np.testing.assert_array_equal(own, np.round(numbers[name] * 255), name)


def test_the_challenge_and_the_accuracy_on_imagenet_9_are_the_authors(golden):
    numbers = golden("robustness/backgrounds_32")
    predictions, labels = numbers["ch_pred"], numbers["ch_label"]
    np.testing.assert_array_equal(vulnerable(predictions, labels), numbers["ch_vulnerable"])
    made = challenge_accuracy(predictions, labels)
    assert float(made) == pytest.approx(float(numbers["ch_accuracy"]), abs=1e-6)
    fine, target, mapping = numbers["in9_pred1000"], numbers["in9_target"], numbers["in_to_in9"]
    made = accuracy(fine, target, mapping=mapping)
    assert float(made) == pytest.approx(float(numbers["in9_acc"]), abs=1e-6)
    assert np.bincount(mapping[mapping >= 0]).tolist() == [116, 52, 42, 36, 35, 27, 26, 20, 16]


# Slow loops.


def slow_tiles(x, box):
    (height, width), (left, top, right, bottom), out = x.shape[:2], box, x.copy()
    strips = [(0, 0, top, width), (bottom, 0, height - bottom, width)]
    strips += [(0, 0, height, left), (0, right, height, width - right)]
    first_row, first_column, rows, columns = max(strips, key=lambda strip: strip[2] * strip[3])
    for row in range(top, bottom):
        for column in range(left, right):
            if rows * columns == 0:
                out[row, column] = 0
            else:
                source = first_row + (row - first_row) % rows, first_column + (column - first_column) % columns
                out[row, column] = x[source]
    return out


def test_tiles_agree_with_the_slow_loops_for_every_box():
    height, width = 5, 4
    pairs = [[(a, b) for a in range(side + 1) for b in range(a, side + 1)] for side in (width, height)]
    boxes = np.array([(left, top, right, bottom) for left, right in pairs[0] for top, bottom in pairs[1]])
    x = noise(len(boxes), height, width, 2)
    expected = [slow_tiles(image, box) for image, box in zip(x, boxes, strict=True)]
    np.testing.assert_array_equal(tiled(x, boxes), expected)
    blacked = x.copy()
    for image, (left, top, right, bottom) in zip(blacked, boxes, strict=True):
        image[top:bottom, left:right] = 0
    np.testing.assert_array_equal(black(x, boxes), blacked)


def test_rates_gap_and_worst_case_agree_with_counting():
    generator = np.random.default_rng(1)
    predictions, labels = generator.integers(0, 3, (20, 7)), generator.integers(0, 3, 20)
    predictions[:6] = labels[:6, None]
    predictions, labels = predictions.astype(np.int32), labels.astype(np.int32)
    rates = fooling_rates(predictions, labels, 4)
    for c in range(3):
        np.testing.assert_allclose(rates[c], (predictions[labels == c] != c).mean(0), rtol=1e-6)  # float32
    assert not np.asarray(rates[3]).any(), "a class without a foreground"
    worst = np.mean([all(row == y) for row, y in zip(predictions, labels, strict=True)])
    assert worst >= 0.3 and float(challenge_accuracy(predictions, labels)) == pytest.approx(worst, abs=1e-6)
    same, other = predictions[:, 0], predictions[:, 1]
    expected = (same == labels).mean() - (other == labels).mean()
    assert float(gap(same, other, labels)) == pytest.approx(expected, abs=1e-6)
    # A network of finer classes: 2c and 2c + 1 belong to c, the last to none.
    mapping, fine = np.array([0, 0, 1, 1, 2, 2, -1]), 2 * predictions + generator.integers(0, 2, predictions.shape)
    for call in (vulnerable, challenge_accuracy):
        np.testing.assert_array_equal(call(fine, labels, mapping=mapping), call(predictions, labels))
    np.testing.assert_array_equal(fooling_rates(fine, labels, 4, mapping=mapping), rates)
    made = gap(fine[:, 0], fine[:, 1], labels, mapping=mapping)
    assert float(made) == pytest.approx(expected, abs=1e-6)


def test_a_class_without_a_label_is_wrong_whatever_the_label():
    mapping = np.array([0, -1])
    assert accuracy(np.array([1, 2, -1, 0]), np.array([-1, 0, 0, 0]), mapping=mapping) == 0.25


# Properties.


def test_foreground_and_rest_add_up_to_the_image_exactly():
    x, masks = noise(3, 6, 5, 2), np.random.default_rng(2).integers(0, 2, (3, 6, 5))
    kinds = [x, x.astype(jnp.bfloat16), (255 * x).astype(np.uint8)]

    @jax.jit
    def parts(kinds, kinds_of_mask):
        return [
            [(backgrounds.only_foreground(images, mask), backgrounds.no_foreground(images, mask)) for images in kinds]
            for mask in kinds_of_mask
        ]

    for of_mask in parts(kinds, [masks, masks.astype(bool), masks.astype(np.uint8), masks.astype(np.float32)]):
        for images, (foreground, rest) in zip(kinds, of_mask, strict=True):
            assert foreground.dtype == rest.dtype == images.dtype
            np.testing.assert_array_equal(np.asarray(foreground) + np.asarray(rest), images)


def test_the_mask_decides_between_foreground_and_background_and_is_linear():
    x, others, masks = noise(3, 6, 5, 2), noise(3, 6, 5, 2, seed=1), noise(3, 6, 5, seed=2)
    np.testing.assert_array_equal(mixed(x, np.ones_like(masks), others), x)
    np.testing.assert_array_equal(mixed(x, np.zeros_like(masks), others), others)
    # Up to the rounding of two float32 products.
    np.testing.assert_allclose(mixed(x, masks, x), x, rtol=3e-7)
    rest = np.asarray(no_foreground(x, masks))
    np.testing.assert_allclose(np.asarray(mixed(x, masks, 0 * x)) + rest, x, rtol=3e-7)
    ends = np.asarray(mixed(x, masks, others)), np.asarray(mixed(x, 0 * masks, others))
    np.testing.assert_allclose(mixed(x, masks / 4, others), ends[0] / 4 + 3 * ends[1] / 4, rtol=0, atol=3e-7)
    levels = np.uint8([[[[10], [20]]]])
    assert mixed(levels, np.array([[[0.25, 0.75]]]), levels[:, :, ::-1] + 3).ravel().tolist() == [
        20,
        18,
    ]  # 19.75, 18.25


def test_the_challenge_puts_every_foreground_before_every_background():
    x, others, masks = noise(3, 6, 5, 2), noise(4, 6, 5, 2, seed=1), noise(3, 6, 5, seed=2)
    made = np.asarray(challenge_images(x, masks, others))
    assert made.shape == (3, 4, 6, 5, 2)
    for place, other in enumerate(others):
        # One instruction for a product and a sum rounds once.
        np.testing.assert_allclose(made[:, place], mixed(x, masks, other[None]), rtol=0, atol=1e-7)
        np.testing.assert_allclose(made[:, place], mixed(x, masks, np.stack([other] * 3)), rtol=0, atol=1e-7)


# Donors.

N = 2000
LABELS = np.array([2, 0, 2, 1, 0, 2, 0])


def test_donors_of_the_same_class_are_others_and_equally_frequent():
    index, valid = same_class(keys(N), LABELS)
    assert (LABELS[index] == LABELS).all()
    np.testing.assert_array_equal(valid, np.broadcast_to(LABELS != 1, valid.shape))
    for place in range(len(LABELS)):
        counts = np.bincount(index[:, place], minlength=7) / N
        others = np.flatnonzero((LABELS == LABELS[place]) & (np.arange(7) != place))
        if others.size == 0:
            assert counts[place] == 1, "one alone in its class gets itself"
        else:
            assert counts[place] == 0
            np.testing.assert_allclose(counts[others], 0.5, atol=0.05)  # 4.5 standard deviations


def test_random_classes_are_equally_frequent_whatever_their_size():
    index, valid = random_class(keys(N), LABELS)
    assert valid.all()
    share = np.bincount(np.asarray(index).ravel(), minlength=7) / index.size
    # A third for each class, shared among its samples; 5 standard deviations of 14,000.
    np.testing.assert_allclose(share, np.array([1 / 9, 1 / 9, 1 / 9, 1 / 3, 1 / 9, 1 / 9, 1 / 9]), atol=0.02)


def test_the_next_class_follows_and_is_never_ones_own():
    index, valid = next_class(keys(N), LABELS)
    index, follows = np.asarray(index), (LABELS + 1) % 4
    np.testing.assert_array_equal(valid, np.broadcast_to(LABELS != 2, valid.shape), "no sample of class 3")
    assert (index[:, LABELS == 2] == np.flatnonzero(LABELS == 2)).all()
    assert (LABELS[index[:, LABELS != 2]] == follows[LABELS != 2]).all()
    np.testing.assert_allclose(np.bincount(index[:, 3], minlength=7)[[0, 2, 5]] / N, 1 / 3, atol=0.05)
    around, valid = backgrounds.next_class(jax.random.key(1), np.array([3, 0]), 4)
    assert around.tolist() == [1, 1] and valid.tolist() == [True, False]


def test_golden_donors_are_possible_samples(golden):
    numbers = golden("robustness/backgrounds_32")
    labels = numbers["labels"]
    assert (labels[numbers["idx_same"]] == labels).all()
    assert (labels[numbers["idx_next"]] == (labels + 1) % numbers["num_classes"]).all()
    index, valid = next_class(keys(N), labels)
    assert valid.all() and (np.asarray(index) == numbers["idx_next"]).any(0).all()


def test_images_are_the_same_eager_and_jitted():
    x, masks, boxes = noise(3, 6, 5, 2), noise(3, 6, 5, seed=1), np.array([[1, 2, 4, 5]] * 3)
    np.testing.assert_array_equal(tiled(x, boxes), backgrounds.only_background_tiled(x, boxes))
    # One instruction for a product and a sum rounds once.
    np.testing.assert_allclose(mixed(x, masks, x[::-1]), backgrounds.mixed(x, masks, x[::-1]), rtol=0, atol=1e-7)


@pytest.mark.parametrize("name", ["same_class", pytest.param("random_class", marks=pytest.mark.slow)])
def test_donors_are_the_same_eager_and_jitted(name):
    jitted = {"same_class": same_class, "random_class": random_class}[name]
    eager = getattr(backgrounds, name)(keys(1)[0], LABELS)
    for made, expected in zip(jitted(keys(1), LABELS), eager, strict=True):
        np.testing.assert_array_equal(made[0], expected)


def test_everything_lowers_for_cpu_cuda_and_tpu():
    def all_of_it(key, images, masks, boxes, labels, predictions):
        others = backgrounds.only_background_tiled(images, boxes) + backgrounds.only_background_black(images, boxes)
        donors = backgrounds.same_class(key, labels), backgrounds.random_class(key, labels)
        index, valid = backgrounds.next_class(key, labels, 4)
        before_others = backgrounds.mixed(images, masks, others[index])
        before_all = backgrounds.challenge_images(images, masks, others)
        parts = backgrounds.only_foreground(images, masks), backgrounds.no_foreground(images, masks)
        score = backgrounds.challenge_accuracy(predictions, labels), backgrounds.fooling_rates(predictions, labels, 4)
        return (
            donors,
            valid,
            before_others,
            before_all,
            parts,
            score,
            backgrounds.gap(labels, predictions[:, 0], labels),
        )

    with jax.debug_key_reuse(False):  # one key for all of it
        arrays = noise(4, 6, 5, 3), noise(4, 6, 5), np.zeros((4, 4), np.int32), LABELS[:4].astype(np.int32)
        shapes = [jax.ShapeDtypeStruct(a.shape, a.dtype) for a in (*arrays, np.zeros((4, 2), np.int32))]
        exported = jax.export.export(jax.jit(all_of_it), platforms=("cpu", "cuda", "tpu"))(jax.random.key(0), *shapes)
    assert exported.platforms == ("cpu", "cuda", "tpu") and "callback" not in exported.mlir_module()


# What is wrong says so, or is made safe.


def test_traced_masks_boxes_and_labels_out_of_range_are_cut_to_it():
    x, other = np.full((1, 1, 4, 1), 0.5, np.float32), np.full((1, 1, 4, 1), 0.25, np.float32)
    made = mixed(x, np.float32([[[-1, 2, np.nan, np.inf]]]), other)
    assert made.ravel().tolist() == [0.25, 0.5, 0.25, 0.5]
    assert black(x, np.array([[2, -3, 9, 7]])).ravel().tolist() == [0.5, 0.5, 0, 0]
    assert black(x, np.array([[3, 0, 1, 1]])).ravel().tolist() == [0.5] * 4
    index, valid = next_class(keys(1), np.array([-5, 7, 100]))
    assert np.asarray((index >= 0) & (index < 3)).all()


@pytest.mark.parametrize("function", [backgrounds.only_foreground, backgrounds.no_foreground])
def test_images_and_masks_that_do_not_fit_say_so(function):
    x, masks = noise(2, 6, 5, 3), np.ones((2, 6, 5))
    mixes = functools.partial(backgrounds.mixed, backgrounds=x)
    for call in (function, mixes):
        with pytest.raises(ValueError, match=r"images have rank 3"):
            call(x[0], masks)
        with pytest.raises(ValueError, match=r"images have values from .*wanted 0..1.*undo any normalization first"):
            call(2 * x - 1, masks)
        with pytest.raises(
            ValueError, match=r"masks have shape \(2, 5, 6\); wanted one value for each pixel, \(2, 6, 5\)"
        ):
            call(x, np.ones((2, 5, 6)))
        with pytest.raises(ValueError, match=r"drop the last axis with masks\[..., 0\]"):
            call(x, masks[..., None])
        for wrong in (255 * masks, -masks, np.nan * masks):
            with pytest.raises(ValueError, match=r"masks go from .*; wanted 0 to 1.*call masks > 127"):
                call(x, wrong)
    for wrong in (x[:, :5], x[:1].repeat(3, 0), np.uint8(255 * x)):
        with pytest.raises(ValueError, match=r"backgrounds have shape .*wanted one for each image, \(2, 6, 5, 3\)"):
            backgrounds.mixed(x, masks, wrong)
    with pytest.raises(ValueError, match=r"backgrounds have values"):
        backgrounds.mixed(x, masks, x + 3)


@pytest.mark.parametrize("function", BOXED.values(), ids=BOXED)
def test_boxes_that_do_not_fit_say_so(function):
    x = noise(1, 6, 5, 3)
    for boxes in ([[0, 0, 6, 6]], [[0, 0, 5, 7]], [[-1, 0, 5, 6]], [[3, 0, 2, 6]]):
        with pytest.raises(ValueError, match=r"boxes hold \[.*wanted 0 <= x0 <= x1 <= 5 and 0 <= y0 <= y1 <= 6"):
            function(x, np.array(boxes))
    for boxes in (np.zeros((2, 4), int), np.zeros(4, int), np.zeros((1, 4))):
        with pytest.raises(ValueError, match=r"boxes have shape .*wanted integers.*\[1 4\]"):
            function(x, boxes)
    with pytest.raises(ValueError, match=r"images have values"):
        function(x - 1, np.zeros((1, 4), int))


def test_labels_and_predictions_that_do_not_fit_say_so():
    key = jax.random.key(0)
    for labels in (np.zeros((3, 2), int), np.zeros(3), np.zeros(0, int)):
        for sample in (backgrounds.same_class, backgrounds.random_class, lambda k, y: backgrounds.next_class(k, y, 3)):
            with pytest.raises(ValueError, match=r"labels have shape .*wanted integer class ids \[b\]"):
                sample(key, labels)
    with pytest.raises(ValueError, match=r"labels go from 0 to 3; wanted class ids, 0 to 2"):
        backgrounds.next_class(key, np.array([0, 3]), 3)
    with pytest.raises(ValueError, match=r"num_classes is 1; wanted 2 or more"):
        backgrounds.next_class(key, np.array([0, 0]), 1)
    labels = np.array([0, 1])
    for call in (backgrounds.vulnerable, backgrounds.challenge_accuracy):
        with pytest.raises(
            ValueError, match=r"predictions have shape \(2,\) and dtype int.*wanted integer class ids \[n m\]"
        ):
            call(labels, labels)
        with pytest.raises(
            ValueError, match=r"predictions have shape \(3, 4\) and labels \(2,\); wanted one row per label"
        ):
            call(np.zeros((3, 4), int), labels)
    with pytest.raises(ValueError, match=r"wanted integer class ids \[n\]: call argmax\(-1\) on logits"):
        backgrounds.accuracy(np.zeros((2, 9), np.float32), labels)
    with pytest.raises(ValueError, match=r"mapping have shape \(2, 2\)"):
        backgrounds.accuracy(labels, labels, mapping=np.zeros((2, 2), int))
    with pytest.raises(ValueError, match=r"num_classes is 0"):
        backgrounds.fooling_rates(np.zeros((2, 4), int), labels, 0)
