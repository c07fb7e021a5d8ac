"""The template environment, and what both pages share: style, script, their digest."""

from __future__ import annotations

import base64
import functools
import hashlib
import re
from importlib import resources
from typing import Any

import jinja2
from markupsafe import Markup, escape

from hubel.report import palette
from hubel.report.view import is_tiny


@functools.cache
def environment() -> jinja2.Environment:
    """Return the environment: everything is escaped, an unknown name is an error."""
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("hubel.report", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=False,
    )
    made.tests["tiny"] = is_tiny
    made.filters["code"] = code
    return made


def code(text: str) -> Markup:
    """Return a text, escaped, in which what stands between backticks is set as code.

    >>> code("a rule of `check`, < 3")
    Markup('a rule of <code>check</code>, &lt; 3')
    """
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))  # noqa: S704


@functools.cache
def asset(name: str) -> str:
    """Return a style sheet or script of the package."""
    return (resources.files("hubel.report") / "templates" / name).read_text(encoding="utf-8")


def style() -> str:
    """Return the style sheet with the colours of both themes and the shades of the heat map."""
    shades = "".join(
        f".matrix .s{level}{{fill-opacity:{opacity}}}"
        for level, opacity in enumerate(palette.SHADES)
    )
    return f"{palette.style_variables()}{asset('report.css')}{shades}"


def render(template: str, *, scripts: tuple[str, ...] = ("report.js",), **context: Any) -> str:
    """Return one self-contained page with the scripts of the package that it needs.

    Its policy forbids every request, and every script but the one that is named by its SHA-256.
    """
    script = "".join(asset(name) for name in scripts)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    # Style, script and mark are the package's own files.
    return (
        environment()
        .get_template(template)
        .render(
            style=Markup(style()),  # noqa: S704
            script=Markup(script),  # noqa: S704
            script_digest=digest,
            mark=base64.b64encode(asset("mark.svg").encode()).decode(),
            **context,
        )
    )
