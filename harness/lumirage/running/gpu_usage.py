"""What a call used of its GPUs, through NVML. Absent without a driver, and then it says so."""

from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any

import pynvml

NOT_KNOWN = "NVML; memory is not known, as the call's processes are not known here"
SAMPLE_EVERY = 5
"""Memory samples between two looks at the GPU: 4 Hz."""
THROTTLED = {
    "power brake": "nvmlClocksThrottleReasonHwPowerBrakeSlowdown",
    "hardware, hot": "nvmlClocksThrottleReasonHwThermalSlowdown",
    "software, hot": "nvmlClocksThrottleReasonSwThermalSlowdown",
}


def gpu_uuids(nvml: ModuleType = pynvml) -> tuple[str, ...]:
    """The GPUs of this machine by UUID, in the driver's order; empty without a driver."""
    try:
        nvml.nvmlInit()
    except nvml.NVMLError:
        return ()
    try:
        handles = [nvml.nvmlDeviceGetHandleByIndex(i) for i in range(nvml.nvmlDeviceGetCount())]
        return tuple(_text(nvml.nvmlDeviceGetUUID(handle)) for handle in handles)
    finally:
        nvml.nvmlShutdown()


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


class GpuMeter:
    """Memory of a call's processes, energy of its GPUs, and who disturbed it. Close it when done.

    `pids` gives None where the call's processes are not known: then memory and who else was there stay unknown.
    Memory is attributed by process where the driver gives the processes, else by the growth of the device's use.
    Energy is the whole device's, so it is the call's own only where nobody else used the GPU; the warnings say so.
    """

    def __init__(self, uuids: Iterable[str], pids: Callable[[], list[int] | None], nvml: ModuleType = pynvml):
        self._nvml, self._pids, self._ticks = nvml, pids, 0
        self._handles: list[Any] = []  # NVML's handles are opaque pointers
        self.peak_bytes: int | None = None
        self.how, self._others, self._slow = "no GPU was asked for", False, set[str]()
        uuids = tuple(uuids)
        if uuids:
            self._open(uuids)
        self._energy_before = self._energy_mj()
        self._used_before = self._device_bytes()

    def _open(self, uuids: tuple[str, ...]) -> None:
        try:
            self._nvml.nvmlInit()
            self._handles = [self._nvml.nvmlDeviceGetHandleByUUID(uuid) for uuid in uuids]
            self.how = "NVML"
        except self._nvml.NVMLError as error:
            self.how = f"NVML: {error}"

    def sample(self) -> None:
        """Look at the GPUs; cheap to call at 20 Hz, as most calls do nothing."""
        self._ticks += 1
        if not self._handles or self._ticks % SAMPLE_EVERY != 1:
            return
        try:
            self._look()
        except self._nvml.NVMLError as error:
            self.how = f"NVML stopped: {error}"

    def _look(self) -> None:
        pids = self._pids()
        if pids is None and self.peak_bytes is None:
            self.how = NOT_KNOWN
        elif self.how == NOT_KNOWN:
            self.how = "NVML"  # they are by now
        own, mine, unknown = set(pids or ()), 0, False
        for handle in self._handles:
            for process in self._nvml.nvmlDeviceGetComputeRunningProcesses(handle) if pids is not None else ():
                if process.pid not in own:
                    self._others = True
                elif process.usedGpuMemory is None:
                    unknown = True
                else:
                    mine += process.usedGpuMemory
            reasons = self._nvml.nvmlDeviceGetCurrentClocksThrottleReasons(handle)
            self._slow |= {word for word, flag in THROTTLED.items() if reasons & getattr(self._nvml, flag)}
        if unknown:
            self.how = "NVML, growth of the whole device"
            mine = max(0, self._device_bytes() - self._used_before)
        if pids is not None:
            self.peak_bytes = max(self.peak_bytes or 0, mine)

    def _device_bytes(self) -> int:
        try:
            return sum(self._nvml.nvmlDeviceGetMemoryInfo(handle).used for handle in self._handles)
        except self._nvml.NVMLError:
            return 0

    def _energy_mj(self) -> int | None:
        try:
            return sum(self._nvml.nvmlDeviceGetTotalEnergyConsumption(handle) for handle in self._handles)
        except self._nvml.NVMLError:  # not counted before Volta, nor in MIG
            return None

    def energy_j(self) -> float | None:
        """Joules that the GPUs took since the start; None without GPUs or counters."""
        now = self._energy_mj()
        if not self._handles or now is None or self._energy_before is None:
            return None
        return (now - self._energy_before) / 1000

    def warnings(self) -> list[str]:
        """What disturbed the measurement."""
        shared = ["another process used the GPU: times and energy are not the method's alone"] if self._others else []
        return shared + [f"the GPU was slowed down ({reason})" for reason in sorted(self._slow)]

    def close(self) -> None:
        """Let go of the driver."""
        if self._handles:
            self._handles = []
            self._nvml.nvmlShutdown()
