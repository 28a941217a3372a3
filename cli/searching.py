"""`avs search`: asks the HTTP API of the running stack, as any other client would."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import click
import httpx
import orjson
from pydantic import SecretStr
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli.exits import Exit
from cli.picture_search import build_picture_table, choose_path, describe_picture
from core.errors import DependencyUnavailableError, InvalidInputError, NotFoundError, ServiceError, UnauthorizedError
from core.fields import FIELD_BY_NAME, FieldKind
from core.settings import Settings, get_settings

# Longer than the API's own deadline, so that its answer, and not our impatience, says what is wrong.
_SPARE_S = 25.0
# No terminal shows more on a line.
_SYNOPSIS_CHARS = 500
_RANGED = (FieldKind.INTEGER, FieldKind.FLOAT, FieldKind.DATETIME)
_NUMBER = re.compile(r"-?\d{1,15}(\.\d{1,10})?")
SEARCH_PATH = "/api/v1/search"
_HEADERS = {"Content-Type": "application/json"}


@click.command(name="search")
@click.argument("query", required=False)
@click.option("--picture", metavar="FILE|URL", help="By this picture; with QUERY or --text by both.")
@click.option("--text", metavar="QUERY", help="Another way to say QUERY, beside --picture.")
@click.option("--pictures", "finds_pictures", is_flag=True, help="Find pictures, not titles.")
@click.option("--text-weight", type=click.FloatRange(0, 100), help="How much the text counts beside a picture.")
@click.option("--image-weight", type=click.FloatRange(0, 100), help="How much the picture counts beside a text.")
@click.option("--limit", default=10, show_default=True, type=click.IntRange(1, 1_000), help="Most results shown.")
@click.option("--vector", "vectors", multiple=True, metavar="NAME[=WEIGHT]", help="Search these vectors only.")
@click.option("--filter", "filters", multiple=True, metavar="FIELD=VALUE", help="genres=action, year=2010..2019, ...")
@click.option("--min-score", type=click.FloatRange(-1, 1), help="Least similarity of a result.")
@click.option("--include-adult", is_flag=True, help="Show adult titles too.")
@click.option("--json", "as_json", is_flag=True, help="Print the API's answer.")
def search(
    *,
    query: str | None,
    picture: str | None,
    text: str | None,
    finds_pictures: bool,
    text_weight: float | None,
    image_weight: float | None,
    limit: int,
    vectors: Sequence[str],
    filters: Sequence[str],
    min_score: float | None,
    include_adult: bool,
    as_json: bool,
) -> int:
    """Find titles by meaning: avs search "a notebook that kills whoever's name is written in it".

    Or by what they look like: avs search --picture screenshot.png --text "with a cat".
    """
    if query is not None and text is not None:
        raise click.UsageError("QUERY and --text are the same: give one of them")
    words = text if query is None else query
    path = choose_path(
        has_text=words is not None, has_picture=picture is not None, finds_pictures=finds_pictures, default=SEARCH_PATH
    )
    said = {"query": words, "text_weight": text_weight, "image_weight": image_weight, "min_score": min_score}
    body: dict[str, Any] = {name: value for name, value in said.items() if value is not None}
    body |= {"limit": limit, "include_adult": include_adult}
    if picture is not None:
        body |= describe_picture(picture)
    if finds_pictures:
        body["target"] = "pictures"
    if vectors:
        body["vectors"] = parse_vectors(vectors)
    if filters:
        body["filters"] = parse_filters(filters)
    show_answer(ask_running_service(path, body), as_json=as_json)
    return Exit.OK


def ask_running_service(path: str, body: dict[str, Any]) -> dict[str, Any]:
    """The answer of the API that the settings name."""
    settings = get_settings()
    timeout_s = settings.query_deadline_s + _SPARE_S
    return request_search(_get_address(settings), body, timeout_s=timeout_s, key=settings.avs_api_key, path=path)


def show_answer(answer: dict[str, Any], *, as_json: bool) -> None:
    """Print a page of results, for people or for programs."""
    if as_json:
        click.echo(orjson.dumps(answer, option=orjson.OPT_INDENT_2))
    else:
        finds_pictures = answer["query_info"].get("target") == "pictures"
        Console().print(build_picture_table(answer) if finds_pictures else build_table(answer), _describe(answer))


def request_search(
    address: str, body: dict[str, Any], *, timeout_s: float, key: SecretStr | None = None, path: str = SEARCH_PATH
) -> dict[str, Any]:
    """The answer of the API at `address` (http://host:port). Raises the error that its problem document stands for."""
    headers = _HEADERS if key is None else {**_HEADERS, "Authorization": f"Bearer {key.get_secret_value()}"}
    try:
        response = httpx.post(f"{address}{path}", content=orjson.dumps(body), timeout=timeout_s, headers=headers)
    except httpx.HTTPError as error:
        raise DependencyUnavailableError("api", f"{address} does not answer; start it with `avs up`") from error
    answer: dict[str, Any] = _read(response)
    if response.status_code != httpx.codes.OK:
        raise build_error(answer)
    return answer


def _get_address(settings: Settings) -> str:
    host = settings.vector_service_host
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.vector_service_port}"


def build_error(problem: dict[str, Any]) -> ServiceError:
    """Our own error for a problem document of the API."""
    status, detail = problem.get("status"), str(problem.get("detail", "no reason given"))
    if status == httpx.codes.SERVICE_UNAVAILABLE:
        return DependencyUnavailableError(str(problem.get("dependency", "api")), detail)
    if status == httpx.codes.NOT_FOUND:
        error = NotFoundError("title", detail)
        # The API has made a sentence of it already.
        error.args = (detail,)
        return error
    if status == httpx.codes.UNAUTHORIZED:
        return UnauthorizedError(f"the API needs a key: set AVS_API_KEY ({detail})")
    if "field" in problem:
        return InvalidInputError(str(problem["field"]), str(problem.get("reason", detail)))
    return ServiceError(detail)


def parse_vectors(given: Sequence[str]) -> dict[str, float]:
    """{'title_vector': 2.0} for ('title_vector=2',); the weight is 1 where none is given."""
    weights: dict[str, float] = {}
    for text in given:
        name, separator, weight = text.partition("=")
        try:
            weights[name] = float(weight) if separator else 1.0
        except ValueError:
            raise click.BadParameter(f"{weight!r} is not a weight", param_hint="--vector") from None
    return weights


def parse_filters(given: Sequence[str]) -> dict[str, Any]:
    """{'year': {'gte': 2010}, 'genres': ['action', 'drama']} for ('year=2010..', 'genres=action', 'genres=drama')."""
    filters: dict[str, Any] = {}
    for text in given:
        name, separator, value = text.partition("=")
        if not separator or not name or not value:
            raise click.BadParameter(f"{text!r} is not of the form FIELD=VALUE", param_hint="--filter")
        parsed = _parse_filter_value(name, value)
        if name not in filters:
            filters[name] = parsed
        elif isinstance(parsed, dict) or isinstance(filters[name], dict):
            raise click.BadParameter(f"{name} has a range and another value", param_hint="--filter")
        else:
            earlier = filters[name]
            filters[name] = [*(earlier if isinstance(earlier, list) else [earlier]), parsed]
    return filters


def build_table(answer: dict[str, Any]) -> Table:
    """The results, two lines each at most: what is short in columns, and as much synopsis as the terminal is wide."""
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False, title_justify="left", title_style="bold")
    table.add_column("", no_wrap=True, justify="right", style="dim")
    # The only one that may wrap is the one that is made narrower, and its texts are cut instead.
    table.add_column("Title", ratio=1)
    for name in ("Year", "Type", "Similarity"):
        table.add_column(name, no_wrap=True, justify="left" if name == "Type" else "right")
    for rank, result in enumerate(answer["results"], start=1):
        payload, similarity = result["payload"], result["similarity"]
        table.add_row(
            str(rank),
            _describe_title(payload),
            str(payload.get("year") or ""),
            str(payload.get("type") or ""),
            "" if similarity is None else f"{similarity:.3f}",
        )
    return table


def _describe_title(payload: dict[str, Any]) -> Text:
    names = dict.fromkeys(name for name in (payload.get("title"), payload.get("title_english")) if name)
    text = Text(" / ".join(names), no_wrap=True, overflow="ellipsis")
    if synopsis := " ".join((payload.get("synopsis") or "").split()):
        text.append(f"\n{synopsis[:_SYNOPSIS_CHARS]}", style="dim")
    return text


def _parse_filter_value(name: str, value: str) -> Any:
    """A value of the field's kind, or a range where the field can have one; the API judges all else."""
    field = FIELD_BY_NAME.get(name)
    kind = field.kind if field else FieldKind.KEYWORD
    low, separator, high = value.partition("..")
    if separator and kind in _RANGED:
        bounds = {"gte": low, "lte": high}
        return {bound: _parse_scalar(kind, text) for bound, text in bounds.items() if text}
    return _parse_scalar(kind, value)


def _parse_scalar(kind: FieldKind, text: str) -> Any:
    if kind is FieldKind.BOOL and text in ("true", "false"):
        return text == "true"
    if kind in (FieldKind.INTEGER, FieldKind.FLOAT) and _NUMBER.fullmatch(text):
        return float(text) if "." in text else int(text)
    return text


def _read(response: httpx.Response) -> Any:
    try:
        return orjson.loads(response.content)
    except orjson.JSONDecodeError:
        raise DependencyUnavailableError("api", f"status {response.status_code} without JSON") from None


def _describe(answer: dict[str, Any]) -> str:
    info = answer["query_info"]
    total = f"{'' if answer['total_is_exact'] else 'at least '}{answer['total_found']} found"
    return f"[dim]{total} in {info['took_ms']['total']:.0f} ms, by {', '.join(info['vectors']) or 'nothing'}[/dim]"
