/**
 * One row for each function of native/include/tritune.h that takes sizes, in its order of arguments. A function without a
 * row fails a test.
 */
import { FLAT_ROWS } from './flat-rows.ts'
import { LAYER_ROWS } from './layer-rows.ts'
import { PACKED_ROWS } from './packed-rows.ts'
import type { NativeRow } from './row.ts'

export const NATIVE_ROWS: Readonly<Record<string, NativeRow>> = {
  ...FLAT_ROWS,
  ...LAYER_ROWS,
  ...PACKED_ROWS,
}

/** Functions that take no sizes of buffers, with the reason. */
export const NO_NATIVE_ROWS: Readonly<Record<string, string>> = {
  tt_abi_version: 'no arguments',
  tt_last_error: 'no arguments',
  tt_symbols: 'no arguments',
  tt_build_info: 'no arguments',
  tt_devices: 'no arguments',
  tt_init: 'numbers only: tests/native/arguments.test.ts',
  tt_option_set: 'names only: tests/native/arguments.test.ts',
  tt_options: 'no arguments',
  tt_synchronize: 'a stream',
  tt_time_start: 'a stream',
  tt_time_stop: 'one number: tests/native/arguments.test.ts',
  tt_alloc: 'makes buffers: tests/native/arguments.test.ts',
  tt_free: 'looks its argument up: tests/native/memory.test.ts',
  tt_memory_stats: 'four numbers: tests/native/arguments.test.ts',
  tt_memory_reset_peak: 'no arguments',
  tt_memory_trim: 'no arguments',
  tt_file_map: 'a path: tests/native/memory.test.ts',
  tt_file_unmap: 'what tt_file_map gave: tests/native/memory.test.ts',
  tt_bench_peak: 'a calibrator: tests/native/peak.test.ts',
}
