"""Small data files as pyarrow writes them: Parquet by each of its compressions, Arrow as a file and as a stream, and blocks of LZ4.

Writes tests/golden/data/files/: the same seven records in each, rows.json says which; and what is refused to
tests/golden/data/packed/.

    python tests/oracle/data_files.py
"""

import base64
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

OUT = Path(__file__).parent.parent / "golden" / "data" / "files"
# What is refused, and parts of files.
PACKED = OUT.parent / "packed"


def record(i: int) -> dict:
    calls = [{"id": str(i)}] if i == 3 else None
    return {
        "messages": [
            {"role": "user", "content": f"hi {i} ü", "tool_calls": None},
            {"role": "assistant", "content": None if i == 3 else f"yo {i}", "tool_calls": calls},
        ],
        "id": i,
        "score": i / 2,
        "text": f"line\n{i}",
        "tags": ["a", "b"][: i % 3],
        "ok": i % 2 == 0,
        "nothing": None if i % 2 else "x",
    }


if __name__ == "__main__":
    OUT.mkdir(parents=True, exist_ok=True)
    PACKED.mkdir(exist_ok=True)
    rows = [record(i) for i in range(7)]
    table = pa.Table.from_pylist(rows)
    (OUT / "rows.json").write_text(json.dumps(rows) + "\n")
    for codec in ("none", "snappy", "gzip", "zstd", "brotli", "lz4"):
        pq.write_table(table, OUT / f"{codec}.parquet", compression=codec, row_group_size=3)
    for name, writer in (("file", pa.ipc.new_file), ("stream", pa.ipc.new_stream)):
        with pa.OSFile(str(OUT / f"{name}.arrow"), "wb") as sink, writer(sink, table.schema) as out:
            for batch in table.to_batches(3):
                out.write_batch(batch)
    for codec in ("zstd", "lz4"):
        options = pa.ipc.IpcWriteOptions(compression=codec)
        with pa.OSFile(str(PACKED / f"{codec}.arrow"), "wb") as sink, pa.ipc.new_file(sink, table.schema, options=options) as out:
            out.write_table(table)
    texts = ["", "a", "whale " * 200, "".join(chr(97 + i * i % 23) for i in range(700)), "ü" * 5000 + "end"]
    raw = pa.Codec("lz4_raw")
    blocks = [{"text": text, "packed": base64.b64encode(raw.compress(text.encode(), asbytes=True)).decode()} for text in texts]
    (PACKED / "lz4-blocks.json").write_text(json.dumps({"blocks": blocks}) + "\n")
