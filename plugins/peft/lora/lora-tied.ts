/**
 * One LoRA for the token embedding and the output head of a model that ties them (PEFT's `ensure_weight_tying`).
 *
 *   embedding   W + s·(B·A)ᵀ                head   the same matrix: its factors are those of the embedding, transposed
 *
 * The head has no tensors of its own: gradients of both places meet in one pair of factors, and merging keeps the weights tied. The file has both
 * pairs, as PEFT writes them. (PEFT trains the two pairs in turn on the same memory, so Adam's steps differ there.)
 */
import {
  type Adapter,
  affine,
  type BaseLayer,
  baseForward,
  cast,
  currentNoise,
  dropout as dropped,
  type FloatDType,
  type LayerAdapterDefinition,
  linear,
  type Model,
  noGrad,
  scoped,
  type SharedAdapterDefinition,
  siteOf,
  type Tensor,
  transpose,
  TrituneError,
} from '../../../core/mod.ts'
import { lasting } from '../delta/leaves.ts'
import type { LoraAdapter } from './lora-factors.ts'
import type { LoraOptions } from './lora-options.ts'
import { layersOfTargets, type TargetOptions } from '../attach/targets.ts'

const [HEAD_A, HEAD_B] = ['lora_A.weight', 'lora_B.weight']
const [TABLE_A, TABLE_B] = ['lora_embedding_A', 'lora_embedding_B']

/** The targets with the embedding in the place of the head, as PEFT writes them; null: nothing that is tied is among them. */
export function tiedTargets(
  { layers, embedding, head }: Pick<Model, 'layers' | 'embedding' | 'head'>,
  targets: TargetOptions,
): { readonly written: readonly string[] | string; readonly used: readonly string[] } | null {
  if (head.tiedTo !== embedding.path && embedding.tiedTo !== head.path) return null
  const { matched } = layersOfTargets({ layers }, targets)
  if (!matched.includes(head.path) && !matched.includes(embedding.path)) return null
  const { targetModules } = targets
  const isHead = (name: string): boolean => head.path === name || head.path.endsWith(`.${name}`)
  const used = [...new Set([...matched, embedding.path, head.path])]
  const written =
    typeof targetModules === 'string' && targets.layersToTransform?.length
      ? used.filter((path) => path !== head.path)
      : typeof targetModules === 'string'
        ? `(?:${targetModules}|^${embedding.path.replaceAll('.', String.raw`\.`)}$)`
        : [...new Set([...targetModules.filter((name) => !isHead(name)), embedding.path])]
  return { written, used }
}

/** The definition of all layers at once, so that the head finds what the embedding has. `optionsFor` gives each its rank and alpha. */
export function tiedLora(
  definition: LayerAdapterDefinition<LoraOptions>,
  { embedding, head }: Pick<Model, 'embedding' | 'head'>,
  optionsFor: (path: string, options: LoraOptions) => LoraOptions,
): SharedAdapterDefinition<LoraOptions> {
  const { name, options, kinds, peft } = definition
  return {
    name,
    options,
    kinds,
    peft,
    createShared(layers, shared, context) {
      const made = new Map<string, Adapter>()
      try {
        for (const layer of layers)
          if (layer.path !== head.path)
            made.set(layer.path, definition.create(layer, optionsFor(layer.path, shared), context))
        const table = made.get(embedding.path)
        if (!table || !isLora(table))
          throw new TrituneError('E_ADAPTER', `${embedding.path} has no LoRA that ${head.path} could share`)
        const tied = tiedHead(table, head)
        const adapters = layers.flatMap(({ path }) => made.get(path) ?? (path === head.path ? [tied] : []))
        return { adapters, [Symbol.dispose]() {} }
      } catch (error) {
        for (const adapter of made.values()) adapter[Symbol.dispose]()
        throw error
      }
    },
  }
}

/** A head that computes with the factors of the embedding. E_UNSUPPORTED for DoRA, whose lengths are those of either side. */
export function tiedHead(table: LoraAdapter, { path }: Pick<BaseLayer, 'path'>): Adapter {
  const { a, b, scale, options } = table
  if (table.kind !== 'lora')
    throw new TrituneError('E_UNSUPPORTED', `${path}: DoRA on tied weights cannot stay tied`, {
      remedy: 'leave peft_ensure_weight_tying out, or embedding and head',
    })
  const site = siteOf(path)
  return {
    kind: 'lora',
    sameAs: table,
    forward: (x, base) =>
      baseForward(base, x, {
        lora: {
          a: transpose(b),
          b: transpose(a),
          scale,
          dropout: currentNoise() ? options.dropout : 0,
          site,
        },
      }),
    delta(x) {
      const dtype = x.dtype as FloatDType
      const seen = currentNoise() ? dropped(x, { p: options.dropout, site }) : x
      const inner = linear(seen, cast(transpose(b), dtype))
      return affine(linear(inner, cast(transpose(a), dtype)), { scale })
    },
    parameters: () => ({}),
    stored: {
      make: () =>
        noGrad(() => {
          const { tensors, dispose } = storedOf(table)
          try {
            return {
              [HEAD_A]: flipped(tensors[TABLE_B]),
              [HEAD_B]: flipped(tensors[TABLE_A]),
            }
          } finally {
            dispose()
          }
        }),
      take() {}, // the embedding takes them
    },
    merge: (weight) => mergedBy(table, weight, 'merge'),
    unmerge: (weight) => mergedBy(table, weight, 'unmerge'),
    [Symbol.dispose]() {},
  }
}

/** After loading: gives the head the factors of the embedding where the file has the same in both. */
export function tieLoaded(
  { embedding, head }: Pick<Model, 'embedding' | 'head'>,
  adapters: ReadonlyMap<string, Adapter>,
): ReadonlyMap<string, Adapter> {
  const [table, own] = [adapters.get(embedding.path), adapters.get(head.path)]
  const isTied = head.tiedTo === embedding.path || embedding.tiedTo === head.path
  if (!isTied || !table || !own || !isLora(table) || !isLora(own) || own.kind !== 'lora') return adapters
  if (!isTransposed(table.a, own.b) || !isTransposed(table.b, own.a)) return adapters
  own[Symbol.dispose]()
  const tied = tiedHead(table, head)
  return new Map([...adapters].map(([path, adapter]) => [path, path === head.path ? tied : adapter]))
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function isLora(adapter: Adapter): adapter is LoraAdapter {
  return (adapter.kind === 'lora' || adapter.kind === 'dora') && 'a' in adapter && 'b' in adapter
}

function storedOf(table: LoraAdapter): {
  readonly tensors: Readonly<Record<string, Tensor>>
  dispose(): void
} {
  if (!table.stored) return { tensors: table.parameters(), dispose() {} }
  const tensors = table.stored.make()
  return {
    tensors,
    dispose() {
      for (const tensor of Object.values(tensors)) tensor.dispose()
    },
  }
}

function flipped(tensor: Tensor): Tensor {
  return lasting(scoped(() => transpose(tensor)))
}

function mergedBy(table: LoraAdapter, weight: Tensor, way: 'merge' | 'unmerge'): Tensor {
  const now = table[way]?.(weight)
  if (now) return now
  throw new TrituneError('E_UNSUPPORTED', 'the LoRA of the embedding cannot be merged')
}

function isTransposed(x: Tensor, y: Tensor): boolean {
  const [rows, columns] = x.shape
  if (y.shape[0] !== columns || y.shape[1] !== rows) return false
  const [a, b] = [x.toArray(), y.toArray()]
  return a.every((value, i) => b[(i % columns) * rows + Math.floor(i / columns)] === value)
}
