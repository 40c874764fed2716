"""Which rows of a branch's vectors belong to which file."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from ingestion_pipeline.artifacts.replacement import ArtifactError, replace_file
from ingestion_pipeline.core.graph import GraphStructure


@dataclass(frozen=True, slots=True)
class VectorLayout:
    """Rows of the graph's nodes, file by file.

    Args:
        records: (F,) int64, for file i (its node is i) where its record is in the records file.
        first_symbols: (F + 1,) int64, node of each file's first symbol.
    """

    records: npt.NDArray[np.int64]
    first_symbols: npt.NDArray[np.int64]

    @classmethod
    def of(cls, structure: GraphStructure, entries: Sequence[tuple[str, str]]) -> "VectorLayout":
        """Return the layout of a graph whose files came from those entries of a records file."""
        places = {path: place for place, (path, _) in enumerate(entries)}
        records = np.array([places[path] for path in structure.paths], np.int64)
        return cls(records, np.asarray(structure.first_symbols, np.int64))

    @property
    def file_count(self) -> int:
        """F."""
        return len(self.records)

    @property
    def symbol_count(self) -> int:
        """Symbols of all files."""
        return int(self.first_symbols[-1] - self.first_symbols[0])

    def rows_of(self, file: int) -> npt.NDArray[np.int64]:
        """Return (1 + S,): the rows of a file and of its symbols."""
        start, stop = self.first_symbols[file : file + 2]
        return np.concatenate([[file], np.arange(start, stop)])

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """Yield file and place of its record."""
        yield from enumerate(self.records.tolist())


def save_layout(path: Path, layout: VectorLayout) -> None:
    """Write the layout to the run's work folder."""
    with replace_file(path) as temporary, temporary.open("wb") as file:
        np.savez(file, records=layout.records, first_symbols=layout.first_symbols)


def load_layout(path: Path) -> VectorLayout:
    """Read it back.

    Raises:
        ArtifactError: The file is missing or damaged.
    """
    try:
        # numpy leaves a file open that turns out to be no archive, unless it is ours.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            return VectorLayout(stored["records"], stored["first_symbols"])
    except FileNotFoundError:
        raise ArtifactError(path, "is not there") from None
    except (OSError, ValueError, EOFError, KeyError, BadZipFile) as error:
        raise ArtifactError(path, f"cannot be read ({error})") from error
