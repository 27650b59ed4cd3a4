// Text for JSON.
#pragma once
#include <stddef.h>

namespace tt {

/// `text` as a JSON string in `out` (of `room` bytes, at least 8), cut where it does not fit; "null" for an empty one. Returns `out`.
inline const char* json_string(char* out, size_t room, const char* text) {
  constexpr const char* HEX = "0123456789abcdef";
  constexpr size_t LONGEST = 6;  // \u001f
  size_t n = 0;
  const auto put = [&](char c) { out[n++] = c; };
  if (!*text) {
    for (const char* c = "null"; *c; c++) put(*c);
    return put(0), out;
  }
  put('"');
  for (; *text && n + LONGEST + 2 <= room; text++) {
    const unsigned char c = static_cast<unsigned char>(*text);
    if (c < 0x20) {
      for (const char* start = "\\u00"; *start; start++) put(*start);
      put(HEX[c >> 4]);
      put(HEX[c & 15]);
      continue;
    }
    if (c == '"' || c == '\\') put('\\');
    put(*text);
  }
  put('"');
  return put(0), out;
}

}  // namespace tt
