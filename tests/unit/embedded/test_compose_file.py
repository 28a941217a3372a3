"""The compose file against the Procfile: the same processes, the same queues, and a safe order of starting."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped, unused-ignore]

from core.settings import Settings, load_settings
from embedded.procfile import build_command, load_procfile
from embedded.redis_server import BROKER_POLICY, CACHE_POLICY

ROOT = Path(__file__).resolve().parents[3]
ENGINES = ("redis-broker", "redis-cache", "postgres", "qdrant")
MODEL_WORKERS = ("worker-query", "worker-embed")


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    """The services of docker-compose.yml, with anchors and merges resolved."""
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    return dict(compose["services"])


def _get_option(command: list[str], option: str) -> str:
    return command[command.index(option) + 1]


def test_every_process_of_the_procfile_has_a_service_with_the_same_command(services: dict[str, Any]) -> None:
    """One definition in two files: the words are the same, but for the address that Flower binds to."""
    for name, line in load_procfile(ROOT / "Procfile").items():
        words = list(build_command(line, env={"AVS_HOME": "/data", "FLOWER_PORT": "5555"}))
        service = services["migrate" if name == "release" else name]
        expected = ["--address=0.0.0.0" if word.startswith("--address=") else word for word in words]
        assert shlex.split(service["command"]) == expected


def _read_image_env(target: str) -> dict[str, str]:
    """The ENV variables of one stage of the Dockerfile and of the stages below it."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    stages = {match[2]: match for match in re.finditer(r"^FROM (\S+) AS (\S+)\n(.*?)(?=^FROM|\Z)", text, re.M | re.S)}
    stage = stages[target]
    own = [word.split("=", 1) for line in re.findall(r"^ENV (.*)$", stage[3], re.M) for word in shlex.split(line)]
    below = _read_image_env(stage[1]) if stage[1] in stages else {}
    return {**below, **dict(own)}


def _fill_in(value: object) -> str:
    """A value as compose resolves it: `${NAME:-default}` is its default, a required `${NAME:?...}` is set."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", re.sub(r"\$\{\w+:\?[^}]*\}", "secret", str(value)))


def test_every_process_can_read_its_settings(
    services: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """With what image and compose file set, every process of ours starts, and finds the engines."""
    monkeypatch.chdir(tmp_path)
    for service in (service for service in services.values() if "build" in service):
        env = {**_read_image_env(service["build"]["target"]), **service["environment"]}
        with monkeypatch.context() as process:
            for name in Settings.model_fields:
                process.delenv(name.upper(), raising=False)
            for name, value in env.items():
                process.setenv(name, _fill_in(value))
            settings = load_settings()
        assert settings.database_url.get_secret_value() == "postgresql+psycopg://avs:secret@postgres:5432/avs"
        assert settings.qdrant_url == "http://qdrant:6333"
        assert settings.avs_home == Path("/data")


def test_the_api_needs_keys(services: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It listens on all addresses of its container, so it is closed until somebody says otherwise in `.env`."""
    monkeypatch.chdir(tmp_path)
    for name, value in services["web"]["environment"].items():
        monkeypatch.setenv(name, _fill_in(value))
    assert load_settings().needs_keys
    monkeypatch.setenv("ALLOW_OPEN_API", "true")
    assert not load_settings().needs_keys


def test_a_setting_in_env_file_reaches_every_process(services: dict[str, Any]) -> None:
    """Each process of ours reads `.env`, where there is one."""
    for service in services.values():
        assert service.get("env_file") == ([{"path": ".env", "required": False}] if "build" in service else None)


def test_every_program_finds_the_code() -> None:
    """`avs` is a script outside /app, so both images put the code on the path."""
    for target in ("app", "worker"):
        assert _read_image_env(target)["PYTHONPATH"] == "/app"


def test_engines_are_pinned_checked_and_published_on_loopback(services: dict[str, Any]) -> None:
    """Images have a version, a health check, and ports that only this machine reaches."""
    for name in ENGINES:
        assert ":" in services[name]["image"]
        assert not services[name]["image"].endswith(":latest")
        assert services[name]["healthcheck"]["test"]
    ports = [port for service in services.values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


@pytest.mark.parametrize(("name", "policy"), [("redis-broker", BROKER_POLICY), ("redis-cache", CACHE_POLICY)])
def test_redis_policies_are_those_of_the_embedded_servers(
    services: dict[str, Any], name: str, policy: dict[str, str]
) -> None:
    """The broker never evicts, the cache does, as in the embedded stack."""
    command = services[name]["command"]
    for option in ("maxmemory-policy", "appendonly"):
        assert _get_option(command, f"--{option}") == policy[option]
    assert ("--maxmemory" in command) == ("maxmemory" in policy)


def test_processes_wait_for_migrations_and_healthy_engines(services: dict[str, Any]) -> None:
    """Migrations wait for Postgres, and everything of ours for the migrations and the other engines."""
    assert services["migrate"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    expected = {name: {"condition": "service_healthy"} for name in ENGINES if name != "postgres"}
    expected["migrate"] = {"condition": "service_completed_successfully"}
    for name, service in services.items():
        if name not in (*ENGINES, "migrate"):
            assert service["depends_on"] == expected


@pytest.mark.parametrize("name", MODEL_WORKERS)
def test_model_workers_come_for_cpu_and_for_gpu(services: dict[str, Any], name: str) -> None:
    """The two profiles differ in image and device, and in nothing else."""
    cpu, gpu = services[name], services[f"{name}-gpu"]
    assert (cpu["profiles"], gpu["profiles"]) == (["cpu"], ["gpu"])
    device = gpu["deploy"]["resources"]["reservations"]["devices"][0]
    assert (device["driver"], device["capabilities"]) == ("nvidia", ["gpu"])
    for service in (cpu, gpu):
        assert service["build"]["target"] == "worker"
    own = ("profiles", "image", "build", "deploy")
    assert {k: v for k, v in cpu.items() if k not in own} == {k: v for k, v in gpu.items() if k not in own}


def test_only_model_workers_carry_the_models(services: dict[str, Any]) -> None:
    """Every other process of ours runs on the image without torch."""
    for name, service in services.items():
        if "build" in service and not name.startswith(MODEL_WORKERS):
            assert service["build"]["target"] == "app"


def test_every_image_can_keep_pictures_in_a_bucket() -> None:
    """Each process that reads or writes pictures finds boto3, since both images are built on the same dependencies."""
    stages = (ROOT / "Dockerfile").read_text(encoding="utf-8").split("\nFROM ")
    (shared,) = (stage for stage in stages if stage.startswith("base AS app-build"))
    assert 'pip install --constraint requirements.lock ".[s3]"' in shared
    assert any(stage.startswith("app-build AS worker-build") for stage in stages)


def test_secrets_come_from_the_environment() -> None:
    """No password is written down, and a missing one stops compose rather than becoming empty."""
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    for name in ("POSTGRES_PASSWORD", "REDIS_PASSWORD", "QDRANT_API_KEY"):
        assert f"${{{name}:?" in text
        assert f"${{{name}}}" not in text
        assert f"${{{name}:-" not in text


def test_the_image_runs_as_another_user_than_root() -> None:
    """Both final stages come from a stage that has left root behind, and secrets are not copied in."""
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    source = dockerfile[dockerfile.index("AS source") :]
    assert "USER avs" in source[: source.index("FROM")]
    assert "FROM source AS worker" in source
    assert "FROM source AS app" in source
    assert ".env" in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
