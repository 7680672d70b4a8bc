"""Large arrays side by side: copying them into one would cost as much as writing them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, overload

import numpy as np
import numpy.typing as npt

AnyArray = npt.NDArray[Any]


class Frames:
    """Arrays of one shape and dtype, seen as one with a first dimension more.

    Parameters
    ----------
    arrays : sequence of ndarray
        At least one; all of one shape and dtype. They are not copied.
    """

    def __init__(self, arrays: Sequence[AnyArray]) -> None:
        self._arrays = arrays
        self.dtype: np.dtype[Any] = arrays[0].dtype
        self.shape: tuple[int, ...] = (len(arrays), *arrays[0].shape)
        self.nbytes: int = len(arrays) * arrays[0].nbytes

    @property
    def ndim(self) -> int:
        """Number of dimensions, that of the frames plus one."""
        return len(self.shape)

    def __len__(self) -> int:
        """Count the frames."""
        return len(self._arrays)

    def __iter__(self) -> Iterator[AnyArray]:
        """Give the frames one by one."""
        return iter(self._arrays)

    @overload
    def __getitem__(self, index: int) -> AnyArray: ...
    @overload
    def __getitem__(self, index: slice) -> AnyArray: ...
    def __getitem__(self, index: int | slice) -> AnyArray:
        """Give one frame, or a copy of several, shape (n, ...)."""
        if isinstance(index, slice):
            some = self._arrays[index]
            return np.stack(some) if some else np.empty((0, *self.shape[1:]), self.dtype)
        return self._arrays[index]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> AnyArray:
        """Copy them into one array."""
        if copy is False:
            raise ValueError("frames that lie apart can not be one array without a copy")
        whole = self[:]
        return whole if dtype is None else whole.astype(dtype, copy=False)

    def in_native_order(self) -> Frames:
        """Give them in the machine's byte order."""
        if self.dtype.isnative:
            return self
        native = self.dtype.newbyteorder("=")
        return Frames([array.astype(native) for array in self._arrays])
