"""The house style of `sql/`, as functions from a file's text to what is wrong with it. They read; they change nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pglast import ast, parse_sql
from pglast.enums import ObjectType, RoleSpecType
from pglast.parser import scan

LONGEST_FILE = 500
LONGEST_LINE = 130
LONGEST_HEADER = 6

# A routine may have one variant for each way a viewer is identified: become_setting.sql and become_role.sql.
VARIANTS = ("setting", "role", "claims", "token")


def file_faults(text: str) -> Iterator[str]:
    """What holds for every SQL file."""
    lines = text.splitlines()
    if not lines or not re.match(r"-- \S", lines[0]):
        yield "does not begin with a comment that says why it exists"
    if not text.endswith("\n") or text.endswith("\n\n"):
        yield "does not end with exactly one newline"
    if len(lines) > LONGEST_FILE:
        yield f"has more than {LONGEST_FILE} lines"
    for number, line in enumerate(lines, 1):
        if "\t" in line or line != line.rstrip():
            yield f"line {number} has a tab or blanks at its end"
        # The sentence of a comment is one literal and cannot be broken.
        if len(line) > LONGEST_LINE and not line.startswith("comment on "):
            yield f"line {number} has more than {LONGEST_LINE} columns"
    yield from (f"keyword {word} is not in lower case" for word in _loud_keywords(text))


def _loud_keywords(text: str) -> Iterator[str]:
    for token in scan(text):
        # Both ends are offsets of characters, and the end is the last one's.
        word = text[token.start : token.end + 1]
        if token.kind != "NO_KEYWORD" and not word.startswith('"') and word != word.lower():
            yield word


def routine_faults(stem: str, text: str) -> Iterator[str]:
    """What holds for a file under `sql/routines`: one routine, hardened, commented and taken from PUBLIC."""
    statements = [raw.stmt for raw in parse_sql(text)]
    routines = [statement for statement in statements if isinstance(statement, ast.CreateFunctionStmt)]
    if len(routines) != 1:
        yield f"creates {len(routines)} routines instead of one"
        return
    routine = routines[0]
    header = _header(text)
    if len(header) > LONGEST_HEADER:
        yield f"has a header of more than {LONGEST_HEADER} lines"
    names = [part.sval for part in routine.funcname]
    if len(names) != 2:
        yield "does not name the routine's schema"
    if stem not in {names[-1], *(f"{names[-1]}_{variant}" for variant in VARIANTS)}:
        yield f"creates {names[-1]}, which is not the file's name"
    if not routine.replace:
        yield "does not say create or replace"
    yield from _option_faults(routine, header)
    yield from _body_faults(routine)
    if not any(_comments_on_routine(statement, names) for statement in statements):
        yield "has no comment on the routine that is a sentence"
    if not any(_takes_from_public(statement, names) for statement in statements):
        yield "does not revoke the routine from public"
    others = [type(statement).__name__ for statement in statements if not isinstance(statement, _ALLOWED_BESIDE)]
    if others:
        yield f"does more than define a routine: {', '.join(others)}"


_ALLOWED_BESIDE = (ast.CreateFunctionStmt, ast.CommentStmt, ast.GrantStmt, ast.AlterOwnerStmt)


def _header(text: str) -> list[str]:
    lines: list[str] = []
    for line in text.splitlines():
        if not line.startswith("--"):
            break
        lines.append(line)
    return lines


def _options(routine: ast.CreateFunctionStmt) -> dict[str, object]:
    return {option.defname: option.arg for option in routine.options}


def _option_faults(routine: ast.CreateFunctionStmt, header: list[str]) -> Iterator[str]:
    options = _options(routine)
    wanted = ["language", "security"] + ([] if routine.is_procedure else ["volatility", "parallel"])
    for name in wanted:
        if name not in options:
            yield f"leaves {name} to the default"
    setting = options.get("set")
    # Not empty: the temporary schema of whoever calls would then come first for types, and a domain's check run as the definer.
    has_safe_path = (
        isinstance(setting, ast.VariableSetStmt)
        and setting.name == "search_path"
        and [argument.val.sval for argument in setting.args or ()] == ["pg_catalog", "pg_temp"]
    )
    language = getattr(options.get("language"), "sval", "")
    if language == "sql" and setting is not None:
        yield "is an SQL function with a SET clause, which keeps it from being inlined"
    # A procedure that commits may have no SET clause: it is a bare loop over hardened functions.
    if language == "plpgsql" and not has_safe_path and not (routine.is_procedure and setting is None):
        yield "is PL/pgSQL without set search_path = pg_catalog, pg_temp"
    security = options.get("security")
    if (
        isinstance(security, ast.Boolean)
        and security.boolval
        and not re.search(r"definer", " ".join(header), re.IGNORECASE)
    ):
        yield "is security definer without a word in its header about why"


def _body_faults(routine: ast.CreateFunctionStmt) -> Iterator[str]:
    options = _options(routine)
    language = getattr(options.get("language"), "sval", "")
    if language == "sql" and routine.sql_body is None:
        yield "is an SQL function without an SQL-standard body"
    if language != "plpgsql":
        return
    body = "".join(part.sval for part in options["as"])  # type: ignore[union-attr]
    if "#variable_conflict error" not in body:
        yield "lacks #variable_conflict error"
    if re.search(r"\bexecute\b(?!\s+function)[^;]*\|\|", body, re.IGNORECASE):
        yield "glues a dynamic statement with || instead of format"
    if re.search(r"\bpg_(exception_)?context\b", body):
        yield "reads the call stack, which is written in the language of lc_messages"
    for handler in re.split(r"\bwhen\s+others\s+then\b", body, flags=re.IGNORECASE)[1:]:
        # Raising anew keeps values out of the server's log; then at least the SQLSTATE has to stay.
        anew = r"\braise\s*;|returned_sqlstate.*?raise exception using\s+errcode = v_sqlstate,"
        if not re.search(anew, handler, re.IGNORECASE | re.DOTALL):
            yield "catches all conditions without raising again"


def _comments_on_routine(statement: ast.Node, names: list[str]) -> bool:
    return (
        isinstance(statement, ast.CommentStmt)
        and statement.objtype in {ObjectType.OBJECT_FUNCTION, ObjectType.OBJECT_PROCEDURE}
        and [part.sval for part in statement.object.objname] == names
        and bool(statement.comment)
        and statement.comment.endswith(".")
    )


def _takes_from_public(statement: ast.Node, names: list[str]) -> bool:
    return (
        isinstance(statement, ast.GrantStmt)
        and not statement.is_grant
        and statement.objtype in {ObjectType.OBJECT_FUNCTION, ObjectType.OBJECT_PROCEDURE}
        and [[part.sval for part in thing.objname] for thing in statement.objects] == [names]
        and any(grantee.roletype == RoleSpecType.ROLESPEC_PUBLIC for grantee in statement.grantees)
    )


def migration_faults(stem: str, text: str) -> Iterator[str]:
    """What holds for a file under `sql/migrations`: numbered, and honest about locks and the way back."""
    number = re.match(r"(\d{4})_[a-z0-9_]+$", stem)
    if number is None:
        yield "is not named NNNN_what_it_does"
        return
    wanted = (f"-- pgerase: migration {number.group(1)}", "-- locks: ", "-- reversible: ")
    for line, beginning in zip([*text.splitlines(), "", "", ""], wanted, strict=False):
        if not line.startswith(beginning):
            yield f"has no line {beginning.strip()!r} where it belongs"
    for raw in parse_sql(text):
        if isinstance(raw.stmt, ast.TransactionStmt):
            yield "begins or ends a transaction, which is the installer's business"


def template_faults(text: str) -> Iterator[str]:
    """What holds for a file under `templates`: layout alone, and short enough to read at once."""
    if len(text.splitlines()) > 40:
        yield "has more than 40 lines"
    for word in re.findall(r"{%-?\s*(\w+)", text):
        if word not in {"if", "elif", "else", "endif", "for", "endfor"}:
            yield f"uses {word}: a template decides nothing"
    for word in re.findall(r"\|\s*(safe|raw|upper|lower|join|replace|format)\b", text):
        yield f"uses the filter {word}"
    if "$$" in text:
        yield "defines a body: a template calls routines"
    if re.search(r"^\s*(begin|commit|rollback)\b", text, re.MULTILINE | re.IGNORECASE):
        yield "begins or ends a transaction, which is apply's business"


def page_faults(text: str) -> Iterator[str]:
    """What holds for an HTML template: layout alone, escaped by Jinja, and nothing is fetched or run."""
    if len(text.splitlines()) > 80:
        yield "has more than 80 lines"
    for word in re.findall(r"{%-?\s*(\w+)", text):
        if word not in {"if", "elif", "else", "endif", "for", "endfor"}:
            yield f"uses {word}: a template decides nothing"
    for word in re.findall(r"\|\s*(\w+)", text):
        if word != "length":
            yield f"uses the filter {word}"
    if re.search(r"<script|\son\w+\s*=|javascript:", text, re.IGNORECASE):
        yield "runs a script"
    if re.search(r"//|@import|url\(|\ssrc\s*=|<link", text, re.IGNORECASE):
        yield "fetches something"
    if re.search(r"=\s*{{", text):
        yield "prints an attribute without quotes"
