/**
 * The state of a divided optimizer as one process would have it, for checkpoints: names, shapes and contents are those of a run that is not divided, so a
 * checkpoint goes on with any number of processes.
 *
 * The first process writes what it asks the others for, piece by piece: no process ever has all of it in memory.
 */
import {
  type DType,
  type Parameters,
  referenceDevice,
  type Shape,
  type Tensor,
  tensorScope,
  TrituneError,
  type World,
  zeros,
} from '../../../core/mod.ts'
import { newsOf } from '../../../core/agree.ts'
import type { TensorSource } from '../../../core/files/safetensors-write.ts'
import { setTensorBytes, tensorBytes } from '../../../core/tensor/tensor-bytes.ts'
import { DTYPES } from '../../../core/tensor/dtype.ts'
import type { DividedOptimizer } from './divided-optimizer.ts'
import { copyOut } from './gather-pieces.ts'

/** A tensor of the state that is divided. */
export interface WholeTensor {
  readonly name: string
  readonly dtype: DType
  readonly shape: Shape
  /** Who has it, from its first element to its last. */
  readonly parts: readonly { readonly rank: number; readonly size: number }[]
}

/** The state of a run: what is divided, and what all processes have. */
export interface DividedState {
  /** The own parts, by the names of the whole ones. */
  readonly own: ReadonlyMap<string, Tensor>
  readonly common: ReadonlyMap<string, Tensor>
  /** Alike and in the same order on all processes. */
  readonly whole: readonly WholeTensor[]
}

/** All processes call it: each tells what it has. */
export function dividedState(
  world: World,
  tensors: ReadonlyMap<string, Tensor>,
  divided: Pick<DividedOptimizer, 'owners'>,
  parameters: Parameters,
): DividedState {
  const owners = divided.owners()
  const own = new Map<string, Tensor>()
  const common = new Map<string, Tensor>()
  const told: Told[] = []
  for (const [name, tensor] of tensors) {
    const piece = owners.get(tensor)
    ;(piece ? own : common).set(name, tensor)
    if (piece) told.push({ name, dtype: tensor.dtype, shape: tensor.shape, ...piece })
  }
  const all = world.gather(JSON.stringify(told)).map((text): readonly Told[] => JSON.parse(text))
  return { own, common, whole: wholeOf(all, parameters) }
}

/** Calls `save` on the first process with the whole tensors; the others give it what it asks for until it is done. Where it throws, all do. */
export function withWholeState(
  world: World,
  { own, whole }: DividedState,
  save: (tensors: readonly TensorSource[]) => void,
): void {
  const ask = (tensor: number, part: number, piece: number): void =>
    world.broadcast(new Uint8Array(Int32Array.of(tensor, part, piece).buffer))
  if (world.rank !== 0) return answer(world, own, whole)
  const sources = whole.map(({ name, dtype, shape, parts }, index): TensorSource => ({
    name,
    dtype,
    shape,
    *chunks() {
      const mine = own.get(name)
      for (const [part, { rank, size }] of parts.entries()) {
        if (rank === 0 && mine) yield* tensorBytes(mine)
        if (rank === 0) continue
        const bytes = bytesOf(dtype, size)
        for (let piece = 0; piece * PIECE < bytes; piece++) {
          const chunk = new Uint8Array(Math.min(PIECE, bytes - piece * PIECE))
          ask(index, part, piece)
          world.broadcast(chunk, rank)
          yield chunk
        }
      }
    },
  }))
  let isSaved = false
  try {
    save(sources)
    isSaved = true
  } finally {
    ask(isSaved ? DONE : FAILED, 0, 0)
  }
}

/** Gives each process its parts of what the first one reads; `read` is null on all others. */
export function restoreParts(
  world: World,
  { own, whole }: DividedState,
  read: ((tensors: ReadonlyMap<string, Tensor>) => void) | null,
): void {
  for (const { name, dtype, shape, parts } of whole) {
    using _scope = tensorScope()
    const from = read && zeros(shape, { dtype, device: referenceDevice })
    if (read && from) read(new Map([[name, from]]))
    const all = from?.storage.host ? new Uint8Array(from.storage.host, from.offset, from.bytes) : null
    let start = 0
    for (const { rank, size } of parts) {
      const bytes = all?.slice(start, start + bytesOf(dtype, size)) ?? new Uint8Array(bytesOf(dtype, size))
      start += bytes.length
      if (rank !== 0) world.broadcast(bytes)
      const tensor = own.get(name)
      if (rank === world.rank && tensor) setTensorBytes(tensor, bytes)
    }
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** Bytes that travel at a time. */
const PIECE = 16 * 2 ** 20
/** Instead of a tensor: there is nothing more to ask. */
const DONE = -1
const FAILED = -2
/** Elements that share a number, where each has none of its own. */
const BLOCK = 256

interface Told {
  readonly name: string
  readonly dtype: DType
  readonly shape: Shape
  readonly parameter: string
  readonly start: number
  readonly length: number
}

function answer(world: World, own: ReadonlyMap<string, Tensor>, whole: readonly WholeTensor[]): void {
  for (;;) {
    const asked = Int32Array.of(0, 0, 0)
    world.broadcast(new Uint8Array(asked.buffer))
    const [index, part, piece] = asked
    if (index === DONE) return
    if (index === FAILED) throw newsOf(world, 0, 'it could not write a checkpoint')
    const { name, dtype, parts } = whole[index]
    const { rank, size } = parts[part]
    const start = piece * PIECE
    const bytes = new Uint8Array(Math.min(PIECE, bytesOf(dtype, size) - start))
    const tensor = own.get(name)
    if (rank === world.rank && tensor) {
      const each = bytesOf(dtype, 1)
      using flat = tensor.window([bytes.length / each], start / each)
      copyOut(flat, bytes)
    }
    world.broadcast(bytes, rank)
  }
}

function wholeOf(all: readonly (readonly Told[])[], parameters: Parameters): WholeTensor[] {
  const found = new Map<string, (Told & { readonly rank: number })[]>()
  for (const [rank, told] of all.entries())
    for (const one of told) found.set(one.name, [...(found.get(one.name) ?? []), { ...one, rank }])
  const order = [...parameters.keys()]
  return [...found.values()]
    .map((pieces) => pieces.toSorted((a, b) => a.start - b.start))
    .toSorted(
      ([a], [b]) => order.indexOf(a.parameter) - order.indexOf(b.parameter) || (a.name < b.name ? -1 : 1),
    )
    .map((pieces) => wholeTensor(pieces, parameters))
}

function wholeTensor(
  pieces: readonly (Told & { readonly rank: number })[],
  parameters: Parameters,
): WholeTensor {
  const [{ name, dtype, shape, parameter, length }] = pieces
  const weight = parameters.get(parameter)
  const parts = pieces.map(({ rank, shape: of }) => ({ rank, size: sizeOf(of) }))
  if (pieces.length === 1 && length === weight?.size) return { name, dtype, shape, parts }
  const isEach = pieces.every((piece) => sizeOf(piece.shape) === piece.length)
  const isBlocks = pieces.every((piece) => sizeOf(piece.shape) === Math.ceil(piece.length / BLOCK))
  if (!isEach && !isBlocks)
    throw new TrituneError(
      'E_PLUGIN',
      `the optimizer keeps ${name} as ${sizeOf(shape)} numbers for ${length} elements, which cannot be put together`,
      { remedy: "declare divides: 'tensors', or keep a number for each element or for each 256" },
    )
  return {
    name,
    dtype,
    shape: isEach ? (weight?.shape ?? []) : [parts.reduce((sum, { size }) => sum + size, 0)],
    parts,
  }
}

function sizeOf(shape: Shape): number {
  return shape.reduce((product, size) => product * size, 1)
}

function bytesOf(dtype: DType, size: number): number {
  return DTYPES[dtype].bytes * size
}
