"""From a run's model settings to a model: imports its class, checks the settings against it.

Any importable class will do, so a model in a user's own package needs no registration here.
"""

import difflib
import importlib
import inspect
import types
from collections.abc import Iterable, Mapping
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from torch import nn

from stgnn.errors import InputError
from stgnn.graph.graph import Graph
from stgnn.models.base import Forecaster, TaskShape

Model = TypeVar("Model", bound=nn.Module)


def build_model(model_settings: Mapping[str, Any], shape: TaskShape, graph: Graph) -> Forecaster:
    """Build the forecaster of a task of this shape on this graph; see `build`."""
    return build(model_settings, Forecaster, shape, graph)


def build(model_settings: Mapping[str, Any], base: type[Model], *given: Any) -> Model:
    """Build the model, a `base`, that a resolved run declares under `model:`.

    Args:
        model_settings: `class` (dotted path), `settings` (keyword arguments of that class) and `name`
            (for messages), as in an entry of config/models.yaml.
        base: what the class must be a subclass of.
        given: what the task knows, the class's positional arguments.

    Raises:
        InputError: the class cannot be imported or is no `base`; a setting is unknown, missing, of a
            wrong type or value.
    """
    name = model_settings.get("name", model_settings.get("class", "?"))
    try:
        model_class = find_class(model_settings.get("class"), base)
        settings = model_settings.get("settings") or {}
        _check_settings(model_class, settings)
        return model_class(*given, **settings)
    except InputError as error:
        raise InputError(f"model {name}: {error.where}", error.problem, error.todo) from error


def find_class(dotted_path: Any, base: type[Model]) -> type[Model]:
    """Import the class at `package.module.Class`, a subclass of `base`, or raise `InputError`."""
    module_path, _, class_name = str(dotted_path or "").rpartition(".")
    if not module_path:
        raise InputError("class", f"found {dotted_path!r}", "give the dotted path package.module.Class")
    module = _import_module(module_path)
    found = getattr(module, class_name, None)
    if isinstance(found, type) and issubclass(found, base):
        return found
    if found is not None:
        wanted = f"{base.__module__}.{base.__name__}"
        raise InputError("class", f"{dotted_path} is not a {wanted}", "subclass it")
    classes = [key for key, value in vars(module).items() if isinstance(value, type)]
    raise InputError("class", f"{module_path} has no {class_name}", _nearest(class_name, classes))


def setting_types(model_class: type[nn.Module]) -> dict[str, Any]:
    """Return the settings that a model class takes and the annotated type of each."""
    hints = get_type_hints(model_class.__init__)
    parameters = inspect.signature(model_class.__init__).parameters.values()
    return {p.name: hints.get(p.name, Any) for p in parameters if p.kind is p.KEYWORD_ONLY}


def _import_module(module_path: str) -> types.ModuleType:
    try:
        return importlib.import_module(module_path)
    except ModuleNotFoundError as error:
        # A module that the user's file imports in vain is their traceback to read, not a wrong path.
        if error.name is None or not f"{module_path}.".startswith(f"{error.name}."):
            raise
        todo = "check the spelling, or install the package or add its folder to PYTHONPATH"
        raise InputError("class", f"there is no module {error.name}", todo) from error


def _check_settings(model_class: type[nn.Module], settings: Mapping[str, Any]) -> None:
    expected = setting_types(model_class)
    for key, value in settings.items():
        if key not in expected:
            raise InputError(
                f"settings.{key}", f"is unknown to {model_class.__name__}", _nearest(key, expected)
            )
        if not _is_of_type(value, expected[key]):
            raise InputError(f"settings.{key}", f"found {value!r}, expected {_named(expected[key])}")
    required = inspect.signature(model_class.__init__).parameters
    for key in expected:
        if key not in settings and required[key].default is inspect.Parameter.empty:
            raise InputError(f"settings.{key}", "is missing", f"{model_class.__name__} needs it")


def _named(expected: Any) -> str:
    if get_origin(expected) is Literal:
        return f"one of: {', '.join(map(str, get_args(expected)))}"
    if get_origin(expected) in (Union, types.UnionType):
        return " | ".join(map(_named, get_args(expected)))
    if expected is types.NoneType:
        return "None"
    return getattr(expected, "__name__", str(expected))


def _is_of_type(value: Any, expected: Any) -> bool:
    """Check plain types, unions of them and literals; other annotations are left to the model."""
    if get_origin(expected) is Literal:
        return any(type(value) is type(choice) and value == choice for choice in get_args(expected))
    if get_origin(expected) in (Union, types.UnionType):
        return any(_is_of_type(value, member) for member in get_args(expected))
    if expected in (int, float) and isinstance(value, bool):  # a bool is an int to Python
        return False
    if expected is float:
        return isinstance(value, int | float)
    return not isinstance(expected, type) or isinstance(value, expected)


def _nearest(word: str, known: Iterable[str]) -> str:
    names = sorted(known)
    close = difflib.get_close_matches(word, names, n=1, cutoff=0.4)
    if close:
        return f"did you mean {close[0]}?"
    return f"known: {', '.join(names)}" if names else "it takes no settings"
