"""How far an enrich job has got: the parts of its titles, by provider and by stage."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field

from sqlalchemy import Connection, Row, text


@dataclass(frozen=True, slots=True)
class EnrichProgress:
    """Parts by state, of each provider and of each stage; `known`: was there before the job and fresh enough.

    `put_off`: why parts that failed or were blocked wait, by provider: {reason: count}.
    """

    providers: dict[str, dict[str, int]] = field(default_factory=dict)
    stages: dict[str, dict[str, int]] = field(default_factory=dict)
    put_off: dict[str, dict[str, int]] = field(default_factory=dict)


def count_enrichment(connection: Connection, job_id: uuid.UUID) -> EnrichProgress:
    """The progress of an enrich job; empty before its titles are known."""
    return _add_up(connection.execute(_COUNT, {"job_id": job_id}))


def _add_up(rows: Iterable[Row[tuple[object, ...]]]) -> EnrichProgress:
    progress = EnrichProgress()
    for row in rows:
        for counts in (
            progress.providers.setdefault(row.provider, {}),
            progress.stages.setdefault(row.stage, {}),
        ):
            counts[row.state] = counts.get(row.state, 0) + row.parts
        if row.reason is not None:
            reasons = progress.put_off.setdefault(row.provider, {})
            reasons[row.reason] = reasons.get(row.reason, 0) + row.parts
    return progress


_COUNT = text("""
    SELECT p.provider, p.stage, count(*) AS parts,
           CASE WHEN p.state IN ('done', 'absent') AND p.settled_at < j.created_at THEN 'known' ELSE p.state END
               AS state,
           CASE WHEN p.state IN ('failed', 'blocked') THEN p.reason END AS reason
    FROM stage_rows r JOIN jobs j ON j.id = r.job_id
    JOIN enrich_parts p ON p.slug = r.slug
     AND jsonb_exists(j.params -> 'providers', p.provider) AND jsonb_exists(j.params -> 'stages', p.stage)
    WHERE r.job_id = :job_id AND r.stage = 'enrich'
    GROUP BY 1, 2, 4, 5 ORDER BY 1, 2, 4, 5
""")
