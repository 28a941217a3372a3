"""The six providers on loopback: their paths, shapes, ids, errors and limits, over the facts of our sample catalogue.

`with ProviderStands() as stands:` runs them in a thread, each on a port of its own; `python -m tests.provider_stands`
in a process of its own, told what to do over HTTP (`stands.RemoteStands`). `stands.env` are the settings that point
the service at them.

| provider | what is asked |
|---|---|
| jikan | `/v4/anime/ID[/full, /episodes, /characters, /staff, /statistics, /relations, ...]`, `/v4/anime?q=` |
| anilist | POST `/`: GraphQL, executed against a cut of the real schema (`anilist.graphql`) |
| kitsu | `/api/edge/...`: JSON:API with `include`, `filter`, `page[limit]` up to 20 |
| anidb | `/httpapi?request=anime&aid=`, XML, always gzip; `/api/anime-titles.xml.gz`, the daily dump |
| animeschedule | `/api/v3/anime`, `/api/v3/anime/ROUTE`, `/api/v3/timetables`, with a token |
| anime-planet | `/robots.txt`, `/anime/SLUG`, `/anime/all?name=`: pages |

Limits are measured here, by arrival, in a sliding window: `factor` makes all times of theirs so many times shorter.
What a provider does is its mood (`moods.MOODS`), which can change at any time.
"""

from tests.provider_stands.moods import MOODS, Mood
from tests.provider_stands.records import Asked, Seen
from tests.provider_stands.server import ProviderStands
from tests.provider_stands.titles import StandTitle, load_titles

__all__ = ["MOODS", "Asked", "Mood", "ProviderStands", "Seen", "StandTitle", "load_titles"]
