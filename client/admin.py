"""For operators: numbers, titles by hand, generations, snapshots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

from client import routes
from client.parsing import ValueT
from client.routes import Route
from client.transport import Call, Transport
from client.values.admin import (
    AdminHealth,
    AdminStats,
    CollectionInfo,
    Exclusion,
    Generation,
    GenerationList,
    Snapshot,
    SnapshotList,
    Swap,
)
from client.values.jobs import Job
from client.values.linking import LinkDecision, LinkList, LinkWithdrawn
from client.values.provenance import Override, OverrideChange, OverrideList
from client.values.providers import ProviderHealthList

# A service that is not ready says so with this status, and with the same report.
_UNAVAILABLE = 503


class Point(TypedDict):
    """Vectors of one title (slug or `provider:id`) by name."""

    id: str
    vectors: Mapping[str, Sequence[float]]


class AdminClient:
    """`client.admin`. Needs a key of role admin; numbers and titles by hand need an editor.

    What takes long is a job: wait for it with `client.jobs.wait_for(job.id)`. With `wait_s` the service itself waits,
    up to 30 s, so that a short job comes back ended.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def get_stats(self) -> AdminStats:
        """What is stored, and what ran."""
        return self._ask(routes.ADMIN_STATS, AdminStats)

    def get_health(self) -> AdminHealth:
        """Servers, workers and the live generation. A service that is not ready is a report and no error."""
        call = Call(route=routes.ADMIN_HEALTH, path=routes.ADMIN_HEALTH.path, accepted=(_UNAVAILABLE,))
        return self._transport.get(call, AdminHealth)

    def get_collection(self) -> CollectionInfo:
        """The live collection. Raises ConflictError while nothing is indexed."""
        return self._ask(routes.COLLECTION, CollectionInfo)

    def get_providers(self) -> ProviderHealthList:
        """The providers of enrichment: limits, pauses, errors, newest answers, parts of titles by state."""
        return self._ask(routes.LIST_PROVIDERS, ProviderHealthList)

    def upsert_documents(self, documents: Sequence[Mapping[str, Any]], *, wait_s: float = 0.0) -> Job:
        """Take over up to 1,000 title documents and index them."""
        return self._start(routes.UPSERT, {"documents": documents}, wait_s=wait_s)

    def upsert_vectors(self, points: Sequence[Point], *, recipe: str, wait_s: float = 0.0) -> Job:
        """Take over vectors that were made elsewhere, of up to 1,000 known titles.

        `recipe` is the fingerprint of the recipe that made them; ConflictError if it is not the live index's.

            recipe = client.admin.get_collection().recipes["text"].fingerprint
            client.admin.upsert_vectors([{"id": "mal:1", "vectors": {"title_vector": vector}}], recipe=recipe)
        """
        return self._start(routes.UPSERT, {"points": points, "recipe": recipe}, wait_s=wait_s)

    def exclude_title(self, title_id: str) -> Exclusion:
        """Take a title out of the index, and let no import or reindex bring it back. Harmless when it is out."""
        return self._ask(routes.EXCLUDE_TITLE, Exclusion, id=title_id)

    def restore_title(self, title_id: str) -> Exclusion:
        """Bring an excluded title back."""
        return self._ask(routes.RESTORE_TITLE, Exclusion, body={}, id=title_id)

    def list_overrides(self, title_id: str) -> dict[str, Override]:
        """What persons said of a title, by field."""
        return self._ask(routes.LIST_OVERRIDES, OverrideList, id=title_id).overrides

    def set_override(self, title_id: str, field: str, value: Any, *, note: str | None = None) -> OverrideChange:
        """Decide a field: before every source, imports too. `value` None: the field shall be empty.

        Raises InvalidRequestError for a value that the field cannot have.
        """
        body = {"value": value} if note is None else {"value": value, "note": note}
        return self._ask(routes.SET_OVERRIDE, OverrideChange, body=body, id=title_id, field=field)

    def remove_override(self, title_id: str, field: str) -> OverrideChange:
        """Let the sources decide again."""
        return self._ask(routes.REMOVE_OVERRIDE, OverrideChange, id=title_id, field=field)

    def list_links(
        self, *, state: str = "doubtful", provider: str | None = None, limit: int = 50, offset: int = 0
    ) -> LinkList:
        """Where titles are at providers; by default those that wait for a person, the most probable first."""
        params = {"state": state, "provider": provider, "limit": limit, "offset": offset}
        return self._transport.get(Call(route=routes.LIST_LINKS, path=routes.LIST_LINKS.path, params=params), LinkList)

    def decide_link(self, title_id: str, provider: str, external_id: str | None) -> LinkDecision:
        """Say where a title is at a provider; None: it is none of the provider's.

        Raises ConflictError if another title has the id by its catalogue or by a person.
        """
        body: dict[str, Any] = {"refuse": True} if external_id is None else {"external_id": external_id}
        return self._ask(routes.DECIDE_LINK, LinkDecision, body=body, id=title_id, provider=provider)

    def withdraw_link(self, title_id: str, provider: str) -> LinkWithdrawn:
        """Take a decision back: the title is looked for again when it is next enriched."""
        return self._ask(routes.WITHDRAW_LINK, LinkWithdrawn, id=title_id, provider=provider)

    def reindex(self, *, reason: str | None = None, wait_for_gate: bool = True, swap: bool = True) -> Job:
        """Make the index anew beside the live one, and move the alias when it is as good; searches go on.

        `wait_for_gate`: only when its graphs are built and their answers checked. `swap=False`: let it stand by.
        Raises ConflictError while another one is being made.
        """
        body = {"wait_for_gate": wait_for_gate, "swap": swap}
        return self._start(routes.REINDEX, body if reason is None else {"reason": reason, **body})

    def list_generations(self) -> tuple[Generation, ...]:
        """All collections of titles, the newest first."""
        return self._ask(routes.LIST_GENERATIONS, GenerationList).generations

    def swap_generation(self, collection: str, *, force: bool = False) -> Swap:
        """Answer searches from another generation; `force`: also from one that was never live and lacks many titles."""
        return self._ask(routes.SWAP_GENERATION, Swap, body={"force": force}, collection=collection)

    def rollback(self) -> Swap:
        """Go back to the generation that was live before."""
        return self._ask(routes.ROLLBACK, Swap, body={})

    def drop_generation(self, collection: str) -> None:
        """Delete a generation that is out of use. Raises ConflictError for the live one."""
        self._delete(routes.DROP_GENERATION, collection=collection)

    def take_snapshot(self, *, reason: str | None = None, wait_s: float = 0.0) -> Job:
        """Save the live collection."""
        return self._start(routes.TAKE_SNAPSHOT, {} if reason is None else {"reason": reason}, wait_s=wait_s)

    def list_snapshots(self) -> tuple[Snapshot, ...]:
        """All snapshots, the newest first."""
        return self._ask(routes.LIST_SNAPSHOTS, SnapshotList).snapshots

    def delete_snapshot(self, name: str) -> None:
        """Delete a snapshot's file. Raises NotFoundError."""
        self._delete(routes.DELETE_SNAPSHOT, name=name)

    def restore_snapshot(self, name: str) -> Job:
        """Make a generation of a snapshot. It stands by: swap to it when the job has ended."""
        return self._ask(routes.RESTORE_SNAPSHOT, Job, body={}, name=name)

    def _ask(self, route: Route, kind: type[ValueT], *, body: Mapping[str, Any] | None = None, **parts: str) -> ValueT:
        return self._transport.get(Call(route=route, path=route.fill(**parts), body=body), kind)

    def _start(self, route: Route, body: Mapping[str, Any], *, wait_s: float = 0.0) -> Job:
        waited = {**body, "wait": wait_s} if wait_s else body
        return self._transport.get(Call(route=route, path=route.path, body=waited, extra_s=wait_s), Job)

    def _delete(self, route: Route, **parts: str) -> None:
        self._transport.fetch(Call(route=route, path=route.fill(**parts)))
