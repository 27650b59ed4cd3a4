/**
 * What a run needs besides weights: everything that its file asks for, the tokenizer, the examples and the plan. The first half
 * of preparing a run, and all of checking one.
 */
import { Disposables } from '../../core/disposables.ts'
import type { Host, Plugin, Device, Sampler, World } from '../../core/mod.ts'
import {
  type DatasetOptions,
  lengthOf,
  type LoadedDataset,
  loadDataset,
  resolveHubDataset,
  type TokenizeProgress,
} from '../data/mod.ts'
import type { HubOptions } from '../hub/mod.ts'
import { MEASURED_STEPS, searchOf } from './autotune/search-of.ts'
import { atKey, atKeyAsync, atNamedKey, atNamedKeyAsync } from './config/at-key.ts'
import { loadRewards, type RunReward } from '../grpo/mod.ts'
import { type BaseModelFiles, baseModelFiles } from './model/base-model-files.ts'
import type { FinetuneConfig } from './config/config.ts'
import { checkEarly, type EarlyChecks } from './early-checks.ts'
import { checkContextLength, writtenContextLength } from './model/context-length.ts'
import { newModelFiles } from './model/new-model-files.ts'
import { withHalfLife } from './training/half-life.ts'
import { exampleKind, findParts } from './training/parts.ts'
import type { Plan } from './training/plan.ts'
import { planOf } from './training/plan-of.ts'
import { keyOfObjective } from './config/preference-options.ts'
import { expectSameTokens } from './model/same-tokens.ts'
import { teacherOf } from './model/teacher.ts'
import { expectChatTemplate, openTokenizer, type RunTokenizer } from './model/run-tokenizer.ts'

/** Options of `prepareRun()`: what no file says. */
export interface PrepareOptions {
  /** More plugins than the file names: their adapters and models can be asked for by name. */
  readonly plugins?: readonly Plugin[]
  readonly device?: Device
  readonly onDownload?: (progress: {
    readonly file: string
    readonly received: number
    readonly total: number
  }) => void
  /** Told how far the records of each dataset are tokenised. */
  readonly onTokenize?: (progress: TokenizeProgress) => void
  /** `headers`: no weights are read or downloaded, for a device that computes nothing; default: all. */
  readonly weights?: 'all' | 'headers'
  /** The processes that train together, each with this file; default: this one alone. */
  readonly world?: World | null
  /** How many processes there would be, for an estimate of what the first one takes; default: those of `world`. */
  readonly processes?: number
  /** An earlier run of `output_dir` is to be removed: nothing is taken from its checkpoints. */
  readonly startsAnew?: boolean
  /** The run is only looked at: what takes steps to find (`learning_rate: auto`) is left open. */
  readonly isTrial?: boolean
  /** Told what takes time while the model is found: who is waited for, what is checked. */
  readonly onNote?: (text: string) => void
}

export interface RunInputs {
  /** With what depends on the examples filled in. */
  readonly config: FinetuneConfig
  /** Given away with `base`, `data`, `sampler` and `teacher`: whoever asked disposes them. */
  readonly host: Host
  readonly early: EarlyChecks
  /** Waits for the weights when it is asked to. */
  readonly base: BaseModelFiles
  readonly modelPath: string
  readonly tokenizer: RunTokenizer
  readonly data: LoadedDataset
  readonly sampler: Sampler | null
  readonly plan: Plan
  /** Of the model that is distilled from; null: none is. Given away too. */
  readonly teacher: BaseModelFiles | null
  /** Of `rl: grpo`; null: none are asked for. */
  readonly rewards: readonly RunReward[] | null
}

/** Downloads config.json and the tokenizer of a model on the hub, no weights. Throws a `ConfigError` with all faults that are known. */
export async function openInputs(
  config: FinetuneConfig,
  {
    plugins = [],
    device,
    onDownload,
    onTokenize,
    onNote,
    weights = 'all',
    world = null,
    processes = world?.size ?? 1,
  }: PrepareOptions,
): Promise<RunInputs> {
  const checked = await checkEarly(config, { plugins, device, process: world?.localRank ?? 0 })
  const { host, parts } = checked
  using open = new Disposables()
  open.use(host)
  const rewards = config.grpo
    ? await loadRewards({ ...config.grpo, file: config.rewards, folder: config.folder })
    : null

  const tell = { onProgress: onDownload, onNote, weights }
  // A tokenizer that is trained on the datasets needs them first.
  const texts = config.train_tokenizer === null ? config : await withLocalDatasets(config, tell)
  const base = config.reinit_weights
    ? newModelFiles(texts, host, { ...tell, processes })
    : baseModelFiles(config, host, tell)
  open.defer(() => base[Symbol.dispose]?.())
  const modelPath = await base.small()
  const known = writtenContextLength(modelPath)
  if (known !== null) checkContextLength(config, known)
  const tokenizer = atKey(['base_model'], () => openTokenizer(modelPath, config))
  expectChatTemplate(tokenizer, config)
  const teacher = teacherFiles(config, host, tell)
  open.defer(() => teacher?.[Symbol.dispose]?.())
  if (teacher) await checkTeacher(config, teacher, tokenizer)
  const loading = {
    types: host.all('dataset'),
    kind: exampleKind(config, host),
    ...(onTokenize ? { onProgress: onTokenize } : {}),
  }
  const local = await withLocalDatasets(texts, tell)
  const data = open.use(await atNamedKeyAsync(() => loadDataset(local, tokenizer, loading)))
  const lengths = data.train.map(lengthOf)
  const sampler = parts.sampler({ lengths, seed: config.seed })
  open.defer(() => sampler?.[Symbol.dispose]?.())
  const plan = atNamedKey(() =>
    planOf(config, data.train, sampler, { stream: data.stream, ranks: processes }),
  )
  if (config.autoLearningRate)
    atKey(['learning_rate'], () =>
      searchOf({ plan, data, config }, config.autoMicroBatch ? MEASURED_STEPS : 0),
    )
  const settled = withHalfLife(config, { plan, data })
  const early = settled === config ? checked : { ...checked, parts: findParts(settled, host) }
  open.move()
  return { config: settled, host, early, base, modelPath, tokenizer, data, sampler, plan, teacher, rewards }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** Found as `base_model` is: a folder, a .gguf file, or a model on the hub. */
function teacherFiles(
  config: FinetuneConfig,
  host: Host,
  tell: Parameters<typeof baseModelFiles>[2],
): BaseModelFiles | null {
  const teacher = teacherOf(config)
  if (teacher === null) return null
  const key = keyOfObjective(config, ['teacher'])
  return baseModelFiles({ ...config, base_model: teacher, revision_of_model: null }, host, { ...tell, key })
}

/** Before weights are downloaded; the weights of the teacher are looked at when the objective is prepared. */
async function checkTeacher(
  config: FinetuneConfig,
  teacher: BaseModelFiles,
  tokenizer: RunTokenizer,
): Promise<void> {
  const path = await teacher.small()
  atKey(keyOfObjective(config, ['teacher']), () => expectSameTokens(path, tokenizer))
}

/** Datasets of the hub as files on this machine. */
async function withLocalDatasets(
  config: FinetuneConfig,
  tell: Pick<HubOptions, 'onProgress' | 'onNote'>,
): Promise<FinetuneConfig> {
  const options = { offline: config.offline ?? undefined, ...tell }
  const local = async (key: 'datasets' | 'test_datasets'): Promise<DatasetOptions[]> => {
    const found: DatasetOptions[] = []
    for (const [i, entry] of config[key].entries())
      found.push(await atKeyAsync([key, i, 'path'], () => resolveHubDataset(entry, options)))
    return found
  }
  return { ...config, datasets: await local('datasets'), test_datasets: await local('test_datasets') }
}
