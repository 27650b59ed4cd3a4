// The heap of a WebAssembly module: blocks of multiples of 64 bytes in the memory that grows. The C library's own rounds large
// blocks up to powers of two, which a heap of 4 GiB cannot afford. Best fit, neighbours that are free become one; the caller locks.
#pragma once
#include <stddef.h>
#include <stdint.h>

namespace tt::platform {

class WasmHeap {
 public:
  /// NULL when memory cannot grow any more; `alignment` is a power of two.
  void* allocate(size_t alignment, size_t bytes) {
    if (bytes > SIZE_MAX / 2) return nullptr;
    if (alignment < UNIT) alignment = UNIT;
    const size_t whole = UNIT + ((bytes + UNIT - 1) & ~(UNIT - 1));
    if (void* found = take(alignment, whole)) return found;
    if (!grow(whole + alignment)) return nullptr;
    return take(alignment, whole);
  }

  void release(void* memory) {
    if (memory) insert(reinterpret_cast<Block*>(static_cast<char*>(memory) - UNIT));
  }

 private:
  static constexpr size_t UNIT = 64, PAGE = 65536, GROWTH = 16;  // pages at a time, where there are as many

  // At the start of every block; what follows it after UNIT bytes is the caller's.
  struct Block {
    size_t bytes;  // with this
    Block* next;   // by address, while it is free
  };
  Block* free = nullptr;

  static char* start(Block* block) { return reinterpret_cast<char*>(block); }
  static char* end(Block* block) { return start(block) + block->bytes; }

  /// Where a block for `alignment` begins within a free one.
  static char* aligned(Block* block, size_t alignment) {
    const uintptr_t payload = (uintptr_t(block) + UNIT + alignment - 1) & ~(alignment - 1);
    return reinterpret_cast<char*>(payload - UNIT);
  }

  void* take(size_t alignment, size_t whole) {
    Block** best = nullptr;
    for (Block** link = &free; *link; link = &(*link)->next) {
      const size_t skipped = size_t(aligned(*link, alignment) - start(*link));
      const bool fits = (*link)->bytes >= skipped && (*link)->bytes - skipped >= whole;
      if (fits && (!best || (*link)->bytes < (*best)->bytes)) best = link;
    }
    if (!best) return nullptr;
    Block* found = *best;
    char* const from = aligned(found, alignment);
    const size_t skipped = size_t(from - start(found)), left = found->bytes - skipped - whole;
    Block* after = found->next;
    if (left) {
      Block* rest = reinterpret_cast<Block*>(from + whole);
      *rest = {left, after};
      after = rest;
    }
    if (skipped) {
      found->bytes = skipped;
      found->next = after;
    } else {
      *best = after;
    }
    reinterpret_cast<Block*>(from)->bytes = whole;
    return from + UNIT;
  }

  void insert(Block* block) {
    Block** link = &free;
    Block* before = nullptr;
    while (*link && *link < block) {
      before = *link;
      link = &before->next;
    }
    block->next = *link;
    *link = block;
    if (block->next && end(block) == start(block->next)) {
      block->bytes += block->next->bytes;
      block->next = block->next->next;
    }
    if (before && end(before) == start(block)) {
      before->bytes += block->bytes;
      before->next = block->next;
    }
  }

  bool grow(size_t bytes) {
    const size_t needed = (bytes + PAGE - 1) / PAGE;
    size_t pages = needed < GROWTH ? GROWTH : needed;
    size_t first = __builtin_wasm_memory_grow(0, pages);
    if (first == SIZE_MAX && pages > needed) first = __builtin_wasm_memory_grow(0, pages = needed);
    if (first == SIZE_MAX) return false;
    Block* block = reinterpret_cast<Block*>(first * PAGE);
    block->bytes = pages * PAGE;
    insert(block);
    return true;
  }
};

}  // namespace tt::platform
