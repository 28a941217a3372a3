"""`avs eval`: how well the running stack searches, measured on gold sets. It reads only, and answers are not cached.

The commands about pictures are in `cli.picture_evaluation`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

import click

from cli import evaluation_tables as tables
from cli.evaluation_stack import DATA, JSON, SEED, WAIT_S, EvaluatedStack, open_stack, print_report, show_progress
from cli.exits import Exit
from cli.linking_evaluation import evaluate_links
from cli.merge_evaluation import evaluate_merges
from cli.parser_evaluation import evaluate_parsers
from cli.picture_evaluation import evaluate_images, evaluate_multimodals, evaluate_title_pictures
from core.errors import DependencyUnavailableError, InvalidInputError
from core.settings import Settings
from embedded.qdrant.registry import load_state
from evaluation.attributes import build_attribute_queries
from evaluation.catalogue import NothingToEvaluateError
from evaluation.choosing import Choice
from evaluation.known_items import build_known_items
from evaluation.memory import MemoryPlan, build_memory_plan, measure_files
from evaluation.recall import RecallMeter, sample_ids
from evaluation.recommendations import build_anchors
from evaluation.search_quality import METHODS, build_gold, evaluate_search
from evaluation.shared_data import find_data, load_other_synopses, load_recommendations
from evaluation.similar_quality import ASKED, evaluate_similar
from evaluation.trying import SIMILAR_VECTORS_TRIED, TEXT_VECTORS_TRIED, choose_for_search, choose_for_similar
from messaging.query_call import QueryWorkerClient
from search.referring import TitleFinder
from storage.database.relatives import RelativesRepository
from storage.database.session import Database
from storage.database.titles import TitleRepository

# Reading a million titles' names; without them the default is not the default.
_NAMES_WAIT_S = 300.0
_EMBEDDED_STORAGE = Path("qdrant")
# The product's own encoder: what it needs is shown beside what the present one does.
_FULL_DIMENSION = 1_024

_CHOOSE = click.option(
    "--choose", is_flag=True, help="Choose fusion and weights on one half of the queries, and report on the other."
)


@click.group(name="eval")
def eval_command() -> None:
    """Measure what the running stack finds, against gold sets."""


for _command in (
    evaluate_images,
    evaluate_multimodals,
    evaluate_title_pictures,
    evaluate_parsers,
    evaluate_links,
    evaluate_merges,
):
    eval_command.add_command(_command)


@eval_command.command(name="search")
@DATA
@click.option("--queries", default=1_500, show_default=True, type=click.IntRange(3, 50_000), help="About so many.")
@SEED
@_CHOOSE
@JSON
def evaluate_searches(*, data: Path | None, queries: int, seed: int, choose: bool, as_json: bool) -> int:
    """Searches by text: names typed well and badly, stories told in other words, facts."""
    synopses = load_other_synopses(find_data(data))
    with open_stack() as stack:
        catalogue, searcher = stack.load_catalogue(), stack.services.search
        gold = build_gold(catalogue, synopses, count=queries, seed=seed)
        if choose:
            with show_progress("queries", total=len(gold) * len(TEXT_VECTORS_TRIED)) as progress:
                choices = choose_for_search(searcher, catalogue, gold, seed=seed, progress=progress)
            return _print_choices(stack, choices, seed=seed, as_json=as_json)
        if not stack.services.names.wait(_NAMES_WAIT_S):
            raise DependencyUnavailableError("postgres", f"the names of titles were not read in {_NAMES_WAIT_S:.0f} s")
        with show_progress("queries", total=len(gold) * len(METHODS)) as progress:
            report = evaluate_search(searcher, gold, seed=seed, progress=progress)
        print_report(stack, {"seed": seed, **report.to_json()}, tables.build_search_tables(report), as_json=as_json)
    return Exit.OK


@eval_command.command(name="similar")
@DATA
@click.option("--queries", type=click.IntRange(min=2), help="So many titles; all that have recommendations by default.")
@SEED
@_CHOOSE
@JSON
def evaluate_similars(*, data: Path | None, queries: int | None, seed: int, choose: bool, as_json: bool) -> int:
    """Similar titles: what viewers recommend to those who liked a title."""
    pairs = load_recommendations(find_data(data))
    with open_stack() as stack:
        catalogue, searcher = stack.load_catalogue(), stack.services.search
        anchors = build_anchors(catalogue, pairs, _build_find_relatives(stack.settings), seed=seed)
        chosen = sample_ids((anchor.slug for anchor in anchors), count=queries or len(anchors), seed=seed)
        kept = [anchor for anchor in anchors if anchor.slug in set(chosen)]
        if not kept:
            raise NothingToEvaluateError("no title of the index has recommendations in this data")
        if choose:
            with show_progress("titles", total=len(kept) * len(SIMILAR_VECTORS_TRIED)) as progress:
                choices = choose_for_similar(searcher, catalogue, kept, seed=seed, progress=progress)
            return _print_choices(stack, choices, seed=seed, as_json=as_json)
        with show_progress("titles", total=len(kept) * len(ASKED)) as progress:
            report = evaluate_similar(searcher, catalogue, kept, seed=seed, progress=progress)
        print_report(stack, {"seed": seed, **report.to_json()}, tables.build_similar_tables(report), as_json=as_json)
    return Exit.OK


@eval_command.command(name="recall")
@click.option("--queries", default=400, show_default=True, type=click.IntRange(2, 5_000), help="So many a vector.")
@click.option(
    "--storage", type=click.Path(path_type=Path), help="Qdrant's folder of the collection; the embedded one by default."
)
@SEED
@JSON
def evaluate_recall(*, queries: int, storage: Path | None, seed: int, as_json: bool) -> int:
    """Graphs and quantization against exact search, and the memory that they take."""
    with open_stack() as stack:
        catalogue, store = stack.load_catalogue(), stack.services.store
        # Before anything is measured: a wrong folder shall be told at once.
        folder = _find_storage(stack, storage)
        texts = [query.text for query in build_known_items(catalogue, count=queries // 4, seed=seed)]
        texts += [query.text for query in build_attribute_queries(catalogue, count=queries // 4, seed=seed)]
        client = QueryWorkerClient(stack.settings)
        vectors = [vector for text in texts for vector in client.encode([text], WAIT_S).dense]
        client.close()
        sample = sample_ids(store.scroll_ids(stack.live.collection), count=queries // 2, seed=seed)
        with show_progress("queries", total=None) as progress:
            found = RecallMeter(stack.settings, store, stack.live.collection).measure(
                vectors, sample, progress=progress
            )
        plans, files = _plan_memory(stack, folder)
        report = {
            "seed": seed,
            "recall@10": {one.name: one.to_json() for one in found},
            "memory": [plan.to_json() for plan in plans],
            "measured_bytes_a_title": files,
        }
        print_report(stack, report, tables.build_recall_tables(found, plans, files), as_json=as_json)
    return Exit.OK


def _build_find_relatives(settings: Settings) -> Callable[[str], frozenset[str]]:
    """The relatives that a search for similar titles leaves out."""
    database = Database(settings.database_url.get_secret_value(), answer_timeout_s=int(WAIT_S))
    finder = TitleFinder(TitleRepository(database), RelativesRepository(database))

    @cache
    def find(slug: str) -> frozenset[str]:
        return frozenset(finder.find_relatives([slug], include_adult=True))

    return find


def _find_storage(stack: EvaluatedStack, given: Path | None) -> Path | None:
    """The folder of the collection's files: the one that is named, else that of the embedded server, else None."""
    if given is not None:
        if not given.is_dir():
            raise InvalidInputError("--storage", f"{given} is not a folder")
        return given
    home = stack.settings.avs_home / _EMBEDDED_STORAGE
    entry = load_state(home / "registry.json").collections.get(stack.live.collection)
    folder = home / "collections" / entry.directory if entry else None
    return folder if folder and folder.is_dir() else None


def _plan_memory(stack: EvaluatedStack, folder: Path | None) -> tuple[list[MemoryPlan], dict[str, dict[str, float]]]:
    """The plan for the present dimension and for the full one, and bytes a title as they lie in the folder."""
    state = stack.services.store.get_state(stack.live.collection)
    recipes = stack.live.recipes
    dimension, image_dimension = recipes.text.dimension, recipes.image.dimension if recipes.image else None
    plan = build_memory_plan(stack.settings, dimension=dimension, image_dimension=image_dimension)
    names = [vector.name for vector in plan.vectors]
    files = measure_files(folder, dict.fromkeys(names, state.points)) if folder and state and state.points else {}
    graphs = sum(one["graph"] for one in files.values()) if files else None
    # Links do not depend on the dimension.
    plans = [
        build_memory_plan(stack.settings, dimension=one, image_dimension=image_dimension, graphs=graphs)
        for one in dict.fromkeys((dimension, _FULL_DIMENSION))
    ]
    return plans, files


def _print_choices(stack: EvaluatedStack, choices: Mapping[str, Choice], *, seed: int, as_json: bool) -> int:
    report = {"seed": seed, "choices": {name: choice.to_json() for name, choice in choices.items()}}
    print_report(stack, report, [tables.build_choice_table(choices)], as_json=as_json)
    return Exit.OK
