"""One TOML file a label catalog: columns, units, flags, cuts; `labels.recipes` reads them."""
