"""From a title to scored candidates: its names are searched for, and records of the best looked at if that tells more.

A dump of titles knows neither type nor year. What it brings is a shortlist: the provider's own record of the best is
asked for, which is the page that enriching needs anyway, and is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from enrichment.linking.features import Subject
from enrichment.linking.scoring import LinkModel, Scored, score_candidates
from enrichment.providers.base import Candidate
from storage.database.enrichment_models import LinkState

Search = Callable[[str], Sequence[Candidate]]
# The provider's own record of an id; None if it has none.
Verify = Callable[[str], Candidate | None]

# Names of a title that are searched for, one after the other, until one of them finds it.
_SEARCHES: Final = 3
# Records looked at: each is a request.
_VERIFIED: Final = 2


def find_candidates(subject: Subject, search: Search, verify: Verify | None, model: LinkModel) -> list[Scored]:
    """Candidates, the most probable first. Raises what `search` and `verify` raise."""
    found = _search(subject, search, model)
    return found if verify is None else _verify(subject, found, verify, model)


def _search(subject: Subject, search: Search, model: LinkModel) -> list[Scored]:
    """The next name is asked for only where the ones before left doubt."""
    candidates: dict[str, Candidate] = {}
    scored: list[Scored] = []
    for title in subject.titles[: min(subject.main, _SEARCHES)]:
        for candidate in search(title):
            candidates.setdefault(candidate.external_id, candidate)
        scored = score_candidates(subject, list(candidates.values()), model)
        if scored and scored[0].state is LinkState.LINKED:
            break
    return scored


def _verify(subject: Subject, scored: list[Scored], verify: Verify, model: LinkModel) -> list[Scored]:
    """Score again with the records of the most probable; a record that is gone takes its candidate along."""
    looked_at: set[str] = set()
    for _ in range(_VERIFIED):
        best = scored[0] if scored else None
        if best is None or best.probability < model.review or not _is_bare(best.candidate):
            break
        external_id = best.candidate.external_id
        if external_id in looked_at:
            break
        looked_at.add(external_id)
        record = verify(external_id)
        others = [one.candidate for one in scored if one.candidate.external_id != external_id]
        known = [] if record is None else [_join(best.candidate, record)]
        scored = score_candidates(subject, [*known, *others], model)
    return scored


def _is_bare(candidate: Candidate) -> bool:
    return candidate.type is None and candidate.year is None and candidate.episodes is None


def _join(candidate: Candidate, record: Candidate) -> Candidate:
    """The record with the titles of both: a dump may know more of them."""
    return replace(record, titles=tuple(dict.fromkeys((*record.titles, *candidate.titles))))
