"""A web server on loopback that serves good pictures and, by path, everything that a hostile or broken host may send.

`with PictureHost() as host:` runs it in a thread; `python -m tests.picture_host` in a process of its own. Paths:

| path | answer |
|---|---|
| `/many/N.jpg` | the N-th of endlessly many small JPEGs, each with its own content |
| `/file/NAME` | a file of the folder that was given |
| `/kind/KIND/ANYTHING` | a kind of `KINDS`: good, broken or hostile; whatever follows makes the address another one |
| `/forbidden/ANYTHING` | a good picture that robots.txt forbids |
| `/flaky/STATUS/TIMES/ANYTHING` | a status so many times, then a good picture |
| `/pause/SECONDS/TIMES/ANYTHING` | 429 with Retry-After so many times, then a good picture |
| `/redirect/N/PATH` | N redirects (301, 302, 303, 307, 308 in turn), then PATH |
| `/slow/SECONDS/PATH` | PATH after so many seconds |
| `/robots.txt`, `/counts.json` | rules; requests by path so far |

Every good answer has an ETag and Last-Modified and knows 304. Queries are counted with the path, and do not change
the answer.
"""

from tests.picture_host.host import PictureHost
from tests.picture_host.kinds import KINDS, Kind
from tests.picture_host.replies import Reply

__all__ = ["KINDS", "Kind", "PictureHost", "Reply"]
