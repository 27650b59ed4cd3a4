/**
 * AdaLoRA (Zhang et al. 2023, arXiv 2303.10512): a LoRA in the form of a singular value decomposition, whose layers share one budget
 * of directions.
 *
 *   y = x·Wᵀ + b + s·(drop(x)·(E∘A)ᵀ)·Bᵀ      A (r, in), B (out, r) near orthogonal, E (r, 1) 0 at the start, s = α/(r + 10⁻⁵)
 *
 * After each step the directions that matter least are given up (E = 0) until the budget is met: few in one layer, many in
 * another. Checkpoints keep all of them; the files of the finished adapter have those that are left.
 */
import {
  type Adapter,
  add,
  affine,
  baseForward,
  type BaseLayer,
  cast,
  createRandom,
  currentNoise,
  decimal,
  defineConfig,
  dropout as dropped,
  flag,
  type FloatDType,
  integer,
  linear,
  listOf,
  mapOf,
  matmul,
  mul,
  noGrad,
  nullable,
  optional,
  parameter,
  type PeftFormat,
  scoped,
  type SharedAdapter,
  type SharedAdapterDefinition,
  siteOf,
  type Tensor,
  tensor,
  TrituneError,
  type ValidatableConfig,
  zeros,
} from '../../../core/mod.ts'
import { copyElements } from '../../../core/tensor/tensor-bytes.ts'
import * as v from 'valibot'
import { budgetAt } from '../adalora/budget.ts'
import { createImportance } from '../adalora/importance.ts'
import { orthogonalityPenalty } from '../adalora/orthogonality.ts'
import { trimmed } from '../adalora/trimmed.ts'
import { DEFAULTS } from '../lora/lora-format.ts'
import { NO_MODULES, peftFields } from '../delta/fields.ts'
import { folded } from '../delta/fold.ts'
import { lasting } from '../delta/leaves.ts'

// ---- definition -------------------------------------------------------------------------------------------------

/** Options of AdaLoRA, as PEFT's `AdaLoraConfig` names them. */
export interface AdaLoraOptions {
  /** Directions that a layer keeps on average. */
  readonly target_r: number
  /** Directions of every layer at the start. */
  readonly init_r: number
  readonly lora_alpha: number
  readonly lora_dropout: number
  /** Steps before directions are given up. */
  readonly tinit: number
  /** Steps at the end in which none are. */
  readonly tfinal: number
  /** Steps between two choices. */
  readonly deltaT: number
  readonly beta1: number
  readonly beta2: number
  readonly orth_reg_weight: number
  /** Steps of the run; it must be given. */
  readonly total_step: number
  /** false: E is random too (for tests). */
  readonly init_lora_weights: boolean
  /** Of a finished one: which directions are left, by `<module path>.lora_E`. */
  readonly rank_pattern: Readonly<Record<string, readonly boolean[]>> | null
}

const adaLoraOptions: ValidatableConfig<AdaLoraOptions> = defineConfig<AdaLoraOptions>(
  v.strictObject(
    {
      target_r: optional(integer({ min: 1 }), 8),
      init_r: optional(integer({ min: 1 }), 12),
      lora_alpha: optional(decimal({ min: 0 }), 8),
      lora_dropout: optional(decimal({ min: 0, below: 1 }), 0),
      tinit: optional(integer({ min: 0 }), 0),
      tfinal: optional(integer({ min: 0 }), 0),
      deltaT: optional(integer({ min: 1 }), 1),
      beta1: optional(decimal({ above: 0, below: 1 }), 0.85),
      beta2: optional(decimal({ above: 0, below: 1 }), 0.85),
      orth_reg_weight: optional(decimal({ min: 0 }), 0.5),
      total_step: integer({ min: 1 }),
      init_lora_weights: optional(flag(), true),
      rank_pattern: nullable(mapOf(listOf(flag()))),
    },
    'expected a mapping',
  ),
  [
    ({ tinit, tfinal, total_step: total }) =>
      tinit >= total - tfinal
        ? {
            path: ['total_step'],
            what: `tinit ${tinit} and tfinal ${tfinal} leave none of ${total} steps to give directions up`,
          }
        : undefined,
    ({ target_r: target, init_r: start }) =>
      target > start
        ? { path: ['target_r'], what: `${target} is more than the ${start} directions of init_r` }
        : undefined,
  ],
)

/** The definition for plugins and YAML. */
export const adalora: SharedAdapterDefinition<AdaLoraOptions> = {
  name: 'adalora',
  options: adaLoraOptions,
  kinds: ['linear', 'head'],
  peft: adaLoraFormat(),
  createShared: createAdaLora,
}

// ---- layers -----------------------------------------------------------------------------------------------------

/** The adapter of one layer. */
export interface AdaLoraAdapter extends Adapter {
  readonly kind: 'adalora'
  /** (r, in) f32 */
  readonly a: Tensor
  /** (out, r) f32 */
  readonly b: Tensor
  /** (r, 1) f32 */
  readonly e: Tensor
  merge(weight: Tensor): Tensor
  unmerge(weight: Tensor): Tensor
}

/** AdaLoRA for all these layers. */
export function createAdaLora(
  layers: readonly BaseLayer[],
  options: AdaLoraOptions,
  { seed }: { readonly seed: number },
): SharedAdapter {
  const { beta1, beta2, orth_reg_weight: weight, target_r: targetRank } = options
  // Before anything is made.
  for (const { path } of layers) expectPattern(options, path)
  const adapters = layers.map((layer) => createLayer(layer, options, seed))
  const [a, b, e] = [adapters.map((one) => one.a), adapters.map((one) => one.b), adapters.map((one) => one.e)]
  const all = e.reduce((sum, { size }) => sum + size, 0)
  const target = Math.min(all, targetRank * layers.length)
  const ofA = createImportance('A', a, { beta1, beta2 })
  const ofB = createImportance('B', b, { beta1, beta2 })
  const ofE = createImportance('E', e, { beta1, beta2 })
  const importances = [ofA, ofB, ofE]
  /** 1 where a direction is left, layer after layer. */
  const left = lasting(tensor(new Float32Array(all).fill(1), { device: layers[0].device }))

  const importanceOfDirections = (): Float32Array => {
    const [scoresA, scoresB, scoresE] = [ofA.scores(1), ofB.scores(0), ofE.scores(1)]
    // PEFT adds the two means first; in f32, as the order of nearly equal ones may hang on it.
    return Float32Array.from(
      adapters.flatMap((_, i) =>
        [...scoresE[i]].map((score, j) => score + Math.fround(scoresA[i][j] + scoresB[i][j])),
      ),
    )
  }
  const giveUp = (keep: number): void => {
    const scores = importanceOfDirections()
    const excess = all - keep
    if (excess <= 0) return
    const threshold = scores.toSorted()[excess - 1]
    left.set(scores.map((score) => (score <= threshold ? 0 : 1)))
  }
  const maskDirections = (): void => {
    let at = 0
    for (const own of e) {
      if (own.size > 0) {
        using masked = noGrad(() => scoped(() => mul(own, left.window(own.shape, at))))
        copyElements(own, masked)
      }
      at += own.size
    }
  }
  return {
    adapters,
    penalty: () => orthogonalityPenalty(a, b, weight) ?? zeros([], { device: layers[0].device }),
    afterStep({ step, gradScale }) {
      const { watches, keep, isFinal } = budgetAt(step, options, { all, target })
      if (watches) for (const importance of importances) importance.watch(gradScale)
      if (keep !== null) giveUp(keep)
      // Optimizers move what was given up too: from the last choice on it is taken back after every step.
      if (keep !== null || !watches) maskDirections()
      if (isFinal) for (const importance of importances) importance.forget()
    },
    tensors: () => new Map([...importances.flatMap((one) => [...one.tensors()]), ['left', left]]),
    finished: () =>
      trimmed(
        layers.map(({ path }, i) => ({ ...adapters[i], path, before: patternOf(options, path) })),
        left.toArray(),
      ),
    [Symbol.dispose]() {
      for (const importance of importances) importance[Symbol.dispose]()
      left.dispose()
    },
  }
}

function createLayer(layer: BaseLayer, options: AdaLoraOptions, seed: number): AdaLoraAdapter {
  const { path, inputs, outputs, device } = layer
  const { lora_alpha: alpha, lora_dropout: dropout, init_r: start, init_lora_weights: isPlain } = options
  const pattern = patternOf(options, path)
  const rank = pattern ? pattern.filter(Boolean).length : start
  const site = siteOf(path)
  const random = createRandom(seed, site)
  const leaf = (shape: readonly number[], scale: number): Tensor => {
    const length = shape.reduce((x, y) => x * y, 1)
    const values = Float32Array.from({ length }, () => (scale === 0 ? 0 : scale * random.normal()))
    return parameter(lasting(tensor(values, { shape, device })))
  }
  const a = leaf([rank, inputs], 0.02)
  const b = leaf([outputs, rank], 0.02)
  const e = leaf([rank, 1], isPlain ? 0 : 1)
  // Of a finished one too: by the directions at the start.
  const scale = (alpha > 0 ? alpha : rank) / (start + 1e-5)
  const changed = (weight: Tensor, factor: number): Tensor =>
    folded(weight, (wide) =>
      rank === 0 ? affine(wide) : add(wide, affine(matmul(b, mul(a, e)), { scale: factor })),
    )
  return {
    kind: 'adalora',
    a,
    b,
    e,
    forward(x, base) {
      if (rank === 0) return baseForward(base, x)
      const lora = { a: mul(a, e), b, scale, dropout: currentNoise() ? dropout : 0, site }
      return baseForward(base, x, { lora })
    },
    delta(x) {
      const dtype = x.dtype as FloatDType
      const seen = currentNoise() ? dropped(x, { p: dropout, site }) : x
      if (rank === 0) return zeros([...x.shape.slice(0, -1), outputs], { dtype, device })
      return affine(linear(linear(seen, cast(mul(a, e), dtype)), cast(b, dtype)), { scale })
    },
    parameters: () => ({ lora_A: a, lora_B: b, lora_E: e }),
    merge: (weight) => changed(weight, scale),
    unmerge: (weight) => changed(weight, -scale),
    [Symbol.dispose]() {
      for (const own of [a, b, e]) own.dispose()
    },
  }
}

// ---- format -----------------------------------------------------------------------------------------------------

function adaLoraFormat(): PeftFormat<AdaLoraOptions> {
  const { rank_pattern: _none, ...plain } = DEFAULTS
  const format = peftFields<AdaLoraOptions>({
    type: 'ADALORA',
    options: adaLoraOptions,
    names: [
      'target_r',
      'init_r',
      'lora_alpha',
      'lora_dropout',
      'tinit',
      'tfinal',
      'deltaT',
      'beta1',
      'beta2',
      'orth_reg_weight',
      'total_step',
      'init_lora_weights',
      'rank_pattern',
    ],
    // Those of LoRA, of which PEFT uses none here.
    fixed: {
      ...Object.fromEntries(Object.entries(plain).map(([key, value]): [string, [unknown]] => [key, [value]])),
      eva_config: [null],
      loftq_config: [{}],
      lora_bias: [false],
      modules_to_save: NO_MODULES,
      r: [8],
      use_dora: [false],
      use_rslora: [false],
    },
    derived: (_, { layers }) => ({ fan_in_fan_out: layers.some(({ transposed }) => transposed) }),
  })
  // `init_r` counts, whatever `r` says.
  return { ...format, read: (fields, path) => format.read({ ...fields, r: 8 }, path) }
}

/** Which of the directions at the start a finished layer has; undefined: all. */
function patternOf({ rank_pattern: all }: AdaLoraOptions, path: string): readonly boolean[] | undefined {
  return all?.[`${path}.lora_E`]
}

function expectPattern(options: AdaLoraOptions, path: string): void {
  const pattern = patternOf(options, path)
  if (!pattern || pattern.length === options.init_r) return
  throw new TrituneError(
    'E_ADAPTER',
    `rank_pattern: ${path}.lora_E has ${pattern.length} directions, init_r is ${options.init_r}`,
  )
}
