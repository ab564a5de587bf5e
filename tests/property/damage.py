"""Small archive products, the formats they are written in, and damage to both."""

import gzip
import io
import json
import zipfile

import fastavro
import numpy as np
import pandas as pd
import pyarrow as pa
from astropy.table import Table

CELL_VARIANTS, BYTE_VARIANTS = 448, 552  # a format
FRAMES = 2  # of each product
BOM = b"\xef\xbb\xbf"
FIRST_ID = 4_295_806_720_123_456_789
N = 4


def continuous(rng):
    frame = pd.DataFrame({"source_id": FIRST_ID + np.arange(N)})
    for band, basis in (("bp", 56), ("rp", 57)):
        frame[f"{band}_basis_function_id"] = basis
        frame[f"{band}_n_relevant_bases"] = rng.integers(3, 55, N)
        frame[f"{band}_coefficients"] = list(rng.normal(size=(N, 55)))
        frame[f"{band}_coefficient_errors"] = list(rng.uniform(0.1, 1, (N, 55)))
    return frame


def sampled(rng):
    ids = {"source_id": FIRST_ID + np.arange(N), "ra": rng.uniform(0, 360, N)}
    flux = {name: list(rng.uniform(1, 2, (N, 343)) * 1e-16) for name in ("flux", "flux_error")}
    return pd.DataFrame({**ids, **flux})


def points(rng):
    size = 7 * N
    return pd.DataFrame(
        {
            "source_id": np.repeat(FIRST_ID + np.arange(N), 7),
            "band": np.tile(["G", "G", "G", "G", "G", "BP", "RP"], N),
            "time": np.sort(rng.uniform(1700, 2700, size)),
            "mag": rng.uniform(12, 18, size),
            "flux": rng.uniform(100, 200, size),
            "flux_error": rng.uniform(1, 2, size),
            "rejected_by_photometry": rng.random(size) < 0.1,
            "rejected_by_variability": rng.random(size) < 0.1,
        }
    )


def raw_epochs(rng):
    frame = pd.DataFrame({"source_id": FIRST_ID + np.arange(N), "n_transits": 9})
    for time, mag, ratio in (
        ("g_transit_time", "g_transit_mag", "g_transit_flux_over_error"),
        ("bp_obs_time", "bp_mag", "bp_flux_over_error"),
    ):
        frame[time] = list(np.sort(rng.uniform(1700, 2700, (N, 9))))
        frame[mag] = list(rng.uniform(12, 18, (N, 9)))
        frame[ratio] = list(rng.uniform(100, 900, (N, 9)))
    frame["variability_flag_g_reject"] = list(rng.random((N, 9)) < 0.1)
    return frame


PRODUCTS = {f.__name__: f for f in (continuous, sampled, points, raw_epochs)}


def is_array(cell):
    return isinstance(cell, np.ndarray | list)


def text_frame(frame, brackets="[]"):
    def text(cell):
        if not is_array(cell):
            return cell
        inner = ", ".join("null" if x is None or x != x else str(x) for x in list(cell))
        return brackets[0] + inner + brackets[1]

    return frame.map(text)


def to_csv(frame, rng):
    brackets = rng.choice(["[]", "()", "{}"])
    return as_saved(text_frame(frame, brackets).to_csv(index=False).encode(), rng)


def as_saved(data, rng):
    """Text as spreadsheets and other systems save it: CRLF, a byte order mark."""
    if rng.random() < 0.3:
        data = data.replace(b"\n", b"\r\n")
    return BOM + data if rng.random() < 0.3 else data


def to_ecsv(frame, rng):
    lines = ["%ECSV 1.0", "---", "delimiter: ','", "datatype:"]
    lines += [f"- {{name: {name}, datatype: string}}" for name in frame]
    header = "".join(f"# {line}\n" for line in lines)
    return as_saved(header.encode() + text_frame(frame).to_csv(index=False).encode(), rng)


def to_parquet(frame, rng):
    stream = io.BytesIO()
    frame.to_parquet(stream)
    return stream.getvalue()


def to_avro(frame, rng):
    kinds = {"i": "long", "f": "double", "b": "boolean"}

    def field(name):
        cells = [c for c in frame[name] if c is not None]
        first = cells[0] if cells else "x"
        if is_array(first):
            return {"type": "array", "items": ["null", "double", "string", "boolean"]}
        return kinds.get(np.asarray(first).dtype.kind, "string")

    named = [(n, field(n)) for n in frame]
    listed = [{"name": n, "type": ["null", kind]} for n, kind in named]
    schema = fastavro.parse_schema({"type": "record", "name": "Row", "fields": listed})
    records = json.loads(frame.to_json(orient="records", double_precision=15))
    stream = io.BytesIO()
    fastavro.writer(stream, schema, records)
    return stream.getvalue()


def astropy_table(frame):
    return Table({name: astropy_column(list(frame[name])) for name in frame})


def astropy_column(cells):
    """A column of one dtype; ragged arrays stay objects, mixed scalars become text."""
    if any(is_array(cell) for cell in cells):
        cells = [np.empty(0) if cell is None else np.asarray(cell) for cell in cells]
        if len({cell.shape for cell in cells}) == 1:
            return np.asarray(cells)
        column = np.empty(len(cells), object)
        column[:] = cells
        return column
    column = np.asarray(cells)
    return column if column.dtype.kind in "iufb" else column.astype(str)


def to_fits(frame, rng):
    stream = io.BytesIO()
    astropy_table(frame).write(stream, format="fits")
    return stream.getvalue()


def to_votable(frame, rng):
    return votable(frame, "tabledata")


def to_binary_votable(frame, rng):
    return votable(frame, str(rng.choice(["binary", "binary2"])))


def votable(frame, kind):
    stream = io.BytesIO()
    astropy_table(frame).write(stream, format="votable", tabledata_format=kind)
    return stream.getvalue()


def to_gzip(frame, rng):
    return gzip.compress(to_csv(frame, rng), mtime=0)


def to_zip(frame, rng):
    return zipped(to_csv(frame, rng))


def zipped(content):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("PRODUCT-Gaia DR3 1.csv"), content)
    return stream.getvalue()


FORMATS = {
    "csv": to_csv,
    "csv.gz": to_gzip,
    "ecsv": to_ecsv,
    "parquet": to_parquet,
    "avro": to_avro,
    "fits": to_fits,
    "vot": to_votable,
    "binary.vot": to_binary_votable,
    "zip": to_zip,
}


WRAPPED = {"csv.gz": gzip.compress, "zip": zipped}


def pick(frame, rng, arrays=None):
    names = [c for c in frame if arrays is None or is_array(frame[c].iloc[0]) == arrays]
    return str(rng.choice(names)) if names else str(frame.columns[-1])


def with_cell(frame, name, row, value):
    cells = list(frame[name])
    cells[row] = value
    return frame.assign(**{name: pd.Series(cells, dtype=object)}).infer_objects()


def missing_column(frame, rng):
    return frame.drop(columns=pick(frame, rng))


def null_cell(frame, rng):
    return with_cell(frame, pick(frame, rng), rng.integers(len(frame)), None)


def text_in_numbers(frame, rng):
    name = pick(frame, rng)
    if not is_array(frame[name].iloc[0]):
        frame = frame.assign(**{name: frame[name].astype(str)})  # else Parquet cannot hold it
    return with_cell(frame, name, rng.integers(len(frame)), "garbage")


def wrong_length(frame, rng):
    name, row = pick(frame, rng, True), rng.integers(len(frame))
    cell = frame[name].iloc[row]
    if not is_array(cell):
        return with_cell(frame, name, row, None)
    return with_cell(frame, name, row, np.resize(cell, rng.choice([0, 1, len(cell) - 1, 56])))


def fifty_four(frame, rng):
    name = pick(frame, rng, True)
    cells = [cell[:-1] if is_array(cell) else None for cell in frame[name]]
    return frame.assign(**{name: pd.Series(cells, dtype=object)})


def not_finite(frame, rng):
    name, row = pick(frame, rng), rng.integers(len(frame))
    cell = frame[name].iloc[row]
    if not is_array(cell):
        return with_cell(frame, name, row, float(rng.choice([np.nan, np.inf])))
    changed = np.array(cell, float)
    changed[rng.integers(len(changed))] = rng.choice([np.nan, np.inf, -np.inf])
    return with_cell(frame, name, row, changed)


def duplicate_rows(frame, rng):
    return pd.concat([frame, frame.iloc[rng.integers(0, len(frame), 3)]], ignore_index=True)


def float_ids(frame, rng):
    return frame.assign(source_id=frame.source_id.astype(float))


def lettered_id(frame, rng):
    frame = frame.assign(source_id=frame.source_id.astype(str))
    return with_cell(frame, "source_id", 1, rng.choice(["12a4", "", "-5", "1e18", "9" * 20]))


def huge_id(frame, rng):
    return frame.assign(source_id=frame.source_id.astype(np.uint64) + np.uint64(2**63))


def no_rows(frame, rng):
    return frame.iloc[:0]


def negative(frame, rng):
    name, row = pick(frame, rng), rng.integers(len(frame))
    cell = frame[name].iloc[row]
    return with_cell(frame, name, row, -np.array(cell, float) if is_array(cell) else -1)


def scalars_for_arrays(frame, rng):
    return frame.assign(**{pick(frame, rng): 3.5})


def renamed(frame, rng):
    return frame.rename(columns=str.upper)


def shuffled(frame, rng):
    return frame.sample(frac=1, axis=1, random_state=int(rng.integers(2**31)))


def nothing(frame, rng):
    return frame


HARMLESS = (renamed, shuffled, nothing)

DAMAGES = [
    missing_column,
    null_cell,
    text_in_numbers,
    wrong_length,
    fifty_four,
    not_finite,
    duplicate_rows,
    float_ids,
    lettered_id,
    huge_id,
    no_rows,
    negative,
    scalars_for_arrays,
    renamed,
    shuffled,
    nothing,
]


# What a writer raises when its format cannot hold the damage, e.g. text in a column of numbers.
CANNOT_HOLD = (
    ValueError,
    TypeError,
    OverflowError,
    LookupError,
    AttributeError,
    pa.ArrowException,
)


def products():
    """FRAMES small tables of each product, by (product, number)."""
    return {
        (name, number): make(np.random.default_rng(number))
        for name, make in PRODUCTS.items()
        for number in range(FRAMES)
    }


def damaged_cells(extension):
    """CELL_VARIANTS files whose table was damaged: product, damage and bytes."""
    frames = products()
    keys, made = list(frames), 0
    for seed in range(5 * CELL_VARIANTS):
        rng = np.random.default_rng([seed, 1])
        key, damage = keys[seed % len(keys)], DAMAGES[(seed // len(keys)) % len(DAMAGES)]
        try:
            content = FORMATS[extension](damage(frames[key].copy(), rng), rng)
        except CANNOT_HOLD:
            assert damage not in HARMLESS
            continue
        yield key, damage, content
        made += 1
        if made == CELL_VARIANTS:
            return
    raise AssertionError(f"only {made} variants of {extension} could be written")


def cut(content, rng):
    return content[: rng.integers(len(content))]


def other_bytes(content, rng):
    changed = bytearray(content)
    for _ in range(int(rng.integers(1, 20))):
        changed[int(rng.integers(len(changed)))] = int(rng.integers(256))
    return bytes(changed)


def hole(content, rng):
    start = int(rng.integers(len(content)))
    return content[:start] + content[start + int(rng.integers(1, 2000)) :]


def twice(content, rng):
    return content + content


def stuffed(content, rng):
    place = int(rng.integers(len(content)))
    stuff = [b"\0", b"\xff", b'"', b",", b"\n", b"\xe9", b"\n\n,\n", b"<", b"#"]
    return content[:place] + stuff[int(rng.integers(len(stuff)))] + content[place:]


def utf16(content, rng):
    return content.decode("utf-8", "replace").encode("utf-16")


BYTE_DAMAGES = (cut, other_bytes, hole, stuffed, twice, utf16)


def damaged_bytes(extension):
    """BYTE_VARIANTS files whose bytes were damaged, inside the wrapping every second time."""
    frames = list(products().values())
    for seed in range(BYTE_VARIANTS):
        rng = np.random.default_rng([seed, 2])
        damage = BYTE_DAMAGES[seed % len(BYTE_DAMAGES)]
        frame = frames[(seed // len(BYTE_DAMAGES)) % len(frames)]
        inside = (seed // 2) % 2 and extension in WRAPPED
        if inside:
            yield damage, WRAPPED[extension](damage(to_csv(frame, rng), rng))
        else:
            yield damage, damage(FORMATS[extension](frame, rng), rng)
