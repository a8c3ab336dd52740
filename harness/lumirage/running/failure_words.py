"""What programs print if the GPU's memory is exhausted or the GPU has failed: a table with sources.

A method writes its own log, so these words only classify runs that have failed anyway.
"""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Words:
    """A wording as a regular expression, whose it is, and where that is published."""

    pattern: str
    program: str
    source: str


GPU_MEMORY = (
    Words(r"CUDA out of memory", "PyTorch", "pytorch.org, CUDA semantics: memory management"),
    Words(r"HIP out of memory", "PyTorch on ROCm", "pytorch.org, HIP (ROCm) semantics"),
    Words(
        r"OutOfMemoryError", "PyTorch, CuPy", "pytorch.org, torch.OutOfMemoryError; docs.cupy.dev, memory management"
    ),
    Words(r"CUDA error: out of memory", "PyTorch", "CUDA Runtime API, cudaGetErrorString of error 2"),
    Words(r"CUDA failure 2: out of memory", "ONNX Runtime", "onnxruntime.ai, CUDA execution provider"),
    Words(r"Cuda Runtime \(out of memory\)", "TensorRT", "TensorRT developer guide, error messages"),
    Words(r"CUDA_ERROR_OUT_OF_MEMORY", "CUDA driver, Numba, TensorFlow", "CUDA Driver API, CUresult 2"),
    Words(r"cudaErrorMemoryAllocation", "CUDA runtime", "CUDA Runtime API, cudaError 2"),
    Words(r"CUDNN_STATUS_ALLOC_FAILED", "cuDNN", "cuDNN API reference, cudnnStatus_t"),
    Words(r"CUDNN_STATUS_INTERNAL_ERROR_\w{0,30}ALLOCATION_FAILED", "cuDNN 9", "cuDNN API reference, cudnnStatus_t"),
    Words(r"CUBLAS\w{0,40}_ALLOC_FAILED", "cuBLAS", "cuBLAS library documentation, cublasStatus_t"),
    Words(r"CUFFT_ALLOC_FAILED", "cuFFT", "cuFFT library documentation, cufftResult"),
    Words(r"CU(SOLVER|SPARSE)_STATUS_ALLOC_FAILED", "cuSOLVER, cuSPARSE", "their library documentation, status codes"),
    Words(r"RESOURCE_EXHAUSTED: (Out of memory|Failed to allocate)", "JAX, XLA", "docs.jax.dev, GPU memory allocation"),
    Words(r"ResourceExhaustedError|OOM when allocating tensor", "TensorFlow", "tensorflow.org, tf.errors"),
    Words(
        r"BFCArena.{0,200}Failed to allocate memory|Failed to allocate memory for requested buffer of size",
        "ONNX Runtime",
        "onnxruntime.ai, CUDA execution provider: arena_extend_strategy",
    ),
)

GPU_FAULTS = (
    Words(r"uncorrectable ECC error", "CUDA runtime", "CUDA Runtime API, cudaErrorECCUncorrectable"),
    Words(r"CUDA_ERROR_ECC_UNCORRECTABLE|cudaErrorECCUncorrectable", "CUDA", "CUDA Driver API, CUresult 214"),
    Words(r"uncorrectable NVLink error|CUDA_ERROR_NVLINK_UNCORRECTABLE", "CUDA", "CUDA Driver API, CUresult 220"),
    Words(r"fallen off the bus", "NVIDIA driver", "XID errors documentation, Xid 79"),
    Words(r"NVRM: Xid \(", "NVIDIA driver", "XID errors documentation"),
    Words(r"GPU is lost", "NVML", "NVML API reference, NVML_ERROR_GPU_IS_LOST"),
    Words(r"no CUDA-capable device is detected", "CUDA runtime", "CUDA Runtime API, cudaErrorNoDevice"),
    Words(r"CUDA_ERROR_NO_DEVICE|cudaErrorNoDevice", "CUDA", "CUDA Driver API, CUresult 100"),
    Words(r"all CUDA-capable devices are busy or unavailable", "CUDA", "CUDA Runtime API, cudaErrorDevicesUnavailable"),
    Words(r"CUDA_ERROR_DEVICE_UNAVAILABLE", "CUDA driver", "CUDA Driver API, CUresult 46"),
    Words(r"CUDA_ERROR_SYSTEM_NOT_READY|system not yet initialized", "CUDA", "CUDA Driver API, CUresult 802"),
    Words(r"Failed to initialize NVML", "NVML, nvidia-smi", "NVML API reference, nvmlInit"),
    Words(r"CUDA driver version is insufficient", "CUDA runtime", "CUDA Runtime API, cudaErrorInsufficientDriver"),
    Words(r"Driver/library version mismatch", "NVML", "NVML API reference, NVML_ERROR_LIB_RM_VERSION_MISMATCH"),
)

MEMORY = re.compile(
    r"^MemoryError|std::bad_alloc|DefaultCPUAllocator: can't allocate|ITK ERROR.{0,300}allocate memory", re.MULTILINE
)


def _any_of(table: tuple[Words, ...]) -> re.Pattern[str]:
    """Nothing of unbounded length in it: one line of `cublascublas...` as long as a log would keep us for hours."""
    return re.compile("|".join(f"(?:{words.pattern})" for words in table), re.IGNORECASE)


_GPU_MEMORY, _GPU_FAULTS = _any_of(GPU_MEMORY), _any_of(GPU_FAULTS)


def says_memory(log: str) -> bool:
    """Whether a log says that memory was exhausted."""
    return bool(MEMORY.search(log))


def says_gpu_memory(log: str) -> bool:
    """Whether a log says that the GPU's memory was exhausted."""
    return bool(_GPU_MEMORY.search(log))


def gpu_fault(log: str) -> str:
    """The words with which a log says that the GPU, or its driver, failed; empty where it does not."""
    found = _GPU_FAULTS.search(log)
    return found.group(0) if found else ""
