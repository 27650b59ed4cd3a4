// In which order the threads of a block run: the freedom that a GPU has, made a setting, so that a test can try all of it.
#pragma once
#include <stdlib.h>
#include <string.h>

#include <thread>

#include "types.h"  // EMU_SERIAL

namespace emu {

struct Schedule {
  bool greedy = false;   // run a thread until it waits, always the first that can; else take turns
  bool reverse = false;  // count threads from the last
  bool early = false;    // cp.async lands at once; else only at the wait that asks for it
  int threads = 1;       // blocks that run at the same time
};

/// Words of `text`: greedy or round-robin, reverse or forward, early or late, separated by commas; false for any other word.
inline bool parse_schedule(const char* text, Schedule* out) {
  Schedule parsed = *out;
  parsed.greedy = parsed.reverse = parsed.early = false;
  for (const char* p = text; *p;) {
    const size_t n = strcspn(p, ",");
    auto is = [&](const char* word) { return strlen(word) == n && strncmp(p, word, n) == 0; };
    if (is("greedy")) parsed.greedy = true;
    else if (is("reverse")) parsed.reverse = true;
    else if (is("early")) parsed.early = true;
    else if (!is("round-robin") && !is("forward") && !is("late")) return false;
    p += n + (p[n] == ',');
  }
  *out = parsed;
  return true;
}

/// From TRITUNE_EMULATOR_SCHEDULE and TRITUNE_EMULATOR_THREADS at first; tt_option_set("schedule", …) changes it.
inline Schedule& schedule() {
  static Schedule chosen = [] {
    Schedule s;
    const char* threads = getenv("TRITUNE_EMULATOR_THREADS");
    s.threads = threads ? atoi(threads) : int(std::thread::hardware_concurrency());
#ifdef EMU_SERIAL
    s.threads = 1;
#endif
    if (s.threads < 1) s.threads = 1;
    if (const char* text = getenv("TRITUNE_EMULATOR_SCHEDULE")) parse_schedule(text, &s);
    return s;
  }();
  return chosen;
}

}  // namespace emu
