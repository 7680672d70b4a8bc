"""Documents: the books of a run, the archive, stored documents, and when two streams are equal."""

from ._archive import ArchiveWriter, is_archive
from ._archive_file import SUFFIX as JOURNAL_SUFFIX
from ._archive_file import write_archive
from ._archive_reader import ArchiveError, read_archive
from ._backlog import Backlog
from ._batch import Batch, Closed, Pending, Segment, copied, segments
from ._columns import Chunk, cast_exactly
from ._equal import difference, documents_equal, shown, values_equal
from ._file_kinds import open_hdf5, open_rows
from ._file_rows import DetectorFileError, FileRows, HeldFileError
from ._filling import Filling, UnfilledError
from ._frame_file import FrameFile, Placed, Room, RoomWanted, read_placed
from ._frames import Frames
from ._journal import Journal, Packed
from ._journal_folder import JournalFolder, ScanFacts
from ._leftovers import RecoverError as RecoverError
from ._leftovers import is_damaged, recover_each
from ._live_queue import LiveQueue
from ._live_scans import LiveScans
from ._live_writer import LiveWriter
from ._packing import ArrayRef, PlacedRef
from ._placed_frames import PlacedFrames
from ._raw_arrays import array_crc32
from ._replay import StoredRun, replay, stored_runs
from ._stream import REGION, Block
from ._stream_assets import DIRECT, StreamAssets, StreamRows, resource_path
from ._streams import DocumentError, RunStreams
from ._unpack import unpack_documents
from ._virtual import RowsElsewhere, relative_name, write_virtual

__all__ = [
    "DIRECT",
    "JOURNAL_SUFFIX",
    "REGION",
    "ArchiveError",
    "ArchiveWriter",
    "ArrayRef",
    "Backlog",
    "Batch",
    "Block",
    "Chunk",
    "Closed",
    "DetectorFileError",
    "DocumentError",
    "FileRows",
    "Filling",
    "FrameFile",
    "Frames",
    "HeldFileError",
    "Journal",
    "JournalFolder",
    "LiveQueue",
    "LiveScans",
    "LiveWriter",
    "Packed",
    "Pending",
    "Placed",
    "PlacedFrames",
    "PlacedRef",
    "Room",
    "RoomWanted",
    "RowsElsewhere",
    "RunStreams",
    "ScanFacts",
    "Segment",
    "StoredRun",
    "StreamAssets",
    "StreamRows",
    "UnfilledError",
    "array_crc32",
    "cast_exactly",
    "copied",
    "difference",
    "documents_equal",
    "is_archive",
    "is_damaged",
    "open_hdf5",
    "open_rows",
    "read_archive",
    "read_placed",
    "recover_each",
    "relative_name",
    "replay",
    "resource_path",
    "segments",
    "shown",
    "stored_runs",
    "unpack_documents",
    "values_equal",
    "write_archive",
    "write_virtual",
]
