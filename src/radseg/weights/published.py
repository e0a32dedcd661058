"""A catalogue row's published files: in its folder, in the hub client's own cache, or fetched."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from radseg.errors import CheckpointError, WeightsUnavailableError
from radseg.weights.catalog import Row
from radseg.weights.convert.towers import INDEX, is_text, shards_of
from radseg.weights.home import (
    FileRecord,
    model_folder,
    read_records,
    remembered_sha256,
    replacing,
    sha256_of,
    write_record,
    writing,
)
from radseg.weights.hub import NotPublishedError, RemoteFile, Repository, download, is_offline, read_range
from radseg.weights.options import DownloadOptions

if TYPE_CHECKING:
    from radseg.weights.parts import Part


class Published:
    """One row's files, all from one commit.

    Attributes:
        row: what is wanted.
        folder: where it is kept on this machine.
    """

    def __init__(self, row: Row, options: DownloadOptions) -> None:
        self.row, self.folder = row, model_folder(row.name)
        self._options, self._announced = options, False
        self._repository = Repository(row.repository, row.revision)

    def local(self, file: str) -> Path | None:
        """Return a published file that is on this machine, in the row's folder or the hub client's cache."""
        own = self.folder / file
        return own if own.is_file() else self._repository.cached(file)

    def file(self, file: str) -> Path:
        """Return a published file on this machine, fetching it if need be.

        Raises:
            NotPublishedError: the repository has no such file.
            WeightsUnavailableError: not here, and offline, refused, or not to be had.
        """
        found = self.local(file)
        if found is None:
            source = self._locate(file)
            found = self.folder / file
            pinned = self.row.sha256 if file == self.row.file else None
            digest = download(source, found, sha256=pinned, progress=self._options.reporter.progress)
            verified = "pinned" if pinned else "hub" if source.etag else "none"
            self._record(file, digest, f"{source.url}@{source.commit}", verified)
        elif file not in read_records(self.row.name):
            self._note(file, found)
        return found

    def copy(self, file: str) -> None:
        """Put a published file into the row's folder. Raises as `file`."""
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

    def weights(self) -> list[Path]:
        """Return the file of the weights, or all its shards, if on this machine; else nothing."""
        if (whole := self.local(self.row.file)) is not None:
            return [whole]
        if (index := self.local(INDEX)) is None:
            return []
        shards = [self.local(shard) for shard in sorted(set(shards_of(index.read_bytes()).values()))]
        return [shard for shard in shards if shard is not None] if None not in shards else []

    def header(self) -> "Part":
        """Return all that the file of the weights holds, to fetch some of it. Raises as `file`."""
        from radseg.weights.parts import Part, read_header  # noqa: PLC0415 - loads torch

        source = self._locate(self.row.file)
        return Part(source, read_header(source))

    def text_parts(self) -> "list[Part]":
        """Return the text tensors of the weights or their shards, to fetch. Raises as `file`."""
        from radseg.weights.parts import MAX_HEADER, Part, read_header  # noqa: PLC0415 - loads torch

        try:
            whole = self.header()
            return [Part(whole.source, {k: e for k, e in whole.tensors.items() if is_text(k)})]
        except NotPublishedError:
            index = self._locate(INDEX)
        if index.size > MAX_HEADER:
            raise CheckpointError(f"{INDEX} has {index.size} bytes; more than {MAX_HEADER} is not read.")
        shards = shards_of(read_range(index, 0, index.size))
        parts = []
        for shard in sorted(set(shards.values())):
            source = self._locate(shard)
            found = {k: e for k, e in read_header(source).items() if shards.get(k) == shard}
            parts.append(Part(source, found))
        return parts

    def fetch_parts(self, target: Path, parts: "list[Part]", metadata: dict[str, str]) -> None:
        """Make a file of the row's folder from parts of published ones, and record it."""
        from radseg.weights.parts import fetch_parts  # noqa: PLC0415 - loads torch

        digest = fetch_parts(target, parts, metadata, self._options.reporter.progress)
        commits = ", ".join(sorted({part.source.commit for part in parts}))
        self._record(target.name, digest, f"{self.row.page}@{commits}, by byte range", "none")

    def record_made(self, target: Path) -> None:
        """Record a file that was made from published files on this machine."""
        self._record(target.name, sha256_of(target), f"{self.row.page}@hub cache", "none", target)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Wait until no other process fetches this row; say what to do if it is not to be had."""
        with writing(self.folder / ".lock"), FileLock(self.folder / ".lock"):
            try:
                yield
            except WeightsUnavailableError as error:
                raise WeightsUnavailableError(
                    f"{self.row.name} is not on this machine: {error} {self._advice()}"
                ) from error

    def _locate(self, file: str) -> RemoteFile:
        """Return a file's facts; the licence is accepted where needed, and stated before the first byte."""
        license_ = self.row.license
        if license_.requires_acceptance and not self._options.accept_license:
            raise WeightsUnavailableError(
                f"It is under the {license_.title}: {license_.url}. Nothing was fetched. To accept, run "
                f"`radseg models pull {self.row.name} --accept-license` (accept_license=True)."
            )
        source = self._repository.locate(file)
        if not self._announced:
            self._announced = True
            self._options.reporter.announce(
                f"{self.row.name} from {self.row.page}: {license_.title}, {license_.url}"
            )
        return source

    def _note(self, file: str, found: Path) -> None:
        """Record a file that came without radseg; the one pinned in the catalogue must be that one."""
        digest = remembered_sha256(found)
        pinned = self.row.sha256 if file == self.row.file else None
        if pinned not in (None, digest):
            raise WeightsUnavailableError(f"{found} has sha256 {digest}; {pinned} is expected. Replace it.")
        origin = "placed by hand" if found.parent == self.folder else "hub cache"
        self._record(file, digest, origin, "pinned" if pinned else "none", found)

    def _record(self, file: str, digest: str, origin: str, verified: str, path: Path | None = None) -> None:
        size = (path or self.folder / file).stat().st_size
        write_record(self.row.name, FileRecord(file, digest, size, origin, verified))

    def _advice(self) -> str:
        row = self.row
        if row.stored:
            return f"Fetch {row.file} from {row.page} and pass its path."
        names = " and ".join((row.file, *row.beside, *(["a tokenizer"] if row.one_of else [])))
        if row.beside:
            return f"Put {names} from {row.page} into {self.folder}, or pass a local path."
        return f"Fetch {names} from {row.page} and put it at {self.folder / row.file}, or pass a path."
