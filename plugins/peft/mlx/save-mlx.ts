/**
 * Writes a LoRA or DoRA as mlx-lm does: adapters.safetensors and its adapter_config.json.
 *
 * mlx-lm has one rank and one scale for all modules. Smaller ranks are filled up with zeros, other scales go into lora_b. The modules are
 * named by their whole paths, so the files mean the same whatever the number of layers is.
 */
import { existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { writeFileAtomic } from '../../../core/files/atomic.ts'
import { writeSafetensors } from '../../../core/files/safetensors-write.ts'
import { openSafetensors } from '../../../core/files/safetensors.ts'
import { invocation } from '../../../core/invocation.ts'
import { type Adapter, type Tensor, TrituneError } from '../../../core/mod.ts'
import { METHODS } from '../methods/methods.ts'
import { CONFIG_FILE, WEIGHTS_FILE } from '../files/save.ts'
import { storedTensors } from '../files/stored.ts'
import { MLX_WEIGHTS, mlxName, mlxPath, partOfPeft } from './names.ts'

/** An adapter as PEFT has it: fields of adapter_config.json, and tensors by the names of its file. */
export interface PeftTensors {
  readonly config: Readonly<Record<string, unknown>>
  readonly tensors: ReadonlyMap<string, Tensor>
  /** Of an adapter on a model, whose layers may store other tensors than they train. */
  readonly adapters?: ReadonlyMap<string, Adapter>
}

/** A factor of all experts of a block, as PEFT names it. */
const AGAIN = 'save the adapter again: its files do not belong together'
const ALL_EXPERTS = /\.experts\.(base_layer\.)*lora_[AB]\.weight$/

/** Options of `saveMlxAdapter()`. */
export interface SaveMlxOptions {
  /** Path or hub id of the model that mlx-lm is to load it on: `model`. */
  readonly baseModel: string | null
}

/**
 * Writes both files, each whole or not at all; adapter_config.json comes last. E_UNSUPPORTED for what is no LoRA or DoRA on linear layers,
 * E_FILE when the folder holds an adapter of PEFT. Takes what `attachAdapter()` and `loadAdapter()` give.
 *
 * @example
 * ```ts
 * import { loadModel } from 'tritune/plugins/models'
 * import { loadAdapter, saveMlxAdapter } from 'tritune/plugins/peft'
 *
 * using model = loadModel('my-model')
 * using adapter = loadAdapter(model, 'my-adapter')
 * saveMlxAdapter('for-mlx', adapter, { baseModel: 'mlx-community/SmolLM2-135M-Instruct' })
 * ```
 */
export function saveMlxAdapter(folder: string, adapter: PeftTensors, { baseModel }: SaveMlxOptions): void {
  if (existsSync(join(folder, WEIGHTS_FILE)))
    throw new TrituneError(
      'E_FILE',
      'the folder holds an adapter of PEFT, whose adapter_config.json would be lost',
      {
        place: folder,
        remedy: 'name another folder',
      },
    )
  const ofExperts = [...adapter.tensors.keys()].find((name) => ALL_EXPERTS.test(name))
  if (ofExperts !== undefined)
    throw new TrituneError('E_UNSUPPORTED', 'mlx-lm has no LoRA on all experts of a block', {
      place: ofExperts,
      remedy: 'export the merged model (--to hf)',
    })
  using stored = storedTensors({ adapters: new Map(), ...adapter })
  const { modules, rank, scale, dropout, isDora } = modulesOf({
    config: adapter.config,
    tensors: stored.tensors,
  })
  const weights = join(folder, MLX_WEIGHTS)
  const configPath = join(folder, CONFIG_FILE)
  const tensors = modules.flatMap(({ path, a, b, magnitude, own }) => {
    const [wide, out] = [a.shape[1], b.shape[0]]
    const inputs = new Float32Array(wide * rank)
    const outputs = new Float32Array(rank * out)
    const [valuesA, valuesB] = [a.toArray(), b.toArray()]
    const factor = own.scale / scale
    for (let k = 0; k < own.rank; k++) {
      for (let i = 0; i < wide; i++) inputs[i * rank + k] = valuesA[k * wide + i]
      for (let o = 0; o < out; o++) outputs[k * out + o] = valuesB[o * own.rank + k] * factor
    }
    return [
      source(mlxName({ path, part: 'lora_A.weight' }), [wide, rank], inputs),
      source(mlxName({ path, part: 'lora_B.weight' }), [rank, out], outputs),
      ...(magnitude
        ? [source(mlxName({ path, part: 'lora_magnitude_vector' }), magnitude.shape, magnitude.toArray())]
        : []),
    ]
  })
  writeSafetensors(
    weights,
    tensors,
    { format: 'mlx' },
    { beforeRename: () => rmSync(configPath, { force: true }) },
  )
  const blocks = modules.map(({ path }) => Number(/\.(?:layers|h)\.(\d+)\./.exec(path)?.[1] ?? -1))
  const config = {
    fine_tune_type: isDora ? 'dora' : 'lora',
    lora_parameters: { dropout, keys: modules.map(({ path }) => mlxPath(path)).toSorted(), rank, scale },
    model: baseModel,
    num_layers: Math.max(0, ...blocks) + 1,
  }
  writeFileAtomic(configPath, `${JSON.stringify(config, null, 4)}\n`)
  const written = openSafetensors(weights).entries.size
  if (written !== tensors.length)
    throw new TrituneError('E_FILE', `the saved adapter has ${written} tensors, expected ${tensors.length}`, {
      place: weights,
    })
}

// ---- helpers ----------------------------------------------------------------------------------------------------

interface Module {
  readonly path: string
  readonly a: Tensor
  readonly b: Tensor
  readonly magnitude: Tensor | null
  readonly own: { readonly rank: number; readonly scale: number }
}

interface Modules {
  readonly modules: readonly Module[]
  readonly rank: number
  readonly scale: number
  readonly dropout: number
  readonly isDora: boolean
}

function modulesOf({ config, tensors }: PeftTensors): Modules {
  if (config['peft_type'] !== 'LORA')
    throw new TrituneError(
      'E_UNSUPPORTED',
      `mlx-lm has LoRA and DoRA, not ${JSON.stringify(config['peft_type'] ?? null)}`,
      {
        remedy: `make a LoRA of it: ${invocation('adapter')} merge <folder> <adapter> --rank 16`,
      },
    )
  const parts = new Map<string, Map<string, Tensor>>()
  for (const [name, tensor] of tensors) {
    const found = partOfPeft(name)
    if (!found)
      throw new TrituneError('E_UNSUPPORTED', `mlx-lm has no place for tensor "${name}"`, {
        remedy: 'only LoRA and DoRA on linear layers can be converted',
      })
    parts.set(found.path, (parts.get(found.path) ?? new Map<string, Tensor>()).set(found.part, tensor))
  }
  let dropout = 0
  const modules = [...parts].map(([path, all]): Module => {
    const [a, b] = [all.get('lora_A.weight'), all.get('lora_B.weight')]
    if (!a || !b)
      throw new TrituneError('E_ADAPTER', `${path} has one of lora_A and lora_B only`, { remedy: AGAIN })
    const options = METHODS.lora.options.validate(METHODS.lora.peft?.read(config, path))
    dropout = options.dropout
    const { rank, alpha, rsLora } = options
    if (a.shape[0] !== rank || b.shape[1] !== rank)
      throw new TrituneError(
        'E_ADAPTER',
        `${path}: the factors have rank ${a.shape[0]} and ${b.shape[1]}, the configuration says ${rank}`,
        { remedy: AGAIN },
      )
    const scale = rsLora ? alpha / Math.sqrt(rank) : alpha / rank
    return { path, a, b, magnitude: all.get('lora_magnitude_vector') ?? null, own: { rank, scale } }
  })
  const [first] = modules
  if (!first) throw new TrituneError('E_ADAPTER', 'the adapter has no tensors', { remedy: AGAIN })
  const isDora = first.magnitude !== null
  if (modules.some(({ magnitude }) => (magnitude !== null) !== isDora))
    throw new TrituneError(
      'E_UNSUPPORTED',
      'some modules are DoRA and some are not; mlx-lm has one for all',
      {
        remedy: 'train all modules with use_dora, or none',
      },
    )
  return {
    modules,
    rank: Math.max(...modules.map(({ own }) => own.rank)),
    scale: first.own.scale,
    dropout,
    isDora,
  }
}

function source(
  name: string,
  shape: readonly number[],
  values: Float32Array,
): Parameters<typeof writeSafetensors>[1] extends Iterable<infer T> ? T : never {
  return {
    name,
    dtype: 'f32',
    shape,
    chunks: () => [new Uint8Array(values.buffer, values.byteOffset, values.byteLength)],
  }
}
