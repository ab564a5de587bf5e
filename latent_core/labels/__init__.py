"""Label tables joined to surveys and bundles by source_id: APOGEE, GALAH, Gaia's classes, yours.

`join_labels` does it. `catalogs/` holds one TOML file a published catalog: columns, units, flags
and cuts; `recipes` reads them. `identifiers` finds Gaia DR3 ids, `cuts` are conditions on rows,
`reading` turns a table into values, `joining` writes the stage `labels/NAME`. A new catalog is a
new TOML file.
"""

from latent_core.labels.joining import LabelReport, join_labels
from latent_core.labels.reading import Choice

__all__ = ["Choice", "LabelReport", "join_labels"]
