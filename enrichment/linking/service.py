"""Where a title is at a provider: what is known, else the id tables, else the provider's own titles.

Whatever comes out is stored; a doubtful one waits for a person and is tried again whenever somebody asks for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from core.enrichment import ID_SPACES
from core.log import Event, Log
from enrichment.linking.features import Subject, build_subject
from enrichment.linking.scoring import LinkModel, Scored, load_model
from enrichment.linking.searching import Search, Verify, find_candidates
from enrichment.linking.votes import Verdict, count_votes
from storage.database.enrichment_models import LinkState
from storage.database.id_mappings import IdMappingRepository, MappingVote
from storage.database.links import (
    METHOD_CATALOGUE,
    METHOD_MAPPING,
    METHOD_PERSON,
    METHOD_TITLES,
    KnownPlace,
    LinkRepository,
    StoredLink,
)
from storage.database.session import Database

# As a table: what a provider's answer says of the title's ids elsewhere.
_SAID: Final = "providers"
# Kept for the person who decides.
_KEPT: Final = 5
_KEPT_TITLES: Final = 6
_log = Log("linking")


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """Where a title is at a provider. Only a linked one has an id. `method`: catalogue, mapping, titles or person."""

    state: LinkState
    external_id: str | None
    probability: float
    method: str


class LinkService:
    """Finds and keeps links. Safe between threads."""

    def __init__(self, links: LinkRepository, mappings: IdMappingRepository, model: LinkModel | None = None) -> None:
        self._links = links
        self._mappings = mappings
        self._model = model or load_model()

    @classmethod
    def build(cls, database: Database) -> LinkService:
        """With the parameters that come with us."""
        return cls(LinkRepository(database), IdMappingRepository(database))

    def find(
        self,
        slug: str,
        document: Mapping[str, Any],
        provider: str,
        search: Search | None,
        *,
        verify: Verify | None = None,
        asked_by: str | None = None,
    ) -> Link:
        """The title's place at a provider.

        document  as it is now; of ids only those that nobody guessed count, and what other providers say now
        search    asks the provider, or its dump, for a name; None: there is neither
        verify    the provider's record of an id, for candidates of which only titles are known
        asked_by  the lane that has leased parts of the title here, and asks by what is found

        Doubt is a state and never an error. Raises NotFoundError for a title that is gone, and whatever asking raises:
        then nothing is stored.
        """
        place = self._links.load_place(slug, provider)
        stored = place.stored
        if stored is not None and stored.method == METHOD_PERSON:
            return _to_link(stored)
        if place.named is not None:
            if stored is not None:
                self._links.drop(slug, provider, asked_by=asked_by)
            return Link(state=LinkState.LINKED, external_id=place.named, probability=1.0, method=METHOD_CATALOGUE)
        if stored is not None and stored.state is LinkState.LINKED:
            return _to_link(stored)
        subject = build_subject(document, place.known_ids)
        verdict = count_votes(self._list_votes(subject, place, ID_SPACES[provider]))
        if verdict.external_id is not None:
            found = _build_mapped(slug, provider, verdict)
        else:
            scored = find_candidates(subject, search, verify, self._model) if search is not None else []
            build = _build_contradicted if verdict.is_contradicted else _build_scored
            found = build(slug, provider, verdict, scored)
        kept = self._links.store(found, asked_by=asked_by)
        if kept.state is LinkState.DOUBTFUL:
            _log.info(Event.LINK_DOUBTFUL, slug=slug, provider=provider, probability=kept.probability)
        return _to_link(kept)

    def _list_votes(self, subject: Subject, place: KnownPlace, space: str) -> list[MappingVote]:
        """What the tables say, and what others say now: the document may hold what was taken back since."""
        votes = self._mappings.find(subject.external_ids, space)
        return [*votes, *(MappingVote(_SAID, space, external_id) for _, external_id in place.said)]


def _to_link(stored: StoredLink) -> Link:
    external_id = stored.external_id if stored.state is LinkState.LINKED else None
    return Link(state=stored.state, external_id=external_id, probability=stored.probability, method=stored.method)


def _build_mapped(slug: str, provider: str, verdict: Verdict) -> StoredLink:
    return StoredLink(
        slug=slug,
        provider=provider,
        state=LinkState.LINKED,
        external_id=verdict.external_id,
        method=METHOD_MAPPING,
        probability=verdict.probability,
        candidates=_list_voices(verdict),
    )


def _build_contradicted(slug: str, provider: str, verdict: Verdict, scored: Sequence[Scored]) -> StoredLink:
    """Never more than doubtful, however well a candidate fits."""
    shown = {one.candidate.external_id: one for one in scored}
    candidates = [
        {**_show(shown[voice["external_id"]]), "why": [*shown[voice["external_id"]].why, *voice["why"]]}
        if voice["external_id"] in shown
        else voice
        for voice in _list_voices(verdict)
    ]
    return StoredLink(
        slug=slug,
        provider=provider,
        state=LinkState.DOUBTFUL,
        external_id=None,
        method=METHOD_MAPPING,
        probability=max((shown[i].probability for i in verdict.voices if i in shown), default=0.0),
        candidates=candidates,
    )


def _build_scored(slug: str, provider: str, verdict: Verdict, scored: Sequence[Scored]) -> StoredLink:
    del verdict
    best = scored[0] if scored else None
    probability = best.probability if best else 0.0
    state = best.state if best else LinkState.NONE
    return StoredLink(
        slug=slug,
        provider=provider,
        state=state,
        external_id=best.candidate.external_id if best and state is LinkState.LINKED else None,
        method=METHOD_TITLES,
        probability=probability,
        candidates=[_show(one) for one in scored[:_KEPT]],
    )


def _list_voices(verdict: Verdict) -> list[dict[str, Any]]:
    return [
        {"external_id": external_id, "why": [f"named by {', '.join(sources)}"]}
        for external_id, sources in verdict.voices.items()
    ]


def _show(one: Scored) -> dict[str, Any]:
    candidate = one.candidate
    shown = {
        "external_id": candidate.external_id,
        "titles": list(candidate.titles[:_KEPT_TITLES]),
        "type": candidate.type,
        "year": candidate.year,
        "episodes": candidate.episodes,
        "probability": one.probability,
        "why": list(one.why),
    }
    return {name: value for name, value in shown.items() if value is not None}
