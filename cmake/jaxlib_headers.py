"""Prints the folder of jaxlib's headers, or nothing: where Python finds jaxlib, or where packages of this Python live.

Imports nothing of jaxlib. pip's build isolation takes the installed packages off `sys.path`, but not off the disk.
"""

from __future__ import annotations

import sysconfig
from importlib.util import find_spec
from pathlib import Path

spec = find_spec("jaxlib")
found = list(spec.submodule_search_locations or []) if spec else []
installed = [Path(sysconfig.get_paths()[kind]) / "jaxlib" for kind in ("purelib", "platlib")]
for home in (*map(Path, found), *installed):
    if (home / "include/xla/ffi/api/ffi.h").is_file():
        print((home / "include").as_posix())
        break
