"""What the entries of one file have in common, written once and linked."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class SharedObjects:
    """Objects that were written for one entry and belong to others too.

    Attributes
    ----------
    archives : dict of str to str
        Run uid to the path of its archive.
    arrays : dict of str to str
        Path of a staged dataset to its path in the file.
    baselines : dict of str to str
        Run uid to the path of its baseline readings.
    """

    archives: dict[str, str] = field(default_factory=dict)
    arrays: dict[str, str] = field(default_factory=dict)
    baselines: dict[str, str] = field(default_factory=dict)
