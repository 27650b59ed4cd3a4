/**
 * What an adapter on a disk is: its method, rank and targets, how large it is, how much it changes which module, whether its numbers are numbers.
 * Without the model, so a change is measured by its tensors; of a LoRA by the product of its factors.
 */
import { zeros } from '../../../core/mod.ts'
import { referenceDevice, type Tensor, TrituneError } from '../../../core/mod.ts'
import { type AdapterFormat, openAdapterFiles } from './adapter-files.ts'
import { fillParameter } from '../fill-parameter.ts'
import { METHODS } from '../methods/methods.ts'
import { PREFIX } from './tensor-names.ts'

/** One module that the adapter is on, or what belongs to none. */
export interface InspectedModule {
  /** Path in the model; empty for tensors that belong to no module. */
  readonly path: string
  /** Shapes of its tensors, by what their names add to the path. */
  readonly tensors: Readonly<Record<string, readonly number[]>>
  /** Root of the sum of squares of all its numbers. */
  readonly norm: number
  /** Of a LoRA: ‖s·B·A‖, by which the weight changes. null: of other methods. */
  readonly change: number | null
  /** Names of tensors with NaN or Inf. */
  readonly broken: readonly string[]
}

/** What `inspectAdapter()` found. */
export interface InspectedAdapter {
  readonly folder: string
  /** Who writes such files. */
  readonly format: AdapterFormat
  /** `peft_type`: LORA, IA3, …; of a method that PEFT has not, the name of its definition. */
  readonly method: string
  /** Of a LoRA with `use_dora`. */
  readonly isDora: boolean
  readonly baseModel: string | null
  readonly rank: number | null
  readonly alpha: number | null
  readonly targets: string | readonly string[] | null
  /** Numbers in all tensors. */
  readonly parameters: number
  readonly bytes: number
  /** Types that the tensors are stored in. */
  readonly dtypes: readonly string[]
  readonly modules: readonly InspectedModule[]
  /** Whether some tensor has NaN or Inf. */
  readonly isBroken: boolean
}

/** Options of `inspectAdapter()`. */
export interface InspectOptions {
  /** Read the numbers too, for norms and NaN; default: true. Without it norms are 0 and nothing is found broken. */
  readonly numbers?: boolean
}

/**
 * Looks at an adapter of PEFT, tritune or mlx-lm. Throws E_FILE or E_FORMAT for files that cannot be read; numbers that are NaN are told, not
 * thrown.
 *
 * @example
 * ```ts
 * import { inspectAdapter } from 'tritune/plugins/peft'
 *
 * const { method, rank, isBroken } = inspectAdapter('my-adapter')
 * console.log(method, rank !== null, isBroken) // → LORA true false
 * ```
 */
export function inspectAdapter(folder: string, { numbers = true }: InspectOptions = {}): InspectedAdapter {
  const files = openAdapterFiles(folder)
  const { config, entries, checkpoint, file, format } = files
  const parts = new Map<string, Map<string, string>>()
  for (const name of entries.keys()) {
    const { path, part } = split(name)
    parts.set(path, (parts.get(path) ?? new Map<string, string>()).set(part, name))
  }
  const modules = [...parts].map(([path, names]): InspectedModule => {
    const shapes: Record<string, readonly number[]> = {}
    const values = new Map<string, Float32Array>()
    const broken: string[] = []
    for (const [part, name] of names) {
      const entry = entries.get(name)
      if (!entry) continue
      shapes[part] = entry.shape
      if (!numbers) continue
      using target = zeros(entry.shape, { device: referenceDevice })
      const own = numbersOf(target, () => fillParameter(target, entry, checkpoint, file))
      values.set(part, own)
      if (!own.every(Number.isFinite)) broken.push(name)
    }
    const norm = Math.sqrt([...values.values()].reduce((sum, own) => sum + squares(own), 0))
    return { path, tensors: shapes, norm, change: changeOf(config, path, shapes, values), broken }
  })
  const all = [...entries.values()]
  return {
    folder,
    format,
    method: textOf(config['peft_type'] ?? config['tritune_adapter']) ?? 'unknown',
    isDora: config['use_dora'] === true,
    baseModel: textOf(config['base_model_name_or_path']),
    rank: numberOf(config['r']),
    alpha: numberOf(config['lora_alpha'] ?? config['alpha']),
    targets: targetsOf(config['target_modules']),
    parameters: all.reduce((sum, { shape }) => sum + shape.reduce((size, axis) => size * axis, 1), 0),
    bytes: all.reduce((sum, { bytes }) => sum + bytes, 0),
    dtypes: [...new Set(all.map(({ storedDType }) => storedDType))].toSorted(),
    modules,
    isBroken: modules.some(({ broken }) => broken.length > 0),
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** What adapters of PEFT put behind the path of a module. */
const PART =
  /^(.*?)\.((?:lora|ia3|hada|lokr|oft|boft|vera|miss|hra|c3a|shira|road|randlora|fourierft|vblora|delora)_\w+(?:\.\w+)*)$/

function split(name: string): { readonly path: string; readonly part: string } {
  if (!name.startsWith(PREFIX)) return { path: '', part: name }
  const own = name.slice(PREFIX.length)
  const [, path, part] = PART.exec(own) ?? []
  if (path !== undefined && part !== undefined) return { path, part }
  const dot = own.lastIndexOf('.')
  return { path: own.slice(0, Math.max(dot, 0)), part: own.slice(dot + 1) }
}

/** Filling refuses NaN, which here is what is looked for; a type that cannot be a tensor is an error. */
function numbersOf(target: Tensor, fill: () => void): Float32Array {
  try {
    fill()
  } catch (error) {
    if (!(error instanceof TrituneError) || error.code !== 'E_ADAPTER') throw error
  }
  return target.toArray()
}

function squares(values: Float32Array): number {
  return values.reduce((sum, value) => sum + value * value, 0)
}

/** ‖s·B·A‖ = s·√Σ (AAᵀ)∘(BᵀB), without the product. */
function changeOf(
  config: Readonly<Record<string, unknown>>,
  path: string,
  shapes: Readonly<Record<string, readonly number[]>>,
  values: ReadonlyMap<string, Float32Array>,
): number | null {
  const keys = [
    ['lora_A.weight', 'lora_B.weight'],
    ['lora_embedding_A', 'lora_embedding_B'],
  ].find(([one]) => values.has(one))
  if (!keys || config['peft_type'] !== 'LORA') return null
  const [a, b] = keys.map((key) => values.get(key))
  const [shapeA, shapeB] = keys.map((key) => shapes[key])
  if (!a || !b || shapeA?.length !== 2 || shapeB?.length !== 2 || shapeA[0] !== shapeB[1]) return null
  const scale = scaleOf(config, path)
  if (scale === null) return null
  const [rank, inputs] = shapeA
  const [outputs] = shapeB
  let total = 0
  for (let i = 0; i < rank; i++)
    for (let j = 0; j < rank; j++) {
      let [own, other] = [0, 0]
      for (let k = 0; k < inputs; k++) own += a[i * inputs + k] * a[j * inputs + k]
      for (let k = 0; k < outputs; k++) other += b[k * rank + i] * b[k * rank + j]
      total += own * other
    }
  return Math.abs(scale) * Math.sqrt(Math.max(0, total))
}

/** null: the configuration is not one that can be run. */
function scaleOf(config: Readonly<Record<string, unknown>>, path: string): number | null {
  try {
    const { rank, alpha, rsLora } = METHODS.lora.options.validate(METHODS.lora.peft?.read(config, path))
    return rsLora ? alpha / Math.sqrt(rank) : alpha / rank
  } catch (error) {
    if (error instanceof TrituneError) return null
    throw error
  }
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null
}

function numberOf(value: unknown): number | null {
  return typeof value === 'number' ? value : null
}

function targetsOf(value: unknown): InspectedAdapter['targets'] {
  if (typeof value === 'string') return value
  return Array.isArray(value) && value.every((one) => typeof one === 'string') ? value : null
}
