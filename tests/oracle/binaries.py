"""
The smallest shared libraries of each system, made by zig's compiler and linker: exports, imports of the system, versions.

    pip install ziglang==0.17.1; python tests/oracle/binaries.py

Writes tests/golden/binaries/<platform>.gz. On Linux for x86-64 and for ARM64 they can be opened, too.
"""

import gzip
import pathlib
import subprocess
import sys
import tempfile

SOURCE = """
#if defined(_WIN32)
__declspec(dllimport) unsigned long GetTickCount(void);
#define SYSTEM() ((int)GetTickCount())
#define API __declspec(dllexport)
int DllMainCRTStartup(void *a, unsigned long b, void *c) { return 1; }
#else
extern int getpid(void);
#define SYSTEM() getpid()
#define API __attribute__((visibility("default")))
#endif
static int hidden(int x) { return x + 1; }
API int tt_abi_version(void) { return hidden(0); }
API const char *tt_symbols(void) { return "tt_abi_version"; }
API const char *tt_last_error(void) { return ""; }
API const char *tt_build_info(void) { return "{}"; }
API int tt_system(void) { return SYSTEM(); }
"""

TARGETS = {
    "linux-x64": ["x86_64-linux-gnu.2.28", "-fPIC", "-s"],
    "linux-arm64": ["aarch64-linux-gnu.2.28", "-fPIC", "-s"],
    "darwin-arm64": ["aarch64-macos.12.0-none"],
    "darwin-x64": ["x86_64-macos.12.0-none"],
    "win32-x64": ["x86_64-windows-gnu", "-nostdlib", "-s", "-lkernel32"],
}

GOLDEN = pathlib.Path(__file__).parent.parent / "golden" / "binaries"


def main() -> None:
    GOLDEN.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        source = pathlib.Path(folder, "lib.c")
        source.write_text(SOURCE)
        for platform, (target, *flags) in TARGETS.items():
            # The name of the output is in the files of some systems.
            out = pathlib.Path(folder, "tiny")
            zig = [sys.executable, "-m", "ziglang", "cc", "-target", target, "-shared", "-O2"]
            subprocess.run([*zig, "lib.c", *flags, "-o", "tiny"], check=True, cwd=folder)
            packed = gzip.compress(out.read_bytes(), 9, mtime=0)
            (GOLDEN / f"{platform}.gz").write_bytes(packed)
            print(platform, out.stat().st_size, len(packed))


main()
