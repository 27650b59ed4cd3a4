/**
 * Two models by the same task: how each measure differs, and whether the items tell that it does.
 */
import { TrituneError } from '../../core/mod.ts'
import { scoresOf, type TaskResult } from './evaluate-task.ts'
import { MEASURE_FACTS } from './measures/measures.ts'
import { type Difference, differenceOf } from './measures/statistics.ts'

/**
 * after − before, by measure. E_DATA where the results are not those of the same items.
 *
 * @example
 * ```ts
 * import { compareResults, evaluateTask, readTask } from 'tritune/plugins/evaluate'
 * import { loadModel } from 'tritune/plugins/models'
 * import { loadTokenizer } from 'tritune/plugins/tokenizer'
 * import { writeFileSync } from 'node:fs'
 *
 * using model = loadModel('my-model')
 * writeFileSync('speech.jsonl', JSON.stringify({ text: 'The state of the union is strong.' }))
 * const result = evaluateTask(model, loadTokenizer('my-model'), await readTask('speech.jsonl'))
 * console.log(compareResults(result, result)['token_perplexity'].value) // → 0
 * ```
 */
export function compareResults(before: TaskResult, after: TaskResult): Readonly<Record<string, Difference>> {
  const isSame =
    before.items.length === after.items.length &&
    before.items.every(({ place }, i) => place === after.items[i].place)
  if (!isSame)
    throw new TrituneError(
      'E_DATA',
      `the results of ${before.task} and ${after.task} are not of the same items`,
    )
  return Object.fromEntries(
    Object.keys(after.measures).map((name) => [
      name,
      differenceOf(scoresOf(before.items, name), scoresOf(after.items, name), MEASURE_FACTS[name]),
    ]),
  )
}
