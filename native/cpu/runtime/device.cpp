// What a device library has beside ops, for the CPU: one device, nothing to wait for, host memory everywhere.
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "internal.h"

namespace tt {
namespace {

double now() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return double(t.tv_sec) + 1e-9 * double(t.tv_nsec);
}

double started = 0;

}  // namespace
}  // namespace tt

using namespace tt;

extern "C" const char* tt_devices(void) {
  static thread_local char text[512];
  const long long page = sysconf(_SC_PAGESIZE), pages = sysconf(_SC_PHYS_PAGES), available = sysconf(_SC_AVPHYS_PAGES);
  const char* problem = best_isa() > 0 ? "null" : "\"this CPU has no AVX2 with FMA\"";
  snprintf(text, sizeof text,
           "{\"driver\":0,\"runtime\":0,\"problem\":%s,\"remedy\":null,\"devices\":[{\"name\":\"cpu\",\"capability\":0,\"multiprocessors\":%ld,"
           "\"memory\":%lld,\"free\":%lld}]}",
           problem, sysconf(_SC_NPROCESSORS_ONLN), page * pages, page * available);
  return text;
}

extern "C" tt_status tt_option_set(const char* name, const char*) {
  TT_REQUIRE(name, "tt_option_set: name is NULL");
  return fail(TT_BAD_ARGUMENT, "tt_option_set: the CPU library has no option \"%s\"", name);
}
extern "C" const char* tt_options(void) { return "{}"; }

extern "C" tt_status tt_synchronize(tt_stream) { return TT_OK; }

extern "C" tt_status tt_time_start(tt_stream) {
  started = now();
  return TT_OK;
}
extern "C" tt_status tt_time_stop(double* seconds, tt_stream) {
  TT_REQUIRE(seconds, "tt_time_stop: seconds is NULL");
  TT_REQUIRE(started > 0, "tt_time_stop: tt_time_start was not called");
  *seconds = now() - started;
  return TT_OK;
}

extern "C" tt_status tt_upload(void* dst, const void* host, size_t bytes, tt_stream stream) { return tt_copy(dst, host, bytes, stream); }
extern "C" tt_status tt_download(void* host, const void* src, size_t bytes, tt_stream stream) { return tt_copy(host, src, bytes, stream); }
