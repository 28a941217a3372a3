"""Settings: each wrong variable is named, an open host is refused, and `.env.example` tells the truth."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import SecretStr

from core.errors import ConfigurationError
from core.settings import Settings, is_loopback, load_settings

_ROOT = Path(__file__).parents[3]
_EXAMPLE = _ROOT / ".env.example"
_ASSIGNMENT = re.compile(r"^# ([A-Z][A-Z0-9_]*)=(.*)$")


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No variable of the shell and no `.env` of the developer counts here."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)


def _read_example() -> dict[str, tuple[str, str]]:
    """{variable: (value, the line above it)}."""
    lines = _EXAMPLE.read_text().splitlines()
    return {
        match[1]: (match[2], lines[number - 1].removeprefix("# "))
        for number, line in enumerate(lines)
        if (match := _ASSIGNMENT.match(line))
    }


def _is_secret(name: str) -> bool:
    return "SecretStr" in str(Settings.model_fields[name].annotation)


def test_defaults_are_those_of_the_product() -> None:
    """Without any variable the settings are the documented defaults, on loopback and without debug."""
    settings = load_settings()
    assert (settings.vector_service_host, settings.vector_service_port) == ("127.0.0.1", 8002)
    assert settings.debug is False
    assert settings.qdrant_collection_name == "anime_database"
    assert settings.text_embedding_model == "BAAI/bge-m3"
    assert settings.qdrant_enable_quantization and settings.model_warm_up
    assert (settings.hnsw_m_high, settings.hnsw_m_medium, settings.hnsw_m_low) == (64, 48, 32)


def test_each_wrong_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two wrong values give one ConfigurationError that names both variables, and not their values."""
    monkeypatch.setenv("VECTOR_SERVICE_PORT", "not-a-port")
    monkeypatch.setenv("LEASE_S", "1")
    with pytest.raises(ConfigurationError) as caught:
        load_settings()
    assert "VECTOR_SERVICE_PORT" in str(caught.value) and "LEASE_S" in str(caught.value)
    assert "not-a-port" not in str(caught.value)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("DATABASE_URL", "mysql://somebody:hunter2@db/avs"),
        ("QDRANT_COLLECTION_NAME", "has spaces"),
        ("MODEL_PRECISION", "fp8"),
        ("CHUNK_SIZE", "0"),
        ("MAX_ATTEMPTS", "many"),
        ("QUERY_DEADLINE_S", "-1"),
        ("DEBUG", "perhaps"),
    ],
)
def test_a_wrong_value_names_its_variable_only(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    """The error names the variable and never shows a value, which may be a secret."""
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigurationError, match=variable) as caught:
        load_settings()
    assert "hunter2" not in str(caught.value)


def test_an_empty_variable_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """`CHUNK_SIZE=` means that nobody has set it."""
    monkeypatch.setenv("CHUNK_SIZE", "")
    assert load_settings().chunk_size == Settings.model_fields["chunk_size"].default


def test_a_dotenv_file_is_read_and_the_environment_wins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`.env` gives values; a real variable of the same name is stronger."""
    (tmp_path / ".env").write_text("CHUNK_SIZE=11\nMAX_ATTEMPTS=7\n")
    monkeypatch.setenv("CHUNK_SIZE", "12")
    settings = load_settings()
    assert (settings.chunk_size, settings.max_attempts) == (12, 7)


@pytest.mark.parametrize(
    ("variables", "needs_keys", "is_local"),
    [
        ({}, False, True),
        ({"VECTOR_SERVICE_HOST": "::1"}, False, True),
        ({"VECTOR_SERVICE_HOST": "0.0.0.0"}, True, False),
        ({"VECTOR_SERVICE_HOST": "::"}, True, False),
        ({"VECTOR_SERVICE_HOST": "192.168.1.4"}, True, False),
        ({"VECTOR_SERVICE_HOST": "avs.example.org"}, True, False),
        ({"VECTOR_SERVICE_HOST": "0.0.0.0", "ALLOW_OPEN_API": "true"}, False, False),
        ({"ALLOW_OPEN_API": "true"}, False, False),
        ({"TRUSTED_PROXIES": "1"}, True, False),
        ({"TRUSTED_PROXIES": "1", "ALLOW_OPEN_API": "true"}, False, False),
        ({"API_AUTH": "required"}, True, False),
        ({"API_AUTH": "off"}, False, False),
        ({"API_AUTH": "off", "VECTOR_SERVICE_HOST": "0.0.0.0", "ALLOW_OPEN_API": "true"}, False, False),
    ],
)
def test_who_needs_keys(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], needs_keys: bool, is_local: bool
) -> None:
    """Open on loopback, closed elsewhere and behind a proxy, unless somebody says otherwise in so many words."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    settings = load_settings()
    assert (settings.needs_keys, settings.is_local) == (needs_keys, is_local)


@pytest.mark.parametrize(
    "variables",
    [
        {"API_AUTH": "off", "VECTOR_SERVICE_HOST": "0.0.0.0"},
        {"API_AUTH": "required", "ALLOW_OPEN_API": "true"},
    ],
)
def test_words_that_contradict_each_other_are_refused(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]
) -> None:
    """An open API beyond this machine takes ALLOW_OPEN_API, and nobody gets a guess at what was meant."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match="API_AUTH"):
        load_settings()


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("RATE_LIMIT_KEY", "many"),
        ("RATE_LIMIT_OPEN", "0/minute"),
        ("CORS_ORIGINS", "shop.example.org"),
        ("CORS_ORIGINS", "https://shop.example.org/"),
        ("CORS_ORIGINS", "https://shop.example.org,*.example.org"),
        ("CORS_ORIGINS", "null"),
        ("TRUSTED_PROXIES", "-1"),
        ("API_AUTH", "on"),
    ],
)
def test_a_wrong_guard_is_an_error(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    """A limit or an origin that cannot be read stops the process; it never means none."""
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigurationError, match=variable):
        load_settings()


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.8.8", "::1"])
def test_loopback_hosts_are_fine(host: str) -> None:
    """All names of this machine count as loopback."""
    assert is_loopback(host)


def test_the_database_url_gets_our_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plain postgresql:// address, as platforms give it, is read with psycopg 3."""
    monkeypatch.setenv("DATABASE_URL", "postgresql://u:p@db:5432/avs")
    assert load_settings().database_url.get_secret_value() == "postgresql+psycopg://u:p@db:5432/avs"


def test_secrets_do_not_show_in_a_repr(monkeypatch: pytest.MonkeyPatch) -> None:
    """Printing the settings shows no password."""
    monkeypatch.setenv("DATABASE_URL", "postgresql://u:hunter2@db/avs")
    monkeypatch.setenv("QDRANT_API_KEY", "hunter2")
    assert "hunter2" not in repr(load_settings())


def test_every_field_is_described() -> None:
    """No setting goes without a description."""
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


def test_the_example_lists_every_setting_and_no_other() -> None:
    """`.env.example` has exactly the variables that Settings reads."""
    assert set(_read_example()) == {name.upper() for name in Settings.model_fields}


@pytest.mark.parametrize("name", Settings.model_fields)
def test_the_example_gives_default_and_description(name: str) -> None:
    """Each variable stands there with its default, under its description; a secret with a placeholder."""
    value, above = _read_example()[name.upper()]
    field = Settings.model_fields[name]
    assert above == field.description
    if _is_secret(name):
        assert re.search("PASSWORD|CHANGE-ME", value)
    elif isinstance(field.default, bool):
        assert value == str(field.default).lower()
    else:
        assert value == ("" if field.default is None else str(field.default))


def test_the_example_is_itself_valid(tmp_path: Path) -> None:
    """With every `#` taken away the file loads, and says what the defaults say."""
    uncommented = "\n".join(f"{name}={value}" for name, (value, _) in _read_example().items())
    (tmp_path / ".env").write_text(uncommented)
    loaded, default = load_settings(), Settings(_env_file=None)
    plain = [name for name in Settings.model_fields if not _is_secret(name)]
    assert {name: getattr(loaded, name) for name in plain} == {name: getattr(default, name) for name in plain}
    assert loaded.qdrant_api_key == SecretStr("CHANGE-ME")
