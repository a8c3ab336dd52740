"""The words by which a log says that memory, or a GPU, was at fault: as the programs print them."""

import pytest

from lumirage.running.failure_words import GPU_FAULTS, GPU_MEMORY, gpu_fault, says_gpu_memory, says_memory

GPU_MEMORY_LINES = [
    "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79.10 GiB",
    "torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 MiB",
    "RuntimeError: CUDA error: out of memory",
    "torch.OutOfMemoryError: HIP out of memory. Tried to allocate 1.00 GiB",
    "RuntimeError: cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
    "RuntimeError: CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
    "cuFFT error: CUFFT_ALLOC_FAILED",
    "RuntimeError: cusolver error: CUSOLVER_STATUS_ALLOC_FAILED, when calling `cusolverDnCreate(handle)`",
    "jaxlib.xla_extension.XlaRuntimeError: RESOURCE_EXHAUSTED: Out of memory while trying to allocate 8589934592 bytes.",
    "tensorflow.python.framework.errors_impl.ResourceExhaustedError: OOM when allocating tensor with shape[1,32,160]",
    "numba.cuda.cudadrv.driver.CudaAPIError: [2] Call to cuMemAlloc results in CUDA_ERROR_OUT_OF_MEMORY",
    "cupy.cuda.memory.OutOfMemoryError: Out of memory allocating 8,589,934,592 bytes",
    "BFCArena::AllocateRawInternal(size_t, bool) Failed to allocate memory for requested buffer of size 268435456",
    "CUDA failure 2: out of memory ; GPU=0 ; hostname=node ; expr=cudaMalloc((void**)&p, size);",
    "[TRT] Error: Cuda Runtime (out of memory)",
]
GPU_FAULT_LINES = [
    "RuntimeError: CUDA error: uncorrectable ECC error encountered",
    "CUDA_ERROR_ECC_UNCORRECTABLE",
    "NVRM: Xid (PCI:0000:3b:00): 79, pid=1, GPU has fallen off the bus.",
    "Unable to determine the device handle for GPU 0000:3B:00.0: GPU is lost.  Reboot the system to recover this GPU",
    "RuntimeError: No CUDA GPUs are available: no CUDA-capable device is detected",
    "failed call to cuInit: CUDA_ERROR_NO_DEVICE: no CUDA-capable device is detected",
    "RuntimeError: CUDA error: all CUDA-capable devices are busy or unavailable",
    "Failed to initialize NVML: Unknown Error",
    "CUDA driver version is insufficient for CUDA runtime version",
    "RuntimeError: Unexpected error from cudaGetDeviceCount(). Error 802: system not yet initialized",
]
OTHERS = [
    "ValueError: operands could not be broadcast together",
    "RuntimeError: CUDA error: an illegal memory access was encountered",
    "RuntimeError: CUDA error: device-side assert triggered",
    "loading weights; memory format is channels_last",
]


@pytest.mark.parametrize("line", GPU_MEMORY_LINES)
def test_exhausted_gpu_memory_is_recognized(line: str):
    assert says_gpu_memory(f"step 1\n{line}\n")
    assert not gpu_fault(line)


@pytest.mark.parametrize("line", GPU_FAULT_LINES)
def test_a_failed_gpu_is_recognized(line: str):
    assert gpu_fault(f"step 1\n{line}\n")
    assert not says_gpu_memory(line)


@pytest.mark.parametrize("line", OTHERS)
def test_a_methods_own_fault_is_neither(line: str):
    assert not says_gpu_memory(line)
    assert not gpu_fault(line)
    assert not says_memory(line)


def test_every_wording_has_a_source():
    assert all(words.program and words.source for words in (*GPU_MEMORY, *GPU_FAULTS))
