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
  TrituneError,
} from '../../core/mod.ts'
import { IGNORE, type TokenizedExample } from '../data/mod.ts'
import { createGrpoObjective } from '../grpo/mod.ts'
import { loadModel, storedDType } from '../models/mod.ts'
import { packLayers } from '../qlora/mod.ts'
import type { AttachedAdapter } from '../peft/mod.ts'
import { ofBaseModel } from './model/base-model-files.ts'
import type { FinetuneConfig } from './config/config.ts'
import { configOverrides } from './model/config-overrides.ts'
import { checkContextLength } from './model/context-length.ts'
import { startEva } from './model/start-eva.ts'
import { estimateMemory } from './memory/estimate.ts'
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
import { newRows, newTokenNotes, vocabularyOptions } from './model/new-rows.ts'
import type { Run } from './run.ts'
import { openRollouts } from './training/open-rollouts.ts'
import { openInputs, type PrepareOptions } from './run-inputs.ts'
import { startObjective } from './training/objective-start.ts'
import { decayEnd } from './training/schedules.ts'
import { decayUntil, weightDecays } from './training/weight-decay.ts'

/** Opens everything; when something fails, what was opened before is closed and the error goes on. */
export async function openRun(config: FinetuneConfig, options: PrepareOptions): Promise<Run> {
  using open = new Disposables()
  const inputs = await openInputs(config, options)
  const host = open.use(inputs.host)
  const sampler = disposing(open, inputs.sampler)
  const base = disposing(open, inputs.base)
  const data = open.use(inputs.data)
  const { modelPath, tokenizer, plan } = inputs
  const { plugins: loaded, parts, openAdapter, opened } = inputs.early
  const { device, reason, note } = opened
  const weightsPath = await base.whole()
  const dtype = computeDType(config, weightsPath)
  const quantizer = parts.quantizer()
  const forms = parts.forms()
  const { world = null, processes = world?.size ?? 1 } = options
  if (config.shard_base) atKey(['shard_base'], () => expectShardable(device))
  const loading =
    config.shard_base && world !== null && world.size > 1
      ? open.use(openShardedBase({ device, world }))
      : null
  const model = open.use(
    ofBaseModel(modelPath, () =>
      fitting('the model', () =>
        loadModel(weightsPath, {
          device,
          dtype,
          writable: config.adapter === null,
          models: host.all('model'),
          ...(config.reward_model ? { labels: 1 } : {}),
          ...(config.reinit_weights && { reinit: { seed: config.seed } }),
          ...configOverrides(config, modelPath),
          ...vocabularyOptions(config, tokenizer, host),
          pack: quantizer
            ? packLayers(quantizer, dtype, { skip: config.bnb_config_kwargs?.llm_int8_skip_modules ?? [] })
            : undefined,
          ...(forms ? { forms } : {}),
          ...(loading && { onLayer: loading.add }),
        }),
      ),
    ),
  )
  loading?.end(model.layers.values())
  const together = <T>(work: () => T): T => (loading ? loading.together(work) : work())
  checkTokenIds([...data.train, ...data.validation], model)
  data.stream?.watch((examples) => checkTokenIds(examples, model))
  checkContext(config, model)
  const adapter = open.use(
    fitting('the adapter', () =>
      together(() =>
        openAdapter(model, {
          tokenizer,
          rows: newRows(model, modelPath, tokenizer),
          totalSteps: plan.totalSteps,
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
  const rollouts = await openRollouts(config, inputs, model)
  const objective = disposing(open, config.grpo ? createGrpoObjective(config.grpo) : parts.objective())
  const objectiveNotes = together(() =>
    startObjective(objective, {
      config,
      model,
      modelPath: weightsPath,
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
      ? [{ name: 'diloco', part: atKey(['diloco'], () => localWorker(diloco, { parameters, seed }, world)) }]
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
    memory: KEEP_ALL,
  }
  const needed = Object.values(estimateMemory(estimated)).reduce((sum, bytes) => sum + bytes, 0)
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
    paged,
    divided,
    sharded,
    gradients,
    strategies,
    monitors,
    sampler,
    plan,
    rollouts,
    world,
    memory: memoryMode(config.memory, device, needed),
    notes: [
      ...(note ? [note] : []),
      ...slowDType(device, dtype),
      ...newTokenNotes(tokenizer, config.adapter),
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

/** `bf16: auto` computes as the checkpoint is stored (f16 and quantized ones in bf16 and f32); what starts anew in f32. */
function computeDType(config: FinetuneConfig, modelPath: string): FloatDType {
  if (config.bf16 === true) return 'bf16'
  if (config.reinit_weights) return 'f32'
  if (config.bf16 === false || modelPath.endsWith('.gguf')) return 'f32'
  return storedDType(modelPath) === 'f32' ? 'f32' : 'bf16'
}
