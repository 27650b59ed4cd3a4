/**
 * Golden files of tests/golden and how far tritune is from them; shared by the tests and by scripts/oracle.ts.
 *
 * Everything here measures and returns numbers. Tolerances stand where the numbers are judged.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Checkpoint, openCheckpoint } from '../core/files/checkpoint.ts'
import {
  adamw,
  backward,
  chain,
  clipByGlobalNorm,
  type Device,
  headCrossEntropy,
  headLogits,
  type Model,
  type ModelDefinition,
  noGrad,
  type Parameters,
  tensor,
  tensorScope,
} from '../core/mod.ts'
import { concatenate } from '../plugins/data/mod.ts'
import { trainStep } from '../plugins/finetune/mod.ts'
import { fusedPart } from '../plugins/models/moe/fused-experts.ts'
import { createBatch, loadModel, MODELS, openSafetensorsSource } from '../plugins/models/mod.ts'
import { loadAdapter, trainAllWeights } from '../plugins/peft/mod.ts'

export const GOLDEN: string = fileURLToPath(new URL('golden', import.meta.url))

export function goldenJson<T>(...path: readonly string[]): T {
  return JSON.parse(readFileSync(join(GOLDEN, ...path), 'utf8')) as T
}

/** A folder that is gone with its content when it is disposed. */
export function temporaryFolder(): Disposable & { readonly path: string } {
  const path = mkdtempSync(join(tmpdir(), 'tritune-test-'))
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) }
}

// ---- numbers ----------------------------------------------------------------------------------------------------

/** max |a − b| / max |b|; Infinity when the lengths differ or something is not a number. */
export function relativeError(got: ArrayLike<number>, expected: ArrayLike<number>): number {
  let largest = 0
  for (let i = 0; i < expected.length; i++) largest = Math.max(largest, Math.abs(expected[i]))
  const difference = absoluteError(got, expected)
  return difference === 0 ? 0 : difference / largest
}

/** max |a − b|; Infinity when the lengths differ or something is not a number. */
export function absoluteError(got: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (got.length !== expected.length || got.length === 0) return Infinity
  let difference = 0
  for (let i = 0; i < expected.length; i++) {
    const here = Math.abs(got[i] - expected[i])
    if (!(here <= difference)) difference = Number.isNaN(here) ? Infinity : here
  }
  return difference
}

/** ‖a − b‖ / ‖b‖ */
export function relativeRms(got: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (got.length !== expected.length) return Infinity
  let difference = 0
  let size = 0
  for (let i = 0; i < expected.length; i++) {
    difference += (got[i] - expected[i]) ** 2
    size += expected[i] ** 2
  }
  return Math.sqrt(difference / size)
}

/** The values of an f32 tensor of a file. */
export function readFloats(checkpoint: Checkpoint, name: string): Float32Array<ArrayBuffer> {
  return new Float32Array(bytesOf(checkpoint, name).buffer)
}

function bytesOf(checkpoint: Checkpoint, name: string): Uint8Array<ArrayBuffer> {
  const entry = checkpoint.entries.get(name)
  if (!entry) throw new Error(`${checkpoint.path} has no tensor ${name}`)
  return Uint8Array.from(checkpoint.read(entry))
}

// ---- models -----------------------------------------------------------------------------------------------------

/** Every case of tests/oracle/models.py. */
export const MODEL_CASES: readonly string[] = [
  'bitnet',
  'cohere',
  'cohere2',
  'gemma',
  'gemma2',
  'gemma3',
  'gemma3-images',
  'glm',
  'glm4',
  'gpt2',
  'granite',
  'llama',
  'llama-bias',
  'llama-rope-dynamic',
  'llama-rope-linear',
  'llama-rope-llama3',
  'llama-rope-yarn',
  'llama-rope-yarn-mscale',
  'mistral',
  'olmo2',
  'phi3',
  'phi3-longrope',
  'phi3-longrope-short',
  'qwen2',
  'qwen2-sliding',
  'qwen3',
  'qwen3-rope-yarn',
  'smollm3',
  'stablelm',
  'stablelm-parallel',
]

/** Token ids of some sequences of one length, laid end to end. */
export interface Sequences {
  readonly ids: Int32Array<ArrayBuffer>
  readonly rows: number
  readonly length: number
}

export function readSequences(checkpoint: Checkpoint): Sequences {
  const [rows, length] = checkpoint.entries.get('input_ids')?.shape ?? [0, 0]
  return { ids: new Int32Array(bytesOf(checkpoint, 'input_ids').buffer), rows, length }
}

/** All logits (rows · length, vocabulary) of some sequences. */
export function logitsOf(model: Model, { ids, rows, length }: Sequences): Float32Array {
  const offsets = Array.from({ length: rows + 1 }, (_, i) => i * length)
  using _scope = tensorScope()
  return noGrad(() =>
    headLogits(model.head, model.hidden(createBatch({ ids, offsets }, model.head.device))),
  ).toArray()
}

export interface GoldenModel {
  readonly folder: string
  readonly expected: Checkpoint
  readonly sequences: Sequences
  readonly logits: Float32Array
  readonly loss: number
}

/** `group`: the folder of tests/golden that the case is in. */
export function openGoldenModel(name: string, group = 'models'): GoldenModel {
  const folder = join(GOLDEN, group, name)
  const expected = openCheckpoint(join(folder, 'expected.safetensors'))
  return {
    folder,
    expected,
    sequences: readSequences(expected),
    logits: readFloats(expected, 'logits'),
    loss: readFloats(expected, 'loss')[0],
  }
}

/** Mean next-token loss of some sequences; leaves the gradients in the parameters. */
export function lossAndGradients(
  model: Model,
  { ids, rows, length }: Sequences,
  { checkpointing }: { readonly checkpointing: boolean },
): number {
  const device = model.head.device
  const offsets = Array.from({ length: rows + 1 }, (_, i) => i * length)
  const targets = Int32Array.from(ids, (_, i) => ((i + 1) % length === 0 ? -100 : ids[i + 1]))
  using _scope = tensorScope()
  const hidden = model.hidden(createBatch({ ids, offsets }, device), { checkpointing })
  const loss = headCrossEntropy(model.head, hidden, tensor(targets, { dtype: 'i32', device }), {
    scale: 1 / (rows * (length - 1)),
  })
  backward(loss)
  return loss.item()
}

/** Takes the gradients out of the parameters, as the checkpoint lays the weights out. */
export function takeGradients(model: Model, parameters: Parameters): Map<string, Float32Array> {
  const transposed = new Set(
    [...model.layers.values()].filter((layer) => layer.transposed).map(({ weight }) => weight),
  )
  const taken = new Map<string, Float32Array>()
  for (const [name, parameter] of parameters) {
    const { grad } = parameter
    if (!grad) throw new Error(`${name} has no gradient`)
    const values = grad.toArray()
    taken.set(name, transposed.has(parameter) ? transposedCopy(values, parameter.shape) : values)
    grad.dispose()
    parameter.grad = null
  }
  return taken
}

export interface ModelErrors {
  readonly logits: number
  readonly loss: number
  /** The worst of all weights, relative to the largest gradient of the weight. */
  readonly gradient: number
  /** Its name. */
  readonly worst: string
  /** Whether checkpointing gave the same bits. */
  readonly checkpointingEqual: boolean
}

export function measureModel(name: string, device: Device, group = 'models'): ModelErrors {
  const golden = openGoldenModel(name, group)
  using model = loadModel(golden.folder, { device, writable: true })
  const logits = relativeError(logitsOf(model, golden.sequences), golden.logits)
  const parameters = trainAllWeights(model)
  const loss = lossAndGradients(model, golden.sequences, { checkpointing: false })
  const gradients = takeGradients(model, parameters)
  const again = lossAndGradients(model, golden.sequences, { checkpointing: true })
  const recomputed = takeGradients(model, parameters)
  let gradient = 0
  let worst = ''
  for (const [weight, values] of gradients) {
    const error = relativeError(values, expectedGradient(golden.expected, weight, model))
    if (error >= gradient) [gradient, worst] = [error, weight]
  }
  const checkpointingEqual =
    loss === again &&
    [...gradients].every(([weight, values]) =>
      sameBytes(values, recomputed.get(weight) ?? new Float32Array()),
    )
  return { logits, loss: Math.abs(loss - golden.loss), gradient, worst, checkpointingEqual }
}

/** What is in the file of the gradient of one weight; of an expert in a tensor of all of them (in, out) its part. */
function expectedGradient(
  expected: Checkpoint,
  name: string,
  { weights }: Pick<Model, 'weights'>,
): Float32Array {
  const part = expected.entries.has(`grad.${name}`) ? null : fusedPart(name)
  if (!part) return readFloats(expected, `grad.${name}`)
  const shape = weights.get(name)?.shape ?? []
  const size = shape.reduce((a, b) => a * b, 1)
  const own = readFloats(expected, `grad.${part.name}`).subarray(part.index * size, (part.index + 1) * size)
  return part.isBias ? own : transposedCopy(Float32Array.from(own), shape.toReversed())
}

/** The model of a case as an older or changed config.json describes it. */
export function loadWithConfig(
  folder: string,
  config: Readonly<Record<string, unknown>>,
  device: Device,
): Model {
  using source = openSafetensorsSource(folder, { device, dtype: 'f32', writable: false })
  const models: Readonly<Record<string, ModelDefinition>> = MODELS
  return models[String(config.model_type)].create(config, source)
}

export function sameBytes(a: ArrayBufferView, b: ArrayBufferView): boolean {
  return Buffer.from(a.buffer, a.byteOffset, a.byteLength).equals(
    Buffer.from(b.buffer, b.byteOffset, b.byteLength),
  )
}

function transposedCopy(values: Float32Array, [rows, columns]: readonly number[]): Float32Array {
  return Float32Array.from(values, (_, i) => values[(i % rows) * columns + Math.floor(i / rows)])
}

// ---- adapters ---------------------------------------------------------------------------------------------------

/** Adapters that PEFT wrote and that can be loaded; `dora` cannot yet. */
export const ADAPTER_CASES: readonly string[] = ['b-nonzero', 'rslora', 'patterns', 'regex', 'gpt2', 'dora']

export interface GoldenAdapter {
  readonly folder: string
  /** Folder of its base model. */
  readonly base: string
  readonly info: { readonly base: string; readonly matched: readonly string[]; readonly effect: number }
  readonly expected: Checkpoint
  readonly sequences: Sequences
  readonly logits: Float32Array
}

export function openGoldenAdapter(name: string): GoldenAdapter {
  const folder = join(GOLDEN, 'peft-train', `adapter-${name}`)
  const info = goldenJson<GoldenAdapter['info']>('peft-train', `adapter-${name}`, 'expected.json')
  const expected = openCheckpoint(join(folder, 'expected.safetensors'))
  return {
    folder,
    base: join(folder, info.base),
    info,
    expected,
    sequences: readSequences(expected),
    logits: readFloats(expected, 'logits'),
  }
}

// ---- training ---------------------------------------------------------------------------------------------------

interface TrainingGolden {
  readonly recipe: { readonly steps: number; readonly weightDecay: number; readonly maxGradNorm: number }
  readonly history: readonly { readonly loss: number; readonly lr: number; readonly gradNorm: number }[]
}

interface TrainingData {
  readonly documents: readonly { readonly inputIds: number[]; readonly labels: number[] }[]
  /** steps[step][micro-batch] = indices of documents */
  readonly steps: readonly number[][][]
}

export interface TrainingErrors {
  /** Largest difference of a loss, in nats. */
  readonly loss: number
  readonly gradNorm: number
  /** Largest difference of a trained weight. */
  readonly weights: number
  readonly losses: readonly number[]
  readonly final: ReadonlyMap<string, Float32Array>
}

/** How the documents of a window are laid out: two packed in each micro-batch as in the golden run, or another way. */
export type Layout = 'packed' | 'separate' | 'one'

/** The 30 steps of tests/oracle/peft_train.py, by tritune. */
export function measureTraining(
  device: Device,
  {
    layout,
    checkpointing = false,
    steps = 30,
  }: { readonly layout: Layout; readonly checkpointing?: boolean; readonly steps?: number },
): TrainingErrors {
  const root = join(GOLDEN, 'peft-train')
  const { history, recipe } = goldenJson<TrainingGolden>('peft-train', 'expected.json')
  const data = goldenJson<TrainingData>('peft-train', 'data.json')
  const documents = data.documents.map(({ inputIds, labels }, line) => ({
    ids: Int32Array.from(inputIds),
    labels: Int32Array.from(labels),
    source: { file: 'data.json', line },
  }))
  using model = loadModel(join(root, 'base'), { device })
  using adapter = loadAdapter(model, join(root, 'adapter-init'))
  const { parameters } = adapter
  using optimizer = chain(
    clipByGlobalNorm(recipe.maxGradNorm),
    adamw({ weightDecay: recipe.weightDecay }),
  ).init(parameters)
  const context = { model, device, parameters, optimizer, checkpointing, seed: 0 }
  let [loss, gradNorm] = [0, 0]
  const losses = history.slice(0, steps).map((expected, step) => {
    const micro = data.steps[step]
    const groups = { packed: micro, separate: micro.flat().map((i) => [i]), one: [micro.flat()] }[layout]
    const window = groups.map((group) => concatenate(group.map((i) => documents[i])))
    const result = trainStep(context, window, { step, learningRate: expected.lr })
    loss = worse(loss, Math.abs(result.loss - expected.loss))
    gradNorm = worse(gradNorm, Math.abs(result.metrics.grad_norm - expected.gradNorm))
    return result.loss
  })
  const expected = openCheckpoint(join(root, 'adapter-final', 'adapter_model.safetensors'))
  const final = new Map([...parameters].map(([name, value]) => [name, value.toArray()]))
  let weights = 0
  for (const [name, values] of final)
    weights = worse(weights, absoluteError(values, readFloats(expected, `base_model.model.${name}`)))
  return { loss, gradNorm, weights, losses, final }
}

/** The larger one; NaN counts as the worst. */
function worse(a: number, b: number): number {
  return Number.isNaN(b) ? Infinity : Math.max(a, b)
}
