"""Files of predictions that want repair, and how they are read back."""

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.feather
import pyarrow.parquet as pq


def binary(n=3000, seed=0, slope=0.5, bias=-0.4):
    rng = np.random.default_rng(seed)
    z = 2.0 * rng.normal(size=n)
    return z, (rng.logistic(size=n) < slope * z + bias).astype(np.int64)


def classes(n=3000, k=4, seed=0):
    rng = np.random.default_rng(seed)
    z = 2.0 * rng.normal(size=(n, k))
    return z, (0.5 * z + np.linspace(-0.5, 0.5, k) + rng.gumbel(size=(n, k))).argmax(1)


def sigmoid(z):
    return 1.0 / (1.0 + np.exp(-z))


def softmax(z):
    e = np.exp(z - z.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def wide(z, form="logit", dtype=np.float64, **others):
    """A table with a column for each class."""
    return {f"{form}_{c}": z[:, i].astype(dtype) for i, c in enumerate("abcdefgh"[: z.shape[1]])} | others


def save(path, columns):
    """Write a table by its suffix."""
    if path.suffix == ".npz":
        np.savez(path, **columns)
        return path
    table = pa.table({n: pa.array(list(c)) if np.ndim(c) == 2 else c for n, c in columns.items()})
    if path.suffix == ".csv":
        pa.csv.write_csv(table, path)
    elif path.suffix == ".arrow":
        pa.feather.write_feather(table, path, compression="uncompressed")
    else:
        pq.write_table(table, path)
    return path


def load(path):
    """Columns as NumPy arrays."""
    if path.suffix == ".npz":
        with np.load(path) as found:
            return {n: found[n] for n in found.files}
    read = {".csv": pa.csv.read_csv, ".arrow": pa.feather.read_table, ".parquet": pq.read_table}[path.suffix]
    table = read(path)
    return {
        n: np.array(table[n].to_pylist()) if pa.types.is_nested(table[n].type) else table[n].to_numpy()
        for n in table.column_names
    }
