"""Curation submitted to Spark: the command, what Kubernetes is told, and whole runs by a real spark-submit."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from curation_corpus import corpus_rows, make_recipe, shard_hashes, write_rows
from ray_head import Hanji

from hanji.curation.engines import spark_start
from hanji.curation.pipeline import curate
from hanji.errors import InputError, RecipeError
from hanji.jobs import doctor, spark_submit
from hanji.jobs.package import make_package

ROOT = Path(__file__).resolve().parents[2]
NASTY = "a b'c $(touch pwned) `touch pwned` ;touch pwned; é"
needs_spark = pytest.mark.skipif(spark_start.why_not() is not None, reason=f"Spark: {spark_start.why_not()}")


def write_recipe(home: Path, **cluster: Any) -> Path:
    """A recipe file over the small corpus, which it writes below ``home``."""
    rows = corpus_rows()
    paths = [write_rows(home / "input" / f"{place}.jsonl", rows[place::3]) for place in range(3)]
    data = make_recipe(home / "run", paths).model_dump(mode="json", exclude_defaults=True)
    data.pop("engine", None)
    data["cluster"] = cluster
    (home / "recipe.yaml").write_text(yaml.safe_dump(data), encoding="utf-8")
    return home / "recipe.yaml"


def confs(command: list[str]) -> dict[str, str]:
    """The settings among the arguments of spark-submit."""
    places = [place for place, word in enumerate(command) if word == "--conf"]
    return dict(command[place + 1].split("=", 1) for place in places)


def packed(home: Path, master: str | None, **cluster: Any) -> spark_submit.SparkJob:
    recipe = write_recipe(home, **cluster)
    package = make_package(recipe, [], home / "job", shared=[str(home)], code="image", engine="spark")
    return spark_submit.SparkJob(package, "hanji-test", master)


def test_a_standalone_cluster_is_sent_the_code_and_asked_for_its_cores(tmp_path: Path) -> None:
    job = packed(
        *(tmp_path, "spark://head:7077"),
        nodes=3,
        cpus_per_node=8,
        memory_per_node="64G",
        environment={"WORDS": NASTY},
    )
    command = spark_submit.command(job)
    assert command[:7] == [
        *("spark-submit", "--name", "hanji-test", "--master", "spark://head:7077"),
        *("--deploy-mode", "client"),
    ]
    assert command[-2:] == ["remote.py", "job/job.json"]
    assert command[command.index("--archives") + 1] == "hanji-code.zip#hanji-code,job.zip#job"
    conf = confs(command)
    assert (conf["spark.executor.cores"], conf["spark.cores.max"]) == ("8", "24")
    assert conf["spark.executor.memory"] == "1024m"
    assert conf["spark.executor.memoryOverhead"] == f"{63 * 1024}m"
    assert conf["spark.executorEnv.WORDS"] == NASTY
    assert conf["spark.executorEnv.PYTHONPATH"].split(":")[0] == "hanji-code"
    assert "spark.executor.instances" not in conf
    facts = json.loads((job.package.directory / "job/job.json").read_text())
    assert facts["recipe"]["engine"]["name"] == "spark" and facts["recipe"]["engine"]["address"] is None
    assert "ray" not in facts["libraries"] and "numpy" in facts["libraries"]


def test_yarn_is_asked_for_executors(tmp_path: Path) -> None:
    conf = confs(spark_submit.command(packed(tmp_path, "yarn", nodes=5)))
    assert conf["spark.executor.instances"] == "5" and "spark.cores.max" not in conf
    with pytest.raises(RecipeError, match=r"memory_per_node: 1G is too little"):
        spark_submit.command(packed(tmp_path / "small", "yarn", memory_per_node="1G"))


def test_kubernetes_gets_volumes_secrets_and_the_recipe(tmp_path: Path) -> None:
    job = packed(
        *(tmp_path, "k8s://https://head:6443"),
        nodes=4,
        cpus_per_node=8,
        image="registry/hanji:1",
        namespace="lm",
        service_account="spark",
        claims={"work": str(tmp_path)},
        secrets=["store"],
        node_selector={"disk": "fast"},
        environment={"WORDS": "$(HOME)"},
    )
    command = spark_submit.command(job)
    assert command[command.index("--deploy-mode") + 1] == "cluster" and "--archives" not in command
    conf = confs(command)
    assert conf["spark.kubernetes.container.image"] == "registry/hanji:1"
    assert conf["spark.kubernetes.namespace"] == "lm"
    assert conf["spark.kubernetes.authenticate.driver.serviceAccountName"] == "spark"
    for role in ("driver", "executor"):
        volume = f"spark.kubernetes.{role}.volumes.persistentVolumeClaim.work"
        assert conf[f"{volume}.options.claimName"] == "work"
        assert conf[f"{volume}.mount.path"] == str(tmp_path)
    # In a value Kubernetes would replace $(NAME).
    assert conf["spark.executorEnv.WORDS"] == conf["spark.kubernetes.driverEnv.WORDS"] == "$$(HOME)"
    assert not any(name.endswith("PYTHONPATH") for name in conf)
    assert command[-3:-1] == [spark_submit.IMAGE_ENTRY, "--facts"]
    assert spark_submit.unpacked_facts(command[-1]) == (job.package.directory / "job/job.json").read_bytes()
    pod = yaml.safe_load(spark_submit.pod_template(job.settings))
    assert pod["spec"]["containers"][0]["envFrom"] == [{"secretRef": {"name": "store"}}]
    assert pod["spec"]["nodeSelector"] == {"disk": "fast"}
    with pytest.raises(RecipeError, match=r"cluster\.image"):
        spark_submit.command(packed(tmp_path / "bare", "k8s://https://head:6443"))


def test_what_is_too_long_for_an_argument_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "job.json"
    path.write_bytes(os.urandom(100_000))
    with pytest.raises(RecipeError, match=r"the recipe comes to 133,\d+ characters when packed"):
        spark_submit.packed_facts(path)


def test_the_rendered_command_is_safe_in_a_shell(hanji: Hanji, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, environment={"WORDS": NASTY})
    submit = ("submit", recipe, "--on", "spark", "--shared", tmp_path)
    shown = hanji(*submit, "--master", "spark://head:7077", "--render", cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    assert f"spark.executorEnv.WORDS={NASTY}" in shlex.split(shown.stdout.replace("\\\n", ""))
    wrong = hanji(*submit, "--master", "http://head:8080")
    assert wrong.returncode == 2 and "--master: 'http://head:8080' is not allowed" in wrong.stderr
    assert not list(tmp_path.rglob("pwned"))


def test_a_machine_without_spark_submit_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = packed(tmp_path, "yarn")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(spark_submit, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="spark-submit is not on this machine's PATH"):
        spark_submit.submit(job)


def test_doctor_tells_of_java(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pyspark", reason="doctor looks for Java where pyspark is installed")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    (java,) = doctor._java()
    assert java.state == "absent" and "Java 17" in java.remedy


def finished_like_a_local_run(home: Path, submitted: subprocess.CompletedProcess[str]) -> None:
    """The job ended well, and its shards are those of one process."""
    assert submitted.returncode == 0, submitted.stdout[-5000:] + submitted.stderr[-5000:]
    assert "all with the code and the versions of this job" in submitted.stdout
    assert f"{len(corpus_rows())} records" in submitted.stdout
    curate(make_recipe(home / "local", sorted((home / "input").glob("*.jsonl"))))
    assert shard_hashes(home / "run") == shard_hashes(home / "local")


@pytest.mark.slow
@pytest.mark.spark
@needs_spark
@pytest.mark.timeout(900)
def test_spark_submit_runs_a_recipe_on_a_cluster_of_two_workers(hanji: Hanji, tmp_path: Path) -> None:
    """Executors import the code that was sent: they run in directories of their own, without the checkout."""
    from spark_cluster import spark_cluster

    home = tmp_path / "it's 한 home"
    recipe = write_recipe(home, nodes=2, cpus_per_node=1, python=sys.executable)
    (tmp_path / "cluster").mkdir()
    with spark_cluster(tmp_path / "cluster") as master:
        submit = ("submit", recipe, "--on", "spark", "--master", master, "--shared", home)
        finished_like_a_local_run(home, hanji(*submit, timeout=800, SPARK_LOCAL_IP="127.0.0.1"))
        unpacked = list((tmp_path / "cluster").glob("work-*/*/*/hanji-code/hanji/__init__.py"))
        assert len(unpacked) == 2
        shutil.rmtree(home / "input")
        failed = hanji(*submit, timeout=300, SPARK_LOCAL_IP="127.0.0.1")
        assert failed.returncode == 1
        assert f"does not see {home}/input" in failed.stdout + failed.stderr


@pytest.mark.slow
@pytest.mark.spark
@needs_spark
@pytest.mark.timeout(600)
def test_the_image_starts_a_driver_as_kubernetes_asks_for_it(tmp_path: Path) -> None:
    """With a master of this machine in the place of Kubernetes'; all else is what a driver's pod runs."""
    job = packed(tmp_path, "k8s://https://head:6443", image="i")
    (tmp_path / "remote.py").write_text(spark_submit.ENTRY)
    (tmp_path / "spark.properties").write_text("spark.master=local[2]\nspark.ui.enabled=false\n")
    facts = spark_submit.packed_facts(job.package.directory / "job" / "job.json")
    done = subprocess.run(
        [
            *("bash", str(ROOT / "jobs/image/entrypoint.sh"), "driver"),
            *("--properties-file", str(tmp_path / "spark.properties")),
            *(str(tmp_path / "remote.py"), "--facts", facts),
        ],
        env={
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "SPARK_DRIVER_BIND_ADDRESS": "127.0.0.1",
            "PYTHONPATH": str(ROOT),
            "NO_COLOR": "1",
            "COLUMNS": "200",
        },
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    finished_like_a_local_run(tmp_path, done)


def test_the_image_starts_an_executor_with_what_spark_says(tmp_path: Path) -> None:
    (tmp_path / "java").write_text('#!/bin/bash\nprintf "%s\\n" "$@"\n')
    (tmp_path / "java").chmod(0o755)
    variables = {
        "SPARK_HOME": "/spark",
        "SPARK_JAVA_OPT_0": "-Da=one two",
        "SPARK_JAVA_OPT_1": "-Db=3",
        "SPARK_EXECUTOR_MEMORY": "1024m",
        "SPARK_DRIVER_URL": "spark://driver:7078",
        "SPARK_EXECUTOR_ID": "7",
        "SPARK_EXECUTOR_CORES": "8",
        "SPARK_APPLICATION_ID": "app",
        "SPARK_EXECUTOR_POD_IP": "10.1.2.3",
        "SPARK_RESOURCE_PROFILE_ID": "0",
        "SPARK_EXECUTOR_POD_NAME": "pod-7",
    }
    script = ["bash", str(ROOT / "jobs/image/entrypoint.sh")]
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [*script, "executor"], env={"PATH": path, **variables}, capture_output=True, text=True, check=True
    )
    said = done.stdout.splitlines()
    assert said[:6] == ["-Da=one two", "-Db=3", "-Xms1024m", "-Xmx1024m", "-cp", "/spark/conf:/spark/jars/*"]
    assert said[6].endswith("KubernetesExecutorBackend")
    assert dict(zip(said[7::2], said[8::2], strict=True))["--executor-id"] == "7"
    plain = subprocess.run([*script, "echo", "a  b"], capture_output=True, text=True, check=True)
    assert plain.stdout == "a  b\n"


def dockerfile() -> list[tuple[str, str]]:
    """The instructions of the Dockerfile, continued lines joined."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    lines = text.replace("\\\n", " ").splitlines()
    return [(line.split(maxsplit=1)[0], line.split(maxsplit=1)[1]) for line in lines if line.strip()]


def test_the_dockerfile_copies_what_is_there_and_installs_what_pyproject_names() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    instructions = dockerfile()
    allowed = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] == "!"]
    copied = [words.split()[:-1] for name, words in instructions if name == "COPY" and "--from" not in words]
    for source in (source for sources in copied for source in sources):
        assert (ROOT / source).exists(), source
        assert source.split("/")[0] in allowed, source
    # Every room that hanji/ links to, or the wheel would lack it.
    rooms = {path.name for path in (ROOT / "hanji").iterdir() if path.is_symlink()}
    assert rooms <= {source for sources in copied for source in sources}
    extras = project["optional-dependencies"]
    (default,) = [words.partition("=")[2] for name, words in instructions if words.startswith("EXTRAS=")]
    shown = re.findall(r"EXTRAS=(\S+)", (ROOT / "Dockerfile").read_text(encoding="utf-8"))
    for named in {default, *shown}:
        assert set(named.split(",")) <= set(extras), named
    assert {words.split()[0] for name, words in instructions if name == "FROM"} == {"python:3.11-slim"}
    pip = [
        part for name, words in instructions if name == "RUN" for part in words.split("&&") if " pip " in part
    ]
    assert len(pip) == 4 and all("-c constraints.txt" in part or "pip wheel" in part for part in pip)
    # Nobody is root in it at the end.
    assert [words for name, words in instructions if name == "USER"] == ["10001"]
    assert (ROOT / "jobs/image/entrypoint.sh").stat().st_mode & 0o111


@pytest.mark.slow
def test_a_wheel_as_the_dockerfile_builds_it_passes_for_the_code_that_submits(tmp_path: Path) -> None:
    """What the driver compares: the hash of the packed package, here and from an installed wheel."""
    source = tmp_path / "src"
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        (source / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, source / name)
    for name in ("hanji", "curation", "classifiers", "training", "jobs"):
        shutil.copytree(
            ROOT / name, source / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__")
        )
    pip = [sys.executable, "-m", "pip"]
    build = [*pip, "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", str(tmp_path), "."]
    subprocess.run(build, cwd=source, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    target = tmp_path / "installed"
    subprocess.run(
        [*pip, "install", "-q", "--no-deps", "--no-index", "--target", str(target), str(wheel)], check=True
    )
    ask = "from hanji.jobs.driver import packed_sha256; print(packed_sha256())"

    def answer(path: Path) -> str:
        environment = {**os.environ, "PYTHONPATH": str(path)}
        return subprocess.run(
            [sys.executable, "-c", ask],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    assert answer(target) == answer(source)
