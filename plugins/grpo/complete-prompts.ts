/**
 * Completions of prompts in batches: groups share the pass of their prompt, each completion has a seed of its own.
 */
import type { Model } from '../../core/mod.ts'
import { createRandom } from '../../core/tensor/random.ts'
import { openBatchEngine } from '../generate/mod.ts'
import type { GrpoOptions } from './options.ts'

/** What the model wrote after a prompt. */
export interface Completion {
  /** The token that ended it is the last one. */
  readonly ids: readonly number[]
  /** Whether a stop token ended it; else it was cut off. */
  readonly ended: boolean
}

/** How completions are made. */
export interface CompletionSettings extends Pick<
  GrpoOptions,
  | 'num_generations'
  | 'max_completion_length'
  | 'temperature'
  | 'top_p'
  | 'top_k'
  | 'min_p'
  | 'repetition_penalty'
> {
  readonly stopIds: readonly number[]
  readonly seed: number
  readonly step: number
  /** Which of the prompts of the step each is; default: 0, 1, … */
  readonly numbers?: readonly number[]
}

/** `num_generations` completions of each prompt, group after group; the same for the same seed, step and weights. */
export function completePrompts(
  model: Model,
  prompts: readonly ArrayLike<number>[],
  settings: CompletionSettings,
): Completion[] {
  const { num_generations: each, max_completion_length: maxNewTokens, stopIds, numbers } = settings
  const made: number[][] = prompts.flatMap(() => Array.from({ length: each }, () => []))
  const ended = made.map(() => false)
  /** In the step, so that whoever makes a completion makes the same one. */
  const rowOf = (row: number): number => {
    const prompt = Math.floor(row / each)
    return (numbers?.[prompt] ?? prompt) * each + (row % each)
  }
  const longest = prompts.reduce((most, { length }) => Math.max(most, length), 1)
  const tokens = Math.min(model.info.contextLength, longest + maxNewTokens)
  using engine = openBatchEngine(model, { rows: Math.min(rowsThatFit(model, tokens), made.length), tokens })
  for (let added = 0; added < made.length || engine.open > 0;) {
    for (; added < made.length && engine.free > 0; added++)
      engine.add({
        prompt: Array.from(prompts[Math.floor(added / each)]),
        maxNewTokens,
        temperature: settings.temperature,
        topP: settings.top_p,
        topK: settings.top_k,
        minP: settings.min_p,
        repetitionPenalty: settings.repetition_penalty,
        stopIds,
        seed: seedOf(settings, rowOf(added)),
      })
    // Texts are numbered as they are added.
    for (const { text, id, stopId } of engine.step()) {
      const token = id ?? stopId
      if (token !== null) made[text].push(token)
      if (stopId !== null) ended[text] = true
    }
  }
  return made.map((ids, row) => ({ ids, ended: ended[row] }))
}

/** Keys and values of all rows take a gigabyte at most, but four rows there are; more than 64 are no faster. */
function rowsThatFit({ info: { layerCount, kvHeads, headSize } }: Model, tokens: number): number {
  const bytes = tokens * layerCount * kvHeads * headSize * 2 * 4
  return Math.min(64, Math.max(4, Math.floor(2 ** 30 / bytes)))
}

/** Keyed by step and row, so that a resumed run draws the same. */
function seedOf({ seed, step }: Pick<CompletionSettings, 'seed' | 'step'>, row: number): number {
  const random = createRandom(seed, `completion ${row} of step ${step}`)
  return random.int(2 ** 21) * 2 ** 32 + random.uint32()
}
