"""Names of titles over a whole catalogue, how well they are found and at what cost: `python -m benchmarks.names FILE`.

Prints JSON: seconds and bytes to build, what `rapidfuzz.process.extractOne` over all names takes for the same texts,
how many names are found first as they are and with one typing error, and how many descriptions are taken for a name.
Costs are CPU milliseconds of the one thread: they are the same on a busy machine.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rapidfuzz import fuzz, process

from core.document import AnimeDocument
from core.identity import build_slug
from indexing.sources.files import read_records
from indexing.sources.records import parse_record
from search.names.folding import fold, has_cjk
from search.names.hits import LiveSegment
from search.names.index import NameIndex
from search.names.segment import build_segment
from search.understanding.lexicon import Lexicon
from search.understanding.understand import understand
from storage.database.names import TitleNames, measure_popularity

SEED = 7
SAMPLE = 2_000
# Against a plain comparison with every name, which takes a second for each text.
BASELINE_SAMPLE = 20
_MIN_CHARS = 4
_BATCH = 2_000
_LATIN = "abcdefghijklmnopqrstuvwxyz"


def main() -> None:
    """One JSON document."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("catalogue", type=Path, help="JSON, JSONL or CSV, packed or not")
    titles = load_titles(parser.parse_args().catalogue)
    started, cpu = time.perf_counter(), time.process_time()
    segment = build_segment(titles[start : start + _BATCH] for start in range(0, len(titles), _BATCH))
    took, used = time.perf_counter() - started, time.process_time() - cpu
    index = NameIndex([LiveSegment(segment, np.zeros(len(titles), bool))])
    rng = random.Random(SEED)
    names = [(title.slug, name) for title in titles for name in title.names]
    sample = [pair for pair in rng.sample(names, len(names)) if len(compact(pair[1])) >= _MIN_CHARS][:SAMPLE]
    misspelt = [(slug, name, add_error(name, rng)) for slug, name in sample]
    labels = build_descriptions(titles, rng)
    report = {
        "titles": len(titles),
        "names": len(names),
        "build": {
            "wall_s": round(took, 2),
            "cpu_s": round(used, 2),
            "bytes_a_name": round(segment.nbytes / len(names)),
        },
        "as_it_is": score(index, [(slug, name, name) for slug, name in sample]),
        "with_an_error": score(index, misspelt),
        "with_an_error_cjk": score(index, [one for one in misspelt if has_cjk(fold(one[1]))]),
        "descriptions": {
            "texts": len(labels),
            "taken_for_a_name": round(sum(index.match(text) != () for text in labels) / len(labels), 5),
        },
        "cost_ms": measure_costs(index, [text for _, _, text in misspelt], labels),
    }
    report["baseline"] = compare(index, [text for _, _, text in misspelt[:BASELINE_SAMPLE]], names)
    print(json.dumps(report, indent=2, ensure_ascii=False))


def load_titles(path: Path) -> list[TitleNames]:
    """The titles of a catalogue as the database would give them; records that no import would take are left out."""
    documents = (parse_record(record) for record in read_records(path))
    kept = [document for document in documents if isinstance(document, AnimeDocument)]
    return [build_title(number, document) for number, document in enumerate(kept)]


def build_title(number: int, document: AnimeDocument) -> TitleNames:
    """One title; its number keeps slugs apart."""
    given = (document.title, document.title_english, document.title_japanese)
    main = tuple(dict.fromkeys(name for name in given if name))
    names = tuple(dict.fromkeys([*main, *document.synonyms]))
    return TitleNames(
        slug=f"{build_slug(document.title)}-{number}",
        names=names,
        main_count=len(main),
        type=document.type,
        year=document.year,
        popularity=measure_popularity(document.members, synonyms=len(names) - len(main), score=document.score),
        adult=False,
        excluded=False,
        version=1,
        labels=tuple({*document.genres, *document.themes, *document.tags}),
    )


def build_descriptions(titles: Sequence[TitleNames], rng: random.Random) -> list[str]:
    """Pairs of labels, such as people describe what they want by; none that is a name itself."""
    labels = sorted({label for title in titles for label in title.labels})
    names = {compact(name) for title in titles for name in title.names}
    pairs = (" ".join(rng.sample(labels, 2)) for _ in range(2 * SAMPLE))
    return [pair for pair in pairs if compact(pair) not in names]


def compact(name: str) -> str:
    """The name as it is compared."""
    return fold(name).replace(" ", "")


def add_error(name: str, rng: random.Random) -> str:
    """One letter too many, missing or wrong, or two that changed places."""
    letters = _LATIN if name.isascii() else [letter for letter in name if letter.isalnum()]
    place = rng.choice([place for place, letter in enumerate(name) if letter.isalnum()])
    letter = rng.choice(letters)
    inserted, deleted = name[:place] + letter + name[place:], name[:place] + name[place + 1 :]
    swapped = name[:place] + name[place + 1 : place + 2] + name[place] + name[place + 2 :]
    errors = [inserted, deleted, name[:place] + letter + name[place + 1 :], swapped]
    return rng.choice([error for error in errors if compact(error) != compact(name)] or [inserted])


def score(index: NameIndex, asked: Sequence[tuple[str, str, str]]) -> dict[str, float]:
    """`first`: the name comes first, be it that of a better known title; `title_first`: the very title does."""
    found = [(index.match(text, include_adult=True), slug, name) for slug, name, text in asked]
    first = sum(bool(best) and compact(best[0].name) == compact(name) for best, _, name in found)
    exact = sum(bool(best) and best[0].slug == slug for best, slug, _ in found)
    return {"asked": len(asked), "first": round(first / len(asked), 4), "title_first": round(exact / len(asked), 4)}


def measure_costs(index: NameIndex, misspelt: Sequence[str], labels: Sequence[str]) -> dict[str, Any]:
    """Median and 95th percentile of each kind of question."""
    beginnings = [text[: 3 + number % 8] for number, text in enumerate(misspelt)]
    lexicon = Lexicon()
    return {
        "match_with_an_error": measure(index.match, misspelt),
        "match_of_a_description": measure(index.match, labels),
        "understand_without_names": measure(lambda text: understand(text, names=None, lexicon=lexicon), labels),
        "understand": measure(lambda text: understand(text, names=index, lexicon=lexicon), labels),
        "suggest": measure(lambda text: index.suggest(text, limit=10, include_adult=False), beginnings),
    }


def measure(ask: Callable[[str], object], texts: Sequence[str]) -> dict[str, float]:
    """CPU milliseconds."""
    taken = []
    for text in texts:
        started = time.thread_time()
        ask(text)
        taken.append((time.thread_time() - started) * 1_000)
    steps = statistics.quantiles(taken, n=20)
    return {"p50": round(statistics.median(taken), 3), "p95": round(steps[-1], 3)}


def compare(index: NameIndex, texts: Sequence[str], names: Sequence[tuple[str, str]]) -> dict[str, float]:
    """The same texts against every name, folded beforehand, with the fastest comparison of the library."""
    folded = [compact(name) for _, name in names]
    plain = measure(lambda text: process.extractOne(compact(text), folded, scorer=fuzz.ratio), texts)
    ours = measure(index.match, texts)
    return {"extract_one_p50_ms": plain["p50"], "times_faster": round(plain["p50"] / ours["p50"], 1)}


if __name__ == "__main__":
    main()
