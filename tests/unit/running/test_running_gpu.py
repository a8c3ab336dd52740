"""The GPU meter against a driver made of numbers."""

from types import SimpleNamespace

import pynvml
import pytest

from lumirage.running.gpu_devices import GpuDevice, GpuDevices, broken, gpu_uuids, gpus_of_task, list_gpus
from lumirage.running.gpu_usage import GpuMeter


class Driver:
    """What of NVML the meter uses."""

    NVMLError = pynvml.NVMLError
    LOST = pynvml.NVMLError(pynvml.NVML_ERROR_GPU_IS_LOST)
    UNSUPPORTED = pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)

    def __init__(self):
        self.nvmlClocksThrottleReasonHwPowerBrakeSlowdown = 0x80
        self.nvmlClocksThrottleReasonHwThermalSlowdown = 0x40
        self.nvmlClocksThrottleReasonSwThermalSlowdown = 0x20
        self.processes = [SimpleNamespace(pid=1, usedGpuMemory=100)]
        self.used, self.energy, self.reasons, self.open = 1000, 5000, 0, 0
        self.lost, self.unsupported, self.mig = set[int](), set[str](), dict[int, list[str]]()

    def tell(self, what, value):
        """A reading, unless this device does not support it."""
        if what in self.unsupported:
            raise self.UNSUPPORTED
        return value

    def nvmlInit(self):
        self.open += 1

    def nvmlShutdown(self):
        self.open -= 1

    def nvmlDeviceGetCount(self):
        return 2

    def nvmlDeviceGetHandleByIndex(self, index):
        if index in self.lost:
            raise self.LOST
        return index

    def nvmlDeviceGetName(self, handle):
        return b"Pretended"

    def nvmlDeviceGetMigMode(self, handle):
        return self.tell("mig", (1, 1) if handle in self.mig else (0, 0))

    def nvmlDeviceGetMaxMigDeviceCount(self, handle):
        return 7

    def nvmlDeviceGetMigDeviceHandleByIndex(self, handle, index):
        if index >= len(self.mig[handle]):
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_FOUND)
        return self.mig[handle][index]

    def nvmlDeviceGetUUID(self, handle):
        return handle if isinstance(handle, str) else f"GPU-{handle}"

    def nvmlDeviceGetHandleByUUID(self, uuid):
        if uuid not in {"GPU-0", "GPU-1"}:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_FOUND)
        return int(uuid[-1])

    def nvmlDeviceGetComputeRunningProcesses(self, handle):
        return self.tell("processes", self.processes if handle == 0 else [])

    def nvmlDeviceGetMemoryInfo(self, handle):
        return SimpleNamespace(used=self.tell("memory", self.used), total=8000)

    def nvmlDeviceGetTotalEnergyConsumption(self, handle):
        return self.tell("energy", self.energy)

    def nvmlDeviceGetCurrentClocksThrottleReasons(self, handle):
        return self.tell("reasons", self.reasons)


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


def test_a_counter_that_stood_still_is_no_energy_and_no_gap(driver: Driver):
    meter = GpuMeter(["GPU-0", "GPU-1"], lambda: [1], driver)
    assert meter.energy_j() == 0.0


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


def test_a_lost_gpu_hides_no_other(driver: Driver):
    driver.lost = {0}
    found = list_gpus(driver)
    assert found.uuids == ("GPU-1",)
    assert found.faults == ("GPU 0 cannot be used: GPU is lost",)
    assert driver.open == 0


def test_gpus_that_cannot_be_counted_are_told(driver: Driver, monkeypatch: pytest.MonkeyPatch):
    def fails():
        raise Driver.LOST

    monkeypatch.setattr(driver, "nvmlDeviceGetCount", fails)
    assert list_gpus(driver).faults == ("the GPUs cannot be counted: GPU is lost",)
    assert driver.open == 0


def test_mig_instances_stand_for_the_gpu_that_is_divided(driver: Driver):
    driver.mig = {1: ["MIG-a", "MIG-b"]}
    found = list_gpus(driver)
    assert [(one.uuid, one.index) for one in found.usable] == [("GPU-0", "0"), ("MIG-a", "1:0"), ("MIG-b", "1:1")]
    assert found.usable[0] == GpuDevice("GPU-0", "0", "Pretended", 8000)


def test_a_gpu_without_mig_is_a_gpu(driver: Driver):
    driver.unsupported = {"mig"}
    assert gpu_uuids(driver) == ("GPU-0", "GPU-1")


@pytest.mark.parametrize(
    ("unsupported", "bytes_", "how"),
    [
        ("reasons", 100, "NVML"),
        ("energy", 100, "NVML"),
        ("processes", 500, "NVML, growth of the whole device"),
        ("memory", 100, "NVML"),
    ],
)
def test_what_a_gpu_does_not_tell_costs_no_other_reading(driver: Driver, unsupported: str, bytes_: int, how: str):
    driver.unsupported = {unsupported}
    meter = GpuMeter(["GPU-0"], lambda: [1], driver)
    driver.used, driver.energy = 1500, 9000
    look(meter)
    assert (meter.peak_bytes, meter.how) == (bytes_, how)
    assert meter.energy_j() == (None if unsupported == "energy" else 4.0)


def test_memory_that_cannot_be_read_at_all_is_absent(driver: Driver):
    driver.unsupported = {"memory", "processes"}
    meter = GpuMeter(["GPU-0"], lambda: [1], driver)
    look(meter)
    assert meter.peak_bytes is None
    assert "could not be read" in meter.how


def test_an_energy_counter_that_begins_again_is_unknown(driver: Driver):
    meter = GpuMeter(["GPU-0"], lambda: [1], driver)
    driver.energy = 10
    assert meter.energy_j() is None


def test_an_unknown_uuid_leaves_no_driver_open(driver: Driver):
    meter = GpuMeter(["GPU-9"], lambda: [1], driver)
    assert meter.how == "NVML: Not Found"
    assert driver.open == 0
    assert (meter.energy_j(), meter.peak_bytes) == (None, None)
    meter.close()
    assert driver.open == 0


def test_a_gpu_that_the_driver_shows_no_more_is_broken(driver: Driver, monkeypatch: pytest.MonkeyPatch):
    assert broken(["GPU-0", "GPU-1"], driver) == ()
    driver.lost = {1}
    assert broken(["GPU-0", "GPU-1"], driver) == ("GPU-1",)
    monkeypatch.setattr(driver, "nvmlInit", lambda: (_ for _ in ()).throw(Driver.LOST))
    assert broken(["GPU-0"], driver) == (), "without a driver nothing is known of it"


TWO = GpuDevices((GpuDevice("GPU-aaaa", "0"), GpuDevice("GPU-abbb", "1"), GpuDevice("MIG-c", "2:0")))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("1,0", ("GPU-abbb", "GPU-aaaa")),
        ("GPU-aaaa", ("GPU-aaaa",)),
        ("GPU-ab", ("GPU-abbb",)),
        ("GPU-a", ()),
        ("MIG-c", ("MIG-c",)),
        ("MIG-other", ()),
        ("NoDevFiles", ()),
        ("0,NoDevFiles,1", ("GPU-aaaa",)),
        ("7", ()),
        ("-1", ()),
        ("", ()),
    ],
)
def test_gpus_of_a_task_are_those_that_the_driver_shows(given: str, expected: tuple[str, ...]):
    assert gpus_of_task({"CUDA_VISIBLE_DEVICES": given}, TWO) == expected


def test_without_a_driver_a_task_has_no_gpu():
    assert gpus_of_task({"CUDA_VISIBLE_DEVICES": "0"}, GpuDevices()) == ()
