/* A driver library without a driver: what of NVML the harness uses, answered from a text file.
 *
 * The file is named by LUMIRAGE_FAKE_NVML and read anew at every call, so that a test can change the machine while a
 * method runs. A line each:
 *   gpu UUID TOTAL_BYTES USED_BYTES ENERGY_MJ THROTTLE_REASONS [lost] [no-throttle] [no-energy] [no-processes] [mig]
 *   mig PARENT_UUID UUID TOTAL_BYTES USED_BYTES
 *   process UUID PID BYTES        PID 0: every process whose environment names the GPU and FAKE_GPU_BYTES
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST 16
#define TEXT 96
enum { SUCCESS = 0, INVALID = 2, UNSUPPORTED = 3, NOT_FOUND = 6, SMALL = 7, DRIVER = 9, LOST = 15 };
typedef unsigned long long u64;
typedef struct { char uuid[TEXT], parent[TEXT]; u64 total, used, energy, reasons; int lost, no_throttle, no_energy, no_processes, mig; } Gpu;
typedef struct { unsigned pid; u64 bytes; unsigned gpu_instance, compute_instance; } Process;
typedef struct { u64 total, free, used; } Memory;
static Gpu names[2 * MOST]; /* handles point in here; they stay when the file changes */
static int known;

static int read_file(Gpu *found, char processes[][TEXT * 2], int *many) {
    int n = 0;
    char line[512], *path = getenv("LUMIRAGE_FAKE_NVML");
    FILE *file = path ? fopen(path, "r") : NULL;
    if (!file) return -1;
    *many = 0;
    while (fgets(line, sizeof line, file) && n < 2 * MOST) {
        Gpu g = {0};
        if (sscanf(line, "gpu %95s %llu %llu %llu %llu", g.uuid, &g.total, &g.used, &g.energy, &g.reasons) == 5) {
            g.lost = strstr(line, " lost") != NULL;
            g.no_throttle = strstr(line, " no-throttle") != NULL;
            g.no_energy = strstr(line, " no-energy") != NULL;
            g.no_processes = strstr(line, " no-processes") != NULL;
            g.mig = strstr(line, " mig") != NULL;
            found[n++] = g;
        } else if (sscanf(line, "mig %95s %95s %llu %llu", g.parent, g.uuid, &g.total, &g.used) == 4) {
            g.no_throttle = g.no_energy = 1; /* as MIG devices have it */
            found[n++] = g;
        } else if (!strncmp(line, "process ", 8) && *many < MOST) {
            snprintf(processes[(*many)++], TEXT * 2, "%.180s", line + 8);
        }
    }
    fclose(file);
    return n;
}

static int find(const char *uuid, Gpu *out, char processes[][TEXT * 2], int *many) {
    Gpu all[2 * MOST];
    int n = read_file(all, processes, many);
    for (int i = 0; i < n; i++)
        if (!strcmp(all[i].uuid, uuid)) { *out = all[i]; return out->lost ? LOST : SUCCESS; }
    return n < 0 ? DRIVER : NOT_FOUND;
}

static int handle_of(const Gpu *gpu, void **handle) {
    for (int i = 0; i < known; i++)
        if (!strcmp(names[i].uuid, gpu->uuid)) { *handle = &names[i]; return SUCCESS; }
    if (known == 2 * MOST) return INVALID;
    names[known] = *gpu;
    *handle = &names[known++];
    return SUCCESS;
}

#define LOOK(handle) Gpu gpu; char lines[MOST][TEXT * 2]; int many = 0; int state = find(((Gpu *)(handle))->uuid, &gpu, lines, &many); if (state) return state

const char *nvmlErrorString(int code) {
    switch (code) {
        case SUCCESS: return "Success";
        case UNSUPPORTED: return "Not Supported";
        case NOT_FOUND: return "Not Found";
        case DRIVER: return "Driver Not Loaded";
        case LOST: return "GPU is lost";
        default: return "Unknown Error";
    }
}

int nvmlInitWithFlags(unsigned flags) { (void)flags; Gpu all[2 * MOST]; char l[MOST][TEXT * 2]; int m; return read_file(all, l, &m) < 0 ? DRIVER : SUCCESS; }
int nvmlInit_v2(void) { return nvmlInitWithFlags(0); }
int nvmlShutdown(void) { return SUCCESS; }

static int nth(int wanted, const char *parent, Gpu *out) {
    Gpu all[2 * MOST]; char l[MOST][TEXT * 2]; int m, n = read_file(all, l, &m), count = 0;
    for (int i = 0; i < n; i++) {
        if (strcmp(all[i].parent, parent)) continue;
        if (count++ == wanted) { *out = all[i]; return SUCCESS; }
    }
    return wanted < 0 ? count : NOT_FOUND;
}

int nvmlDeviceGetCount_v2(unsigned *count) { Gpu g; *count = (unsigned)nth(-1, "", &g); return SUCCESS; }
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **handle) {
    Gpu g; int state = nth((int)index, "", &g);
    return state ? state : g.lost ? LOST : handle_of(&g, handle);
}
int nvmlDeviceGetHandleByUUID(const char *uuid, void **handle) {
    Gpu g; char l[MOST][TEXT * 2]; int m = 0, state = find(uuid, &g, l, &m);
    return state ? state : handle_of(&g, handle);
}
int nvmlDeviceGetUUID(void *handle, char *text, unsigned size) { LOOK(handle); return snprintf(text, size, "%s", gpu.uuid) < (int)size ? SUCCESS : SMALL; }
int nvmlDeviceGetName(void *handle, char *text, unsigned size) { LOOK(handle); snprintf(text, size, "Pretended GPU"); return SUCCESS; }
int nvmlDeviceGetMemoryInfo(void *handle, Memory *memory) { LOOK(handle); memory->total = gpu.total; memory->used = gpu.used; memory->free = gpu.total - gpu.used; return SUCCESS; }
int nvmlDeviceGetTotalEnergyConsumption(void *handle, u64 *energy) { LOOK(handle); *energy = gpu.energy; return gpu.no_energy ? UNSUPPORTED : SUCCESS; }
int nvmlDeviceGetCurrentClocksThrottleReasons(void *handle, u64 *reasons) { LOOK(handle); *reasons = gpu.reasons; return gpu.no_throttle ? UNSUPPORTED : SUCCESS; }
int nvmlDeviceGetMigMode(void *handle, unsigned *now, unsigned *pending) { LOOK(handle); *now = *pending = (unsigned)gpu.mig; return SUCCESS; }
int nvmlDeviceGetMaxMigDeviceCount(void *handle, unsigned *count) { LOOK(handle); *count = gpu.mig ? 7 : 0; return SUCCESS; }
int nvmlDeviceGetMigDeviceHandleByIndex(void *handle, unsigned index, void **mig) {
    LOOK(handle);
    Gpu g; int s = nth((int)index, gpu.uuid, &g);
    return s ? s : handle_of(&g, mig);
}

/* The bytes that a process claims in its environment, where that names this GPU. */
static u64 claimed(int pid, const char *uuid) {
    char path[64], buffer[65536];
    snprintf(path, sizeof path, "/proc/%d/environ", pid);
    FILE *file = fopen(path, "r");
    if (!file) return 0;
    size_t size = fread(buffer, 1, sizeof buffer - 1, file);
    fclose(file);
    buffer[size] = 0;
    int ours = 0; u64 bytes = 0;
    for (char *word = buffer; word < buffer + size; word += strlen(word) + 1) {
        if ((!strncmp(word, "NVIDIA_VISIBLE_DEVICES=", 23) || !strncmp(word, "CUDA_VISIBLE_DEVICES=", 21)) && strstr(word, uuid)) ours = 1;
        if (!strncmp(word, "FAKE_GPU_BYTES=", 15)) bytes = strtoull(word + 15, NULL, 10);
    }
    return ours ? bytes : 0;
}

int nvmlDeviceGetComputeRunningProcesses_v3(void *handle, unsigned *count, Process *out) {
    LOOK(handle);
    if (gpu.no_processes) return UNSUPPORTED;
    unsigned room = *count, found = 0;
    for (int i = 0; i < many; i++) {
        char uuid[TEXT]; int pid; u64 bytes;
        if (sscanf(lines[i], "%95s %d %llu", uuid, &pid, &bytes) != 3 || strcmp(uuid, gpu.uuid)) continue;
        if (pid) { if (found < room) out[found] = (Process){(unsigned)pid, bytes, 0, 0}; found++; continue; }
        DIR *proc = opendir("/proc");
        for (struct dirent *entry; proc && (entry = readdir(proc));) {
            int one = atoi(entry->d_name); u64 own = one ? claimed(one, gpu.uuid) : 0;
            if (!own) continue;
            if (found < room) out[found] = (Process){(unsigned)one, own, 0, 0};
            found++;
        }
        if (proc) closedir(proc);
    }
    *count = found;
    return found > room ? SMALL : SUCCESS;
}
