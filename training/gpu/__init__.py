"""The check of a GPU: correctness against the CPU, kernels, and the speed of training steps (docs/gpu.md).

It needs torch, numpy and megatron-core, and nothing else of what Hanji installs, so that it runs on a bare GPU
machine: ``make gpu-check``.
"""
