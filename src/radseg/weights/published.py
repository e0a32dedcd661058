"""A catalogue row's published files: in its folder, in the caches of other programs, or fetched."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from radseg.errors import CheckpointError, WeightsUnavailableError
from radseg.files import bytes_of
from radseg.weights import torch_hub
from radseg.weights.catalog import ROWS, Row
from radseg.weights.fetch import download, read_range
from radseg.weights.home import (
    FileRecord,
    discard,
    forget_record,
    model_folder,
    read_records,
    remembered_sha256,
    replacing,
    sha256_of,
    write_record,
    writing,
)
from radseg.weights.hub import NotPublishedError, RemoteFile, Repository, is_offline
from radseg.weights.options import DownloadOptions
from radseg.weights.reduced import REDUCTIONS, reduced_name
from radseg.weights.shards import index_of, shards_of

if TYPE_CHECKING:
    from radseg.weights.parts import Layout, Part

_MAX_INDEX = 32 * 1024 * 1024  # bytes; published ones are below 1 MB
_LOADED_AS_PUBLISHED = ("sam", "text_map")
_WHOLE_KINDS = ("vision", "sam")  # what their folders hold is published files, never parts of them


class Published:
    """One row's files, all from one commit.

    Attributes:
        row: what is wanted.
        folder: where it is kept on this machine.
        announced: whether what has to be fetched was told.
        made: whether all that is made of the files is there.
    """

    def __init__(self, row: Row, options: DownloadOptions) -> None:
        self.row, self.folder = row, model_folder(row.name)
        self.announced = self.made = self._compared = False
        self._options = options
        self._repository = Repository(row.repository, row.revision, options.reporter.announce)
        self._digests = _known_digests(row)
        self._remote: tuple[RemoteFile, ...] | None = None
        self._index: str | None = None
        self._parts: list[Part] | None = None

    @classmethod
    def of(cls, row: Row, options: DownloadOptions) -> "Published":
        """Return what is known of a row in this command; the hub is asked once."""
        if row.name not in options.rows:
            options.rows[row.name] = cls(row, options)
        return options.rows[row.name]

    # On this machine

    def local(self, file: str) -> Path | None:
        """Return a published file that is here: in the row's folder, a sibling's, or the hub's own cache."""
        siblings = (r for r in ROWS if r.repository == self.row.repository and r.kind in _WHOLE_KINDS)
        for folder in (self.folder, *(model_folder(row.name) for row in siblings)):
            if (folder / file).is_file():
                return folder / file
        return self._repository.cached(file)

    def weights_here(self) -> tuple[Path, ...]:
        """Return the file of the weights, or all its shards, if on this machine; else nothing."""
        for name in self.row.candidates:
            if (found := self.local(name)) is not None:
                return (found,)
            if shards := self._shards_here(name):
                return shards
        return next(
            ((c,) for c in self.copies() if self._digests and remembered_sha256(c) in self._digests), ()
        )

    def copies(self) -> tuple[Path, ...]:
        """Return the files in torch.hub's folders that have the name of this row's weights."""
        found = torch_hub.DOWNLOADS.get(self.row.kind)
        return torch_hub.copies(found.file(self.row)) if found else ()

    def _shards_here(self, name: str) -> tuple[Path, ...]:
        index = index_of(name)
        found = self.local(index) if index else None
        if index is None or found is None:
            return ()
        shards = [self.local(shard) for shard in shards_of(bytes_of(found), index, self._wants)]
        return tuple(s for s in shards if s is not None) if None not in shards else ()

    def _wants(self, key: str) -> bool:
        reduction = REDUCTIONS.get(self.row.kind)
        return reduction is None or reduction.wants(key)

    # On the hub

    def locate(self, file: str) -> RemoteFile:
        """Return a file's facts, once the licence is accepted where that is needed.

        Raises:
            NotPublishedError: the repository has no such file.
            WeightsUnavailableError: offline, refused, or not to be had.
        """
        license_ = self.row.license
        if license_.requires_acceptance and not self._options.accept_license:
            raise WeightsUnavailableError(
                f"It is under the {license_.title}: {license_.url}. Nothing was fetched. To accept, run "
                f"`radseg models pull {self.row.name} --accept-license` (accept_license=True)."
            )
        return self._repository.locate(file)

    def remote(self) -> tuple[RemoteFile, ...]:
        """Return the file of the weights on the hub, or its shards, under the first name it has there."""
        if self._remote is None:
            self._remote = self._find()
        return self._remote

    def whole(self) -> tuple[RemoteFile, ...]:
        """Return all files that are fetched where only whole ones will do: of shards their index, too."""
        index = () if self._index is None else (self.locate(self._index),)
        return (*self.remote(), *index)

    def _find(self) -> tuple[RemoteFile, ...]:
        missing: NotPublishedError | None = None
        for name in self.row.candidates:
            try:
                return (self.locate(name),)
            except NotPublishedError as error:
                missing = missing or error
            if (index := index_of(name)) is not None:
                with suppress(NotPublishedError):
                    shards = self._shards_there(self.locate(index))
                    self._index = index
                    return tuple(self.locate(shard) for shard in shards)
        assert missing is not None
        raise missing

    def _shards_there(self, index: RemoteFile) -> tuple[str, ...]:
        if index.size > _MAX_INDEX:
            raise CheckpointError(f"{index.name} has {index.size} bytes; more than {_MAX_INDEX} is not read.")
        return shards_of(read_range(index, 0, index.size, self._options.reporter), index.name, self._wants)

    def parts(self) -> "Layout | None":
        """Return how the part that is kept is made of byte ranges; None where only whole files will do."""
        from radseg.weights.parts import Part, layout, read_header  # noqa: PLC0415 - loads torch

        reduction = REDUCTIONS.get(self.row.kind)
        if reduction is None or not all(one.name.endswith(".safetensors") for one in self.remote()):
            return None
        if self._parts is None:
            headers = [(one, read_header(one, self._options.reporter)) for one in self.remote()]
            names = reduction.names(key for _, header in headers for key in header)
            reduction.check(names.values(), self.row.repository)
            self._parts = [
                Part(one, {names[k]: e for k, e in header.items() if k in names}) for one, header in headers
            ]
        return layout(self._parts, reduction.metadata)

    def compare_copies(self) -> None:
        """Let the hub say whether a copy of torch.hub's is the published file; the answer counts from now on.

        One that is not is named, and left alone.
        """
        download = torch_hub.DOWNLOADS.get(self.row.kind)
        if self._compared or download is None or download.digest is not None or is_offline():
            return
        if not self.copies() or self.weights_here():
            return
        self._compared = True
        source = self.locate(self.row.file)
        if source.sha256 is None:
            return
        self._digests |= {source.sha256}
        for copy in self.copies():
            if copy.stat().st_size != source.size or remembered_sha256(copy) != source.sha256:
                self._options.reporter.announce(
                    f"{copy} has the name of {self.row.name}'s file and another content; it is not used."
                )

    # Fetching

    def file(self, file: str) -> Path:
        """Return a published file on this machine, fetching it if need be. Raises as `locate`."""
        found = self.local(file)
        if found is None:
            source = self.locate(file)
            found = self.folder / file
            pinned = self.row.sha256 if file == self.row.file else None
            digest = download(source, found, sha256=pinned, reporter=self._options.reporter)
            verified = "pinned" if pinned else "hub" if source.etag else "none"
            self._record(file, digest, f"{source.url}@{source.commit}", verified)
        else:
            self._note(file, found)
        return found

    def weights(self) -> tuple[Path, ...]:
        """Return the file of the weights, or all its shards, fetching them if need be. Raises as `locate`."""
        self.compare_copies()
        if here := self.weights_here():
            for path in here:
                self._note(path.name, path)
            return here
        found = [self.file(one.name) for one in self.remote()]
        for one in self.whole()[len(found) :]:  # the index: it says another time that these are all
            self.file(one.name)
        return tuple(found)

    def copy(self, file: str) -> None:
        """Put a published file into the row's folder. Raises as `locate`."""
        found, target = self.file(file), self.folder / file
        if found != target:
            with replacing(target) as part:
                shutil.copyfile(found, part)

    def copy_optional(self, file: str) -> None:
        """Put a published file into the row's folder, if it is here or the repository has it."""
        if self.local(file) is None and is_offline():
            return
        with suppress(NotPublishedError):
            self.copy(file)

    def fetch_parts(self, target: Path, made_of: "Layout") -> None:
        """Make a file of the row's folder from parts of published ones, and record it."""
        from radseg.weights.parts import fetch_parts  # noqa: PLC0415 - loads torch

        digest = fetch_parts(target, made_of, self._options.reporter)
        commits = ", ".join(sorted({span.source.commit for span in made_of.spans}))
        self._record(target.name, digest, f"{self.row.page}@{commits}, by byte range", "none")

    def record_made(self, target: Path, origin: str) -> None:
        """Record a file that was made on this machine."""
        self._record(target.name, sha256_of(target), origin, "none", target)

    def discard_fetched(self) -> None:
        """Delete the weights that radseg fetched whole, now that what is made of them is there.

        What a person or another program put down, or a person asked to keep, is never touched.
        """
        if self.row.kind in _LOADED_AS_PUBLISHED:
            return
        kept = {*self.row.beside, *self.row.optional}
        if reduced := self.row.kind in REDUCTIONS:
            kept.add(reduced_name(self.row))
        for record in read_records(self.row.name).values():
            if record.origin.startswith("http") and record.file not in kept and not record.kept:
                discard(self.folder / record.file)
                if reduced:  # of a converted row the digest is still asked for
                    forget_record(self.row.name, record.file)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Wait until no other process makes this row; say what to do if it is not to be had."""
        with writing(self.folder / ".lock"), FileLock(self.folder / ".lock"), self.explained():
            yield

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Inside, an error says which weights are missing, and every way to them."""
        try:
            yield
        except WeightsUnavailableError as error:
            raise WeightsUnavailableError(
                f"{self.row.name} is not on this machine: {error} {self._advice()}"
            ) from error

    def _note(self, file: str, found: Path) -> None:
        """Record a file that came without radseg; the one pinned in the catalogue must be that one."""
        known = read_records(self.row.name).get(file)
        if known is not None:
            if self._options.keep_original and not known.kept:
                write_record(self.row.name, replace(known, kept=True))
            return
        digest = remembered_sha256(found)
        pinned = self.row.sha256 if file == self.row.file else None
        if pinned not in (None, digest):
            raise WeightsUnavailableError(f"{found} has sha256 {digest}; {pinned} is expected. Replace it.")
        origin = "placed by hand" if found.parent == self.folder else "hub cache"
        if found in self.copies():
            origin = "torch hub"
        self._record(file, digest, origin, "pinned" if pinned else "none", found)

    def _record(self, file: str, digest: str, origin: str, verified: str, path: Path | None = None) -> None:
        size = (path or self.folder / file).stat().st_size
        kept = self._options.keep_original
        write_record(self.row.name, FileRecord(file, digest, size, origin, verified, kept))

    def _advice(self) -> str:
        row = self.row
        if copies := self.copies():
            return (
                f"{copies[0]} has its name, but nothing says that it is the published file. To use it, pass "
                f"{torch_hub.DOWNLOADS[row.kind].option} {copies[0]}."
            )
        if row.stored:
            return f"Fetch {row.file} from {row.page} and pass its path."
        names = " and ".join((row.file, *row.beside, *(["a tokenizer"] if row.one_of else [])))
        if row.beside:
            return f"Put {names} from {row.page} into {self.folder}, or pass a local path."
        return f"Fetch {names} from {row.page} and put it at {self.folder / row.file}, or pass a path."


def _known_digests(row: Row) -> frozenset[str]:
    """Return the digests that the published file of a row's weights is known by on this machine."""
    download = torch_hub.DOWNLOADS.get(row.kind)
    if download and download.digest:
        return frozenset({download.digest})
    record = read_records(row.name).get(row.file)
    return frozenset(filter(None, (row.sha256, record.sha256 if record else None)))
