/**
 * Checkpoints of a run: the trained weights, the optimizer's state and the position, in a folder that appears whole.
 *
 *   checkpoint-120/
 *     adapter_model.safetensors + adapter_config.json, or model.safetensors (adapter: none)
 *     optimizer.safetensors       state tensors by name, f32
 *     training_state.json         step, best evaluation, and the settings that the numbers depend on
 */
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  recoverFolder,
  removeFolderAtomic,
  writeFileAtomic,
  writeFolderAtomicSync,
} from '../../core/files/atomic.ts'
import { openCheckpoint } from '../../core/files/checkpoint.ts'
import { tensorDType } from '../../core/files/safetensors.ts'
import { writeSafetensors } from '../../core/files/safetensors-write.ts'
import { setTensorBytes, tensorBytes } from '../../core/tensor/tensor-bytes.ts'
import { expectShape, type Parameters, type Tensor, TrituneError } from '../../core/mod.ts'
import type { LoadedDataset } from '../data/mod.ts'
import type { FinetuneConfig } from './config.ts'

export interface TrainingState {
  readonly format: 1
  /** Optimizer steps done. */
  readonly step: number
  readonly best: BestEvaluation | null
  /** Evaluations without improvement. */
  readonly stale: number
  /** What must be equal for a resume to continue to the same bits. */
  readonly settings: Readonly<Record<string, unknown>>
}

export interface BestEvaluation {
  readonly loss: number
  readonly step: number
}

export const STATE_FILE = 'training_state.json'
const OPTIMIZER_FILE = 'optimizer.safetensors'

/** Settings that change the numbers of a run, as far as the configuration knows. */
const SETTINGS = [
  'base_model',
  'revision_of_model',
  'plugins',
  'adapter',
  'adapter_options',
  'lora_r',
  'lora_alpha',
  'lora_dropout',
  'lora_target_modules',
  'lora_target_linear',
  'lora_exclude_modules',
  'lora_rank_pattern',
  'lora_alpha_pattern',
  'peft_use_rslora',
  'peft_layers_to_transform',
  'sequence_len',
  'excess_length_strategy',
  'min_sample_len',
  'sample_packing',
  'train_on_inputs',
  'group_by_length',
  'dataloader_drop_last',
  'micro_batch_size',
  'gradient_accumulation_steps',
  'num_epochs',
  'max_steps',
  'learning_rate',
  'optimizer',
  'adam_beta1',
  'adam_beta2',
  'adam_epsilon',
  'weight_decay',
  'lr_scheduler',
  'lr_scheduler_kwargs',
  'cosine_min_lr_ratio',
  'warmup_steps',
  'warmup_ratio',
  'max_grad_norm',
  'bf16',
  'seed',
  'datasets',
  'val_set_size',
] as const satisfies readonly (keyof FinetuneConfig)[]

/** The settings, and a hash of the examples: files, templates and tokenizers that change show up in it. */
export function settingsOf(
  config: FinetuneConfig,
  { train, validation }: Pick<LoadedDataset, 'train' | 'validation'>,
): Record<string, unknown> {
  const hash = createHash('sha256')
  for (const { ids, labels } of [...train, ...validation])
    hash.update(Int32Array.of(ids.length)).update(ids).update(labels)
  return {
    ...Object.fromEntries(SETTINGS.map((key) => [key, config[key]])),
    data: hash.digest('hex').slice(0, 16),
  }
}

export interface SaveStateOptions {
  readonly folder: string
  readonly state: TrainingState
  readonly optimizer: ReadonlyMap<string, Tensor>
  /** Writes the trained weights into a folder. */
  saveWeights(folder: string): void
}

export function saveTrainingState({ folder, state, optimizer, saveWeights }: SaveStateOptions): void {
  writeFolderAtomicSync(folder, (temporary) => {
    saveWeights(temporary)
    writeSafetensors(
      join(temporary, OPTIMIZER_FILE),
      [...optimizer].map(([name, t]) => ({
        name,
        dtype: t.dtype,
        shape: t.shape,
        chunks: () => tensorBytes(t),
      })),
    )
    writeFileAtomic(join(temporary, STATE_FILE), `${JSON.stringify(state, null, 2)}\n`)
  })
}

/** Reads a checkpoint and checks that it belongs to this run: E_RESUME names the settings that differ. */
export function readTrainingState(folder: string, now: Readonly<Record<string, unknown>>): TrainingState {
  recoverFolder(folder)
  const place = join(folder, STATE_FILE)
  if (!existsSync(place))
    throw new TrituneError('E_RESUME', `there is no checkpoint here: ${STATE_FILE} is missing`, {
      place: folder,
    })
  const state = parseState(place)
  if (state.format !== 1)
    throw new TrituneError('E_RESUME', `the checkpoint has format ${String(state.format)}, expected 1`, {
      place,
    })
  const changed = Object.keys(now).filter(
    (key) =>
      // A checkpoint of an earlier version can lack a setting that there was no choice of then.
      Object.hasOwn(state.settings, key) && JSON.stringify(now[key]) !== JSON.stringify(state.settings[key]),
  )
  if (changed.length > 0) {
    const list = changed
      .map((key) => `${key} (was ${JSON.stringify(state.settings[key])}, is ${JSON.stringify(now[key])})`)
      .join(', ')
    throw new TrituneError('E_RESUME', `these settings changed since the checkpoint: ${list}`, {
      place: folder,
      remedy: 'set them back, or start a new run from the adapter with lora_model_dir',
    })
  }
  return state
}

/** Puts the saved weights and optimizer state into the tensors of a run. E_RESUME when a name or shape does not fit. */
export function loadTrainingState(
  folder: string,
  weightsFile: string,
  parameters: Parameters,
  optimizer: ReadonlyMap<string, Tensor>,
  { prefix = '' }: { readonly prefix?: string } = {},
): void {
  fillFrom(join(folder, weightsFile), parameters, prefix)
  fillFrom(join(folder, OPTIMIZER_FILE), optimizer, '')
}

/** Checkpoint folders of a run, oldest first. */
export function listCheckpoints(outputDir: string): { readonly step: number; readonly folder: string }[] {
  if (!existsSync(outputDir)) return []
  return readdirSync(outputDir)
    .flatMap((name) => {
      const step = /^checkpoint-(\d+)$/.exec(name)?.[1]
      return step === undefined ? [] : [{ step: Number(step), folder: join(outputDir, name) }]
    })
    .toSorted((a, b) => a.step - b.step)
}

/** Deletes the oldest checkpoints beyond `limit`; the one of step `keep` (the best) stays. */
export function pruneCheckpoints(outputDir: string, limit: number | null, keep: number | null): void {
  if (limit === null) return
  const all = listCheckpoints(outputDir)
  const removable = all.filter(({ step }) => step !== keep)
  const excess = all.length - Math.max(limit, 1)
  for (const { folder } of removable.slice(0, Math.max(0, Math.min(excess, removable.length - 1))))
    removeFolderAtomic(folder)
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function parseState(place: string): TrainingState {
  try {
    const state: unknown = JSON.parse(readFileSync(place, 'utf8'))
    if (typeof state === 'object' && state !== null && 'settings' in state) return state as TrainingState
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause
  }
  throw new TrituneError('E_RESUME', 'the checkpoint is damaged: this is not the state of a run', {
    place,
    remedy: 'resume from an older checkpoint with resume_from_checkpoint',
  })
}

function fillFrom(file: string, targets: ReadonlyMap<string, Tensor>, prefix: string): void {
  const checkpoint = openCheckpoint(file)
  for (const [name, target] of targets) {
    const entry = checkpoint.entries.get(`${prefix}${name}`)
    if (!entry)
      throw new TrituneError('E_RESUME', `the checkpoint has no tensor "${prefix}${name}"`, { place: file })
    expectShape(`${file}: ${name}`, entry.shape, target.shape)
    if (tensorDType(entry) !== target.dtype)
      throw new TrituneError('E_RESUME', `tensor "${name}" is ${entry.dtype}, the run has ${target.dtype}`, {
        place: file,
      })
    setTensorBytes(target, checkpoint.read(entry))
  }
}
