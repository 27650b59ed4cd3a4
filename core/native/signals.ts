/**
 * What the kernel does when a signal comes, below the runtimes' own handlers (which wait for the event loop).
 */
import { libc } from './libc.ts'

export const SIGNALS = { SIGHUP: 1, SIGINT: 2, SIGALRM: 14, SIGTERM: 15 } as const

/** The address of a C function `void (int)` that may run at any moment, or one of these. */
export type SignalHandler = number
export const DEFAULT_HANDLER: SignalHandler = 0
export const IGNORE: SignalHandler = 1

/** Throws nothing; does nothing where there is no C library. */
export function setSignalHandler(signal: number, handler: SignalHandler): void {
  const action = new Uint8Array(STRUCT_BYTES)
  const view = new DataView(action.buffer)
  view.setBigUint64(0, BigInt(handler), true)
  view.setUint32(FLAGS_AT, handler > IGNORE ? SA_RESTART : 0, true)
  libc()?.sigaction(signal, action, null)
}

/** Undefined where there is no C library. */
export function signalHandler(signal: number): SignalHandler | undefined {
  const old = new Uint8Array(STRUCT_BYTES)
  if (libc()?.sigaction(signal, null, old) !== 0) return undefined
  return Number(new DataView(old.buffer).getBigUint64(0, true))
}

const SA_RESTART = process.platform === 'darwin' ? 2 : 0x1000_0000
/** struct sigaction: the handler first, then a mask (glibc and musl: 128 bytes, macOS: 4), then the flags. */
const FLAGS_AT = process.platform === 'darwin' ? 12 : 136
const STRUCT_BYTES = 152
