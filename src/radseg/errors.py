"""The exception tree. Every error a caller can trigger derives from RadsegError.

A message says what is wrong, what was received and what would be right. Classes that stand for a mistake of
the user also derive from the built-in exception that a Python programmer would expect.
"""


class RadsegError(Exception):
    """Base of every error raised on purpose by radseg."""


class InputError(RadsegError, ValueError):
    """A value handed in is not usable: wrong shape, range, name or combination."""


class ImageError(InputError):
    """A file or array is not an image that can be segmented."""


class MemoryBudgetError(ImageError):
    """An image needs more memory than the budget allows; the message says how much."""


class MissingFileError(RadsegError, FileNotFoundError):
    """A file or folder that was named does not exist."""


class VocabularyError(InputError):
    """The prompts are empty, duplicated, too long, or otherwise not a vocabulary."""


class SpaceMismatchError(InputError):
    """Image features and text embeddings come from different embedding spaces."""


class NoteWarning(UserWarning):
    """Something worth knowing that changes no result."""


class CheckpointError(RadsegError, ValueError):
    """A checkpoint is damaged, incomplete, of an unknown layout, or unsafe."""


class UnsafeCheckpointError(CheckpointError):
    """A pickle wants something other than tensors and plain data; nothing of it was executed."""


class ResourceError(RadsegError):
    """The machine stands in the way: disk, permissions, missing extra."""


class OutputPathError(ResourceError):
    """One file cannot have the path it was given; the disk itself is fine, and other paths may be."""


class WeightsUnavailableError(ResourceError, OSError):
    """Weights are neither local nor obtainable: offline, licence not accepted, or download failed."""


class MissingExtraError(ResourceError, ImportError):
    """An optional dependency is needed; the message holds the pip line."""
