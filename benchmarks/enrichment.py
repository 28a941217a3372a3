"""(j) Titles a day of enrichment, against stand-ins of all six providers that keep to their true limits.

Time is compressed: the stand-ins' windows, our limits and the workflow's waits are so many times shorter, and what is
counted is simulated time. Waits that are no setting (circuits, tries after a failure) stay as long as they are, and the
processor does not become faster: a real day is easier than this one. Three parts:

true      a minute and a half in true time: the greatest number of requests in any window of each limit
rates     the same titles with 1, 2 and 4 worker processes
day       24 hours: one provider is away for three of them, one answers 429 for an hour, one talks garbage for three
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import redis

from core.providers import PROVIDER_LIMITS
from embedded.services import EmbeddedServices
from tests.provider_stands import ProviderStands, load_titles
from tests.provider_stands.fleet import ROOT, WorkerFleet
from tests.provider_stands.titles import build_catalogue
from tests.provider_stands.workflows import write_workflow

AIM: Final = 1_000
DAY_S: Final = 86_400.0
WORKERS: Final = (1, 2, 4)
# A provider's answer takes so long, in its own time.
_LATENCY_S = 0.2
# By how much the arrivals of two requests may shift on a busy machine; real time.
_SLACK_S = 0.03
_LIMIT_S = 1_200.0
_HOUR_S = 3_600.0
# AniDB's own limit of a day is far below what the others allow; rates are told with and without it.
_SLOWEST = "anidb"
# What goes wrong on the day: who, how, from which hour to which.
TROUBLE: Final = (
    ("kitsu", "refused", 0.5, 3.5),
    ("anilist", "limited", 1.0, 2.0),
    ("animeschedule", "garbage", 0.0, 3.0),
)
_COMPLETE = """
    SELECT count(*) FROM (
        SELECT slug FROM enrich_parts WHERE provider <> ALL(%s)
        GROUP BY slug HAVING bool_and(state IN ('done', 'absent'))
    ) AS complete
"""


@dataclass(frozen=True)
class Scene:
    """Stand-ins and workers over an empty database with the catalogue."""

    stands: ProviderStands
    fleet: WorkerFleet
    factor: float

    def count_complete(self, *, without: tuple[str, ...] = ()) -> int:
        """Titles of which every part is done at every provider but these."""
        return int(self.fleet.query(_COMPLETE, list(without))[0][0])

    def describe_limits(self) -> dict[str, Any]:
        """Requests by provider, those too many, and the most in a window of each limit."""
        seen = Counter(one.provider for one in self.stands.list_seen())
        return {
            name: {"requests": seen[name], "over": self.stands.count_over(name), "windows": windows}
            for name, windows in self.stands.measure().items()
        }


def run(*, titles: int, rate_factor: float, day_titles: int, day_factor: float, true_s: float) -> dict[str, Any]:
    """All three parts, on servers of their own."""
    with tempfile.TemporaryDirectory(prefix="avs-bench-enrichment-") as name:
        folder = Path(name)
        with EmbeddedServices(folder / "home") as services:
            env = services.env
            true = measure_true_time(env, folder / "true", seconds=true_s)
            rates = [
                measure_rate(env, folder / f"rate-{workers}", workers=workers, titles=titles, factor=rate_factor)
                for workers in WORKERS
            ]
            day = simulate_day(env, folder / "day", titles=day_titles, factor=day_factor)
    declared = {provider: [str(limit) for limit in limits] for provider, limits in PROVIDER_LIMITS.items()}
    return {"aim": AIM, "declared_limits": declared, "true_time": true, "rates": rates, "day": day}


def measure_true_time(env: Mapping[str, str], folder: Path, *, seconds: float) -> dict[str, Any]:
    """Two workers for so long, at the providers' own speed."""
    with open_scene(env, folder, workers=2, titles=200, factor=1.0) as scene:
        start_job(scene)
        time.sleep(seconds)
        return {"seconds": seconds, "workers": 2, "limits": scene.describe_limits()}


def measure_rate(env: Mapping[str, str], folder: Path, *, workers: int, titles: int, factor: float) -> dict[str, Any]:
    """From the first request to the last part of all providers but the slowest, whose day has a limit of its own."""
    with open_scene(env, folder, workers=workers, titles=titles, factor=factor) as scene:
        start_job(scene)
        done = lambda: scene.count_complete(without=(_SLOWEST,)) == titles  # noqa: E731
        scene.fleet.wait_until(done, limit_s=_LIMIT_S, every_s=0.2)
        simulated_s = (time.monotonic() - scene.stands.list_seen()[0].at) * factor
        return {
            "workers": workers,
            "titles": titles,
            "factor": factor,
            "simulated_s": round(simulated_s),
            "titles_a_day": round(titles / simulated_s * DAY_S),
            "limits": scene.describe_limits(),
        }


def simulate_day(env: Mapping[str, str], folder: Path, *, titles: int, factor: float) -> dict[str, Any]:
    """24 hours with everything that goes wrong; what was complete at each of them."""
    # Each run of the retries is a job over all that is due: a processor would do nothing else every two seconds.
    changes = {'every = "5 min"': f'every = "{1_800 / factor:.3f} s"'}
    with open_scene(env, folder, workers=2, titles=titles, factor=factor, changes=changes) as scene:
        start_job(scene)
        began = time.monotonic()
        hours: list[dict[str, Any]] = []
        moods: dict[str, str] = {}
        while (hour := (time.monotonic() - began) * factor / _HOUR_S) < 24:
            change_moods(scene.stands, moods, hour)
            if hour >= len(hours):
                hours.append(describe_hour(scene, hour))
            if scene.count_complete() == titles and not any(hour < until for *_, until in TROUBLE):
                break
            time.sleep(0.25)
        hours.append(describe_hour(scene, hour))
        return {
            "titles": titles,
            "factor": factor,
            "workers": 2,
            "trouble": [f"{name}: {mood} from hour {start:g} to {end:g}" for name, mood, start, end in TROUBLE],
            "hours": hours,
            "complete": scene.count_complete(),
            "complete_without_anidb": scene.count_complete(without=(_SLOWEST,)),
            "parts": [list(row) for row in scene.fleet.query(
                "SELECT provider, state, count(*) FROM enrich_parts GROUP BY 1, 2 ORDER BY 1, 2")],
            "dead_letters": scene.fleet.query("SELECT count(*) FROM dead_letters")[0][0],
            "limits": scene.describe_limits(),
        }  # fmt: skip


def describe_hour(scene: Scene, hour: float) -> dict[str, Any]:
    """Titles that are complete, and those that have something of somebody in their document."""
    (enriched,) = scene.fleet.query("SELECT count(*) FROM provenance")[0]
    return {
        "hour": round(hour, 1),
        "complete": scene.count_complete(),
        "complete_without_anidb": scene.count_complete(without=(_SLOWEST,)),
        "enriched": enriched,
    }


def change_moods(stands: ProviderStands, moods: dict[str, str], hour: float) -> None:
    """As TROUBLE says of this hour."""
    for provider, mood, start, end in TROUBLE:
        wanted = mood if start <= hour < end else "normal"
        if moods.get(provider, "normal") != wanted:
            stands.set_mood(provider, wanted)
            # The other moods of a provider replace one another only where they end.
            moods[provider] = wanted


def start_job(scene: Scene) -> None:
    """All titles, as `avs enrich` does."""
    scene.fleet.run_json("enrich", "--no-wait", "--no-index")


@contextmanager
def open_scene(
    env: Mapping[str, str],
    folder: Path,
    *,
    workers: int,
    titles: int,
    factor: float,
    changes: Mapping[str, str] | None = None,
) -> Iterator[Scene]:
    """Empty the database and the broker, start everything, and import the titles without any of their facts."""
    folder.mkdir()
    known = load_titles(titles)
    with ProviderStands(known, factor=factor, latency_s=_LATENCY_S / factor, slack_s=_SLACK_S) as stands:
        given = {
            **env,
            **stands.env,
            "AVS_HOME": str(folder),
            # Nobody indexes here.
            "ENRICH_WORKFLOW": str(
                write_workflow(folder, factor, changes={"index =": 'index = "30 d"', **(changes or {})})
            ),
            "RECONCILE_EVERY_S": "2",
            "LOG_LEVEL": "ERROR",
        }
        empty_servers(given)
        with WorkerFleet(given, folder=folder, workers=workers, beat=True) as fleet:
            fleet.add_titles(build_catalogue(known))
            yield Scene(stands, fleet, factor)


def empty_servers(env: Mapping[str, str]) -> None:
    """A database without rows, a broker without tasks and limits."""
    with redis.Redis.from_url(env["REDIS_URL"]) as client:
        client.flushall()
    migrate = [sys.executable, "-m", "alembic", "-c", "migrations/alembic.ini"]
    for step in (["downgrade", "base"], ["upgrade", "head"]):
        subprocess.run([*migrate, *step], cwd=ROOT, env={**env}, check=True, capture_output=True, timeout=120)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--titles", type=int, default=150, help="titles of each rate")
    parser.add_argument("--rate-factor", type=float, default=12.0)
    parser.add_argument("--day-titles", type=int, default=1_200)
    parser.add_argument("--day-factor", type=float, default=144.0)
    parser.add_argument("--true-s", type=float, default=90.0)
    chosen = parser.parse_args()
    print(json.dumps(run(**vars(chosen)), indent=2))
