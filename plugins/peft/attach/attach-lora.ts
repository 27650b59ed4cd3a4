/**
 * LoRA on a model, with PEFT's rank and alpha patterns.
 */
import { type Model, TrituneError } from '../../../core/mod.ts'
import { attachAdapter } from './attach.ts'
import { loraModelOptions } from './attach-options.ts'
import type { AttachedAdapter } from './attached-adapter.ts'
import type { BesideOptions } from '../beside/beside.ts'
import type { LoraOptions } from '../lora/lora-options.ts'
import { storedAlpha, storedRank } from '../lora/lora-format.ts'
import { expectUsefulRank, isUsefulRank } from '../lora/lora-factors.ts'
import { matchExperts, partsOf, withExperts } from '../experts/with-experts.ts'
import { lora } from '../methods/lora.ts'
import { tiedLora, tiedTargets } from '../lora/lora-tied.ts'
import { expectPlain, matchParameters, weightName } from './target-parameters.ts'
import { checkPatterns, matchLayers, patternValue, targetFields, type TargetOptions } from './targets.ts'

/** Options of `attachLora()`: which layers, and PEFT's options of a LoRA. */
export interface LoraModelOptions extends TargetOptions, BesideOptions, Partial<LoraOptions> {
  readonly rankPattern?: Readonly<Record<string, number>>
  readonly alphaPattern?: Readonly<Record<string, number>>
  /**
   * Weights by the names of the parameters: `mlp.down_proj.weight`. Beside them `targetModules: []` names no module. Nothing can be dropped
   * there, and there is no DoRA and no bias.
   */
  readonly targetParameters?: readonly string[] | null
  /** Of a model that ties them, embedding and head get one LoRA when either is a target; nothing otherwise. */
  readonly ensureWeightTying?: boolean
  readonly seed?: number
  /** Tells several adapters of one model apart. */
  readonly name?: string
}

/**
 * E_ADAPTER when a target or a pattern matches no layer.
 *
 * @example
 * ```ts
 * import { loadModel } from 'tritune/plugins/models'
 * import { attachLora, saveAdapter } from 'tritune/plugins/peft'
 *
 * using model = loadModel('my-model')
 * using adapter = attachLora(model, { rank: 8, alpha: 16, targetModules: ['q_proj', 'v_proj'] })
 * // train adapter.parameters …
 * saveAdapter('my-new-adapter', adapter, { baseModel: 'my-model' })
 * ```
 */
export function attachLora(
  model: Model,
  {
    rank = 8,
    alpha = 8,
    dropout = 0,
    rsLora = false,
    init = true,
    dora = false,
    loraBias = false,
    loftq,
    rankPattern = {},
    alphaPattern = {},
    seed = 0,
    name,
    ensureWeightTying = false,
    targetParameters = null,
    ...targets
  }: LoraModelOptions,
): AttachedAdapter {
  loraModelOptions.validate({
    ...targets,
    targetParameters,
    rankPattern,
    alphaPattern,
    seed,
    name,
    ensureWeightTying,
  })
  const modules =
    targetParameters?.length && targets.targetModules.length === 0 ? [] : matchLayers(model, targets).matched
  const parameters = matchParameters(model, targetParameters ?? [])
  const experts = matchExperts(model, targetParameters ?? [])
  const parts = partsOf(experts)
  expectOnce(modules, [...parameters, ...parts])
  const names = new Map(parameters.map((path) => [path, weightName(path)]))
  const matched = [...modules, ...names.values(), ...experts.map((one) => one.name)]
  checkPatterns('rank_pattern', rankPattern, matched)
  checkPatterns('alpha_pattern', alphaPattern, matched)
  const options = lora.options.validate({ rank, alpha, dropout, rsLora, init, dora, loraBias, loftq })
  if (parameters.length + experts.length > 0) expectPlain(options)
  const keyOf = (path: string): string => names.get(path) ?? path
  const rankFor = (path: string): number => patternValue(keyOf(path), rankPattern, options.rank)
  // As in PEFT a rank may be larger than some layers, such as the router of a few experts; than all of them it is a mistake.
  const layers = [...modules, ...parameters].flatMap((path) => model.layers.get(path) ?? [])
  if (layers.every((layer) => !isUsefulRank(layer, { rank: rankFor(layer.path) })))
    for (const layer of layers) expectUsefulRank(layer, { rank: rankFor(layer.path) })
  const optionsFor = (path: string, shared: LoraOptions): LoraOptions => ({
    ...shared,
    rank: rankFor(path),
    alpha: patternValue(keyOf(path), alphaPattern, shared.alpha),
  })
  const fields = {
    ensure_weight_tying: ensureWeightTying,
    rank_pattern: mapped(rankPattern, (one) => storedRank(init, one)),
    alpha_pattern: mapped(alphaPattern, (one) => storedAlpha(options, one)),
  }
  const tied = ensureWeightTying ? tiedTargets(model, targets) : null
  const { modulesToSave, trainableTokenIndices, bias } = targets
  const beside = { modulesToSave, trainableTokenIndices, bias, ensureWeightTying }
  const shared = { ...beside, name, seed }
  if (!tied && parameters.length + experts.length === 0)
    return attachAdapter(model, lora, options, { ...targets, ...shared, optionsFor, fields })
  const written = {
    ...fields,
    ...targetFields(targets, modules),
    ...(parameters.length + experts.length > 0 ? { target_parameters: targetParameters } : {}),
  }
  if (experts.length > 0 && !tied)
    return attachAdapter(model, withExperts(lora, experts, optionsFor), options, {
      ...shared,
      targetModules: [...modules, ...parameters, ...parts],
      fields: written,
    })
  if (experts.length > 0)
    throw new TrituneError(
      'E_UNSUPPORTED',
      'target_parameters: weights of experts do not go with peft_ensure_weight_tying',
      { remedy: 'leave one of them out' },
    )
  if (!tied)
    return attachAdapter(model, lora, options, {
      ...shared,
      targetModules: [...modules, ...parameters],
      optionsFor,
      fields: written,
    })
  return attachAdapter(model, tiedLora(lora, model, optionsFor), options, {
    ...shared,
    targetModules: [...tied.used, ...parameters],
    fields: { ...written, target_modules: tied.written },
  })
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** PEFT would put one LoRA into the other. */
function expectOnce(modules: readonly string[], parameters: readonly string[]): void {
  const twice = parameters.find((path) => modules.includes(path))
  if (twice === undefined) return
  throw new TrituneError('E_ADAPTER', `target_parameters: ${twice} is among target_modules too`, {
    remedy: 'name it in one of them',
  })
}

function mapped(
  pattern: Readonly<Record<string, number>>,
  change: (value: number) => number,
): Record<string, number> {
  return Object.fromEntries(Object.entries(pattern).map(([key, value]) => [key, change(value)]))
}
