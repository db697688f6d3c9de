/* A stand-in for NVIDIA's driver library. Its state is the memory-mapped file that
 * STAND_IN_NVML names, laid out as stand_in.py has it; a test advances the counters and
 * switches faults on while the meter runs.
 *
 * gcc -shared -fPIC -Wl,-soname,libnvidia-ml.so.1 -o libnvidia-ml.so.1 nvml.c
 * With -DWITHOUT_COUNTER it lacks the symbol of the energy counter, as old drivers do.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { SUCCESS = 0, UNINITIALIZED = 1, INVALID_ARGUMENT = 2, NOT_FOUND = 6, GPU_IS_LOST = 15 };
enum { AVERAGE_POWER = 185, INSTANT_POWER = 186, DEVICES = 4 };

struct device {
    uint64_t energy_mj;
    uint32_t instant_mw, average_mw, usage_mw;
    int32_t energy_code, instant_code, average_code, usage_code, mig_code;
    uint32_t mig, lost;
    char uuid[96], name[96];
};

struct state {
    uint32_t count;
    int32_t init_code;
    volatile uint32_t blocked, waiting, opened;
    uint32_t unused;
    struct device devices[DEVICES];
};

struct field_value {
    uint32_t field, scope;
    int64_t timestamp, latency;
    uint32_t type, code;
    union { double d; unsigned u; unsigned long long ull; } value;
};

static struct state *state;
static char mapped[4096];

static int look(void) {
    const char *path = getenv("STAND_IN_NVML");
    if (!path) return UNINITIALIZED;
    if (state && !strcmp(mapped, path)) return SUCCESS;
    int file = open(path, O_RDWR);
    if (file < 0) return UNINITIALIZED;
    void *memory = mmap(0, sizeof *state, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (memory == MAP_FAILED) return UNINITIALIZED;
    state = memory;
    strncpy(mapped, path, sizeof mapped - 1);
    return SUCCESS;
}

/* Every call to a device goes through here: it may block, and the device may be gone. */
static int enter(struct device *device) {
    if (state->blocked) {
        __sync_fetch_and_add(&state->waiting, 1);
        while (state->blocked) usleep(1000);
        __sync_fetch_and_sub(&state->waiting, 1);
    }
    if (!state->opened) return UNINITIALIZED;
    return device && device->lost ? GPU_IS_LOST : SUCCESS;
}

int nvmlInitWithFlags(unsigned flags) {
    int code = look();
    if (code) return code;
    if (state->init_code) return state->init_code;
    __sync_fetch_and_add(&state->opened, 1);
    return SUCCESS;
}

int nvmlShutdown(void) {
    if (!state || !state->opened) return UNINITIALIZED;
    __sync_fetch_and_sub(&state->opened, 1);
    return SUCCESS;
}

int nvmlDeviceGetCount_v2(unsigned *count) {
    *count = state->count;
    return enter(0);
}

int nvmlDeviceGetHandleByIndex_v2(unsigned index, struct device **device) {
    if (index >= state->count) return INVALID_ARGUMENT;
    *device = &state->devices[index];
    return enter(0);
}

int nvmlDeviceGetHandleByUUID(const char *uuid, struct device **device) {
    for (unsigned at = 0; at < state->count; at++)
        if (!strcmp(uuid, state->devices[at].uuid)) {
            *device = &state->devices[at];
            return enter(*device);
        }
    return NOT_FOUND;
}

int nvmlDeviceGetUUID(struct device *device, char *text, unsigned length) {
    strncpy(text, device->uuid, length);
    return enter(0);
}

int nvmlDeviceGetName(struct device *device, char *text, unsigned length) {
    strncpy(text, device->name, length);
    return enter(device);
}

#ifndef WITHOUT_COUNTER
int nvmlDeviceGetTotalEnergyConsumption(struct device *device, unsigned long long *millijoules) {
    int code = enter(device);
    *millijoules = device->energy_mj;
    return code ? code : device->energy_code;
}
#endif

int nvmlDeviceGetPowerUsage(struct device *device, unsigned *milliwatts) {
    int code = enter(device);
    *milliwatts = device->usage_mw;
    return code ? code : device->usage_code;
}

int nvmlDeviceGetFieldValues(struct device *device, int count, struct field_value *values) {
    int code = enter(device);
    for (int at = 0; !code && at < count; at++) {
        int instant = values[at].field == INSTANT_POWER;
        if (!instant && values[at].field != AVERAGE_POWER) return INVALID_ARGUMENT;
        values[at].code = instant ? device->instant_code : device->average_code;
        values[at].value.u = instant ? device->instant_mw : device->average_mw;
    }
    return code;
}

int nvmlDeviceGetMigMode(struct device *device, unsigned *current, unsigned *pending) {
    int code = enter(device);
    *current = *pending = device->mig;
    return code ? code : device->mig_code;
}
