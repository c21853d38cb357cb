"""The options of a run: their ranges, and what a resumed run may change."""

import dataclasses
import math
import typing

import jax
import numpy as np
import pytest

import cifar
import configuration
import inputs
import run_dir


def refusal(**options):
    with pytest.raises(ValueError, match="^--") as caught:
        configuration.check(cifar.Config(**options))
    (line,) = str(caught.value).splitlines()
    return line


@pytest.mark.parametrize("name", ["lr", "weight_decay", "momentum", "label_smoothing", "clip_norm"])
def test_values_that_are_not_finite_are_refused(name):
    option = f"--{name.replace('_', '-')}"
    for value in (math.nan, math.inf, -math.inf):
        assert refusal(**{name: value}).startswith(f"{option} is {value}; wanted ")
    assert refusal(**{name: 1e39}).startswith(f"{option} is 1e+39; wanted 3.4e+38 or less")  # infinite in float32


def test_a_configuration_from_before_an_option_has_its_default(tmp_path):
    saved = {"program": "test", "lr": 0.5}
    run_dir.write_json(tmp_path / "config.json", saved)
    kind = dataclasses.make_dataclass("Kind", [("lr", float), ("side", int | None, None)], frozen=True)
    assert configuration.decode(tmp_path, "test", kind) == kind(0.5, None)
    run_dir.write_json(tmp_path / "config.json", saved | {"side": 32})
    assert configuration.decode(tmp_path, "test", kind).side == 32


def whole(hint):
    return hint is int or any(whole(argument) for argument in typing.get_args(hint))


HINTS = typing.get_type_hints(cifar.Config)


@pytest.mark.parametrize("name", [name for name, hint in HINTS.items() if whole(hint)])
def test_every_whole_number_has_a_range(name):
    """Of all options, those added later too."""
    option, several = f"--{name.replace('_', '-')}", "tuple" in str(HINTS[name])
    for value, wanted in ((-1, ""), (99999999999, f"{2**32 - 1 if name == 'seed' else 2**31 - 1} or less.")):
        assert refusal(**{name: (value,) if several else value}).startswith(f"{option} is {value}; wanted {wanted}")


def test_a_seed_is_refused_where_it_would_give_the_draws_of_another():
    data = [np.asarray(jax.random.key_data(jax.random.key(seed))) for seed in (0, 2**32)]
    np.testing.assert_array_equal(*data)
    configuration.check(cifar.Config(seed=2**32 - 1))
    for seed in (2**32, 2**63):
        assert refusal(seed=seed) == f"--seed is {seed}; wanted 4294967295 or less."


def test_the_configuration_of_an_earlier_run_of_cifar_is_read(tmp_path):
    """Options that were added to train/cifar.py don't make its earlier runs unreadable."""
    config = cifar.resolve(cifar.Config(), inputs.load("digits", tmp_path))
    content = configuration.encode("cifar", config)
    added = ("side", "mix_share", "mix_per_device", "coordinator", "processes", "process", "heartbeat_seconds")
    for name in (*added, "adversarial", "attack_epsilon", "attack_steps", "attack_step"):
        del content[name]
    run_dir.write_json(tmp_path / "config.json", content)
    assert configuration.decode(tmp_path, "cifar", cifar.Resolved) == config
    del content["lr"]
    run_dir.write_json(tmp_path / "config.json", content)
    with pytest.raises(ValueError, match="missing: lr"):
        configuration.decode(tmp_path, "cifar", cifar.Resolved)
