"""The analysis that every STXM group writes again: small functions on labelled arrays.

They take what `open_nxstxm` gives, keep its units, and write into the attribute ``history`` what
was done. They need xarray, scipy and scikit-image: ``pip install 'suitcase-nxstxm[analysis]'``.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from .._errors import NXstxmError

if TYPE_CHECKING:
    from ._align import align_stack
    from ._density import absorbance, brightest, i0_of, optical_density
    from ._focus import focus_position
    from ._normalise import normalise
    from ._placed import placed_list
    from ._spectra import region_spectrum, shift_energy
    from ._svd import svd
    from ._xmcd import xmcd

_NAMES = {
    "absorbance": "_density",
    "align_stack": "_align",
    "brightest": "_density",
    "focus_position": "_focus",
    "i0_of": "_density",
    "normalise": "_normalise",
    "optical_density": "_density",
    "placed_list": "_placed",
    "region_spectrum": "_spectra",
    "shift_energy": "_spectra",
    "svd": "_svd",
    "xmcd": "_xmcd",
}

__all__ = [
    "MissingAnalysisError",
    "absorbance",
    "align_stack",
    "brightest",
    "focus_position",
    "i0_of",
    "normalise",
    "optical_density",
    "placed_list",
    "region_spectrum",
    "shift_energy",
    "svd",
    "xmcd",
]


class MissingAnalysisError(NXstxmError, ImportError):
    """What a function needs is not installed."""


if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """Fetch a function, and what it needs (PEP 562)."""
        if name not in _NAMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        try:
            return getattr(import_module(f"{__name__}.{_NAMES[name]}"), name)
        except ImportError as error:
            raise MissingAnalysisError(
                f"{name} needs what is not installed ({error}): "
                f"pip install 'suitcase-nxstxm[analysis]'"
            ) from error
