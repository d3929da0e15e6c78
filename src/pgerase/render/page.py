"""HTML pages from templates: whatever they print is escaped, and a page needs nothing but itself. Decides nothing."""

from __future__ import annotations

from functools import cache

from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateError

from pgerase import resources
from pgerase.errors import InternalError


def page(template: str, /, **values: object) -> str:
    """The text of `templates/<template>.html.j2` with these values. Raises InternalError where the template is at fault."""
    try:
        return _environment().get_template(f"{template}.html.j2").render(values)
    except TemplateError as error:
        raise InternalError(f"template {template}: {error}") from error


@cache
def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(resources.folder("templates")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    # Everything that could let text through as it is, or make more of it, stays out.
    length = made.filters["length"]
    made.filters.clear()
    made.filters["length"] = length
    made.globals.clear()
    return made
