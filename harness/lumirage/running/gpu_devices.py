"""The GPUs of this machine by UUID, through NVML; MIG instances stand for the GPU that is divided into them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import pynvml

Handle = Any  # NVML's handles are opaque pointers


@dataclass(frozen=True)
class GpuDevice:
    """A GPU or a MIG instance that can be given to a method. `index` is the driver's, as `1` or `1:0` for an instance."""

    uuid: str
    index: str
    name: str = ""
    memory_bytes: int | None = None


@dataclass(frozen=True)
class GpuDevices:
    """What can be used, in the driver's order, and what cannot, each with the driver's reason."""

    usable: tuple[GpuDevice, ...] = ()
    faults: tuple[str, ...] = ()

    @property
    def uuids(self) -> tuple[str, ...]:
        """Of those that can be used."""
        return tuple(device.uuid for device in self.usable)

    def find(self, word: str) -> GpuDevice | None:
        """By index or by UUID, which may be shortened as CUDA allows it: a prefix that only one device has."""
        exact = [device for device in self.usable if word in {device.index, device.uuid}]
        if exact:
            return exact[0]
        begin = [device for device in self.usable if word.startswith(("GPU-", "MIG-")) and device.uuid.startswith(word)]
        return begin[0] if len(begin) == 1 else None


def list_gpus(nvml: ModuleType = pynvml) -> GpuDevices:
    """The GPUs of this machine. One that is lost does not hide the others; without a driver there are none."""
    try:
        nvml.nvmlInit()
    except nvml.NVMLError:
        return GpuDevices()
    try:
        count = nvml.nvmlDeviceGetCount()
    except nvml.NVMLError as error:
        return GpuDevices(faults=(f"the GPUs cannot be counted: {error}",))
    else:
        usable: list[GpuDevice] = []
        faults: list[str] = []
        for index in range(count):
            try:
                usable += _usable(nvml, index)
            except nvml.NVMLError as error:
                faults.append(f"GPU {index} cannot be used: {error}")
        return GpuDevices(tuple(usable), tuple(faults))
    finally:
        nvml.nvmlShutdown()


def gpu_uuids(nvml: ModuleType = pynvml) -> tuple[str, ...]:
    """UUIDs of the GPUs and MIG instances that can be used, in the driver's order; empty without a driver."""
    return list_gpus(nvml).uuids


def gpus_of_task(environment: Mapping[str, str], devices: GpuDevices) -> tuple[str, ...]:
    """The GPUs that a cluster gave this task: those of CUDA_VISIBLE_DEVICES that the driver shows, as UUIDs.

    As in CUDA, a name that is not a device ends the list: `NoDevFiles`, an index beyond the last, a MIG name of another node.
    """
    given: list[str] = []
    for word in environment.get("CUDA_VISIBLE_DEVICES", "").split(","):
        device = devices.find(word.strip())
        if device is None:
            break
        given.append(device.uuid)
    return tuple(given)


def broken(uuids: Sequence[str], nvml: ModuleType = pynvml) -> tuple[str, ...]:
    """Those of these GPUs that the driver does not show any more; none where there is no driver to ask."""
    there = list_gpus(nvml)
    return tuple(uuid for uuid in uuids if uuid not in there.uuids) if there != GpuDevices() else ()


def _usable(nvml: ModuleType, index: int) -> Iterator[GpuDevice]:
    """The GPU of an index, or its MIG instances. Raises NVMLError for one that does not answer."""
    handle = nvml.nvmlDeviceGetHandleByIndex(index)
    divided, _ = reading(nvml, (0, 0), nvml.nvmlDeviceGetMigMode, handle)
    if not divided:
        yield _device(nvml, handle, str(index))
        return
    for number in range(reading(nvml, 0, nvml.nvmlDeviceGetMaxMigDeviceCount, handle)):
        instance = reading(nvml, None, nvml.nvmlDeviceGetMigDeviceHandleByIndex, handle, number)
        if instance is not None:
            yield _device(nvml, instance, f"{index}:{number}")


def _device(nvml: ModuleType, handle: Handle, index: str) -> GpuDevice:
    name = text(reading(nvml, "", nvml.nvmlDeviceGetName, handle))
    memory = reading(nvml, None, nvml.nvmlDeviceGetMemoryInfo, handle)
    return GpuDevice(text(nvml.nvmlDeviceGetUUID(handle)), index, name, None if memory is None else int(memory.total))


def reading(nvml: ModuleType, otherwise: Any, read: Callable[..., Any], *arguments: Handle) -> Any:
    """One reading, by itself: what a device does not support, or lost, costs no other reading."""
    try:
        return read(*arguments)
    except nvml.NVMLError:
        return otherwise


def text(value: str | bytes) -> str:
    """NVML gives either, by version."""
    return value.decode() if isinstance(value, bytes) else value
