"""Slurm scripts and Kubernetes manifests: rendered, checked, and the scripts run for real on two "nodes"."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml
from curation_corpus import corpus_rows, make_recipe, shard_hashes, write_rows
from ray_head import Hanji, ray_head, ray_node

from hanji.cluster import ClusterSettings
from hanji.curation.pipeline import curate
from hanji.errors import HanjiError, RecipeError
from hanji.jobs import kubernetes, slurm
from hanji.training.loop.metrics import read_metrics

PROGRAMS = ("sbatch", "srun", "squeue", "scontrol", "scancel")
NASTY = "a b'c $(touch pwned) `touch pwned` ;touch pwned; é"


@pytest.fixture
def fake_slurm(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of a machine with Slurm; everything that it started is ended afterwards."""
    programs, home = tmp_path / "bin", tmp_path / "slurm"
    programs.mkdir()
    home.mkdir()
    for name in PROGRAMS:
        script = f'#!/bin/bash\nexec {sys.executable} {Path(__file__).parent / "fake_slurm.py"} {name} "$@"\n'
        (programs / name).write_text(script)
        (programs / name).chmod(0o755)
    yield {
        "FAKE_SLURM": str(home),
        "PATH": f"{programs}{os.pathsep}{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "OMP_NUM_THREADS": "1",
    }
    for process in psutil.process_iter(["environ"]):
        if (process.info["environ"] or {}).get("FAKE_SLURM") == str(home):
            process.kill()


@pytest.fixture(scope="module")
def trainable(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shards of the small corpus."""
    home = tmp_path_factory.mktemp("curated")
    curate(make_recipe(home / "run", [write_rows(home / "rows.jsonl", corpus_rows())]))
    return home / "run" / "shards"


def training_recipe(home: Path, shards: Path, **fields: Any) -> Path:
    data = {
        "name": "tiny",
        "run": str(home / "trained"),
        "shards": str(shards),
        "model": "tiny",
        "parallel": {"data": 2},
        "stages": [{"name": "all", "steps": 60, "blend": {"*/*/*": 1.0}}],
        "batch": {"global_size": 4, "micro_size": 2},
        "schedule": {"peak_lr": 0.001, "warmup_steps": 1},
        "checkpoint": {"every": 10},
        **fields,
    }
    (home / "train.yaml").write_text(yaml.safe_dump(data), encoding="utf-8")
    return home / "train.yaml"


def steps(run: Path) -> list[int]:
    return [entry["step"] for entry in read_metrics(run / "metrics.jsonl") if entry["kind"] == "step"]


def wait_for(what: Any, seconds: float, log: Path) -> None:
    limit = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < limit, log.read_text() if log.exists() else "no log"
        time.sleep(0.05)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_slurm_job_on_two_nodes_saves_before_its_time_limit_and_goes_on_after_it(
    hanji: Hanji, fake_slurm: dict[str, str], trainable: Path, tmp_path: Path
) -> None:
    home = tmp_path / "it's 한 home"
    home.mkdir()
    recipe, run = training_recipe(home, trainable), home / "trained"
    submitted = hanji(
        *("submit", recipe, "--on", "slurm", "cluster.nodes=2", 'cluster.time="1:00:00"'),
        **fake_slurm,
        FAKE_SLURM_REQUEUE="run",
    )
    assert submitted.returncode == 0, submitted.stdout + submitted.stderr
    assert ": job 1, its log is" in submitted.stdout
    log = next((run / "jobs").glob("hanji-tiny-*")) / "slurm-1.log"
    again = hanji("submit", recipe, "--on", "slurm", "cluster.nodes=2", **fake_slurm)
    assert "was submitted before: job 1 is RUNNING" in again.stdout, again.stderr

    wait_for(lambda: len(steps(run)) >= 3, 120, log)
    script = int((Path(fake_slurm["FAKE_SLURM"]) / "1/pid").read_text())
    os.kill(script, signal.SIGUSR1)
    wait_for(lambda: "back into the queue" in log.read_text(), 60, log)
    stopped = json.loads((run / "training.json").read_text())
    assert not stopped["finished"] and 3 <= stopped["step"] < 60

    wait_for(lambda: "tiny: done" in log.read_text(), 120, log)
    assert steps(run) == list(range(1, 61))
    ended = json.loads((run / "training.json").read_text())
    assert ended["finished"] and ended["resumed_from"] == stopped["step"]
    listed = hanji("jobs", "logs", "1", "--on", "slurm", **fake_slurm)
    assert "tiny: done" in listed.stdout and "going on from" in listed.stdout, listed.stderr


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_node_that_loses_its_rank_has_all_nodes_start_again(
    hanji: Hanji, fake_slurm: dict[str, str], trainable: Path, tmp_path: Path
) -> None:
    recipe, run = training_recipe(tmp_path, trainable), tmp_path / "trained"
    stages = '[{name: all, steps: 400, blend: {"*/*/*": 1.0}}]'
    submitted = hanji("submit", recipe, "--on", "slurm", "cluster.nodes=2", f"stages={stages}", **fake_slurm)
    assert submitted.returncode == 0, submitted.stderr
    log = next((run / "jobs").glob("hanji-tiny-*")) / "slurm-1.log"
    wait_for(lambda: len(steps(run)) >= 15, 120, log)
    rank_of(run, 1).kill()
    wait_for(lambda: "attempt 1 failed" in log.read_text(), 60, log)
    wait_for(lambda: (run / "nodes/leader.json").read_text().find('"attempt": 2') >= 0, 60, log)
    said = log.read_text()
    assert "node 1: its ranks ended with code 1" in said or "rank 1" in said
    seen = len(steps(run))
    wait_for(lambda: len(steps(run)) > seen + 5, 120, log)
    stopped = hanji("jobs", "stop", "1", "--on", "slurm", **fake_slurm)
    assert stopped.stdout == "1: asked to save and end\n"
    wait_for(lambda: "stopped at step" in log.read_text(), 60, log)
    # It was not the time limit: nothing goes back into the queue.
    assert not (Path(fake_slurm["FAKE_SLURM"]) / "1/requeued").exists()
    done = steps(run)
    assert done == list(range(1, len(done) + 1)) and (run / "logs/attempt-1/stderr-node-1.log").exists()


def rank_of(run: Path, rank: int) -> psutil.Process:
    """The process of a rank of this run."""
    for process in psutil.process_iter(["cmdline"]):
        command = process.info["cmdline"] or []
        if command[-1:] == [str(run / "recipe.json")] and "worker.py" in " ".join(command):
            try:
                if process.environ().get("RANK") == str(rank):
                    return process
            except psutil.Error:
                continue
    raise AssertionError(f"no rank {rank}")


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.timeout(900)
def test_a_curation_on_slurm_starts_a_ray_cluster_over_its_nodes(
    hanji: Hanji, fake_slurm: dict[str, str], tmp_path: Path
) -> None:
    rows = corpus_rows()
    paths = [write_rows(tmp_path / "input" / f"{place}.jsonl", rows[place::3]) for place in range(3)]
    data = make_recipe(tmp_path / "run", paths).model_dump(mode="json", exclude_defaults=True)
    data.pop("engine", None)
    data["cluster"] = {"nodes": 2, "cpus_per_node": 1}
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(data), encoding="utf-8")
    submitted = hanji("submit", tmp_path / "recipe.yaml", "--on", "slurm", **fake_slurm)
    assert submitted.returncode == 0, submitted.stderr
    log = next((tmp_path / "run/jobs").glob("hanji-*")) / "slurm-1.log"
    # Both are on this machine, and go by one name; the wait for two nodes came before.
    wait_for(lambda: "nodes, all with the code and the versions" in log.read_text(), 200, log)
    started = (Path(fake_slurm["FAKE_SLURM"]) / "1/sruns").read_text()
    assert started.count("--head") == 1 and started.count("--address=") == 1
    assert '"hanji.jobs.ray_ready", "2"' in started
    wait_for(lambda: "run/report/index.html" in log.read_text(), 500, log)
    # The cluster's token is made when the job starts, and is in none of its files.
    script = (log.parent / "job.sbatch").read_text()
    assert "/dev/urandom" in script and "RAY_AUTH_TOKEN=$(" in script
    queue = ("jobs", "list", "--on", "slurm")
    wait_for(lambda: "no jobs" in hanji(*queue, **fake_slurm).stdout, 60, log)
    curate(make_recipe(tmp_path / "local", paths))
    assert shard_hashes(tmp_path / "run") == shard_hashes(tmp_path / "local")


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.timeout(600)
def test_training_on_two_nodes_of_ray_survives_the_loss_of_one(
    hanji: Hanji, trainable: Path, tmp_path: Path
) -> None:
    stages = [{"name": "all", "steps": 150, "blend": {"*/*/*": 1.0}}]
    recipe = training_recipe(tmp_path, trainable, cluster={"nodes": 2, "cpus_per_node": 1}, stages=stages)
    run, log = tmp_path / "trained", tmp_path / "said"
    with (
        ray_head(tmp_path, cpus=1) as head,
        ray_node(head, tmp_path) as lose,
        log.open("wb") as said,
    ):
        at = ("--address", head.address, "--token-file", head.token_file)
        command = [sys.executable, "-m", "hanji", "submit", recipe, "--shared", "/", "--follow", *at]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        job = subprocess.Popen(list(map(str, command)), env=environment, stdout=said, stderr=said)
        try:
            wait_for(lambda: len(steps(run)) >= 15, 240, log)
            with ray_node(head, tmp_path):
                lose()
                wait_for(lambda: job.poll() is not None, 300, log)
        finally:
            job.kill()
            job.wait()
    text = log.read_text()
    assert job.returncode == 0 and "2 nodes: " in text and "tiny: done" in text, text
    assert "was lost; it is started anew" in text and "going on from" in text, text
    assert steps(run) == list(range(1, 151))


def batch_job(directory: Path, kind: str = "training", **fields: Any) -> slurm.BatchJob:
    return slurm.BatchJob("hanji-tiny-1", kind, directory, ClusterSettings.model_validate(fields))


@pytest.mark.parametrize("kind", ["training", "curation"])
def test_a_slurm_script_is_sound_and_asks_for_what_the_recipe_says(tmp_path: Path, kind: str) -> None:
    fields = {
        "nodes": 4,
        "gpus_per_node": 8,
        "cpus_per_node": 96,
        "memory_per_node": "900G",
        "time": "2-00:00:00",
        "partition": "long",
        "account": "a-1",
        "image": "nvcr.io#nvidia/pytorch:25.01",
        "mounts": ["/data", "/home/me:/me"],
        "modules": ["cuda/12.4"],
        "venv": "/opt/v",
        "environment": {"NCCL_SOCKET_IFNAME": "ib0"},
    }
    text = slurm.script(batch_job(tmp_path, kind, **fields))
    directives = [line for line in text.splitlines() if line.startswith("#SBATCH")]
    for expected in (
        *("--nodes=4", "--gres=gpu:8", "--cpus-per-task=96", "--mem=900G", "--time=2-00:00:00", "--requeue"),
        *("--partition=long", "--account=a-1", "--signal=B:USR1@300", f"--output={tmp_path}/slurm-%j.log"),
    ):
        assert f"#SBATCH {expected}" in directives
    assert "module load cuda/12.4" in text and ". /opt/v/bin/activate" in text
    assert "export NCCL_SOCKET_IFNAME=ib0" in text
    assert f"--container-mounts={tmp_path}:{tmp_path},/data:/data,/home/me:/me" in text
    checked = subprocess.run(["bash", "-n"], input=text, capture_output=True, text=True)
    assert checked.returncode == 0 and not checked.stderr


def test_a_per_cent_sign_in_a_path_is_none_of_slurms_placeholders_and_a_tilde_is_home(tmp_path: Path) -> None:
    job = batch_job(tmp_path / "50%j", venv="~/v")
    assert f". {Path.home()}/v/bin/activate" in slurm.script(job)
    assert f"--output={tmp_path}/50%%j/slurm-%j.log" in slurm.script(job)
    assert job.log_of("7") == tmp_path / "50%j" / "slurm-7.log"


def test_nothing_that_a_recipe_says_is_run_by_the_shell(fake_slurm: dict[str, str], tmp_path: Path) -> None:
    directory = tmp_path / "it's $(touch pwned) 한"
    directory.mkdir()
    job = batch_job(
        directory,
        nodes=2,
        image=f"image {NASTY}",
        mounts=[f"/m {NASTY}"],
        environment={"WORDS": NASTY},
        python=f"python {NASTY}",
        modules=[NASTY],
        venv=str(directory / NASTY.replace("/", "")),
    )
    activate = Path(str(job.settings.venv)) / "bin/activate"
    activate.parent.mkdir(parents=True)
    activate.write_text('echo "activated"\n')
    tools = Path(fake_slurm["PATH"].split(os.pathsep)[0])
    (tools / "module").write_text('#!/bin/bash\nprintf "module: %s\\n" "$2"\n')
    (tools / "module").chmod(0o755)
    (directory / "job.sbatch").write_text(slurm.script(job), encoding="utf-8")
    environment = {**os.environ, **fake_slurm, "FAKE_SLURM_KILL_WAIT": "0"}
    subprocess.run(["sbatch", "--parsable", directory / "job.sbatch"], env=environment, check=True)
    log = directory / "slurm-1.log"
    wait_for(lambda: log.exists() and ": not found" in log.read_text(), 60, log)
    said = log.read_text(encoding="utf-8")
    assert f"module: {NASTY}" in said and "activated" in said
    asked = json.loads((Path(fake_slurm["FAKE_SLURM"]) / "1/sruns").read_text(encoding="utf-8"))
    assert asked["options"]["container-image"] == f"image {NASTY}"
    assert f"python {NASTY}" in said.replace("'\\''", "'")
    assert not list(tmp_path.rglob("pwned")) and not Path("pwned").exists()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"partition": "a\n#SBATCH --uid=0"}, "cluster.partition"),
        ({"partition": "x --uid=0"}, "cluster.partition"),
        ({"venv": "a\nrm -rf /"}, "one line of printable characters"),
        ({"environment": {"A;B": "1"}}, "'A;B' is not the name of a variable"),
        ({"environment": {"HF_TOKEN": "hf_x"}}, "HF_TOKEN looks like a secret"),
        ({"environment": {"AWS_SECRET_ACCESS_KEY": "x"}}, "looks like a secret"),
        ({"environment": {"HTTPS_PROXY": "http://me:word@proxy:8080"}}, "HTTPS_PROXY looks like a secret"),
        ({"time": "two days"}, "cluster.time"),
        ({"time": 3600}, "write it in quotes"),
        ({"claims": {"data": "relative"}}, "cluster.claims"),
        ({"nodes": 3}, "cluster.nodes: 2 ranks cannot be dealt to 3 nodes"),
        ({"nodes": 2, "gpus_per_node": 8}, "2 nodes × 8 GPUs are not the 2 ranks"),
    ],
)
def test_what_a_cluster_cannot_be_asked_is_refused(
    tmp_path: Path, trainable: Path, fields: dict[str, Any], message: str
) -> None:
    from hanji.jobs.package import make_package

    recipe = training_recipe(tmp_path, trainable, cluster=fields)
    with pytest.raises(RecipeError) as refused:
        make_package(recipe, [], tmp_path / "job", shared=["/"])
    assert message in str(refused.value)


def test_without_sbatch_the_command_says_what_is_missing_and_can_still_render(
    hanji: Hanji, trainable: Path, tmp_path: Path
) -> None:
    recipe = training_recipe(tmp_path, trainable)
    refused = hanji("submit", recipe, "--on", "slurm", PATH="/nowhere")
    assert refused.returncode == 1
    assert "sbatch is not on this machine's PATH" in refused.stderr and "--render" in refused.stderr
    rendered = hanji("submit", recipe, "--on", "slurm", "--render", PATH="/nowhere")
    assert rendered.returncode == 0 and rendered.stdout.startswith(
        "#!/bin/bash\n#SBATCH --job-name=hanji-tiny-"
    )
    assert not (tmp_path / "trained/jobs").exists()


def kubernetes_objects(hanji: Hanji, recipe: Path, *options: object) -> dict[str, Any]:
    rendered = hanji("submit", recipe, "--on", "kubernetes", "--render", *options)
    assert rendered.returncode == 0, rendered.stderr
    return {entry["kind"]: entry for entry in yaml.safe_load_all(rendered.stdout)}


def test_a_training_job_on_kubernetes_is_an_indexed_job_with_a_headless_service(
    hanji: Hanji, trainable: Path, tmp_path: Path
) -> None:
    cluster = {
        "nodes": 2,
        "gpus_per_node": 1,
        "cpus_per_node": 8,
        "memory_per_node": "64G",
        "image": NASTY,
        "namespace": "lm",
        "claims": {"work": str(tmp_path), "shards": str(trainable)},
        "secrets": ["hub"],
        "environment": {"WORDS": NASTY},
        "node_selector": {"gpu.vendor/kind": "h100"},
    }
    recipe = training_recipe(tmp_path, trainable, cluster=cluster)
    found = kubernetes_objects(hanji, recipe)
    job, service, recorded = found["Job"], found["Service"], found["ConfigMap"]
    name = job["metadata"]["name"]
    assert name == service["metadata"]["name"] == recorded["metadata"]["name"] and len(name) <= 52
    assert {entry["metadata"]["namespace"] for entry in found.values()} == {"lm"}
    spec = job["spec"]
    assert (job["apiVersion"], spec["completionMode"]) == ("batch/v1", "Indexed")
    assert spec["completions"] == spec["parallelism"] == 2
    assert service["spec"]["clusterIP"] == "None" and service["spec"]["publishNotReadyAddresses"] is True
    pod = spec["template"]
    assert service["spec"]["selector"].items() <= pod["metadata"]["labels"].items()
    assert (pod["spec"]["subdomain"], pod["spec"]["restartPolicy"]) == (name, "Never")
    [container] = pod["spec"]["containers"]
    assert container["image"] == NASTY
    assert container["command"][:3] == ["python", "-m", "hanji.jobs.remote"]
    given = dict(zip(container["command"][4::2], container["command"][5::2], strict=True))
    assert given == {
        "--nodes": "2",
        "--node": "$(JOB_COMPLETION_INDEX)",
        "--host": f"{name}-0.{name}",
        "--stopped-code": "75",
    }
    variables = {entry["name"]: entry.get("value") for entry in container["env"]}
    assert variables["WORDS"] == NASTY.replace("$", "$$") and "JOB_COMPLETION_INDEX" in variables
    assert container["envFrom"] == [{"secretRef": {"name": "hub"}}]
    assert container["resources"]["limits"] == {"nvidia.com/gpu": 1, "memory": "64Gi"}
    assert container["resources"]["requests"] == {"cpu": 8, "memory": "64Gi"}
    mounts = {entry["name"]: entry["mountPath"] for entry in container["volumeMounts"]}
    assert mounts["work"] == str(tmp_path) and mounts["shared-memory"] == "/dev/shm"
    assert {entry["name"] for entry in pod["spec"]["volumes"]} == set(mounts)
    assert {rule["action"] for rule in spec["podFailurePolicy"]["rules"]} == {"FailJob", "Ignore"}
    assert json.loads(recorded["data"]["job.json"])["code"] == "image"


def test_a_curation_on_kubernetes_is_a_ray_job(hanji: Hanji, tmp_path: Path) -> None:
    data = make_recipe(Path("/data/run"), [tmp_path / "x.jsonl"]).model_dump(
        mode="json", exclude_defaults=True
    )
    data.pop("engine", None)
    data["sources"][0]["paths"] = ["/data/in/*.jsonl"]
    data["cluster"] = {
        "nodes": 3,
        "cpus_per_node": 8,
        "image": "registry/hanji:1",
        "claims": {"data": "/data"},
    }
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(data), encoding="utf-8")
    found = kubernetes_objects(hanji, tmp_path / "recipe.yaml")
    ray = found["RayJob"]
    assert ray["apiVersion"] == "ray.io/v1" and ray["spec"]["shutdownAfterJobFinishes"] is True
    assert ray["spec"]["backoffLimit"] == 3
    assert ray["spec"]["entrypoint"] == "python -m hanji.jobs.remote /etc/hanji/job.json"
    cluster = ray["spec"]["rayClusterSpec"]
    [workers] = cluster["workerGroupSpecs"]
    assert (workers["replicas"], workers["minReplicas"], workers["maxReplicas"]) == (2, 2, 2)
    for group in (cluster["headGroupSpec"], workers):
        [container] = group["template"]["spec"]["containers"]
        assert {"name": "data", "mountPath": "/data"} in container["volumeMounts"]
        assert group["rayStartParams"]["num-cpus"] == "8" and "restartPolicy" not in group["template"]["spec"]


def test_a_run_outside_of_the_pods_volumes_and_a_missing_image_are_refused(
    hanji: Hanji, trainable: Path, tmp_path: Path
) -> None:
    recipe = training_recipe(tmp_path, trainable, cluster={"image": "x", "claims": {"data": "/data"}})
    outside = hanji("submit", recipe, "--on", "kubernetes", "--render")
    assert (
        outside.returncode == 2 and f"run: '{tmp_path}/trained' is a path of this machine" in outside.stderr
    )
    recipe = training_recipe(tmp_path, trainable, cluster={"claims": {"t": str(tmp_path.parent)}})
    without = hanji("submit", recipe, "--on", "kubernetes", "--render", "--shared", "/")
    assert without.returncode == 2 and "cluster.image" in without.stderr


def test_names_of_kubernetes_objects_are_short_and_keep_jobs_apart() -> None:
    long = "hanji-" + "Very_Long" * 9
    names = {kubernetes.object_name(long + end) for end in ("a", "b", "A b")}
    assert len(names) == 3 and all(len(name) <= 52 and name == name.lower() for name in names)
    assert kubernetes.object_name("hanji-first-run-0123456789ab") == "hanji-first-run-0123456789ab"
    assert kubernetes.object_name("한지") == kubernetes.object_name("한지")
    with pytest.raises(HanjiError):
        kubernetes.stop("a; rm -rf /", None)
    with pytest.raises(HanjiError):
        slurm.stop("1; rm -rf /")


def test_kubectl_is_given_the_manifests_and_asked_for_jobs(
    hanji: Hanji, trainable: Path, tmp_path: Path
) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    answer = {
        "items": [
            {
                "kind": "Job",
                "metadata": {"name": "hanji-tiny-1"},
                "status": {"conditions": [{"type": "Complete", "status": "True"}]},
            }
        ]
    }
    (tmp_path / "answer.json").write_text(json.dumps(answer))
    (programs / "kubectl").write_text(
        "#!/bin/bash\n"
        f'printf "%s\\n" "$*" >> {tmp_path}/asked\n'
        f'case "$1 $2" in\n apply*) cat > {tmp_path}/applied;;\n "get jobs.batch") cat {tmp_path}/answer.json;;\n'
        ' "get rayjobs.ray.io") echo "no such resource" >&2; exit 1;;\nesac\n'
    )
    (programs / "kubectl").chmod(0o755)
    path = {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}
    cluster = {"image": "x", "claims": {"data": str(tmp_path), "shards": str(trainable)}, "namespace": "lm"}
    recipe = training_recipe(tmp_path, trainable, cluster=cluster)
    submitted = hanji("submit", recipe, "--on", "kubernetes", **path)
    assert submitted.returncode == 0 and "submitted hanji-tiny-" in submitted.stdout, submitted.stderr
    kinds = [entry["kind"] for entry in yaml.safe_load_all((tmp_path / "applied").read_text())]
    assert kinds == ["ConfigMap", "Service", "Job"]
    listed = hanji("jobs", "list", "--on", "kubernetes", "--namespace", "lm", **path)
    assert "hanji-tiny-1  SUCCEEDED" in listed.stdout, listed.stderr
    stopped = hanji("jobs", "stop", "hanji-tiny-1", "--on", "kubernetes", **path)
    assert stopped.returncode == 0, stopped.stderr
    asked = (tmp_path / "asked").read_text()
    assert "delete jobs.batch -l hanji/job=hanji-tiny-1 --wait=false" in asked
