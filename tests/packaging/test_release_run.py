"""scripts/release.sh from its beginning to its end, in a repository of its own, where what takes minutes is replaced."""

import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys

import pytest
from conftest import ROOT, run
from pod import wait_until
from test_release import SCRIPT, TABLE, replace

VERSION = re.search(r'^version = "(.+)"', (ROOT / "Cargo.toml").read_text(), re.MULTILINE)[1]
ABI = "tests/abi/libsdp_dal.abi"
# What builds, and makes empty files in no time. `slow`, a file, makes the packages take an hour.
STAND_INS = {
    "scripts/packages.sh": '#!/bin/sh\nmkdir "$1" && touch "$1/a.deb" "$1/a.rpm"\n[ ! -e slow ] || sleep 3600\n',
    "scripts/wheels.sh": f"#!/bin/sh\ntouch $2/ska_sdp_dal-{VERSION}-py3-none-any.whl $2/ska_sdp_dal-{VERSION}.tar.gz\n",
    "scripts/sbom.py": "import sys\nopen(sys.argv[2], 'w').write('a bill')\n",
    "packaging/validate_bill.py": "import sys\nsys.exit(open(sys.argv[1]).read() != 'a bill')\n",
    "packaging/tools.sh": f"#!/bin/sh\necho {pathlib.Path(sys.executable).parent}\n",
    "stand-ins/cargo": (
        '#!/bin/sh\nmkdir -p "$CARGO_TARGET_DIR/package" && cd "$CARGO_TARGET_DIR/package" &&\n'
        f"touch sdp-dal-{VERSION}.crate sdp-dal-cli-{VERSION}.crate\n"
    ),
}


class Repository:
    """A repository, and what the script says in it."""

    def __init__(self, folder, scratch):
        self.folder, self.scratch = folder, scratch
        self.environment = {
            **os.environ,
            "PATH": f"{folder / 'stand-ins'}:{os.environ['PATH']}",
            "CARGO_TARGET_DIR": str(scratch / "target"),
            "TMPDIR": str(scratch / "tmp"),
            "GIT_CONFIG_GLOBAL": "/dev/null",
        }
        (scratch / "tmp").mkdir(parents=True)

    def git(self, *words):
        return run("git", "-C", self.folder, *words, env=self.environment)

    def commit(self):
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", "A change")

    def release(self, *words, answer=""):
        command = [self.folder / SCRIPT, *words]
        done = subprocess.run(command, env=self.environment, input=answer, capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr

    def date(self):
        replace(self.folder / "CHANGELOG.md", r"^## ([\d.]+), .*", r"## \1, 2030-01-31")
        citation = self.folder / "CITATION.cff"
        citation.write_text(re.sub(r"^date-released: .*\n", "", citation.read_text(), flags=re.MULTILINE))
        replace(citation, r"^version: .*\n", r"\g<0>date-released: 2030-01-31\n")
        self.commit()


@pytest.fixture
def repository(tmp_path):
    folder = tmp_path / "repository"
    files = {SCRIPT, "Cargo.toml", "CHANGELOG.md", ".gitignore", ABI}
    files |= {"tests/abi/appended.suppr", *(file for file, _ in TABLE)}
    for file in files:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / file, folder / file)
    for file, text in STAND_INS.items():
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text(text)
        (folder / file).chmod(0o755)
    made = Repository(folder, tmp_path / "scratch")
    made.git("init", "--quiet")
    for name, value in {"user.name": "A", "user.email": "a@example.org", "gpg.format": "ssh"}.items():
        made.git("config", name, value)
    made.commit()
    return made


def test_a_dry_run_makes_everything_and_changes_nothing(repository):
    status, said = repository.release(VERSION, "--dry-run")
    assert status == 0, said
    assert "the ABI is compared with none" in said
    folder = repository.folder / "build/release" / VERSION
    names = {path.name for path in folder.iterdir()}
    assert names == {
        "SHA256SUMS",
        "a.deb",
        "a.rpm",
        f"sdp-dal-{VERSION}.cdx.json",
        f"sdp-dal-{VERSION}.crate",
        f"sdp-dal-{VERSION}.tar.gz",
        f"sdp-dal-cli-{VERSION}.crate",
        f"ska_sdp_dal-{VERSION}-py3-none-any.whl",
        f"ska_sdp_dal-{VERSION}.tar.gz",
    }
    assert run("sha256sum", "--check", "SHA256SUMS", cwd=folder).count(": OK\n") == len(names) - 1
    assert f"sdp-dal-{VERSION}/{ABI}\n" in run("tar", "tf", folder / f"sdp-dal-{VERSION}.tar.gz")
    order = ["git tag", "git push", "--package sdp-dal\n", "--package sdp-dal-cli\n", "twine upload"]
    places = [said.index(word) for word in order]
    assert places == sorted(places)
    assert repository.git("tag") == ""
    assert repository.git("status", "--porcelain") == ""
    assert list((repository.scratch / "tmp").iterdir()) == []


def test_a_changed_tree_is_refused(repository):
    (repository.folder / "new").touch()
    status, said = repository.release(VERSION, "--dry-run")
    assert status == 1
    assert "the tree differs from its commit" in said
    assert not (repository.folder / "build").exists()


def test_a_release_needs_a_date_and_the_version_typed(repository):
    key = repository.scratch / "key"
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key)
    repository.git("config", "user.signingkey", key)
    replace(repository.folder / "CHANGELOG.md", r"^## ([\d.]+), .*", r"## \1, unreleased")
    citation = repository.folder / "CITATION.cff"
    citation.write_text(re.sub(r"^date-released: .*\n", "", citation.read_text(), flags=re.MULTILINE))
    (repository.folder / "another").touch()
    repository.commit()
    status, said = repository.release(VERSION, answer=f"{VERSION}\n")
    assert status == 1
    assert f"CHANGELOG.md says 'unreleased': put the date behind {VERSION}" in said

    repository.date()
    for answer in ("", "y\n"):
        status, said = repository.release(VERSION, answer=answer)
        assert (status, repository.git("tag")) == (1, "")
        assert "nothing was tagged" in said
    status, said = repository.release(VERSION, answer=f"{VERSION}\n")
    assert status == 0, said
    assert "BEGIN SSH SIGNATURE" in repository.git("cat-file", "tag", f"v{VERSION}")

    status, said = repository.release(VERSION, "--dry-run")
    assert status == 1
    assert f"{VERSION} is not newer than the last tag, v{VERSION}" in said


def test_a_patch_version_keeps_the_abi(repository):
    major, minor, patch = VERSION.split(".")
    repository.git("tag", f"v{VERSION}")
    later = f"{major}.{minor}.{int(patch) + 1}"
    for file in {"Cargo.toml", "CHANGELOG.md", *(file for file, _ in TABLE), *STAND_INS}:
        path = repository.folder / file
        path.write_text(path.read_text().replace(VERSION, later))
    repository.commit()
    status, said = repository.release(later, "--dry-run")
    assert status == 0, said
    assert f"the ABI is that of v{VERSION}, or has more" in said

    dump = repository.folder / ABI
    replace(dump, r"^ *<elf-symbol name='sdp_dal_version' .*\n", "")
    repository.commit()
    status, said = repository.release(later, "--dry-run")
    assert status == 1
    assert "ABI failed" in said
    assert "sdp_dal_version" in said

    newer = f"{major}.{int(minor) + 1}.0" if major == "0" else f"{int(major) + 1}.0.0"
    for file in {"Cargo.toml", "CHANGELOG.md", *(file for file, _ in TABLE), *STAND_INS}:
        path = repository.folder / file
        path.write_text(path.read_text().replace(later, newer))
    repository.commit()
    status, said = repository.release(newer, "--dry-run")
    assert status == 0, said
    assert f"{newer} may differ from v{VERSION} in its ABI" in said


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_leaves_nothing(repository, number):
    (repository.folder / ".gitignore").write_text("slow\n")
    repository.commit()
    (repository.folder / "slow").touch()
    temporary = repository.scratch / "tmp"
    command = ["env", "--default-signal=INT", repository.folder / SCRIPT, VERSION, "--dry-run"]
    running = subprocess.Popen(command, env=repository.environment, start_new_session=True, stdout=subprocess.DEVNULL)
    wait_until(lambda: list(temporary.glob("*/packages/a.rpm")), "no package is made")
    # As a terminal does, to all of its processes.
    os.killpg(running.pid, number)
    assert running.wait(60) == 128 + number
    assert list(temporary.iterdir()) == []
    assert not (repository.folder / "build").exists()
