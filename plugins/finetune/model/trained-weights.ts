/**
 * `unfrozen_parameters:` of a run without an adapter: which of the model's weights are trained, by expressions that are found in their names. As in
 * axolotl a dot is a dot and not any character; ranges of rows (`…$[:32000]`) are not there.
 */
import {
  ConfigError,
  type ConfigFailure,
  type Model,
  nearestNames,
  type Parameters,
} from '../../../core/mod.ts'
import { trainAllWeights } from '../../peft/mod.ts'

/** All of them without `patterns`. Throws a `ConfigError` when one is no expression, or found in no name. */
export function trainedWeights(model: Model, patterns: readonly string[]): Parameters {
  const all = trainAllWeights(model)
  if (patterns.length === 0) return all
  const failures: ConfigFailure[] = []
  const chosen = new Set<string>()
  for (const [index, pattern] of patterns.entries()) {
    const path = ['unfrozen_parameters', index]
    const expression = expressionOf(pattern)
    if (typeof expression === 'string') {
      failures.push({ path, what: expression })
      continue
    }
    const found = [...all.keys()].filter((name) => expression.test(name))
    if (found.length === 0) {
      const [near] = nearestNames(pattern, [...all.keys()], 1)
      failures.push({
        path,
        what: `is in the name of no weight of the model`,
        remedy: `names are such as ${near ?? [...all.keys()][0]}`,
      })
    }
    for (const name of found) chosen.add(name)
  }
  if (failures.length > 0) throw new ConfigError(failures)
  for (const [name, weight] of all) weight.requiresGrad = chosen.has(name)
  return new Map([...all].filter(([name]) => chosen.has(name)))
}

/** Or what is wrong with it. */
function expressionOf(pattern: string): RegExp | string {
  if (/\[\d*:\d*\]$/.test(pattern))
    return 'rows of a weight are not supported yet; peft_trainable_token_indices trains rows beside an adapter'
  try {
    return new RegExp(pattern.replaceAll('.', '\\.'))
  } catch {
    return 'is no regular expression'
  }
}
