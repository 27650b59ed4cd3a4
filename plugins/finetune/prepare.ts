/**
 * Everything a run needs, opened and checked before the first step: device, model, tokenizer, data, adapter, plan.
 */
import { existsSync, realpathSync } from 'node:fs'
import {
  ConfigError,
  createHost,
  type Device,
  flatGradients,
  type FloatDType,
  type Host,
  type Model,
  type Plugin,
  TrituneError,
} from '../../core/mod.ts'
import { cpu } from '../cpu/mod.ts'
import { cuda, openDevice, type OpenedDevice } from '../cuda/mod.ts'
import { IGNORE, loadDataset, type TokenizedExample } from '../data/mod.ts'
import { resolveModel } from '../hub/mod.ts'
import { loadModel, models, storedDType } from '../models/mod.ts'
import { peft, trainAllWeights } from '../peft/mod.ts'
import { training } from './built-in.ts'
import type { FinetuneConfig } from './config.ts'
import { loadPlugins, unusedCapabilities } from './load-plugins.ts'
import { chooseAdapter } from './open-adapter.ts'
import { findParts } from './parts.ts'
import { createPlan } from './plan.ts'
import { fitting } from './out-of-memory.ts'
import { checkOutputDir } from './output-dir.ts'
import type { Run } from './run.ts'
import { openTokenizer } from './run-tokenizer.ts'

export interface PrepareOptions {
  /** More plugins than the file names: their adapters and models can be asked for by name. */
  readonly plugins?: readonly Plugin[]
  readonly device?: Device
  readonly onDownload?: (progress: {
    readonly file: string
    readonly received: number
    readonly total: number
  }) => void
  /** Told what takes time while the model is found: who is waited for, what is checked. */
  readonly onNote?: (text: string) => void
}

/** Opens everything; when something fails, what was opened before is closed and the error goes on. */
export async function prepareRun(
  config: FinetuneConfig,
  { plugins: more = [], device: given, onDownload, onNote }: PrepareOptions = {},
): Promise<Run> {
  using open = new DisposableStack()
  checkOutputDir(config.output_dir)
  const loaded = await loadPlugins(config.plugins)
  const fromFile = loaded.map(({ plugin }) => plugin)
  const host: Host = open.use(
    createHost({ plugins: [cpu, cuda, models, peft, training, ...more, ...fromFile] }),
  )
  const parts = findParts(config, host)
  const openAdapter = chooseAdapter(config, host)
  const { device, reason, note } = given ? { device: given, reason: null, note: null } : openRunDevice(config)
  const modelPath = await resolveModel(config.base_model, {
    revision: config.revision_of_model ?? undefined,
    offline: config.offline ?? undefined,
    onProgress: onDownload,
    onNote,
  })
  checkApart(config.output_dir, modelPath)
  const tokenizer = openTokenizer(modelPath, config)
  const data = loadDataset(config, tokenizer, host.all('dataset'))
  const lengths = data.train.map(({ ids }) => ids.length)
  const sampler = disposing(open, parts.sampler({ lengths, seed: config.seed }))
  const plan = createPlan(config, data.train, sampler)
  const dtype = computeDType(config, modelPath)
  const model = open.use(
    fitting('the model', () =>
      loadModel(modelPath, { device, dtype, writable: config.adapter === null, models: host.all('model') }),
    ),
  )
  checkTokenIds([...data.train, ...data.validation], model)
  if (config.sequence_len > model.info.contextLength) {
    throw new TrituneError(
      'E_CONFIG',
      `sequence_len ${config.sequence_len} is longer than the ${model.info.contextLength} tokens that the model knows`,
      { remedy: `set sequence_len: ${model.info.contextLength}` },
    )
  }
  const adapter = open.use(fitting('the adapter', () => openAdapter(model)))
  const parameters = adapter ? adapter.parameters : trainAllWeights(model)
  const gradients = open.use(fitting('the gradients', () => flatGradients(parameters)))
  const objective = disposing(open, parts.objective())
  const chained = parts.optimizer({ weightDecay: config.weight_decay, decays: () => true })
  const optimizer = open.use(fitting('the state of the optimizer', () => chained.init(parameters)))
  const { seed } = config
  const strategies = parts.strategies({ model, parameters, totalSteps: plan.totalSteps, seed })
  for (const { part } of strategies) disposing(open, part)
  const monitors = parts.monitors({ outputDir: config.output_dir, loggingSteps: config.logging_steps })
  for (const { part } of monitors) disposing(open, part)
  const owned = open.move()
  return {
    config,
    host,
    plugins: loaded,
    device,
    noGpu: reason,
    modelPath,
    model,
    dtype,
    tokenizer,
    data,
    adapter,
    parameters,
    objective,
    optimizer,
    gradients,
    strategies,
    monitors,
    sampler,
    plan,
    notes: [
      ...(note ? [note] : []),
      ...slowDType(device, dtype),
      ...config.notes,
      ...unusedCapabilities(fromFile),
    ],
    [Symbol.dispose]: () => owned.dispose(),
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** A GPU that was asked for and cannot be used is a mistake in the line that asks for it. */
function openRunDevice({ device, threads }: FinetuneConfig): OpenedDevice {
  try {
    return openDevice(device, { threads: threads ?? 0 })
  } catch (error) {
    if (!(error instanceof TrituneError) || !device.startsWith('cuda')) throw error
    const [what] = error.message.split('\n')
    const remedy = `${error.remedy ?? 'see bun run doctor'}; or set device: cpu`
    throw new ConfigError([{ path: ['device'], what, remedy }])
  }
}

/** Keeps a part that wants to be disposed until the run is closed. */
function disposing<T extends Partial<Disposable> | null>(stack: DisposableStack, part: T): T {
  if (part?.[Symbol.dispose]) stack.defer(() => part[Symbol.dispose]?.())
  return part
}

/** What a run writes must not land on what it was made from. */
function checkApart(outputDir: string, modelPath: string): void {
  if (!existsSync(outputDir) || realpathSync(outputDir) !== realpathSync(modelPath)) return
  throw new TrituneError('E_CONFIG', 'output_dir is the folder of the base model', {
    place: outputDir,
    remedy: 'name another folder, or the base model would be overwritten',
  })
}

/** A tokenizer can have more tokens than the model, and tokenized data can come from any tokenizer. */
function checkTokenIds(examples: readonly TokenizedExample[], { info: { vocabSize } }: Model): void {
  for (const { ids, labels, source } of examples) {
    const bad =
      ids.find((id) => id < 0 || id >= vocabSize) ??
      labels.find((id) => id !== IGNORE && (id < 0 || id >= vocabSize))
    if (bad === undefined) continue
    throw new TrituneError(
      'E_DATA',
      `token id ${bad} is not one of the model, which knows 0 to ${vocabSize - 1}`,
      {
        place: `${source.file}:${source.line}`,
        remedy: 'use the tokenizer that belongs to the model',
      },
    )
  }
}

function slowDType({ kind }: Device, dtype: FloatDType): string[] {
  return kind === 'cuda' && dtype === 'f32' ? ['f32 on a GPU: bf16: true is several times faster'] : []
}

/** `bf16: auto` computes as the checkpoint is stored (f16 and quantized ones in bf16 and f32). */
function computeDType(config: FinetuneConfig, modelPath: string): FloatDType {
  if (config.bf16 === true) return 'bf16'
  if (config.bf16 === false || modelPath.endsWith('.gguf')) return 'f32'
  return storedDType(modelPath) === 'f32' ? 'f32' : 'bf16'
}
