// tt_alloc's size-class pool, copies, and read-only file maps.
//
// Sizes are rounded up to classes 12.5 % apart (64-byte steps below 512), so at most an eighth of a block is wasted and
// a step of the same shapes finds every block in the pool. A table of the live blocks makes a wrong or repeated tt_free
// an error instead of a corrupt heap.
#include <stdlib.h>
#include <string.h>

#include "../platform/platform.h"
#include "internal.h"
#include "poison.h"

namespace tt {
namespace {

constexpr int CLASSES = 8 + 8 * 40;               // up to 2^49 bytes
using platform::HUGE_PAGE;                        // blocks from here on are mapped, aligned to huge pages
constexpr size_t KEEP_ALWAYS = size_t(64) << 20;  // the pool may always hold this much beyond what was live at the peak
constexpr size_t SMALLEST_DOUBLING = 9;           // 2^9 = 512: where the 12.5 % steps begin

struct FreeBlock { FreeBlock* next; };
struct LiveBlock { void* pointer; int size_class; };

struct MemoryPool {
  platform::Mutex mutex;
  FreeBlock* free_list[CLASSES] = {};
  LiveBlock* table = nullptr;  // open addressing, capacity a power of two
  size_t capacity = 0, used = 0;
  size_t live = 0, pooled = 0, peak = 0, system_calls = 0;
};

MemoryPool memory;

int class_of(size_t bytes) {
  if (bytes <= 512) return bytes == 0 ? 0 : int((bytes - 1) / 64);
  size_t doubling = 63 - size_t(__builtin_clzll(bytes - 1));
  size_t step = ((bytes - 1) >> (doubling - 3)) & 7;
  return int(8 + (doubling - SMALLEST_DOUBLING) * 8 + step);
}

size_t class_bytes(int size_class) {
  if (size_class < 8) return size_t(size_class + 1) * 64;
  size_t doubling = SMALLEST_DOUBLING + size_t(size_class - 8) / 8, step = size_t(size_class - 8) % 8;
  return (size_t(8) + step + 1) << (doubling - 3);
}

// ---- blocks of the operating system -----------------------------------------------------------------------------

void* system_alloc(size_t bytes) {
  memory.system_calls++;
  if (bytes >= HUGE_PAGE) return platform::allocate_pages(bytes);  // classes this large are multiples of 256 KiB
  return platform::allocate(64, bytes);
}

void system_free(void* pointer, size_t bytes) {
  memory.system_calls++;
  unpoison(pointer, bytes);
  if (bytes >= HUGE_PAGE) platform::release_pages(pointer, bytes);
  else platform::release(pointer);
}

/// Gives pooled blocks back, the largest first, until at most `keep` bytes are pooled.
void release_pooled(size_t keep) {
  for (int size_class = CLASSES - 1; size_class >= 0; size_class--) {
    while (memory.pooled > keep && memory.free_list[size_class]) {
      FreeBlock* block = memory.free_list[size_class];
      unpoison(block, sizeof *block);
      memory.free_list[size_class] = block->next;
      memory.pooled -= class_bytes(size_class);
      system_free(block, class_bytes(size_class));
    }
  }
}

// ---- the table of live blocks -------------------------------------------------------------------------------------

size_t slot_of(const void* pointer) { return (uintptr_t(pointer) >> 6) * 0x9E3779B97F4A7C15ull >> 20; }

void table_put(LiveBlock entry) {
  size_t mask = memory.capacity - 1, i = slot_of(entry.pointer) & mask;
  while (memory.table[i].pointer) i = (i + 1) & mask;
  memory.table[i] = entry;
}

bool table_reserve() {
  if ((memory.used + 1) * 2 <= memory.capacity) return true;
  size_t old_capacity = memory.capacity;
  LiveBlock* old = memory.table;
  LiveBlock* grown = static_cast<LiveBlock*>(calloc(old_capacity ? old_capacity * 2 : 1024, sizeof(LiveBlock)));
  if (!grown) return false;
  memory.table = grown;
  memory.capacity = old_capacity ? old_capacity * 2 : 1024;
  for (size_t i = 0; i < old_capacity; i++) if (old[i].pointer) table_put(old[i]);
  free(old);
  return true;
}

/// The class of a live block, which is taken out of the table; −1 when there is no such block.
int table_take(const void* pointer) {
  if (memory.capacity == 0) return -1;
  size_t mask = memory.capacity - 1, i = slot_of(pointer) & mask;
  while (memory.table[i].pointer != pointer) {
    if (!memory.table[i].pointer) return -1;
    i = (i + 1) & mask;
  }
  int size_class = memory.table[i].size_class;
  // Entries after the hole move back when their own slot allows it (Knuth 6.4 R), so no tombstones are needed.
  for (size_t hole = i, j = i;;) {
    memory.table[hole].pointer = nullptr;
    for (;;) {
      j = (j + 1) & mask;
      if (!memory.table[j].pointer) return size_class;
      size_t home = slot_of(memory.table[j].pointer) & mask;
      if (((j - home) & mask) >= ((j - hole) & mask)) break;
    }
    memory.table[hole] = memory.table[j];
    hole = j;
  }
}

// ---- the pool -------------------------------------------------------------------------------------------------------

void* take_block(int& size_class) {
  // A block up to two classes larger will do: sizes that differ a little from step to step then share blocks.
  for (int c = size_class; c < CLASSES && c <= size_class + 2; c++) {
    if (FreeBlock* block = memory.free_list[c]) {
      unpoison(block, sizeof *block);
      memory.free_list[c] = block->next;
      memory.pooled -= class_bytes(c);
      size_class = c;
      return block;
    }
  }
  // Blocks of sizes that nobody asks for any more must not pile up.
  size_t bytes = class_bytes(size_class), limit = memory.peak + memory.peak / 2 + KEEP_ALWAYS;
  if (memory.live + memory.pooled + bytes > limit) release_pooled(limit > memory.live + bytes ? limit - memory.live - bytes : 0);
  void* pointer = system_alloc(bytes);
  if (!pointer && memory.pooled) {
    release_pooled(0);
    pointer = system_alloc(bytes);
  }
  return pointer;
}

constexpr size_t CHUNK = size_t(1) << 20;           // bytes a thread copies at a time
constexpr size_t PARALLEL_COPY = size_t(4) << 20;   // below this, waking the threads costs more than it saves

}  // namespace
}  // namespace tt

using namespace tt;

extern "C" tt_status tt_alloc(void** out, size_t bytes) {
  TT_REQUIRE(out, "tt_alloc: out is NULL");
  *out = nullptr;
  // The system may promise more than there is, and end the process when it is written to.
  static const uint64_t machine = platform::machine_memory().total;
  if (machine > 0 && bytes > machine)
    return fail(TT_OUT_OF_MEMORY, "tt_alloc: %zu bytes are more than this machine has (%llu)", bytes, static_cast<unsigned long long>(machine));
  // With addresses of 32 bits the class of such a size would wrap around.
  if (bytes > SIZE_MAX / 2) return fail(TT_OUT_OF_MEMORY, "tt_alloc: %zu bytes are more than there are addresses for", bytes);
  Lock lock(memory.mutex);
  if (!table_reserve()) return fail(TT_OUT_OF_MEMORY, "tt_alloc: no memory for the table of blocks");
  int size_class = class_of(bytes);
  void* pointer = take_block(size_class);
  if (!pointer) return fail(TT_OUT_OF_MEMORY, "tt_alloc: the system refused %zu bytes (%zu bytes are live)", bytes, memory.live);
  poison_rest(pointer, bytes, class_bytes(size_class));
  table_put({pointer, size_class});
  memory.used++;
  memory.live += class_bytes(size_class);
  if (memory.live > memory.peak) memory.peak = memory.live;
  *out = pointer;
  return TT_OK;
}

extern "C" tt_status tt_free(void* pointer) {
  if (!pointer) return TT_OK;
  Lock lock(memory.mutex);
  int size_class = table_take(pointer);
  TT_REQUIRE(size_class >= 0, "tt_free: %p is not a live block of tt_alloc (freed twice?)", pointer);
  FreeBlock* block = static_cast<FreeBlock*>(pointer);
  unpoison(block, sizeof *block);
  block->next = memory.free_list[size_class];
  poison(block, class_bytes(size_class));
  memory.free_list[size_class] = block;
  memory.used--;
  memory.live -= class_bytes(size_class);
  memory.pooled += class_bytes(size_class);
  return TT_OK;
}

extern "C" tt_status tt_memory_stats(int64_t* out) {
  TT_REQUIRE(out, "tt_memory_stats: out is NULL");
  Lock lock(memory.mutex);
  out[0] = int64_t(memory.live);
  out[1] = int64_t(memory.pooled);
  out[2] = int64_t(memory.peak);
  out[3] = int64_t(memory.system_calls);
  return TT_OK;
}

extern "C" tt_status tt_memory_reset_peak(void) {
  Lock lock(memory.mutex);
  memory.peak = memory.live;
  return TT_OK;
}

extern "C" tt_status tt_memory_trim(void) {
  Lock lock(memory.mutex);
  release_pooled(0);
  return TT_OK;
}

extern "C" tt_status tt_copy(void* dst, const void* src, size_t bytes, tt_stream) {
  TT_REQUIRE(bytes == 0 || (dst && src), "tt_copy: NULL pointer with %zu bytes", bytes);
  TT_REQUIRE_HOLD("tt_copy", bytes);
  char* to = static_cast<char*>(dst);
  const char* from = static_cast<const char*>(src);
  bool overlap = uintptr_t(to) < uintptr_t(from) + bytes && uintptr_t(from) < uintptr_t(to) + bytes;
  if (overlap || bytes < PARALLEL_COPY) {
    if (bytes) memmove(to, from, bytes);
    return TT_OK;
  }
  parallel((bytes + CHUNK - 1) / CHUNK, [=](size_t i, int) {
    size_t start = i * CHUNK;
    memcpy(to + start, from + start, bytes - start < CHUNK ? bytes - start : CHUNK);
  });
  return TT_OK;
}

extern "C" tt_status tt_zero(void* dst, size_t bytes, tt_stream) {
  TT_REQUIRE(bytes == 0 || dst, "tt_zero: NULL pointer with %zu bytes", bytes);
  TT_REQUIRE_HOLD("tt_zero", bytes);
  char* to = static_cast<char*>(dst);
  if (bytes < PARALLEL_COPY) {
    if (bytes) memset(to, 0, bytes);
    return TT_OK;
  }
  parallel((bytes + CHUNK - 1) / CHUNK, [=](size_t i, int) {
    size_t start = i * CHUNK;
    memset(to + start, 0, bytes - start < CHUNK ? bytes - start : CHUNK);
  });
  return TT_OK;
}

extern "C" tt_status tt_file_map(int64_t* out, const char* path) {
  TT_REQUIRE(out && path, "tt_file_map: NULL pointer");
  out[0] = out[1] = 0;
  platform::MappedFile file;
  char error[768];
  if (!platform::map_file(file, path, error, sizeof error)) return fail(TT_IO, "%s", error);
  out[0] = int64_t(uintptr_t(file.address));
  out[1] = int64_t(file.bytes);
  return TT_OK;
}

extern "C" tt_status tt_file_unmap(void* address, size_t bytes) {
  TT_REQUIRE(address && bytes, "tt_file_unmap: NULL address or 0 bytes");
  char error[256];
  if (!platform::unmap_file(address, bytes, error, sizeof error)) return fail(TT_IO, "tt_file_unmap: %s", error);
  return TT_OK;
}
