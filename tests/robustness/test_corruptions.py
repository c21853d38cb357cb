"""Corruptions with random samples: their moments, what must hold for every one, and error messages."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import PIL.Image
import pytest
from scipy import stats

from jaxmix.robustness import corruptions
from jaxmix.robustness.corruptions import frost, glass_blur, jpeg, noise, threefry, weather
from jaxmix.robustness.corruptions.registry import CORRUPTIONS
from jaxmix.robustness.corruptions.severities import CONSTANTS, constant

slow = pytest.mark.slow
pytestmark = pytest.mark.unoptimized
NAMES = (*corruptions.MAIN, *corruptions.EXTRA, *corruptions.LIKE)
PHOTOS = [np.random.default_rng(i).integers(0, 256, (200 + 10 * i, 240, 3)).astype(np.uint8) for i in range(3)]
SEVERITIES = range(1, 6)
# Severities of one compiled program: the constants set no shape.
SHARED = ("gaussian_noise", "shot_noise", "impulse_noise", "speckle_noise", "fog")
SAMPLED = (*SHARED, "glass_blur", "motion_blur", "snow", "elastic_transform", "spatter")


def key(seed=0):
    return jax.random.key(seed)


def corrupt(key, images, name, severity=4, **more):
    photographs = {"photographs": PHOTOS} if name == "frost" else {}
    return corruptions.corrupt(key, images, name, severity, **photographs, **more)


def samples(count, height=32, width=32, seed=0):
    """Smooth images, noise, black, white and grey."""
    generator = np.random.default_rng(seed)
    coarse = generator.random((count, 4, 4, 3))
    (top, down), (left, right) = (np.divmod(np.linspace(0, 3 - 1e-6, side), 1) for side in (height, width))
    rows = coarse[:, top.astype(int)] * (1 - down)[:, None, None] + coarse[:, top.astype(int) + 1] * down[:, None, None]
    smooth = rows[:, :, left.astype(int)] * (1 - right)[:, None] + rows[:, :, left.astype(int) + 1] * right[:, None]
    smooth[1::5] = generator.random(smooth[1::5].shape)
    for i, level in ((2, 0.0), (3, 1.0), (4, 0.5)):
        smooth[i::5] = level
    return (255 * smooth).astype(np.uint8)


# Moments.


def statistics(made, original):
    """The statistics of the golden file for each sample: of the output, and of its difference to the input."""
    out, change = made.astype(np.float64), made.astype(np.float64) - original
    centered = change - change.mean((1, 2), keepdims=True)

    def alike(a, b):
        return (a * b).mean((1, 2, 3))

    power = np.maximum(alike(centered, centered), 1e-12)
    red, green = centered[..., :1], centered[..., 1:2]
    both = np.sqrt(np.maximum(alike(red, red) * alike(green, green), 1e-12))
    columns = [
        np.abs(change).mean((1, 2, 3)),
        *out.mean((1, 2)).T,
        *out.var((1, 2)).T,
        alike(centered[:, :, 1:], centered[:, :, :-1]) / power,
        alike(centered[:, 1:], centered[:, :-1]) / power,
        alike(red, green) / both,
        alike(change, change),
    ]
    return np.stack(columns, -1)


def far_from_the_authors(golden, name, file, constants, severity, count):
    numbers = golden(f"robustness/{file}")
    row = list(numbers["corruption"]).index(name)
    images = np.tile(numbers["images"], (count, 1, 1, 1))
    made = np.asarray(corrupt(key(severity), images, name, severity, constants=constants))
    found = statistics(made, images.astype(np.float64)).reshape(count, len(numbers["images"]), -1)
    mean, error = numbers["mean"][row, severity - 1], numbers["stderr"][row, severity - 1]
    own = found.std(0) / np.sqrt(count)
    # Four standard errors of both, and 0.02 for the effect of truncation to levels.
    far = np.abs(found.mean(0) - mean) - (4 * np.sqrt(error**2 + own**2) + 0.02)
    return far.max(), numbers["stat"][np.argmax(far) % 11]


# Where severities share a program all of them run by default, otherwise one of them.
@pytest.mark.parametrize(
    ("name", "severities"),
    [(name, SEVERITIES if name in SHARED else (4,)) for name in SAMPLED if name != "elastic_transform"]
    + [pytest.param(name, (1, 2, 3, 5), marks=slow) for name in SAMPLED if name not in SHARED]
    + [pytest.param("elastic_transform", (4,), marks=slow)],
)
def test_moments_are_those_of_the_authors_samples(golden, name, severities):
    for severity in severities:
        if name == "spatter" and severity < 4:
            continue  # water
        far, statistic = far_from_the_authors(golden, name, "moments32_cifarc", "cifar", severity, 80)
        assert far <= 0, (severity, statistic, far)


@slow
@pytest.mark.parametrize("name", SAMPLED)
def test_moments_of_large_images_are_those_of_the_authors_samples(golden, name):
    far, statistic = far_from_the_authors(golden, name, "moments224_imagenetc", "imagenet", 4, 8)
    assert far <= 0, (statistic, far)


GROWING = (
    "gaussian_noise", "shot_noise", "impulse_noise", "speckle_noise", "fog", "brightness", "contrast",
)  # fmt: skip


@pytest.mark.parametrize(
    "name",
    [
        *GROWING,
        *(
            pytest.param(n, marks=slow)
            for n in ("jpeg_compression", "defocus_blur", "gaussian_blur", "motion_blur", "zoom_blur", "pixelate")
        ),
    ],
)
def test_severity_increases_the_change(name):
    x = samples(240)  # the number of the moments, for which most of them are compiled
    changes = [np.abs(np.asarray(corrupt(key(), x, name, s), float) - x).mean() for s in SEVERITIES]
    # CIFAR-C's motion differs from severity 3 to 4 only in its reach, where its weights are almost 0.
    steps = np.delete(np.diff(changes), 2) if name == "motion_blur" else np.diff(changes)
    assert all(steps > 0), changes


def test_severities_share_a_program_unless_a_constant_sets_a_shape():
    def program(name, severity):
        traced, static = CORRUPTIONS[name].split(
            constant(name, severity, "cifar"), 32, np.zeros((2, 32, 32, 3), np.uint8)
        )
        leaves, structure = jax.tree.flatten(traced)
        return static, structure, tuple((np.shape(leaf), leaf.dtype) for leaf in leaves)

    own = {"glass_blur": 5, "snow": 5, "elastic_transform": 5, "pixelate": 5, "spatter": 4, "defocus_blur": 3}
    own |= {"gaussian_blur": 3, "motion_blur": 3, "zoom_blur": 5}
    for name in (*corruptions.MAIN, *corruptions.EXTRA):
        assert len({program(name, severity) for severity in SEVERITIES}) == own.get(name, 1), name


# Samples.


def test_bits_are_threefry_of_each_images_own_key():
    from jax.extend.random import threefry_2x32

    keys = jax.random.split(key(), 3)
    made = np.asarray(jax.jit(threefry.bits, static_argnums=(1, 2))(key(), 3, 5))
    counters = np.concatenate([np.arange(5, dtype=np.uint32), np.zeros(5, np.uint32)])

    @jax.jit
    def reference(own):
        return threefry_2x32(jax.random.bits(own, (2,), jnp.uint32), counters)[:5]

    for own, row in zip(keys, made, strict=True):
        np.testing.assert_array_equal(row, reference(own))


def test_the_samples_of_an_image_do_not_depend_on_the_others():
    x = samples(4)

    @jax.jit
    def sampled(x, first, second, third):
        corners = threefry.uniform(second, len(x), 3, 2)
        return threefry.normal(first, *x.shape), corners, *glass_blur.offsets(third, x.shape, 2, 1)

    for all_of_them, first in zip(sampled(x, key(), key(), key()), sampled(x[:2], key(), key(), key()), strict=True):
        np.testing.assert_array_equal(all_of_them[:2], first)
    np.testing.assert_array_equal(corrupt(key(), x, "gaussian_noise")[:2], corrupt(key(), x[:2], "gaussian_noise"))


@slow
def test_corruptions_of_an_image_do_not_depend_on_the_others():
    x = samples(4)
    for name in ("glass_blur", "elastic_transform"):
        np.testing.assert_array_equal(corrupt(key(), x, name)[:2], corrupt(key(), x[:2], name))


def test_uniform_normal_and_integer_samples_have_their_distributions():
    @jax.jit
    def sampled(first, second, third):
        offsets = glass_blur.offsets(third, (4, 64, 64, 3), 3, 1)
        return threefry.uniform(first, 2, 20_000), threefry.normal(second, 2, 20_000), offsets

    uniform, normal, offsets = jax.tree.map(np.asarray, sampled(key(), key(), key()))
    for row, other in zip(uniform, normal, strict=True):
        assert stats.kstest(row, "uniform").pvalue > 1e-3 and stats.kstest(other, "norm").pvalue > 1e-3
    assert uniform.min() >= 0 and uniform.max() < 1 and np.isfinite(normal).all()
    assert abs(np.corrcoef(normal)[0, 1]) < 0.03
    for offset in offsets:
        counts = np.unique(offset, return_counts=True)
        assert counts[0].tolist() == [-3, -2, -1, 0, 1, 2] and stats.chisquare(counts[1]).pvalue > 1e-3


def test_counts_are_poisson_for_levels_and_between_them():
    terms = noise.terms_of(500)
    poisson = jax.jit(noise.poisson, static_argnums=3)
    for photons in (3, 60, 500):
        table = noise.alias_table(float(photons), noise.columns_of(500))
        for level, whole in ((1.0, True), (40 / 255, True), (40.7 / 255, False), (0.3 / 255, False)):
            x = np.full((1, 1, 30_000, 1), level, np.float32)
            made = np.asarray(poisson(key(), x, table, 0 if whole else terms)).ravel()
            mean = photons * level
            edges = np.unique(stats.poisson.ppf(np.linspace(0, 1, 12)[1:-1], mean))
            expected = np.diff(np.concatenate([[0], stats.poisson.cdf(edges, mean), [1]])) * made.size
            counts = np.bincount(np.searchsorted(edges, made), minlength=len(expected))
            keep = expected > 0.5
            share = counts[keep].sum() / expected[keep].sum()
            assert stats.chisquare(counts[keep], expected[keep] * share).pvalue > 1e-3, (photons, level)
        assert (np.asarray(poisson(key(), np.zeros((1, 1, 30_000, 1), np.float32), table, terms)) == 0).all()


# What must hold for every corruption.

# Floats take a path of their own in these; the others differ from levels in the conversions, which all share.
FLOATS = ("shot_noise", "glass_blur", "pixelate", "contrast")


def check_range(name):
    """Eager, uint8, an odd size and the highest severity."""
    x = samples(5, 24, 18)
    made = np.asarray(corrupt(key(), x, name, 5))
    assert made.dtype == np.uint8 and made.shape == x.shape
    assert name in ("jpeg_compression", "pixelate") or np.abs(made.astype(int) - x).max() > 0
    return x, made


@pytest.mark.parametrize("name", [pytest.param(n, marks=slow if n == "jpeg_compression" else ()) for n in NAMES])
def test_levels_keep_their_dtype_and_shape(name):
    check_range(name)


@pytest.mark.parametrize("name", [pytest.param(name, marks=() if name in FLOATS else slow) for name in NAMES])
def test_nothing_leaves_the_range_and_jitted_floats_are_eager_levels(name):
    x, made = check_range(name)
    floating = np.asarray(jax.jit(functools.partial(corrupt, name=name, severity=5))(key(), x.astype(np.float32) / 255))
    assert floating.dtype == np.float32 and floating.min() >= 0 and floating.max() <= 1
    if name not in ("glass_blur", "shot_noise"):  # levels in between may differ; other samples
        difference = np.abs(255 * floating.astype(np.float64) - made)
        assert difference.max() <= 1.01 and np.isfinite(floating).all()


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in ("gaussian_noise", "spatter_like") else slow) for name in NAMES]
)
@pytest.mark.unoptimized(False)
def test_eager_is_jitted(name):
    x, made = check_range(name)
    jitted = jax.jit(functools.partial(corrupt, name=name, severity=5))(key(), x)
    np.testing.assert_array_equal(jitted, made)


@pytest.mark.parametrize("name", NAMES)
def test_lowers_for_cpu_cuda_and_tpu(name):
    shape = jax.ShapeDtypeStruct((2, 16, 16, 3), jnp.uint8)
    call = jax.jit(functools.partial(corrupt, name=name, severity=4))
    exported = jax.export.export(call, platforms=("cpu", "cuda", "tpu"))(jax.eval_shape(key), shape)
    assert exported.out_avals[0].shape == shape.shape


def test_half_precision_keeps_its_dtype():
    shape = jax.ShapeDtypeStruct((2, 16, 16, 3), jnp.bfloat16)
    for name in ("gaussian_noise", "jpeg_compression"):
        made = jax.eval_shape(functools.partial(corrupt, name=name, severity=1), jax.eval_shape(key), {"image": shape})
        assert made.dtype == jnp.bfloat16
    x = samples(2) / 255
    made = corrupt(key(), {"image": x.astype(jnp.bfloat16)}, "contrast", 1)
    assert made.dtype == jnp.bfloat16 and 0 < np.asarray(made, np.float32).max() <= 1


def test_both_tables_have_five_severities_of_every_corruption():
    names = {*corruptions.MAIN, *corruptions.EXTRA}
    assert len(corruptions.MAIN) == 15 and len(corruptions.EXTRA) == 4
    for table in CONSTANTS.values():
        assert set(table) == names and all(len(values) == 5 for values in table.values())
    assert [len(np.arange(1, *stop)) for stop in CONSTANTS["cifar"]["zoom_blur"]] == [7, 12, 16, 21, 26]
    assert [len(np.arange(1, *stop)) for stop in CONSTANTS["imagenet"]["zoom_blur"]] == [12, 16, 11, 13, 11]


# Corruptions one by one.


def test_shuffling_all_at_once_is_the_sequential_copy():
    generator, (height, width, reach) = np.random.default_rng(0), (17, 13, 3)
    packed = generator.integers(0, 2**32, (2, height, width), dtype=np.uint32)
    dx, dy = generator.integers(-reach, reach, (2, 2, height - 2 * reach, width - 2 * reach)).astype(np.int32)
    expected = packed.copy()
    for b in range(2):
        for row in range(height - reach, reach, -1):
            for column in range(width - reach, reach, -1):
                offset = (b, row - reach - 1, column - reach - 1)
                expected[b, row, column] = expected[b, row + dy[offset], column + dx[offset]]
    np.testing.assert_array_equal(glass_blur.shuffled(packed, dx, dy, reach), expected)


@pytest.mark.parametrize("shape", [(23, 35), *(pytest.param(s, marks=slow) for s in ((9, 50), (31, 6)))])
def test_jpeg_is_pillows_at_sizes_that_are_not_multiples_of_16_and_any_quality(tmp_path, shape):
    images, compressed = samples(3, *shape), jax.jit(jpeg.compressed)
    for quality in (1, 10, 25, 49, 50, 51, 75, 95, 100):
        for image, own in zip(images, np.asarray(compressed(images, np.int32(quality))), strict=True):
            PIL.Image.fromarray(image).save(tmp_path / "x.jpg", quality=quality)
            with PIL.Image.open(tmp_path / "x.jpg") as theirs:
                np.testing.assert_array_equal(own, np.asarray(theirs))


@pytest.mark.parametrize(
    ("shape", "severity"),
    [
        ((23, 35), 5),
        *(
            pytest.param(s, v, marks=slow)
            for s in ((32, 32), (23, 35), (3, 50))
            for v in (1, 5)
            if (s, v) != ((23, 35), 5)
        ),
    ],
)
def test_pixelation_is_pillows_at_any_size(shape, severity):
    (height, width), box, share = shape, PIL.Image.Resampling.BOX, CONSTANTS["cifar"]["pixelate"][severity - 1]
    made = np.asarray(corrupt(key(), samples(2, *shape), "pixelate", severity))
    for image, own in zip(samples(2, *shape), made, strict=True):
        small = PIL.Image.fromarray(image).resize((int(width * share), int(height * share)), box)
        np.testing.assert_array_equal(own, np.asarray(small.resize((width, height), box)))


def test_clouds_fill_the_range_and_close_like_a_torus():
    @jax.jit
    def clouds_of(key):
        return weather.plasma(2 * threefry.uniform(key, 30, 32 * 32 - 1) - 1, 32, weather.amplitudes(32, 3.0))

    clouds = np.asarray(clouds_of(key()))
    assert clouds.min() == 0 and clouds.max() <= 1 and clouds.max((1, 2)).min() > 1 - 1e-6
    assert 0.45 < clouds.mean() < 0.57 and 0.14 < clouds.std() < 0.24
    seam = np.abs(clouds[:, 0] - clouds[:, -1]).mean()
    assert seam < 2 * np.abs(np.diff(clouds, axis=1)).mean()


def test_frost_reads_the_authors_files_from_a_folder(tmp_path):
    for i, name in enumerate(("frost1.png", "frost2.png", "frost3.png", "frost4.jpg")):
        PIL.Image.fromarray(np.full((200, 220, 3), 40 * i, np.uint8)).save(tmp_path / name)
    with pytest.raises(ValueError, match=r"has no frost5.jpg; wanted the five photographs of hendrycks/robustness"):
        corruptions.photographs(tmp_path)
    (tmp_path / "frost5.jpg").write_text("no image")
    with pytest.raises(ValueError, match=r"frost5.jpg can't be read as an image .*; download it again"):
        corruptions.photographs(tmp_path)
    PIL.Image.fromarray(np.full((200, 220, 3), 160, np.uint8)).save(tmp_path / "frost5.jpg")
    black = np.zeros((64, 32, 32, 3), np.uint8)
    made = np.asarray(corruptions.corrupt(key(), black, "frost", 5, photographs=tmp_path))
    # 0.45 of the photographs' levels, each of which occurs.
    assert sorted(np.unique(made).tolist()) == [0, 18, 36, 54, 72]


def test_crops_of_photographs_stay_inside_them():
    photos, sizes = frost.stacked(PHOTOS, (32, 32), every=5)
    places = np.asarray(jax.jit(frost.places, static_argnums=(1, 3, 4))(key(), 2000, sizes, 32, 32))
    assert set(places[:, 0]) == {0, 1, 2} and places.min() == 0
    most = np.asarray(sizes)[places[:, 0]] - 32
    assert (places[:, 1:] < most).all() and (0, 0) in {tuple(m) for m in (most - 1 - places[:, 1:]).tolist()}


# Mistakes.


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "fogg"}, r"name is 'fogg'; wanted one of gaussian_noise, "),
        ({"severity": 0}, r"severity is 0; wanted 1 or more, at most 5"),
        ({"severity": 6}, r"severity is 6; wanted 1 or more, at most 5"),
        ({"severity": 1.5}, r"severity is 1.5; wanted a Python int"),
        ({"constants": "svhn"}, r'constants are \'svhn\'; wanted "cifar" or "imagenet"'),
        ({"images": np.zeros((1, 8, 8, 1), np.uint8)}, r"images have 1 channels; wanted 3, RGB: repeat grey ones"),
        ({"images": np.full((1, 8, 8, 3), 2.0, np.float32)}, r"images have values from 2 to 2; wanted 0..1"),
        ({"images": np.zeros((8, 8, 3), np.uint8)}, r"images have rank 3"),
        ({"name": "frost"}, r"frost needs photographs; wanted photographs=FOLDER"),
        (
            {"name": "fog", "photographs": PHOTOS},
            r"photographs given with 'fog'; wanted none: only \"frost\" takes them",
        ),
        ({"name": "frost", "photographs": []}, r"photographs is \[\]; wanted a sequence of one or more"),
        ({"name": "frost", "photographs": PHOTOS, "images": np.zeros((1, 60, 60, 3), np.uint8)}, r"as CIFAR-C takes"),
        ({"name": "frost", "photographs": [np.zeros((300, 300))]}, r"photographs are .*; wanted uint8 \[h w 3\] each"),
        ({"name": "spatter"}, r'"spatter" of severity 3 is water, which only OpenCV renders'),
    ],
)
def test_mistakes_say_what_was_wanted(change, message):
    given = {"images": np.zeros((1, 8, 8, 3), np.uint8), "name": "fog", "severity": 3} | change
    with pytest.raises(ValueError, match=message):
        corruptions.corrupt(key(), **given)
