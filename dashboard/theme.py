"""Colours, shapes and sizes, once: what a class, a set or a palette looks like in every view.

A class colour depends on its name alone, never on order or on what is shown (screen.md, 2.6).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NO_LABEL = "no label"
ACCENT = "#2456C8"
INK, MUTED, LINE, PANEL, PAGE = "#1B2430", "#5B6675", "#DDE2E8", "#FFFFFF", "#F4F6F8"
UNSELECTED = "#8A8F98"
MINE = "#C2006B"  # sources that the visitor brought; no class has it
MAP_BACKGROUND = "#FFFFFF"


@dataclass(frozen=True)
class ClassStyle:
    """How one class is drawn: a colour `#RRGGBB` and the shape of its points."""

    colour: str
    shape: str


CLASS_STYLES: Mapping[str, ClassStyle] = {
    "RR": ClassStyle("#2140F6", "circle"),
    "CEP": ClassStyle("#1989FE", "circle"),
    "DSCT|GDOR|SXPHE": ClassStyle("#1DB2CE", "circle"),
    "BCEP": ClassStyle("#ACADEC", "circle"),
    "SPB": ClassStyle("#4F4A7A", "circle"),
    "ACYG": ClassStyle("#DD48E8", "circle"),
    "S": ClassStyle("#658908", "inverted_triangle"),
    "MICROLENSING": ClassStyle("#CC94B0", "inverted_triangle"),
    "SOLAR_LIKE": ClassStyle("#BFA047", "triangle"),
    "RS": ClassStyle("#7E4D00", "triangle"),
    "ACV|CP|MCP|ROAM|ROAP|SXARI": ClassStyle("#796B02", "triangle"),
    "LPV": ClassStyle("#CB1D54", "diamond"),
    "RCB": ClassStyle("#A46C78", "diamond"),
    "SYST": ClassStyle("#CC6E56", "diamond"),
    "ECL": ClassStyle("#05765A", "square"),
    "ELL": ClassStyle("#325B2E", "square"),
    "EP": ClassStyle("#5D9967", "square"),
    "YSO": ClassStyle("#E98589", "plus"),
    "BE|GCAS|SDOR|WR": ClassStyle("#6E3E5D", "plus"),
    "CV": ClassStyle("#F05390", "plus"),
    "SN": ClassStyle("#E7A27C", "plus"),
    "WD": ClassStyle("#0463C0", "star"),
    "SDB": ClassStyle("#7578BE", "star"),
    "AGN": ClassStyle("#A0009A", "x"),
    "GALAXY": ClassStyle("#9E69A0", "x"),
    NO_LABEL: ClassStyle(UNSELECTED, "dot"),
}

FREQUENT_CLASSES = (
    *("RR", "CEP", "DSCT|GDOR|SXPHE", "LPV", "ECL", "SOLAR_LIKE"),
    *("RS", "AGN", "YSO", "S", "GALAXY"),
)

# Macro classes of the released table under their key (huijse-2025.md, 1.3).
_MACRO_CLASSES: Mapping[str, str] = {
    "LPV|LSP|M|OSARG|SARG|SR|SRA|SRB|SRC|SRD": "LPV",
    "EA|EB|ECL|EW": "ECL",
    "BY|FLARES|ROT|SOLAR_LIKE": "SOLAR_LIKE",
    "DSCT|DSCT+GDOR|GDOR|SXPHE": "DSCT|GDOR|SXPHE",
    "ACEP|BLHER|CEP|CW|DCEP|RV|T2CEP": "CEP",
    "ARRD|RRAB|RRC|RRD": "RR",
    "CTTS|GTTS|HAEBE|DIP|FUOR|PULS_PMS|TTS|UXOR|WTTS|YSO": "YSO",
    "EHM_ZZA|ELM_ZZA|GWVIR|HOT_ZZA|V777HER|ZZ|ZZA": "WD",
    "SYST|ZAND": "SYST",
    "V1093HER|V361HYA": "SDB",
    "QSO": "AGN",
}

# Subtypes keep the hue of their class and vary in lightness, darkest first.
_SUBTYPES: Mapping[str, tuple[str, ...]] = {
    "LPV": (
        *("M", "M|SR", "SRA", "SRB", "SRC", "SRD", "SR"),
        *("SRS", "SARG", "OSARG", "LSP"),
    ),
    "ECL": ("EA", "EB", "EW"),
    "SOLAR_LIKE": ("BY", "BY|ROT", "ROT", "FLARES", "SOLARLIKE"),
    "DSCT|GDOR|SXPHE": ("DSCT", "DSCT|SXPHE", "DSCT+GDOR", "SXPHE", "GDOR"),
    "CEP": ("DCEP", "ACEP", "T2CEP", "CW", "BLHER", "RV", "RVTAU", "RVTau"),
    "RR": ("RRAB", "RRC", "RRD", "ARRD"),
    "YSO": (
        *("TTS", "CTTS", "WTTS", "GTTS", "IMTTS", "HAEBE", "UXOR"),
        *("FUOR", "DIP", "PULS_PMS"),
    ),
    "AGN": ("BLAZAR", "BLLAC"),
    "ACV|CP|MCP|ROAM|ROAP|SXARI": ("ACV", "CP", "MCP", "ROAM", "ROAP", "SXARI"),
    "BE|GCAS|SDOR|WR": ("BE", "GCAS", "SDOR", "WR", "BLUEVARS"),
    "WD": ("ZZA", "ZZ", "GWVIR", "V777HER", "EHM_ZZA", "ELM_ZZA", "HOT_ZZA"),
    "SYST": ("ZAND",),
    "SDB": ("V361HYA", "V1093HER", "sdB"),
}

SPARE_COLOURS = (
    *("#3E7C8F", "#B5651D", "#7A9A01", "#8C5FB2", "#C0507A", "#4C9F70"),
    *("#A88F5A", "#5672A8", "#D0743C", "#6B7F3A", "#947099", "#2F8F8B"),
)
SPARE_SHAPES = ("circle", "square", "diamond", "triangle", "plus", "x")

PALETTES = ("viridis", "cividis", "inferno", "magma", "grey")


def class_key(name: str) -> str | None:
    """Return the key under which a class or subtype is coloured, None where it has none."""
    if name in CLASS_STYLES:
        return name
    if name in _MACRO_CLASSES:
        return _MACRO_CLASSES[name]
    return next((key for key, subtypes in _SUBTYPES.items() if name in subtypes), None)


def class_title(name: str) -> str:
    """Shorten a macro class such as `EA|EB|ECL|EW` to its key; other names stay."""
    if name in _MACRO_CLASSES and name != "QSO":
        name = _MACRO_CLASSES[name]
    return {"DSCT|GDOR|SXPHE": "DSCT|GDOR", "ACV|CP|MCP|ROAM|ROAP|SXARI": "ACV|CP|MCP"}.get(
        name, name
    )


def class_style(name: str) -> ClassStyle:
    """Return the colour and shape of a class name; it depends on the name alone."""
    key = class_key(name)
    if key is None:
        place = int.from_bytes(hashlib.blake2b(name.encode(), digest_size=4).digest(), "big")
        return ClassStyle(
            SPARE_COLOURS[place % len(SPARE_COLOURS)],
            SPARE_SHAPES[place // len(SPARE_COLOURS) % len(SPARE_SHAPES)],
        )
    style, subtypes = CLASS_STYLES[key], _SUBTYPES.get(key, ())
    if name not in subtypes:
        return style
    step = (subtypes.index(name) + 0.5) / len(subtypes)
    return ClassStyle(lighten(style.colour, 0.6 * step - 0.25), style.shape)


def rgb(colour: str) -> tuple[int, int, int]:
    """Split `#RRGGBB` into three bytes."""
    return (int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16))


def lighten(colour: str, amount: float) -> str:
    """Mix a colour with white (amount > 0) or black (amount < 0)."""
    target = 255 if amount > 0 else 0
    mixed = (round(c + (target - c) * abs(amount)) for c in rgb(colour))
    return "#" + "".join(f"{c:02X}" for c in mixed)


def palette(name: str, *, reverse: bool = False) -> NDArray[np.uint8]:
    """Return 256 colours of a named colour map, (256, 3), dark to light unless reversed."""
    from bokeh import palettes

    if name not in PALETTES:
        raise KeyError(f"palette {name!r} is not one of {', '.join(PALETTES)}")
    known = palettes.Greys256 if name == "grey" else getattr(palettes, f"{name.title()}256")
    table = np.asarray([rgb(c) for c in known], np.uint8)
    if name == "grey":
        table = table[:224]  # its last steps cannot be told from white paper
        table = table[np.linspace(0, len(table) - 1, 256).astype(int)]
    return table[::-1].copy() if reverse else table
