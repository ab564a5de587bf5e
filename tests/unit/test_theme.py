"""Class colours can be told apart, and depend on the name alone."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard import theme

# Machado, Oliveira & Fernandes 2009, severity 1, on linear RGB.
DEFICIENCIES = {
    "protan": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deutan": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritan": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


def linear(colour):
    c = np.asarray(theme.rgb(colour)) / 255
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def lab(rgb_linear):
    to_xyz = [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
    t = np.asarray(to_xyz) @ np.clip(rgb_linear, 0, 1) / [0.95047, 1, 1.08883]
    f = np.where(t > (6 / 29) ** 3, np.cbrt(t), t * (29 / 6) ** 2 / 3 + 4 / 29)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def hue(a, b):
    return np.degrees(np.arctan2(b, a)) % 360


def ciede2000(first, second):
    """Return the colour difference (Sharma, Wu & Dalal 2005, equations 2-22)."""
    (l1, a1, b1), (l2, a2, b2) = first, second
    chroma = (np.hypot(a1, b1) + np.hypot(a2, b2)) / 2
    g = 0.5 * (1 - np.sqrt(chroma**7 / (chroma**7 + 25**7)))
    a1, a2 = a1 * (1 + g), a2 * (1 + g)
    c1, c2 = np.hypot(a1, b1), np.hypot(a2, b2)
    h1, h2 = hue(a1, b1), hue(a2, b2)
    turn = (h2 - h1 + 180) % 360 - 180
    dl, dc = l2 - l1, c2 - c1
    dh = 2 * np.sqrt(c1 * c2) * np.sin(np.radians(turn / 2))
    lm, cm, hm = (l1 + l2) / 2, (c1 + c2) / 2, (h1 + turn / 2) % 360
    t = (
        1
        - 0.17 * np.cos(np.radians(hm - 30))
        + 0.24 * np.cos(np.radians(2 * hm))
        + 0.32 * np.cos(np.radians(3 * hm + 6))
        - 0.20 * np.cos(np.radians(4 * hm - 63))
    )
    sl = 1 + 0.015 * (lm - 50) ** 2 / np.sqrt(20 + (lm - 50) ** 2)
    sc, sh = 1 + 0.045 * cm, 1 + 0.015 * cm * t
    rotation = -np.sin(np.radians(60 * np.exp(-(((hm - 275) / 25) ** 2)))) * 2
    rotation *= np.sqrt(cm**7 / (cm**7 + 25**7))
    parts = dl / sl, dc / sc, dh / sh
    return np.sqrt(sum(p**2 for p in parts) + rotation * parts[1] * parts[2])


def smallest_difference(names, vision=None):
    matrix = np.asarray(DEFICIENCIES[vision]) if vision else np.eye(3)
    seen = [lab(matrix @ linear(theme.CLASS_STYLES[name].colour)) for name in names]
    return min(ciede2000(a, b) for a, b in combinations(seen, 2))


CLASSES = [name for name in theme.CLASS_STYLES if name != theme.NO_LABEL]


def test_ciede2000_equals_published_pairs():
    assert ciede2000((50, 2.6772, -79.7751), (50, 0, -82.7485)) == pytest.approx(2.0425, abs=1e-4)
    assert ciede2000((50, 2.5, 0), (73, 25, -18)) == pytest.approx(27.1492, abs=1e-4)


def test_classes_differ_in_normal_vision():
    assert len(CLASSES) == 25
    assert smallest_difference(theme.FREQUENT_CLASSES) >= 17
    assert smallest_difference(CLASSES) >= 12.5


@pytest.mark.parametrize("vision", DEFICIENCIES)
def test_classes_differ_in_colour_blind_vision(vision):
    assert smallest_difference(theme.FREQUENT_CLASSES, vision) >= 9.5
    assert smallest_difference(CLASSES, vision) >= 5.5


@pytest.mark.parametrize("paper", ["#FFFFFF", "#14181D"])
def test_classes_stand_out_from_the_paper(paper):
    def contrast(name):
        weights = (0.2126, 0.7152, 0.0722)
        pair = [weights @ linear(c) for c in (theme.CLASS_STYLES[name].colour, paper)]
        return (max(pair) + 0.05) / (min(pair) + 0.05)

    assert min(map(contrast, theme.FREQUENT_CLASSES)) >= 2.5
    assert min(map(contrast, CLASSES)) >= 2.1


LABELS = """
M M|SR SARG LPV SR LSP SRB SRS SRA OSARG SRD SRC EB EW EA ECL BY ROT SOLAR_LIKE FLARES BY|ROT
DSCT DSCT|SXPHE GDOR DSCT+GDOR SXPHE CEP DCEP CW BLHER ACEP RV T2CEP RRAB RRC RRD RR ARRD
YSO TTS WTTS CTTS UXOR HAEBE FUOR DIP QSO BLAZAR BLLAC MCP ACV CP SXARI ROAP ROAM BE GCAS WR SDOR
ZZA GWVIR V777HER ZZ SYST ZAND V361HYA V1093HER RS CV ELL BCEP SPB EP ACYG RCB MICROLENSING
"""
MACRO_CLASSES = """
LPV|LSP|M|OSARG|SARG|SR|SRA|SRB|SRC|SRD EA|EB|ECL|EW BY|FLARES|ROT|SOLAR_LIKE
DSCT|DSCT+GDOR|GDOR|SXPHE ACEP|BLHER|CEP|CW|DCEP|RV|T2CEP ARRD|RRAB|RRC|RRD
CTTS|GTTS|HAEBE|DIP|FUOR|PULS_PMS|TTS|UXOR|WTTS|YSO QSO ACV|CP|MCP|ROAM|ROAP|SXARI
BE|GCAS|SDOR|WR EHM_ZZA|ELM_ZZA|GWVIR|HOT_ZZA|V777HER|ZZ|ZZA SYST|ZAND V1093HER|V361HYA
RS CV ELL BCEP SPB EP ACYG RCB MICROLENSING
"""
RELEASED, MACRO = LABELS.split(), MACRO_CLASSES.split()


@pytest.mark.parametrize("name", RELEASED + MACRO)
def test_every_released_label_has_a_key(name):
    assert theme.class_key(name) in theme.CLASS_STYLES


def test_macro_classes_have_different_colours():
    assert len(MACRO) == 22
    assert len({theme.class_style(name).colour for name in MACRO}) == 22


@given(st.text(max_size=40))
def test_any_name_has_a_fixed_colour(name):
    style = theme.class_style(name)
    assert style == theme.class_style(name)
    assert len(theme.rgb(style.colour)) == 3


def test_names_without_a_key_keep_their_colour_over_processes():
    assert theme.class_style("PCEB").colour in theme.SPARE_COLOURS
    assert theme.class_style("UV").colour == "#D0743C"


@pytest.mark.parametrize("name", theme.PALETTES)
def test_palettes_have_256_steps_and_reverse(name):
    table = theme.palette(name)
    assert table.shape == (256, 3)
    assert np.array_equal(theme.palette(name, reverse=True), table[::-1])
