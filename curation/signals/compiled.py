"""The compiler of kernels, under the name by which the modules of this room know it."""

from hanji.compiled import cache_directory, kernel, pure_kernel, sources

__all__ = ["cache_directory", "kernel", "pure_kernel", "sources"]
