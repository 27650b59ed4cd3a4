// Random numbers as programs for Windows 10 ask for them, for Wines that do not have this library yet: Bun does not start without. Windows has
// its own and this is never given to anybody.
#include <windows.h>

BOOLEAN NTAPI SystemFunction036(PVOID, ULONG);  // RtlGenRandom

__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE out, SIZE_T bytes) {
  while (bytes > 0) {
    const ULONG part = bytes > 0x10000000 ? 0x10000000 : (ULONG)bytes;
    if (!SystemFunction036(out, part)) return FALSE;
    out += part;
    bytes -= part;
  }
  return TRUE;
}
