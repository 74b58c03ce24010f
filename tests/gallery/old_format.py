"""Galleries and files as they were in format 1, with numbers for people and cameras."""

import json
import zlib

import numpy as np
import pyarrow as pa
import pyarrow.parquet

PEOPLE = [4, 4, -1, 12]
CAMERAS = [0, 1, -1, 1]
WIDTH = 6
SPACE = {"fingerprint": "model-a", "metric": "euclidean", "model": "", "cues": ""}
SETTINGS = {"format": 1, "width": WIDTH, "space": SPACE, "created": 5.0, "calibration": None}
EMBEDDINGS = np.random.default_rng(3).standard_normal((4, WIDTH)).astype(np.float32)


def table():
    """The rows of a gallery; the second one stands for a box."""
    day = 86_400.0
    return pa.table(
        {
            "key": ["a.png", "b.png#1,2,3,4", "c.png", "d.png"],
            "file_name": ["a.png", "b.png", "c.png", "d.png"],
            "track_id": ["t", "", "", ""],
            "person_id": pa.array(PEOPLE, pa.int64()),
            "camera_id": pa.array(CAMERAS, pa.int64()),
            "x": [0, 1, 0, 0], "y": [0, 2, 0, 0], "width": [0, 3, 0, 0], "height": [0, 4, 0, 0],
            "checksum": [zlib.crc32(row) for row in EMBEDDINGS],
            "timestamp": [day, day + 1, -1e18, day], "seen": [day, day + 1, 9.0, day],
            "added": [9.0] * 4, "expires": [1e18] * 4, "fingerprint": ["model-a"] * 4,
            "embedding": pa.FixedSizeListArray.from_arrays(pa.array(EMBEDDINGS.ravel()), WIDTH),
        }
    )  # fmt: skip


def write_folder(folder):
    import lance

    folder.mkdir(parents=True)
    lance.write_dataset(table(), str(folder / "entries.lance"))
    (folder / "gallery.json").write_text(json.dumps(SETTINGS))
    return folder


def write_milvus(file):
    from pymilvus import DataType, MilvusClient

    client = MilvusClient(uri=str(file))
    rows = table()
    made = client.create_schema(auto_id=False, enable_dynamic_field=False)
    for field in rows.schema:
        if field.name == "embedding":
            made.add_field("embedding", DataType.FLOAT_VECTOR, dim=WIDTH)
        elif pa.types.is_string(field.type):
            key = field.name == "key"
            made.add_field(field.name, DataType.VARCHAR, max_length=2048, is_primary=key)
        else:
            whole = pa.types.is_integer(field.type)
            made.add_field(field.name, DataType.INT64 if whole else DataType.DOUBLE)
    _create(client, "passerby", made, "embedding")
    client.insert("passerby", rows.to_pylist())
    made = client.create_schema(auto_id=False, enable_dynamic_field=False)
    made.add_field("key", DataType.VARCHAR, max_length=64, is_primary=True)
    made.add_field("value", DataType.VARCHAR, max_length=65_000)
    made.add_field("unused", DataType.FLOAT_VECTOR, dim=2)
    _create(client, "passerby_settings", made, "unused")
    value = {"key": "gallery", "value": json.dumps(SETTINGS), "unused": [0.0, 0.0]}
    client.insert("passerby_settings", [value])
    client.close()
    return file


def write_files(folder):
    """Shards of `passerby embed`: the last of the three is still to be computed."""
    folder.mkdir(parents=True)
    rows = table().select(["file_name", "person_id", "camera_id", "timestamp", "embedding"])
    metadata = {
        "passerby.fingerprint": "model-a", "passerby.metric": "euclidean", "passerby.tally": "{}",
    }  # fmt: skip
    for number in range(2):
        part = rows.slice(2 * number, 2).replace_schema_metadata(metadata)
        pa.parquet.write_table(part, folder / f"embeddings-{number:05d}.parquet")
    plan = {
        "format": 1, "fingerprint": "model-a", "person_names": {"4": "Anna", "12": "Bert"},
        "camera_names": {},
    }  # fmt: skip
    (folder / "embeddings.json").write_text(json.dumps(plan))
    return folder


def write_backup(folder):
    import hashlib

    folder.mkdir(parents=True)
    pa.parquet.write_table(table(), folder / "entries-00000.parquet")
    digest = hashlib.sha256((folder / "entries-00000.parquet").read_bytes()).hexdigest()
    note = {"gallery": SETTINGS, "rows": 4, "files": {"entries-00000.parquet": digest}}
    (folder / "backup.json").write_text(json.dumps(note))
    return folder


def _create(client, name, made, column):
    params = client.prepare_index_params()
    params.add_index(column, index_type="FLAT", metric_type="L2")
    client.create_collection(name, schema=made, index_params=params, consistency_level="Strong")
