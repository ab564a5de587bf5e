"""The classes of the simulated survey: one line a kind of source, with its share and its star.

`weight` is roughly the square root of the DR3 class counts (Rimoldini et al. 2023, table 2), with
RR Lyrae, Cepheids and the rarest classes raised so that each has dozens of sources in 50,000.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

DISC, OLD, HALO_MIX, GALAXIES = (0.9, 0.1, 0.0), (0.65, 0.33, 0.02), (0.05, 0.35, 0.6), ()


@dataclass(frozen=True)
class Kind:
    """One kind of source; a DR3 class has one or more kinds.

    `population` names its measured quantiles, `assumed` replaces them where no table has any or
    aliases rule it (5, 50, 95 % of log period [d], log amplitude [mag], G). `teff` (5, 95 %) in
    K, `logg` (mean, sd), `mass` in solar masses, `a0` the median extinction in mag, `parts` the
    shares of thin disc, thick disc, halo (empty: extragalactic). `cycles` is how often the light
    curve's best frequency fits into one `period_d` (2 for binaries, 0 where there is no period).
    """

    name: str
    class_name: str
    weight: float
    shape: str
    teff: tuple[float, float]
    logg: tuple[float, float] = (4.2, 0.15)
    mass: float = 1.0
    a0: float = 0.4
    parts: tuple[float, ...] = DISC
    population: str = ""
    spectrum: str = "star"
    cycles: int = 1
    assumed: Mapping[str, tuple[float, float, float]] = field(default_factory=dict)

    def table(self, figures: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the quantile tables of this kind, measured ones with what is assumed on top."""
        measured = figures["populations"].get(self.population or self.name, {})
        own = {key: {"p": [0.05, 0.5, 0.95], "q": q} for key, q in self.assumed.items()}
        return {**measured, **own}


def _assume(
    period: tuple[float, float, float],
    amplitude: tuple[float, float, float],
    g: tuple[float, float, float],
) -> dict[str, tuple[float, float, float]]:
    return {"log_period": period, "log_amplitude": amplitude, "g": g}


_CP = "ACV|CP|MCP|ROAM|ROAP|SXARI"
_BLUE = "BE|GCAS|SDOR|WR"
_DELTA = "DSCT|GDOR|SXPHE"
KINDS: tuple[Kind, ...] = (
    Kind("RRAB", "RR", 700, "fourier", (5900, 6900), (2.7, 0.2), 0.65, 0.3, HALO_MIX),
    Kind("RRC", "RR", 300, "fourier", (6700, 7500), (2.9, 0.2), 0.65, 0.3, HALO_MIX),
    Kind("DCEP", "CEP", 450, "fourier", (5200, 6600), (1.7, 0.4), 5.0, 0.8),
    Kind("T2CEP", "CEP", 50, "cepheid2", (5300, 6500), (1.4, 0.3), 0.6, 0.5, HALO_MIX),
    Kind("DSCT", _DELTA, 620, "modes", (6800, 8300), (3.9, 0.2), 1.8, 0.4),
    Kind("GDOR", _DELTA, 180, "modes", (6600, 7400), (4.1, 0.15), 1.5, 0.3),
    Kind("MIRA", "LPV", 300, "mira", (2600, 3250), (-0.2, 0.3), 1.3, 0.8, OLD, spectrum="cool"),
    Kind("SR", "LPV", 850, "semiregular", (3100, 3750), (0.5, 0.4), 1.3, 0.8, OLD,
         spectrum="cool"),
    Kind("CARBON", "LPV", 100, "semiregular", (2700, 3300), (0.1, 0.3), 1.8, 0.8, DISC, "SR",
         "carbon"),
    Kind("ECL", "ECL", 1250, "eclipse", (4700, 9500), (4.1, 0.25), 1.2, 0.4, OLD, cycles=2),
    Kind("ROTATION", "SOLAR_LIKE", 1000, "spots", (4000, 6200), (4.5, 0.1), 0.9, 0.2, OLD,
         "SOLAR_LIKE"),
    Kind("RS", "RS", 700, "spots", (4500, 5400), (3.3, 0.5), 1.2, 0.4, OLD),
    Kind("QUASAR", "AGN", 800, "drw_slow", (9000, 30000), (0, 0), 1, 0.15, GALAXIES, "AGN",
         "agn", 0),
    Kind("SHORT", "S", 350, "modes", (5500, 9000), (4.1, 0.3), 1.3, 0.4, OLD,
         assumed=_assume((-1.5, -0.8, 0.0), (-1.6, -1.1, -0.6), (14.0, 17.3, 19.2))),
    Kind("ELL", "ELL", 250, "ellipsoid", (4400, 7500), (4.0, 0.5), 1.1, 0.5, OLD, cycles=2),
    Kind("YSO", "YSO", 350, "young", (3300, 5600), (4.0, 0.25), 0.7, 1.4, DISC, spectrum="yso"),
    Kind("CP", _CP, 130, "stable", (8000, 14500), (4.0, 0.15), 2.6, 0.3),
    Kind("BE", _BLUE, 120, "be", (12000, 26000), (3.9, 0.2), 8.0, 1.0, DISC, spectrum="be"),
    Kind("CV", "CV", 110, "outbursts", (9000, 22000), (4.6, 0.2), 0.8, 0.3, OLD, spectrum="cv",
         assumed={"log_period": (-1.2, -0.9, -0.5)}),
    Kind("BCEP", "BCEP", 60, "modes", (19000, 27000), (3.9, 0.15), 11.0, 0.8),
    Kind("SPB", "SPB", 60, "modes", (11500, 18000), (4.1, 0.15), 5.0, 0.4),
    Kind("WD", "WD", 60, "modes", (9500, 25000), (8.0, 0.15), 0.62, 0.05, OLD, spectrum="wd"),
    Kind("SYST", "SYST", 60, "symbiotic", (3150, 3700), (0.4, 0.3), 1.3, 1.2, OLD,
         spectrum="syst"),
    Kind("SDB", "SDB", 50, "modes", (24000, 34000), (5.6, 0.15), 0.47, 0.15, OLD),
    Kind("ACYG", "ACYG", 45, "modes", (9000, 18000), (1.8, 0.3), 20.0, 1.8),
    Kind("RCB", "RCB", 40, "dips", (5000, 7200), (0.7, 0.3), 0.8, 1.2, OLD, spectrum="rcb",
         cycles=0),
    Kind("EP", "EP", 40, "transits", (4800, 6500), (4.4, 0.1), 1.0, 0.1,
         assumed=_assume((0.1, 0.5, 1.1), (-2.7, -2.4, -2.2), (9.6, 11.7, 12.6))),
    Kind("LENS", "MICROLENSING", 45, "lens", (4300, 5600), (2.6, 0.6), 1.1, 2.2, OLD, cycles=0,
         assumed=_assume((0.0, 1.0, 2.7), (-0.9, -0.5, 0.0), (14.5, 16.5, 18.5))),
    Kind("SN", "SN", 60, "supernova", (7000, 12000), (0, 0), 1, 0.15, GALAXIES, spectrum="sn",
         cycles=0, assumed=_assume((0.0, 1.8, 2.9), (-0.6, 0.0, 0.3), (17.5, 18.9, 19.8))),
    Kind("GALAXY", "GALAXY", 150, "drw_fast", (4300, 5200), (0, 0), 1, 0.15, GALAXIES,
         spectrum="galaxy", cycles=0,
         assumed=_assume((-1.0, 0.5, 2.5), (-1.3, -0.9, -0.5), (16.5, 18.5, 19.8))),
)  # fmt: skip
