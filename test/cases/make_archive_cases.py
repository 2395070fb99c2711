"""Writes the archive cases under rules/: zip records are assembled by hand, so that they can lie.

Usage: python make_archive_cases.py REPOSITORY_ROOT
"""
import bz2, gzip, io, lzma, os, struct, sys, tarfile, zlib

sys.path.insert(0, os.path.dirname(__file__))
import make_pickle_cases as pickles
from make_pickle_cases import CMD, RUN, b, call, g, i, p, t, tup, write

GADGET, LEAVES, DISAGREE = "pickle-known-gadget", "archive-leaves-folder", "archive-readers-disagree"
EVIL = p(RUN)
GOOD = p(call(g("collections", "OrderedDict")), 2)


def deflate(data):
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


def local(name, data, method=0, flags=0, crc=None, packed=None, plain=None, extra=b""):
    crc = zlib.crc32(data) if crc is None else crc
    body = deflate(data) if method == 8 else data
    packed = len(body) if packed is None else packed
    plain = len(data) if plain is None else plain
    return struct.pack("<IHHHHHIIIHH", 0x04034B50, 20, flags, method, 0, 0x21, crc, packed, plain, len(name), len(extra)) + name + extra + body


def central(name, data, offset, method=0, flags=0, crc=None, packed=None, plain=None, mode=0, extra=b""):
    crc = zlib.crc32(data) if crc is None else crc
    body = deflate(data) if method == 8 else data
    packed = len(body) if packed is None else packed
    plain = len(data) if plain is None else plain
    return struct.pack("<IHHHHHHIIIHHHHHII", 0x02014B50, 0x031E, 20, flags, method, 0, 0x21, crc, packed, plain, len(name), len(extra), 0, 0, 0, mode << 16, offset) + name + extra


def end(count, size, offset):
    return struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, count, count, size, offset, 0)


def archive(members, prefix=b"", lie_local={}, lie_central={}, skip=(), gap=b"", tail=b""):
    """members: list of (name, data, options)."""
    out, directory = prefix, b""
    listed = 0
    for index, (name, data, options) in enumerate(members):
        name = name.encode() if isinstance(name, str) else name
        offset = len(out)
        here = {**options, **lie_local.get(index, {})}
        here.pop("mode", None)
        local_name = here.pop("name", name)
        out += local(local_name, data, **here)
        if index not in skip:
            there = {**options, **lie_central.get(index, {})}
            directory += central(there.pop("name", name), data, offset, **there)
            listed += 1
        out += gap
    return out + directory + end(listed, len(directory), len(out)) + tail


def torch_zip(pickle, storages=(b"\0" * 16,), **kw):
    members = [("archive/data.pkl", pickle, {}), ("archive/byteorder", b"little", {})]
    members += [(f"archive/data/{n}", raw, {}) for n, raw in enumerate(storages)] + [("archive/version", b"3\n", {})]
    return archive(members, **kw)


def tensor(count, key="0"):
    storage = tup(t("storage"), g("torch", "FloatStorage"), t(key), t("cpu"), i(count)) + b"Q"
    return call(g("torch._utils", "_rebuild_tensor_v2"), storage, i(0), tup(i(count)), tup(i(1)), b"\x89", call(g("collections", "OrderedDict")))


def tar(*entries):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as f:
        for name, data, kind, link in entries:
            info = tarfile.TarInfo(name)
            info.type, info.linkname, info.size = kind, link, len(data)
            f.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def npy(body, descr="'|O'"):
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': (1,), }}".ljust(117).encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + body


FILE, SYM, HARD, CHAR = tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE

# The same inert pickle in every container.
write(GADGET, "positive-torch-zip.pt", torch_zip(EVIL))
write(GADGET, "positive-torch-zip-deflated.pt", archive([("archive/data.pkl", EVIL, {"method": 8})]))
write(GADGET, "positive-torch-tar.pt", tar(("pickle", EVIL, FILE, ""), ("storages", p(b"N"), FILE, "")))
for codec, packed in {"zlib": zlib.compress(EVIL), "gzip": gzip.compress(EVIL, mtime=0), "bz2": bz2.compress(EVIL), "xz": lzma.compress(EVIL), "lzma": lzma.compress(EVIL, format=lzma.FORMAT_ALONE)}.items():
    write(GADGET, f"positive-joblib-{codec}.joblib", packed)
lz4_block = EVIL
write(GADGET, "positive-joblib-lz4.joblib", b"\x04\x22\x4d\x18\x60\x40\x82" + struct.pack("<I", len(EVIL) | 0x80000000) + EVIL + bytes(4))
write(GADGET, "positive-zstd.pkl.zst", b"\x28\xb5\x2f\xfd\x20" + bytes([len(EVIL)]) + struct.pack("<I", 1 | len(EVIL) << 3)[:3] + EVIL)
write(GADGET, "positive-gzip-broken-tail.pkl.gz", gzip.compress(EVIL + os.urandom(0) + bytes(range(256)) * 40, mtime=0)[:-60])
write(GADGET, "positive-npy-objects.npy", npy(EVIL))
write(GADGET, "positive-npz-objects.npz", archive([("arr_0.npy", npy(EVIL), {}), ("arr_1.npy", npy(bytes(8), "'<f8'"), {})]))
write(GADGET, "positive-npz-deflated.npz", archive([("arr_0.npy", npy(EVIL), {"method": 8})]))
write(GADGET, "positive-nested-archives.zip", archive([("inner.tar", tar(("model.pkl.gz", gzip.compress(EVIL, mtime=0), FILE, "")), {"method": 8})]))
write(GADGET, "positive-zip-with-picture-name.png", torch_zip(EVIL))
write(GADGET, "positive-bad-member-first.pt", archive([("archive/broken", b"x" * 40, {"method": 8}), ("archive/data.pkl", EVIL, {})], lie_local={0: {"method": 12}}, lie_central={0: {"method": 12}}))
write(GADGET, "positive-bad-crc.pt", torch_zip(EVIL, lie_local={0: {"crc": 1}}, lie_central={0: {"crc": 1}}))
write(GADGET, "positive-encrypted-flag.pt", torch_zip(EVIL, lie_local={0: {"flags": 1}}, lie_central={0: {"flags": 1}}))
write(GADGET, "positive-other-local-name.pt", torch_zip(EVIL, lie_local={0: {"name": b"archive/data.txt"}}))
write(GADGET, "positive-duplicate-member.pt", archive([("archive/data.pkl", GOOD, {}), ("archive/data.pkl", EVIL, {})]))
write(GADGET, "positive-duplicate-member-first.pt", archive([("archive/data.pkl", EVIL, {}), ("archive/data.pkl", GOOD, {})]))
write(GADGET, "positive-not-in-directory.pt", archive([("archive/data.pkl", GOOD, {}), ("archive/data.pkl", EVIL, {})], skip=(1,)))
write(GADGET, "positive-before-archive.pt", torch_zip(GOOD, prefix=EVIL))
write(GADGET, "positive-after-archive.pt", torch_zip(GOOD, tail=EVIL))
write(GADGET, "positive-no-directory.pt", local(b"archive/data.pkl", EVIL))
write(GADGET, "positive-method-lie.pt", torch_zip(EVIL, lie_central={0: {"method": 99}}))
write(GADGET, "positive-safetensors-then-zip.safetensors", struct.pack("<Q", 2) + b"{}" + torch_zip(EVIL))
write(GADGET, "negative-torch-zip.pt", torch_zip(p(tensor(4), 2)))
write(GADGET, "negative-torch-legacy.pt", p(b"\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19", 2) + p(b"M\xe9\x03", 2) + p(b"}", 2) + p(tensor(4), 2) + p(b"](" + t("0") + b"e", 2) + struct.pack("<Q", 4) + bytes(range(16)))
write(GADGET, "negative-joblib-gzip.joblib", gzip.compress(GOOD, mtime=0))

# Archives that lie.
write(DISAGREE, "positive-local-name.pt", torch_zip(GOOD, lie_local={0: {"name": b"archive/data.txt"}}))
write(DISAGREE, "positive-method.pt", torch_zip(GOOD, lie_central={0: {"method": 8}}))
write(DISAGREE, "positive-size.pt", torch_zip(GOOD, lie_local={0: {"packed": 3, "plain": 3}}))
write(DISAGREE, "positive-duplicate-name.pt", archive([("a/data.pkl", GOOD, {}), ("a/data.pkl", p(b"N"), {})]))
write(DISAGREE, "positive-duplicate-by-slash.pt", archive([("a/data.pkl", GOOD, {}), ("a\\data.pkl", p(b"N"), {})]))
write(DISAGREE, "positive-not-in-directory.pt", archive([("a/data.pkl", GOOD, {}), ("a/other.pkl", p(b"N"), {})], skip=(1,)))
write(DISAGREE, "positive-two-directories.pt", torch_zip(GOOD) + torch_zip(p(b"N")))
write(DISAGREE, "positive-false-encryption.pt", torch_zip(GOOD, lie_local={0: {"flags": 1}}, lie_central={0: {"flags": 1}}))
write(DISAGREE, "positive-unicode-name-field.pt", torch_zip(GOOD, lie_central={0: {"extra": struct.pack("<HHBI", 0x7075, 5 + 5, 1, 0) + b"x.txt"}}))
over = local(b"a/data.pkl", GOOD)
twice = central(b"a/data.pkl", GOOD, 0) + central(b"a/more.pkl", GOOD, 0)
write(DISAGREE, "positive-overlap.pt", over + twice + end(2, len(twice), len(over)))
write(DISAGREE, "negative-plain.pt", torch_zip(GOOD))
write(DISAGREE, "negative-deflated.zip", archive([("readme.txt", b"text " * 50, {"method": 8}), ("folder/", b"", {})]))
write(DISAGREE, "negative-data-descriptors.zip", archive([("a.txt", b"text", {"flags": 8}), ("b.txt", b"more", {"flags": 8})], lie_local={n: {"crc": 0, "packed": 0, "plain": 0} for n in (0, 1)}, gap=struct.pack("<IIII", 0x08074B50, 0, 4, 4)))

write(LEAVES, "positive-zip-climbs.pt", archive([("../../etc/cron.d/x", b"inert", {})]))
write(LEAVES, "positive-zip-absolute.pt", archive([("/etc/x", b"inert", {})]))
write(LEAVES, "positive-zip-drive.pt", archive([("C:\\x", b"inert", {})]))
write(LEAVES, "positive-zip-link.pt", archive([("link", b"../../secret", {"mode": 0o120777})]))
write(LEAVES, "positive-tar-climbs.tar", tar(("../x", b"inert", FILE, "")))
write(LEAVES, "positive-tar-link.tar", tar(("a/link", b"", SYM, "../../secret")))
write(LEAVES, "positive-tar-hard-link.tar", tar(("a/link", b"", HARD, "../secret")))
write(LEAVES, "positive-tar-device.tar", tar(("null", b"", CHAR, "")))
write(LEAVES, "negative-plain.tar", tar(("a/b.txt", b"text", FILE, ""), ("a/link", b"", SYM, "b.txt")))
write(LEAVES, "negative-dots.zip", archive([("a..b/c..txt", b"text", {})]))
zeros = bytes(70 * 2**20)
write("decompression-bomb", "positive-gzip.gz", gzip.compress(zeros, mtime=0))
write("decompression-bomb", "positive-zip.zip", archive([("zeros.bin", zeros, {"method": 8})]))
write("decompression-bomb", "negative-small.gz", gzip.compress(bytes(2**20), mtime=0))
write("archive-hidden-data", "positive-prefix.pt", torch_zip(GOOD, prefix=b"hidden words"))
write("archive-hidden-data", "positive-gap.pt", torch_zip(GOOD, gap=b"hidden words between the members"))
write("archive-hidden-data", "positive-tail.gz", gzip.compress(GOOD, mtime=0) + b"hidden words")
write("archive-hidden-data", "positive-control-name.zip", archive([("a\x00.txt", b"x", {})]))
write("archive-hidden-data", "negative-zero-padding.pt", torch_zip(GOOD, gap=bytes(64)))
write("archive-note", "positive-inner-link.tar", tar(("a/b.txt", b"text", FILE, ""), ("a/link", b"", SYM, "b.txt")))
write("archive-note", "positive-encrypted.zip", archive([("secret.bin", os.urandom(0) + bytes((n * 151 + 7) % 256 for n in range(64)), {"flags": 1})]))
write("archive-note", "negative-plain.zip", archive([("a.txt", b"text", {})]))
write("polyglot-file", "positive-safetensors-zip.safetensors", struct.pack("<Q", 2) + b"{}" + torch_zip(GOOD))
write("polyglot-file", "positive-pickle-zip.pkl", GOOD + torch_zip(GOOD))
write("polyglot-file", "negative-safetensors.safetensors", struct.pack("<Q", 2) + b"{}")
write("polyglot-file", "negative-zip-comment-word.txt", b"the letters PK and more words\n")
write("disguised-format", "positive-pickle.safetensors", GOOD)
write("disguised-format", "positive-zip.gguf", torch_zip(GOOD))
write("disguised-format", "positive-pickle-config.json", GOOD)
write("disguised-format", "positive-7z.h5", b"7z\xbc\xaf\x27\x1c" + bytes(26))
write("disguised-format", "negative-pickle.bin", GOOD)
write("disguised-format", "negative-torch.pt", torch_zip(GOOD))
write("format-mismatch", "positive-text.safetensors", b"not found\n")
write("format-mismatch", "positive-json.gguf", b'{"error": "not found"}\n')
write("format-mismatch", "negative-pickle.safetensors", GOOD)
write("format-mismatch", "negative-json.json", b"{}\n")
write("torch-storage-size", "positive-short-storage.pt", torch_zip(p(tensor(1000), 2), storages=(bytes(16),)))
write("torch-storage-size", "negative-right-size.pt", torch_zip(p(tensor(4), 2), storages=(bytes(16),)))
write("malformed-file", "positive-zip-lzma-properties.zip", archive([("x.bin", b"\0\0\2\0ab", {"method": 14})]))
