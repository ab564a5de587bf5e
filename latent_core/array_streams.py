"""Growing .npy files: rows are appended, and the header learns their number at the end.

The file is, byte for byte, what `numpy.save` writes of the whole array: numpy leaves room in the
header for the first axis to grow (numpy.lib.format, GROWTH_AXIS_MAX_DIGITS), so that its length
does not depend on the number of rows.
"""

from __future__ import annotations

import math
import os
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latent_core.errors import FolderError


class ArrayStream:
    """One .npy file of shape (rows so far, *tail); it can be loaded once it is closed.

    With `rows` a file that was not closed goes on after that many rows; what it held beyond them
    is cut off. Raises FolderError where it holds fewer.
    """

    def __init__(
        self, path: Path, dtype: np.dtype[Any], tail: tuple[int, ...] = (), *, rows: int = 0
    ) -> None:
        if dtype.hasobject:
            raise ValueError(f"{path}: object arrays are not written")
        self.path, self.dtype, self.tail, self.rows = path, dtype, tail, rows
        self._stream = path.open("r+b" if rows else "wb")
        self._write_header()
        self._header_end = self._stream.tell()
        if rows:
            self._cut()

    def __enter__(self) -> ArrayStream:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def append(self, values: NDArray[Any]) -> None:
        """Write rows (n, *tail); ValueError where dtype or shape are not the file's."""
        if values.dtype != self.dtype or values.shape[1:] != self.tail:
            raise ValueError(
                f"{self.path}: rows of {values.dtype} {values.shape[1:]} do not fit a file of "
                f"{self.dtype} {self.tail}"
            )
        if values.size:
            self._stream.write(np.ascontiguousarray(values).data)
        self.rows += len(values)

    def flush(self) -> None:
        """Bring what was appended to the disk, so that it outlives this process."""
        self._stream.flush()
        os.fsync(self._stream.fileno())

    def _cut(self) -> None:
        """Stand behind the last of `rows`, and forget what follows."""
        end = self._header_end + self.rows * self.dtype.itemsize * math.prod(self.tail)
        if self.path.stat().st_size < end:
            self._stream.close()
            raise FolderError(
                f"{self.path} lost rows since it was interrupted; remove the .partial folder that "
                "it lies in and begin anew"
            )
        self._stream.truncate(end)
        self._stream.seek(end)

    def close(self) -> None:
        """Put the number of rows into the header and close the file; a second call is nothing."""
        if self._stream.closed:
            return
        self._stream.seek(0)
        self._write_header()
        if self._stream.tell() != self._header_end:
            raise ValueError(f"{self.path}: the header outgrew its place")
        self._stream.close()

    def _write_header(self) -> None:
        content = {
            "descr": np.lib.format.dtype_to_descr(self.dtype),
            "fortran_order": False,
            "shape": (self.rows, *self.tail),
        }
        np.lib.format.write_array_header_1_0(self._stream, content)
