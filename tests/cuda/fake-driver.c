/* A stand-in for libcuda.so.1: a driver of version FAKE_DRIVER that starts with the error FAKE_INIT and has no GPU. */
#include <stdlib.h>
#include <string.h>

static int number(const char* name) {
  const char* value = getenv(name);
  return value ? atoi(value) : 0;
}

int cuDriverGetVersion(int* version) {
  *version = number("FAKE_DRIVER");
  return 0;
}
int cuInit(unsigned flags) {
  (void)flags;
  return number("FAKE_INIT");
}
static int other(void) { return number("FAKE_INIT"); }

/* The CUDA runtime asks for every other function by name. */
int cuGetProcAddress_v2(const char* name, void** function, int version, unsigned long long flags, int* status) {
  (void)version;
  (void)flags;
  if (!strcmp(name, "cuDriverGetVersion")) *function = (void*)cuDriverGetVersion;
  else if (!strcmp(name, "cuInit")) *function = (void*)cuInit;
  else if (!strncmp(name, "cuGetProcAddress", 16)) *function = (void*)cuGetProcAddress_v2;
  else *function = (void*)other;
  if (status) *status = 0;
  return 0;
}
