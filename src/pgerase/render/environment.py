"""The only Jinja environment: templates lay statements out, and cannot print anything but safe fragments.

Whatever a template prints passes one gate that refuses plain strings, so that text of a rule or of a database reaches SQL only
through the filters `ident`, `qualified`, `idents` and `literal`, or as an `Expr` somebody compiled. It decides nothing
and runs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from typing import Any, cast

from jinja2 import BaseLoader, Environment, FileSystemLoader, StrictUndefined, TemplateError, Undefined
from markupsafe import Markup

from pgerase import resources
from pgerase.catalog.model import Name
from pgerase.errors import InternalError
from pgerase.render.fragments import Expr, Fragment, Ident, Idents, Literal, identifiers


def render(template: str, /, **values: object) -> str:
    """The text of `templates/<template>.sql.j2` with these values. Raises InternalError where the template is at fault."""
    try:
        return environment().get_template(f"{template}.sql.j2").render(values)
    except TemplateError as error:
        raise InternalError(f"template {template}: {error}") from error


@cache
def environment() -> Environment:
    """The environment over the project's templates, made once."""
    return make_environment(FileSystemLoader(resources.folder("templates")))


def make_environment(loader: BaseLoader) -> Environment:
    """An environment with the gate and the filters over any source of templates."""
    made = Environment(
        loader=loader,
        autoescape=False,  # noqa: S701 - not HTML: the gate below stands where escaping would
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=_gate,
    )
    # Templates know our five filters alone: everything else would print, join or change text.
    filters = cast(dict[str, Callable[..., Fragment]], made.filters)
    filters.clear()
    filters.update(ident=_ident, qualified=_qualified, idents=_idents, literal=_literal, expr=_expr)
    made.globals.clear()
    return made


def _gate(value: object) -> object:
    """Let fragments and whole numbers through. Raises InternalError for anything else."""
    if isinstance(value, Undefined):
        return str(value)  # StrictUndefined raises here, naming what is missing
    if isinstance(value, Fragment) or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    raise InternalError(f"a template may not print {type(value).__name__}: it needs a filter")


def _ident(value: object) -> Ident:
    if isinstance(value, Ident):
        return value
    if isinstance(value, str) and not isinstance(value, Markup):
        return Ident((value,))
    raise InternalError(f"not a name: {value!r}")


def _qualified(value: object) -> Ident:
    if isinstance(value, Ident) and len(value.parts) > 1:
        return value
    if isinstance(value, Name):
        return Ident((value.schema, value.name))
    raise InternalError(f"not a schema-qualified name: {value!r}")


def _idents(values: Iterable[Any]) -> Idents:
    return identifiers(_ident(value) for value in values)


def _literal(value: object) -> Literal:
    if isinstance(value, Literal):
        return value
    if value is None or isinstance(value, (str, int)):
        return Literal(value)
    raise InternalError(f"not a constant: {value!r}")


def _expr(value: object) -> Expr:
    if isinstance(value, Expr):
        return value
    raise InternalError(f"not an expression: {value!r}")


__all__ = ["Expr", "Fragment", "Ident", "Idents", "Literal", "environment", "make_environment", "render"]
