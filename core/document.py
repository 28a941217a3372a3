"""The document of a title: the fields of product.md section 2, validated and normalised.

Every importer ends here, so what is stored in Postgres always has this shape.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Annotated, Any, ClassVar, Literal

import orjson
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from core.text import clean_text


def _blank_to_none(value: Any) -> Any:
    return None if isinstance(value, str) and not value.strip() else value


def _as_list(value: Any) -> Any:
    return [] if value is None else value


def _unique(values: list[str]) -> list[str]:
    return [value for value in dict.fromkeys(values) if value]


def _lower_unique(values: list[str]) -> list[str]:
    return _unique([value.lower() for value in values])


def _refuse_blank(value: str) -> str:
    if not value:
        raise ValueError("must not be blank")
    return value


def _without_blanks(value: Any) -> Any:
    """An id that is not known is absent: titles that share a blank one would be taken for the same title."""
    if not isinstance(value, dict):
        return value
    return {provider: given for provider, given in value.items() if given not in (None, 0) and given != ""}


# Above it a double skips whole numbers, and JSONB gives 1e22 back as an integer that no JSON writer takes.
_LARGEST_NUMBER = 2**53
# In the place of a provider, for a title that none knows.
_LOCAL_PROVIDER = "local"


def _iterate_numbers(value: Any) -> Iterator[int | float]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _iterate_numbers(item)
    elif isinstance(value, int | float):
        yield value


def _storable(value: dict[str, Any]) -> dict[str, Any]:
    """What JSONB can hold and give back: no NUL, no lone surrogate, no NaN, no huge number, no nesting without end."""
    try:
        dumped = orjson.dumps(value)
    except TypeError as error:
        raise ValueError(f"cannot be stored: {error}") from error
    if rb"\u0000" in dumped:
        raise ValueError("cannot be stored: control character U+0000")
    stored: dict[str, Any] = orjson.loads(dumped)
    if any(abs(number) > _LARGEST_NUMBER for number in _iterate_numbers(stored)):
        raise ValueError(f"cannot be stored: a number beyond {_LARGEST_NUMBER}")
    return stored


Text = Annotated[str, AfterValidator(clean_text)]
OptionalText = Annotated[Annotated[Text, Field(max_length=60_000)] | None, BeforeValidator(_blank_to_none)]
Title = Annotated[str, Field(max_length=1_000), AfterValidator(clean_text), AfterValidator(_refuse_blank)]
ExternalId = Annotated[int, Field(ge=1, le=2**63 - 1)] | Annotated[Title, Field(max_length=200)]
ExternalIds = Annotated[dict[Annotated[Title, Field(max_length=64)], ExternalId], BeforeValidator(_without_blanks)]
Names = Annotated[
    list[Annotated[str, Field(max_length=1_000), AfterValidator(clean_text)]],
    BeforeValidator(_as_list),
    AfterValidator(_unique),
    Field(max_length=2_000),
]
Labels = Annotated[Names, AfterValidator(_lower_unique)]
Count = Annotated[int | None, Field(ge=0, le=2_000_000_000)]

TitleType = Literal["TV", "MOVIE", "OVA", "ONA", "SPECIAL", "MUSIC", "UNKNOWN"]
TitleStatus = Literal["FINISHED", "ONGOING", "UPCOMING", "UNKNOWN"]
Season = Literal["WINTER", "SPRING", "SUMMER", "FALL"]
AgeRating = Literal["G", "PG", "PG-13", "R", "R+", "Rx"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Aired(_Part):
    """First and last day of airing."""

    start: date | None = None
    end: date | None = None


class Person(_Part):
    """Somebody who made the title."""

    name: Title
    role: OptionalText = None


class Character(_Part):
    """A character with what the sources say of it."""

    name: Title
    role: OptionalText = None
    description: OptionalText = None
    # Address of a picture of them.
    image: OptionalText = None
    voice_actors: Names = Field(default_factory=list)


class RelatedTitle(_Part):
    """A link to another title, by name where known and by its ids at providers."""

    title: OptionalText = None
    relation: OptionalText = None
    external_ids: ExternalIds = Field(default_factory=dict)


class Review(_Part):
    """A digest of one review or of the reception as a whole. `score` is out of ten."""

    summary: Text
    score: float | None = Field(default=None, ge=0, le=10)


class StreamingOffer(_Part):
    """Where a title can be watched."""

    platform: Title
    region: OptionalText = None
    url: OptionalText = None


class Episode(_Part):
    """One episode."""

    number: int = Field(ge=0, le=100_000)
    title: OptionalText = None
    synopsis: OptionalText = None
    aired: date | None = None
    filler: bool = False
    recap: bool = False


class Images(_Part):
    """Addresses of pictures; payload only."""

    picture: OptionalText = None
    thumbnail: OptionalText = None
    banner: OptionalText = None


class AnimeDocument(_Part):
    """One title. `duration` is in minutes an episode, `score` out of ten, `popularity` and `rank` are ranks."""

    ADULT_LABEL: ClassVar[str] = "hentai"

    title: Title
    title_english: OptionalText = None
    title_japanese: OptionalText = None
    synonyms: Names = Field(default_factory=list)
    synopsis: OptionalText = None
    background: OptionalText = None
    type: TitleType = "UNKNOWN"
    status: TitleStatus = "UNKNOWN"
    episodes: Annotated[int | None, Field(ge=0, le=100_000)] = None
    duration: float | None = Field(default=None, ge=0, le=10_000)
    season: Season | None = None
    year: int | None = Field(default=None, ge=1900, le=2100)
    aired: Aired | None = None
    broadcast: OptionalText = None
    rating: AgeRating | None = None
    score: float | None = Field(default=None, ge=0, le=10)
    scored_by: Count = None
    rank: Count = None
    popularity: Count = None
    members: Count = None
    favorites: Count = None
    genres: Labels = Field(default_factory=list)
    themes: Labels = Field(default_factory=list)
    demographics: Labels = Field(default_factory=list)
    tags: Labels = Field(default_factory=list)
    studios: Names = Field(default_factory=list)
    producers: Names = Field(default_factory=list)
    licensors: Names = Field(default_factory=list)
    staff: list[Person] = Field(default_factory=list)
    characters: list[Character] = Field(default_factory=list)
    related_anime: list[RelatedTitle] = Field(default_factory=list)
    franchise: OptionalText = None
    awards: Names = Field(default_factory=list)
    reviews: list[Review] = Field(default_factory=list)
    streaming: list[StreamingOffer] = Field(default_factory=list)
    source: OptionalText = None
    trailers: Names = Field(default_factory=list)
    images: Images | None = None
    episode_list: list[Episode] = Field(default_factory=list)
    external_ids: ExternalIds = Field(default_factory=dict)
    statistics: Annotated[dict[str, Any], AfterValidator(_storable)] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _drop_nulls(cls, value: Any) -> Any:
        """A field that is null says nothing, like one that is absent."""
        return {name: given for name, given in value.items() if given is not None} if isinstance(value, dict) else value

    @property
    def is_adult(self) -> bool:
        """Never returned, counted or suggested unless the request asks for it (product.md section 2)."""
        return is_adult({"tags": self.tags, "genres": self.genres, "rating": self.rating})

    @property
    def identity_keys(self) -> list[tuple[str, str]]:
        """(provider, external id) by which a title is recognised again; one made from its facts where it has none."""
        if keys := [(provider, str(value)) for provider, value in sorted(self.external_ids.items())]:
            return keys
        facts = "\0".join((self.title, self.type, str(self.year)))
        return [(_LOCAL_PROVIDER, hashlib.blake2b(facts.encode(), digest_size=10).hexdigest())]

    def to_json(self) -> dict[str, Any]:
        """What is stored: only the fields that say something."""
        dumped = self.model_dump(mode="json", exclude_none=True)
        return {name: value for name, value in dumped.items() if value not in ([], {}, "")}


def is_adult(document: Mapping[str, Any]) -> bool:
    """The rule for a document as stored: its label among tags or genres, or its rating."""
    labels = (*document.get("tags", ()), *document.get("genres", ()))
    return AnimeDocument.ADULT_LABEL in labels or document.get("rating") == "Rx"


def content_hash(document: dict[str, Any]) -> str:
    """32 hex digits over the canonical form of a stored document: equal when nothing changed."""
    canonical = orjson.dumps(document, option=orjson.OPT_SORT_KEYS)
    return hashlib.blake2b(canonical, digest_size=16).hexdigest()


def merge_documents(stored: dict[str, Any], incoming: dict[str, Any]) -> dict[str, Any]:
    """The stored document with what the incoming one says: a field that is absent there keeps its value.

    So does one that is only UNKNOWN there. External ids are joined, since a second source knows others than the first.
    """
    said = {name: value for name, value in incoming.items() if value != "UNKNOWN" or name not in stored}
    merged = {**stored, **said}
    ids = {**stored.get("external_ids", {}), **incoming.get("external_ids", {})}
    return {**merged, "external_ids": ids} if ids else merged
