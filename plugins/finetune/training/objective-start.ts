/**
 * What comes before the first step for the objective: a look at the examples, and at the model as it was before the training.
 */
import {
  type FloatDType,
  type Host,
  inPlugin,
  type Model,
  type Objective,
  type TokenizedExample,
  withAdapters,
} from '../../../core/mod.ts'
import type { LoadedDataset } from '../../data/mod.ts'
import { loadModel } from '../../models/mod.ts'
import type { FinetuneConfig } from '../config/config.ts'
import { atKey } from '../config/at-key.ts'
import { keyOfObjective } from '../config/preference-options.ts'
import { fitting } from '../memory/out-of-memory.ts'
import { expectSameTokens } from '../model/same-tokens.ts'
import type { RunTokenizer } from '../model/run-tokenizer.ts'
import type { Plan } from './plan.ts'
import { rememberedNumbers } from './remembered-numbers.ts'

/** What is known of a run when its objective is prepared. */
export interface StartedRun {
  readonly config: FinetuneConfig
  readonly model: Model
  /** Folder or file of its weights. */
  readonly modelPath: string
  /** Of the model that the file names as teacher; null: it names none. */
  readonly teacherPath: string | null
  readonly dtype: FloatDType
  readonly host: Host
  readonly data: Pick<LoadedDataset, 'train' | 'validation'>
  readonly plan: Plan
  readonly tokenizer: Pick<RunTokenizer, 'encode'>
  readonly isRehearsal: boolean
}

/** Gives what is worth saying. */
export function startObjective(objective: Objective, run: StartedRun): readonly string[] {
  const { config, model, dtype, host, data } = run
  if (!objective.prepare) return []
  const { device } = model.head
  // An adapter that is gone on with is part of what was there before.
  const isFresh = config.lora_model_dir === null
  return inPlugin(
    `the objective ${objective.name}`,
    () =>
      objective.prepare?.({
        model,
        train: usedExamples(run),
        validation: data.validation,
        isRehearsal: run.isRehearsal,
        microBatchSize: config.micro_batch_size,
        asReference: (fn) => (isFresh ? withAdapters(model, [], fn) : fn()),
        remembered: (name, examples, compute) =>
          rememberedNumbers({ config, modelPath: run.modelPath, dtype, device }, name, examples, compute),
        // A teacher is the one kind of other model there is.
        openModel: (named) =>
          atKey(keyOfObjective(config, ['teacher']), () => {
            const path = run.teacherPath ?? named
            if (run.teacherPath === null) expectSameTokens(path, run.tokenizer)
            return fitting('the other model', () =>
              loadModel(path, { device, dtype, models: host.all('model'), writable: false }),
            )
          }),
      }) ?? [],
  )
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** In the order of the data; without those that no step comes to. */
function usedExamples({ data: { train }, plan, isRehearsal }: StartedRun): readonly TokenizedExample[] {
  // A rehearsal takes the longest batch of all.
  if (isRehearsal || plan.totalSteps >= plan.stepsPerEpoch) return train
  const used = new Set<TokenizedExample>()
  const batches = plan.batches(0)
  for (const { start, end } of batches.windows.slice(0, plan.totalSteps))
    for (let i = start; i < end; i++) for (const example of batches.get(i).examples) used.add(example)
  return train.filter((example) => used.has(example))
}
