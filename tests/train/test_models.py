"""Networks: the papers' sizes, every picture size, the mixing points."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import models
from models.layers import Conv

SMALL = ("resnet-8", "wrn-10-1", "preact-resnet-18", "resnext-11-2x4", "pyramidnet-6-8")


def network(name, num_classes=10, channels=3, **options):
    return models.create(name, num_classes, channels, nnx.Rngs(0), **options)


@pytest.mark.parametrize(
    ("name", "classes", "millions"),
    [
        # He et al. 2016, table 6; Zagoruyko and Komodakis 2016, table 4; PreActResNet-18 as in the Manifold Mixup code;
        # Xie et al. 2017, table 7; Han et al. 2017, table 4.
        ("resnet-20", 10, "0.27"),
        ("resnet-110", 10, "1.7"),
        ("wrn-16-2", 10, "0.7"),
        ("wrn-28-10", 10, "36.5"),
        ("preact-resnet-18", 10, "11.17"),
        ("resnext-29-8x64", 10, "34.4"),
        ("pyramidnet-240-200", 100, "26.8"),
    ],
)
def test_parameters_are_as_many_as_in_the_paper(name, classes, millions):
    shapes = nnx.eval_shape(lambda: network(name, classes))
    count = sum(leaf.size for leaf in jax.tree.leaves(nnx.state(shapes, nnx.Param)))
    digits = len(millions.split(".")[1])
    assert f"{count / 1e6:.{digits}f}" == millions


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("side", [8, 32, 64])
def test_any_picture_size_gives_float32_logits(name, side):
    def logits(x):
        return network(name, 7, 1)(x, train=True)

    out = jax.eval_shape(logits, jax.ShapeDtypeStruct((2, side, side, 1), jnp.float32))
    assert (out.shape, out.dtype) == ((2, 7), jnp.float32)


@pytest.mark.parametrize("name", SMALL)
def test_bfloat16_computes_in_bfloat16_with_float32_parameters(name):
    seen = []

    def logits(x):
        model = network(name, dtype=jnp.bfloat16)
        assert {leaf.dtype for leaf in jax.tree.leaves(nnx.state(model, nnx.Param))} == {jnp.dtype("float32")}

        def hidden(point, features):
            seen.append((point, features.dtype))
            return features

        return model(x, train=True, hidden=hidden)

    # Flax mixes bfloat16 features and float32 parameters by NumPy's rules.
    with jax.numpy_dtype_promotion("standard"):
        assert jax.eval_shape(logits, jax.ShapeDtypeStruct((2, 8, 8, 3), jnp.float32)).dtype == jnp.float32
    assert {dtype for point, dtype in seen if point > 0} == {jnp.dtype("bfloat16")}


@pytest.mark.parametrize("name", SMALL)
def test_mixing_points_come_in_order_and_halve_the_size_from_stage_to_stage(name):
    points, sides = [], []

    def hidden(point, features):
        points.append(point)
        sides.append(features.shape[1])
        return features

    model = nnx.eval_shape(lambda: network(name))
    jax.eval_shape(
        lambda x: network(name)(x, train=True, hidden=hidden), jax.ShapeDtypeStruct((2, 32, 32, 3), jnp.float32)
    )
    assert points == list(range(model.points))
    assert sides[:3] == [32, 32, 32]
    assert sides[3:] == [16, 8, 4][: len(sides) - 3]


def test_what_the_hidden_function_returns_is_what_the_network_goes_on_with():
    model, x = network("resnet-8"), jax.random.normal(jax.random.key(0), (2, 8, 8, 3))
    plain = jax.jit(lambda x: model(x, train=False))(x)
    doubled = jax.jit(
        lambda x: model(x, train=False, hidden=lambda point, features: 2 * features if point == 2 else features)
    )(x)
    assert np.abs(np.asarray(plain - doubled)).max() > 1e-3


def test_training_moves_the_running_averages_and_testing_does_not():
    model, x = network("resnet-8"), jax.random.normal(jax.random.key(0), (4, 8, 8, 3)) + 3
    before = np.asarray(model.norm.mean[...])
    model(x, train=False)
    np.testing.assert_array_equal(before, model.norm.mean[...])
    model(x, train=True)
    assert np.abs(np.asarray(model.norm.mean[...]) - before).max() > 0.01


def test_convolutions_start_with_he_variance_by_fan_out():
    kernel = np.asarray(Conv(16, 64, 3, rngs=nnx.Rngs(0)).kernel[...])
    # 9,216 draws: the standard deviation is known to about 1 %.
    assert kernel.std() == pytest.approx((2 / (9 * 64)) ** 0.5, rel=0.05)


@pytest.mark.parametrize("name", ["resnet", "vit-b-16", "wrn-16", "resnet-8-2", ""])
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
    ],
)
def test_an_impossible_depth_is_answered_with_the_possible_ones(name, message):
    with pytest.raises(ValueError, match=message):
        network(name)
