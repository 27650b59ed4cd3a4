/**
 * Which layers an adapter goes on: PEFT's matching rules, but a pattern that matches nothing is an error.
 *
 * Rules: huggingface/peft `tuners/tuners_utils.py` (check_target_module_exists, _maybe_include_all_linear_layers).
 */
import { type Model, nearestNames, TrituneError } from '../../../core/mod.ts'

/** Which layers an adapter goes on, in PEFT's words. */
export interface TargetOptions {
  /** Name endings, a regular expression on the whole path, or `all-linear`. */
  readonly targetModules: readonly string[] | string
  readonly excludeModules?: readonly string[] | string | null
  /** Only layers with these indices. */
  readonly layersToTransform?: readonly number[] | null
  /** What stands before the index in a path, as expressions; without them whatever does. */
  readonly layersPattern?: readonly string[] | string | null
}

/** The layers that were found, and how many by which pattern. */
export interface TargetMatch {
  /** Paths in the order of the model. */
  readonly matched: readonly string[]
  /** How many modules each pattern matched. */
  readonly counts: ReadonlyMap<string, number>
}

/** PEFT's default targets where none are named; of those that it has none for, those of their like. */
export const DEFAULT_TARGETS: Readonly<Record<string, readonly string[]>> = {
  llama: ['q_proj', 'v_proj'],
  mistral: ['q_proj', 'v_proj'],
  qwen2: ['q_proj', 'v_proj'],
  qwen3: ['q_proj', 'v_proj'],
  gemma: ['q_proj', 'v_proj'],
  gemma2: ['q_proj', 'v_proj'],
  gemma3: ['q_proj', 'v_proj'],
  gemma3_text: ['q_proj', 'v_proj'],
  phi3: ['qkv_proj'],
  olmo2: ['q_proj', 'v_proj'],
  granite: ['q_proj', 'v_proj'],
  smollm3: ['q_proj', 'v_proj'],
  glm: ['q_proj', 'v_proj'],
  glm4: ['q_proj', 'v_proj'],
  cohere: ['q_proj', 'v_proj'],
  cohere2: ['q_proj', 'v_proj'],
  stablelm: ['q_proj', 'v_proj'],
  gpt2: ['c_attn'],
  bitnet: ['q_proj', 'v_proj'],
  tritter: ['q_proj', 'v_proj'],
}

/** The targets among the layers of a model; `all-linear` leaves embeddings and the head out. E_ADAPTER when a pattern fits none. */
export function matchLayers(model: Pick<Model, 'layers'>, targets: TargetOptions): TargetMatch {
  const candidates = candidatesOf(model, targets)
  expectModules(model, targets, candidates)
  return matchTargets(candidates, targets)
}

/**
 * Finds the targets among paths. E_ADAPTER when a pattern fits none.
 *
 * @example
 * ```ts
 * import { matchTargets } from 'tritune/plugins/peft'
 *
 * const paths = ['model.layers.0.self_attn.q_proj', 'model.layers.1.self_attn.q_proj', 'model.norm']
 * console.log(matchTargets(paths, { targetModules: ['q_proj'], layersToTransform: [1] }).matched.length) // → 1
 * ```
 */
export function matchTargets(paths: Iterable<string>, targets: TargetOptions): TargetMatch {
  const all = [...paths]
  const { excludeModules } = targets
  if (excludeModules != null && typeof excludeModules !== 'string')
    for (const name of excludeModules) requireMatch(name, all, 'exclude_modules')
  requireLayers(targets.layersToTransform, all)
  requirePattern(targets, all)
  const match = findTargets(all, targets)
  for (const [pattern, count] of match.counts) if (count === 0) throw noMatch(pattern, all, 'target_modules')
  if (match.matched.length === 0)
    throw new TrituneError('E_ADAPTER', 'target_modules is empty', {
      remedy: 'name modules, or use lora_target_linear: true',
    })
  return match
}

/** The layers that targets of a file say; as in PEFT, some of them may match nothing. */
export function layersOfTargets(model: Pick<Model, 'layers'>, targets: TargetOptions): TargetMatch {
  return findTargets(candidatesOf(model, targets), targets)
}

/** The value of the first pattern that fits the path, in the order that the file lists them; PEFT writes them sorted. */
export function patternValue(
  path: string,
  patterns: Readonly<Record<string, number>>,
  fallback: number,
): number {
  for (const [key, value] of Object.entries(patterns)) {
    if (regex(`(.*\\.)?(${key})$`, key, 'rank_pattern').test(path)) return value
  }
  return fallback
}

/** E_ADAPTER when two keys of a pattern fit one module with different values: PEFT would read its own file differently. */
export function checkPatterns(
  name: string,
  patterns: Readonly<Record<string, number>>,
  matched: readonly string[],
): void {
  for (const key of Object.keys(patterns)) {
    const hits = matched.filter((path) => regex(`(.*\\.)?(${key})$`, key, name).test(path))
    if (hits.length === 0) throw noMatch(key, matched, name)
  }
  for (const path of matched) {
    const values = new Set(
      Object.entries(patterns).flatMap(([key, value]) =>
        regex(`(.*\\.)?(${key})$`, key, name).test(path) ? [value] : [],
      ),
    )
    if (values.size > 1) {
      throw new TrituneError('E_ADAPTER', `${name}: several keys with different values fit ${path}`, {
        remedy: 'make the keys more specific',
      })
    }
  }
}

/** The targets as adapter_config.json has them, without the fields that the method lacks there. */
export function targetFields(
  { targetModules, excludeModules, layersToTransform, layersPattern }: TargetOptions,
  matched: readonly string[],
  lacks: readonly string[] = [],
): Record<string, unknown> {
  const some = <T extends ArrayLike<unknown>>(value: T | null | undefined): T | null =>
    value == null || value.length === 0 ? null : value
  const fields = Object.entries({
    exclude_modules: some(excludeModules),
    layers_pattern: some(layersPattern),
    layers_to_transform: some(layersToTransform),
  })
  const isLost = fields.some(([key, value]) => value !== null && lacks.includes(key))
  // PEFT refuses `layers_to_transform` beside an expression, so the file then lists the modules that it matched.
  const isRefused = typeof targetModules === 'string' && some(layersToTransform) !== null
  return {
    ...Object.fromEntries(fields.filter(([key]) => !lacks.includes(key))),
    target_modules: isLost || isRefused ? matched : targetModules,
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function candidatesOf(model: Pick<Model, 'layers'>, { targetModules }: TargetOptions): string[] {
  // Norms are no targets: they are trained whole or not at all.
  const layers = [...model.layers.values()].filter(({ kind }) => kind !== 'norm')
  const candidates = targetModules === 'all-linear' ? layers.filter(({ kind }) => kind === 'linear') : layers
  const apart = noModules(model)
  // Who names a whole path knows what it is.
  const isNamed = (path: string): boolean => typeof targetModules !== 'string' && targetModules.includes(path)
  return candidates.map(({ path }) => path).filter((path) => !apart.has(path) || isNamed(path))
}

/** Experts that a checkpoint holds in one tensor, and their routers: parameters in transformers, so PEFT reads no adapter of theirs. */
function noModules({ layers }: Pick<Model, 'layers'>): ReadonlySet<string> {
  const found = new Set<string>()
  for (const { path, fused } of layers.values()) {
    if (!fused) continue
    found.add(path)
    found.add(fused.name.replace(/\.experts\.[^.]+$/, '.router'))
  }
  return found
}

/** E_ADAPTER where a name fits nothing but what is no module. */
function expectModules(
  model: Pick<Model, 'layers'>,
  { targetModules }: TargetOptions,
  candidates: readonly string[],
): void {
  if (typeof targetModules === 'string') return
  const apart = [...noModules(model)]
  for (const name of targetModules) {
    const fits = matcher([name], 'target_modules')
    if (candidates.some(fits) || !apart.some(fits)) continue
    throw new TrituneError(
      'E_ADAPTER',
      `target_modules: "${name}" is no layer of its own: the checkpoint holds all experts in one tensor`,
      {
        remedy:
          'name it in lora_target_parameters, such as [mlp.experts.gate_up_proj, mlp.experts.down_proj]',
      },
    )
  }
}

function findTargets(
  all: readonly string[],
  { targetModules, excludeModules, layersToTransform, layersPattern }: TargetOptions,
): TargetMatch {
  // A whole path in a list is meant, whatever its index.
  const isNamed = (path: string): boolean => typeof targetModules !== 'string' && targetModules.includes(path)
  const isInLayers = layerFilter(layersToTransform, layersPattern)
  const excluded =
    excludeModules == null || excludeModules.length === 0
      ? () => false
      : matcher(excludeModules, 'exclude_modules')
  const candidates = all.filter((path) => !excluded(path) && (isNamed(path) || isInLayers(path)))
  const patterns = typeof targetModules === 'string' ? [targetModules] : targetModules
  const counts = new Map<string, number>()
  const matched = new Set<string>()
  for (const pattern of patterns) {
    const fits =
      typeof targetModules === 'string'
        ? matcher(targetModules, 'target_modules')
        : matcher([pattern], 'target_modules')
    const hits = candidates.filter(fits)
    counts.set(pattern, hits.length)
    for (const path of hits) matched.add(path)
  }
  return { matched: all.filter((path) => matched.has(path)), counts }
}

function matcher(patterns: readonly string[] | string, field: string): (path: string) => boolean {
  if (patterns === 'all-linear') return () => true
  if (typeof patterns === 'string') {
    const whole = regex(`^(?:${patterns})$`, patterns, field)
    return (path) => whole.test(path)
  }
  return (path) => patterns.some((name) => path === name || path.endsWith(`.${name}`))
}

function regex(source: string, shown: string, field: string): RegExp {
  try {
    return new RegExp(source.startsWith('^') ? source : `^${source}`, 'u')
  } catch (cause) {
    throw new TrituneError(
      'E_ADAPTER',
      `${field}: "${shown}" is not a regular expression: ${cause instanceof Error ? cause.message : String(cause)}`,
      { cause, remedy: 'a backslash makes a special character plain; a list holds names' },
    )
  }
}

/** PEFT finds the layer index by this expression. */
const LAYER_INDEX = /^.*?\.[^.]*\.(?<index>\d+)\./

function layerFilter(
  layers: readonly number[] | null | undefined,
  pattern: readonly string[] | string | null | undefined,
): (path: string) => boolean {
  if (!layers || layers.length === 0) return () => true
  const patterns = typeof pattern === 'string' ? [pattern] : (pattern ?? [])
  const given = patterns
    .filter((one) => one !== '')
    .map((one) => regex(`^(?:|.*?\\.)(?:${one})\\.(?<index>\\d+)\\.`, one, 'layers_pattern'))
  const expressions = given.length > 0 ? given : [LAYER_INDEX]
  return (path) => {
    const found = expressions.map((expression) => expression.exec(path)).find((match) => match !== null)
    return found?.groups !== undefined && layers.includes(Number(found.groups['index']))
  }
}

function requireLayers(wanted: readonly number[] | null | undefined, paths: readonly string[]): void {
  const there = paths.flatMap((path) => LAYER_INDEX.exec(path)?.[1] ?? []).map(Number)
  const missing = wanted?.find((layer) => !there.includes(layer))
  if (missing === undefined) return
  const last = there.reduce((most, layer) => Math.max(most, layer), -1)
  throw new TrituneError('E_ADAPTER', `layers_to_transform: there is no layer ${missing}`, {
    remedy:
      last < 0 ? 'the model has no numbered layers: leave it out' : `the model has the layers 0 to ${last}`,
  })
}

/** Without this the targets would seem to be wrong. */
function requirePattern({ layersToTransform, layersPattern }: TargetOptions, paths: readonly string[]): void {
  if (layersPattern == null || layersPattern.length === 0) return
  const shown = typeof layersPattern === 'string' ? layersPattern : layersPattern.join(', ')
  if (!layersToTransform?.length)
    throw new TrituneError(
      'E_ADAPTER',
      'layers_pattern needs layers_to_transform, the numbers of the layers',
      {
        remedy: 'add layers_to_transform: [0, 1], or leave layers_pattern out',
      },
    )
  if (paths.some(layerFilter(layersToTransform, layersPattern))) return
  throw new TrituneError('E_ADAPTER', `layers_pattern: "${shown}" stands before the number of no layer`, {
    remedy: `a path of the model is ${paths.find((path) => LAYER_INDEX.test(path)) ?? paths[0]}`,
  })
}

function requireMatch(name: string, paths: readonly string[], field: string): void {
  if (!paths.some((path) => path === name || path.endsWith(`.${name}`))) throw noMatch(name, paths, field)
}

function noMatch(pattern: string, paths: readonly string[], field: string): TrituneError {
  const endings = [...new Set(paths.map((path) => path.slice(path.lastIndexOf('.') + 1)))]
  const near = nearestNames(pattern, endings)
  return new TrituneError('E_ADAPTER', `${field}: "${pattern}" matches no layer`, {
    remedy:
      near.length > 0
        ? `did you mean ${near.map((n) => `"${n}"`).join(' or ')}? The model has: ${endings.join(', ')}`
        : `the model has: ${endings.join(', ')}`,
  })
}
