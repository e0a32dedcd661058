"""One repository at one commit: its files from the hub client's cache where they are, else by HTTP range."""

from pathlib import Path

from radseg.weights import hub
from radseg.weights.hub import HttpSource, NotPublishedError, RemoteFile
from radseg.weights.ranges import FileSource, RangeSource


class Repository:
    """A repository whose revision is settled by the first file found, and then used for every other.

    Attributes:
        name: owner and name on the hub.
        revision: a branch until the first file is found, then its commit.
        main: the files of which one must be in the cache for others to count as absent when offline.
    """

    def __init__(self, name: str, revision: str, main: tuple[str, ...]) -> None:
        self.name, self.revision, self.main = name, revision, main

    def cached(self, file: str) -> Path | None:
        """Return the file in the hub client's cache, or None."""
        found = hub.cached(self.name, file, self.revision)
        if found is not None:
            self.revision = hub.commit_of(found) or self.revision
        return found

    def locate(self, file: str) -> RemoteFile:
        """Return the facts about a file on the hub, addressed by commit.

        Raises:
            NotPublishedError: the repository has no such file, by the hub or by the notes in its cache; or,
                offline, the cache has the weights without it.
            WeightsUnavailableError: offline, or not to be had.
        """
        if hub.is_known_absent(self.name, file, self.revision):
            raise NotPublishedError(
                f"The repository {self.name} has no file {file} (noted in the hub cache)."
            )
        if hub.is_offline() and any(hub.cached(self.name, m, self.revision) for m in self.main):
            raise NotPublishedError(f"HF_HUB_OFFLINE is set and the hub cache of {self.name} has no {file}.")
        remote = hub.locate(self.name, file, self.revision)
        self.revision = remote.revision or self.revision
        return hub.at_commit(remote, self.name, file)

    def source(self, file: str) -> RangeSource:
        """Return a file to read from. Raises as `locate`."""
        found = self.cached(file)
        return FileSource(found) if found is not None else HttpSource(self.locate(file), file)
