/**
 * The head of a model that scores texts, which every adapter of layers trains whole beside it, as PEFT's task SEQ_CLS does.
 */
import type { Model } from '../../../core/mod.ts'
import type { BesideOptions } from './beside.ts'

/** The names that such a head has in transformers; PEFT lists both. */
const NAMES = ['classifier', 'score']

/** What is trained beside an adapter of layers: of a model that scores, its head too. */
export function withScoreHead(
  { scoreHead }: Pick<Model, 'scoreHead'>,
  beside: BesideOptions,
  targets: readonly string[],
): BesideOptions {
  const { modulesToSave } = beside
  if (!scoreHead || targets.includes(scoreHead.path) || modulesToSave?.includes(scoreHead.path)) return beside
  return { ...beside, modulesToSave: [...(modulesToSave ?? []), scoreHead.path] }
}

/** `task_type` of adapter_config.json. */
export function taskFields({ scoreHead }: Pick<Model, 'scoreHead'>): Readonly<Record<string, unknown>> {
  return scoreHead ? { task_type: 'SEQ_CLS' } : {}
}

/** `modules_to_save` of a file without the name that the head of the model has not. */
export function scoringModules(
  { task_type: task }: Readonly<Record<string, unknown>>,
  names: readonly string[] | null,
): readonly string[] | null {
  return task === 'SEQ_CLS' && names ? names.filter((name) => name !== NAMES[0]) : names
}
