#!/usr/bin/env python3
"""Writes the bill of materials of the library and of `sdp-dal`, in CycloneDX 1.6.

    scripts/sbom.py --output FILE

It lists the crates that are linked into the library and into the program, with versions, licences, checksums and what each
depends on. It reads `cargo metadata` and Cargo.lock. The same commit gives the same file: its date is that of the commit, or
SOURCE_DATE_EPOCH.
"""

import argparse
import datetime
import json
import os
import pathlib
import re
import subprocess
import uuid

from third_party import ROOT, linked, metadata

# What is released, beside the crates that are linked into it.
LIBRARY, PROGRAM = "sdp-dal", "sdp-dal-cli"


def checksums():
    """From name and version to the checksum of the crate, as Cargo.lock has it."""
    lock = (ROOT / "Cargo.lock").read_text(encoding="utf-8")
    pattern = r'name = "(.+)"\nversion = "(.+)"\nsource = ".+"\nchecksum = "(.+)"'
    return {(name, version): checksum for name, version, checksum in re.findall(pattern, lock)}


def reference(package):
    return f"pkg:cargo/{package['name']}@{package['version']}"


def described(package, known):
    """A package of cargo's as a component."""
    component = {
        "type": "library",
        "bom-ref": reference(package),
        "name": package["name"],
        "version": package["version"],
        "purl": reference(package),
        # Old crates write "MIT/Apache-2.0", which is no SPDX expression.
        "licenses": [{"expression": package["license"].replace("/", " OR ")}],
    }
    if package["description"]:
        component["description"] = " ".join(package["description"].split())
    if package["repository"]:
        component["externalReferences"] = [{"type": "vcs", "url": package["repository"]}]
    if checksum := known.get((package["name"], package["version"])):
        component["hashes"] = [{"alg": "SHA-256", "content": checksum}]
    return component


def depends(data, packages):
    """What each of these packages is linked with."""
    chosen = {package["id"]: package for package in packages}
    graph = []
    for node in data["resolve"]["nodes"]:
        if node["id"] not in chosen:
            continue
        kinds = {dep["pkg"] for dep in node["deps"] if any(kind["kind"] is None for kind in dep["dep_kinds"])}
        on = sorted(reference(chosen[key]) for key in kinds if key in chosen)
        graph.append({"ref": reference(chosen[node["id"]]), "dependsOn": on})
    return sorted(graph, key=lambda entry: entry["ref"])


def date():
    seconds = os.environ.get("SOURCE_DATE_EPOCH")
    if seconds is None:
        command = ["git", "-C", str(ROOT), "log", "-1", "--format=%ct"]
        seconds = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return datetime.datetime.fromtimestamp(int(seconds), datetime.timezone.utc).isoformat()


def bill():
    data, known = metadata(), checksums()
    own = {package["name"]: package for package in data["packages"] if package["source"] is None}
    crates = {package["id"]: package for name in (LIBRARY, PROGRAM) for package in linked(data, name)}
    ordered = sorted(crates.values(), key=lambda package: (package["name"], package["version"]))
    main = {**described(own[LIBRARY], known), "name": "SDP Data Access Library"}
    program = {**described(own[PROGRAM], known), "type": "application"}
    content = {
        "metadata": {"timestamp": date(), "component": main},
        "components": [program] + [described(package, known) for package in ordered],
        "dependencies": depends(data, [own[LIBRARY], own[PROGRAM], *ordered]),
    }
    name = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(content, sort_keys=True))
    head = {"bomFormat": "CycloneDX", "specVersion": "1.6", "serialNumber": f"urn:uuid:{name}", "version": 1}
    return {"$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json", **head, **content}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=pathlib.Path, required=True, help="where the bill of materials is written")
    output = parser.parse_args().output
    output.write_text(json.dumps(bill(), indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
