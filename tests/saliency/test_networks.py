"""Maps from the networks of Flax NNX whose state a call changes: what works, what it costs, and what the error says."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import errors, nnx

import jaxmix
from jaxmix import saliency

pytestmark = pytest.mark.unoptimized
IMAGES = np.random.default_rng(0).random((6, 8, 8, 1), np.float32)
LABELS = np.arange(6, dtype=np.int32) % 3
INFERENCE = {"use_running_average": True, "deterministic": True}


class Network(nnx.Module):
    def __init__(self, rngs):
        self.conv = nnx.Conv(1, 4, (3, 3), rngs=rngs)
        self.norm = nnx.BatchNorm(4, rngs=rngs)
        self.dropout = nnx.Dropout(0.5, rngs=rngs)
        self.linear = nnx.Linear(4, 3, rngs=rngs)

    def logits(self, features):
        return self.linear(self.dropout(nnx.relu(self.norm(features))).mean((1, 2)))

    def __call__(self, images):
        return self.logits(self.conv(images))


@pytest.fixture
def network():
    return Network(nnx.Rngs(0))


def loss(model, images):
    return jaxmix.cross_entropy(model(images), LABELS).mean()


def convolutions(function, *arguments):
    return str(jax.make_jaxpr(function)(*arguments)).count("conv_general_dilated[")


def test_one_backward_pass_gives_both_gradients_and_moves_the_averages(network):
    graph, params, rest = nnx.split(network, nnx.Param, ...)

    def both(params, rest, images):
        model = nnx.merge(graph, params, rest, copy=True)
        gradients = nnx.grad(loss, argnums=(0, 1))(model, images)
        return gradients, model.norm.mean[...]

    def apart(params, rest, images):
        model, again = (nnx.merge(graph, params, rest, copy=True) for _ in range(2))
        return nnx.grad(loss)(model, images), nnx.grad(loss, argnums=1)(again, images)

    # Forward, by the kernel, by the images; alone each gradient takes the forward pass again.
    assert convolutions(both, params, rest, IMAGES) == 3
    assert convolutions(apart, params, rest, IMAGES) == 4
    (by_params, by_images), mean = jax.jit(both)(params, rest, IMAGES)
    expected_params, expected_images = jax.jit(apart)(params, rest, IMAGES)
    # Sums of a few hundred float32 terms, in another order.
    np.testing.assert_allclose(by_images, expected_images, atol=1e-6)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), by_params, expected_params)
    assert jnp.abs(by_images).max() > 0 and jnp.abs(mean).max() > 0


@pytest.mark.skipif(not hasattr(nnx, "view"), reason="Flax 0.12.0, the last one for jax 0.7, has no nnx.view")
def test_a_view_for_inference_gives_maps_and_changes_nothing(network):
    graph, state = nnx.split(network)

    @jax.jit
    def maps(state, images):
        still = nnx.view(nnx.merge(graph, state, copy=True), **INFERENCE)
        gradient = saliency.input_gradient(lambda images: loss(still, images), images)
        return gradient, saliency.grad_cam(still.conv(images), still.logits, LABELS), nnx.state(still, nnx.BatchStat)

    gradient, cam, after = maps(state, IMAGES)
    assert jnp.abs(gradient).max() > 0 and cam.max() > 0
    jax.tree.map(np.testing.assert_array_equal, after, nnx.state(network, nnx.BatchStat))


def test_the_error_of_a_model_that_is_changed_from_inside_says_what_to_call(network):
    with pytest.raises(errors.TraceContextError) as failure:
        saliency.input_gradient(lambda images: loss(network, images), IMAGES)
    notes = " ".join(failure.value.__notes__)
    assert "wanted nnx.grad(loss, argnums=1)(model, images), or a view for inference" in notes
    with pytest.raises(errors.TraceContextError) as failure:
        saliency.grad_cam(network.conv(IMAGES), network.logits, LABELS)
    assert "wanted a view for inference" in " ".join(failure.value.__notes__)


def test_other_errors_are_left_as_they_are():
    def fail(images):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError) as failure:
        saliency.input_gradient(fail, IMAGES)
    assert not any("jaxmix" in note for note in getattr(failure.value, "__notes__", ()))
