"""Files for programs that do not read NXstxm: aXis2000, Mantis, ImageJ, spreadsheets."""

from ._convert import FORMATS, Converted, convert

__all__ = ["FORMATS", "Converted", "convert"]
