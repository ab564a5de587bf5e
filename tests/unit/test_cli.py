"""The command line: what it answers, and what it refuses in one sentence."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from latent_core import Bundle
from latent_core.bundle import Folder
from latent_core.cli import main
from latent_core.commands.looking import _told_apart
from latent_core.errors import InputError
from latent_core.similarity import Scaling

SOURCES = 300
BIG = 2**62 + 4295806720


def table(rows=SOURCES):
    rng = np.random.default_rng(4)
    frame = pd.DataFrame({"source_id": BIG + np.arange(rows, dtype=np.int64) * 2**35})
    for i in range(12):
        frame[f"z_{i}"] = rng.normal(size=rows).astype(np.float32)
    frame["class"] = np.where(frame["z_0"] > 0, "RR", "ECL")
    frame["teff"] = 5000 + 500 * frame["z_1"]
    frame["u"], frame["v"] = frame["z_0"], frame["z_1"]
    return frame


def call(*arguments, code=0):
    """Run the command line in this process and check its exit code."""
    stopped = 0
    try:
        main([str(a) for a in arguments])
    except SystemExit as exit_:
        stopped = exit_.code or 0
    assert stopped == code


def write(frame: pd.DataFrame, path: Path) -> Path:
    if path.suffix == ".csv":
        frame.to_csv(path, index=False)
    else:
        frame.to_parquet(path)
    return path


@pytest.fixture(scope="module")
def bundle(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("cli")
    out = folder / "mine.bundle"
    file = write(table(), folder / "mine.parquet")
    call("import-table", file, "--latents", "z_*", "--label", "class", "--xy", "u,v", "--out", out)
    return out


def test_imported_bundle_keeps_ids_order_labels_and_map(bundle):
    opened = Bundle.open(bundle)
    space = opened.space()
    frame = table()
    np.testing.assert_array_equal(opened.catalog["source_id"], frame["source_id"])
    assert space.latent_names == tuple(f"z_{i}" for i in range(12))
    np.testing.assert_array_equal(space.projection().coordinates, frame[["u", "v"]])
    assert set(space.metrics["latents"]["agreement"]) >= {"class", "teff"}
    assert space.metrics["maps"]["imported"]["neighbors_kept"] < 1


def test_similar_json_equals_brute_force_with_exact_ids(bundle, capsys):
    frame = table()
    latents = frame[[f"z_{i}" for i in range(12)]].to_numpy()
    z = Scaling.fit(latents).apply(latents).astype(np.float32)
    call("similar", bundle, BIG, "-k", 10, "--json")
    said = json.loads(capsys.readouterr().out)
    distance = np.sqrt(((z.astype(np.float64) - z[0]) ** 2).sum(axis=1))
    order = np.argsort(distance)[1:11]
    assert [n["source_id"] for n in said["neighbors"]] == [
        str(i) for i in frame["source_id"].to_numpy()[order]
    ]
    np.testing.assert_allclose(
        [n["distance"] for n in said["neighbors"]], distance[order], atol=1e-6
    )
    assert said["exact"] is True


def test_info_and_verify(bundle, capsys):
    call("info", bundle)
    call("verify", bundle)
    out = capsys.readouterr().out
    assert "300 sources" in out
    assert "files of" in out


REFUSED_IDS = {
    "4295806720": "is not in mine",
    "42958O6720": "'O' is not a digit",
    "99999999999999999999": "above 2^63 - 1",
    "": "empty",
}


@pytest.mark.parametrize(("source_id", "sentence"), REFUSED_IDS.items())
def test_bad_ids_are_refused_in_one_sentence(bundle, capsys, source_id, sentence):
    call("similar", bundle, source_id, code=2)
    error = capsys.readouterr().err
    assert sentence in error
    assert error.count("\n") == 1
    assert "Traceback" not in error


def without_latents(frame):
    return frame[["source_id", "class"]]


def with_nan(frame):
    frame.loc[4, "z_3"] = np.nan
    return frame


def with_duplicate(frame):
    frame.loc[9, "source_id"] = frame.loc[2, "source_id"]
    return frame


def with_float_ids(frame):
    return frame.assign(source_id=frame["source_id"].astype(float))


def with_letters(frame):
    return frame.assign(source_id=["x12"] + [str(i) for i in frame["source_id"][1:]])


def with_id_too_large(frame):
    return frame.assign(source_id=[str(2**63)] + [str(i) for i in frame["source_id"][1:]])


DAMAGE = {
    "no latents": (without_latents, "z_*"),
    "NaN": (with_nan, "z_3"),
    "duplicate": (with_duplicate, "rows 3 and 10"),
    "float ids": (with_float_ids, "source_id"),
    "letters": (with_letters, "row 1"),
    "too large": (with_id_too_large, "2^63"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_bad_tables_leave_nothing_behind(tmp_path, capsys, kind):
    damage, sentence = DAMAGE[kind]
    file = write(damage(table(60)), tmp_path / "bad.parquet")
    call("import-table", file, "--latents", "z_*", "--out", tmp_path / "bad.bundle", code=2)
    error = capsys.readouterr().err
    assert sentence in error
    assert "bad.parquet" in error
    assert error.strip().count("\n") == 0
    assert [p.name for p in tmp_path.iterdir()] == ["bad.parquet"]


def test_a_changed_byte_is_refused_by_every_command(bundle, tmp_path, capsys):
    import shutil

    for name in Folder.open(bundle).manifest.files:
        copy = tmp_path / "copy.bundle"
        shutil.copytree(bundle, copy)
        file = copy / name
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 1
        file.write_bytes(content)
        call("verify", copy, code=2)
        call("serve", copy, code=2)
        error = capsys.readouterr().err
        assert name.split("/")[-1] in error
        assert "Traceback" not in error
        shutil.rmtree(copy)


def test_missing_folder_and_existing_out(bundle, tmp_path, capsys):
    call("info", tmp_path / "nowhere", code=2)
    assert "no such folder" in capsys.readouterr().err
    file = write(table(60), tmp_path / "again.csv")
    call("import-table", file, "--latents", "z_*", "--out", bundle, code=2)
    assert "--overwrite" in capsys.readouterr().err


def test_text_tables_and_a_map_of_our_own(tmp_path):
    file = write(table(60), tmp_path / "mine.csv")
    out = tmp_path / "mine.bundle"
    call("import-table", file, "--latents", "z_*", "--out", out)
    space = Bundle.open(out).space()
    assert space.projections == ("umap",)
    assert np.isfinite(space.projection().coordinates).all()


@pytest.mark.parametrize("origin", [[], ["--origin", "*"]])
def test_public_wants_the_addresses_that_may_connect(bundle, capsys, origin):
    call("serve", bundle, "--public", *origin, code=2)
    assert "--origin" in capsys.readouterr().err


def test_a_taken_port_is_said_at_once(bundle, capsys):
    import socket

    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        call("serve", bundle, "--port", port, code=2)
    assert f"port {port}" in capsys.readouterr().err


def test_bundles_of_one_survey_are_told_apart_by_their_folders():
    from types import SimpleNamespace

    one, other, third = (SimpleNamespace(name=n) for n in ("apogee", "apogee", "mine"))
    paths = [Path("a/apogee.bundle"), Path("a/masked.bundle"), Path("x.bundle")]
    named = _told_apart(paths, [one, other, third])
    assert list(named) == ["apogee", "masked", "mine"]
    with pytest.raises(InputError, match="same name"):
        _told_apart([paths[0], paths[0]], [one, other])
