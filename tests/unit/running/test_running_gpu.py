"""The GPU meter against a driver made of numbers."""

from types import SimpleNamespace

import pynvml
import pytest

from lumirage.running.gpu_usage import GpuMeter, gpu_uuids


class Driver:
    """What of NVML the meter uses."""

    NVMLError = pynvml.NVMLError

    def __init__(self):
        self.nvmlClocksThrottleReasonHwPowerBrakeSlowdown = 0x80
        self.nvmlClocksThrottleReasonHwThermalSlowdown = 0x40
        self.nvmlClocksThrottleReasonSwThermalSlowdown = 0x20
        self.processes = [SimpleNamespace(pid=1, usedGpuMemory=100)]
        self.used, self.energy, self.reasons, self.open = 1000, 5000, 0, 0

    def nvmlInit(self):
        self.open += 1

    def nvmlShutdown(self):
        self.open -= 1

    def nvmlDeviceGetCount(self):
        return 2

    def nvmlDeviceGetHandleByIndex(self, index):
        return index

    def nvmlDeviceGetUUID(self, handle):
        return f"GPU-{handle}"

    def nvmlDeviceGetHandleByUUID(self, uuid):
        return int(uuid[-1])

    def nvmlDeviceGetComputeRunningProcesses(self, handle):
        return self.processes if handle == 0 else []

    def nvmlDeviceGetMemoryInfo(self, handle):
        return SimpleNamespace(used=self.used)

    def nvmlDeviceGetTotalEnergyConsumption(self, handle):
        return self.energy

    def nvmlDeviceGetCurrentClocksThrottleReasons(self, handle):
        return self.reasons


@pytest.fixture
def driver() -> Driver:
    return Driver()


def look(meter: GpuMeter) -> None:
    for _ in range(5):
        meter.sample()


def test_memory_is_that_of_the_calls_own_processes(driver: Driver):
    meter = GpuMeter(["GPU-0"], lambda: [1, 2], driver)
    look(meter)
    driver.processes.append(SimpleNamespace(pid=2, usedGpuMemory=50))
    look(meter)
    driver.processes.clear()
    look(meter)
    assert meter.peak_bytes == 150
    assert meter.warnings() == []
    meter.close()
    assert driver.open == 0


def test_somebody_else_on_the_gpu_is_a_warning(driver: Driver):
    meter = GpuMeter(["GPU-0"], lambda: [9], driver)
    look(meter)
    assert meter.peak_bytes == 0
    assert any("another process" in warning for warning in meter.warnings())


def test_where_the_calls_processes_are_not_known_nothing_is_claimed(driver: Driver):
    driver.reasons = 0x40
    meter = GpuMeter(["GPU-0"], lambda: None, driver)
    look(meter)
    assert meter.peak_bytes is None
    assert "not known here" in meter.how
    assert meter.warnings() == ["the GPU was slowed down (hardware, hot)"]


def test_processes_that_are_known_only_at_times_are_no_strangers(driver: Driver):
    looks = iter([None, [1], None])
    meter = GpuMeter(["GPU-0"], lambda: next(looks), driver)
    look(meter)
    assert "not known here" in meter.how
    look(meter)
    look(meter)
    assert (meter.peak_bytes, meter.how, meter.warnings()) == (100, "NVML", [])


def test_where_the_driver_does_not_tell_by_process_growth_is_taken(driver: Driver):
    driver.processes[0].usedGpuMemory = None
    meter = GpuMeter(["GPU-0"], lambda: [1], driver)
    driver.used = 1700
    look(meter)
    assert meter.peak_bytes == 700
    assert "growth" in meter.how


def test_energy_is_the_difference_in_joules(driver: Driver):
    meter = GpuMeter(["GPU-0", "GPU-1"], lambda: [1], driver)
    driver.energy = 6500
    assert meter.energy_j() == 3.0


def test_a_hot_gpu_is_a_warning(driver: Driver):
    driver.reasons = 0x40
    meter = GpuMeter(["GPU-0"], lambda: [1], driver)
    look(meter)
    assert meter.warnings() == ["the GPU was slowed down (hardware, hot)"]


def test_without_a_driver_the_reason_is_given(driver: Driver, monkeypatch: pytest.MonkeyPatch):
    def fails():
        raise pynvml.NVMLError(pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)

    monkeypatch.setattr(driver, "nvmlInit", fails)
    meter = GpuMeter(["GPU-0"], lambda: [1], driver)
    look(meter)
    assert meter.peak_bytes is None
    assert meter.energy_j() is None
    assert meter.how.startswith("NVML: ")
    assert gpu_uuids(driver) == ()


def test_a_call_without_a_gpu_says_so(driver: Driver):
    meter = GpuMeter([], lambda: [1], driver)
    look(meter)
    assert meter.how == "no GPU was asked for"
    assert driver.open == 0


def test_gpus_are_named_by_uuid(driver: Driver):
    assert gpu_uuids(driver) == ("GPU-0", "GPU-1")
    assert driver.open == 0
