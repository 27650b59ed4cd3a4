// Fibers: one stack for each CUDA thread, switched by a few instructions (x86-64, System V).
#pragma once
#include <stdint.h>
#include <sys/mman.h>

#include "sanitizers.h"

#if !defined(__x86_64__)
#error "the emulator switches stacks on x86-64 only"
#endif

extern "C" void tt_emulator_switch(void** save, void* to);
__asm__(
    ".text\n.weak tt_emulator_switch\n.hidden tt_emulator_switch\n.type tt_emulator_switch,@function\ntt_emulator_switch:\n"
    " push %rbp\n push %rbx\n push %r12\n push %r13\n push %r14\n push %r15\n"
    " mov %rsp,(%rdi)\n mov %rsi,%rsp\n"
    " pop %r15\n pop %r14\n pop %r13\n pop %r12\n pop %rbx\n pop %rbp\n ret\n"
    ".size tt_emulator_switch,.-tt_emulator_switch\n");

namespace emu {

#ifdef EMU_ASAN
constexpr size_t STACK_BYTES = 256 * 1024;
#else
constexpr size_t STACK_BYTES = 128 * 1024;
#endif

/// A context to switch to: a fiber, or the caller that started the block.
struct Context {
  void* stack_pointer = nullptr;
  char* stack = nullptr;  // of a fiber
#ifdef EMU_ASAN
  const void* bottom = nullptr;
  size_t bytes = 0;
  void* fake_stack = nullptr;
#endif
#ifdef EMU_TSAN
  void* tsan = nullptr;
#endif

  void allocate() {
    if (!stack) stack = static_cast<char*>(mmap(nullptr, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  }
  void free() {
    if (stack) munmap(stack, STACK_BYTES);
    stack = nullptr;
  }
  /// It stops where it stands and begins anew: what ThreadSanitizer knows of it is lost, as only what has ended may be destroyed.
  void abandon() {
#ifdef EMU_TSAN
    tsan = nullptr;
#endif
  }
  /// Makes the next switch to it begin in `entry`, which never returns.
  void prepare(void (*entry)()) {
    unpoison(stack, STACK_BYTES);
    void** top = reinterpret_cast<void**>((reinterpret_cast<uintptr_t>(stack) + STACK_BYTES) & ~uintptr_t(15));
    *--top = nullptr;  // the return address of `entry`; keeps its frame 16-byte aligned
    *--top = reinterpret_cast<void*>(entry);
    for (int i = 0; i < 6; i++) *--top = nullptr;
    stack_pointer = top;
#ifdef EMU_ASAN
    bottom = stack, bytes = STACK_BYTES, fake_stack = nullptr;
#endif
#ifdef EMU_TSAN
    // One that was left in the middle of a barrier still ignores accesses, and TSan lets no such fiber be destroyed.
    tsan = __tsan_create_fiber(0);
#endif
  }
};

/// Leaves `from` for `to`; returns when somebody switches back.
inline void switch_context(Context& from, Context& to) {
#ifdef EMU_ASAN
  __sanitizer_start_switch_fiber(&from.fake_stack, to.bottom, to.bytes);
#endif
#ifdef EMU_TSAN
  __tsan_switch_to_fiber(to.tsan, __tsan_switch_to_fiber_no_sync);
#endif
  tt_emulator_switch(&from.stack_pointer, to.stack_pointer);
#ifdef EMU_ASAN
  __sanitizer_finish_switch_fiber(from.fake_stack, nullptr, nullptr);
#endif
}

/// First thing in a fiber; `caller` learns where its own stack lies.
inline void fiber_entered(Context& caller) {
#ifdef EMU_ASAN
  const void* bottom;
  size_t bytes;
  __sanitizer_finish_switch_fiber(nullptr, &bottom, &bytes);
  if (!caller.bottom) caller.bottom = bottom, caller.bytes = bytes;
#else
  (void)caller;
#endif
}

}  // namespace emu
