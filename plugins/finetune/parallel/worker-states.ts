/**
 * What each worker of `diloco` has for itself (moments, what it has not sent yet), brought to the first process for a checkpoint and from there back to each.
 */
import {
  jsonField,
  type JsonValue,
  referenceDevice,
  type Tensor,
  tensorScope,
  TrituneError,
  type World,
  zeros,
} from '../../../core/mod.ts'
import { counted } from '../../../core/counted.ts'
import { setTensorBytes, tensorBytes } from '../../../core/tensor/tensor-bytes.ts'
import type { RunState } from '../checkpoints/run-state.ts'

/** Of the other workers, for a checkpoint. */
export interface WorkerStates {
  /** Under `worker.1.…` what the first one has without it. */
  readonly tensors: ReadonlyMap<string, Tensor>
  /** For `workers` of the parts of a checkpoint. */
  readonly json: JsonValue
}

/** Calls `save` with what all workers have; all processes do it. Only on the first one there is something in it. */
export function withWorkerStates(
  world: World | null,
  state: RunState,
  save: (states: WorkerStates) => void,
): void {
  using _scope = tensorScope()
  const parts = world === null ? [] : world.gather(JSON.stringify(state.save())).slice(1)
  const tensors = new Map<string, Tensor>()
  for (let rank = 1; rank <= parts.length; rank++)
    for (const [name, tensor] of state.tensors()) {
      const bytes = new Uint8Array(tensor.bytes)
      if (world?.rank === rank) copyOut(tensor, bytes)
      world?.broadcast(bytes, rank)
      if (world?.rank !== 0) continue
      const kept = zeros(tensor.shape, { dtype: tensor.dtype, device: referenceDevice })
      setTensorBytes(kept, bytes)
      tensors.set(`${prefixOf(rank)}${name}`, kept)
    }
  // Where the others are lost in the middle of it, what there is of them is of no use.
  const isWhole = parts.length + 1 === (world?.size ?? 1)
  save(
    isWhole
      ? { tensors, json: parts.map((text): JsonValue => JSON.parse(text)) }
      : { tensors: new Map(), json: [] },
  )
}

/** What the first process read, for `restoreWorkers()`. */
export interface SavedWorkers {
  readonly parts: Readonly<Record<string, JsonValue>>
  /** Reads into tensors what is saved under names that begin so. */
  read(targets: ReadonlyMap<string, Tensor>, prefix: string): void
}

/**
 * Gives each worker its own of what the first process has read; `saved` is null on all others. Where there were others than now, worker n takes what worker
 * n modulo their number had.
 */
export function restoreWorkers(world: World, state: RunState, saved: SavedWorkers | null): void {
  using _scope = tensorScope()
  const told = saved === null ? [] : workersOf(saved.parts)
  const [text] = world.gather(saved === null ? '' : JSON.stringify([withoutWorkers(saved.parts), ...told]))
  const parts: Readonly<Record<string, JsonValue>>[] = JSON.parse(text)
  for (let rank = 1; rank < world.size; rank++) {
    const from = rank % parts.length
    const read = new Map<string, Tensor>()
    if (saved !== null) {
      for (const [name, { shape, dtype }] of state.tensors())
        read.set(name, zeros(shape, { dtype, device: referenceDevice }))
      saved.read(read, from === 0 ? '' : prefixOf(from))
    }
    for (const [name, tensor] of state.tensors()) {
      const bytes = new Uint8Array(tensor.bytes)
      const own = read.get(name)
      if (own) copyOut(own, bytes)
      world.broadcast(bytes)
      if (world.rank === rank) setTensorBytes(tensor, bytes)
    }
    if (world.rank === rank) state.load(parts[from])
  }
}

/** E_RESUME for a checkpoint of another number of workers, unless that is allowed. */
export function expectSameWorkers(
  parts: Readonly<Record<string, JsonValue>>,
  workers: number,
  isAllowed: boolean,
): void {
  const were = workersOf(parts).length + 1
  if (were === workers || isAllowed) return
  throw new TrituneError(
    'E_RESUME',
    `the checkpoint is of ${counted(were, 'worker')}, these are ${workers}: what each had not sent yet is its own`,
    {
      remedy: `resume with ${were} processes, or set diloco.allow_other_workers and lose that`,
    },
  )
}

/** E_RESUME for a checkpoint of the other way of exchanging: what was not sent lies elsewhere. */
export function expectSameExchange(
  saved: Readonly<Record<string, JsonValue>>,
  own: Readonly<Record<string, JsonValue>>,
): void {
  const was = exchangeIn(saved)
  const is = exchangeIn(own)
  if (was === is) return
  throw new TrituneError('E_RESUME', `the checkpoint is of diloco.exchange ${was}, this run is of ${is}`, {
    remedy: `set diloco.exchange: ${was}`,
  })
}

// ---- helpers ----------------------------------------------------------------------------------------------------

const KEY = 'workers'

function prefixOf(rank: number): string {
  return `worker.${rank}.`
}

function workersOf(parts: Readonly<Record<string, JsonValue>>): JsonValue[] {
  const list = Object.hasOwn(parts, KEY) ? jsonField(parts, KEY) : null
  return Array.isArray(list) ? [...list] : []
}

function withoutWorkers({
  [KEY]: _,
  ...parts
}: Readonly<Record<string, JsonValue>>): Readonly<Record<string, JsonValue>> {
  return parts
}

function copyOut(tensor: Tensor, into: Uint8Array): void {
  let start = 0
  for (const piece of tensorBytes(tensor)) {
    into.set(piece, start)
    start += piece.length
  }
}

/** Checkpoints of earlier versions are of `gather`. */
function exchangeIn(parts: Readonly<Record<string, JsonValue>>): string {
  const name = Object.keys(parts).find((key) => key.endsWith('.diloco'))
  const part = name === undefined ? null : parts[name]
  return String(Reflect.get(Object(part), 'exchange') ?? 'gather')
}
