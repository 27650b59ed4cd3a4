/**
 * Do the tensors of an adapter's file stand for the layers that its adapter_config.json targets? PEFT puts the adapter on the
 * targets alone and leaves other tensors aside, so a file whose two halves differ would be read as another adapter than it says.
 * A target that matches nothing is no mistake by itself: PEFT lets lists name the modules of several models.
 */
import { counted } from '../../../core/counted.ts'
import { type Model, TrituneError } from '../../../core/mod.ts'
import { targetParametersOf } from '../lora/lora-format.ts'
import { isTargetParameter } from './target-parameters.ts'
import { layersOfTargets, type TargetOptions } from './targets.ts'
import { WEIGHTS_FILE } from '../files/save.ts'
import { PREFIX } from '../files/tensor-names.ts'
import { blocksOf, otherBaseRemedy } from './trained-base.ts'

/** What to do where adapter_config.json and the tensors beside it contradict each other. */
export const NOT_OF_ONE =
  'the configuration and the tensors are not of one adapter: copy both again from where it was trained'

/** Throws E_ADAPTER. Files without `target_modules` have nothing to check: their tensors say where they belong. */
export function checkTargets(
  model: Pick<Model, 'layers' | 'head'>,
  fields: Readonly<Record<string, unknown>>,
  tensors: Iterable<string>,
): void {
  const targets = readTargets(fields)
  if (targets === null) return
  const names = [...tensors]
  const { matched, counts } = layersOfTargets(model, targets)
  const parameters = [...model.layers.keys()].filter((path) =>
    isTargetParameter(targetParametersOf(fields), path),
  )
  const isTarget = new Set([...matched, ...parameters])
  // PEFT gives the head that of the embedding, and names the embedding alone.
  if (fields['ensure_weight_tying'] === true && matched.includes(model.head.tiedTo ?? ''))
    isTarget.add(model.head.path)
  const hasTensors = (path: string): boolean => names.some((name) => name.startsWith(`${PREFIX}${path}.`))
  const unmatched = [...counts].flatMap(([pattern, count]) => (count === 0 ? [`"${pattern}"`] : []))
  const without = unmatched.length > 0 ? `; ${listed(unmatched)} of target_modules matches no layer` : ''
  const untargeted = [...model.layers.keys()].filter((path) => !isTarget.has(path) && hasTensors(path))
  if (untargeted.length > 0)
    throw new TrituneError(
      'E_ADAPTER',
      `${WEIGHTS_FILE} has tensors for ${listed(untargeted)}, which target_modules does not name${without}`,
      { remedy: NOT_OF_ONE },
    )
  const missing = [...matched, ...parameters].filter((path) => !hasTensors(path))
  const [own, wanted] = [blocksOf(names), blocksOf([...matched, ...parameters])]
  // All that is there is whole, and ends early: a model with more layers than the adapter has.
  if (missing.length > 0 && own > 0 && own < wanted && missing.every((path) => blocksOf([path]) > own))
    throw new TrituneError(
      'E_ADAPTER',
      `the adapter is of a model with ${counted(own, 'layer')}, this one has ${blocksOf(model.layers.keys())}: ${WEIGHTS_FILE} has no tensors for ${listed(missing)}`,
      { remedy: `${otherBaseRemedy(fields)}; if this is that one, copy the adapter again` },
    )
  if (missing.length > 0)
    throw new TrituneError(
      'E_ADAPTER',
      `${matched.includes(missing[0]) ? 'target_modules' : 'target_parameters'} names ${listed(missing)}, for which ${WEIGHTS_FILE} has no tensors`,
      {
        remedy: NOT_OF_ONE,
      },
    )
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function readTargets(fields: Readonly<Record<string, unknown>>): TargetOptions | null {
  const targetModules = namesOf(fields, 'target_modules')
  if (targetModules === null) return null
  const layers = fields['layers_to_transform'] ?? null
  const layersToTransform = typeof layers === 'number' ? [layers] : layers
  if (layersToTransform !== null && !isListOf(layersToTransform, isNumber))
    throw expected('layers_to_transform', 'numbers', layers)
  return {
    targetModules,
    excludeModules: namesOf(fields, 'exclude_modules'),
    layersToTransform,
    layersPattern: namesOf(fields, 'layers_pattern'),
  }
}

function namesOf(fields: Readonly<Record<string, unknown>>, key: string): string | readonly string[] | null {
  const value = fields[key] ?? null
  if (value === null || typeof value === 'string' || isListOf(value, isText)) return value
  throw expected(key, 'a text or a list of texts', value)
}

function expected(key: string, what: string, value: unknown): TrituneError {
  return new TrituneError('E_ADAPTER', `${key}: expected ${what}, got ${JSON.stringify(value)}`)
}

function isListOf<T>(value: unknown, isOne: (one: unknown) => one is T): value is readonly T[] {
  return Array.isArray(value) && value.every(isOne)
}

function isNumber(value: unknown): value is number {
  return typeof value === 'number'
}

function isText(value: unknown): value is string {
  return typeof value === 'string'
}

function listed(paths: readonly string[]): string {
  const shown = paths.slice(0, 3).join(', ')
  return paths.length > 3 ? `${shown} and ${paths.length - 3} more` : shown
}
