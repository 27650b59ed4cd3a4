/**
 * Which runs are recorded: fifty that are set as one sets such runs, and some that go wrong in a known way. All are of the bundled model.
 */
import type { FinetuneInput } from '../../../plugins/finetune/mod.ts'

/** A run to record. */
export interface CurveRun {
  readonly name: string
  /** What it is an example of; `healthy` says nothing of what an advisor will find. */
  readonly kind: 'healthy' | 'spike' | 'plateau' | 'divergence' | 'nan'
  readonly settings: FinetuneInput
  /** Lines of the data (1-based) whose text is replaced by random letters; a line is longer than an example. */
  readonly brokenLines?: readonly number[]
}

const BASE: FinetuneInput = {
  base_model: 'quickstart/model',
  adapter: 'lora',
  lora_r: 8,
  lora_alpha: 16,
  lora_target_linear: true,
  datasets: [{ path: 'quickstart/moby-dick.train.jsonl', type: 'completion' }],
  sequence_len: 64,
  excess_length_strategy: 'truncate',
  micro_batch_size: 4,
  learning_rate: 2e-3,
  lr_scheduler: 'cosine',
  warmup_ratio: 0.05,
  max_steps: 150,
  save_strategy: 'no',
  threads: 1,
  seed: 1,
}

/** Ten ways to set a run that learns; each is made with five seeds. */
const HEALTHY: Readonly<Record<string, Partial<FinetuneInput>>> = {
  cosine: {},
  constant: { lr_scheduler: 'constant_with_warmup', learning_rate: 1e-3 },
  linear: { lr_scheduler: 'linear', learning_rate: 3e-3 },
  'small-batch': { micro_batch_size: 1, learning_rate: 1e-3, max_steps: 200 },
  packed: { sample_packing: true, sequence_len: 128, micro_batch_size: 2, max_steps: 120 },
  dropout: { lora_dropout: 0.1, lora_r: 16, lora_alpha: 32 },
  full: { adapter: 'none', learning_rate: 3e-4, micro_batch_size: 2 },
  wsd: { lr_scheduler: 'warmup_stable_decay', learning_rate: 1e-3 },
  lion: { optimizer: 'lion_pytorch', learning_rate: 2e-4 },
  // Several epochs of few texts: the loss falls far below that of new ones.
  epochs: { datasets: [{ path: 'quickstart/moby-dick.train.jsonl[:60]', type: 'completion' }] },
}

const SEEDS = [1, 2, 3, 4, 5] as const

export const CURVE_RUNS: readonly CurveRun[] = [
  ...Object.entries(HEALTHY).flatMap(([name, changes]) =>
    SEEDS.map((seed): CurveRun => ({
      name: `${name}-${seed}`,
      kind: 'healthy',
      settings: merged({ ...changes, seed }),
    })),
  ),
  ...[1, 2].map((seed): CurveRun => ({
    name: `spike-${seed}`,
    kind: 'spike',
    settings: merged({ seed, curriculum_sampling: true, shuffle_merged_datasets: false }),
    brokenLines: [104],
  })),
  ...[1, 2].map((seed): CurveRun => ({
    name: `plateau-${seed}`,
    kind: 'plateau',
    settings: merged({ seed, learning_rate: 1e-7, lr_scheduler: 'constant', micro_batch_size: 4 }),
  })),
  ...[1, 2].map((seed): CurveRun => ({
    name: `divergence-${seed}`,
    kind: 'divergence',
    settings: merged({
      seed,
      learning_rate: 0.2,
      lr_scheduler: 'constant_with_warmup',
      warmup_steps: 150,
      warmup_ratio: null,
      max_grad_norm: 0,
    }),
  })),
  ...[1, 3].map((seed): CurveRun => ({
    name: `nan-${seed}`,
    kind: 'nan',
    settings: merged({
      seed,
      optimizer: 'sgd',
      learning_rate: 300,
      lr_scheduler: 'constant_with_warmup',
      warmup_steps: 150,
      warmup_ratio: null,
      max_grad_norm: 0,
    }),
  })),
]

function merged(changes: Partial<FinetuneInput>): FinetuneInput {
  return { ...BASE, ...changes }
}
