"""Reads golden files and compares them with what they must hold, then writes such files itself.

With NumPy and safetensors where they are installed, and else with the formats' definitions and the standard library alone.
"""
import ast, csv, io, json, os, struct, sys, zipfile

try:
    import numpy
except ImportError:
    numpy = None
try:
    import safetensors.numpy as safetensors
except ImportError:
    safetensors = None

CODES = {"Float64": ("<f8", "F64", 8), "Float32": ("<f4", "F32", 4), "Int32": ("<i4", "I32", 4), "Int64": ("<i8", "I64", 8), "Bool": ("|b1", "BOOL", 1)}


def expected(path):
    for line in open(path, encoding="utf-8").read().splitlines():
        name, dtype, dims, data = line.split("|")
        yield name, dtype, tuple(int(d) for d in dims.split(",") if d), bytes.fromhex(data)


def npy_of(dtype, shape, data):
    if numpy:
        out = io.BytesIO()
        numpy.save(out, numpy.frombuffer(data, CODES[dtype][0]).reshape(shape))
        return out.getvalue()
    header = repr({"descr": CODES[dtype][0], "fortran_order": False, "shape": shape})
    header += " " * (-(len(header) + 11) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + data


def read_npy(content):
    if numpy:
        array = numpy.load(io.BytesIO(content), allow_pickle=False)
        return array.dtype.str, array.shape, array.tobytes()
    assert content[:8] == b"\x93NUMPY\x01\x00"
    (length,) = struct.unpack("<H", content[8:10])
    assert (10 + length) % 64 == 0
    header = ast.literal_eval(content[10 : 10 + length].decode("latin1"))
    assert set(header) == {"descr", "fortran_order", "shape"} and header["fortran_order"] is False
    return header["descr"], header["shape"], content[10 + length :]


def check(name, dtype, shape, data, got):
    assert got == (CODES[dtype][0], shape, data), (name, got, shape, data)


def npz(path, target, arrays):
    with zipfile.ZipFile(path) as file:
        assert file.testzip() is None
        assert sorted(file.namelist()) == sorted(name + ".npy" for name, *_ in arrays)
        for name, dtype, shape, data in arrays:
            check(name, dtype, shape, data, read_npy(file.read(name + ".npy")))
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as file:
        for name, dtype, shape, data in arrays:
            file.writestr(name + ".npy", npy_of(dtype, shape, data))


def npy(path, target, arrays):
    ((name, dtype, shape, data),) = arrays
    check(name, dtype, shape, data, read_npy(open(path, "rb").read()))
    open(target, "wb").write(npy_of(dtype, shape, data))


def idx(path, target, arrays):
    ((_, dtype, shape, data),) = arrays
    swapped = b"".join(data[i : i + 8][::-1] for i in range(0, len(data), 8))
    content = struct.pack(">BBBB", 0, 0, 0x0E, len(shape)) + struct.pack(f">{len(shape)}i", *shape) + swapped
    assert dtype == "Float64" and open(path, "rb").read() == content
    open(target, "wb").write(content)


def table(path, target, arrays):
    ((_, _, shape, data),) = arrays
    want = struct.unpack(f"<{len(data) // 8}d", data)
    rows = list(csv.reader(open(path, newline="", encoding="utf-8")))[1:]
    got = [float(x) for row in rows for x in row]
    assert [struct.pack("<d", x) for x in got if x == x] == [struct.pack("<d", x) for x in want if x == x]
    assert [x == x for x in got] == [x == x for x in want]
    with open(target, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(f"column{k}" for k in range(shape[1]))
        for row in range(shape[0]):
            writer.writerow(repr(x) for x in want[row * shape[1] : (row + 1) * shape[1]])


def tensors(path, target, arrays):
    content = open(path, "rb").read()
    (length,) = struct.unpack("<Q", content[:8])
    header, body = json.loads(content[8 : 8 + length]), content[8 + length :]
    header.pop("__metadata__", None)
    assert sorted(header) == sorted(name for name, *_ in arrays)
    for name, dtype, shape, data in arrays:
        entry = header[name]
        begin, end = entry["data_offsets"]
        assert (entry["dtype"], tuple(entry["shape"]), body[begin:end]) == (CODES[dtype][1], shape, data), name
    if safetensors and numpy:
        for name, dtype, shape, data in arrays:
            array = safetensors.load_file(path)[name]
            check(name, dtype, shape, data, (array.dtype.str, array.shape, array.tobytes()))
        safetensors.save_file({name: numpy.frombuffer(data, CODES[dtype][0]).reshape(shape) for name, dtype, shape, data in arrays}, target)
        return
    header, body = {}, b""
    for name, dtype, shape, data in sorted(arrays, key=lambda a: -CODES[a[1]][2]):
        header[name] = {"dtype": CODES[dtype][1], "shape": list(shape), "data_offsets": [len(body), len(body) + len(data)]}
        body += data
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    open(target, "wb").write(struct.pack("<Q", len(text)) + text + body)


def main(folder):
    readers = {"safetensors": tensors, "idx": idx, "npy": npy, "npz": npz, "csv": table}
    for file in sorted(os.listdir(os.path.join(folder, "ours"))):
        form = file.rsplit(".", 1)[1]
        arrays = list(expected(os.path.join(folder, "expected." + form)))
        readers[form](os.path.join(folder, "ours", file), os.path.join(folder, "theirs", file), arrays)


main(sys.argv[1])
