"""The curve of `avs eval multimodal` as a picture: SVG or PNG, whatever the file's name says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from core.errors import ConfigurationError, InvalidInputError
from evaluation.pictures.multimodal import Condition, MultimodalReport

_METRICS = {"success@1": "o-", "ndcg@10": "s--"}
_SUFFIXES = (".svg", ".png")


def check_plot_path(path: Path) -> None:
    """Before anything is measured. Raises InvalidInputError for a file that cannot be written or another ending."""
    if path.suffix not in _SUFFIXES:
        raise InvalidInputError("--plot", f"must end in {' or '.join(_SUFFIXES)}")
    if not path.parent.is_dir():
        raise InvalidInputError("--plot", f"{path.parent} is not a folder")


def save_plot(report: MultimodalReport, path: Path) -> None:
    """One panel a pair of noises, a row a text: metrics over the weight of the picture.

    The same figures give the same SVG.
    """
    figure_class, rc_context = _import_matplotlib()
    # Without these an SVG holds the time and random ids.
    texts = list(dict.fromkeys(condition.text for condition in report.conditions))
    pictures = list(dict.fromkeys(condition.picture for condition in report.conditions))
    # Without these an SVG holds the time and random ids.
    with rc_context({"svg.hashsalt": "avs", "svg.fonttype": "none"}):
        figure = figure_class(figsize=(3.8 * len(pictures), 2.9 * len(texts)), layout="constrained")
        panels = figure.subplots(len(texts), len(pictures), sharex=True, sharey=True, squeeze=False)
        for condition in report.conditions:
            _draw_panel(panels[texts.index(condition.text)][pictures.index(condition.picture)], condition)
        panels[0][0].legend()
        figure.supxlabel("weight of the picture (the text has the rest)")
        figure.savefig(path, dpi=120, metadata={"Date": None} if path.suffix == ".svg" else None)


def _draw_panel(panel: Any, condition: Condition) -> None:
    weights = list(condition.curve)
    for metric, style in _METRICS.items():
        panel.plot(weights, [condition.curve[weight][metric] for weight in weights], style, label=metric)
    panel.set_title(condition.name, fontsize=9)
    panel.set_ylim(0, 1.02)
    panel.grid(visible=True, alpha=0.3)


def _import_matplotlib() -> tuple[Any, Any]:
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ImportError as error:
        message = "matplotlib is not installed: pip install 'anime-vector-service[evaluation]'"
        raise ConfigurationError(message) from error
    return Figure, rc_context
