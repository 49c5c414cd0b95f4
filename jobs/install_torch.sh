#!/bin/sh
# Install the pinned torch, preferring a CPU build where one can be reached: a plain install may bring
# several gigabytes of CUDA libraries that this machine cannot use.
#   install_torch.sh PYTHON VERSION CPU_INDEX
set -eu
python=$1 version=$2 cpu_index=$3

if "$python" -c "import torch, sys; sys.exit(torch.__version__.split('+')[0] != '$version')" 2>/dev/null; then
  exit 0
fi
if command -v nvidia-smi >/dev/null 2>&1; then
  exec "$python" -m pip install --quiet "torch==$version"
fi
# What would the configured indexes give? A version that ends in +cpu is what we want.
report=$("$python" -m pip install --quiet --dry-run --no-deps --report - "torch==$version" 2>/dev/null || true)
case $report in
*"$version+cpu"*) exec "$python" -m pip install --quiet "torch==$version" ;;
esac
if [ -n "$cpu_index" ] &&
  "$python" -m pip install --quiet --retries 0 --timeout 20 --index-url "$cpu_index" "torch==$version+cpu" 2>/dev/null; then
  exit 0
fi
echo "No CPU build of torch $version can be reached; installing the default build."
exec "$python" -m pip install --quiet "torch==$version"
