"""Networks for ImageNet: sizes, mixing points, stems, blurs and vision transformers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny
from flax import nnx

import models
from jaxmix.saliency import cam
from models import antialiasing
from models.imagenet_resnet import Bottleneck, ImageNetResNet
from models.vision_transformer import VisionTransformer, sines_and_cosines
from optimizer import OptimizerOptions

pytestmark = pytest.mark.unoptimized


def network(name, num_classes=10, channels=3, **options):
    return models.create(name, num_classes, channels, nnx.Rngs(0), **options)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        # As torchvision and timm count them, for 1,000 classes.
        ("resnet18", 11_689_512),
        ("resnet34", 21_797_672),
        ("resnet50", 25_557_032),
        pytest.param("resnet101", 44_549_160, marks=pytest.mark.slow),
        pytest.param("resnet152", 60_192_808, marks=pytest.mark.slow),
        ("deit-s16", 22_050_664),
    ],
)
def test_parameters_are_as_many_as_in_torchvision_and_timm(name, parameters):
    shapes = nnx.eval_shape(lambda: network(name, 1000))
    assert sum(leaf.size for leaf in jax.tree.leaves(nnx.state(shapes, nnx.Param))) == parameters


@pytest.mark.parametrize(
    ("name", "options", "sides"),
    [
        ("resnet18", {}, [64, 16, 16, 8, 4, 2]),
        ("resnet18", {"stem": "small"}, [64, 64, 64, 32, 16, 8]),
        ("resnet18", {"stem": "strided", "late_strides": False}, [64, 32, 32, 16, 16, 16]),
        ("resnet18-blur", {}, [64, 16, 16, 8, 4, 2]),
        ("preact-resnet-18", {"stem": "strided"}, [64, 32, 32, 16, 8, 4]),
        ("preact-resnet-18-puzzlemix", {"stem": "strided"}, [64, 32, 32, 16, 8, 4]),
        ("vit-mu4", {}, [64, 16, 16]),
        ("vit-ti16", {}, [64, 4, 4, 4, 4]),
    ],
)
def test_mixing_points_come_in_order_with_the_sizes_of_the_stem(name, options, sides):
    found = []

    def logits(x):
        model = network(name, dtype=jnp.bfloat16, **options)
        assert {leaf.dtype for leaf in jax.tree.leaves(nnx.state(model, nnx.Param))} == {jnp.dtype("float32")}

        def hidden(point, features):
            found.append((point, features.shape[1], features.dtype.name))
            return features

        out, last = model(x, train=True, hidden=hidden), model.features(x, train=True)
        assert out.dtype == jnp.float32 and last.shape[1:3] == (sides[-1], sides[-1])
        assert model.points == len(sides) and model.smallest <= 64
        return out

    with jax.numpy_dtype_promotion("standard"):  # as in the programs: flax mixes bfloat16 and float32
        out = jax.eval_shape(logits, jax.ShapeDtypeStruct((2, 64, 64, 3), jnp.float32))
    assert out.shape == (2, 10)
    dtypes = ["float32"] + ["bfloat16"] * (len(sides) - 1)
    assert found == list(zip(range(len(sides)), sides, dtypes, strict=True))


# ---- names


@pytest.mark.parametrize("depth", [18, 34, 101])
def test_a_hyphen_too_many_is_answered_with_the_name_for_imagenet(depth):
    with pytest.raises(ValueError, match=f"resnet{depth}, without the hyphen, is the network for ImageNet"):
        network(f"resnet-{depth}")


def test_a_name_for_small_images_is_refused_for_large_ones():
    with pytest.raises(ValueError, match="resnet-50 is the name of a network for images of 32x32.*wanted resnet50,"):
        models.check_for_large_images("resnet-50")
    for name in ("resnet50", "resnet-20", "vit-s16", "preact-resnet-18"):
        models.check_for_large_images(name)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("resnet-8", {"stem": "small"}, r"resnet-8 has no option stem; wanted .*\(preact-resnet, imagenet-resnet\)"),
        ("preact-resnet-18", {"stem": "large"}, "small or strided; got large"),
        ("resnet18", {"stem": "tiny"}, "resnet18 has a stem large, small, strided; got tiny"),
        ("vit-mu4", {"zero_last": True}, "vit-mu4 has no option zero_last"),
        ("wrn-16-2", {"late_strides": False}, "wrn-16-2 has no option late_strides"),
        ("vit-mu0", {}, "patches of 1 pixel or more a side, got 0"),
        ("wrn-16-2-blur", {}, r"There is no model(.|\n)*resnet18(.|\n)*vit-SP"),
        ("vit-x16", {}, r"There is no model(.|\n)*resnet18(.|\n)*vit-SP"),
    ],
)
def test_what_a_network_does_not_have_is_said(name, options, message):
    with pytest.raises(ValueError, match=message):
        network(name, **options)


# ---- residual networks


def test_a_blur_is_a_binomial_filter_on_reflected_borders_and_keeps_constants():
    line = np.arange(6, dtype=np.float32)
    plane = jnp.asarray(np.broadcast_to(line[None, None, :, None], (1, 6, 6, 1)))
    np.testing.assert_array_equal(np.asarray(antialiasing.blur_pool(plane))[0, 0, :, 0], [0.75, 2.5, 4.25])

    x = np.random.default_rng(0).normal(size=(2, 7, 8, 3)).astype(np.float32)
    taps = np.array([1, 3, 3, 1]) / 8
    bordered = np.pad(x.astype(np.float64), ((0, 0), (1, 2), (1, 2), (0, 0)), mode="reflect")
    expected = np.zeros((2, 4, 4, 3))
    for i, j in np.ndindex(4, 4):
        window = bordered[:, 2 * i : 2 * i + 4, 2 * j : 2 * j + 4]
        expected[:, i, j] = np.einsum("bijd,i,j->bd", window, taps, taps)
    np.testing.assert_allclose(antialiasing.blur_pool(jnp.asarray(x)), expected, atol=1e-6)  # float32 sums of 16

    largest = np.stack([x[:, i : 6 + i, j : 7 + j] for i in (0, 1) for j in (0, 1)]).max(0)
    pooled = antialiasing.max_blur_pool(jnp.asarray(x))
    np.testing.assert_array_equal(pooled, antialiasing.blur_pool(jnp.asarray(largest)))
    constant = jnp.full((1, 9, 9, 1), 0.3, jnp.bfloat16)
    assert (antialiasing.blur_pool(constant) == constant[:, :5, :5]).all()


@pytest.mark.parametrize("sides", ["8x8", "7x9"])
def test_blurs_are_those_of_the_authors(golden, sides):
    numbers = golden("beyond/blurpool")
    x = jnp.asarray(numbers[f"x_{sides}"])
    for name, pool in (
        (f"blur_{sides}_f4_s2", antialiasing.blur_pool),
        (f"maxblur_{sides}_f4", antialiasing.max_blur_pool),
    ):
        np.testing.assert_allclose(pool(x), numbers[name], rtol=0, atol=1e-6)


def test_a_blurred_block_moves_its_stride_to_the_blur_and_has_no_other_parameters():
    def block(blur):
        return Bottleneck(8, 16, 2, blur=blur, zero_last=False, rngs=nnx.Rngs(0), dtype=jnp.float32)

    plain, blurred = block(False), block(True)
    same = jax.tree.map(lambda a, b: bool((a == b).all()), nnx.state(plain, nnx.Param), nnx.state(blurred, nnx.Param))
    assert jax.tree.all(same)
    assert (plain.conv1.strides, plain.conv2.strides, plain.shortcut.strides) == (1, 2, 2)
    assert (blurred.conv2.strides, blurred.shortcut.strides) == (1, 1)

    @jax.jit
    def both(x):
        inner = jax.nn.relu(blurred.norm1(blurred.conv1(x), False))
        inner = antialiasing.blur_pool(jax.nn.relu(blurred.norm2(blurred.conv2(inner), False)))
        shortcut = blurred.shortcut_norm(blurred.shortcut(antialiasing.blur_pool(x)), False)
        return blurred(x, False), jax.nn.relu(blurred.norm3(blurred.conv3(inner), False) + shortcut)

    found, expected = both(jax.random.normal(jax.random.key(0), (2, 9, 9, 8)))
    assert found.shape == (2, 5, 5, 16)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_small_images_cannot_be_blurred():
    with pytest.raises(ValueError, match="--model resnet18-blur needs 35 pixels a side; tiny has 32"):
        models.structure(lambda rngs: models.create("resnet18-blur", 3, 3, rngs), "resnet18-blur", "tiny", 32)


def test_zero_last_makes_every_block_start_as_its_shortcut():
    block = Bottleneck(16, 16, 1, blur=False, zero_last=True, rngs=nnx.Rngs(0), dtype=jnp.float32)
    x = jax.random.normal(jax.random.key(0), (2, 4, 4, 16))
    np.testing.assert_array_equal(block(x, True), jax.nn.relu(x))
    narrow = ImageNetResNet(18, 2, 3, width=2, zero_last=True, rngs=nnx.Rngs(0), dtype=jnp.float32)
    scales = {
        "/".join(map(str, place)): float(leaf[...].max())
        for place, leaf in nnx.to_flat_state(nnx.state(narrow, nnx.Param))
        if place[-1] == "scale"
    }
    assert {name for name, scale in scales.items() if scale == 0} == {name for name in scales if "norm2" in name}


# ---- vision transformers


def test_positions_are_sines_and_cosines_of_column_and_row():
    found = np.asarray(sines_and_cosines(3, 4, 16))
    expected = np.zeros((1, 3, 4, 16))
    for row, column, number in np.ndindex(3, 4, 4):
        frequency = 10_000 ** (-number / 3)
        waves = np.sin(column * frequency), np.cos(column * frequency), np.sin(row * frequency), np.cos(row * frequency)
        expected[0, row, column, number::4] = waves
    np.testing.assert_allclose(found, expected, atol=1e-6)


def vision_transformer(**options):
    model = VisionTransformer("mu", 2, 3, 3, rngs=nnx.Rngs(0), dtype=jnp.float32, **options)
    kernel = model.classifier.linear.kernel
    kernel[...] = jax.random.normal(jax.random.key(1), kernel.shape)
    return model


def test_a_vision_transformer_has_maps_that_its_classifier_averages_and_attention_of_its_patches():
    model = vision_transformer()
    graph, state = nnx.split(model)

    @jax.jit
    def run(x):
        model = nnx.merge(graph, state, copy=True)
        features, attention = model.features_and_attention(x, train=False)
        return features, attention, model(x, train=True)

    x = jax.random.normal(jax.random.key(0), (2, 8, 12, 3))
    features, attention, logits = run(x)
    assert features.shape == (2, 4, 6, 32)
    linear = model.classifier.linear
    for label in range(3):
        maps = cam(features, linear.kernel[...], jnp.full(2, label), linear.bias[...])
        np.testing.assert_allclose(maps.mean((1, 2)), logits[:, label], atol=1e-5)
    np.testing.assert_allclose(attention.sum((1, 2)), 1, atol=1e-5)


def test_with_a_class_token_the_features_are_the_token_and_hidden_mixing_ends_at_the_patches():
    model, points = vision_transformer(class_token=True), []

    def seen(x):
        def hidden(point, features):
            points.append((point, features.shape))
            return features

        return model.features_and_attention(x, train=False, hidden=hidden)

    features, attention = jax.eval_shape(seen, jax.ShapeDtypeStruct((2, 28, 28, 3), jnp.float32))
    assert (features.shape, attention.shape) == ((2, 1, 1, 32), (2, 14, 14))
    assert points == [(0, (2, 28, 28, 3)), (1, (2, 14, 14, 32))] and model.points == 2


@pytest.mark.parametrize(
    ("side", "options", "message"),
    [
        (9, {}, "patches of 2x2 pixels, and the images are 9x9; wanted sides that are multiples of 2"),
        (30, {"class_token": True}, "learned positions of 14x14 patches, and the images are 30x30; wanted 28x28"),
    ],
)
def test_images_of_another_size_are_refused(side, options, message):
    with pytest.raises(ValueError, match=message):
        vision_transformer(**options)(jnp.zeros((1, side, side, 3)), train=False)


def test_a_network_without_batch_statistics_trains_is_averaged_and_tested():
    def create(channels, rngs):
        return VisionTransformer("mu", 2, tiny.CLASSES, channels, rngs=rngs, dtype=jnp.float32)

    made = tiny.training(tiny.recipe("snapmix"), options=OptimizerOptions(ema=0.5), create=create)
    state = made.start()
    assert not jax.tree.leaves(state.statistics)
    before = jax.device_get(state.params)
    state, metrics = made.functions.advance(state, 0, 2)
    assert made.functions.finite(state) and np.isfinite(metrics).all()
    moved = jax.tree.map(
        lambda a, b: bool(np.any(np.asarray(a) != np.asarray(b))), before, jax.device_get(state.params)
    )
    assert jax.tree.leaves(moved).count(True) > 10
    assert made.functions.evaluate(state).images == 8
