"""Tables that stand in the code, as directives: what is written once is documented once.

`{options} TrainOptions`
    the options of a verb, with values, default and meaning
`{fields} Prediction`
    the fields of a result, which are the keys of its JSON
`{networks}`
    the table of architectures
`{filters}`
    the table of classical steps
`{rules}`
    the design rules of check, a definition each
`{symptoms}`
    what the doctor looks for, a definition each
`{causes}`
    the graph of causes, a row a cause
`{thresholds}`
    the numbers that symptoms are judged by
`{public} package.module:NAME`
    a mapping from names to dataclasses, a row an entry
"""

from __future__ import annotations

import dataclasses
import importlib
import re
import types
import typing
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.pycode import ModuleAnalyzer
from sphinx.util.docutils import SphinxDirective

KEY = re.compile(r"\b[a-z]+(?:1[89]|20)\d\d[a-z]*\b")
SWITCHED_OFF = frozenset({"budget", "csv", "patience", "resume", "verbose"})
"""Options that do nothing where they are not set; elsewhere None means that hubel chooses."""
DEFAULT = re.compile(r"\s*\[default: (.*?)\]")


def attribute_texts(kind: type) -> dict[str, str]:
    """Return the text below each field of a dataclass and of its bases."""
    texts: dict[str, str] = {}
    for base in reversed(kind.__mro__[:-1]):
        found = ModuleAnalyzer.for_module(base.__module__).find_attr_docs()
        texts |= {
            name: " ".join(" ".join(lines).split())
            for (owner, name), lines in found.items()
            if owner == base.__name__
        }
    return texts


def inline(text: str) -> list[nodes.Node]:
    """Return text with its `code` as nodes."""
    return [
        nodes.literal(text=part) if place % 2 else nodes.Text(part)
        for place, part in enumerate(text.split("`"))
        if part
    ]


def table_row(cells: Iterable[str]) -> nodes.Node:
    """Return a row of cells."""
    row = nodes.row()
    row += [nodes.entry("", nodes.paragraph("", "", *inline(cell))) for cell in cells]
    return row


def table(
    header: Sequence[str], rows: Iterable[Sequence[str]], widths: Sequence[int]
) -> nodes.Node:
    """Return a table of cells in which `code` stands in backticks."""
    group = nodes.tgroup(cols=len(header))
    group += [nodes.colspec(colwidth=width) for width in widths]
    head, body = nodes.thead(), nodes.tbody()
    head += table_row(header)
    body += [table_row(row) for row in rows]
    group += [head, body]
    return nodes.table("", group, classes=["longtable"])


def values(annotation: Any) -> str:
    """Return what an option may be, in words."""
    if isinstance(annotation, types.UnionType) or typing.get_origin(annotation) is typing.Union:
        parts = [part for part in typing.get_args(annotation) if part is not types.NoneType]
        return ", ".join(values(part) for part in parts)
    if typing.get_origin(annotation) is Literal:
        return ", ".join(f"`{choice}`" for choice in typing.get_args(annotation))
    if typing.get_origin(annotation) is tuple:
        kind = "numbers" if float in typing.get_args(annotation) else "names"
        return f"one or more {kind}"
    names = {bool: "on or off", int: "whole number", float: "number", str: "text", Path: "path"}
    return names[annotation]


def default(name: str, value: Any, text: str) -> str:
    """Return the default of an option: its value, or what its text says where hubel chooses."""
    said = DEFAULT.search(text)
    if said:
        return said[1]
    if value is None:
        return "none" if name in SWITCHED_OFF else "hubel chooses"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, tuple):
        return " ".join(f"`{item}`" for item in value) or "none"
    return f"`{value}`"


class Options(SphinxDirective):
    """The options of a verb."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return the table."""
        kind = getattr(importlib.import_module("hubel.options"), self.arguments[0])
        return [
            table(("Option", "Values", "Default", "Meaning"), self.rows(kind), (20, 22, 18, 60))
        ]

    def rows(self, kind: type) -> Iterator[tuple[str, ...]]:
        """Give a row an option, those of the verb before those that it shares."""
        texts, hints = attribute_texts(kind), typing.get_type_hints(kind)
        own = set(vars(kind).get("__annotations__", ()))
        fields = sorted(dataclasses.fields(kind), key=lambda field: field.name not in own)
        for field in fields:
            text = texts[field.name]
            flag = f"`--{field.name.replace('_', '-')}`"
            yield (
                flag,
                values(hints[field.name]),
                default(field.name, field.default, text),
                DEFAULT.sub("", text),
            )


class Fields(SphinxDirective):
    """The fields of a result dataclass, as keys of its JSON."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return the table."""
        kind = getattr(importlib.import_module("hubel.results"), self.arguments[0])
        texts = attribute_texts(kind)
        rows = [
            (f"`{field.name}`", f"`{self.type_text(field.type)}`", texts.get(field.name, ""))
            for field in dataclasses.fields(kind)
        ]
        return [table(("Key", "Type", "Meaning"), rows, (20, 30, 60))]

    @staticmethod
    def type_text(kind: Any) -> str:
        """Return a type as it stands in the source."""
        return kind if isinstance(kind, str) else getattr(kind, "__name__", str(kind))


class Networks(SphinxDirective):
    """The table of architectures."""

    header: ClassVar = (
        "Name", "Year", "Parameters", "MACs", "Least", "Design", "Top-1", "Top-5", "What it is",
    )  # fmt: skip

    def run(self) -> list[nodes.Node]:
        """Return the table as the code has it; errors are the published ones, in percent."""
        from hubel.architectures import ARCHITECTURES

        def rate(value: float | None) -> str:
            return "–" if value is None else f"{value:g}"

        rows = [
            (
                f"`{name}`",
                str(network.year),
                f"{network.params:,}",
                f"{network.macs / 1e6:,.1f} M",
                str(network.least_size),
                str(network.design_size),
                rate(network.errors and network.errors.top1),
                rate(network.errors and network.errors.top5),
                network.summary,
            )
            for name, network in ARCHITECTURES.items()
        ]
        return [table(self.header, rows, (18, 7, 13, 12, 7, 8, 8, 8, 50))]


class Public(SphinxDirective):
    """A mapping from names to sentences or dataclasses, a row an entry."""

    required_arguments = 1
    has_content = True

    def run(self) -> list[nodes.Node]:
        """Return the table; the content names fields to show, one a line, with a heading."""
        module, _, name = self.arguments[0].partition(":")
        mapping = getattr(importlib.import_module(module), name)
        columns = [line.partition(":") for line in self.content if line.strip()]
        rows = [
            (f"`{key}`", *(self.cell(getattr(entry, column)) for column, _, _ in columns))
            if columns
            else (f"`{key}`", str(entry))
            for key, entry in mapping.items()
        ]
        named = [words.strip() or column.capitalize() for column, _, words in columns]
        header = ("Name", *(named or ["Meaning"]))
        return [table(header, rows, (24, *[60 // len(header[1:])] * len(header[1:])))]

    @staticmethod
    def cell(value: Any) -> str:
        """Return a value as it stands in a table."""
        return "–" if value is None else str(value)


class Filters(SphinxDirective):
    """The classical steps and their numbers."""

    def run(self) -> list[nodes.Node]:
        """Return the table."""
        from hubel.data.classical import FILTERS

        rows = [
            (
                f"`{name}`",
                ", ".join(parameter.name for parameter in step.parameters) or "none",
                ", ".join(f"{parameter.default:g}" for parameter in step.parameters),
                "; ".join(parameter.allowed for parameter in step.parameters),
            )
            for name, step in FILTERS.items()
        ]
        return [table(("Filter", "Numbers", "Defaults", "Allowed"), rows, (14, 34, 16, 46))]


class Rules(SphinxDirective):
    """The design rules, each with its severity, meaning, threshold, remedy and source."""

    def run(self) -> list[nodes.Node]:
        """Return a definition a rule."""
        from hubel.analysis.lint import RULES

        found = nodes.definition_list()
        for rule in RULES.values():
            limit = f" Threshold: {rule.threshold}." if rule.threshold else ""
            text = f"{rule.severity.capitalize()}. {rule.meaning}{limit} {rule.remedy}"
            paragraph = nodes.paragraph("", "", *inline(text))
            if rule.source != "hubel":
                cited, _ = self.parse_inline(f" {{cite:p}}`{rule.source}`")
                paragraph += cited
            item = nodes.definition_list_item()
            item += nodes.term("", "", nodes.literal(text=rule.id))
            item += nodes.definition("", paragraph)
            found += item
        return [found]


class Symptoms(SphinxDirective):
    """What the doctor looks for, each with its evidence, threshold, remedy and source."""

    tiers: ClassVar = ("certain fact", "telemetry", "active test", "retrain")

    def run(self) -> list[nodes.Node]:
        """Return a definition a symptom."""
        from hubel.diagnosis.table import SYMPTOMS

        found = nodes.definition_list()
        for one in SYMPTOMS.values():
            text = (
                f"{one.severity.capitalize()}, {self.tiers[one.tier]}. {one.meaning} "
                f"Measured: {one.statistic}. Compared with: {one.threshold}. {one.remedy}"
            )
            paragraph = nodes.paragraph("", "", *inline(text.replace("..", ".")))
            paragraph += self.cited(one.source)
            item = nodes.definition_list_item()
            item += nodes.term("", "", nodes.literal(text=one.id))
            item += nodes.definition("", paragraph)
            found += item
        return [found]

    def cited(self, source: str) -> list[nodes.Node]:
        """Return a citation; nothing for what hubel itself proposes."""
        if not KEY.fullmatch(source):
            return []
        return self.parse_inline(f" {{cite:p}}`{source}`")[0]


class Causes(Symptoms):
    """The graph of causes."""

    def run(self) -> list[nodes.Node]:
        """Return a definition a cause: why it brings about what."""
        from hubel.diagnosis.brings_about import EDGES

        found = nodes.definition_list()
        for edge in EDGES:
            effects = ", ".join(f"`{effect}`" for effect in edge.effects)
            text = f"{edge.why[0].upper()}{edge.why[1:]}. It explains {effects}."
            paragraph = nodes.paragraph("", "", *inline(text))
            paragraph += self.cited(edge.source)
            item = nodes.definition_list_item()
            item += nodes.term("", "", nodes.literal(text=edge.cause))
            item += nodes.definition("", paragraph)
            found += item
        return [found]


class Thresholds(SphinxDirective):
    """The table of thresholds."""

    def run(self) -> list[nodes.Node]:
        """Return the table."""
        from hubel.diagnosis.thresholds import THRESHOLDS

        rows = [
            (f"`{one.name}`", f"{one.value:g}", one.meaning, one.source)
            for one in THRESHOLDS.values()
        ]
        return [table(("Name", "Value", "Meaning", "Source"), rows, (34, 10, 56, 20))]


def cite(
    _app: Sphinx, _what: str, _name: str, _object: Any, _options: Any, lines: list[str]
) -> None:
    """Turn the keys of the bibliography in a docstring into citations."""
    for place, line in enumerate(lines):
        lines[place] = KEY.sub(r":cite:t:`\g<0>`", line)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directives."""
    app.add_directive("options", Options)
    app.add_directive("fields", Fields)
    app.add_directive("filters", Filters)
    app.add_directive("networks", Networks)
    app.add_directive("public", Public)
    app.add_directive("rules", Rules)
    app.add_directive("symptoms", Symptoms)
    app.add_directive("causes", Causes)
    app.add_directive("thresholds", Thresholds)
    app.connect("autodoc-process-docstring", cite)
    return {"parallel_read_safe": True}
