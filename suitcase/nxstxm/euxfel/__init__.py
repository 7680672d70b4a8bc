"""EuXFEL runs: any run of Bluesky as EXtra-data opens it, and its documents back."""

from ._replay import documents
from ._serializer import Serializer, export

__all__ = ["Serializer", "documents", "export"]
