"""The workloads by name: proved equal, then timed side by side. Two threads for everyone, set before NumPy loads."""

import os

# Idle threads of OpenBLAS spin otherwise, and double the time of whoever comes next.
os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "20")
for _variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "2")
