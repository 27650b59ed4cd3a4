/**
 * Reads a LoRA of a GGUF file and puts it on a model, as `loadAdapter` does with PEFT's files.
 */
import { type Model, type Tensor, TrituneError } from '../../../core/mod.ts'
import { setTensorBytes } from '../../../core/tensor/tensor-bytes.ts'
import { ggufFamily, type GgufFile, openGguf, readGgufLora } from '../../gguf/mod.ts'
import type { AttachedAdapter } from '../attach/attached-adapter.ts'
import { attachLora } from '../attach/attach-lora.ts'
import { PREFIX } from './tensor-names.ts'

/** Options of `loadGgufAdapter()`. */
export interface LoadGgufOptions {
  readonly name?: string
  readonly dropout?: number
}

/**
 * The adapter is active from then on, beside those that are. Throws E_FILE, E_FORMAT, E_UNSUPPORTED, or E_ADAPTER when it does not fit
 * the model, which is then unchanged.
 */
export function loadGgufAdapter(
  model: Model,
  path: string | GgufFile,
  { name, dropout = 0 }: LoadGgufOptions = {},
): AttachedAdapter {
  const file = typeof path === 'string' ? openGguf(path) : path
  const family = ggufFamily(model.info.type, file.path)
  const { alpha, pairs } = readGgufLora(file, family, headCounts(model))
  const paths = new Map([...model.layers.keys()].map((own) => [model.info.written?.nameOf(own) ?? own, own]))
  const modules = pairs.map((pair) => {
    const module = pair.name.replace(/\.weight$/, '')
    return { ...pair, path: paths.get(module) ?? module }
  })
  for (const { path: module, rank, a, b } of modules) {
    const layer = model.layers.get(module)
    if (!layer)
      throw new TrituneError('E_ADAPTER', `the adapter has weights for ${module}, which the model lacks`, {
        place: file.path,
        remedy: 'name the base model that the adapter was trained on',
      })
    if (a.length !== rank * layer.inputs || b.length !== layer.outputs * rank)
      throw new TrituneError(
        'E_ADAPTER',
        `the adapter is for ${a.length / rank} → ${b.length / rank}; ${module} is ${layer.inputs} → ${layer.outputs}`,
        { place: file.path, remedy: 'name the base model that the adapter was trained on' },
      )
    if ([...a, ...b].some((value) => !Number.isFinite(value)))
      throw new TrituneError('E_ADAPTER', `the weights for ${module} have NaN or Inf`, {
        place: file.path,
        remedy: 'convert it again from an adapter whose weights are finite',
      })
  }
  const rank = modules[0].rank
  const adapter = attachLora(model, {
    rank,
    alpha,
    dropout,
    ...(name === undefined ? {} : { name }),
    targetModules: modules.map(({ path: module }) => module),
    rankPattern: Object.fromEntries(
      modules.filter((one) => one.rank !== rank).map((one) => [one.path, one.rank]),
    ),
  })
  for (const { path: module, a, b } of modules) {
    const isTable = model.layers.get(module)?.kind === 'embedding'
    const [nameA, nameB] = isTable ? TABLE_NAMES : NAMES
    fill(adapter.tensors.get(`${PREFIX}${module}.${nameA}`), a, module)
    fill(adapter.tensors.get(`${PREFIX}${module}.${nameB}`), b, module)
  }
  return adapter
}

const NAMES = ['lora_A.weight', 'lora_B.weight'] as const
const TABLE_NAMES = ['lora_embedding_A', 'lora_embedding_B'] as const

/** Query and key heads of a model, by its config.json. */
export function headCounts({ info }: Model): { heads: number; kvHeads: number } {
  const heads = Number(info.config['num_attention_heads'] ?? info.config['n_head'] ?? info.kvHeads)
  return { heads, kvHeads: info.kvHeads }
}

function fill(tensor: Tensor | undefined, values: Float32Array, module: string): void {
  if (!tensor)
    throw new TrituneError('E_UNSUPPORTED', `a LoRA on ${module} cannot be read from a GGUF file`, {
      remedy: 'load the folder of the adapter instead',
    })
  setTensorBytes(tensor, new Uint8Array(values.buffer, values.byteOffset, values.byteLength))
}
