/**
 * (IA)³, a learned factor for each output of a layer, or for each input of a feed-forward one (Liu et al. 2022, arXiv 2205.05638).
 *
 *   y = (x·Wᵀ + b) ∘ l      l (out)          feed-forward: y = (x ∘ l)·Wᵀ + b      l (in); 1 at the start
 */
import {
  type Adapter,
  add,
  baseForward,
  type BaseLayer,
  cast,
  createRandom,
  defineOptions,
  div,
  type FloatDType,
  flag,
  type LayerAdapterDefinition,
  listOf,
  mul,
  nullable,
  optional,
  reshape,
  siteOf,
  sub,
  text,
  type Tensor,
  TrituneError,
  type ValidatableConfig,
} from '../../../core/mod.ts'
import * as v from 'valibot'
import { NO_MODULES, peftFields } from '../delta/fields.ts'
import { folded } from '../delta/fold.ts'
import { filled, leaf } from '../delta/leaves.ts'

// ---- definition -------------------------------------------------------------------------------------------------

/** Options of an (IA)³, in PEFT's names. */
export interface Ia3Options {
  /** Endings of paths, or an expression for whole paths, of layers whose inputs are scaled; null: those that PEFT takes (`down_proj`, …). */
  readonly feedforward_modules: readonly string[] | string | null
  /** false: random factors, so that it does something from the start. */
  readonly init_ia3_weights: boolean
}

const options: ValidatableConfig<Ia3Options> = defineOptions<Ia3Options>({
  feedforward_modules: nullable(
    v.union([text(), listOf(text())], 'expected a list of module names or an expression'),
  ),
  init_ia3_weights: optional(flag(), true),
})

/** The definition for plugins, YAML and `attachAdapter`. */
export const ia3: LayerAdapterDefinition<Ia3Options> = {
  name: 'ia3',
  options,
  kinds: ['linear', 'head'],
  targets: {
    llama: ['k_proj', 'v_proj', 'down_proj'],
    mistral: ['k_proj', 'v_proj', 'down_proj'],
    qwen2: ['q_proj', 'v_proj', 'down_proj'],
    qwen3: ['q_proj', 'v_proj', 'down_proj'],
    gemma: ['q_proj', 'v_proj', 'down_proj'],
    gemma2: ['q_proj', 'v_proj', 'down_proj'],
    gemma3_text: ['q_proj', 'v_proj', 'down_proj'],
    gpt2: ['c_attn', 'mlp.c_proj'],
  },
  peft: peftFields<Ia3Options>({
    type: 'IA3',
    options,
    names: ['feedforward_modules', 'init_ia3_weights'],
    fixed: { modules_to_save: NO_MODULES },
    lacks: ['layers_to_transform', 'layers_pattern'],
    derived: ({ feedforward_modules: named }, { layers }) => ({
      fan_in_fan_out: layers.some(({ transposed }) => transposed),
      feedforward_modules:
        named ?? FEEDFORWARD.filter((ending) => layers.some(({ path }) => path.endsWith(ending))),
    }),
  }),
  create: createIa3,
}

// ---- layer ------------------------------------------------------------------------------------------------------

function createIa3(layer: BaseLayer, own: Ia3Options, { seed }: { readonly seed: number }): Adapter {
  const { path, inputs, outputs, device } = layer
  const ofInputs = isFeedforward(path, own.feedforward_modules)
  const shape = ofInputs ? [1, inputs] : [outputs, 1]
  const random = createRandom(seed, siteOf(path))
  const l = own.init_ia3_weights
    ? filled(1, shape, device)
    : leaf(
        Float32Array.from({ length: ofInputs ? inputs : outputs }, () => random.normal()),
        shape,
        device,
      )
  /** x ∘ (l − 1): near 1 a factor in bf16 would be a coarse one. */
  const change = (x: Tensor): Tensor => mul(x, cast(sub(reshape(l, [l.size]), 1), x.dtype as FloatDType))
  const scaled = (x: Tensor): Tensor => (x.dtype === 'f32' ? mul(x, reshape(l, [l.size])) : add(x, change(x)))

  return {
    kind: 'ia3',
    forward: (x, base) => (ofInputs ? baseForward(base, scaled(x)) : scaled(baseForward(base, x))),
    delta: (x, base) =>
      ofInputs ? baseForward({ ...base, bias: null }, change(x)) : change(baseForward(base, x)),
    parameters: () => ({ ia3_l: l }),
    merge: (weight) => folded(weight, (wide) => mul(wide, l)),
    unmerge: (weight) => folded(weight, (wide) => div(wide, expectInvertible(l, path))),
    ...(ofInputs
      ? {}
      : { mergeBias: (bias: Tensor) => folded(bias, (wide) => mul(wide, reshape(l, [l.size]))) }),
    [Symbol.dispose]: () => l.dispose(),
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** What PEFT takes as feed-forward in the models that there are. */
const FEEDFORWARD = ['down_proj', 'mlp.c_proj']

function isFeedforward(path: string, modules: readonly string[] | string | null): boolean {
  if (typeof modules !== 'string') return (modules ?? FEEDFORWARD).some((ending) => path.endsWith(ending))
  try {
    return new RegExp(`^(?:${modules})$`, 'u').test(path)
  } catch (cause) {
    throw new TrituneError('E_ADAPTER', `feedforward_modules: "${modules}" is not a regular expression`, {
      cause,
      remedy: 'a backslash makes a special character plain; a list holds names',
    })
  }
}

/** A weight times 0 is gone. */
function expectInvertible(l: Tensor, path: string): Tensor {
  if (l.toArray().includes(0))
    throw new TrituneError('E_ADAPTER', `${path}: a factor of ia3 is 0, so merging cannot be undone`)
  return l
}
