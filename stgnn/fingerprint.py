"""Fingerprints of the code that a stage runs, so that a result is stale when *its* code changed.

Sources are parsed, never imported: no torch here, and a fingerprint costs milliseconds. Comments,
docstrings, blank lines and line numbers do not count. Of a package's `__init__` only the names that are
asked of it are followed, as long as it does nothing but re-export.
"""

import ast
import hashlib
import importlib.util
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from stgnn.errors import InputError
from stgnn.tasks import PREDICTED, predicted

PACKAGE = "stgnn"


@dataclass(frozen=True)
class _Import:
    """`from module import name`, or `import module` when `name` is empty."""

    module: str
    name: str


@dataclass(frozen=True)
class _Summary:
    """What one source file contributes: a digest of its code and the imports anywhere in it."""

    digest: str
    imports: tuple[_Import, ...]
    exports: dict[str, _Import]  # names bound by imports at the top of the file
    only_reexports: bool
    classes: tuple[str, ...]


def fingerprint(*modules: str) -> str:
    """Return 16 hexadecimal digits over the code of `modules` and of all they import, inside this package.

    The packages of `modules` themselves count as inside: a model in a user's own package brings its
    helpers along.

    Raises:
        InputError: a module of this package does not exist, or a file is not valid Python.
    """
    lines = [f"{name} {summary_of(name).digest}" for name in closure(*modules)]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def closure(*modules: str) -> tuple[str, ...]:
    """Return the sorted names of `modules` and of every module they import, directly or not."""
    inside = {PACKAGE} | {name.partition(".")[0] for name in modules}
    found: set[str] = set()
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            for imported in summary_of(name).imports:
                waiting.extend(_targets(imported, inside))
    return tuple(sorted(found))


def run_fingerprint(settings: Mapping[str, Any]) -> str:
    """Return the fingerprint of the code that trains a resolved run: engine, task, and its model with its layers."""
    task = PREDICTED[predicted(settings)].module
    return fingerprint("stgnn.training.engine", task, settings["model"]["class"].rpartition(".")[0])


def ingest_fingerprint(reader: str) -> str:
    """Return the fingerprint of the code that makes a store: checks, the dataset's reader, of all, and the writer."""
    for table, writer in (("READERS", "stgnn.store.write"), ("EVENT_READERS", "stgnn.store.write_events")):
        own = _bound_in_dict("stgnn.raw", table, reader)
        if own:
            return fingerprint("stgnn.raw.checked", own, writer)
    raise InputError("stgnn.raw", f"no reader {reader!r}")


def _bound_in_dict(module: str, table: str, key: str) -> str | None:
    """Return the module that `module` imports the value of `table[key]` from; None where there is no such key."""
    path = source_of(module)
    for node in ast.walk(ast.parse(path.read_bytes())) if path else ():
        if isinstance(node, ast.AnnAssign | ast.Assign) and isinstance(node.value, ast.Dict):
            names = [node.target] if isinstance(node, ast.AnnAssign) else node.targets
            if any(isinstance(name, ast.Name) and name.id == table for name in names):
                pairs = zip(node.value.keys, node.value.values, strict=True)
                bound = {
                    k.value: v.id for k, v in pairs if isinstance(k, ast.Constant) and isinstance(v, ast.Name)
                }
                if key in bound:
                    return summary_of(module).exports[bound[key]].module
    return None


def _targets(imported: _Import, inside: set[str]) -> Iterator[str]:
    """Yield the modules whose code an import statement brings in."""
    if imported.module.partition(".")[0] not in inside:
        return
    submodule = f"{imported.module}.{imported.name}"
    if imported.name and source_of(submodule):
        yield submodule
        return
    summary = summary_of(imported.module)
    if summary.only_reexports and imported.name in summary.exports:
        yield from _targets(summary.exports[imported.name], inside)
    else:
        yield imported.module


def source_of(module: str) -> Path | None:
    """Return the file of a module without importing anything, None when it has no Python source."""
    top, *rest = module.split(".")
    for folder in _roots(top):
        place = folder.joinpath(*rest)
        for path in (place / "__init__.py", place.with_suffix(".py") if rest else folder.with_suffix(".py")):
            if path.is_file():
                return path
    return None


@cache
def _roots(top: str) -> tuple[Path, ...]:
    """Return where a top-level package lives: its folders, or its file without `.py`."""
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        spec = None
    if spec is None:
        return ()
    places = spec.submodule_search_locations or [str(Path(spec.origin or top).with_suffix(""))]
    return tuple(Path(place) for place in places)


def is_elsewhere(module: str) -> bool:
    """Is it in an installed package that may hold compiled code?"""
    top = module.partition(".")[0]
    return top != PACKAGE and bool(_roots(top))


def summary_of(module: str) -> _Summary:
    """Return what a module's file contributes; `InputError` where there is no such module."""
    path = source_of(module)
    if path is None:
        if not is_elsewhere(module):
            raise InputError(module, "no such module", "check the spelling and that its package is installed")
        return _Summary("compiled", (), {}, False, ())
    return _summarise(path, module, path.read_bytes())


def parse(path: Path, source: bytes) -> ast.Module:
    """Return the tree of a source file; `InputError` names the line where it is not Python."""
    try:
        return ast.parse(source)
    except SyntaxError as error:
        raise InputError(path, f"line {error.lineno}: {error.msg}", "mend the Python") from None


@cache  # by content: parsing is what takes time
def _summarise(path: Path, module: str, source: bytes) -> _Summary:
    tree = parse(path, source)
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    parts: list[str] = []
    statements: list[ast.stmt] = []
    _write(tree, parts, statements)
    return _Summary(
        digest=hashlib.sha256("\0".join(parts).encode()).hexdigest(),
        imports=tuple(imported for node in statements for _, imported in _imports(node, package)),
        exports={bound: imported for node in tree.body for bound, imported in _imports(node, package)},
        only_reexports=all(_is_reexport(node) for node in tree.body),
        classes=tuple(node.name for node in tree.body if isinstance(node, ast.ClassDef)),
    )


def _write(node: ast.AST, parts: list[str], imports: list[ast.stmt]) -> None:
    """Append the code of `node` to `parts`, without text that does nothing, and its import statements to `imports`.

    Not `ast.dump`: half the time, and the same text from every Python, which adds empty fields as it grows.
    """
    if isinstance(node, ast.Import | ast.ImportFrom):
        imports.append(node)
    parts.append(type(node).__name__)
    for field in node._fields:
        value = getattr(node, field, None)
        if isinstance(value, list):
            kept = [item for item in value if not _is_idle(item)]
            if kept:
                parts.append(field)
                for item in kept:
                    if isinstance(item, ast.AST):
                        _write(item, parts, imports)
                    else:
                        parts.append(repr(item))
                parts.append("]")
        elif isinstance(value, ast.AST):
            if field != "ctx":  # load or store: said by the place
                parts.append(field)
                _write(value, parts, imports)
        elif value is not None:
            parts.append(f"{field}={value!r}")
    parts.append(")")


def _is_idle(item: object) -> bool:
    """Is it text standing alone (a docstring) or an import for type checkers only?"""
    if isinstance(item, ast.Expr):
        return isinstance(item.value, ast.Constant) and isinstance(item.value.value, str)
    if isinstance(item, ast.If) and not item.orelse:
        name = item.test.attr if isinstance(item.test, ast.Attribute) else getattr(item.test, "id", "")
        return name == "TYPE_CHECKING"
    return False


def _imports(node: ast.stmt, package: str) -> Iterator[tuple[str, _Import]]:
    """Yield (bound name, import) for each name of an import statement, with relative ones resolved."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield alias.asname or alias.name, _Import(alias.name, "")
    elif isinstance(node, ast.ImportFrom):
        parents = package.split(".")[: len(package.split(".")) + 1 - node.level] if node.level else []
        module = ".".join([*parents, *([node.module] if node.module else [])])
        for alias in node.names:
            yield alias.asname or alias.name, _Import(module, alias.name)


def _is_reexport(node: ast.stmt) -> bool:
    if isinstance(node, ast.Assign):
        return all(isinstance(target, ast.Name) and target.id == "__all__" for target in node.targets)
    return isinstance(node, ast.ImportFrom) or _is_idle(node)
