"""Localization: the authors' evaluator to the last count, slow loops, uniform maps, error messages."""

import pathlib
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import regions as slow

from jaxmix import saliency
from jaxmix.robustness import localization
from jaxmix.robustness.localization.boxes import overlap

DATA = pathlib.Path(__file__).parents[3] / "shared" / "data"
HAND_MADE = [1, 2, 3, 4]  # maps of the golden set that don't come from features
score_maps = jax.jit(localization.score_maps, static_argnums=(1, 2))
to_levels = jax.jit(localization.to_levels)


def blob(height=8, width=9, box=(3, 2, 5, 4)):
    """A map of 1 inside a box whose corners are included, 0 elsewhere."""
    made = np.zeros((1, height, width), np.float32)
    made[0, box[1] : box[3] + 1, box[0] : box[2] + 1] = 1
    return made


def boxes_of(numbers):
    return [numbers["boxes_resized"][numbers["box_image"] == place] for place in range(len(numbers["labels"]))]


# The authors' evaluator: clovaai/wsolevaluation @96f4b88 with OpenCV 4.10.


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "regions"),
    [("single", localization.largest_region), ("multi", localization.all_regions)],
    ids=["first", "second"],
)
def test_the_number_of_right_images_at_every_tenth_threshold_is_the_authors(golden, kind, regions):
    numbers = golden("robustness/wsol_box")
    maps = golden("robustness/wsol_scoremap_u8")["scoremap_u8"]
    found = localization.best_overlap(maps, boxes_of(numbers), step=0.01, regions=regions)
    np.testing.assert_allclose(found, numbers[f"{kind}_best_iou_every10"], rtol=1e-7)  # stored in float32
    for place, least in enumerate((0.3, 0.5, 0.7)):
        np.testing.assert_array_equal((found >= least).sum(0), numbers[f"{kind}_num_correct"][place, ::10])


@pytest.mark.slow
def test_from_features_to_max_box_accuracy_as_in_the_authors_evaluator(golden):
    numbers = golden("robustness/wsol_box")
    expected = golden("robustness/wsol_scoremap_u8")["scoremap_u8"]
    features = numbers["features"].astype(np.float32).transpose(0, 2, 3, 1)
    cams = saliency.cam(features, numbers["fc_weight"].T, numbers["labels"])
    np.testing.assert_allclose(cams, numbers["cam_sum_over_k"], rtol=0, atol=1e-5)
    maps = np.array(to_levels(score_maps(cams, 224, 224)))
    maps[HAND_MADE] = expected[HAND_MADE]
    # Float32 next to float64, truncated: now and then the next level.
    off = np.abs(maps.astype(int) - expected)
    assert off.max() <= 1 and off.mean() < 1e-4
    boxes = boxes_of(numbers)
    accuracy = localization.max_box_accuracy(maps, boxes)  # of the best of 1,000 thresholds
    np.testing.assert_allclose(100 * accuracy, numbers["multi_acc_30_50_70"], rtol=0, atol=1e-9)
    assert 100 * accuracy.mean() == pytest.approx(numbers["MaxBoxAccV2"], abs=1e-9)


def test_the_second_accuracy_counts_holes_and_the_first_does_not(golden):
    # Image 1 is a ring, and its object the hole.
    numbers = golden("robustness/wsol_box")
    ring = golden("robustness/wsol_scoremap_u8")["scoremap_u8"][1:2]
    box = boxes_of(numbers)[1:2]
    assert localization.max_box_accuracy(ring, box, step=0.1).tolist() == [1, 1, 1]
    first = localization.max_box_accuracy(ring, box, iou=(0.7,), step=0.1, regions=localization.largest_region)
    assert first.tolist() == [0]


def test_maps_are_resized_and_stretched_as_opencv_does(golden):
    numbers = golden("robustness/wsol_resize")
    made = score_maps(numbers["cam"].astype(np.float32), 224, 224)
    np.testing.assert_allclose(made, numbers["normalised"], rtol=0, atol=1e-5)  # of a range of 1, in float32
    low, high = (f(numbers["resized"], (1, 2), keepdims=True) for f in (np.min, np.max))
    np.testing.assert_allclose(made, (numbers["resized"] - low) / (high - low), rtol=0, atol=1e-5)


def test_pixel_average_precision_is_the_authors(golden):
    numbers = golden("robustness/wsol_pxap")
    scores = numbers["scoremap_u16_div65535"] / 65535
    for dtype in (np.float64, np.float32):
        made = localization.pixel_average_precision(scores.astype(dtype), numbers["mask"])
        assert 100 * made == pytest.approx(numbers["PxAP"], abs=1e-9)


def test_overlaps_and_resized_boxes_are_the_authors(golden):
    numbers = golden("robustness/wsol_iou")
    np.testing.assert_allclose(overlap(numbers["box_a"], numbers["box_b"]), numbers["iou"], rtol=1e-15)
    numbers = golden("robustness/wsol_box")
    sizes = numbers["image_sizes_wh"][numbers["box_image"]][:, ::-1]
    made = localization.resize_boxes(numbers["boxes"], sizes, (224, 224))
    np.testing.assert_array_equal(made, numbers["boxes_resized"])


# Slow loops.


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.integers(1, 9), st.integers(1, 9), st.sampled_from([0.1, 0.3, 0.5, 0.7, 0.9]), st.integers(0, 2**32 - 1))
def test_boxes_of_regions_and_of_the_largest_agree_with_floods_and_walks(height, width, share, seed):
    mask = np.random.default_rng(seed).random((height, width)) < share
    assert sorted(localization.all_regions(mask).tolist()) == slow.every(mask)
    assert localization.largest_region(mask).tolist() == slow.largest(mask)


def test_a_plus_and_a_bar_of_two_by_three_enclose_as_much_so_the_last_is_taken():
    plus = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], bool)  # four triangles of 1/2
    bar = np.array([[1, 1, 1], [1, 1, 1], [0, 0, 0]], bool)  # two squares
    for first, second in ((plus, bar), (bar, plus)):
        mask = np.concatenate([first, np.zeros((1, 3), bool), second])
        assert localization.largest_region(mask).tolist() == slow.largest(mask) == [[0, 4, 2, 6]]


def test_best_overlaps_agree_with_the_slow_loops():
    generator = np.random.default_rng(3)
    maps = generator.integers(0, 7, (3, 6, 8)).astype(np.uint8)
    boxes = [np.array([[1, 1, 4, 3]]), np.array([[0, 0, 2, 2], [3, 2, 7, 5]]), np.array([[0, 0, 8, 6]])]
    thresholds = np.arange(0, 1, 0.05)
    expected = [slow.best_overlap(one, truth, thresholds) for one, truth in zip(maps, boxes, strict=True)]
    made = localization.best_overlap(maps, boxes, step=0.05)
    np.testing.assert_allclose(made, expected, rtol=1e-15)
    accuracy = localization.max_box_accuracy(maps, boxes, iou=(0.2, 0.4), step=0.05)
    np.testing.assert_array_equal(accuracy, [(np.array(expected) >= d).mean(0).max() for d in (0.2, 0.4)])


@pytest.mark.parametrize(("old", "new"), [((3, 4), (7, 9)), ((5, 1), (2, 3)), ((6, 5), (6, 5))])
def test_resizing_is_cubic_convolution_pixel_by_pixel(old, new):
    source = np.random.default_rng(0).standard_normal(old)

    def weight(far, a=-0.75):
        if far <= 1:
            return (a + 2) * far**3 - (a + 3) * far**2 + 1
        return a * far**3 - 5 * a * far**2 + 8 * a * far - 4 * a if far < 2 else 0.0

    expected = np.zeros(new)
    for y, x in np.ndindex(new):
        v, u = (y + 0.5) * old[0] / new[0] - 0.5, (x + 0.5) * old[1] / new[1] - 0.5
        for row in range(int(np.floor(v)) - 1, int(np.floor(v)) + 3):
            for column in range(int(np.floor(u)) - 1, int(np.floor(u)) + 3):
                value = source[np.clip(row, 0, old[0] - 1), np.clip(column, 0, old[1] - 1)]
                expected[y, x] += weight(abs(v - row)) * weight(abs(u - column)) * value
    expected = (expected - expected.min()) / (expected.max() - expected.min())
    made = localization.score_maps(source[None].astype(np.float32), *new)[0]
    np.testing.assert_allclose(made, expected, rtol=0, atol=2e-6)  # float32 sums of 16 values


def test_average_precision_of_pixels_agrees_with_counting_at_every_threshold():
    generator = np.random.default_rng(1)
    scores, masks = generator.random((2, 5, 4)).astype(np.float32), generator.choice([0, 1, 255], (2, 5, 4))
    scores[0, 0, 0], masks[0, 0, :2] = 1, [1, 0]
    area, before = 0.0, 0.0
    for threshold in [1.0, *np.arange(0, 1, 0.1)[::-1]]:
        hits, false = ((scores >= threshold) & (masks == 1)).sum(), ((scores >= threshold) & (masks == 0)).sum()
        recall = hits / (masks == 1).sum()
        area += (recall - before) * hits / max(hits + false, 1)
        before = recall
    assert localization.pixel_average_precision(scores, masks, step=0.1) == pytest.approx(area, abs=1e-12)
    assert localization.pixel_average_precision((masks == 1).astype(np.float32), masks) == 1


# Properties.


def test_a_map_that_is_its_box_is_found_and_its_overlap_is_one_row_and_one_column_short_of_1():
    # The box ends one column and row beyond the region, 4 x 4 next to 3 x 3; at the image's border it doesn't.
    assert localization.best_overlap(blob(), [[3, 2, 5, 4]], step=0.5).tolist() == [[9 / 16] * 2]
    border = blob(box=(3, 2, 8, 7))
    assert localization.max_box_accuracy(border, [[3, 2, 8, 7]], iou=(1.0,), step=0.5).tolist() == [1]


def test_an_overlap_that_is_just_enough_is_enough():
    maps = blob(8, 11, (0, 0, 9, 7))  # its box is 11 x 8, the object 11 x 4: exactly a half
    assert localization.max_box_accuracy(maps, [[0, 0, 10, 3]], step=0.5).tolist() == [1, 1, 0]
    assert localization.top_1_accuracy(maps, [[0, 0, 10, 3]], np.array([True])) == 1


def test_accuracy_does_not_depend_on_scale_or_offset_of_the_maps_and_falls_with_the_overlap():
    level = np.random.default_rng(5).integers(1, 255, (4, 9, 7))
    level[:, 0, 0], level[:, 4, 4] = 0, 255
    # In the middle between two levels, so that rounding decides none of them.
    maps = np.where((level > 0) & (level < 255), level + 0.5, level).astype(np.float32) / 255
    boxes = np.array([[0, 0, 3, 4], [2, 2, 5, 8], [1, 1, 1, 1], [0, 0, 6, 8]])
    expected = localization.best_overlap(maps, boxes, step=0.01)
    for other in (level.astype(np.uint8), maps * 2 + 8, maps * 1e-20, maps.astype(np.float64), jnp.asarray(maps)):
        np.testing.assert_array_equal(localization.best_overlap(other, boxes, step=0.01), expected)
    accuracy = localization.max_box_accuracy(maps, boxes, iou=np.linspace(0.1, 1, 10).tolist(), step=0.01)
    assert (np.diff(accuracy) <= 0).all()


def test_top_1_needs_the_class_and_the_box():
    maps, boxes = np.concatenate([blob()] * 4), np.array([[3, 2, 6, 5], [3, 2, 6, 5], [0, 0, 1, 1], [0, 0, 1, 1]])
    correct = np.array([True, False, True, False])
    assert localization.top_1_accuracy(maps, boxes, correct) == 0.25
    assert localization.top_1_accuracy(maps, boxes, jnp.ones(4, bool)) == 0.5
    assert localization.top_1_accuracy(maps, boxes, correct, iou=0.01, threshold=0.0) == 0.25
    weak = blob() + 0.5 * blob(box=(0, 6, 8, 7))  # the largest region is the weak one, unless the threshold hides it
    assert localization.top_1_accuracy(weak, boxes[:1], correct[:1]) == 0
    assert localization.top_1_accuracy(weak, boxes[:1], correct[:1], regions=localization.all_regions) == 1
    assert localization.top_1_accuracy(weak, boxes[:1], correct[:1], threshold=0.6) == 1
    assert [b.tolist() for b in localization.region_boxes(weak, threshold=0.6)] == [[[3, 2, 6, 5]]]


# Uniform maps.


@pytest.mark.parametrize("value", [0.0, -3.0, 0.1, np.nan, np.inf, -np.inf, 3e38])
def test_a_constant_map_or_one_that_is_not_finite_finds_only_the_first_pixel(value):
    maps = np.full((1, 5, 7), value, np.float32)
    # Of these sizes the weights of resizing don't sum to 1 to the bit.
    assert not np.asarray(score_maps(maps, 13, 10)).any() and not np.asarray(to_levels(maps)).any()
    assert localization.region_boxes(maps)[0].tolist() == [[0, 0, 0, 0]]
    np.testing.assert_array_equal(localization.best_overlap(maps, [[0, 0, 1, 0]], step=0.25), 0.5)
    assert localization.max_box_accuracy(maps, [[1, 1, 3, 3]]).tolist() == [0, 0, 0]
    maps[0, :2] = [[1], [2]]
    if not np.isfinite(value):
        assert not np.asarray(score_maps(maps, 13, 10)).any() and not np.asarray(to_levels(maps)).any()


def test_one_bad_map_leaves_the_others_alone_and_none_overflows():
    maps = np.float32([[[0, 1], [2, 3]], [[np.nan, 1], [2, 3]], [[-3e38, 3e38], [0, 0]], [[0, 1e-30], [0, 0]]])
    np.testing.assert_array_equal(
        to_levels(maps), [[[0, 85], [170, 255]], [[0] * 2] * 2, [[0] * 2] * 2, [[0, 255], [0, 0]]]
    )
    made = np.asarray(score_maps(maps, 5, 5))
    assert np.isfinite(made).all() and made[0].max() == 1 and made[3].max() == 1 and not made[1].any()


def test_making_maps_is_the_same_eager_and_jitted_and_lowers_for_cpu_cuda_and_tpu():
    cams = np.random.default_rng(2).standard_normal((3, 4, 5)).astype(np.float32)
    np.testing.assert_array_equal(score_maps(cams, 13, 10), localization.score_maps(cams, 13, 10))
    np.testing.assert_array_equal(to_levels(cams), localization.to_levels(cams))

    def both(maps):
        return localization.to_levels(localization.score_maps(maps, 13, 10))

    shape = jax.ShapeDtypeStruct(cams.shape, jnp.float32)
    exported = jax.export.export(jax.jit(both), platforms=("cpu", "cuda", "tpu"))(shape)
    assert exported.platforms == ("cpu", "cuda", "tpu") and "callback" not in exported.mlir_module()


# Mistakes.


@pytest.mark.parametrize(
    ("maps", "message"),
    [
        (np.zeros((8, 9)), r"maps have shape \(8, 9\); wanted one map for each image, \[n h w\]"),
        (np.zeros((1, 8, 9, 1)), r"drop the last axis with maps\[..., 0\]"),
        (np.zeros((0, 8, 9)), r"maps have shape \(0, 8, 9\)"),
        (np.zeros((1, 8, 9), int), r"maps have dtype int64; wanted a floating dtype, or uint8 for levels"),
    ],
)
def test_maps_of_another_rank_or_dtype_say_what_was_wanted(maps, message):
    for call in (
        lambda: localization.max_box_accuracy(maps, [[3, 2, 6, 5]]),
        lambda: localization.score_maps(maps, 8, 9),
        lambda: localization.pixel_average_precision(maps, np.ones(maps.shape, int)),
    ):
        with pytest.raises(ValueError, match=message):
            call()


@pytest.mark.parametrize("regions", [localization.all_regions, localization.largest_region])
def test_a_mask_of_integers_or_of_another_rank_says_so(regions):
    for mask in (np.ones((3, 3), np.uint8), np.ones((1, 3, 3), bool)):
        with pytest.raises(ValueError, match=r"mask has shape .*wanted bool \[h w\]: call map > threshold"):
            regions(mask)


@pytest.mark.parametrize(
    ("boxes", "message"),
    [
        ([[3, 2, 6, 5]] * 2, r"boxes are those of 2 images, but there are 1 maps; wanted boxes \[1 4\], or a list"),
        ([[6, 2, 3, 5]], r"boxes\[0\] holds \[6, 2, 3, 5\]; wanted x0 <= x1 and y0 <= y1"),
        ([[3, 2, 10, 5]], r"boxes\[0\] holds \[3, 2, 10, 5\], outside its image of width and height \[9, 8\]"),
        ([[3, 2, 6, 9]], r"outside its image.*call resize_boxes"),
        ([[-1, 2, 6, 5]], r"outside its image"),
        ([[3.0, 2.0, 6.0, 5.0]], r"boxes\[0\] has dtype float; wanted integer pixels: call np.floor"),
        ([[3, 2, 6]], r"boxes\[0\] has shape \(1, 3\).*wanted one or more boxes \(x0, y0, x1, y1\)"),
        ([np.zeros((0, 4), int)], r"boxes\[0\] has shape \(0, 4\)"),
        ([[np.nan, 2, 6, 5]], r"wanted x0 <= x1"),
    ],
)
def test_boxes_that_do_not_fit_say_so(boxes, message):
    for call in (localization.max_box_accuracy, lambda m, b: localization.top_1_accuracy(m, b, np.array([True]))):
        with pytest.raises(ValueError, match=message):
            call(blob(), boxes)


def test_values_out_of_range_say_so():
    box = [[3, 2, 6, 5]]
    for iou, message in [
        (0.5, r"iou is 0.5; wanted a sequence"),
        ((), r"iou is \(\); wanted a sequence of one or more"),
        ((0.5, 50), r"iou\[1\] is 50.* wanted .* from 0 to 1"),
        ((0.0,), r"iou\[0\] is 0; wanted a value above 0, at most 1"),
        ((np.nan,), r"iou\[0\] is nan"),
    ]:
        with pytest.raises(ValueError, match=message):
            localization.max_box_accuracy(blob(), box, iou=iou)
    for step in (0, -0.1, 1.5):
        with pytest.raises(ValueError, match=r"step is"):
            localization.max_box_accuracy(blob(), box, step=step)
    with pytest.raises(ValueError, match=r"threshold is 2"):
        localization.top_1_accuracy(blob(), box, np.array([True]), threshold=2)
    for correct in (np.array([1]), np.array([True, True])):
        with pytest.raises(ValueError, match=r"correct has shape.*wanted bool \[1\].*logits.argmax"):
            localization.top_1_accuracy(blob(), box, correct)
    with pytest.raises(ValueError, match=r"height is 0; wanted 1 or more"):
        localization.score_maps(blob(), 0, 9)
    with pytest.raises(ValueError, match=r"maps have dtype uint8; wanted floating ones"):
        localization.score_maps(blob().astype(np.uint8), 8, 9)
    with pytest.raises(ValueError, match=r"size is \(0, 4\); wanted height and width"):
        localization.resize_boxes(box, (0, 4), (8, 8))
    with pytest.raises(ValueError, match=r"sizes are 2 and 1 for 1 boxes"):
        localization.resize_boxes(box, [(8, 9), (8, 9)], (8, 8))
    with pytest.raises(ValueError, match=r"boxes holds \[3, 2, 6, 5\], outside its image of width and height \[5, 4\]"):
        localization.resize_boxes(box, (4, 5), (8, 8))


def test_average_precision_wants_scores_within_0_and_1_and_marks_of_three_kinds():
    for maps in (2 * blob(), blob() - 1, blob().astype(np.uint8), blob() * np.float32(np.nan)):
        with pytest.raises(ValueError, match=r"wanted scores in 0..1: call score_maps"):
            localization.pixel_average_precision(maps, np.ones((1, 8, 9), int))
    with pytest.raises(ValueError, match=r"masks have shape \(8, 9\).*wanted integers \(1, 8, 9\)"):
        localization.pixel_average_precision(blob(), np.ones((8, 9), int))
    for value in (0, 2, 255):
        with pytest.raises(ValueError, match=r"other values than 0, 1 and 255, or nowhere 1"):
            localization.pixel_average_precision(blob(), np.full((1, 8, 9), value))


# Annotated boxes: Tiny-ImageNet.


def test_maps_made_of_the_boxes_of_tiny_imagenet_find_every_object():
    if not (DATA / "load_data.py").exists():
        pytest.skip(f"no images at {DATA}")
    sys.path.insert(0, str(DATA))
    try:
        import load_data
    finally:
        sys.path.remove(str(DATA))
    _, labels, boxes = load_data.load("tinyimagenet64_100c", "val", boxes=True, limit=300)
    rows, columns = np.arange(64)[None, :, None], np.arange(64)[None, None, :]
    x0, y0, x1, y1 = (corner[:, None, None] for corner in boxes.T)
    maps = ((columns >= x0) & (columns <= x1) & (rows >= y0) & (rows <= y1)).astype(np.float32)
    large = (boxes[:, 2:] - boxes[:, :2]).min(1) >= 6  # one more column and row then leave 7^2 / 8^2, above 0.7
    whole = (maps == 1).all((1, 2))  # a constant map has no region
    assert large.mean() > 0.9 and whole.mean() < 0.2
    chosen = large & ~whole
    accuracy = localization.max_box_accuracy(maps[chosen], boxes[chosen], step=0.5)
    assert accuracy.tolist() == [1, 1, 1]
    assert localization.top_1_accuracy(maps[chosen], boxes[chosen], labels[chosen] >= 0) == 1
    # The next image's box is seldom this one's.
    assert localization.max_box_accuracy(maps[chosen], np.roll(boxes[chosen], 1, 0), step=0.5).mean() < 0.6
