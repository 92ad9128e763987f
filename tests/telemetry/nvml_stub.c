/* A driver library for tests: every answer is scripted, nothing is a card.
 *
 * Built as libnvidia-ml.so.1 and loaded by the real binding. Values are set by name, from the test through `stub_set`
 * and `stub_text`, or for another process from the file that LORAMON_TEST_NVML names ("card name value" a line), read
 * again at each start of the library. A value that is not set is NVML_ERROR_NOT_SUPPORTED. "card name error N" makes a
 * question fail with N; "hang" makes every question wait until it is 0 again.
 * Layouts of structures: nvml.h as nvidia-ml-py has them.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NOT_SUPPORTED 3
#define CARDS 16
#define NAMES 4096

typedef struct { int card; char name[48]; char text[96]; long long value; int error; } Entry;
static Entry entries[NAMES];
static int n_entries;
static volatile long long hanging;
static long long n_calls;
static long handles[CARDS + 64];

static Entry *find(int card, const char *name, int make) {
    for (int i = 0; i < n_entries; i++)
        if (entries[i].card == card && !strcmp(entries[i].name, name)) return &entries[i];
    if (!make || n_entries == NAMES) return 0;
    Entry *e = &entries[n_entries++];
    memset(e, 0, sizeof *e);
    e->card = card;
    strncpy(e->name, name, sizeof e->name - 1);
    return e;
}

void stub_set(int card, const char *name, long long value, int error) {
    if (!strcmp(name, "hang")) { hanging = value; return; }
    Entry *e = find(card, name, 1);
    if (e) { e->value = value; e->error = error; }
}
void stub_text(int card, const char *name, const char *text) {
    Entry *e = find(card, name, 1);
    if (e) { strncpy(e->text, text, sizeof e->text - 1); e->error = 0; }
}
void stub_clear(void) { n_entries = 0; hanging = 0; n_calls = 0; }
long long stub_calls(const char *name) { Entry *e = find(-2, name, 0); return name[0] ? (e ? e->value : 0) : n_calls; }

static void count(const char *name) { n_calls++; Entry *e = find(-2, name, 1); if (e) e->value++; }
static int card_of(void *handle) { return (int)((long *)handle - handles); }

static int ask(void *handle, const char *name, long long *out) {
    count(name);
    while (hanging) usleep(5000);
    int card = card_of(handle);
    Entry *lost = find(card, "lost", 0);
    if (lost && lost->value) return (int)lost->value;
    Entry *e = find(card, name, 0);
    if (!e) return NOT_SUPPORTED;
    if (e->error) return e->error;
    if (out) *out = e->value;
    return 0;
}
static int u32(void *handle, const char *name, unsigned *out) { long long v = 0; int r = ask(handle, name, &v); if (!r) *out = (unsigned)v; return r; }
static int text(void *handle, const char *name, char *out, unsigned size) {
    int r = ask(handle, name, 0);
    if (!r) { Entry *e = find(card_of(handle), name, 0); strncpy(out, e->text, size - 1); out[size - 1] = 0; }
    return r;
}

static void script(void) {
    const char *path = getenv("LORAMON_TEST_NVML");
    FILE *file = path ? fopen(path, "r") : 0;
    if (!file) return;
    char line[256], name[48], word[96];
    int card;
    while (fgets(line, sizeof line, file)) {
        int at = 0;
        if (sscanf(line, "%d %47s %n", &card, name, &at) < 2) continue;
        char *rest = line + at;
        rest[strcspn(rest, "\n")] = 0;
        if (sscanf(rest, "error %95s", word) == 1) stub_set(card, name, 0, atoi(word));
        else if (rest[0] == '"') { rest[strlen(rest) - 1] = 0; stub_text(card, name, rest + 1); }
        else stub_set(card, name, atoll(rest), 0);
    }
    fclose(file);
}

int nvmlInitWithFlags(unsigned flags) {
    (void)flags;
    script();
    while (hanging) usleep(5000);
    Entry *e = find(-1, "init", 0);
    if (e && e->error) return e->error;
    return find(-1, "count", 0) ? 0 : 9; /* nothing scripted: DRIVER_NOT_LOADED */
}
int nvmlShutdown(void) { return 0; }
const char *nvmlErrorString(int code) { (void)code; return "scripted error"; }
int nvmlSystemGetDriverVersion(char *out, unsigned size) { return text(&handles[CARDS], "driver_version", out, size); }
int nvmlSystemGetNVMLVersion(char *out, unsigned size) { return text(&handles[CARDS], "nvml_version", out, size); }
int nvmlDeviceGetCount_v2(unsigned *out) { Entry *e = find(-1, "count", 0); count("count"); if (!e) return 9; if (e->error) return e->error; *out = (unsigned)e->value; return 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **out) {
    Entry *e = find((int)index, "handle", 0);
    if (e && e->error) return e->error;
    *out = &handles[index];
    return 0;
}
int nvmlDeviceGetIndex(void *h, unsigned *out) { *out = (unsigned)card_of(h); return 0; }
int nvmlDeviceGetName(void *h, char *out, unsigned size) { return text(h, "name", out, size); }
int nvmlDeviceGetUUID(void *h, char *out, unsigned size) { return text(h, "uuid", out, size); }

struct memory { unsigned long long total, free, used; };
struct memory2 { unsigned version; unsigned long long total, reserved, free, used; };
int nvmlDeviceGetMemoryInfo(void *h, struct memory *m) {
    long long total = 0, used = 0;
    int r = ask(h, "memory_v1", &used);
    if (!r) r = ask(h, "memory_total", &total);
    if (!r) { m->total = total; m->used = used; m->free = total - used; }
    return r;
}
int nvmlDeviceGetMemoryInfo_v2(void *h, struct memory2 *m) {
    long long total = 0, used = 0, reserved = 0;
    int r = ask(h, "memory_used", &used);
    if (!r) r = ask(h, "memory_total", &total);
    if (!r && ask(h, "memory_reserved", &reserved)) reserved = 0;
    if (!r) { m->total = total; m->used = used; m->reserved = reserved; m->free = total - used - reserved; }
    return r;
}
int nvmlDeviceGetUtilizationRates(void *h, unsigned *u) { int r = u32(h, "utilization_gpu", u); return r ? r : u32(h, "utilization_memory", u + 1); }
int nvmlDeviceGetPowerUsage(void *h, unsigned *o) { return u32(h, "power", o); }
int nvmlDeviceGetEnforcedPowerLimit(void *h, unsigned *o) { return u32(h, "power_limit", o); }
int nvmlDeviceGetPowerManagementDefaultLimit(void *h, unsigned *o) { return u32(h, "power_limit_default", o); }
int nvmlDeviceGetClockInfo(void *h, int which, unsigned *o) { return u32(h, which == 1 ? "sm_clock" : "memory_clock", o); }
int nvmlDeviceGetMaxClockInfo(void *h, int which, unsigned *o) { return u32(h, which == 1 ? "sm_clock_max" : "memory_clock_max", o); }
int nvmlDeviceGetTemperature(void *h, int which, unsigned *o) { (void)which; return u32(h, "temperature", o); }
int nvmlDeviceGetTemperatureThreshold(void *h, int which, unsigned *o) { (void)which; return u32(h, "temperature_limit", o); }
int nvmlDeviceGetFanSpeed(void *h, unsigned *o) { return u32(h, "fan", o); }
int nvmlDeviceGetPerformanceState(void *h, unsigned *o) { return u32(h, "pstate", o); }
int nvmlDeviceGetCurrPcieLinkGeneration(void *h, unsigned *o) { return u32(h, "pcie_generation", o); }
int nvmlDeviceGetCurrPcieLinkWidth(void *h, unsigned *o) { return u32(h, "pcie_lanes", o); }
int nvmlDeviceGetMaxPcieLinkGeneration(void *h, unsigned *o) { return u32(h, "pcie_generation_max", o); }
int nvmlDeviceGetMaxPcieLinkWidth(void *h, unsigned *o) { return u32(h, "pcie_lanes_max", o); }
int nvmlDeviceGetPcieThroughput(void *h, int which, unsigned *o) { usleep(20000); return u32(h, which ? "pcie_rx" : "pcie_tx", o); }
int nvmlDeviceGetTotalEnergyConsumption(void *h, unsigned long long *o) { return ask(h, "energy", (long long *)o); }
#ifndef OLD_DRIVER
int nvmlDeviceGetCurrentClocksEventReasons(void *h, unsigned long long *o) { return ask(h, "reasons", (long long *)o); }
#endif
int nvmlDeviceGetCurrentClocksThrottleReasons(void *h, unsigned long long *o) { return ask(h, "reasons", (long long *)o); }
struct violation { unsigned long long reference, violation; };
int nvmlDeviceGetViolationStatus(void *h, int policy, struct violation *v) { v->reference = 0; return ask(h, policy ? "violation_thermal" : "violation_power", (long long *)&v->violation); }
struct field { unsigned id, scope; long long timestamp, latency; int type, result; union { unsigned u; unsigned long long ull; } value; };
int nvmlDeviceGetFieldValues(void *h, int n, struct field *f) {
    int r = ask(h, "fields", 0);
    if (r) return r;
    for (int i = 0; i < n; i++) {
        long long value = 0;
        char name[24];
        snprintf(name, sizeof name, "field_%u", f[i].id);
        f[i].result = ask(h, name, &value);
        f[i].value.ull = (unsigned long long)value;
    }
    return 0;
}
struct process { unsigned pid; unsigned long long memory; unsigned gi, ci; };
static int listed(void *h, const char *kind, unsigned *n, struct process *p) {
    char name[48];
    long long many = 0;
    int r = ask(h, kind, &many);
    if (r) return r;
    if (many == 0) { *n = 0; return 0; }
    if (!p || *n < many) { *n = (unsigned)many; return 7; }
    for (int i = 0; i < many; i++) {
        long long pid = 0, memory = -1;
        snprintf(name, sizeof name, "%s_pid_%d", kind, i); ask(h, name, &pid);
        snprintf(name, sizeof name, "%s_memory_%d", kind, i); ask(h, name, &memory);
        memset(&p[i], 0, sizeof p[i]);
        p[i].pid = (unsigned)pid;
        p[i].memory = (unsigned long long)memory; /* -1: NVML_VALUE_NOT_AVAILABLE */
    }
    *n = (unsigned)many;
    return 0;
}
int nvmlDeviceGetComputeRunningProcesses_v3(void *h, unsigned *n, struct process *p) { return listed(h, "compute", n, p); }
int nvmlDeviceGetGraphicsRunningProcesses_v3(void *h, unsigned *n, struct process *p) { return listed(h, "graphics", n, p); }
int nvmlDeviceGetDriverModel_v2(void *h, unsigned *current, unsigned *pending) { *pending = 0; return u32(h, "driver_model", current); }

/* a slice of a card: handle CARDS + 1 + card * 7 + place */
int nvmlDeviceGetMigMode(void *h, unsigned *current, unsigned *pending) { *pending = 0; return u32(h, "mig", current); }
int nvmlDeviceGetMaxMigDeviceCount(void *h, unsigned *o) { return u32(h, "mig_count", o); }
int nvmlDeviceGetMigDeviceHandleByIndex(void *h, unsigned place, void **out) {
    int card = CARDS + 1 + card_of(h) * 7 + (int)place;
    if (!find(card, "uuid", 0)) return 6;
    *out = &handles[card];
    return 0;
}

struct event { void *device; unsigned long long type, data; unsigned gi, ci; };
int nvmlEventSetCreate(void **out) { Entry *e = find(-1, "events", 0); if (!e) return NOT_SUPPORTED; *out = handles; return 0; }
int nvmlDeviceRegisterEvents(void *h, unsigned long long types, void *set) { (void)h; (void)types; (void)set; return 0; }
int nvmlEventSetWait_v2(void *set, struct event *out, unsigned timeout_ms) {
    (void)set;
    for (unsigned waited = 0; waited < timeout_ms; waited += 5) {
        for (int card = 0; card < CARDS; card++) {
            Entry *e = find(card, "xid", 0);
            if (e && e->value) {
                memset(out, 0, sizeof *out);
                out->device = &handles[card]; out->type = 8; out->data = (unsigned long long)e->value;
                e->value = 0;
                return 0;
            }
        }
        usleep(5000);
    }
    return 10;
}
