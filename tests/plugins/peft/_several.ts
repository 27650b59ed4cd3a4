/**
 * The folders of tests/oracle/peft_several.py: three LoRAs of PEFT, what it computes with several of them, and what it makes of them. Shared by
 * the tests and by scripts/oracle/several.ts; tolerances stand where it is judged.
 */
import { readFileSync } from 'node:fs'
import { isAbsolute, join } from 'node:path'
import { type Checkpoint, openCheckpoint } from '../../../core/files/checkpoint.ts'
import { product } from '../../../core/linalg/matrix.ts'
import {
  type Device,
  headLogits,
  type Model,
  noGrad,
  tensorScope,
  withDocumentAdapters,
} from '../../../core/mod.ts'
import { createBatch, loadModel } from '../../../plugins/models/mod.ts'
import { combine } from '../../../plugins/peft/combine/add-weighted-adapter.ts'
import { type AttachedAdapter, type CombineMethod, loadAdapter } from '../../../plugins/peft/mod.ts'
import { GOLDEN } from '../../_golden.ts'

/** One call of add_weighted_adapter. */
export interface CombineCase {
  readonly weights: Readonly<Record<string, number>>
  readonly arguments: {
    readonly combination_type: CombineMethod
    readonly density?: number
    readonly majority_sign_method?: 'total' | 'frequency'
    readonly svd_rank?: number
  }
  readonly rank: number
  readonly targets: readonly string[]
}

export interface SeveralCase {
  readonly folder: string
  /** Folder of the model. */
  readonly base: string
  readonly info: {
    readonly base: string
    readonly rows: readonly string[]
    readonly greedy: readonly (readonly number[])[]
    readonly methods: Readonly<Record<string, CombineCase>>
  }
  readonly expected: Checkpoint
  /** Token ids of all rows, one after the other. */
  readonly ids: Int32Array<ArrayBuffer>
  readonly length: number
  /** Where the rows start. */
  readonly offsets: readonly number[]
  /** The first row alone. */
  readonly sequence: { readonly ids: Int32Array<ArrayBuffer>; readonly rows: number; readonly length: number }
}

export function openSeveral(folder: string = join(GOLDEN, 'peft-several')): SeveralCase {
  const info: SeveralCase['info'] = JSON.parse(readFileSync(join(folder, 'expected.json'), 'utf8'))
  const expected = openCheckpoint(join(folder, 'expected.safetensors'))
  const entry = expected.entries.get('input_ids')
  if (!entry) throw new Error('input_ids')
  const ids = new Int32Array(Uint8Array.from(expected.read(entry)).buffer)
  const length = ids.length / info.rows.length
  return {
    folder,
    base: isAbsolute(info.base) ? info.base : join(folder, info.base),
    info,
    expected,
    ids,
    length,
    offsets: Array.from({ length: info.rows.length + 1 }, (_, i) => i * length),
    sequence: { ids: ids.slice(0, length), rows: 1, length },
  }
}

/** The model with the three adapters on it. */
export function openModel(
  { folder, base }: SeveralCase,
  device: Device,
  dtype?: 'f32' | 'bf16',
): DisposableStack & { readonly model: Model } {
  const stack = new DisposableStack()
  const model = stack.use(loadModel(base, { device, dtype }))
  for (const name of ['a', 'b', 'c']) stack.use(loadAdapter(model, join(folder, name), { name }))
  return Object.assign(stack, { model })
}

/** Logits of all rows, each through adapters of its own. */
export function rowLogits(
  { ids, offsets }: Pick<SeveralCase, 'ids' | 'offsets'>,
  model: Model,
  rows: Parameters<typeof withDocumentAdapters>[2],
): Float32Array {
  using _scope = tensorScope()
  const batch = createBatch({ ids, offsets }, model.head.device)
  return withDocumentAdapters(model, batch, rows, () =>
    noGrad(() => headLogits(model.head, model.hidden(batch)).toArray()),
  )
}

/** The adapter that PEFT made, made here; with the mask of the script in the place of the random one. */
export function combineAs(model: Model, name: string, method: CombineCase): AttachedAdapter {
  const {
    combination_type: type,
    density,
    majority_sign_method: majoritySign,
    svd_rank: rank,
  } = method.arguments
  return combine(model, name, method.weights, {
    options: { method: type, density, majoritySign, rank },
    maskOf: (share, _seed, place) => {
      const [path, part] = place.split('/')
      const layer = model.layers.get(path)
      if (!layer) throw new Error(place)
      const { inputs, outputs } = layer
      const n = type.endsWith('svd') ? inputs * outputs : 4 * (part === 'a' ? inputs : outputs)
      return (i) => Number((BigInt(i) * 2654435761n + BigInt(n)) % 4294967296n) / 2 ** 32 < share
    },
  })
}

/** B·A of a layer, as the files give it. */
export function changeOf({ parameters }: AttachedAdapter, path: string): Float64Array {
  const [a, b] = ['lora_A', 'lora_B'].map((part) => {
    const found = parameters.get(`${path}.${part}.weight`)
    if (!found) throw new Error(path)
    return { rows: found.shape[0], columns: found.shape[1], data: Float64Array.from(found.toArray()) }
  })
  return product(b, a).data
}
