"""The variables that every method gets, so that no answer depends on who started it and where."""

from lumirage.core.model import Job
from lumirage.running.container_user import own_user

CONTAINER_TMP = "/tmp"
"""The container's own, in memory."""
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS",
    "TF_NUM_INTRAOP_THREADS",
)
CACHE_VARIABLES = {
    "HOME": "",
    "XDG_CACHE_HOME": "cache",
    "MPLCONFIGDIR": "matplotlib",
    "NUMBA_CACHE_DIR": "numba",
    "TORCH_HOME": "torch",
    "TRITON_CACHE_DIR": "triton",
    "TORCHINDUCTOR_CACHE_DIR": "inductor",
    "HF_HOME": "huggingface",
    "CUDA_CACHE_PATH": "cuda",
}
OF_THE_HOME = ("HOME", "XDG_CACHE_HOME", "TORCH_HOME", "HF_HOME")
"""What an image that works only as its own user has in its own home: packages, and weights it fetched when it was built."""


def environment(job: Job, tmp: str, weights: str | None) -> dict[str, str]:
    """Threads, seed, home and caches. `tmp` and `weights` are where the method sees its own scratch and its weights."""
    left_out = OF_THE_HOME if own_user(job.method) else ()
    fixed = {
        "TMPDIR": tmp,
        "USER": "method",
        "LOGNAME": "method",
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "PYTHONUNBUFFERED": "1",  # events are stamped when they arrive
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": str(job.seed % 2**32),
        "OMP_WAIT_POLICY": "PASSIVE",  # OpenMP's waiting threads would spin, and be measured as work
        "CUBLAS_WORKSPACE_CONFIG": ":4096:8",  # without it cuBLAS is not deterministic
        "HF_HUB_OFFLINE": "1",
        "LUMIRAGE_SEED": str(job.seed),
        "LUMIRAGE_THREADS": str(job.limits.cpus),
    }
    return {
        **fixed,
        **dict.fromkeys(THREAD_VARIABLES, str(job.limits.cpus)),
        **{name: f"{tmp}/home/{place}".rstrip("/") for name, place in CACHE_VARIABLES.items() if name not in left_out},
        **({"LUMIRAGE_WEIGHTS": weights} if weights else {}),
    }
