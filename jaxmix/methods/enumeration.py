"""All public methods by name, for what runs over every one of them: tests, the command line, the figures."""

import inspect
import typing

import jaxmix
from jaxmix.combinators import Method
from jaxmix.mix import Mix

__all__ = ["by_name", "map_names"]


def by_name() -> dict[str, Method]:
    """Collect the public methods by name, in alphabetical order.

    A method is a function among the names of `jaxmix` that takes `key` and `batch` first and returns `(images, Mix)`.
    One that is added later is among them by being public. `augmix_views`, which returns views, and `dropblock`, which
    takes features, are not.

    >>> list(by_name())[:2]
    ['attentivemix', 'augmix']
    """
    return {name: getattr(jaxmix, name) for name in sorted(jaxmix.__all__) if _is_method(getattr(jaxmix, name))}


def map_names(method: Method) -> tuple[str, ...]:
    """Name the arguments that a method takes after the batch: saliency, attention, cam, labels.

    >>> map_names(jaxmix.cutmix), map_names(jaxmix.snapmix)
    ((), ('cam', 'labels'))
    """
    parameters = list(inspect.signature(method).parameters.values())[2:]
    return tuple(p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD)


def _is_method(value: object) -> bool:
    if not inspect.isfunction(value):
        return False
    signature = inspect.signature(value, eval_str=True)
    return list(signature.parameters)[:2] == ["key", "batch"] and Mix in typing.get_args(signature.return_annotation)
