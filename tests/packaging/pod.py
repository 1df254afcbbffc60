"""Runs the containers of a pod as processes of this machine, in the order in which Kubernetes does."""

import os
import signal
import subprocess
import time

# A process that hangs is a failure after so long; nothing is measured.
WATCHDOG = 60


class Container:
    """A container's process, and what it has printed."""

    def __init__(self, spec, command, environment, folder):
        self.name = spec["name"]
        self.command = command
        self.environment = environment
        self.log = folder / f"{self.name}.log"
        with open(self.log, "w") as log:
            # In a session of its own, as a container is.
            self.process = subprocess.Popen(
                command, env=environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )

    def says(self, text):
        wait_until(lambda: text in self.log.read_text(), f"{self.name} has not said '{text}'", self)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def terminate(self):
        self.process.send_signal(signal.SIGTERM)


def wait_until(condition, otherwise, *containers):
    """Waits for a condition. A container that ends meanwhile is a failure."""
    end = time.monotonic() + WATCHDOG
    while not condition():
        for container in containers:
            if container.process.poll() is not None:
                raise AssertionError(f"{otherwise}; it has ended:\n{container.log.read_text()}")
        if time.monotonic() > end:
            logs = "\n".join(container.log.read_text() for container in containers)
            raise AssertionError(f"{otherwise} within {WATCHDOG} s:\n{logs}")
        time.sleep(0.05)


class Pod:
    """Starts what a pod's specification names. `replaced` gives options other values: a test has less memory than a node.

    The volume, mounted at `mount` in the containers, is the folder `volume` here.
    """

    def __init__(self, spec, mount, volume, environment, folder, replaced):
        self.spec, self.mount, self.volume = spec, mount, volume
        self.environment, self.folder, self.replaced = environment, folder, replaced
        self.sidecars, self.containers = [], []

    def command(self, words):
        words = [word.replace(self.mount, str(self.volume)) for word in words]
        for place, word in enumerate(words[:-1]):
            if word in self.replaced:
                words[place + 1] = self.replaced[word]
        return words

    def probe(self, probe):
        """Whether a probe succeeds now."""
        done = subprocess.run(self.command(probe["exec"]["command"]), env=self.environment, capture_output=True)
        return done.returncode == 0

    def launch(self, spec):
        return Container(spec, self.command(spec["command"]), self.environment, self.folder)

    def start(self):
        for spec in self.spec["initContainers"]:
            sidecar = self.launch(spec)
            self.sidecars.append(sidecar)
            wait_until(lambda probe=spec["startupProbe"]: self.probe(probe), f"{sidecar.name} has not started", sidecar)
        for spec in self.spec["containers"]:
            self.containers.append(self.launch(spec))

    def ready(self):
        return all(self.probe(spec["readinessProbe"]) for spec in self.spec["containers"] if "readinessProbe" in spec)

    def restart(self, name):
        """What Kubernetes does when a container has ended."""
        [place] = [place for place, container in enumerate(self.containers) if container.name == name]
        self.containers[place] = self.launch(self.spec["containers"][place])
        return self.containers[place]

    def named(self, name):
        return next(container for container in self.containers if container.name == name)

    def end(self):
        """SIGTERM to the containers at once, then to the sidecars. Gives each one's exit status by name."""
        statuses = {}
        for group in (self.containers, self.sidecars[::-1]):
            for container in group:
                container.terminate()
            for container in group:
                statuses[container.name] = container.process.wait(WATCHDOG)
        return statuses

    def clean_up(self):
        for container in self.containers + self.sidecars:
            if container.process.poll() is None:
                container.kill()
        for file in os.listdir(self.volume):
            os.unlink(self.volume / file)
        os.rmdir(self.volume)
