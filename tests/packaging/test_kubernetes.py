"""The manifests: Kubernetes would accept them, their sizes fit each other, and their commands do what they say."""

import concurrent.futures
import pathlib
import re
import subprocess
import tempfile

import kubernetes_validate
import pytest
import yaml
from conftest import ROOT, run
from pod import Pod, wait_until

FOLDER = ROOT / "packaging/kubernetes"
MANIFESTS = sorted(FOLDER.glob("*.yaml"))
UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30}
# A test has 60 MB, and payloads of 74 kB.
SMALL = {"--size": "16M", "--times": "2", "--antennas": "8", "--channels": "32", "--rate": "20"}


def manifests():
    return [document for path in MANIFESTS for document in yaml.safe_load_all(path.read_text())]


@pytest.fixture
def spec():
    return yaml.safe_load((FOLDER / "pod.yaml").read_text())["spec"]


def size(text):
    number, unit = re.fullmatch(r"(\d+)(\D*)", text).groups()
    return int(number) * UNITS[unit]


def option(command, name):
    return command[command.index(name) + 1]


def test_kubernetes_accepts_the_manifests():
    assert {document["kind"] for document in manifests()} == {"Pod", "Service", "StatefulSet"}
    for document in manifests():
        kubernetes_validate.validate(document, kubernetes_validate.latest_version(), strict=True)


@pytest.mark.parametrize("name", ["sizeLimit", "startupProbe", "runAsUser", "volumeMounts", "command"])
def test_a_misspelt_key_is_noticed(name):
    text = (FOLDER / "pod.yaml").read_text()
    assert name in text
    wrong = yaml.safe_load(text.replace(f"{name}:", f"{name}s:"))
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, kubernetes_validate.latest_version(), strict=True)


def test_the_stateful_set_is_of_the_same_pod(spec):
    [of_set] = [document for document in manifests() if document["kind"] == "StatefulSet"]
    template = dict(of_set["spec"]["template"]["spec"])
    assert set(template.pop("affinity")) == {"podAntiAffinity"}
    assert template == spec


def test_a_receiver_and_four_processors_share_a_volume_in_memory(spec):
    names = [container["name"] for container in spec["containers"]]
    assert names == ["receiver"] + [f"processor-{number}" for number in range(4)]
    [volume] = spec["volumes"]
    assert volume["emptyDir"]["medium"] == "Memory"
    for container in spec["initContainers"] + spec["containers"]:
        assert container["volumeMounts"] == [{"name": volume["name"], "mountPath": "/stores"}]
        assert "runAsUser" not in container["securityContext"], "one user for the pod, none for a container"
        assert set(container["resources"]["limits"]) == {"memory"}
        assert container["resources"]["requests"]["memory"] == container["resources"]["limits"]["memory"]
    assert spec["securityContext"]["runAsUser"] > 0
    # A probe that opened the store before `store` has would be its first client and its last.
    assert spec["initContainers"][0]["startupProbe"]["exec"]["command"] == ["test", "-e", "/stores/pipeline"]


def test_the_whole_store_fits_the_volume_and_the_limit(spec, debian, store):
    """The file is as long as the store can ever get. It is sparse: without --reserve it takes next to nothing."""
    [keeper] = spec["initContainers"]
    words = [word.replace("/stores/pipeline", str(store)) for word in keeper["command"] if word != "--reserve"]
    assert len(words) == len(keeper["command"]) - 1
    running = subprocess.Popen(words, env=debian.environment(), stdout=subprocess.PIPE, text=True)
    try:
        assert "Created the store" in running.stdout.readline()
        length = store.stat().st_size
    finally:
        running.terminate()
        running.communicate()
    limit = size(spec["volumes"][0]["emptyDir"]["sizeLimit"])
    assert size(option(words, "--size")) < length <= limit < size(keeper["resources"]["limits"]["memory"])
    # Payloads in flight, and those that the processors keep, with one more that is written.
    receiver = spec["containers"][0]["command"]
    times, antennas, channels = (int(option(receiver, f"--{name}")) for name in ("times", "antennas", "channels"))
    payload = times * antennas * (antennas + 1) // 2 * channels * 4 * 8
    assert (3 + 4 * 2 + 1) * payload < size(option(words, "--size"))


@pytest.fixture(scope="session")
def programs(debian, tmp_path_factory):
    """The folder of the receiver and the processor, which the image has beside sdp-dal."""
    folder = tmp_path_factory.mktemp("programs")
    compiler = ["c++", "-std=c++17", "-O0", "-pthread"]
    with concurrent.futures.ThreadPoolExecutor() as pool:
        jobs = [
            pool.submit(debian.compile, compiler, ROOT / f"cpp_examples/{name}.cpp", folder / name)
            for name in ("receiver", "payload_processor")
        ]
        for job in jobs:
            job.result()
    return folder


@pytest.fixture
def pod(debian, programs, spec, tmp_path):
    volume = pathlib.Path(tempfile.mkdtemp(prefix="sdp-dal-pod-", dir="/dev/shm"))
    environment = debian.environment()
    environment["PATH"] = f"{programs}:{environment['PATH']}"
    pod = Pod(spec, "/stores", volume, environment, tmp_path, SMALL)
    yield pod
    pod.clean_up()


def test_the_pod_works(pod):
    pod.start()
    wait_until(pod.ready, "the pod is not ready", *pod.containers)
    processors = [container for container in pod.containers if container.name.startswith("processor")]
    for container in processors:
        container.says("payload 3,")

    # One crashes and is restarted: the pod is ready again, and the others went on.
    pod.named("processor-1").kill()
    pod.named("receiver").says("going on")
    assert not pod.ready()
    pod.restart("processor-1").says("waiting for calls")
    wait_until(pod.ready, "the pod is not ready again", *pod.containers)
    seen = pod.named("processor-2").log.read_text().count("payload ")
    wait_until(
        lambda: pod.named("processor-2").log.read_text().count("payload ") > seen + 3,
        "no payload comes",
        *pod.containers,
    )
    run("sdp-dal", "check", pod.volume / "pipeline", env=pod.environment)

    # The receiver had something left to do; it tells so as shells do.
    ended = dict.fromkeys([container.name for container in processors], 0)
    assert pod.end() == {**ended, "receiver": 143, "store": 0}
    assert "the store is removed" in pod.sidecars[0].log.read_text()
    assert not (pod.volume / "pipeline").exists()
