"""Eight devices: the same mix as on one in the global view, and no communication with per_device.

Nothing here is about how results are rounded, so all of it is compiled without LLVM's optimizations.
"""

import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding, PartitionSpec
from specimens import METHODS, assert_same_draws, every_method, every_method_slowly

import jaxmix
from jaxmix.shifts import pyramid

pytestmark = pytest.mark.unoptimized
DEVICES = 8
SHAPE = (16, 12, 10, 3)
COLLECTIVE = re.compile(r"\b(all-gather|all-reduce|all-to-all|collective-\w+|reduce-scatter|ragged-all-to-all)\b")
COLLECTIVE_OPERATION = re.compile(r"stablehlo\.(all_gather|all_reduce|all_to_all|collective_\w+|reduce_scatter)")
every_kind_of_mesh = pytest.mark.parametrize("kind", [AxisType.Auto, AxisType.Explicit], ids=["Auto", "Explicit"])
every_kind_slowly = pytest.mark.parametrize(
    "kind", [AxisType.Explicit, pytest.param(AxisType.Auto, marks=pytest.mark.slow)], ids=["Explicit", "Auto"]
)


def mesh_of(kind=AxisType.Auto):
    assert jax.device_count() == DEVICES
    return jax.make_mesh((DEVICES,), ("data",), axis_types=(kind,))


def images():
    return jax.random.uniform(jax.random.key(7), SHAPE)


def sharded(x, mesh):
    return jax.device_put(x, NamedSharding(mesh, PartitionSpec("data")))


@functools.cache
def on_one_device(method):
    return mixed_on_one_device(method, images())


def mixed_on_one_device(method, batch):
    return jax.tree.map(np.asarray, jax.jit(method)(jax.random.key(3), batch))


def assert_mixed_as_on_one_device(method, kind):
    mixed, mix = jax.jit(method)(jax.random.key(3), sharded(images(), mesh_of(kind)))
    expected, expected_mix = on_one_device(method)
    assert_same_draws(method, mix, expected_mix)
    np.testing.assert_allclose(mix.mask, expected_mix.mask, atol=2e-6)
    np.testing.assert_allclose(mixed, expected, atol=2e-6)
    assert mixed.sharding.spec[0] == "data"


# Soft masks, boxes, a warp, indices, searched shifts. XLA's partitioner does the rest, for both kinds of axes; every
# method is mixed by value on explicit ones, whose types are checked besides.
KINDS = ("mixup", "cutmix", "resizemix", "fmix", "attentivemix", "sage")
every_kind_of_method = pytest.mark.parametrize("method", [METHODS[name] for name in KINDS], ids=KINDS)


@every_kind_of_method
def test_a_sharded_batch_is_mixed_as_on_one_device(method):
    assert_mixed_as_on_one_device(method, AxisType.Auto)


@every_method_slowly
def test_a_batch_on_explicit_axes_is_mixed_as_on_one_device(method):
    assert_mixed_as_on_one_device(method, AxisType.Explicit)


@every_method
def test_a_batch_on_explicit_axes_is_accepted_and_its_sharding_kept(method):
    mixed, _ = jax.eval_shape(jax.jit(method), jax.random.key(3), sharded(images(), mesh_of(AxisType.Explicit)))
    assert mixed.sharding.spec[0] == "data"


@pytest.mark.slow
def test_large_smooth_maps_are_searched_alike_on_a_sharded_batch():
    coarse = jax.random.uniform(jax.random.key(7), (16, 4, 4))
    mesh, maps = mesh_of(AxisType.Explicit), jax.image.resize(coarse, (16, 132, 130), "cubic").clip(0)
    shares = jaxmix.saliency.normalize(jaxmix.saliency.smooth(maps))
    assert pyramid.lost_detail(shares, shares).max() < 5e-6  # so little that they are searched at half their size

    def method(key, maps):
        return jaxmix.sage(key, maps[..., None], maps)

    mixed, mix = jax.jit(method)(jax.random.key(3), sharded(maps, mesh))
    expected, expected_mix = mixed_on_one_device(method, maps)
    np.testing.assert_allclose(mix.mask, expected_mix.mask, atol=2e-6)
    np.testing.assert_allclose(mixed, expected, atol=2e-6)
    program = jax.jit(jaxmix.per_device(method, mesh))
    assert not COLLECTIVE.search(program.lower(jax.random.key(3), sharded(maps, mesh)).compile().as_text())


@every_kind_slowly
def test_choices_and_losses_take_sharded_batches(kind):
    mesh = mesh_of(kind)
    ids, logits = jnp.arange(16) % 5, jax.random.normal(jax.random.key(1), (16, 5))
    for choice in (
        jaxmix.sometimes(jaxmix.resizemix, 0.5),
        jaxmix.sometimes(jaxmix.cutmix, 0.5, per_batch=True),
        jaxmix.split([0.3, 0.7], [jaxmix.mixup, jaxmix.cutmix]),
    ):
        mixed, mix = jax.jit(choice)(jax.random.key(3), sharded(images(), mesh))
        expected, expected_mix = on_one_device(choice)
        np.testing.assert_allclose(mixed, expected, atol=2e-6)
        for loss in (jaxmix.cross_entropy, jaxmix.softmax_bce, jaxmix.decoupled, jaxmix.accuracy):
            found = jax.jit(loss)(sharded(logits, mesh), sharded(ids, mesh), mix)
            np.testing.assert_allclose(found, loss(logits, ids, expected_mix), rtol=1e-5)


def test_the_collective_pattern_recognizes_a_collective():
    program = jax.jit(lambda x: x[jnp.arange(16)[::-1]], out_shardings=NamedSharding(mesh_of(), PartitionSpec("data")))
    assert COLLECTIVE.search(program.lower(sharded(images(), mesh_of())).compile().as_text())


def lowered_per_device(method):
    mesh = mesh_of()
    return jax.jit(jaxmix.per_device(method, mesh)).lower(jax.random.key(3), sharded(images(), mesh))


def outer_operations(text):
    """The head of the main function, and its operations but those within regions, which are indented by more."""
    head, *lines = text[text.index("@main(") :].split("\n  }\n")[0].splitlines()
    return head, [line.strip() for line in lines if re.match(r" {4}[^ }]", line)]


@every_method
def test_per_device_lowers_to_no_collective_and_the_partitioner_sees_nothing_of_the_batch(method):
    text = lowered_per_device(method).as_text()
    assert not COLLECTIVE_OPERATION.search(text)
    head, operations = outer_operations(text)
    batch = re.search(rf"(%arg\d+): tensor<{'x'.join(map(str, SHAPE))}xf32>", head)[1]
    (on_devices,) = (operation for operation in operations if batch in operation)
    result, operator = re.match(r"(%\w+)\S* = ([\w.]+)", on_devices).groups()
    assert operator == "sdy.manual_computation"
    assert operations[-1].startswith("return") and set(re.findall(r"%\w+", operations[-1])) == {result}


@pytest.mark.slow
@every_kind_of_method
def test_per_device_compiles_to_no_collective_at_all(method):
    assert not COLLECTIVE.search(lowered_per_device(method).compile().as_text())


def test_the_pattern_of_operations_recognizes_a_collective():
    mesh, spec = mesh_of(), PartitionSpec("data")
    summed = jax.shard_map(lambda x: jax.lax.psum(x, "data"), mesh=mesh, in_specs=spec, out_specs=PartitionSpec())
    assert COLLECTIVE_OPERATION.search(jax.jit(summed).lower(sharded(images(), mesh)).as_text())


@every_kind_of_mesh
def test_per_device_never_pairs_across_devices_and_sources_are_places_in_the_batch(kind):
    mesh = mesh_of(kind)
    run = jax.jit(jaxmix.per_device(jaxmix.cutmix, mesh))
    mixed, mix = run(jax.random.key(3), sharded(images(), mesh))
    np.testing.assert_array_equal(mix.source // 2, np.repeat(np.arange(DEVICES), 2)[:, None].repeat(2, 1))
    np.testing.assert_array_equal(mix.source[:, 0], np.arange(16))
    together = jax.tree.map(lambda leaf: jnp.asarray(np.asarray(leaf)), mix)
    np.testing.assert_array_equal(mixed, jaxmix.apply(together, images()))


def test_sources_of_per_device_are_offset_by_samples_whatever_the_number_of_slots():
    mesh = jax.make_mesh((4,), ("data",), devices=jax.devices()[:4], axis_types=(AxisType.Auto,))
    x = jnp.zeros((16, 4, 4, 1))  # four samples on each device, two slots
    _, mix = jax.jit(jaxmix.per_device(jaxmix.mixup, mesh))(jax.random.key(3), x)
    np.testing.assert_array_equal(mix.source[:, 0], np.arange(16))


def test_per_device_draws_differently_on_every_device():
    _, mix = jax.jit(jaxmix.per_device(jaxmix.mixup, mesh_of()))(jax.random.key(3), images())
    assert len(np.unique(mix.weight[:, 0])) == 16


def test_per_device_is_the_method_under_each_devices_key():
    mixed, _ = jax.jit(jaxmix.per_device(jaxmix.cutmix, mesh_of()))(jax.random.key(3), images())
    for device in range(DEVICES):
        part = slice(2 * device, 2 * device + 2)
        alone, _ = jaxmix.cutmix(jax.random.fold_in(jax.random.key(3), device), images()[part])
        np.testing.assert_array_equal(mixed[part], alone)


def test_per_device_takes_functions_that_mix_labels_inside():
    def augment(key, batch):
        mixed, mix = jaxmix.cutmix(key, batch)
        return mixed, jaxmix.targets(mix, batch["label"], 5)

    batch = {"image": images(), "label": jnp.arange(16) % 5}
    _, inside = jax.jit(jaxmix.per_device(augment, mesh_of()))(jax.random.key(3), batch)
    _, mix = jax.jit(jaxmix.per_device(jaxmix.cutmix, mesh_of()))(jax.random.key(3), batch)
    np.testing.assert_allclose(inside, jaxmix.targets(mix, batch["label"], 5), atol=1e-6)


def test_per_device_takes_meshes_of_several_axes():
    mesh = jax.make_mesh((4, 2), ("data", "model"), axis_types=(AxisType.Auto,) * 2)
    mixed, _ = jax.jit(jaxmix.per_device(jaxmix.mixup, mesh))(jax.random.key(3), images())
    flat, _ = jax.jit(jaxmix.per_device(jaxmix.mixup, mesh_of()))(jax.random.key(3), images())
    np.testing.assert_array_equal(mixed, flat)


def test_choices_run_inside_the_users_own_shard_map():
    mesh, spec = mesh_of(), PartitionSpec("data")
    for choice in (jaxmix.sometimes(jaxmix.resizemix, 0.5, per_batch=True), jaxmix.randommix):

        def local(x, choice=choice):
            return choice(jax.random.fold_in(jax.random.key(3), jax.lax.axis_index("data")), x)[0]

        mixed = jax.jit(jax.shard_map(local, mesh=mesh, in_specs=spec, out_specs=spec))(images())
        alone = jax.jit(choice)(jax.random.fold_in(jax.random.key(3), 5), images()[10:12])[0]
        np.testing.assert_allclose(mixed[10:12], alone, atol=2e-6)


def test_block_labels_on_each_device_are_those_of_the_whole_batch():
    uniform = np.random.default_rng(5)
    shapes = (8, 4, 5), (8, 4, 5), (8, 3), (8, 3, 5), (8, 4, 4)
    problem = [uniform.random(shape, np.float32) for shape in shapes]
    data = PartitionSpec("data")
    per_device = jax.jit(jax.shard_map(jaxmix.blocks.label, mesh=mesh_of(), in_specs=data, out_specs=data))
    np.testing.assert_array_equal(per_device(*problem), jax.jit(jaxmix.blocks.label)(*problem))


@every_kind_of_mesh
def test_partners_of_the_same_group_are_found_on_a_sharded_batch(kind):
    group = jnp.arange(16) % 3
    found = jax.jit(jaxmix.partners.within)(jax.random.key(0), sharded(group, mesh_of(kind)))
    np.testing.assert_array_equal(found, jaxmix.partners.within(jax.random.key(0), group))


@pytest.mark.parametrize(
    "kind", [AxisType.Explicit, pytest.param(AxisType.Auto, marks=pytest.mark.slow)], ids=["Explicit", "Auto"]
)
def test_other_partners_saliency_of_pixels_and_attention_are_those_of_one_device(kind):
    mesh, labels, y = mesh_of(kind), jnp.arange(16) % 3, jnp.arange(16.0) ** 2
    distance = jax.random.uniform(jax.random.key(1), (16, 16))
    attention = jax.random.uniform(jax.random.key(2), (16, 4, 4))
    _, mix = on_one_device(METHODS["cutmix"])

    def found(labels, y, distance, images, attention, mix):
        partners = jaxmix.partners
        return (
            partners.across(jax.random.key(0), labels),
            partners.near(jax.random.key(4), y, 9.0),
            partners.cover(distance),
            jaxmix.saliency.spectral_residual(images),
            jaxmix.attend(mix, attention).weight,
        )

    arrays = labels, y, distance, images(), attention, mix
    expected = jax.jit(found)(*arrays)
    spread = jax.jit(found)(*jax.tree.map(lambda x: sharded(x, mesh), arrays))
    for one, other in zip(spread[:3], expected[:3], strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_allclose(spread[3], expected[3], rtol=1e-4)
    np.testing.assert_allclose(spread[4], expected[4], atol=1e-6)
    assert kind == AxisType.Auto or all(x.sharding.spec[0] == "data" for x in spread)


def test_a_batch_that_does_not_divide_names_both_sizes():
    with pytest.raises(ValueError, match=r"shape \(12, 12, 10, 3\), and the mesh has 8 devices.*multiple"):
        jaxmix.per_device(METHODS["cutmix"], mesh_of())(jax.random.key(3), images()[:12])
