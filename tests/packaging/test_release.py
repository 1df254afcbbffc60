"""Releases: what scripts/release.sh --check wants, and the bill of materials."""

import json
import os
import re
import shutil
import sys

import pytest
import yaml
from conftest import ROOT, run

SCRIPT = "scripts/release.sh"


def table(name):
    """The lines of one of the script's tables: a file, and the pattern of what it says."""
    text = re.search(rf"^{name}='\n(.+?)^'", (ROOT / SCRIPT).read_text(), re.MULTILINE | re.DOTALL)[1]
    return [tuple(line.split(" ", 1)) for line in text.splitlines()]


TABLE = table("VERSIONS") + table("REPOSITORIES")


@pytest.fixture
def copy(tmp_path):
    """Only what the check reads: the script is where it belongs, beside copies that a test may change."""
    for file in {SCRIPT, "Cargo.toml", "CHANGELOG.md", *(file for file, _ in TABLE)}:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / file, tmp_path / file)
    return tmp_path


def check(folder, *more):
    return run(folder / SCRIPT, "--check", *more)


def refused(folder, *more):
    with pytest.raises(AssertionError) as failure:
        check(folder, *more)
    return str(failure.value)


def replace(path, pattern, by):
    text, count = re.subn(pattern, by, path.read_text(), count=1, flags=re.MULTILINE)
    assert count == 1, f"{path} has no '{pattern}'"
    path.write_text(text)


def test_all_files_agree():
    version = re.search(r'^version = "(.+)"', (ROOT / "Cargo.toml").read_text(), re.MULTILINE)[1]
    assert f"version {version}, " in check(ROOT)


@pytest.mark.parametrize(("file", "pattern"), TABLE)
def test_a_file_that_says_something_else_is_noticed(copy, file, pattern):
    text = (copy / file).read_text()
    found = re.search(pattern, text, re.MULTILINE)
    assert found, f"{file} does not say what '{pattern}' looks for"
    (copy / file).write_text(text[: found.start(1)] + "9.9.9" + text[found.end(1) :])
    assert f"{file} says" in refused(copy)


def test_another_version_is_refused(copy):
    assert "and you '9.9.9'" in refused(copy, "9.9.9")


def test_the_dates_must_agree(copy):
    replace(copy / "CHANGELOG.md", r"^## ([\d.]+), .*", r"## \1, 2030-01-31")
    replace(copy / "CITATION.cff", r"^version: .*\n", r"\g<0>date-released: 2030-02-01\n")
    assert "CITATION.cff has the date '2030-02-01'" in refused(copy)
    replace(copy / "CITATION.cff", "2030-02-01", "2030-01-31")
    assert "2030-01-31" in check(copy)
    replace(copy / "CHANGELOG.md", "2030-01-31", "unreleased")
    assert "CHANGELOG.md says 'unreleased'" in refused(copy)
    replace(copy / "CHANGELOG.md", "unreleased", "soon")
    assert "with a date as 2030-01-31" in refused(copy)


def test_the_citation_has_what_its_format_requires():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert {"cff-version", "message", "title", "authors"} <= set(citation)
    manifest = (ROOT / "Cargo.toml").read_text()
    assert f'authors = ["{citation["authors"][0]["name"]}"]' in manifest
    assert f'license = "{citation["license"]}"' in manifest


def test_the_bill_of_materials_is_valid_and_complete(tmp_path):
    bill, again, wrong = (tmp_path / f"{name}.json" for name in ("bill", "again", "wrong"))
    environment = {**os.environ, "SOURCE_DATE_EPOCH": "1900000000"}
    for output in (bill, again):
        run(sys.executable, "-B", ROOT / "scripts/sbom.py", "--output", output, env=environment)
    assert bill.read_bytes() == again.read_bytes()
    run(sys.executable, ROOT / "packaging/validate_bill.py", bill)

    content = json.loads(bill.read_text())
    listed = {f"{component['name']} {component['version']}" for component in content["components"]}
    lists = (ROOT / "THIRD-PARTY.txt").read_text().split("=" * 100)[0]
    third_party = set(re.findall(r"^([\w-]+ \d\S*): ", lists, re.MULTILINE))
    assert len(third_party) > 50
    assert {name for name in listed if not name.startswith("sdp-dal")} == third_party

    content["components"][0]["licence"] = "misspelt"
    wrong.write_text(json.dumps(content))
    with pytest.raises(AssertionError, match=r"validate_bill\.py: "):
        run(sys.executable, ROOT / "packaging/validate_bill.py", wrong)
