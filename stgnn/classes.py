"""What the source of a class alone tells: that it is there, its settings and flags, what it works out of settings.

Parsed, never imported, as in `stgnn.fingerprint`: a study is checked without torch.
"""

import ast
import copy
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from stgnn.fingerprint import is_elsewhere, parse, source_of, summary_of

# What JSON schema calls the plain annotations of a setting. A whole number will do for a float; a bool for neither.
_SCHEMA_TYPES = {
    "int": "integer", "PositiveInt": "integer", "float": "number", "bool": "boolean", "str": "string", "None": "null",
}  # fmt: skip
_Found = TypeVar("_Found")


def classes_of(module: str) -> tuple[str, ...] | None:
    """Return the names that `module` binds to classes or imports; None when it has no Python source."""
    if source_of(module) is None and is_elsewhere(module):
        return None
    summary = summary_of(module)
    return summary.classes + tuple(summary.exports)


def settings_schema(dotted_path: str) -> dict[str, Any] | None:
    """Return a JSON schema of the settings, the keyword-only arguments, that a class takes.

    Plain annotations (int, float, bool, str, None, `stgnn.models.base.PositiveInt`, unions of them; a Literal alone)
    are checked, others are left to the class. None when the source does not tell: no Python source, or a base class
    without one.
    """
    module, _, class_name = dotted_path.rpartition(".")
    try:
        init = _find_in_class(module, class_name, _own_init)
    except LookupError:
        return None
    pairs = list(zip(init.args.kwonlyargs, init.args.kw_defaults, strict=True)) if init else []
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {argument.arg: _schema_of(argument.annotation) for argument, _ in pairs},
        "required": [argument.arg for argument, default in pairs if default is None],
    }


def declares(dotted_path: str, name: str) -> bool:
    """Does the body of a class, or else that of the nearest base which says, have `name = True`?"""
    module, _, class_name = dotted_path.rpartition(".")
    try:
        return bool(_find_in_class(module, class_name, lambda node: _own_value(node, name)))
    except LookupError:  # unreadable
        return False


def worked_out(dotted_path: str, name: str, settings: Mapping[str, Any]) -> Any:
    """Return what the static method `name` of a class, whose arguments are named like settings, makes of them.

    None when the source does not tell: there is no such method, or it uses more than these settings.
    """
    module, _, class_name = dotted_path.rpartition(".")
    try:
        method = _find_in_class(module, class_name, lambda node: _own_method(node, name))
        if method is None:
            return None
        found: dict[str, Any] = {"__builtins__": {}, "max": max, "min": min}
        exec(compile(_bare(method), f"{dotted_path}.{name}", "exec"), found)
        return found[name](**{argument.arg: settings[argument.arg] for argument in method.args.args})
    except Exception:  # whatever way it fails on settings that make no sense: the class says what is wrong
        return None


def _bare(method: ast.FunctionDef) -> ast.Module:
    """The method alone as a module: without decorators and annotations, whose names are not there."""
    plain = copy.deepcopy(method)
    plain.decorator_list, plain.returns = [], None
    for argument in plain.args.args:
        argument.annotation = None
    return ast.Module([plain], type_ignores=[])


def _own_init(node: ast.ClassDef) -> ast.FunctionDef | None:
    return _own_method(node, "__init__")


def _own_method(node: ast.ClassDef, name: str) -> ast.FunctionDef | None:
    found = (item for item in node.body if isinstance(item, ast.FunctionDef) and item.name == name)
    return next(found, None)


def _own_value(node: ast.ClassDef, name: str) -> Any:
    for item in node.body:
        if isinstance(item, ast.AnnAssign | ast.Assign) and isinstance(item.value, ast.Constant):
            targets = [item.target] if isinstance(item, ast.AnnAssign) else item.targets
            if any(isinstance(target, ast.Name) and target.id == name for target in targets):
                return item.value.value
    return None


def _find_in_class(
    module: str, class_name: str, pick: Callable[[ast.ClassDef], _Found | None]
) -> _Found | None:
    """Return what `pick` finds in a class or in the nearest of its bases, None where none has it.

    Raises:
        LookupError: the source cannot be read.
    """
    path = source_of(module)
    if path is None:
        raise LookupError(module)
    for node in _parsed(path, path.read_bytes()).body:
        if isinstance(node, ast.ClassDef) and node.name == class_name:
            found = pick(node)
            if found is not None:
                return found
            bases = [base.id if isinstance(base, ast.Name) else "" for base in node.bases]
            # A class named like its base hides where that came from.
            inherited = (_find_in_class(module, base if base != class_name else "", pick) for base in bases)
            return next((each for each in inherited if each is not None), None)
    imported = summary_of(module).exports.get(class_name)
    if imported is None or not imported.name:
        raise LookupError(class_name)
    return _find_in_class(imported.module, imported.name, pick)


@cache
def _parsed(path: Path, source: bytes) -> ast.Module:
    """Parse once: a study asks the same of one class for each of its runs."""
    return parse(path, source)


def _schema_of(annotation: ast.expr | None) -> dict[str, Any]:
    """Return the JSON schema of an annotation; an empty one, which fits everything, where it is not plain."""
    text = ast.unparse(annotation).strip("'\"") if annotation else ""  # it may be quoted
    choices = _choices(text)
    if choices is not None:
        return {"enum": choices}
    names = [name.strip() for name in text.split("|")]
    types = [_SCHEMA_TYPES.get(name) for name in names]
    least = {"minimum": 1} if "PositiveInt" in names else {}
    return {} if None in types else {"type": types} | least


def _choices(annotation: str) -> list[Any] | None:
    """Return the values of a Literal; None where the annotation is no plain one."""
    try:
        found = ast.parse(annotation, mode="eval").body
    except SyntaxError:
        return None
    if not isinstance(found, ast.Subscript) or ast.unparse(found.value) not in ("Literal", "typing.Literal"):
        return None
    items = found.slice.elts if isinstance(found.slice, ast.Tuple) else [found.slice]
    values = [item.value if isinstance(item, ast.Constant) else ... for item in items]
    return values if all(isinstance(value, str | int | None) for value in values) else None
