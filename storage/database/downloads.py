"""Downloads: one row a URL, whoever wants it. Claimed under a lease by any worker, one attempt at a time.

`downloads` says what became of a URL, `job_downloads` which job wanted it and what that job was told. A URL that is
there already is not fetched again for a second job: it is `known` to it at once.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from urllib.parse import urlsplit

from sqlalchemy import Connection, text

from core.errors import InvalidInputError
from storage.database.download_outcomes import end_rows
from storage.database.pictures import PictureRepository
from storage.database.session import Database

_PAGE = 2_000
_RANGES = 1 << 16
_CLAIMABLE = """
    (d.state IN ('pending', 'failed') AND d.due_at <= now() OR d.state = 'leased' AND d.leased_until < now())
"""


@dataclass(frozen=True, slots=True)
class Shard:
    """Part `number` of `of` (from 1) of all URLs, by a range of their hashes: a host's URLs are in all of them."""

    number: int = 1
    of: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.of <= _RANGES:
            raise InvalidInputError("shard", f"must be K/N with K from 1 to N, and N at most {_RANGES}")

    @classmethod
    def parse(cls, given: str) -> Shard:
        """'2/4'. Raises InvalidInputError."""
        number, _, of = given.partition("/")
        if not (given.isascii() and number.isdecimal() and of.isdecimal()):
            raise InvalidInputError("shard", "must be K/N, such as 2/4")
        return cls(int(number), int(of))

    @property
    def first(self) -> str:
        """No hash of this part is less than this text."""
        return f"{_RANGES * (self.number - 1) // self.of:04x}"

    @property
    def end(self) -> str:
        """Every hash of this part is less than this text."""
        return f"{_RANGES * self.number // self.of:04x}" if self.number < self.of else "g"

    def holds(self, url_hash: str) -> bool:
        """True for the hashes of this part."""
        return self.first <= url_hash < self.end

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"


@dataclass(frozen=True, slots=True)
class DownloadClaim:
    """A URL that this worker may fetch until its lease ends. `attempts` counts this one.

    `silent_s`: for how long it has been put off because its host is left alone. `etag`, `last_modified` and `sha256`
    are of the picture that an earlier fetch brought, if one did.
    """

    url_hash: str
    url: str
    host: str
    attempts: int
    silent_s: float
    etag: str | None
    last_modified: str | None
    sha256: str | None


@dataclass(frozen=True, slots=True)
class ShardState:
    """One part of a job's URLs: how many somebody works on, and how many could be claimed now."""

    leased: int
    claimable: int


def hash_url(url: str) -> str:
    """The key of a URL, 32 hex digits: the text as it is given, since hosts may tell capitals and slashes apart."""
    return hashlib.blake2b(url.encode(), digest_size=16).hexdigest()


def get_host(url: str) -> str:
    """'example.org' or 'example.org:8080'; blank for what is no URL, which fails when it is fetched."""
    try:
        return urlsplit(url).netloc.rpartition("@")[2].lower()
    except ValueError:
        return ""


class DownloadRepository:
    """Registers URLs and hands them out. What became of them is recorded by `OutcomeRepository`."""

    def __init__(self, database: Database, pictures: PictureRepository) -> None:
        self._database = database
        self._pictures = pictures

    # Wanting

    def enqueue(self, job_id: uuid.UUID, urls: Iterable[str], *, shard: Shard, refresh_days: int | None = None) -> int:
        """Give the job a row for each URL of its shard; returns how many URLs were looked at. Idempotent.

        A URL that was fetched before is `known`, one that was given up stays so (`avs jobs retry` tries it again).
        With `refresh_days` both are fetched anew if that was longer ago. A transaction for each thousand URLs or two.
        """
        hashed, count = ((hash_url(url), url) for url in urls), 0
        wanted = (pair for pair in hashed if shard.holds(pair[0]))
        while page := dict(islice(wanted, _PAGE)):
            with self._database.begin() as connection:
                self.enqueue_in(connection, job_id, page, refresh_days=refresh_days)
            count += len(page)
        return count

    def enqueue_in(
        self, connection: Connection, job_id: uuid.UUID, page: dict[str, str], *, refresh_days: int | None = None
    ) -> None:
        """As `enqueue`, for {hash: URL} and within the caller's transaction."""
        # In one order, so that two jobs never wait for each other.
        hashes = sorted(page)
        urls = [page[one] for one in hashes]
        hosts = [get_host(url) for url in urls]
        rows = {"hashes": hashes, "urls": urls, "hosts": hosts}
        connection.execute(_REGISTER, rows)
        # A cleaner may have taken one in between, and may take none that is held: see `leftovers`.
        while len(connection.execute(_HOLD, {"hashes": hashes}).all()) < len(hashes):
            connection.execute(_REGISTER, rows)
        if refresh_days is not None:
            connection.execute(_REFRESH, {"hashes": hashes, "days": refresh_days})
        connection.execute(_WANT, {"job_id": job_id, "hashes": hashes})
        self._settle_in(connection, job_id, hashes)

    def settle(self, job_id: uuid.UUID) -> int:
        """End the job's rows whose URLs came to their end for another job, unseen; returns how many."""
        with self._database.begin() as connection:
            return self._settle_in(connection, job_id, None)

    def _settle_in(self, connection: Connection, job_id: uuid.UUID, hashes: Sequence[str] | None) -> int:
        only = "" if hashes is None else "AND j.url_hash = ANY(:hashes)"
        query = text(f"""
            SELECT j.url_hash, d.url, d.state, d.sha256,
                   CASE d.state WHEN 'done' THEN 'known' ELSE d.reason END AS outcome
            FROM job_downloads j JOIN downloads d ON d.url_hash = j.url_hash
            WHERE j.job_id = :job_id AND j.state = 'pending' AND d.state IN ('done', 'dead') {only}
            ORDER BY j.url_hash
        """)  # noqa: S608 - `only` is one of two literals
        found = connection.execute(query, {"job_id": job_id, "hashes": hashes}).all()
        if found:
            self._pictures.attach_contents(connection, {row.url: row.sha256 for row in found if row.state == "done"})
            ended = [{"url_hash": row.url_hash, "state": row.state, "outcome": row.outcome} for row in found]
            end_rows(connection, ended, job_id=job_id)
        return len(found)

    def want_again(self, connection: Connection, sha256: Sequence[str]) -> int:
        """The store has lost these contents: their URLs are to be fetched by the next job; returns how many."""
        return connection.execute(_WANT_AGAIN, {"sha256": list(sha256)}).rowcount

    # What titles want

    def list_title_urls(self, slugs: Sequence[str] | None = None, *, only_missing: bool = False) -> list[str]:
        """The addresses that titles (None: all) name, without excluded ones.

        `only_missing`: those whose picture is not in the store, and that were not given up.
        """
        wanted = "" if slugs is None else "AND p.slug = ANY(:slugs)"
        missing = _MISSING if only_missing else ""
        query = text(f"SELECT DISTINCT p.url {_OF_TITLES} {wanted} {missing}")
        with self._database.begin() as connection:
            return list(connection.execute(query, {} if slugs is None else {"slugs": list(slugs)}).scalars())

    def is_any_missing(self) -> bool:
        """True if a title names a picture that nobody has fetched or given up."""
        query = text(f"SELECT EXISTS (SELECT 1 {_OF_TITLES} {_MISSING})")
        with self._database.begin() as connection:
            return bool(connection.execute(query).scalar_one())

    # Working

    def claim(
        self, job_id: uuid.UUID, *, shard: Shard, after: str = "", limit: int, owner: str, lease_s: float
    ) -> list[DownloadClaim]:
        """Lease due URLs of a running job, by hash from `after` on; never waits for another worker.

        By hash, so that neighbours of a list, which are mostly of one host, do not come together.
        """
        parameters = {
            "job_id": job_id,
            "after": max(after, shard.first),
            "end": shard.end,
            "limit": limit,
            "owner": owner,
            "lease_s": lease_s,
        }
        with self._database.begin() as connection:
            rows = connection.execute(_CLAIM, parameters).mappings().all()
        return sorted((DownloadClaim(**row) for row in rows), key=lambda claim: claim.url_hash)

    def renew(self, hashes: Sequence[str], *, owner: str, lease_s: float) -> int:
        """Hold those of the URLs that this worker has leased for another `lease_s` seconds; returns how many."""
        with self._database.begin() as connection:
            return connection.execute(_RENEW, {"hashes": sorted(hashes), "owner": owner, "lease_s": lease_s}).rowcount

    def postpone_host(self, host: str, *, wait_s: float) -> int:
        """Nothing of this host is due for so long: it does not answer. Returns how many URLs had been."""
        with self._database.begin() as connection:
            return connection.execute(_POSTPONE, {"host": host, "wait_s": wait_s}).rowcount

    def forgive_host(self, host: str) -> int:
        """The host answers again: that its URLs were put off is forgotten. Returns how many had been."""
        with self._database.begin() as connection:
            return connection.execute(_FORGIVE, {"host": host}).rowcount

    def get_wait(self, job_id: uuid.UUID, *, shard: Shard) -> float | None:
        """Seconds until the next URL of the shard falls due (0: now); None if none is going to, or the job has ended.

        What others have leased is theirs.
        """
        parameters = {"job_id": job_id, "first": shard.first, "end": shard.end}
        with self._database.begin() as connection:
            found = connection.execute(_NEXT_DUE, parameters).scalar_one()
        return None if found is None else max(0.0, float(found))

    def list_shards(self, job_id: uuid.UUID, *, of: int) -> dict[Shard, ShardState]:
        """The parts of the job's URLs in which something is open."""
        with self._database.begin() as connection:
            rows = connection.execute(_SHARDS, {"job_id": job_id, "of": of, "ranges": _RANGES}).all()
        return {Shard(row.number, of): ShardState(row.leased, row.claimable) for row in rows}


_OF_TITLES = """
    FROM pictures p JOIN titles t ON t.slug = p.slug LEFT JOIN downloads d ON d.url = p.url
    WHERE NOT p.gone AND p.url IS NOT NULL AND NOT t.excluded
"""

# Not there yet, or there no more (see want_again).
_MISSING = """
    AND d.state IS DISTINCT FROM 'dead' AND (p.sha256 IS NULL OR (d.state = 'pending' AND d.sha256 IS NULL))
"""

_REGISTER = text("""
    INSERT INTO downloads (url_hash, url, host)
    SELECT * FROM unnest(CAST(:hashes AS text[]), CAST(:urls AS text[]), CAST(:hosts AS text[]))
    ON CONFLICT (url_hash) DO NOTHING
""")

_HOLD = text("""
    SELECT url_hash FROM downloads WHERE url_hash = ANY(:hashes) ORDER BY url_hash FOR KEY SHARE
""")

_REFRESH = text("""
    UPDATE downloads d SET state = 'pending', attempts = 0, silent_since = NULL, due_at = now(), updated_at = now()
    FROM (SELECT url_hash FROM downloads WHERE url_hash = ANY(:hashes) AND state IN ('done', 'dead')
            AND coalesce(CASE state WHEN 'done' THEN fetched_at END, updated_at) <= now() - make_interval(days => :days)
          ORDER BY url_hash FOR UPDATE) old
    WHERE d.url_hash = old.url_hash
""")

_WANT = text("""
    INSERT INTO job_downloads (job_id, url_hash)
    SELECT :job_id, url_hash FROM unnest(CAST(:hashes AS text[])) AS g(url_hash)
    ON CONFLICT (job_id, url_hash) DO NOTHING
""")

# Without the old ETag: the host must not answer that nothing has changed.
_WANT_AGAIN = text("""
    UPDATE downloads SET state = 'pending', attempts = 0, silent_since = NULL, due_at = now(), sha256 = NULL,
        etag = NULL, last_modified = NULL, reason = 'media-lost', updated_at = now()
    WHERE sha256 = ANY(:sha256) AND state <> 'leased'
""")

_CLAIM = text(f"""
    WITH free AS (
        SELECT d.url_hash FROM job_downloads j JOIN downloads d ON d.url_hash = j.url_hash
        WHERE j.job_id = :job_id AND j.state = 'pending' AND j.url_hash > :after AND j.url_hash < :end AND {_CLAIMABLE}
          AND EXISTS (SELECT 1 FROM jobs WHERE id = :job_id AND state = 'running')
        ORDER BY j.url_hash LIMIT :limit
        FOR UPDATE OF d SKIP LOCKED
    )
    UPDATE downloads d
    SET state = 'leased', leased_until = now() + make_interval(secs => :lease_s), lease_owner = :owner,
        attempts = d.attempts + 1, updated_at = now()
    FROM free WHERE d.url_hash = free.url_hash
    RETURNING d.url_hash, d.url, d.host, d.attempts, d.etag, d.last_modified, d.sha256,
              coalesce(CAST(extract(epoch FROM now() - d.silent_since) AS double precision), 0) AS silent_s
""")  # noqa: S608 - a constant

_RENEW = text("""
    UPDATE downloads SET leased_until = now() + make_interval(secs => :lease_s)
    WHERE url_hash = ANY(:hashes) AND state = 'leased' AND lease_owner = :owner
""")

_POSTPONE = text("""
    UPDATE downloads d SET due_at = now() + make_interval(secs => :wait_s),
        silent_since = coalesce(d.silent_since, now())
    FROM (SELECT url_hash FROM downloads WHERE host = :host AND state IN ('pending', 'failed')
            -- Half of it: what was put off a moment ago is not put off twice.
            AND due_at < now() + make_interval(secs => :wait_s / 2)
          ORDER BY url_hash FOR UPDATE SKIP LOCKED) waiting
    WHERE d.url_hash = waiting.url_hash
""")

_FORGIVE = text("""
    UPDATE downloads d SET silent_since = NULL
    FROM (SELECT url_hash FROM downloads WHERE host = :host AND silent_since IS NOT NULL
          ORDER BY url_hash FOR UPDATE SKIP LOCKED) late
    WHERE d.url_hash = late.url_hash
""")

_NEXT_DUE = text("""
    SELECT extract(epoch FROM min(d.due_at) - now())
    FROM job_downloads j JOIN downloads d ON d.url_hash = j.url_hash
    WHERE j.job_id = :job_id AND j.state = 'pending' AND j.url_hash >= :first AND j.url_hash < :end
      AND d.state IN ('pending', 'failed') AND EXISTS (SELECT 1 FROM jobs WHERE id = :job_id AND state = 'running')
""")

_SHARDS = text(f"""
    SELECT number, count(*) FILTER (WHERE leased) AS leased, count(*) FILTER (WHERE claimable) AS claimable
    FROM (
        -- The first part whose end lies behind the hash.
        SELECT ((('x' || left(j.url_hash, 4))::bit(16)::bigint + 1) * :of + :ranges - 1) / :ranges AS number,
               d.state = 'leased' AND d.leased_until >= now() AS leased, {_CLAIMABLE} AS claimable
        FROM job_downloads j JOIN downloads d ON d.url_hash = j.url_hash
        WHERE j.job_id = :job_id AND j.state = 'pending'
    ) rows GROUP BY number
""")  # noqa: S608 - a constant
