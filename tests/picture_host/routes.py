"""Which answer a path gets."""

from __future__ import annotations

import json
import mimetypes
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from tests.picture_host.kinds import KINDS
from tests.picture_host.pictures import build_jpeg
from tests.picture_host.replies import Reply, build_picture, build_redirect, build_text

ROBOTS = b"User-agent: *\nDisallow: /forbidden/\n"
_MISSING = build_text(b"not found", "text/plain", status=404)
_REDIRECTS = (301, 302, 303, 307, 308)


class Router:
    """Answers by path. Lives on the server's thread; `scripts` may be set from others."""

    def __init__(self, *, folder: Path | None, robots: bytes | Reply) -> None:
        self.counts: Counter[str] = Counter()
        self._paths: Counter[str] = Counter()
        self.scripts: dict[str, list[Reply]] = {}
        self.robots = robots
        self._files = _load_files(folder) if folder else {}
        self._routes: Mapping[str, Callable[[str], Reply]] = {
            "many": self._many,
            "file": lambda rest: self._files.get(rest, _MISSING),
            "kind": self._kind,
            "forbidden": lambda _: build_picture(build_jpeg(0)),
            "flaky": self._flaky,
            "pause": self._pause,
            "redirect": self._redirect,
            "slow": self._slow,
            "robots.txt": lambda _: self._get_robots(),
            "counts.json": lambda _: build_text(json.dumps(self.counts).encode(), "application/json"),
        }

    @property
    def file_names(self) -> list[str]:
        """Names of the files of the folder, sorted."""
        return sorted(self._files)

    def answer(self, target: str) -> Reply:
        """Count the request and find its answer."""
        self.counts[target] += 1
        path = target.partition("?")[0]
        self._paths[path] += 1
        script = self.scripts.get(path)
        if script:
            return script.pop(0) if len(script) > 1 else script[0]
        return self._find(path)

    def _find(self, path: str) -> Reply:
        name, _, rest = path.lstrip("/").partition("/")
        route = self._routes.get(name)
        return route(rest) if route else _MISSING

    def _many(self, rest: str) -> Reply:
        number = rest.partition(".")[0]
        return build_picture(build_jpeg(int(number))) if number.isdigit() else _MISSING

    def _kind(self, rest: str) -> Reply:
        name, _, more = rest.partition("/")
        kind = KINDS.get(name)
        return kind.build(more) if kind else _MISSING

    def _flaky(self, rest: str) -> Reply:
        status, times, _ = rest.split("/", 2)
        if self._paths[f"/flaky/{rest}"] > int(times):
            return build_picture(build_jpeg(1))
        return build_text(b"not now", "text/plain", status=int(status))

    def _pause(self, rest: str) -> Reply:
        seconds, times, _ = rest.split("/", 2)
        if self._paths[f"/pause/{rest}"] > int(times):
            return build_picture(build_jpeg(1))
        return Reply(status=429, body=b"later", headers={"Retry-After": seconds})

    def _redirect(self, rest: str) -> Reply:
        left, _, path = rest.partition("/")
        status = _REDIRECTS[int(left) % len(_REDIRECTS)]
        following = f"/redirect/{int(left) - 1}/{path}" if int(left) > 1 else f"/{path}"
        return build_redirect(following, status=status)

    def _slow(self, rest: str) -> Reply:
        seconds, _, path = rest.partition("/")
        return replace(self._find(f"/{path}"), wait_s=float(seconds))

    def _get_robots(self) -> Reply:
        return self.robots if isinstance(self.robots, Reply) else build_text(self.robots, "text/plain")


def _load_files(folder: Path) -> dict[str, Reply]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        path.relative_to(folder).as_posix(): build_picture(
            path.read_bytes(), mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        )
        for path in files
    }
