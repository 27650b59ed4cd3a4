/**
 * `shard_base: true`: each process keeps a part of every block's frozen weights, and a block is brought together when a pass comes to it, as FSDP does it for
 * parameters (Zhao et al. 2023, arXiv 2304.11277). Two blocks are whole at a time: the one that is computed with, and the one that is next, which comes in meanwhile.
 *
 * Nothing is told to the model: a layer's weight asks where it lies when its address is read. So all processes must come to the blocks in the same order,
 * each time: `together()` is for such work, and outside of it reading a weight is an error.
 */
import {
  type Allocation,
  type Device,
  type Layer,
  type QuantizedWeight,
  quantizedWeight,
  Tensor,
  TrituneError,
  type World,
} from '../../../core/mod.ts'
import { Storage } from '../../../core/tensor/storage.ts'
import { tensorBytes } from '../../../core/tensor/tensor-bytes.ts'
import {
  blockLayout,
  blockOf,
  type ShardedBlock,
  type ShardedLayer,
  type ShardLayout,
  WHOLE_BLOCKS,
} from './shard-layout.ts'

/** The frozen weights of a model in parts. */
export interface ShardedBase extends Disposable, Pick<ShardLayout, 'whole' | 'resident'> {
  /** Work that all processes do, with as many passes over the model on each. */
  together<T>(work: () => T): T
  /** Blocks that were brought together so far. */
  readonly gathered: number
}

/** What a model is loaded into. */
export interface ShardedLoading extends ShardedBase {
  /** Takes the weight of a layer, if it is to be divided; at the latest when a layer of another block comes. */
  add(layer: Layer): void
  /** Takes those of all layers that were not added: sources of models need not tell of them. */
  end(layers: Iterable<Layer>): void
}

/** What a call of others writes to must stay where it is, which memory of WebAssembly does not. */
export function expectShardable({ name }: Pick<Device, 'name'>): void {
  if (name === 'cpu') return
  throw new TrituneError('E_UNSUPPORTED', `shard_base is for the CPU, this is ${name}`, {
    remedy: 'leave out shard_base, or set device: cpu',
  })
}

/** Nothing is divided yet. E_UNSUPPORTED for any device but the native CPU. */
export function openShardedBase({
  device,
  world,
}: {
  readonly device: Device
  readonly world: World
}): ShardedLoading {
  expectShardable(device)
  const blocks: Part[] = []
  const owned: Tensor[] = []
  const slots: Slot[] = []
  let open: { readonly name: string; readonly layers: Layer[] } | null = null
  let whole = 0
  let current: Slot | null = null
  let isTogether = false
  let gathered = 0

  const begin = (slot: Slot, block: number): void => {
    const { bytes } = blocks[block]
    const all = slot.bytes.subarray(0, world.size * bytes.length)
    slot.block = null
    slot.pending = world.startCollect?.(bytes, all) ?? null
    if (slot.pending === null) world.collect(bytes, all)
    slot.block = block
    gathered++
  }
  const settle = (slot: Slot): void => {
    slot.pending?.wait()
    slot.pending = null
  }
  const openSlots = (): void => {
    const size = largestOf(blocks, world)
    while (slots.length < WHOLE_BLOCKS) {
      const memory = device.allocate(size)
      slots.push({ memory, bytes: bytesOf(memory, size), block: null, pending: null })
    }
  }
  /** The slot in which a block is whole; the next one in the direction of the pass is asked for. */
  const enter = (block: number): Slot => {
    if (!isTogether) throw apart()
    openSlots()
    const before = current?.block ?? null
    const there = slots.find((slot) => slot.block === block)
    const slot = there ?? slots.find((one) => one !== current) ?? slots[0]
    if (!there) {
      settle(slot)
      begin(slot, block)
    }
    settle(slot)
    current = slot
    const next = block + (before === null || before < block || block === 0 ? 1 : -1)
    const other = slots.find((one) => one !== slot)
    const isTurn = before !== null && block !== 0 && Math.abs(before - block) !== 1
    if (other && world.startCollect && !isTurn && next >= 0 && next < blocks.length && other.block !== next) {
      settle(other)
      begin(other, next)
    }
    return slot
  }
  const seal = (): void => {
    if (open === null) return
    const layout = blockLayout(open.layers, world.size)
    const index = blocks.length
    blocks.push(ownPart(layout, device, world))
    open = null
    const memoryOf = (): Allocation =>
      (current?.block === index && isTogether ? current : enter(index)).memory
    const storage = new Storage(device, world.size * layout.part, {
      get address() {
        return memoryOf().address
      },
      get host() {
        return memoryOf().host
      },
      free() {},
    })
    for (const layer of layout.layers)
      for (const tensor of replaced(layer, storage)) {
        owned.push(tensor)
        whole += tensor.bytes
      }
  }
  const seen = new Set<Layer>()
  const add = (layer: Layer): void => {
    const name = blockOf(layer)
    if (name === null || seen.has(layer)) return
    seen.add(layer)
    if (open?.name !== name) seal()
    open ??= { name, layers: [] }
    open.layers.push(layer)
  }
  return {
    add,
    end(layers) {
      for (const layer of layers) add(layer)
      seal()
    },
    get whole() {
      return whole
    },
    get resident() {
      const parts = blocks.reduce((sum, { bytes }) => sum + bytes.length, 0)
      return parts + WHOLE_BLOCKS * largestOf(blocks, world)
    },
    together(work) {
      const before = isTogether
      isTogether = true
      try {
        return work()
      } finally {
        isTogether = before
      }
    },
    get gathered() {
      return gathered
    },
    [Symbol.dispose]() {
      for (const tensor of owned) tensor.dispose()
      for (const { memory } of blocks) memory.free()
      // What the others still write to stays.
      for (const { memory, pending } of slots) if (pending === null) memory.free()
    },
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** Room for a block. */
interface Slot {
  readonly memory: Allocation
  readonly bytes: Uint8Array
  block: number | null
  pending: { wait(): void } | null
}

interface Part {
  readonly memory: Allocation
  readonly bytes: Uint8Array
}

function largestOf(blocks: readonly Part[], world: World): number {
  return world.size * Math.max(0, ...blocks.map(({ bytes }) => bytes.length))
}

/** Copies what this process keeps of a block. */
function ownPart({ layers, part }: ShardedBlock, device: Device, { rank }: World): Part {
  const memory = device.allocate(part)
  const bytes = bytesOf(memory, part)
  bytes.fill(0)
  const first = rank * part
  for (const { tensors } of layers)
    for (const { tensor, offset } of Object.values(tensors)) {
      let at = offset - first
      for (const piece of tensorBytes(tensor)) {
        const [from, to] = [Math.max(0, at), Math.min(part, at + piece.length)]
        if (from < to) bytes.set(piece.subarray(from - at, to - at), from)
        at += piece.length
      }
    }
  return { memory, bytes }
}

/** Gives the layer a weight in the storage of its block; what it had is freed. */
function replaced({ layer, tensors }: ShardedLayer, storage: Storage): readonly Tensor[] {
  const made = Object.fromEntries(
    Object.entries(tensors).map(
      ([
        name,
        {
          tensor: { shape, dtype },
          offset,
        },
      ]) => [name, new Tensor(storage.retain(), shape, dtype, offset, null)],
    ),
  )
  const before = layer.weight
  layer.weight = before instanceof Tensor ? made['weight'] : packed(before, made)
  before[Symbol.dispose]()
  return Object.values(made)
}

function packed(
  { kind, shape, block, offset, threshold }: QuantizedWeight,
  { data, scale, nested }: Readonly<Record<string, Tensor>>,
): QuantizedWeight {
  return quantizedWeight({ kind, shape, block, offset, threshold, parts: { data, scale, nested } })
}

function bytesOf({ host }: Allocation, length: number): Uint8Array {
  if (host) return new Uint8Array(host, 0, length)
  throw new TrituneError('E_UNSUPPORTED', 'shard_base: a block of the model takes more than 4 GiB', {
    remedy: 'pack the base (load_in_4bit: true), or leave out shard_base',
  })
}

function apart(): TrituneError {
  return new TrituneError(
    'E_UNSUPPORTED',
    'the weights of the base lie in parts on all processes (shard_base), and one of them wants to read them alone',
    { remedy: 'leave out shard_base' },
  )
}
