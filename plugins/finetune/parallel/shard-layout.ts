/**
 * What is divided with `shard_base: true`: the frozen weights of the linear layers of a model's blocks, each block as one stretch of bytes that is cut into as many parts
 * as there are processes. Embeddings, the head, norms and biases stay whole.
 */
import { isQuantized, type Layer, type Model, Tensor } from '../../../core/mod.ts'

/** A tensor of a block. */
export interface ShardedTensor {
  readonly tensor: Tensor
  /** Bytes from the start of the block. */
  readonly offset: number
}

/** A layer, and where its tensors lie: the weight, or the parts of a packed one. */
export interface ShardedLayer {
  readonly layer: Layer
  readonly tensors: Readonly<Record<string, ShardedTensor>>
}

/** A block of the model. */
export interface ShardedBlock {
  readonly layers: readonly ShardedLayer[]
  /** Bytes of each process; the last one has padding. */
  readonly part: number
}

export interface ShardLayout {
  /** In the order in which a forward pass comes by. */
  readonly blocks: readonly ShardedBlock[]
  /** Bytes of all weights that are divided. */
  readonly whole: number
  /** Bytes that a process holds for them: its parts, and room for two whole blocks. */
  readonly resident: number
}

/** Bytes to which each tensor is aligned, as memory of the CPU device is. */
const ALIGNMENT = 64
/** Blocks that are whole at a time. */
export const WHOLE_BLOCKS = 2

export function shardLayout(model: Pick<Model, 'layers'>, processes: number): ShardLayout {
  const blocks = [...Map.groupBy(model.layers.values(), blockOf)].flatMap(([block, layers]) =>
    block === null ? [] : [blockLayout(layers, processes)],
  )
  const sizes = blocks.map(({ part }) => processes * part)
  return {
    blocks,
    whole: sum(
      blocks.flatMap(({ layers }) =>
        layers.flatMap(({ tensors }) => Object.values(tensors).map(({ tensor }) => tensor.bytes)),
      ),
    ),
    resident: sum(blocks.map(({ part }) => part)) + WHOLE_BLOCKS * Math.max(0, ...sizes),
  }
}

/** `model.layers.3` of `model.layers.3.mlp.up_proj`; null where the layer stays whole. */
export function blockOf({ path, kind, weight, form }: Layer): string | null {
  if (kind !== 'linear' || form || (weight instanceof Tensor && weight.requiresGrad)) return null
  return /^.*?\.\d+(?=\.)/.exec(path)?.[0] ?? null
}

/** Where the tensors of the layers of one block lie. */
export function blockLayout(layers: readonly Layer[], processes: number): ShardedBlock {
  let end = 0
  const placed = layers.map((layer): ShardedLayer => {
    const tensors = Object.fromEntries(
      Object.entries(tensorsOf(layer)).map(([name, tensor]) => {
        const offset = end
        end += aligned(tensor.bytes)
        return [name, { tensor, offset }]
      }),
    )
    return { layer, tensors }
  })
  return { layers: placed, part: aligned(Math.ceil(end / processes)) }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function tensorsOf({ weight }: Layer): Readonly<Record<string, Tensor>> {
  if (!isQuantized(weight)) return { weight }
  const { data, scale, nested } = weight.parts
  return { data, scale, ...(nested && { nested }) }
}

function aligned(bytes: number): number {
  return Math.ceil(bytes / ALIGNMENT) * ALIGNMENT
}

function sum(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0)
}
