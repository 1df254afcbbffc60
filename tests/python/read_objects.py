"""Reads objects of the store with stock pyarrow alone, and compares them with what was put.

    read_objects.py FOLDER WIRE_FORMAT.md

FOLDER holds `name.data` and `name.meta` of each object, as they lie in the store, and `expected.json`: what each of
them is. The examples of docs/wire-format.md are run over those objects whose metadata they name. Nothing here knows the
library: what it knows of the format is what docs/wire-format.md says.
"""

import base64
import datetime
import decimal
import doctest
import json
import pathlib
import re
import sys

import pyarrow


EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


def value_in(value):
    """What JSON has not: {"hex": "00ff"} stands for bytes, and so on."""
    match list(value.items()):
        case [("hex", digits)]:
            return bytes.fromhex(digits)
        case [("decimal", text)]:
            return decimal.Decimal(text)
        case [("time_ns", number)]:
            return EPOCH + datetime.timedelta(microseconds=number // 1000)
        case [("naive_s", number)]:
            return EPOCH.replace(tzinfo=None) + datetime.timedelta(seconds=number)
        case [("duration_ms", number)]:
            return datetime.timedelta(milliseconds=number)
        case [("pair", pair)]:
            return tuple(pair)
        case [("date", text)]:
            return datetime.date.fromisoformat(text)
    return value


def same(what, found, expected):
    if found != expected:
        raise AssertionError(f"{what}: found {found!r}, expected {expected!r}")


def aligned(what, buffers, start):
    """Every buffer that is not empty lies at a multiple of 64 bytes from the object's start."""
    for buffer in buffers:
        if buffer is not None and buffer.size:
            same(f"{what}: a buffer's place modulo 64", (buffer.address - start) % 64, 0)


def check_tensor(data, keys, expected):
    same("continuation", data[:4], b"\xff\xff\xff\xff")
    same("place of the body modulo 64", (8 + int.from_bytes(data[4:8], "little")) % 64, 0)
    tensor = pyarrow.ipc.read_tensor(pyarrow.py_buffer(data))
    elem, shape, names = keys["sdp:elem"], list(tensor.shape), list(tensor.dim_names)
    same("element type", elem, expected["elem"])
    stored = {"bool": "uint8", "complex64": "float", "complex128": "double", "float16": "halffloat",
              "float32": "float", "float64": "double"}
    same("stored type", str(tensor.type), stored.get(elem, elem))
    strides = list(tensor.strides)
    array = tensor.to_numpy()
    if elem.startswith("complex"):
        same("the parts of a complex number", (shape.pop(), names.pop()), (2, "re_im"))
        same("their stride", strides.pop(), array.itemsize)
    same("shape", shape, expected["shape"])
    same("names", names, expected["names"])
    same("strides", strides, expected["strides"])
    if elem.startswith("complex"):
        found = [list(pair) for pair in array.reshape(-1, 2).tolist()]
    else:
        found = array.reshape(-1).tolist()
    if elem == "bool":
        found = [{0: False, 1: True}[value] for value in found]
    same("elements", found, expected["values"])


def fields(schema):
    return [
        {
            "name": field.name,
            "type": str(field.type),
            "nullable": field.nullable,
            "metadata": {key.decode(): value.decode() for key, value in (field.metadata or {}).items()
                         if key != b"proc:table"},
            "table": columns((field.metadata or {}).get(b"proc:table")),
        }
        for field in schema
    ]


def columns(text):
    """The columns of a table parameter, whose metadata hold an Arrow schema message."""
    if text is None:
        return None
    schema = pyarrow.ipc.read_schema(pyarrow.py_buffer(base64.b64decode(text, validate=True)))
    return [[field.name, str(field.type), field.nullable] for field in schema]


def check_call(data, keys, expected):
    reader = pyarrow.ipc.open_stream(data)
    same("function", keys["sdp:func"], expected["function"])
    same("schema metadata", reader.schema.metadata, {b"proc:func": expected["function"].encode()})
    same("parameters", fields(reader.schema), expected["fields"])
    batches = list(reader)
    same("number of record batches", len(batches), 1)
    batches[0].validate(full=True)
    same("rows", batches[0].to_pylist(), expected["rows"])


def check_declaration(data, keys, expected):
    reader = pyarrow.ipc.open_stream(data)
    same("owner", {key.decode(): value for key, value in reader.schema.metadata.items()}, expected["owner"])
    same("columns", [(field.name, str(field.type), field.nullable) for field in reader.schema],
         [("function", "binary", False)])
    table = reader.read_all()
    table.validate(full=True)
    schemas = [pyarrow.ipc.read_schema(pyarrow.py_buffer(text)) for text in table["function"].to_pylist()]
    found = [{"name": schema.metadata[b"proc:func"].decode(), "fields": fields(schema)} for schema in schemas]
    same("functions", found, expected["functions"])


def check_table(data, keys, expected):
    source = pyarrow.py_buffer(data)
    reader = pyarrow.ipc.open_stream(source)
    same("columns", [[field.name, str(field.type), field.nullable] for field in reader.schema], expected["columns"])
    batches = list(reader)
    for batch in batches:
        batch.validate(full=True)
        for name, column in zip(reader.schema.names, batch.columns):
            aligned(f"column {name}", column.buffers(), source.address)
    same("rows", [batch.to_pylist() for batch in batches], expected["chunks"])


def check_raw(data, keys, expected):
    same("bytes", data, expected["bytes"])


CHECKS = {"tensor": check_tensor, "call": check_call, "declaration": check_declaration, "table": check_table}


def keys_of(metadata):
    text = metadata.decode("ascii")
    if not text.startswith("sdp:kind="):
        return {}
    pairs = [pair.split("=", 1) for pair in text.split(";")]
    same("keys, none of them twice", len({key for key, _ in pairs}), len(pairs))
    return dict(pairs)


class AnyQuotes(doctest.OutputChecker):
    """Python shows bytes in double quotes if a single one is among them, as in some IDs."""

    def check_output(self, want, got, flags):
        return super().check_output(want, re.sub(r'b"([^"]*)"', r"b'\1'", got), flags)


def check_examples(text, objects):
    """Runs the `>>>` lines of each block over the object whose metadata stand in its first line's comment."""
    runner = doctest.DocTestRunner(AnyQuotes(), optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    blocks = [block for block in re.findall(r"```python\n(.*?)```", text, re.S) if ">>>" in block]
    for number, block in enumerate(blocks, 1):
        metadata = re.search(r"#\s*(sdp:kind=\S+)", block).group(1)
        # The first object of these metadata is the example's.
        data = next(data for data, found in objects.values() if found.decode() == metadata)
        name = f"example {number} of wire-format.md"
        test = doctest.DocTestParser().get_doctest(block, {"pyarrow": pyarrow, "data": data}, name, None, 0)
        runner.run(test)
    results = runner.summarize(verbose=False)
    if results.failed or not results.attempted:
        raise AssertionError(f"{results.failed} of {results.attempted} lines of wire-format.md fail")
    return results.attempted


def main(folder, document):
    expected = json.loads((folder / "expected.json").read_text(), object_hook=value_in)
    objects, counts = {}, {}
    for name, wanted in expected.items():
        data, metadata = (folder / f"{name}.data").read_bytes(), (folder / f"{name}.meta").read_bytes()
        objects[name] = (data, metadata)
        keys = keys_of(metadata)
        kind = keys.get("sdp:kind", "raw")
        counts[kind] = counts.get(kind, 0) + 1
        try:
            same("kind", kind, wanted["kind"])
            CHECKS.get(kind, check_raw)(data, keys, wanted)
        except Exception as error:
            raise SystemExit(f"{name}: {type(error).__name__}: {error}") from error
    lines = check_examples(document.read_text(), objects)
    read = ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items()))
    print(f"pyarrow {pyarrow.__version__} read {read}; {lines} lines of wire-format.md ran")


if __name__ == "__main__":
    main(*map(pathlib.Path, sys.argv[1:]))
