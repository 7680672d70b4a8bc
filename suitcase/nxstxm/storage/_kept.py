"""Data as arrays: in memory, or where they are read when they are asked for."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from ._dtypes import AnyArray
from ._errors import DataCorrupted
from ._kinds import put_together
from ._metadata import ChunkInfo, StoredMetadata
from ._schema import narrowed

Arrays = Mapping[str, AnyArray]


@dataclass(frozen=True)
class Kept:
    """Data as they are in memory: arrays that nobody can write to."""

    metadata: StoredMetadata
    chunks: tuple[ChunkInfo, ...]
    arrays: Mapping[int, Arrays]
    constants: Arrays

    def read(
        self, index: int, rows: tuple[int, int] | None = None, only: Collection[str] | None = None
    ) -> Any:
        """Put a chunk together; it shares the memory of its arrays."""
        if self.metadata.schema is None or index not in self.arrays:
            raise DataCorrupted(f"{self.metadata.key} has no chunk {index} in memory")
        schema = narrowed(self.metadata.schema, only)
        arrays, table = self.arrays[index], schema.kind == "table"
        if rows is not None and not table:
            arrays = {name: each[rows[0] : rows[1]] for name, each in arrays.items()}
        made = put_together(schema, arrays, self.constants)
        return made.slice(rows[0], rows[1] - rows[0]) if rows is not None and table else made
