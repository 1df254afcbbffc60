"""CONTRIBUTING.md, SECURITY.md and the list of packages name what exists."""

import re

import pytest
from conftest import ROOT

DOCUMENTS = ["CONTRIBUTING.md", "SECURITY.md", "packaging/README.md", ".gitlab/issue_templates/Bug.md"]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_files_that_a_document_names_exist(name):
    text = (ROOT / name).read_text()
    folder = (ROOT / name).parent
    paths = re.findall(r"(?<![\w/.-])((?:[\w-]+/)+[\w./-]+|[A-Z]\w+\.(?:md|toml|txt|lock|cff))", text)
    paths = [path for path in paths if not path.startswith(("target/", "dev/"))]
    missing = [path for path in paths if not (ROOT / path).exists() and not (folder / path).exists()]
    assert not missing
    assert len(paths) > 2 or name.endswith("Bug.md")


def test_contributing_lists_the_steps():
    steps = re.search(r"^steps=\((.+)\)", (ROOT / "scripts/test.sh").read_text(), re.MULTILINE)[1].split()
    rows = re.findall(r"^\| `(\w+)` \| \d+ \|", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE)
    assert rows == steps


def test_the_template_asks_for_what_diagnosis_takes():
    text = (ROOT / ".gitlab/issue_templates/Bug.md").read_text()
    for wanted in ("sdp-dal check", "sdp-dal stat", "sdp-dal --version", "uname", "tmpfs"):
        assert wanted in text
    assert len(text.splitlines()) == 5
