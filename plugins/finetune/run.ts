/**
 * A prepared run: everything that the loop needs, opened and checked. `prepare.ts` makes it, `train.ts` uses it up.
 */
import type {
  Device,
  FlatGradients,
  FloatDType,
  Host,
  Model,
  Monitor,
  Objective,
  Parameters,
  Sampler,
  Strategy,
  TransformState,
  World,
} from '../../core/mod.ts'
import type { LoadedDataset } from '../data/mod.ts'
import type { Rollouts } from '../grpo/mod.ts'
import type { AttachedAdapter } from '../peft/mod.ts'
import type { FinetuneConfig } from './config/config.ts'
import type { DividedOptimizer } from './parallel/divided-optimizer.ts'
import type { ShardedBase } from './parallel/sharded-base.ts'
import type { LoadedPlugin } from './plugins/load-plugins.ts'
import type { PagedState } from './memory/paged-state.ts'
import type { MemoryMode } from './memory/memory-mode.ts'
import type { Rehearsal } from './memory/memory-parts.ts'
import type { Plan } from './training/plan.ts'
import type { RunTokenizer } from './model/run-tokenizer.ts'

/** A part of a run under the name by which the file asked for it. */
export interface NamedPart<T> {
  readonly name: string
  readonly part: T
}

/**
 * A run that is ready to train, as `prepareRun()` makes it and `train()` takes it. Disposing it frees the model and
 * everything else that it opened.
 */
export interface Run extends Disposable {
  readonly config: FinetuneConfig
  /** The built-in plugins and those of the file. */
  readonly host: Host
  /** Those of the file, with version and place. */
  readonly plugins: readonly LoadedPlugin[]
  readonly device: Device
  /** Why `device: auto` took no GPU; else null. */
  readonly noGpu: string | null
  /** Local folder or .gguf file of the base model. */
  readonly modelPath: string
  readonly model: Model
  readonly dtype: FloatDType
  readonly tokenizer: RunTokenizer
  readonly data: LoadedDataset
  /** null: all weights are trained. */
  readonly adapter: AttachedAdapter | null
  readonly parameters: Parameters
  readonly objective: Objective
  /** Gradient transforms and the optimizer, as one chain. */
  readonly optimizer: TransformState
  /** The part of its state that lies in a file; null: none of it does. */
  readonly paged: Pick<PagedState, 'bytes' | 'resident'> | null
  /** With `zero_stage: 1` and several processes: this one's part of the optimizer; null: it has all of it. */
  readonly divided: DividedOptimizer | null
  /** With `shard_base` and several processes: the frozen weights, of which this one has a part. */
  readonly sharded: Pick<ShardedBase, 'whole' | 'resident' | 'together' | 'gathered'> | null
  readonly gradients: FlatGradients | null
  /** Outermost first. */
  readonly strategies: readonly NamedPart<Strategy>[]
  /** Those that the file names. */
  readonly monitors: readonly NamedPart<Monitor>[]
  readonly sampler: Sampler | null
  readonly plan: Plan
  /** What makes the examples of each step, from the prompts that the plan gives; null: the plan gives the examples. */
  readonly rollouts: Rollouts | null
  readonly memory: MemoryMode
  /**
   * The memory that it takes, by one step on shapes. null: the run is streamed, and its examples come but once; plugins of the file have a part in
   * it, which may look at numbers; or the state of its optimizer lies in a file.
   */
  readonly rehearse: () => Rehearsal | null
  /** The processes that train it together; null: this one alone. */
  readonly world: World | null
  /** Things worth saying before the start. */
  readonly notes: readonly string[]
}
