"""Where a function has two forms, their results are equal, and the choice is made in one place."""

import ast
import pathlib
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxmix
from jaxmix import numerics, platforms
from jaxmix.methods import augmix
from jaxmix.methods.pixmix import rounds, sampling
from jaxmix.pixels import affine, lookup_tables, operation_chains, operations, packing
from jaxmix.pixels.random_operations import indices_and_amounts
from jaxmix.robustness.corruptions import motion_blur, per_image

pytestmark = pytest.mark.unoptimized

LIBRARY = pathlib.Path(jaxmix.__file__).parent
CHOICE = re.compile(r"platform_dependent|default_backend|\bbackends?\(|\.platform\b|jax\.(local_)?devices\(")
OPERATIONS = (
    operations.EQUALIZE, operations.AUTOCONTRAST, operations.ROTATE, operations.SHEAR_X, operations.SHIFT_Y,
    operations.SHARPNESS, operations.IDENTITY,
)  # fmt: skip


TONES = augmix.NINE[:3]


def images():
    """Noise, one level, two levels, a ramp: [b h w c]. Of fewer than 256 pixels, equalize would change nothing."""
    noise = np.random.default_rng(0).integers(0, 256, (36, 30, 3))
    ramp = np.arange(3240).reshape(36, 30, 3) * 2 // 27
    return jnp.asarray(np.stack([noise, np.full_like(noise, 77), np.where(noise > 200, 9, 250), ramp]), jnp.uint8)


def curves():
    return jax.vmap(lambda image: lookup_tables.equalize(image, 3, jnp.float32(0)))(packing.pack(images()))


def chains():
    """Warps are of the nearest pixel: tests/pixels compares bilinear ones, where XLA may fuse a product and a sum."""
    index = np.arange(16).reshape(4, 2, 2) % len(OPERATIONS)
    amount = np.linspace(-0.4, 3.6, 16, dtype=np.float32).reshape(4, 2, 2)
    apply = operation_chains._apply_chains.__wrapped__  # as it is traced
    nearest = operation_chains.Resampling(affine.nearest)
    return apply(OPERATIONS, nearest, images(), jnp.asarray(index, jnp.int32), jnp.asarray(amount))


def moved():
    degrees = jnp.array([0.0, 30.0, 135.0, 290.0], jnp.float32)
    return motion_blur.motion(images(), degrees, motion_blur.weights(2, 1.5))


def mixed():
    """Sums without a warp: tests/methods/test_pixmix.py compares the rest, which may be rounded apart."""
    draws = sampling.sample(jax.random.key(0), 4, 3, 3.0, 3.0, len(TONES), (2, 3, 2))
    draws = draws._replace(is_multiply=jnp.zeros_like(draws.is_multiply))
    steps, *chosen = indices_and_amounts(draws.chains, TONES, 36, 30)
    mixing_set = jnp.tile(images()[:2], (1, 2, 2, 1))[:, :38, :31]
    return rounds._mixed.__wrapped__(steps, images(), mixing_set, draws, *chosen)  # as it is traced


# Every function of two forms: a call of it without arguments.
CALLS = {
    "methods.pixmix.rounds.mixed": mixed,
    "numerics.materialize": lambda: numerics.materialize(jnp.float32([[1.5, 2.0], [1e9, -3.0]])),
    "pixels.lookup_tables.equalize": curves,
    "pixels.operation_chains.apply_chains": chains,
    "robustness.corruptions.per_image.each": moved,
}


def choosers():
    """The functions that call `platforms.form`, by their path; a private one counts as the public one of its name."""
    for file in sorted(LIBRARY.rglob("*.py")):
        module = ".".join(file.relative_to(LIBRARY).with_suffix("").parts)
        for function in ast.parse(file.read_text()).body:
            if isinstance(function, ast.FunctionDef) and "platforms.form(" in ast.unparse(function):
                yield f"{module}.{function.name.removeprefix('_')}"


def test_every_function_of_two_forms_is_in_the_table_and_has_a_call():
    table = re.findall(r"^\| `([\w.]+)`", platforms.__doc__, re.MULTILINE)
    assert table == sorted(choosers()) == sorted(CALLS)


def test_the_choice_is_made_in_one_place():
    places = [file.name for file in sorted(LIBRARY.rglob("*.py")) if CHOICE.search(file.read_text())]
    assert places == ["platforms.py"]


@pytest.mark.parametrize("name", CALLS)
def test_both_forms_give_the_same_bits(name, monkeypatch):
    results, calls = {}, []
    for side in ("cpu", "accelerator"):

        def form(*operands, side=side, **forms):
            calls.append(side)
            return forms[side](*operands)

        monkeypatch.setattr(platforms, "form", form)
        results[side] = np.asarray(jax.jit(lambda: CALLS[name]())())
    assert set(calls) == {"cpu", "accelerator"}
    assert results["cpu"].std() > 0
    np.testing.assert_array_equal(results["accelerator"], results["cpu"])


@pytest.mark.parametrize(("platform", "expected"), [("cpu", "sine"), ("cuda", "cosine"), ("tpu", "cosine")])
def test_a_program_holds_the_form_of_its_platform_alone(platform, expected):
    traced = jax.jit(lambda x: platforms.form(x, cpu=jnp.sin, accelerator=jnp.cos)).trace(jnp.float32(1))
    text = traced.lower(lowering_platforms=(platform,)).as_text()
    assert re.findall(r"stablehlo\.(sine|cosine)", text) == [expected]


def test_a_loop_over_images_and_all_at_once_are_what_the_forms_are():
    """On CPU `each` is a loop, elsewhere it is none."""
    traced = jax.jit(lambda x: per_image.each(jnp.sin, x)).trace(jnp.zeros((3, 2), jnp.float32))
    loops = [traced.lower(lowering_platforms=(p,)).as_text().count("stablehlo.while") for p in ("cpu", "cuda", "tpu")]
    assert loops == [1, 0, 0]
