"""The errors of the package: each is an `NXstxmError` and the built-in error that fits.

A caller who knows nothing of this package catches `ValueError`, `KeyError` or `OSError`; one who
does catches `NXstxmError`. Every message names the thing, its value and the way out.
"""


class NXstxmError(Exception):
    """Anything this package refuses or fails to do."""


class NXstxmValueError(NXstxmError, ValueError):
    """A value that can not be used: a broken document, an unknown scan type, a bad option."""


def tell_where(error: NXstxmError, path: object) -> None:
    """Add to an error where the data that came before it are, unless it says so itself."""
    if error.args and isinstance(error.args[0], str) and str(path) not in error.args[0]:
        error.args = (f"{error.args[0]}. What came is in {path}", *error.args[1:])


def as_error(error: BaseException) -> Exception:
    """Give what a program of the user's raised as an error that can be told.

    `SystemExit` and the like would end the thread that called it, and nobody would hear of it.
    """
    if isinstance(error, Exception):
        return error
    told = NXstxmStateError(
        f"{type(error).__name__} was raised ({str(error) or 'without a text'}) in a thread of the "
        f"writer, which can not end the program; raise another exception there"
    )
    told.__cause__ = error
    return told


class OptionError(NXstxmValueError):
    """An option that does not exist or can not have this value."""


class NXstxmKeyError(NXstxmError, KeyError):
    """Something that was asked for by name and is not there."""

    def __str__(self) -> str:
        """Give the message as it was written; `KeyError` would show its repr."""
        return str(self.args[0]) if self.args else ""


class NXstxmTypeError(NXstxmError, TypeError):
    """An argument of a kind that can not be used here."""


class NXstxmOSError(NXstxmError, OSError):
    """A file or a folder that can not be read, written or published."""


class NXstxmFileExistsError(NXstxmOSError, FileExistsError):
    """A file is in the way; nothing was overwritten."""


class NXstxmStateError(NXstxmError, RuntimeError):
    """A call that came at the wrong time: after `close`, or a second start document."""
