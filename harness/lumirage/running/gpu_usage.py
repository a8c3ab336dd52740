"""Measures what a call uses of its GPUs, by NVML. Without a driver nothing is measured, and the record says so.

Each reading can fail separately: memory is still measured if the reasons of throttling cannot be read.
"""

from collections.abc import Callable, Iterable
from types import ModuleType

import pynvml

from lumirage.running.gpu_devices import Handle, reading

NOT_KNOWN = "NVML; memory is not known, as the call's processes are not known here"
UNREADABLE = "NVML; the memory of processes could not be read"
SAMPLE_EVERY = 5
"""Memory samples between two looks at the GPU: 4 Hz."""
THROTTLED = {
    "power brake": "nvmlClocksThrottleReasonHwPowerBrakeSlowdown",
    "hardware, hot": "nvmlClocksThrottleReasonHwThermalSlowdown",
    "software, hot": "nvmlClocksThrottleReasonSwThermalSlowdown",
}


class GpuMeter:
    """Memory of a call's processes, energy of its GPUs, and disturbances by other programs. Close it when done.

    `pids` gives None if the call's processes are not known: then memory and other users of the GPU stay unknown.
    Memory is that of the call's processes if the driver lists processes, else the growth of the device's use. Energy is
    that of the whole device, so it is the call's own only if no other program used the GPU; the warnings say so.
    """

    def __init__(self, uuids: Iterable[str], pids: Callable[[], list[int] | None], nvml: ModuleType = pynvml):
        self._nvml, self._pids, self._ticks, self._open = nvml, pids, 0, False
        self._handles: list[Handle] = []
        self.peak_bytes: int | None = None
        self.how, self._others, self._slow = "no GPU was asked for", False, set[str]()
        uuids = tuple(uuids)
        if uuids:
            self._begin(uuids)
        self._energy_before = self._energy_mj()
        self._used_before = self._device_bytes()

    def _begin(self, uuids: tuple[str, ...]) -> None:
        try:
            self._nvml.nvmlInit()
            self._open = True
            self._handles = [self._nvml.nvmlDeviceGetHandleByUUID(uuid) for uuid in uuids]
            self.how = "NVML"
        except self._nvml.NVMLError as error:
            self.how = f"NVML: {error}"
            self.close()

    def sample(self) -> None:
        """Look at the GPUs; cheap to call at 20 Hz, as most calls do nothing."""
        self._ticks += 1
        if not self._handles or self._ticks % SAMPLE_EVERY != 1:
            return
        for handle in self._handles:
            reasons = reading(self._nvml, 0, self._nvml.nvmlDeviceGetCurrentClocksThrottleReasons, handle)
            self._slow |= {word for word, flag in THROTTLED.items() if reasons & getattr(self._nvml, flag)}
        self._look_at_memory()

    def _look_at_memory(self) -> None:
        pids = self._pids()
        if pids is None:
            if self.peak_bytes is None:
                self.how = NOT_KNOWN
            return
        own, mine, by_process = set(pids), 0, True
        for handle in self._handles:
            processes = reading(self._nvml, None, self._nvml.nvmlDeviceGetComputeRunningProcesses, handle)
            by_process &= processes is not None
            for process in processes or ():
                if process.pid not in own:
                    self._others = True
                elif process.usedGpuMemory is None:
                    by_process = False
                else:
                    mine += process.usedGpuMemory
        if by_process:
            self.how = "NVML" if self.how in {NOT_KNOWN, UNREADABLE} else self.how
            self._keep(mine)
        elif (now := self._device_bytes()) is not None and self._used_before is not None:
            self.how = "NVML, growth of the whole device"
            self._keep(max(0, now - self._used_before))
        elif self.peak_bytes is None:
            self.how = UNREADABLE

    def _keep(self, used_bytes: int) -> None:
        self.peak_bytes = max(self.peak_bytes or 0, used_bytes)

    def _device_bytes(self) -> int | None:
        """Memory in use on all GPUs of the call, by all processes; None if it cannot be read for one of them."""
        found = [reading(self._nvml, None, self._nvml.nvmlDeviceGetMemoryInfo, handle) for handle in self._handles]
        return None if None in found else sum(memory.used for memory in found)

    def _energy_mj(self) -> list[int | None]:
        """Of each GPU; None where it is not counted: before Volta, and for a MIG instance."""
        read = self._nvml.nvmlDeviceGetTotalEnergyConsumption
        return [reading(self._nvml, None, read, handle) for handle in self._handles]

    def energy_j(self) -> float | None:
        """Joules that the GPUs took since the start; None without GPUs or counters, and where a counter began again."""
        pairs = list(zip(self._energy_before, self._energy_mj(), strict=True))
        took = [now - before for before, now in pairs if before is not None and now is not None and now >= before]
        return sum(took) / 1000 if pairs and len(took) == len(pairs) else None

    def warnings(self) -> list[str]:
        """What disturbed the measurement."""
        shared = ["another process used the GPU: times and energy are not the method's alone"] if self._others else []
        return shared + [f"the GPU was slowed down ({reason})" for reason in sorted(self._slow)]

    def close(self) -> None:
        """Close the connection to the driver."""
        self._handles = []
        self._energy_before = []
        if self._open:
            self._open = False
            self._nvml.nvmlShutdown()
