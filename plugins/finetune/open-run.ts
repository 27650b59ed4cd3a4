/**
 * Everything a run needs, opened and checked before the first step: device, model, tokenizer, data, adapter, plan.
 */
import { Disposables } from '../../core/disposables.ts'
import {
  chain,
  type Device,
  flatGradients,
  type FloatDType,
  leadLength,
  type Model,
  type Parameters,
} from '../../core/mod.ts'
import { createGrpoObjective } from '../grpo/mod.ts'
import type { AttachedAdapter } from '../peft/mod.ts'
import type { FinetuneConfig } from './config/config.ts'
import { checkContextLength } from './model/context-length.ts'
import { checkTokenIds, loadBase } from './model/load-base.ts'
import { startEva } from './model/start-eva.ts'
import { estimateMemory } from './memory/estimate.ts'
import type { Rehearsal } from './memory/memory-parts.ts'
import { onShapes, rehearsed, type Rehearsed } from './memory/rehearse-step.ts'
import { shapeDevice } from './memory/shape-device.ts'
import { chooseAdapter } from './model/open-adapter.ts'
import { atKey } from './config/at-key.ts'
import { type DividedOptimizer, divideOptimizer } from './parallel/divided-optimizer.ts'
import { divideWeights } from './parallel/divided-weights.ts'
import { linkNotes } from './parallel/link-notes.ts'
import { localWorker } from './parallel/local-worker.ts'
import { shardLayout } from './parallel/shard-layout.ts'
import { expectShardable, openShardedBase } from './parallel/sharded-base.ts'
import { learningRates } from './training/learning-rates.ts'
import { type MemoryMode, memoryMode } from './memory/memory-mode.ts'
import { optimizerPages } from './memory/paged-optimizer.ts'
import { trainedWeights } from './model/trained-weights.ts'
import { type PagedState, pagedState } from './memory/paged-state.ts'
import { fitting } from './memory/out-of-memory.ts'
import { newRows, newTokenNotes } from './model/new-rows.ts'
import type { Run } from './run.ts'
import { openRollouts } from './training/open-rollouts.ts'
import { openInputs, type PrepareOptions, type RunInputs } from './run-inputs.ts'
import { startObjective } from './training/objective-start.ts'
import { decayEnd } from './training/schedules.ts'
import { decayUntil, weightDecays } from './training/weight-decay.ts'

/** Opens everything; when something fails, what was opened before is closed and the error goes on. */
export async function openRun(asked: FinetuneConfig, options: PrepareOptions): Promise<Run> {
  using open = new Disposables()
  const inputs = await openInputs(asked, options)
  const { config } = inputs
  open.use(inputs.host)
  disposing(open, inputs.sampler)
  const base = disposing(open, inputs.base)
  const teacher = disposing(open, inputs.teacher)
  open.use(inputs.data)
  const weightsPath = await base.whole()
  const teacherPath = (await teacher?.whole()) ?? null
  const from = { inputs, weightsPath, teacherPath, programBytes: process.memoryUsage().rss }
  const built = open.use(buildRun(config, from, options))
  const rollouts = await openRollouts(config, inputs, built.model, options.world ?? null)
  const owned = open.move()
  return {
    ...built,
    rollouts,
    rehearse: () => rehearseAgain(config, from, built, options.world?.size),
    [Symbol.dispose]: () => owned.dispose(),
  }
}

/** What a run is built from. */
interface RunOrigin {
  readonly inputs: RunInputs
  /** Folder or .gguf file of the weights. */
  readonly weightsPath: string
  /** Of the model that is distilled from; null: there is none. */
  readonly teacherPath: string | null
  /** What the process took before there was a model. */
  readonly programBytes: number
}

/** On shapes, from the same files and examples. */
function rehearseAgain(
  config: FinetuneConfig,
  from: RunOrigin,
  { data, plugins, paged, device: own }: Rehearsed,
  processes = 1,
): Rehearsal | null {
  if (data.stream !== null || plugins.length > 0 || paged !== null) return null
  const { inputs } = from
  const { kind, name, capacity } = own
  // Loading takes memory beside tensors, too; but not all tensors are in memory yet.
  const programBytes = (): number =>
    Math.max(from.programBytes, process.memoryUsage().rss - own.memory().live)
  const device = shapeDevice({ kind: kind === 'cuda' ? 'cuda' : 'cpu', name })
  const shaped = onShapes(config)
  const early = {
    ...inputs.early,
    parts: { ...inputs.early.parts, monitors: () => [] },
    openAdapter: chooseAdapter(shaped, inputs.host),
    opened: { device, reason: null, note: null },
  }
  using run = buildRun(shaped, { ...from, inputs: { ...inputs, early } }, { weights: 'headers', processes })
  return rehearsed(run, config, { device, capacity, programBytes })
}

/** A run whose files are all here. It does not own what it is built from. */
function buildRun(
  config: FinetuneConfig,
  { inputs, weightsPath, teacherPath }: RunOrigin,
  options: PrepareOptions,
): Rehearsed {
  using open = new Disposables()
  const { host, sampler, data, modelPath, tokenizer, plan } = inputs
  const { plugins, parts, openAdapter, opened } = inputs.early
  const { device, reason, note } = opened
  const { world = null, processes = world?.size ?? 1 } = options
  if (config.shard_base) atKey(['shard_base'], () => expectShardable(device))
  const loading =
    config.shard_base && world !== null && world.size > 1
      ? open.use(openShardedBase({ device, world }))
      : null
  const onLayer = loading?.add
  const loaded = loadBase(config, { modelPath, weightsPath, tokenizer, host, parts, device, onLayer })
  const { dtype } = loaded
  const model = open.use(loaded.model)
  loading?.end(model.layers.values())
  const together = <T>(work: () => T): T => (loading ? loading.together(work) : work())
  checkTokenIds([...data.train, ...data.validation], model)
  data.stream?.watch((examples) => checkTokenIds(examples, model))
  checkContext(config, model)
  const adapterNotes: string[] = []
  const adapter = open.use(
    fitting('the adapter', () =>
      together(() =>
        openAdapter(model, {
          tokenizer,
          rows: newRows(model, modelPath, tokenizer),
          totalSteps: plan.totalSteps,
          onNote: (text) => adapterNotes.push(text),
        }),
      ),
    ),
  )
  checkContext(config, model)
  const started = adapter ? startEva(config, model, adapter, data) : []
  const parameters = adapter ? adapter.parameters : trainedWeights(model, config.unfrozen_parameters)
  const weights =
    config.zero_stage === 1 && processes > 1 && parts.divides !== null
      ? divideWeights(parameters, processes, parts.divides)
      : null
  const room = weights?.stretch ? weights.stretch * processes : 0
  const gradients = open.use(fitting('the gradients', () => flatGradients(parameters, { room })))
  const objective = disposing(open, config.grpo ? createGrpoObjective(config.grpo) : parts.objective())
  const objectiveNotes = together(() =>
    startObjective(objective, {
      config,
      model,
      modelPath: weightsPath,
      teacherPath,
      dtype,
      host,
      data,
      plan,
      tokenizer,
      isRehearsal: options.weights === 'headers',
    }),
  )
  const decays = (name: string): boolean =>
    weightDecays(name, parameters.get(name)?.shape.length ?? 0, config.adapter !== null)
  const rates = learningRates(config, parameters, decays)
  const decay = decayUntil(decayEnd(config, plan.totalSteps), rates.decays)
  const { pages, notes: pagingNotes } = optimizerPages(config, device)
  open.use(pages)
  let paged: PagedState | null = null
  let divided: DividedOptimizer | null = null
  const isAlone =
    config.transforms.length + config.strategy.length === 0 &&
    config.histogram_steps === null &&
    gradients !== null &&
    !hasLinks(adapter)
  const links = parts.optimizer(
    {
      weightDecay: config.weight_decay,
      decays: decay.decays,
      ...(weights && { sizeOf: (name: string) => parameters.get(name)?.size }),
    },
    [...rates.links, ...decay.links],
    (last) => {
      const whole = pages ? (paged = pagedState(last, pages)).transform : last
      if (!weights) return whole
      divided = divideOptimizer(whole, { parameters, weights, rank: world?.rank ?? 0, world, isAlone })
      return divided.transform
    },
  )
  const chained = adapter ? adapter.around(links) : links
  const optimizer = open.use(fitting('the state of the optimizer', () => chained.init(parameters)))
  const { seed } = config
  const { diloco } = config
  const strategies = [
    ...(diloco
      ? [
          {
            name: 'diloco',
            part: atKey(['diloco'], () => localWorker(diloco, { parameters, seed }, world, processes)),
          },
        ]
      : []),
    ...parts.strategies({ model, parameters, totalSteps: plan.totalSteps, seed }),
  ]
  for (const { part } of strategies) disposing(open, part)
  const sharded = loading ?? (config.shard_base && processes > 1 ? wouldBeSharded(model, processes) : null)
  const watched = { outputDir: config.output_dir, loggingSteps: config.logging_steps }
  const monitors = world === null || world.rank === 0 ? parts.monitors(watched) : []
  for (const { part } of monitors) disposing(open, part)
  const estimated = {
    config,
    model,
    data,
    device,
    dtype,
    parameters,
    adapter,
    optimizer,
    paged,
    sharded,
    strategies,
    memory: KEEP_ALL,
  }
  const needed = Object.values(estimateMemory(estimated)).reduce((sum, bytes) => sum + bytes, 0)
  const owned = open.move()
  return {
    config,
    host,
    plugins,
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
    paged,
    divided,
    sharded,
    gradients,
    strategies,
    monitors,
    sampler,
    plan,
    world,
    memory: memoryMode(config.memory, device, needed, world?.localSize),
    notes: [
      ...(note ? [note] : []),
      ...slowDType(device, dtype),
      ...newTokenNotes(tokenizer, config.adapter),
      ...adapterNotes,
      ...config.notes,
      ...pagingNotes,
      ...undividedNotes(config, processes),
      ...(sharded?.whole === 0
        ? ['shard_base divides nothing: the blocks of this model have no frozen linear layers']
        : []),
      ...(adapter === null && !diloco ? linkNotes(world, gradientBytes(parameters)) : []),
      ...plan.notes,
      ...started,
      ...objectiveNotes,
    ],
    [Symbol.dispose]: () => owned.dispose(),
  }
}

const KEEP_ALL: MemoryMode = { isLean: false, reason: '' }

// ---- helpers ----------------------------------------------------------------------------------------------------

/** Keeps a part that wants to be disposed until the run is closed. */
function disposing<T extends Partial<Disposable> | null>(stack: Disposables, part: T): T {
  if (part?.[Symbol.dispose]) stack.defer(() => part[Symbol.dispose]?.())
  return part
}

/** Whether the adapter has links of its own in the chain, which look at gradients. */
function hasLinks(adapter: AttachedAdapter | null): boolean {
  const none = chain()
  return adapter !== null && adapter.around(none) !== none
}

function gradientBytes(parameters: Parameters): number {
  return 4 * [...parameters.values()].reduce((sum, { size }) => sum + size, 0)
}

function undividedNotes({ zero_stage, shard_base }: FinetuneConfig, processes: number): string[] {
  if (processes > 1) return []
  return [
    ...(zero_stage === 1
      ? ['zero_stage: 1 divides nothing: there is one process, and it has all of the optimizer']
      : []),
    ...(shard_base ? ['shard_base divides nothing: there is one process, and it has all of the base'] : []),
  ]
}

/** Without a world nothing is divided, but it is known what would be. */
function wouldBeSharded(model: Model, processes: number): NonNullable<Run['sharded']> {
  return { ...shardLayout(model, processes), gathered: 0, together: (work) => work() }
}

/** Asked again when an adapter has put positions before the tokens. */
function checkContext(config: FinetuneConfig, model: Model): void {
  checkContextLength(config, model.info.contextLength, leadLength(model))
}

function slowDType({ kind }: Device, dtype: FloatDType): string[] {
  return kind === 'cuda' && dtype === 'f32' ? ['f32 on a GPU: bf16: true is several times faster'] : []
}
