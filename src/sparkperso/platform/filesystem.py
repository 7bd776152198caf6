"""Files and folders on whatever file system Spark can reach, by Hadoop's own calls."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from pyspark.sql import SparkSession

# No name on any file system holds it.
BETWEEN = "\0"


@dataclass(frozen=True)
class FileSystem:
    """Looks at, writes, moves and removes what lies at a place: a path or a URI, to the letter."""

    spark: SparkSession

    def names(self, folder: str) -> list[str]:
        """Returns the names in a folder, hidden ones too, unordered; none when it is absent.

        One call to the JVM however many there are: asked one by one, a long log takes seconds.
        """
        path, system = self._open(folder)
        if not system.exists(path):
            return []
        paths = self._hadoop.fs.FileUtil.stat2Paths(system.listStatus(path))
        # By Scala's way to look at an array: py4j finds no method of Java's for one of paths.
        joined = str(self._jvm.scala.runtime.ScalaRunTime.genericWrapArray(paths).mkString(BETWEEN))
        return [place.rpartition("/")[2] for place in joined.split(BETWEEN)] if joined else []

    def read(self, file: str) -> str | None:
        """Returns the text of a file, None when it is absent."""
        path, system = self._open(file)
        if not system.exists(path):
            return None
        stream = system.open(path)
        try:
            return bytes(stream.readAllBytes()).decode()
        finally:
            stream.close()

    def modified(self, file: str) -> datetime | None:
        """Returns when a file was last written (UTC), None when it is absent."""
        path, system = self._open(file)
        if not system.exists(path):
            return None
        milliseconds = int(system.getFileStatus(path).getModificationTime())
        return datetime.fromtimestamp(milliseconds / 1000, timezone.utc)

    def write(self, file: str, text: str) -> None:
        """Writes a file whole or not at all, over one that is there."""
        folder, _, name = file.rpartition("/")
        draft = f"{folder}/.{name}.draft"
        path, system = self._open(draft)
        stream = system.create(path, True)
        try:
            stream.write(text.encode())
        finally:
            stream.close()
        self.rename(draft, file)

    def rename(self, file: str, name: str) -> None:
        """Gives a file another name, over a file that is there."""
        path, system = self._open(file)
        target, _ = self._open(name)
        gateway: Any = self.spark.sparkContext._gateway
        how = gateway.new_array(self._hadoop.fs.Options.Rename, 1)
        how[0] = self._hadoop.fs.Options.Rename.OVERWRITE
        context = self._hadoop.fs.FileContext.getFileContext(self._configuration)
        context.rename(system.makeQualified(path), system.makeQualified(target), how)

    def fetch(self, place: str, folder: str) -> None:
        """Copies a file, or a folder with all that is in it, to a new path of this machine."""
        path, system = self._open(place)
        system.copyToLocalFile(False, path, self._hadoop.fs.Path(folder), True)

    def create(self, folder: str) -> None:
        """Makes a folder, and those above it, unless it is there."""
        path, system = self._open(folder)
        system.mkdirs(path)

    def delete(self, place: str) -> None:
        """Removes a file, or a folder with all that is in it; nothing when there is none."""
        path, system = self._open(place)
        system.delete(path, True)

    def _open(self, place: str) -> tuple[Any, Any]:
        """Hadoop's path, and the file system that it is on."""
        path = self._hadoop.fs.Path(place)
        return path, path.getFileSystem(self._configuration)

    @property
    def _jvm(self) -> Any:
        return self.spark._jvm

    @property
    def _hadoop(self) -> Any:
        return self._jvm.org.apache.hadoop

    @property
    def _configuration(self) -> Any:
        # With the settings of the session (spark.hadoop.…, credentials), unlike the context's.
        return self.spark._jsparkSession.sessionState().newHadoopConf()
