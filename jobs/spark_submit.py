"""Curation on Spark: the command for spark-submit, and running it.

On a standalone cluster and on YARN the driver runs here, in client mode. Executors are sent two archives, which
Spark unpacks into their working directory: ``hanji-code`` with this installation's own wheel, first on their import
path, and ``job`` with the recipe and its models. On Kubernetes the driver is a pod as well; the code is the
image's, which the driver checks by its hash, and the recipe travels as an argument. Third-party libraries must be
where the executors' Python finds them.

Nothing goes through a shell. ``--render`` prints the command as a shell would have to be given it.
"""

from __future__ import annotations

import base64
import os
import re
import shlex
import shutil
import subprocess
import sys
import zlib
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import yaml

from hanji.cluster import ClusterSettings
from hanji.errors import RecipeError, RunError
from hanji.jobs.kubernetes import object_name
from hanji.jobs.package import Package
from hanji.jobs.shell import need

WHY = "a job for Spark is submitted with it (it comes with pyspark: pip install 'hanji[spark]')"
IMAGE_ENTRY = "local:///opt/hanji/remote.py"
"""Where the image has the program that starts a driver (Dockerfile)."""
MOST_ARGUMENT = 120_000
"""Characters of one argument: Linux takes 128 KiB."""
JVM_MEBIBYTES = 1024
"""Heap of an executor's JVM, which only hands rows to Python and back."""
ENTRY = "import sys\n\nfrom hanji.jobs.remote import main\n\nsys.exit(main())\n"


@dataclass(frozen=True)
class SparkJob:
    """A packed job, its name, and the master that takes it (None: spark-submit's own configuration)."""

    package: Package
    name: str
    master: str | None

    @property
    def on_kubernetes(self) -> bool:
        return self.master is not None and self.master.startswith("k8s://")

    @property
    def settings(self) -> ClusterSettings:
        return self.package.cluster


def check_master(master: str | None) -> None:
    """Raise RecipeError for what is no master URL of Spark."""
    forms = r"local(-cluster)?(\[[0-9*, ]+\])?|spark://\S+|yarn|k8s://\S+"
    if master is not None and not re.fullmatch(forms, master):
        raise RecipeError(
            f"--master: {master!r} is not allowed: spark://HOST:PORT, yarn, k8s://https://HOST:PORT or local[CORES]"
        )


def command(job: SparkJob) -> list[str]:
    """spark-submit and its arguments. Run it in the package's directory. Raises RecipeError without an image."""
    settings = job.settings
    given = ["spark-submit", "--name", job.name]
    if job.master:
        given += ["--master", job.master]
    given += ["--deploy-mode", "cluster" if job.on_kubernetes else "client"]
    if not job.on_kubernetes:
        given += ["--archives", "hanji-code.zip#hanji-code,job.zip#job"]
    conf = {**_sizes(job), **_environment(job), **(_kubernetes(job) if job.on_kubernetes else {})}
    conf["spark.pyspark.python"] = settings.python
    if not job.on_kubernetes:
        conf["spark.pyspark.driver.python"] = sys.executable
    for name, value in conf.items():
        given += ["--conf", f"{name}={value}"]
    if job.on_kubernetes:
        return [*given, IMAGE_ENTRY, "--facts", packed_facts(job.package.directory / "job" / "job.json")]
    return [*given, "remote.py", "job/job.json"]


def _sizes(job: SparkJob) -> dict[str, str]:
    """How many executors of which size: one a node."""
    settings, conf = job.settings, {}
    standalone = job.master is not None and job.master.startswith(("spark://", "local-cluster"))
    if settings.cpus_per_node:
        conf["spark.executor.cores"] = str(settings.cpus_per_node)
        if standalone:
            conf["spark.cores.max"] = str(settings.nodes * settings.cpus_per_node)
    if not standalone:
        conf["spark.executor.instances"] = str(settings.nodes)
    if settings.memory_per_node:
        number, unit = int(settings.memory_per_node[:-1]), settings.memory_per_node[-1]
        mebibytes = number * {"M": 1, "G": 1024, "T": 1024 * 1024}[unit]
        if mebibytes < 2 * JVM_MEBIBYTES:
            raise RecipeError(
                f"cluster.memory_per_node: {settings.memory_per_node} is too little for an executor of Spark: its "
                f"JVM takes {JVM_MEBIBYTES} MiB, Python the rest; at least {2 * JVM_MEBIBYTES}M"
            )
        conf["spark.executor.memory"] = f"{JVM_MEBIBYTES}m"
        # Python's memory. (spark.executor.pyspark.memory would limit address space, which maps of files take up.)
        conf["spark.executor.memoryOverhead"] = f"{mebibytes - JVM_MEBIBYTES}m"
    return conf


def _environment(job: SparkJob) -> dict[str, str]:
    variables = {**job.settings.environment, "PYTHONUNBUFFERED": "1", "TOKENIZERS_PARALLELISM": "false"}
    if job.on_kubernetes:
        # In a value Kubernetes replaces $(NAME); $$ stands for a dollar.
        variables = {name: value.replace("$", "$$") for name, value in variables.items()}
        driver = {f"spark.kubernetes.driverEnv.{name}": value for name, value in variables.items()}
    else:
        # With local[…] nothing is unpacked: the working directory is the package itself.
        variables["PYTHONPATH"] = "hanji-code:."
        driver = {}
    return {**{f"spark.executorEnv.{name}": value for name, value in variables.items()}, **driver}


def _kubernetes(job: SparkJob) -> dict[str, str]:
    settings = job.settings
    if settings.image is None:
        raise RecipeError(
            "cluster.image: Kubernetes needs the image of a container with this project and Spark in it"
        )
    name = object_name(job.name)
    conf = {
        "spark.kubernetes.container.image": settings.image,
        # A second submission of the same finds the name taken.
        "spark.kubernetes.driver.pod.name": name,
        "spark.kubernetes.driver.podTemplateFile": "pod.yaml",
        "spark.kubernetes.executor.podTemplateFile": "pod.yaml",
        "spark.kubernetes.submission.waitAppCompletion": "false",
    }
    if settings.namespace:
        conf["spark.kubernetes.namespace"] = settings.namespace
    if settings.service_account:
        conf["spark.kubernetes.authenticate.driver.serviceAccountName"] = settings.service_account
    for role in ("driver", "executor"):
        for claim, path in settings.claims.items():
            volume = f"spark.kubernetes.{role}.volumes.persistentVolumeClaim.{claim}"
            conf[f"{volume}.options.claimName"] = claim
            conf[f"{volume}.mount.path"] = path
    return conf


def pod_template(settings: ClusterSettings) -> str:
    """What the settings of Spark cannot say of its pods: labels, secrets, nodes, time to end."""
    container: dict[str, object] = {"name": "hanji"}
    if settings.secrets:
        container["envFrom"] = [{"secretRef": {"name": name}} for name in settings.secrets]
    spec: dict[str, object] = {
        "terminationGracePeriodSeconds": settings.stop_seconds,
        "containers": [container],
    }
    if settings.node_selector:
        spec["nodeSelector"] = dict(settings.node_selector)
    labels = {"app.kubernetes.io/managed-by": "hanji"}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"labels": labels}, "spec": spec}
    return yaml.safe_dump(pod, allow_unicode=True, sort_keys=False)


def packed_facts(path: Path) -> str:
    """job.json as an argument of a program. Raises RecipeError where it is too long for one."""
    text = base64.b64encode(zlib.compress(path.read_bytes(), 9)).decode()
    if len(text) > MOST_ARGUMENT:
        raise RecipeError(
            f"the recipe comes to {len(text):,} characters when packed; Kubernetes hands it to the driver as an "
            f"argument, of at most {MOST_ARGUMENT:,}. Put lists and presets into files that the pods see"
        )
    return text


def unpacked_facts(text: str) -> bytes:
    """What :func:`packed_facts` packed."""
    return zlib.decompress(base64.b64decode(text))


def submit(job: SparkJob) -> None:
    """Run spark-submit; in client mode that is the whole run. Raises RunError with its exit code if it fails."""
    program, home = _program()
    directory = job.package.directory
    # Everything that is wrong with the settings is told before anything is packed.
    arguments = command(job)[1:]
    if job.on_kubernetes:
        (directory / "pod.yaml").write_text(pod_template(job.settings), encoding="utf-8")
    else:
        (directory / "remote.py").write_text(ENTRY, encoding="utf-8")
        # A wheel is an archive of what is imported.
        (wheel,) = (directory / "job").glob("hanji-*.whl")
        wheel.rename(directory / "hanji-code.zip")
        shutil.make_archive(str(directory / "job"), "zip", directory / "job")
    # Ours and what the recipe says reach the driver; PYTHONPATH is the package alone.
    variables = {} if job.on_kubernetes else job.settings.environment
    environment = {**os.environ, **home, **variables, "PYTHONPATH": str(directory), "PYTHONUNBUFFERED": "1"}
    for name in ("PYSPARK_PYTHON", "PYSPARK_DRIVER_PYTHON"):
        # They would win over what the command says.
        environment.pop(name, None)
    done = subprocess.run([program, *arguments], cwd=directory, env=environment, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise RunError(f"{job.name}: spark-submit ended with code {done.returncode}")


def _program() -> tuple[str, dict[str, str]]:
    """(spark-submit, variables that it needs): that on the PATH, else the one of pyspark here."""
    found = find_spec("pyspark")
    if shutil.which("spark-submit") is None and found is not None and found.origin is not None:
        home = Path(found.origin).parent
        return str(home / "bin" / "spark-submit"), {"SPARK_HOME": str(home)}
    return need("spark-submit", WHY), {}


def render(job: SparkJob) -> str:
    """The command as text for a person, with the pods' template where there is one."""
    lines = shlex.join(command(job)).replace(" --conf ", " \\\n  --conf ")
    if job.on_kubernetes:
        return f"{lines}\n---\n# pod.yaml\n{pod_template(job.settings)}"
    return lines + "\n"
