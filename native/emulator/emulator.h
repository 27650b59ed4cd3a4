// Runs CUDA C++ kernels on the CPU, for tests: every thread is a fiber, every block runs to its end on one OS thread.
//
//   types.h         qualifiers and vector types           schedule.h      the order in which threads run, a setting
//   runtime.h       the runtime's functions, on host memory
//   fiber.h, sanitizers.h   stacks; what ASan and TSan must know
//   block.h         barriers, the scheduler, launches, failures
//   intrinsics.h    built-in variables, shuffles, atomics  instructions.h  mma, ldmatrix, cp.async
//   hopper.h        mbarriers, tensor maps, wgmma
//   cublaslt.h      the calls of cuBLASLt
//
// It finds wrong indices, missing barriers and waits, races (under TSan), and memory errors (under ASan). It knows nothing of
// bank conflicts, occupancy, the weak order of a GPU's memory, and of how tensor cores round.
#pragma once
#include "instructions.h"
