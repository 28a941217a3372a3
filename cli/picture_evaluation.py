"""`avs eval images`: what encoders find of changed pictures."""

from __future__ import annotations

from pathlib import Path

import click
import orjson
from rich.console import Console

from cli import picture_tables as tables
from cli.evaluation_stack import DATA, JSON, SEED, show_progress
from cli.exits import Exit
from core.settings import Settings, load_settings
from evaluation.pictures.encoders import choose_encoders
from evaluation.pictures.finding import FindingReport, describe, evaluate_finding
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
    settings = load_settings()
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


def _load_set(name: str, settings: Settings, data: Path | None) -> PictureSet:
    if name == COVERS:
        return load_cover_set(settings.avs_home / COVERS)
    return load_shared_set(find_data(data))


def _measure(pictures: PictureSet, encoder: PictureEncoder, *, seed: int) -> FindingReport:
    with show_progress("pictures", total=len(pictures.items)) as progress:
        return evaluate_finding(pictures, encoder, seed=seed, progress=progress)
