"""Networks: the papers' sizes, every image size, the mixing points."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import models
from models import convolution
from models.layers import Conv, dropout

pytestmark = pytest.mark.unoptimized

SMALL = (
    *("resnet-8", "wrn-10-1", "preact-resnet-18", "resnext-11-2x4", "pyramidnet-6-8", "densenet-7-4"),
    *("wrn-10-1-puzzlemix", "preact-resnet-18-puzzlemix"),
)


def network(name, num_classes=10, channels=3, **options):
    return models.create(name, num_classes, channels, nnx.Rngs(0), **options)


@pytest.mark.parametrize(
    ("name", "classes", "millions"),
    [
        # He et al. 2016, table 6; Zagoruyko and Komodakis 2016, table 4; PreActResNet-18 as in the Manifold Mixup code;
        # Xie et al. 2017, table 7; Han et al. 2017, table 4.
        ("resnet-20", 10, "0.27"),
        pytest.param("resnet-110", 10, "1.7", marks=pytest.mark.slow),
        ("wrn-16-2", 10, "0.7"),
        ("wrn-28-10", 10, "36.5"),
        ("preact-resnet-18", 10, "11.17"),
        ("resnext-29-8x64", 10, "34.4"),
        pytest.param("pyramidnet-240-200", 100, "26.8", marks=pytest.mark.slow),
    ],
)
def test_parameters_are_as_many_as_in_the_paper(name, classes, millions):
    digits = len(millions.split(".")[1])
    assert f"{parameters(name, classes) / 1e6:.{digits}f}" == millions


def parameters(name, classes):
    shapes = nnx.eval_shape(lambda: network(name, classes))
    return sum(leaf.size for leaf in jax.tree.leaves(nnx.state(shapes, nnx.Param)))


def test_parameters_are_as_many_as_the_definition_of_augmixs_networks_gives():
    # 3x3 convolutions, 1x1 convolutions, batch normalizations, classifier.
    allconv = 9 * (3 * 96 + 2 * 96 * 96 + 96 * 192 + 3 * 192 * 192) + 2 * 192 * 192 + 2 * (3 * 96 + 6 * 192) + 193 * 10
    assert parameters("allconv", 10) == allconv == 1_408_234
    # Blocks from 24, 168 and 312 channels on, to 168, 312 and 456; a transition after the first two.
    dense = sum((9 * 12 + 2) * (start + 12 * layer) for start in (24, 168, 312) for layer in range(12))
    between = sum(2 * width + width * width for width in (168, 312))
    assert parameters("densenet-40-12", 10) == 9 * 3 * 24 + dense + between + 2 * 456 + 457 * 10 == 1_059_298
    # Stages of three blocks: 1x1 to 128, 256, 512 channels, 3x3 in 4 groups, 1x1 to 256, 512, 1024; a shortcut first.
    resnext, inputs = 27 * 64 + 2 * 64, 64
    for inner, outputs in ((128, 256), (256, 512), (512, 1024)):
        block = 9 * inner * inner // 4 + inner * outputs + 4 * inner + 2 * outputs
        resnext += 3 * block + inputs * inner + 2 * outputs * inner + inputs * outputs + 2 * outputs
        inputs = outputs
    assert parameters("resnext-29-4x32", 10) == resnext + 1025 * 10 == 6_807_882


def test_parameters_are_as_many_as_in_the_puzzlemix_code():
    # Without the 2 x 512 of the last norm; with a bias for each convolution.
    assert parameters("preact-resnet-18", 10) - 2 * 512 == 11_171_146
    assert parameters("preact-resnet-18-puzzlemix", 10) == 11_171_146
    biases = 16 + 5 * 128 + 5 * 256 + 5 * 512  # of the stem, two blocks of two convolutions, a shortcut in each stage
    assert parameters("wrn-16-8", 100) + biases == 11_012_036
    assert parameters("wrn-16-8-puzzlemix", 100) == 11_012_036


def test_the_wide_network_of_the_puzzlemix_code_is_its_definition():
    # Its block: the raw input in the shortcut, and the stride in the second convolution.
    block = network("wrn-10-1-puzzlemix").stages[1][0]
    block.conv1.bias[...] = jnp.linspace(-1, 1, 32)
    x = jax.random.normal(jax.random.key(0), (2, 8, 8, 16)) + 1
    graph, state = nnx.split(block)
    got = np.asarray(jax.jit(lambda x: nnx.merge(graph, state, copy=True)(x, True))(x))

    def normal(x):
        return np.maximum((x - x.mean((0, 1, 2))) / np.sqrt(x.var((0, 1, 2)) + 1e-5), 0)

    def convolved(x, conv, stride=1):
        kernel, bias = (np.asarray(array[...], np.float64) for array in (conv.kernel, conv.bias))
        side, x = len(kernel), padded(x, len(kernel) // 2)
        rows, columns = x.shape[1] - side + 1, x.shape[2] - side + 1
        out = sum(x[:, i : i + rows, j : j + columns] @ kernel[i, j] for i, j in np.ndindex(side, side)) + bias
        return out[:, ::stride, ::stride]

    exact = np.asarray(x, np.float64)
    inner = normal(convolved(normal(exact), block.conv1))
    expected = convolved(inner, block.conv2, 2) + convolved(exact, block.shortcut, 2)
    np.testing.assert_allclose(got, expected, atol=1e-4)  # float32 sums of 288 products


def test_the_last_norm_of_the_puzzlemix_code_averages_fast_or_is_not_there():
    assert (network("wrn-10-1").norm.momentum, network("wrn-10-1-puzzlemix").norm.momentum) == (0.9, 0.1)
    features = nnx.eval_shape(lambda: network("preact-resnet-18-puzzlemix"))
    assert features.norm is None


@pytest.mark.parametrize(("name", "side"), [(name, side) for name in SMALL for side in (8, 64)])
def test_any_image_size_gives_float32_logits(name, side):
    def logits(x):
        return network(name, 7, 1)(x, train=True)

    out = jax.eval_shape(logits, jax.ShapeDtypeStruct((2, side, side, 1), jnp.float32))
    assert (out.shape, out.dtype) == ((2, 7), jnp.float32)


@pytest.mark.parametrize("name", [*SMALL, "allconv"])
def test_mixing_points_come_in_order_and_halve_the_size_and_bfloat16_has_float32_parameters_and_logits(name):
    points, sides, dtypes = [], [], set()

    def logits(x):
        model = network(name, dtype=jnp.bfloat16)
        assert {leaf.dtype for leaf in jax.tree.leaves(nnx.state(model, nnx.Param))} == {jnp.dtype("float32")}
        assert model.points == (6 if name.startswith("preact") else 5)

        def hidden(point, features):
            points.append(point)
            sides.append(features.shape[1])
            dtypes.update([features.dtype] if point > 0 else [])
            return features

        return model(x, train=True, hidden=hidden, key=jax.random.key(0))

    # Flax mixes bfloat16 features and float32 parameters by NumPy's rules.
    with jax.numpy_dtype_promotion("standard"):
        out = jax.eval_shape(logits, jax.ShapeDtypeStruct((2, 32, 32, 3), jnp.float32))
    assert (out.shape, out.dtype) == ((2, 10), jnp.float32)
    assert dtypes == {jnp.dtype("bfloat16")}
    assert points == list(range(len(points))) and len(points) in (5, 6)
    assert sides[:3] == [32, 32, 32]
    assert sides[3:] == ([16, 10] if name == "allconv" else [16, 8, 4][: len(sides) - 3])


def test_the_network_goes_on_with_what_hidden_returns_and_only_training_moves_the_running_averages():
    @jax.jit
    def run(x):
        model = network("resnet-8")

        def doubled(point, features):
            return 2 * features if point == 2 else features

        means = [model.norm.mean[...]]
        plain, other = model(x, train=False), model(x, train=False, hidden=doubled)
        means.append(model.norm.mean[...])
        model(x, train=True)
        return plain, other, [*means, model.norm.mean[...]]

    plain, doubled, (before, tested, trained) = run(jax.random.normal(jax.random.key(0), (4, 8, 8, 3)) + 3)
    assert np.abs(np.asarray(plain - doubled)).max() > 1e-3
    np.testing.assert_array_equal(before, tested)
    assert np.abs(np.asarray(trained - before)).max() > 0.01


def test_convolutions_start_with_he_variance_by_fan_out():
    kernel = np.asarray(Conv(16, 64, 3, rngs=nnx.Rngs(0)).kernel[...])
    # 9,216 draws: the standard deviation is known to about 1 %.
    assert kernel.std() == pytest.approx((2 / (9 * 64)) ** 0.5, rel=0.05)


@pytest.mark.parametrize("name", ["resnet", "vit-b-16", "wrn-16", "resnet-8-2", "resnet-8-puzzlemix", ""])
def test_an_unknown_model_is_answered_with_the_list(name):
    with pytest.raises(ValueError, match=r"There is no model(.|\n)*wrn-D-W(.|\n)*pyramidnet-A-D"):
        network(name)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("resnet-9", "6n \\+ 2"),
        ("wrn-15-2", "6n \\+ 4"),
        ("preact-resnet-19", "18"),
        ("resnext-30-4x24", "9n \\+ 2"),
        ("pyramidnet-240-201", "9n \\+ 2"),
        ("densenet-41-12", "3n \\+ 4"),
    ],
)
def test_an_impossible_depth_is_answered_with_the_possible_ones(name, message):
    with pytest.raises(ValueError, match=message):
        network(name)


def padded(x, by):
    return np.pad(x, ((0, 0), (by, by), (by, by), (0, 0)))


def by_hand(x, layer, padding):
    """Convolution, normalization by the batch, x sigmoid(1.702 x)."""
    kernel, x = np.asarray(layer.conv.kernel[...], np.float64), padded(x, padding)
    side, height, width = len(kernel), x.shape[1] - len(kernel) + 1, x.shape[2] - len(kernel) + 1
    x = sum(x[:, i : i + height, j : j + width] @ kernel[i, j] for i, j in np.ndindex(side, side))
    x = (x - x.mean((0, 1, 2))) / np.sqrt(x.var((0, 1, 2)) + 1e-5)
    return x / (1 + np.exp(-1.702 * x))


@pytest.mark.slow
def test_the_last_layers_of_allconv_go_from_8_to_6_to_8_to_10_pixels():
    features = jax.random.normal(jax.random.key(3), (2, 8, 8, 192))
    expected = np.asarray(features, np.float64)
    for layer, padding, side in zip(network("allconv").stages[2], (0, 1, 1), (6, 8, 10), strict=True):
        features, expected = layer(features, True), by_hand(expected, layer, padding)
        assert features.shape == (2, side, side, 192)
        np.testing.assert_allclose(features, expected, atol=1e-4)  # float32 sums of 1,728 products


@pytest.mark.slow
def test_allconv_averages_the_first_8x8_of_its_last_features_and_drops_half_in_training():
    @partial(jax.jit, static_argnums=1)
    def forward(key, train):
        model, seen = network("allconv"), {}

        def hidden(point, features):
            seen[point] = features
            return features

        out = model.features(x, train=train, hidden=hidden, key=key)
        return out, seen[4]

    x = jax.random.normal(jax.random.key(0), (2, 32, 32, 3))
    features, before = forward(None, False)
    np.testing.assert_array_equal(features, before[:, :8, :8])
    one, again, other = (forward(jax.random.key(seed), True)[0] for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, again)
    assert (one != other).mean() > 0.9


def test_allconv_needs_a_key_in_training_and_averages_8x8():
    x = jax.ShapeDtypeStruct((2, 32, 32, 3), jnp.float32)
    with pytest.raises(ValueError, match="allconv drops features in training: pass a key"):
        jax.eval_shape(lambda x: network("allconv").features(x, train=True), x)
    assert jax.eval_shape(lambda x: network("allconv").features(x, train=False), x).shape == (2, 8, 8, 192)


def test_dropout_keeps_the_mean():
    out = np.asarray(dropout(jax.random.key(0), jnp.ones((64, 64)), 0.25))
    assert set(np.unique(out)) == {0, np.float32(1 / 0.75)}
    # 4,096 draws of chance 3/4: the mean of the kept is known to 0.7 %.
    assert out.mean() == pytest.approx(1, abs=0.03)


def test_a_dense_layer_puts_its_channels_after_those_it_saw():
    x = jax.random.normal(jax.random.key(0), (2, 8, 8, 8))
    out = jax.jit(lambda x: network("densenet-7-4").stages[0][0](x, False))(x)
    np.testing.assert_array_equal(out[..., :8], x)
    assert out.shape == (2, 8, 8, 12)


@pytest.mark.parametrize(
    ("stride", "groups", "size"),
    [(1, 1, 70), *(pytest.param(*shape, marks=pytest.mark.slow) for shape in ((2, 1, 64), (1, 2, 33)))],
)
def test_the_gradient_by_a_kernel_may_be_summed_by_parts(monkeypatch, stride, groups, size):
    x = jax.random.normal(jax.random.key(0), (size, 6, 5, 4))
    layer = Conv(4, 6, 3, stride=stride, groups=groups, rngs=nnx.Rngs(0))
    graph, kernel = nnx.split(layer)

    def loss(x, kernel):
        return jnp.square(nnx.merge(graph, kernel)(x)).sum()

    def gradients():
        made = jax.make_jaxpr(jax.grad(loss, (0, 1)))(x, kernel)
        return jax.jit(jax.value_and_grad(loss, (0, 1)))(x, kernel), str(made).count("conv_general_dilated[")

    monkeypatch.setattr(jax, "device_count", lambda: 8)
    whole, number = gradients()
    monkeypatch.setattr(jax, "device_count", lambda: 1)
    made, parts = gradients()
    assert parts == number + -(-size // convolution.PART) - 1 > number
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-5 * float(jnp.abs(b).max())), made, whole
    )
    assert made[0] == whole[0]  # only that gradient is computed in another way


def test_a_gradient_by_the_images_in_a_loop_has_the_axes_of_a_forward_convolution(monkeypatch):
    # With the last two swapped, 01oi, XLA's kernel takes 15 times as long.
    monkeypatch.setattr(jax, "device_count", lambda: 1)
    graph, kernel = nnx.split(Conv(4, 4, 3, rngs=nnx.Rngs(0)))

    def uphill(_, x):
        return jax.grad(lambda x: jnp.sin(nnx.merge(graph, kernel)(x)).sum())(x)

    program = jax.jit(lambda x: jax.lax.fori_loop(0, 3, uphill, x)).lower(jnp.ones((40, 6, 5, 4))).compile().as_text()
    assert "b01f_01io->b01f" in program and "01oi" not in program


@pytest.mark.parametrize(
    ("dtype", "size", "backend"), [(jnp.float32, 32, "cpu"), (jnp.bfloat16, 64, "cpu"), (jnp.float32, 64, "gpu")]
)
def test_small_batches_bfloat16_and_other_devices_convolve_whole(monkeypatch, dtype, size, backend):
    monkeypatch.setattr(jax, "device_count", lambda: 1)
    monkeypatch.setattr(jax, "default_backend", lambda: backend)
    graph, kernel = nnx.split(Conv(4, 6, 3, rngs=nnx.Rngs(0), dtype=dtype))

    def loss(kernel, x):
        return nnx.merge(graph, kernel)(x).astype(jnp.float32).sum()

    made = jax.make_jaxpr(jax.value_and_grad(loss))(kernel, jnp.ones((size, 6, 5, 4)))
    assert str(made).count("conv_general_dilated[") == 2  # itself, and its gradient by the kernel
