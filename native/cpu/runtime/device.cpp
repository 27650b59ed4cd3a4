// What a device library has beside ops, for the CPU: one device, nothing to wait for, host memory everywhere.
#include <stdio.h>

#include "../platform/platform.h"
#include "internal.h"

namespace tt {
namespace {

double now() { return 1e-9 * double(platform::nanoseconds()); }

double started = 0;

}  // namespace
}  // namespace tt

using namespace tt;

extern "C" const char* tt_devices(void) {
  static thread_local char text[512];
  const platform::MachineMemory memory = platform::machine_memory();
  char problem[96] = "null";
  if (best_isa() == 0) snprintf(problem, sizeof problem, "\"this CPU is without one of %s\"", ISA_REQUIREMENT);
  snprintf(text, sizeof text,
           "{\"driver\":0,\"runtime\":0,\"problem\":%s,\"remedy\":null,\"devices\":[{\"name\":\"cpu\",\"capability\":0,\"multiprocessors\":%d,"
           "\"memory\":%llu,\"free\":%llu}]}",
           problem, platform::usable_cores(), static_cast<unsigned long long>(memory.total), static_cast<unsigned long long>(memory.available));
  return text;
}

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
