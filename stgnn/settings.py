"""YAML files checked against a JSON schema, with every mistake said in one line.

Nothing here knows what a dataset, a model or a study is; `stgnn.catalog` and `stgnn.study` do.
"""

import difflib
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from stgnn.errors import InputError

SCHEMAS = Path(__file__).resolve().parents[1] / "workflow" / "schemas"

_KIND = {
    "object": "a mapping",
    "array": "a list",
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "null",
}


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """YAML as people write it: `1e-3` is a number, and a key given twice is a mistake."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value in seen and key.value != "<<":
                problem = f"key '{key.value}' is given twice"
                raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
            seen.add(key.value)
        mapping: dict[Any, Any] = super().construct_mapping(node, deep)
        return mapping


# YAML 1.1, which PyYAML reads, takes `1e-3` for text because it has no dot.
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
)


def read_yaml(path: Path) -> Any:
    """Return what the YAML file says; `InputError` names the line of a mistake."""
    try:
        with path.open(encoding="utf-8") as file:
            document = yaml.load(file, Loader=_Loader)  # a subclass of the safe loader
        _require_tree(document, path)
        return document
    except FileNotFoundError:
        raise InputError(path, "no such file", _hint(path.name, _siblings(path))) from None
    except OSError as error:
        raise InputError(path, f"cannot be read ({error.strerror})") from None
    except UnicodeDecodeError as error:
        raise InputError(path, f"is not UTF-8 text (byte {error.start})") from None
    except RecursionError:
        raise InputError(path, "is nested too deeply", "mend the YAML") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise InputError(path, f"{place}{problem}", "mend the YAML") from None


def _require_tree(value: Any, path: Path, outer: tuple[int, ...] = ()) -> None:
    """Raise `InputError` for a mapping or list that holds itself, which an alias can bring about."""
    if id(value) in outer:
        raise InputError(path, "an alias stands inside what it stands for", "write it out")
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _require_tree(item, path, (*outer, id(value)))


def check(document: Any, schema: str | Mapping[str, Any], where: str | Path, prefix: str = "") -> None:
    """Raise `InputError` for the first place where `document` breaks the schema or has a number that is not finite.

    `schema` is a schema or a file of workflow/schemas, with `#/$defs/<name>` behind it for one of its parts;
    `prefix` is the place of `document` inside the file `where`. Of the places in the file, only a dataset's
    `null_value` may be NaN or infinite.
    """
    validator = _validator(schema) if isinstance(schema, str) else _Validator(schema)
    errors = sorted(validator.iter_errors(document), key=_order)
    # First: to JSON schema a NaN is a number within every bound.
    for path, number in _not_finite(document, ()):
        if schema != "datasets.schema.json" or len(path) != 2 or path[1] != "null_value":
            raise _mistake(where, prefix, _dotted(path), f"found {number}", "give a finite number")
    if errors:
        raise _mistake(where, prefix, *_explain(errors[0]))


def with_defaults(document: Any, schema: str) -> Any:
    """Return a checked `document` with the schema's `default` for every absent key that has one."""
    found = _registry().resolver().lookup(schema)
    return _filled(document, found.contents, found.resolver)


def require_known(name: Any, valid: Iterable[Any], where: str | Path, key: str) -> None:
    """Raise `InputError`, with the nearest valid name, unless `name` is one of `valid`."""
    valid = list(valid)
    if name not in valid:
        raise InputError(where, f"{key}: unknown {_shown(name)}", _hint(name, valid))


def canonical(value: Any) -> Any:
    """Return `value` with mappings sorted and whole floats made integers, so that 1 and 1.0 are one setting."""
    if isinstance(value, Mapping):
        return {key: canonical(value[key]) for key in sorted(value)}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [canonical(item) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def canonical_json(value: Any) -> str:
    """Return the one JSON text of `value`: sorted keys, no spaces, 1.0 written as 1."""
    return json.dumps(canonical(value), separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def several(value: Any) -> list[Any]:
    """Return the values of a key that takes one or a list of them; none for null."""
    return value if isinstance(value, list) else [] if value is None else [value]


def _mistake(where: str | Path, prefix: str, key: str, problem: str, todo: str) -> InputError:
    place = ".".join(part for part in (prefix, key) if part).replace(".[", "[")
    return InputError(where, f"{place}: {problem}" if place else problem, todo)


def _dotted(path: Iterable[Any]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")


def _not_finite(value: Any, path: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], float]]:
    """Yield (place, number) for every NaN or infinity in `value`."""
    if isinstance(value, float) and not math.isfinite(value):
        yield path, value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _not_finite(item, (*path, key))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _not_finite(item, (*path, number))


def _increasing(_: Any, wanted: bool, numbers: Any, __: Any) -> Iterator[ValidationError]:
    """Our own schema keyword `strictlyIncreasing`."""
    if wanted and isinstance(numbers, list) and all(type(number) in (int, float) for number in numbers):
        for before, after in pairwise(numbers):
            if after <= before:
                yield ValidationError(f"{_shown(after)} follows {_shown(before)}")


_Validator: Any = extend(Draft202012Validator, {"strictlyIncreasing": _increasing})  # type: ignore[no-untyped-call]


def _order(error: ValidationError) -> tuple[Any, ...]:
    # A misspelt key is often a missing one too: the unknown key, with its nearest neighbour, says more.
    return (error.validator != "additionalProperties", [str(part) for part in error.absolute_path])


def _explain(error: ValidationError) -> tuple[str, str, str]:
    """Return (dotted key, what is wrong, what to do)."""
    key = _dotted(error.absolute_path)
    found: Any = error.instance
    rule: Any = error.validator_value
    schema: Any = error.schema
    match error.validator:
        case "additionalProperties":
            known = list(schema["properties"])
            unknown = next(str(name) for name in found if name not in known)
            return key, f"unknown key '{unknown}'", _hint(unknown, known) or "remove it"
        case "required":
            missing = next(name for name in rule if name not in found)
            return key, f"key '{missing}' is missing", "add it"
        case "type":
            kinds = [rule] if isinstance(rule, str) else rule
            return key, f"expected {' or '.join(_KIND[kind] for kind in kinds)}, found {_shown(found)}", ""
        case "enum":
            return key, f"unknown {_shown(found)}", _hint(found, rule)
        case "minItems" | "maxItems" if rule > 1 and schema.get("minItems") == schema.get("maxItems"):
            return key, f"has {len(found)} entries, expected {rule}: {_shown(found)}", ""
        case "minItems" | "minProperties":
            return (
                key,
                "is empty" if not found else f"has too few entries: {_shown(found)}",
                "name at least one",
            )
        case "maxItems":
            return key, f"has {len(found)} entries, expected at most {rule}", ""
        case "contains":
            return key, f"lacks {_shown(rule['const'])}", "add it"
        case "uniqueItems":
            twice = next(item for number, item in enumerate(found) if item in found[:number])
            return key, f"{_shown(twice)} is listed twice", "list it once"
        case "pattern":
            meaning = f" ({schema['description'].rstrip('.')})" if "description" in schema else ""
            return key, f"{_shown(found)} does not fit the pattern {rule}{meaning}", ""
        case "strictlyIncreasing":
            return key, error.message, "list the numbers in increasing order, each once"
        case _:
            return key, error.message, ""


def _hint(name: Any, valid: Iterable[Any]) -> str:
    """Return 'did you mean ...?', or the valid names when none is near."""
    names = [str(item) for item in valid]
    near = difflib.get_close_matches(str(name), names, n=1, cutoff=0.5)
    if near:
        return f"did you mean '{near[0]}'?"
    return f"expected one of: {', '.join(sorted(names))}" if names else ""


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else text[:57] + "..."


def _siblings(path: Path) -> list[str]:
    return [other.name for other in path.parent.glob(f"*{path.suffix}")] if path.parent.is_dir() else []


def _filled(value: Any, schema: Any, resolver: Any) -> Any:
    if "$ref" in schema:
        target = resolver.lookup(schema["$ref"])
        value = _filled(value, target.contents, target.resolver)
    if isinstance(value, Mapping) and "properties" in schema:
        parts = schema["properties"].items()
        absent = {key: deepcopy(part["default"]) for key, part in parts if "default" in part}
        given = {key: _filled(value[key], part, resolver) for key, part in parts if key in value}
        return {**absent, **value, **given}
    if isinstance(value, list) and "items" in schema:
        return [_filled(item, schema["items"], resolver) for item in value]
    return value


@cache
def _registry() -> Registry[Any]:
    files = sorted(SCHEMAS.glob("*.schema.json"))
    documents = {file.name: json.loads(file.read_text(encoding="utf-8")) for file in files}
    for document in documents.values():
        del document["$schema"]  # else jsonschema goes on with its own validator there, without our keyword
    return Registry().with_resources(
        (name, DRAFT202012.create_resource(document)) for name, document in documents.items()
    )


@cache
def _validator(schema: str) -> Any:
    return _Validator({"$ref": schema}, registry=_registry())
