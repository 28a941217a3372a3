"""`avs eval images`, `multimodal` and `title-pictures`: pictures found again, alone, beside a text, for a title."""

from __future__ import annotations

from pathlib import Path

import click
import orjson
from rich.console import Console

from cli import picture_tables as tables
from cli.evaluation_stack import DATA, JSON, SEED, load_quiet_settings, open_stack, print_report, show_progress
from cli.exits import Exit
from core.settings import Settings
from evaluation.pictures.encoders import BASELINE, choose_encoders, load_named
from evaluation.pictures.finding import FindingReport, describe, evaluate_finding
from evaluation.pictures.grouping import evaluate_grouping, list_title_pictures
from evaluation.pictures.mixed_queries import build_mixed_queries
from evaluation.pictures.multimodal import count_requests, evaluate_multimodal
from evaluation.pictures.plot import check_plot_path, save_plot
from evaluation.pictures.sets import PictureSet, load_cover_set, load_shared_set
from evaluation.shared_data import find_data
from inference.pictures.base import PictureEncoder

COVERS = "covers"
_SETS = ("shared", COVERS)


@click.command(name="images")
@DATA
@click.option("--set", "sets", multiple=True, type=click.Choice(_SETS), help="Only these pictures; both by default.")
@click.option(
    "--encoder", "encoders", multiple=True,
    help="As IMAGE_EMBEDDING_MODEL; visual_baseline and the one in use by default. More than one may be given.",
)  # fmt: skip
@SEED
@JSON
def evaluate_images(
    *, data: Path | None, sets: tuple[str, ...], encoders: tuple[str, ...], seed: int, as_json: bool
) -> int:
    """Changed pictures: cropped, recompressed, mirrored ... copies, searched exactly among all of their set."""
    settings = load_quiet_settings()
    chosen = choose_encoders(settings, encoders)
    pictures = [_load_set(name, settings, data) for name in (sets or _SETS)]
    reports = [_measure(one, encoder, seed=seed) for encoder in chosen.encoders for one in pictures]
    for reason in chosen.missing.values():
        click.echo(f"Not measured: {reason}", err=True)
    if as_json:
        report = {"seed": seed, **describe(reports), "not_measured": chosen.missing}
        click.echo(orjson.dumps(report, option=orjson.OPT_INDENT_2))
    else:
        Console().print(*tables.build_finding_tables(reports))
    return Exit.OK


@click.command(name="multimodal")
@click.option("--plot", type=click.Path(path_type=Path), help="Write the curve over the weights here: .svg or .png.")
@SEED
@JSON
def evaluate_multimodals(*, plot: Path | None, seed: int, as_json: bool) -> int:
    """A describing sentence and a changed cover of each sample title together, against the better one alone."""
    if plot is not None:
        check_plot_path(plot)
    with open_stack() as stack:
        catalogue = stack.load_catalogue()
        folder = stack.settings.avs_home / COVERS
        load_cover_set(folder)
        queries = build_mixed_queries(catalogue, folder, seed=seed)
        with show_progress("answers", total=count_requests(queries)) as progress:
            report = evaluate_multimodal(stack.services.search, queries, seed=seed, progress=progress)
        if plot is not None:
            save_plot(report, plot)
        print_report(stack, {"seed": seed, **report.to_json()}, tables.build_multimodal_tables(report), as_json=as_json)
    return Exit.OK


@click.command(name="title-pictures")
@click.option("--encoder", help="As IMAGE_EMBEDDING_MODEL; visual_baseline by default.", default=BASELINE)
@SEED
@JSON
def evaluate_title_pictures(*, encoder: str, seed: int, as_json: bool) -> int:
    """TITLE_PICTURES: the mean of a title's pictures against its best picture, on the sample titles."""
    settings = load_quiet_settings()
    loaded = load_named(settings, encoder)
    pictures = list_title_pictures(settings.avs_home / COVERS)
    with show_progress("pictures", total=len(pictures)) as progress:
        report = evaluate_grouping(pictures, loaded, seed=seed, progress=progress)
    if as_json:
        content = {"seed": seed, "encoder": loaded.recipe.encoder, **report.to_json()}
        click.echo(orjson.dumps(content, option=orjson.OPT_INDENT_2))
    else:
        Console().print(*tables.build_grouping_tables(report))
    return Exit.OK


def _load_set(name: str, settings: Settings, data: Path | None) -> PictureSet:
    if name == COVERS:
        return load_cover_set(settings.avs_home / COVERS)
    return load_shared_set(find_data(data))


def _measure(pictures: PictureSet, encoder: PictureEncoder, *, seed: int) -> FindingReport:
    with show_progress("pictures", total=len(pictures.items)) as progress:
        return evaluate_finding(pictures, encoder, seed=seed, progress=progress)
