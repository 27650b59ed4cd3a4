/**
 * A `World` over libtritune_dist. A call posts a collective to the thread of the library and waits for it, up to a limit: whoever is
 * late or dead is an error and not a wait without end.
 */
import { type Device, type DeviceCollectives, TrituneError, type World } from '../../core/mod.ts'
import { endLauncherLater } from './end-launcher.ts'
import { ncclCollectives } from './nccl-collectives.ts'
import type { DistLibrary } from './native/library.ts'
import { type DistFunctions, STATUS, SUM_TYPE } from './native/symbols.ts'

export interface DistWorldOptions {
  /** How long a call waits for the other processes. */
  readonly timeoutMs: number
  /** Whether GPUs talk to each other by NCCL: `auto` where all have it. */
  readonly nccl: 'auto' | 'never'
}

/** The job has been joined; disposing the world leaves it. */
export function distWorld({ functions }: DistLibrary, { timeoutMs, nccl }: DistWorldOptions): World {
  const size = functions.tt_dist_size()
  const rank = functions.tt_dist_rank()
  const localRank = functions.tt_dist_local_rank()
  let isJoined = true
  let isForsaken = false
  let patience = timeoutMs

  // What a call was given that nobody waits for any more: the library may still write to it.
  const open: ArrayBufferView[] = []
  const wait = (what: string, ticket: number, ...given: readonly ArrayBufferView[]): void => {
    const status = ticket > 0 ? functions.tt_dist_wait(ticket, patience) : ticket
    if (status === STATUS.ok) return
    open.push(...given)
    throw failure(what, status, functions, patience)
  }
  const gatherBytes = (own: Uint8Array, all: Uint8Array): void =>
    wait('a gather', functions.tt_dist_gather(pinned(own), own.length, pinned(all)), own, all)

  // Whoever ends without leaving would keep the others waiting, or, under MPICH, end their job with exit code 0.
  const atExit = (): void => {
    if (isJoined) functions.tt_dist_abort(LEFT_BEHIND)
  }
  process.on('exit', atExit)

  const gather = (text: string): string[] => gatherTexts(text, size, gatherBytes)
  let ofGpus: string | null = null
  const opened = new WeakMap<Device, DeviceCollectives | null>()
  const onDevice = (device: Device): DeviceCollectives | null => {
    const known = opened.get(device)
    if (known !== undefined) return known
    const found =
      nccl === 'never' ? null : ncclCollectives(functions, device, { size, localRank, gather, wait })
    opened.set(device, found)
    ofGpus = found?.description ?? ofGpus
    return found
  }

  return {
    rank,
    size,
    localRank,
    localSize: functions.tt_dist_local_size(),
    get patience() {
      return patience
    },
    set patience(milliseconds) {
      patience = milliseconds
    },
    get description() {
      const library = functions.tt_dist_library().slice(0, DESCRIPTION).trim()
      return ofGpus === null || ofGpus === library ? library : `${ofGpus}, ${library}`
    },
    sum: (values) =>
      wait('a sum', functions.tt_dist_sum(pinned(values), values.length, SUM_TYPE.f32), values),
    sumPart(values, part) {
      if (values.length !== size * part.length)
        throw new TrituneError('E_SHAPE', `${values.length} values are not ${size} parts of ${part.length}`)
      wait(
        'a sum in parts',
        functions.tt_dist_sum_part(pinned(values), pinned(part), part.length, SUM_TYPE.f32),
        values,
        part,
      )
    },
    collect(own, all) {
      if (all.length !== size * own.length)
        throw new TrituneError('E_SHAPE', `${all.length} bytes are not ${size} times ${own.length}`)
      gatherBytes(own, all)
    },
    startCollect(own, all) {
      if (all.length !== size * own.length)
        throw new TrituneError('E_SHAPE', `${all.length} bytes are not ${size} times ${own.length}`)
      const ticket = functions.tt_dist_gather(pinned(own), own.length, pinned(all))
      return { wait: () => wait('a gather', ticket, own, all) }
    },
    exchange(rows, received) {
      if (rows.length !== received.length || rows.length % size !== 0)
        throw new TrituneError(
          'E_SHAPE',
          `${rows.length} and ${received.length} bytes are not ${size} rows each of one length`,
        )
      const bytes = rows.length / size
      wait('an exchange', functions.tt_dist_exchange(pinned(rows), bytes, pinned(received)), rows, received)
    },
    gather,
    onDevice,
    broadcast: (bytes, from = 0) =>
      wait('a broadcast', functions.tt_dist_broadcast(pinned(bytes), bytes.length, from), bytes),
    forsake() {
      isJoined = false
      isForsaken = true
      process.off('exit', atExit)
    },
    abort(code) {
      if (isForsaken) return
      isJoined = false
      if (size > functions.tt_dist_local_size()) endLauncherLater(LAUNCHER_S)
      functions.tt_dist_abort(code)
    },
    [Symbol.dispose]() {
      if (isForsaken && rank === 0 && size > functions.tt_dist_local_size()) endLauncherLater(LAUNCHER_S)
      if (!isJoined) return
      isJoined = false
      process.off('exit', atExit)
      const status = functions.tt_dist_finalize(LEAVING_MS)
      if (status !== STATUS.ok) throw failure('leaving the job', status, functions, LEAVING_MS)
    },
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** Exit code of a process that ended without leaving. */
const LEFT_BEHIND = 70
const LEAVING_MS = 60_000
/** What mpirun has to end by itself. */
const LAUNCHER_S = 8
/** MPICH tells with its version how it was configured. */
const DESCRIPTION = 60

/** Memory that stays where it is while the thread works on it: small arrays may lie on the heap of the runtime until asked for theirs. */
function pinned<T extends ArrayBufferView>(array: T): T {
  void array.buffer
  return array
}

/** Bytes of a text that travel with its length; longer ones go in a second round. */
const SHORT = 252

function gatherTexts(
  text: string,
  size: number,
  gather: (own: Uint8Array, all: Uint8Array) => void,
): string[] {
  const own = new TextEncoder().encode(text)
  const slot = new Uint8Array(4 + SHORT)
  new DataView(slot.buffer).setUint32(0, own.length, true)
  slot.set(own.subarray(0, SHORT), 4)
  const slots = new Uint8Array(size * slot.length)
  gather(slot, slots)
  const lengths = Array.from({ length: size }, (_, rank) =>
    new DataView(slots.buffer).getUint32(rank * slot.length, true),
  )
  const longest = Math.max(...lengths)
  const decoder = new TextDecoder()
  if (longest <= SHORT)
    return lengths.map((length, rank) =>
      decoder.decode(slots.subarray(rank * slot.length + 4).subarray(0, length)),
    )
  const padded = new Uint8Array(longest)
  padded.set(own)
  const all = new Uint8Array(size * longest)
  gather(padded, all)
  return lengths.map((length, rank) => decoder.decode(all.subarray(rank * longest).subarray(0, length)))
}

function failure(
  what: string,
  status: number,
  functions: Pick<DistFunctions, 'tt_dist_last_error'>,
  timeoutMs: number,
): TrituneError {
  const message = functions.tt_dist_last_error()
  if (status === STATUS.late)
    return new TrituneError(
      'E_PEER',
      `${what} waited ${timeoutMs / 1000} s for the other processes: one is late or dead`,
      { remedy: 'look at what the other processes printed; ddp_timeout says how long they are waited for' },
    )
  return new TrituneError('E_PEER', `${what} failed (${status}): ${message}`, {
    remedy: 'the other processes or the network between them are gone; start the job again with --resume',
  })
}
