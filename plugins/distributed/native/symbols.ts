/**
 * The functions of native/include/tritune_dist.h, as foreign functions take them. A test compares the two.
 */
import type { FfiBuffer, FfiTable } from '../../../core/native/ffi.ts'

export const DIST_ABI_VERSION = 2

/** The C functions; memory is a typed array that must stay until its ticket is done, that of a GPU an address. */
export interface DistFunctions {
  tt_dist_abi_version(): number
  tt_dist_build_info(): string
  tt_dist_last_error(): string
  tt_dist_open(library: FfiBuffer): number
  tt_dist_init(): number
  tt_dist_library(): string
  tt_dist_rank(): number
  tt_dist_size(): number
  tt_dist_local_rank(): number
  tt_dist_local_size(): number
  tt_dist_sum(buffer: FfiBuffer, count: number, type: number): number
  tt_dist_sum_part(send: FfiBuffer, out: FfiBuffer, count: number, type: number): number
  tt_dist_gather(send: FfiBuffer, bytes: number, receive: FfiBuffer): number
  tt_dist_exchange(send: FfiBuffer, bytes: number, receive: FfiBuffer): number
  tt_dist_broadcast(buffer: FfiBuffer, bytes: number, root: number): number
  tt_dist_open_nccl(library: FfiBuffer): number
  tt_dist_nccl_library(): string
  tt_dist_init_nccl(
    rank: number,
    size: number,
    localRank: number,
    localSize: number,
    device: number,
    meeting: FfiBuffer,
    milliseconds: number,
  ): number
  tt_dist_join_nccl(device: number): number
  tt_dist_gpu_sum(buffer: number, count: number, type: number): number
  tt_dist_gpu_sum_part(send: number, out: number, count: number, type: number): number
  tt_dist_gpu_gather(send: number, bytes: number, receive: number): number
  tt_dist_gpu_broadcast(buffer: number, bytes: number, root: number): number
  tt_dist_test(ticket: number): number
  tt_dist_wait(ticket: number, milliseconds: number): number
  tt_dist_abort(code: number): number
  tt_dist_finalize(milliseconds: number): number
}

export const DIST_SYMBOLS: FfiTable<DistFunctions> = {
  tt_dist_abi_version: { args: [], returns: 'i32' },
  tt_dist_build_info: { args: [], returns: 'cstr' },
  tt_dist_last_error: { args: [], returns: 'cstr' },
  tt_dist_open: { args: ['buf'], returns: 'i32' },
  tt_dist_init: { args: [], returns: 'i32' },
  tt_dist_library: { args: [], returns: 'cstr' },
  tt_dist_rank: { args: [], returns: 'i32' },
  tt_dist_size: { args: [], returns: 'i32' },
  tt_dist_local_rank: { args: [], returns: 'i32' },
  tt_dist_local_size: { args: [], returns: 'i32' },
  tt_dist_sum: { args: ['buf', 'size', 'i32'], returns: 'i32' },
  tt_dist_sum_part: { args: ['buf', 'buf', 'size', 'i32'], returns: 'i32' },
  tt_dist_gather: { args: ['buf', 'size', 'buf'], returns: 'i32' },
  tt_dist_exchange: { args: ['buf', 'size', 'buf'], returns: 'i32' },
  tt_dist_broadcast: { args: ['buf', 'size', 'i32'], returns: 'i32' },
  tt_dist_open_nccl: { args: ['buf'], returns: 'i32' },
  tt_dist_nccl_library: { args: [], returns: 'cstr' },
  tt_dist_init_nccl: { args: ['i32', 'i32', 'i32', 'i32', 'i32', 'buf', 'i32'], returns: 'i32' },
  tt_dist_join_nccl: { args: ['i32'], returns: 'i32' },
  tt_dist_gpu_sum: { args: ['size', 'size', 'i32'], returns: 'i32' },
  tt_dist_gpu_sum_part: { args: ['size', 'size', 'size', 'i32'], returns: 'i32' },
  tt_dist_gpu_gather: { args: ['size', 'size', 'size'], returns: 'i32' },
  tt_dist_gpu_broadcast: { args: ['size', 'size', 'i32'], returns: 'i32' },
  tt_dist_test: { args: ['i32'], returns: 'i32' },
  tt_dist_wait: { args: ['i32', 'i32'], returns: 'i32' },
  tt_dist_abort: { args: ['i32'], returns: 'i32' },
  tt_dist_finalize: { args: ['i32'], returns: 'i32' },
}

/** Statuses of the header. */
export const STATUS = {
  ok: 0,
  noLibrary: -1,
  unknownAbi: -2,
  noSymbol: -3,
  state: -4,
  argument: -5,
  late: -6,
  pending: -7,
  alone: -8,
  memory: -9,
  nccl: -10,
} as const

/** Element types of sums. */
export const SUM_TYPE = { f32: 0, f64: 1, bf16: 2 } as const
