"""Contrast of both themes, by the formula of WCAG 2."""

from __future__ import annotations

import pytest

from hubel.report.palette import DARK, DARK_SHADES_FROM, LIGHT, SHADES, style_variables

THEMES = {"light": LIGHT, "dark": DARK}


def channels(colour):
    return [int(colour[i : i + 2], 16) for i in (1, 3, 5)]


def luminance(rgb):
    linear = [
        v / 12.92 if v <= 0.03928 else ((v + 0.055) / 1.055) ** 2.4 for v in (c / 255 for c in rgb)
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("ground", ["paper", "sunken"])
@pytest.mark.parametrize("text", ["ink", "ink-2", "ink-3", "right", "wrong", "caution", "train"])
def test_every_text_reads_on_every_ground(theme, ground, text):
    colours = THEMES[theme]
    assert contrast(channels(colours[text]), channels(colours[ground])) >= 4.5


@pytest.mark.parametrize("theme", THEMES)
def test_paper_reads_on_ink_and_on_the_badge_of_errors(theme):
    colours = THEMES[theme]
    for ground in ("ink", "wrong"):
        assert contrast(channels(colours["paper"]), channels(colours[ground])) >= 4.5


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("hue", ["right", "wrong"])
@pytest.mark.parametrize("level", range(len(SHADES)))
def test_counts_read_on_every_shade_of_the_heat_map(theme, hue, level):
    colours = THEMES[theme]
    share = SHADES[level]
    blend = [
        share * top + (1 - share) * bottom
        for top, bottom in zip(channels(colours[hue]), channels(colours["sunken"]), strict=True)
    ]
    text = colours["paper"] if level >= DARK_SHADES_FROM else colours["ink"]
    assert contrast(channels(text), blend) >= 4.5


def test_both_themes_have_the_same_names_and_print_is_light():
    assert LIGHT.keys() == DARK.keys()
    style = style_variables()
    assert style.index(LIGHT["paper"]) < style.index(DARK["paper"])
    assert style.count(f"--paper:{DARK['paper']}") == 2
    before_dark = [line for line in style.splitlines() if DARK["paper"] in line]
    assert all(line.startswith("@media screen") for line in before_dark)
