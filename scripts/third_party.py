#!/usr/bin/env python3
"""Writes THIRD-PARTY.txt, the software that is linked into the library and into `sdp-dal`, with licences and notices.

    scripts/third_party.py            write it
    scripts/third_party.py --check    exit with status 1 if the file is out of date

Reads `cargo metadata` and the licence files in the crates' sources. It needs no network once the crates are downloaded. The
list is that of x86-64 Linux, so that the result is the same everywhere.
"""

import json
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
OUTPUT = ROOT / "THIRD-PARTY.txt"
PLATFORM = "x86_64-unknown-linux-gnu"
# Where a crate leaves the choice, the first of these is taken.
PREFERENCE = ["Apache-2.0", "MIT", "BSD-3-Clause", "BSD-2-Clause", "ISC", "Zlib", "BSL-1.0", "Unicode-3.0", "Unlicense"]
# This crate's copy of the Apache License stands for all of them.
APACHE_FROM = "once_cell"

HEAD = """\
THIRD-PARTY SOFTWARE

The SDP Data Access Library is under the licence in LICENSE. libsdp_dal.so and libsdp_dal.a contain the software in the
first list, the program sdp-dal that in both. Where a licence may be chosen, the one that is named last was chosen; its
text is below.

This file is made by scripts/third_party.py.
"""


def metadata():
    command = ["cargo", "metadata", "--format-version", "1", "--locked", "--filter-platform", PLATFORM]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"third_party.py: cargo metadata failed:\n{done.stderr}")
    return json.loads(done.stdout)


def linked(data, name):
    """The packages whose code gets into what is built of package `name`: no build scripts, no macros, no tests."""
    packages = {package["id"]: package for package in data["packages"]}
    nodes = {node["id"]: node for node in data["resolve"]["nodes"]}
    start = [p["id"] for p in data["packages"] if p["name"] == name and p["source"] is None]
    found = {}
    while start:
        key = start.pop()
        package = packages[key]
        if key in found or any("proc-macro" in target["kind"] for target in package["targets"]):
            continue
        found[key] = package
        for dependency in nodes[key]["deps"]:
            if any(kind["kind"] is None for kind in dependency["dep_kinds"]):
                start.append(dependency["pkg"])
    outside = [package for package in found.values() if package["source"] is not None]
    return sorted(outside, key=lambda package: (package["name"], package["version"]))


def chosen(package):
    """The licences that are taken, of an expression such as `MIT OR Apache-2.0`."""
    expression = package["license"]
    if not expression:
        sys.exit(
            f"third_party.py: the crate {package['name']} names no licence: look at it, and leave it out if in doubt"
        )
    result = []
    for part in re.split(r"\s+AND\s+", expression):
        offered = [name.strip(" ()") for name in re.split(r"\s+OR\s+|/", part)]
        known = [name for name in PREFERENCE if name in offered]
        if not known:
            sys.exit(
                f"third_party.py: {package['name']} is under '{expression}', a licence that was not reviewed yet: "
                "add it to PREFERENCE if it is acceptable"
            )
        result.append(known[0])
    return result


def files(package):
    folder = pathlib.Path(package["manifest_path"]).parent
    named = re.compile(r"(licen[cs]e|copying|notice)", re.IGNORECASE)
    return sorted(path for path in folder.iterdir() if path.is_file() and named.match(path.name))


def read(path):
    lines = path.read_text(encoding="utf-8").replace("\r\n", "\n").split("\n")
    return "\n".join(line.rstrip() for line in lines).strip("\n")


def texts(package, licences):
    """The texts that must go with a crate, beside the common copy of the Apache License."""
    found = files(package)
    result = [path for path in found if path.name.lower().startswith("notice")]
    others = [path for path in found if path not in result]
    several = re.search(r"OR|/", package["license"])
    for licence in licences:
        if licence == "Apache-2.0" and (several or not others):
            continue
        tag = licence.split("-")[0].lower()
        own = [path for path in others if tag in path.name.lower()] or [p for p in others if "-" not in p.name]
        if not own:
            sys.exit(f"third_party.py: the crate {package['name']} comes without the text of its licence {licence}")
        result += own
    return [read(path) for path in dict.fromkeys(result)]


def compose():
    data = metadata()
    library = linked(data, "sdp-dal")
    known = {package["id"] for package in library}
    program = [package for package in linked(data, "sdp-dal-cli") if package["id"] not in known]
    out = [HEAD]
    owners = {}
    for title, packages in [("In the library", library), ("In the program sdp-dal only", program)]:
        out.append(f"\n{title}\n{'-' * len(title)}\n")
        if packages is library:
            out.append("the Rust standard library: MIT OR Apache-2.0: Apache-2.0")
        for package in packages:
            licences = chosen(package)
            label = f"{package['name']} {package['version']}"
            offered, taken = package["license"].replace("/", " OR "), " AND ".join(licences)
            out.append(f"{label}: {offered}" + ("" if taken == offered else f": {taken}"))
            for text in texts(package, licences):
                owners.setdefault(text, []).append(label)
    apache = [package for package in library if package["name"] == APACHE_FROM]
    if not apache:
        sys.exit(f"third_party.py: {APACHE_FROM} is not linked any more: name another crate in APACHE_FROM")
    folder = pathlib.Path(apache[0]["manifest_path"]).parent
    rule = "=" * 100
    out.append(
        f"\n\n{rule}\nApache License, Version 2.0, for all that is under it\n{rule}\n\n{read(folder / 'LICENSE-APACHE')}"
    )
    for text, labels in owners.items():
        out.append(f"\n\n{rule}\n" + "\n".join(labels) + f"\n{rule}\n\n{text}")
    return "\n".join(out) + "\n"


def main():
    if sys.argv[1:] not in ([], ["--check"]):
        sys.exit(__doc__)
    text = compose()
    if not sys.argv[1:]:
        OUTPUT.write_text(text, encoding="utf-8")
    elif not OUTPUT.exists() or OUTPUT.read_text(encoding="utf-8") != text:
        sys.exit("third_party.py: THIRD-PARTY.txt is out of date: run scripts/third_party.py and commit it")


if __name__ == "__main__":
    main()
