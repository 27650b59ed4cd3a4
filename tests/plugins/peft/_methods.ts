/**
 * How far a method is from what PEFT computes with the same files; shared by the tests and by scripts/oracle/peft.ts.
 *
 * The folders are those of tests/oracle/peft_methods.py. Everything here measures; tolerances stand where it is judged.
 */
import { readFileSync } from 'node:fs'
import { isAbsolute, join } from 'node:path'
import { type Checkpoint, openCheckpoint } from '../../../core/files/checkpoint.ts'
import { openSafetensors } from '../../../core/files/safetensors.ts'
import {
  adamw,
  type AnyAdapterDefinition,
  type Device,
  type GradientTransform,
  type Model,
  type Tensor,
} from '../../../core/mod.ts'
import { concatenate } from '../../../plugins/data/mod.ts'
import { trainStep } from '../../../plugins/finetune/mod.ts'
import { loadModel } from '../../../plugins/models/mod.ts'
import {
  attachAdapter,
  type AttachedAdapter,
  attachLora,
  loadAdapter,
  mergedSources,
  peft,
} from '../../../plugins/peft/mod.ts'
import { besideOf, withoutBeside } from '../../../plugins/peft/beside/from-file.ts'
import { loraFormat } from '../../../plugins/peft/lora/lora-format.ts'
import {
  logitsOf,
  lossAndGradients,
  readFloats,
  readSequences,
  relativeError,
  type Sequences,
} from '../../_golden.ts'

const WEIGHTS = 'adapter_model.safetensors'
const CONFIG = 'adapter_config.json'

type Fields = Readonly<Record<string, unknown>>

/** One folder of PEFT, and what PEFT computed with it. */
export interface MethodCase {
  readonly folder: string
  readonly base: string
  readonly config: Fields
  readonly info: {
    readonly variant: string
    readonly base: string
    readonly learningRate: number
    readonly weightDecay: number
    readonly loss: number
    readonly losses: readonly number[]
    readonly effect: number
    readonly merges: boolean
  }
  readonly expected: Checkpoint
  readonly sequences: Sequences
  readonly logits: Float32Array
}

export function openMethod(folder: string): MethodCase {
  const info = JSON.parse(readFileSync(join(folder, 'expected.json'), 'utf8')) as MethodCase['info']
  const expected = openCheckpoint(join(folder, 'expected.safetensors'))
  return {
    folder,
    info,
    base: isAbsolute(info.base) ? info.base : join(folder, info.base),
    config: readConfig(folder),
    expected,
    sequences: readSequences(expected),
    logits: readFloats(expected, 'logits'),
  }
}

export function readConfig(folder: string): Fields {
  return JSON.parse(readFileSync(join(folder, CONFIG), 'utf8')) as Fields
}

/** Logits of PEFT's folder as `loadAdapter` reads it; also how far they are from those of the base alone. */
export function measureLogits(golden: MethodCase, device: Device): { error: number; effect: number } {
  using model = loadModel(golden.base, { device })
  const plain = logitsOf(model, golden.sequences)
  using _adapter = loadAdapter(model, golden.folder)
  const logits = logitsOf(model, golden.sequences)
  return { error: relativeError(logits, golden.logits), effect: relativeError(logits, plain) }
}

export interface GradientErrors {
  /** The worst tensor, relative to its largest gradient. */
  readonly error: number
  readonly worst: string
  readonly loss: number
}

/** Gradients of every trained tensor, of an adapter that was attached here and has PEFT's values. */
export function measureGradients(golden: MethodCase, device: Device, checkpointing = false): GradientErrors {
  using model = loadModel(golden.base, { device })
  using adapter = attachLike(model, golden)
  const metrics: Record<string, number> = {}
  const plain = lossAndGradients(model, golden.sequences, { checkpointing })
  using around = adapter.around(NO_STEP).init(adapter.parameters)
  around.apply({ step: 1, learningRate: 0, gradScale: 1, metrics })
  const loss = plain + (metrics.adapter_penalty ?? 0)
  const wanted = [...golden.expected.entries.keys()].filter((name) => name.startsWith('grad.'))
  const trained = trainedByFileName(adapter)
  let [error, worst] = [0, '']
  for (const name of wanted) {
    const parameter = trained.get(name.slice('grad.'.length))
    const here = parameter?.grad
      ? relativeError(parameter.grad.toArray(), readFloats(golden.expected, name))
      : Infinity
    if (here >= error) [error, worst] = [here, name]
  }
  if (wanted.length !== trained.size)
    [error, worst] = [Infinity, `${trained.size} trained, ${wanted.length} in PEFT`]
  for (const parameter of adapter.parameters.values()) {
    parameter.grad?.dispose()
    parameter.grad = null
  }
  return { error, worst, loss: Math.abs(loss - golden.info.loss) }
}

/** The largest difference of a loss in the steps of PEFT, penalties included. `then`: what is asked of the trained adapter. */
export function measureSteps(
  golden: MethodCase,
  device: Device,
  then: (model: Model, adapter: AttachedAdapter) => void = () => undefined,
): number {
  const { learningRate, weightDecay, losses } = golden.info
  using model = loadModel(golden.base, { device })
  using adapter = attachLike(model, golden)
  const { parameters } = adapter
  using optimizer = adapter.around(adamw({ weightDecay })).init(parameters)
  const context = { model, device, parameters, optimizer, checkpointing: false, seed: 0 }
  const batches = readBatches(golden.expected)
  let worst = 0
  for (const [step, wanted] of losses.entries()) {
    const window = [
      concatenate(
        batches[step].map((ids, line) => ({ ids, labels: ids, source: { file: 'batches', line } })),
      ),
    ]
    const { loss, metrics } = trainStep(context, window, { step, learningRate })
    const difference = Math.abs(loss + (metrics.adapter_penalty ?? 0) - wanted)
    if (!(difference <= worst)) worst = Number.isNaN(difference) ? Infinity : difference
  }
  then(model, adapter)
  return worst
}

/** The worst merged weight; Infinity when one is missing. */
export function measureMerge(golden: MethodCase, device: Device): number {
  using model = loadModel(golden.base, { device })
  using _adapter = loadAdapter(model, golden.folder)
  const wanted = new Set(
    [...golden.expected.entries.keys()].flatMap((name) =>
      name.startsWith('merged.') ? [name.slice('merged.'.length)] : [],
    ),
  )
  let error = wanted.size === 0 ? Infinity : 0
  for (const { name, chunks } of mergedSources(model)) {
    if (!wanted.delete(name)) continue
    const copies: Uint8Array[] = []
    for (const chunk of chunks()) copies.push(Uint8Array.from(chunk)) // its memory is gone with the next one
    const values = new Float32Array(Uint8Array.from(Buffer.concat(copies)).buffer)
    error = Math.max(error, relativeError(values, readFloats(golden.expected, `merged.${name}`)))
  }
  return wanted.size > 0 ? Infinity : error
}

/** Keys of the configuration that tell something else than PEFT's; lists of names have no order there. */
export function configDifferences(ours: Fields, theirs: Fields): string[] {
  return [...new Set([...Object.keys(ours), ...Object.keys(theirs)])]
    .filter((key) => shown(ours[key]) !== shown(theirs[key]) || key in ours !== key in theirs)
    .map((key) => `${key}: ${shown(ours[key])}, PEFT ${shown(theirs[key])}`)
}

/** Names and shapes that are in one file only. */
export function tensorDifferences(ours: string, theirs: string): string[] {
  const [a, b] = [ours, theirs].map((folder) =>
    [...openSafetensors(join(folder, WEIGHTS)).entries.values()].map(
      ({ name, shape, dtype }) => `${name} ${dtype} ${shape.join('×')}`,
    ),
  )
  return [
    ...a.filter((one) => !b.includes(one)).map((one) => `only here: ${one}`),
    ...b.filter((one) => !a.includes(one)).map((one) => `only in PEFT: ${one}`),
  ]
}

/** An adapter made here with the options and targets of PEFT's configuration, that has PEFT's values. */
export function attachLike(model: Model, { config, folder, expected }: MethodCase): AttachedAdapter {
  const definitions: readonly AnyAdapterDefinition[] = Object.values(peft.provides.adapter)
  const definition = definitions.find((one) => one.peft?.type === config.peft_type)
  if (!definition?.peft) throw new Error(`there is no ${String(config.peft_type)}`)
  const { options, peft: format } = definition
  const optionsFor = (path: string): unknown => options.validate(format.read(withoutBeside(config), path))
  const kept = Object.entries(config).filter(
    ([key, value]) => key.endsWith('_pattern') && typeof value === 'object' && value !== null,
  )
  const parameters = config.target_parameters
  const adapter =
    'createForModel' in definition
      ? attachAdapter(model, definition, optionsFor(''))
      : Array.isArray(parameters)
        ? attachOnParameters(model, config, parameters)
        : attachAdapter(model, definition, optionsFor(''), {
            ...targetsOf(config),
            ...besideOf(config),
            optionsFor,
            fields: Object.fromEntries(kept),
          })
  const file = openCheckpoint(join(folder, WEIGHTS))
  const encoder = new Map(
    [...expected.entries.keys()].flatMap((name) =>
      name.startsWith('encoder.') ? [[name, readFloats(expected, name)] as const] : [],
    ),
  )
  for (const [name, tensor] of adapter.tensors) if (file.entries.has(name)) tensor.set(readFloats(file, name))
  for (const [name, tensor] of adapter.parameters) {
    const values = encoder.get(`encoder.${name}`)
    if (values) tensor.set(values)
  }
  return adapter
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** Moves nothing: what remains of a step is the penalty of an adapter. */
const NO_STEP: GradientTransform = {
  name: 'none',
  init: () => ({ apply: () => undefined, tensors: () => new Map(), [Symbol.dispose]: () => undefined }),
}

function attachOnParameters(
  model: Model,
  config: Fields,
  targetParameters: readonly string[],
): AttachedAdapter {
  const patternOf = (key: string): Record<string, number> => config[key] as Record<string, number>
  return attachLora(model, {
    ...loraFormat.read(config, ''),
    ...targetsOf(config),
    targetParameters,
    rankPattern: patternOf('rank_pattern'),
    alphaPattern: patternOf('alpha_pattern'),
  })
}

function targetsOf(config: Fields): {
  targetModules: string | string[]
  excludeModules: string | string[] | null
  layersToTransform: number[] | null
  layersPattern: string | string[] | null
} {
  return {
    targetModules: config.target_modules as string | string[],
    excludeModules: (config.exclude_modules ?? null) as string | string[] | null,
    layersToTransform: (config.layers_to_transform ?? null) as number[] | null,
    layersPattern: (config.layers_pattern ?? null) as string | string[] | null,
  }
}

/** Names of the file; what the file does not hold has the name that it is trained under. */
function trainedByFileName({ tensors, parameters }: AttachedAdapter): Map<string, Tensor> {
  // Of two names for one tensor the first counts: that of the embedding.
  const files = new Map([...tensors].toReversed().map(([name, tensor]) => [tensor, name]))
  return new Map([...parameters].map(([name, tensor]) => [files.get(tensor) ?? `encoder.${name}`, tensor]))
}

function readBatches(expected: Checkpoint): Int32Array[][] {
  const entry = expected.entries.get('batches')
  if (!entry) throw new Error('there are no batches')
  const [steps, rows, length] = entry.shape
  const all = new Int32Array(Uint8Array.from(expected.read(entry)).buffer)
  return Array.from({ length: steps }, (_, step) =>
    Array.from({ length: rows }, (__, row) =>
      all.slice((step * rows + row) * length, (step * rows + row + 1) * length),
    ),
  )
}

function shown(value: unknown): string {
  if (Array.isArray(value)) return JSON.stringify(value.toSorted())
  return JSON.stringify(value) ?? 'nothing'
}
