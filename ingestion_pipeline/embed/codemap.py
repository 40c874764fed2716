"""The code map: vectors in two dimensions, as a picture coloured by folder."""

import io
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MAX_DOTS = 5000
# matplotlib's default colours without its grey, which all other folders share.
_COLOURS = ("C0", "C1", "C2", "C3", "C4", "C5", "C6", "C8", "C9")
_OTHER_COLOUR = "0.8"
_OTHER = "other"
_SUM_ROWS = 65_536


def project_2d(vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Project vectors on their first two principal components.

    The components come from the (D, D) covariance, added up over chunks of rows, so memory does
    not grow with N; up to D rows they come from the rows themselves, which is smaller. Their sign
    is fixed by making the largest part of each positive; otherwise the map would flip from one
    run to the next.

    Args:
        vectors: (N, D), a memory map will do.

    Returns:
        (N, 2) float32; zeros where N or D leave nothing to spread.
    """
    count, dim = vectors.shape
    if count < 2 or dim < 2:
        return np.zeros((count, 2), np.float32)
    mean = vectors.mean(axis=0, dtype=np.float64)
    if count <= dim:
        axes = np.linalg.svd(vectors - mean, full_matrices=False).Vh[:2]
    else:
        axes = np.linalg.svd(_sum_covariance(vectors, mean), hermitian=True).Vh[:2]
    largest = np.abs(axes).argmax(axis=1)
    axes *= np.where(axes[np.arange(2), largest] < 0, -1, 1)[:, None]
    return ((vectors @ axes.T.astype(np.float32)) - (mean @ axes.T)).astype(np.float32)


def _sum_covariance(
    vectors: npt.NDArray[np.float32], mean: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    covariance = np.zeros((len(mean), len(mean)))
    for start in range(0, len(vectors), _SUM_ROWS):
        centred = vectors[start : start + _SUM_ROWS] - mean
        covariance += centred.T @ centred
    return covariance


def _draw_folder(axes: "Axes", dots: npt.NDArray[np.float32], colour: str, label: str) -> None:
    order = 1 if colour == _OTHER_COLOUR else 2  # the others lie below
    style = {"s": 9, "alpha": 0.7, "linewidths": 0, "zorder": order}
    axes.scatter(dots[:, 0], dots[:, 1], color=colour, label=label, **style)


def _make_label(folder: str, count: int) -> str:
    """Return a legend entry in ASCII: fonts lack glyphs, and a leading ``_`` hides an entry."""
    plain = folder.encode("ascii", "backslashreplace").decode() or "(root)"
    return f"{'./' if plain.startswith('_') else ''}{plain[:40]} ({count:,})"


def render_code_map(points_2d: npt.NDArray[np.float32], folders: Sequence[str]) -> bytes:
    """Draw the code map.

    Args:
        points_2d: (N, 2); of more than ``MAX_DOTS`` every k-th is drawn.
        folders: Top-level folder of each point, "" for the root.

    Returns:
        A PNG of 900 by 600 pixels.

    Raises:
        ValueError: Not one folder a point.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    if len(points_2d) != len(folders):
        raise ValueError(f"{len(points_2d)} points but {len(folders)} folders.")
    chosen = np.linspace(0, len(folders) - 1, min(len(folders), MAX_DOTS)).astype(np.int64)
    dots = points_2d[chosen]
    names = np.array([folders[i] for i in chosen], dtype=object)
    counts = Counter(folders)
    ranked = [name for name, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))]
    # A Figure of its own: pyplot would keep it open in a global list.
    figure = Figure(figsize=(9, 6), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set_axis_off()
    for name, colour in zip(ranked, _COLOURS, strict=False):
        _draw_folder(axes, dots[names == name], colour, _make_label(name, counts[name]))
    others = ranked[len(_COLOURS) :]
    if others:
        rest = sum(counts[name] for name in others)
        in_rest = np.isin(names, np.array(others, dtype=object))
        _draw_folder(axes, dots[in_rest], _OTHER_COLOUR, _make_label(_OTHER, rest))
    if ranked:
        legend = axes.legend(
            loc="center left", bbox_to_anchor=(1, 0.5), frameon=False, markerscale=3
        )
        for text in legend.get_texts():
            text.set_parse_math(False)
    png = io.BytesIO()
    figure.savefig(png, format="png")
    figure.clear()
    return png.getvalue()
