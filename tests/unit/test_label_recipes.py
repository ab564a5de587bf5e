"""The shipped recipes of label catalogs."""

from __future__ import annotations

import pytest

from latent_core.labels.recipes import load_recipe, recipe_names


@pytest.mark.parametrize("name", recipe_names())
def test_recipes_are_whole(name):
    recipe = load_recipe(name)
    assert recipe.name == name
    assert recipe.title
    assert recipe.citation
    assert recipe.id
    made = {c.name for c in recipe.columns}
    assert len(made) == len(recipe.columns)
    for mean in recipe.means:
        assert set(mean.of) <= made
    for cut in recipe.cuts:
        assert set(cut.values_of) <= made
        assert cut.name or cut.test != "lacks"
