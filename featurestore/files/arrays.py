"""Between matrices and columns of vectors."""

import numpy as np
import pyarrow as pa


def vectors(matrix: np.ndarray, missing: np.ndarray | None = None) -> pa.FixedSizeListArray:
    """Return (N, D) as a FixedSizeList column of N vectors; null where `missing` (N,) bool is true."""
    matrix = np.ascontiguousarray(matrix)
    if matrix.ndim != 2 or matrix.shape[1] == 0:
        raise ValueError(f"vectors need an (N, D) array with D > 0, not one of shape {matrix.shape}")
    mask = None if missing is None else pa.array(np.asarray(missing, bool))
    return pa.FixedSizeListArray.from_arrays(pa.array(matrix.reshape(-1)), matrix.shape[1], mask=mask)


def matrix(column: pa.ChunkedArray) -> np.ndarray:
    """Return a FixedSizeList column of N vectors of floats as (N, D); rows of NaN where it is null."""
    width, dtype = column.type.list_size, column.type.value_type.to_pandas_dtype()
    result = np.empty((len(column), width), dtype)
    start = 0
    for chunk in column.chunks:
        rows = result[start : start + len(chunk)]
        present = chunk.is_valid().to_numpy(zero_copy_only=False)
        rows[present] = chunk.flatten().to_numpy().reshape(-1, width)
        if chunk.null_count:
            rows[~present] = np.nan
        start += len(chunk)
    return result
