/**
 * Mixtures of experts: a file has a layer of all experts of a block in one tensor (experts, out, in). transformers has each expert on its own, or all in
 * one tensor (experts, in, out) in which gate and up alternate (gpt_oss).
 */
import type { TensorSource } from '../../../core/files/safetensors-write.ts'
import { transposed } from '../permute.ts'
import { floatRows } from '../source-rows.ts'
import { u32 } from '../typed-values.ts'
import { type Json, numberOf, type OwnEntries, type OwnReader } from './own-keys.ts'

/** How a family has its experts at transformers. */
export interface GgufExperts {
  /** In a block: `mlp.experts`. */
  readonly path: string
  /** Of an expert, by what they are in a file. */
  readonly layers: Readonly<Record<ExpertStack, string>>
  /** All experts in one tensor, gate and up alternating, with biases. */
  readonly fused?: boolean
}

/** Tensors of all experts of a block, as files name them. */
export type ExpertStack = 'ffn_gate_exps' | 'ffn_up_exps' | 'ffn_down_exps'

/** Names of the stacks for `GgufFamily.layer`. */
export function stackNames({ path, layers }: GgufExperts): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(layers).map(([stack, layer]) => [stack, `${path}.${layer}`]))
}

/** Tensors of transformers with the experts of each layer stacked, `…mlp.experts.gate_proj.weight`, at the place of the first. */
export function stacked(experts: GgufExperts, sources: readonly TensorSource[]): TensorSource[] {
  return experts.fused ? sources.flatMap((one) => apart(experts, one)) : joined(experts, sources)
}

/** A weight as it is stored, and how one expert of it is read. */
export interface StoredStack {
  readonly shape: readonly number[]
  readonly storedType: string
  expert(index: number): Float32Array
}

/** A weight as transformers has it. */
export interface UnstackedTensor {
  readonly name: string
  readonly shape: readonly number[]
  readonly storedType: string
  read(): Float32Array
}

/** The stacks of one block, by their names in the file → the tensors of transformers, under names within the block. */
export function unstacked(
  { path, layers, fused }: GgufExperts,
  stacks: ReadonlyMap<string, StoredStack>,
): UnstackedTensor[] {
  if (fused) return together(path, stacks)
  return [...stacks].flatMap(([name, { shape, storedType, expert }]) => {
    const [stack, part] = name.split('.')
    const layer = Object.entries(layers).find(([key]) => key === stack)?.[1] ?? stack
    return Array.from({ length: shape[0] ?? 0 }, (_, i) => ({
      name: `${path}.${i}.${layer}.${part}`,
      shape: shape.slice(1),
      storedType,
      read: () => expert(i),
    }))
  })
}

/** Keys of every mixture. */
export function expertEntries(config: Json, countKey: string, place: string): OwnEntries['entries'] {
  return [
    ['expert_count', u32(numberOf(config, countKey, place))],
    ['expert_used_count', u32(numberOf(config, 'num_experts_per_tok', place))],
  ]
}

export function expertFields(file: OwnReader, countKey: string): Json {
  return {
    [countKey]: file.number('expert_count'),
    num_experts_per_tok: file.number('expert_used_count'),
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function joined({ path, layers }: GgufExperts, sources: readonly TensorSource[]): TensorSource[] {
  const known = Object.values(layers).join('|')
  const one = new RegExp(`^(.+\\.${path.replaceAll('.', String.raw`\.`)})\\.(\\d+)\\.(${known})\\.weight$`)
  const stacks = new Map<string, TensorSource[]>()
  const all: (TensorSource | string)[] = []
  for (const source of sources) {
    const found = one.exec(source.name)
    if (!found) {
      all.push(source)
      continue
    }
    const name = `${found[1]}.${found[3]}.weight`
    const stack = stacks.get(name)
    if (stack) stack[Number(found[2])] = source
    else {
      const first: TensorSource[] = []
      first[Number(found[2])] = source
      stacks.set(name, first)
      all.push(name)
    }
  }
  return all.flatMap((entry) => {
    if (typeof entry !== 'string') return [entry]
    const parts = stacks.get(entry) ?? []
    const [{ dtype, shape }] = parts
    return [
      {
        name: entry,
        dtype,
        shape: [parts.length, ...shape],
        *chunks() {
          for (const part of parts) yield* part.chunks()
        },
      },
    ]
  })
}

/** (experts, in, 2·I) with gate and up in turn → two of (experts, I, in); the others are turned, and biases keep their order. */
function apart({ path, layers }: GgufExperts, source: TensorSource): TensorSource[] {
  const [stem, last] = cut(source.name)
  if (stem.endsWith('self_attn') && last === 'sinks') return [{ ...source, name: `${source.name}.weight` }]
  if (!stem.endsWith(path)) return [source]
  const isBias = last.endsWith('_bias')
  const part = isBias ? 'bias' : 'weight'
  const [count, inner, outer] = isBias ? [source.shape[0], 1, source.shape[1]] : source.shape
  const named = (layer: string, rows: number, pick: (all: Float32Array) => Float32Array): TensorSource => ({
    name: `${stem}.${layer}.${part}`,
    dtype: 'f32',
    shape: isBias ? [count, rows] : [count, rows, inner],
    *chunks() {
      for (const values of floatRows(source, inner * outer))
        yield bytesOf(pick(isBias ? values : transposed(values, inner, outer)))
    },
  })
  if (last.startsWith('down_proj')) return [named(layers.ffn_down_exps, outer, (all) => all)]
  const every = (first: number) => (all: Float32Array) => {
    const picked = new Float32Array(all.length / 2)
    for (let row = 0; row < outer / 2; row++)
      picked.set(all.subarray((2 * row + first) * inner, (2 * row + first + 1) * inner), row * inner)
    return picked
  }
  return [named(layers.ffn_gate_exps, outer / 2, every(0)), named(layers.ffn_up_exps, outer / 2, every(1))]
}

/** The way back from `apart`. */
function together(path: string, stacks: ReadonlyMap<string, StoredStack>): UnstackedTensor[] {
  const made: UnstackedTensor[] = []
  for (const part of ['weight', 'bias'] as const) {
    const [gate, up, down] = ['ffn_gate_exps', 'ffn_up_exps', 'ffn_down_exps'].map((stack) =>
      stacks.get(`${stack}.${part}`),
    )
    const ending = part === 'bias' ? '_bias' : ''
    if (down) made.push(turned(`${path}.down_proj${ending}`, [down]))
    if (gate && up) made.push(turned(`${path}.gate_up_proj${ending}`, [gate, up]))
  }
  return made
}

/** (experts, out, in), of several in turn → (experts, in, out of all). */
function turned(name: string, stacks: readonly StoredStack[]): UnstackedTensor {
  const [{ shape, storedType }] = stacks
  const [count = 0, rows = 1, inner = 1] = shape
  const outer = rows * stacks.length
  return {
    name,
    shape: shape.length === 2 ? [count, outer] : [count, inner, outer],
    storedType,
    read() {
      const all = new Float32Array(count * outer * inner)
      for (let expert = 0; expert < count; expert++) {
        const mixed = new Float32Array(outer * inner)
        for (const [i, stack] of stacks.entries()) {
          const own = stack.expert(expert)
          for (let row = 0; row < rows; row++)
            mixed.set(own.subarray(row * inner, (row + 1) * inner), (row * stacks.length + i) * inner)
        }
        all.set(transposed(mixed, outer, inner), expert * outer * inner)
      }
      return all
    },
  }
}

function cut(name: string): [stem: string, last: string] {
  const dot = name.lastIndexOf('.')
  return [name.slice(0, dot), name.slice(dot + 1)]
}

function bytesOf(values: Float32Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
}
