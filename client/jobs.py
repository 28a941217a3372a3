"""Jobs of the pipeline: import documents, index titles, and wait for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from client import routes
from client.problems import ClientError, WaitTimeoutError
from client.retrying import RetryPolicy, may_pass
from client.routes import Route
from client.transport import Call, Transport
from client.values.jobs import DeadLetter, DeadLetterList, Job, JobList

_FIRST_POLL_S = 0.2
_LONGEST_POLL_S = 5.0


class JobsClient:
    """`client.jobs`. Starting a job is never sent twice, unless the service has said that it did nothing."""

    def __init__(self, transport: Transport, policy: RetryPolicy) -> None:
        self._transport = transport
        self._policy = policy

    def create_index(self, ids: Sequence[str] | None = None) -> Job:
        """Embed and index what has changed, or the given titles only (slugs or `provider:id`, up to 10,000)."""
        return self._create({"kind": "index"} if ids is None else {"kind": "index", "ids": ids})

    def create_import(
        self,
        documents: Sequence[Mapping[str, Any]] | None = None,
        *,
        path: str | None = None,
        then_enrich: bool = False,
    ) -> Job:
        """Take over title documents (up to 1,000), or a file below the service's IMPORT_ROOT, and index them.

        `then_enrich` asks the providers about those that were added or changed.

        job = client.jobs.create_import([{"title": "Cowboy Bebop", "year": 1998, "external_ids": {"mal": 1}}])
        """
        if (documents is None) == (path is None):
            raise ValueError("give either documents or path")
        given = {"path": path} if documents is None else {"documents": documents}
        return self._create({"kind": "import", **given, **({"then_enrich": True} if then_enrich else {})})

    def create_download(
        self,
        ids: Sequence[str] | None = None,
        *,
        urls: Sequence[str | Mapping[str, Any]] | None = None,
        refresh: bool = False,
        then_index: bool = False,
    ) -> Job:
        """Fetch the pictures of all titles, of the given ones (slugs or `provider:id`), or of a list (up to 1,000).

        An entry of `urls` is a URL, or a mapping {url, id, tags, metadata, title, adult}. `refresh` asks again for what
        is old; `then_index` indexes the pictures when all are there.
        """
        if ids is not None and urls is not None:
            raise ValueError("give either ids or urls")
        given = {name: value for name, value in {"ids": ids, "urls": urls}.items() if value is not None}
        return self._create({"kind": "download", **given, "refresh": refresh, "then_index": then_index})

    def create_enrich(
        self,
        ids: Sequence[str] | None = None,
        *,
        providers: Sequence[str] | None = None,
        stages: Sequence[str] | None = None,
        stale: bool = False,
        refresh: bool = False,
        merge_only: bool = False,
        then_index: bool = True,
    ) -> Job:
        """Ask the configured providers about all titles, or the given ones, for what is missing or old; merge it.

        `stale`: nothing that was never asked; `refresh`: again for all; `merge_only`: ask nobody; `then_index`: index
        what has changed.
        """
        named = {"ids": ids, "providers": providers, "stages": stages}
        given = {name: value for name, value in named.items() if value is not None}
        flags = {"stale": stale, "refresh": refresh, "merge_only": merge_only}
        told = {name: True for name, flag in flags.items() if flag}
        return self._create({"kind": "enrich", **given, **told, "then_index": then_index})

    def get(self, job_id: str) -> Job:
        """A job with its progress. Raises NotFoundError."""
        return self._ask(routes.GET_JOB, job_id)

    def list(self, *, state: str | None = None, limit: int = 20, offset: int = 0) -> tuple[Job, ...]:
        """The newest jobs, without progress; those in one state if it is given."""
        params = {"state": state, "limit": limit, "offset": offset}
        call = Call(route=routes.LIST_JOBS, path=routes.LIST_JOBS.path, params=params)
        return self._transport.get(call, JobList).jobs

    def cancel(self, job_id: str) -> Job:
        """End an open job. Raises ConflictError when it has ended."""
        return self._ask(routes.CANCEL_JOB, job_id)

    def retry(self, job_id: str) -> Job:
        """Give the dead and open titles of an ended job a fresh start. Raises ConflictError while it runs."""
        return self._ask(routes.RETRY_JOB, job_id)

    def list_dead_letters(self, job_id: str, *, limit: int = 100, offset: int = 0) -> tuple[DeadLetter, ...]:
        """What a job has given up, and why."""
        path = routes.DEAD_LETTERS.fill(job_id=job_id)
        call = Call(route=routes.DEAD_LETTERS, path=path, params={"limit": limit, "offset": offset})
        return self._transport.get(call, DeadLetterList).dead_letters

    def wait_for(
        self,
        job_id: str,
        *,
        timeout_s: float | None = None,
        patience_s: float = 120.0,
        on_progress: Callable[[Job], None] | None = None,
    ) -> Job:
        """Ask until the job has ended, at growing intervals of up to 5 s, and return it; look at its `state`.

        `on_progress` is called with each answer. Raises WaitTimeoutError after `timeout_s` (None: wait for ever); the
        job goes on. A service that is away for less than `patience_s` is waited for too, since jobs outlive it.

            job = client.jobs.wait_for(job.id, on_progress=lambda job: print(job.progress.seconds_left))
        """
        clock = self._policy.clock
        started = last_seen = clock()
        pause_s = _FIRST_POLL_S
        while True:
            try:
                job = self.get(job_id)
            except ClientError as error:
                if not may_pass(error) or clock() - last_seen >= patience_s:
                    raise
            else:
                last_seen = clock()
                if on_progress is not None:
                    on_progress(job)
                if job.has_ended:
                    return job
            if timeout_s is not None and clock() + pause_s - started > timeout_s:
                raise WaitTimeoutError(f"job {job_id} has not ended within {timeout_s:g} s")
            self._policy.sleep(pause_s)
            pause_s = min(_LONGEST_POLL_S, pause_s * 1.5)

    def _create(self, body: Mapping[str, Any]) -> Job:
        return self._transport.get(Call(route=routes.CREATE_JOB, path=routes.CREATE_JOB.path, body=body), Job)

    def _ask(self, route: Route, job_id: str) -> Job:
        return self._transport.get(Call(route=route, path=route.fill(job_id=job_id)), Job)
