"""The xarray engine ``nxstxm``: ``xarray.open_datatree(path, engine="nxstxm")``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import xarray as xr
from xarray.backends import BackendEntrypoint

from ..._errors import NXstxmTypeError
from ._lazy import Files
from ._reach import Roots
from ._read import read_contents
from ._tree import channel_dataset, make_tree


class NXstxmBackend(BackendEntrypoint):
    """Opens NXstxm files of this and of other programs."""

    description = "NXstxm files of scanning X-ray microscopes"
    url = "https://manual.nexusformat.org/classes/applications/NXstxm.html"
    open_dataset_parameters = (
        "filename_or_obj",
        "drop_variables",
        "entry",
        "channel",
        "external_roots",
    )
    supports_groups = True

    def open_dataset(
        self,
        filename_or_obj: Any,
        *,
        drop_variables: str | Iterable[str] | None = None,
        entry: str | None = None,
        channel: str | None = None,
        external_roots: Roots = (),
    ) -> xr.Dataset:
        """Open one picture: by default the one that the file would show first."""
        contents = read_contents(_path(filename_or_obj), external_roots=external_roots)
        chosen = contents.entry(entry)
        files = Files(contents.moment)
        dataset = channel_dataset(contents, chosen, chosen.channel(channel), files)
        dataset.set_close(files.close)
        return _without(dataset, drop_variables)

    def open_datatree(
        self,
        filename_or_obj: Any,
        *,
        drop_variables: str | Iterable[str] | None = None,
        baseline: bool = False,
        external_roots: Roots = (),
        **_: Any,
    ) -> xr.DataTree:
        """Open a whole file."""
        contents = read_contents(
            _path(filename_or_obj), external_roots=external_roots, readings=baseline
        )
        tree = make_tree(contents)
        if drop_variables is not None:
            tree = tree.map_over_datasets(lambda dataset: _without(dataset, drop_variables))
        return tree

    def open_groups_as_dict(self, filename_or_obj: Any, **kwargs: Any) -> dict[str, xr.Dataset]:
        """Open a whole file as datasets by path."""
        tree = self.open_datatree(filename_or_obj, **kwargs)
        return {node.path: node.to_dataset() for node in tree.subtree}

    def guess_can_open(self, filename_or_obj: Any) -> bool:
        """Whether this engine is meant where none was named: by a file's ending only."""
        return isinstance(filename_or_obj, (str, Path)) and str(filename_or_obj).endswith(".stxm")


def _path(given: Any) -> Path:
    if not isinstance(given, (str, Path)):
        raise NXstxmTypeError(
            f"the engine nxstxm opens files by their path, not {type(given).__name__}"
        )
    return Path(given)


def _without(dataset: xr.Dataset, names: str | Iterable[str] | None) -> xr.Dataset:
    if names is None:
        return dataset
    dropped = [names] if isinstance(names, str) else list(names)
    kept: xr.Dataset = dataset.drop_vars(dropped, errors="ignore")
    return kept
