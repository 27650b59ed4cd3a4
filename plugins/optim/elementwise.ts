/**
 * Optimizers whose rule is the same for every element: the frame that they share. A rule says what is kept and which way the weights
 * go; the frame has the states in f32 or in bitsandbytes' 8-bit codes, weight decay, learning rates, bf16 weights, saving.
 */
import {
  addTo,
  affine,
  type Device,
  dequantize8bit,
  type GradientTransform,
  learningRateOf,
  type OptimizerStep,
  type Parameters,
  quantize8bitOp,
  run,
  type Tensor,
  type TransformState,
} from '../../core/mod.ts'
import {
  FLAT_BLOCK,
  type FlatPart,
  type FlatParameters,
  flatParameters,
  type FlatVector,
  moveWeights,
} from './flat-parameters.ts'

/** How an optimizer decays weights; the same fields as `AdamWOptions`. */
export interface WeightDecay {
  readonly weightDecay?: number
  /** Which parameters decay, by name; default: all. */
  readonly decays?: (name: string) => boolean
}

export interface ElementwiseRule extends WeightDecay {
  readonly name: string
  /** What is kept for each element, as its name in files. */
  readonly states: readonly string[]
  /** `coupled`: decay is added to the gradient, as SGD has it; `decoupled`: the weights shrink by it, as in AdamW. */
  readonly decay: 'coupled' | 'decoupled'
  /** Parameters from this size keep their states in 8-bit codes; default: none does. */
  readonly smallest8bit?: number
  /** Elements of a parameter of which a part is given; default: all are. */
  readonly sizeOf?: ((name: string) => number | undefined) | undefined
  /** w ← w − rate·direction. Changes the states in place; may overwrite and return the gradient. */
  direction(gradient: Tensor, states: Readonly<Record<string, Tensor>>, step: OptimizerStep): Tensor
}

/** An optimizer of a rule. */
export function elementwise(rule: ElementwiseRule): GradientTransform {
  const { name, smallest8bit = Infinity, sizeOf } = rule
  return {
    name,
    init(parameters) {
      const groups = [...Map.groupBy(parameters, ([, { device }]) => device)].flatMap(([device, all]) =>
        [false, true].map((is8bit) => ({
          device,
          is8bit,
          members: new Map(all.filter(([of, { size }]) => (sizeOf?.(of) ?? size) >= smallest8bit === is8bit)),
        })),
      )
      const states = groups
        .filter(({ members }) => members.size > 0)
        .map(({ device, is8bit, members }) => openGroup(rule, members, device, is8bit))
      return {
        apply(step) {
          for (const state of states) state.apply(step)
        },
        tensors: () => new Map(states.flatMap((state) => [...state.tensors()])),
        [Symbol.dispose]() {
          for (const state of states) state[Symbol.dispose]()
        },
      }
    },
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

interface Kept {
  /** f32, for the time of a visit. */
  read(part: FlatPart): Tensor
  write(part: FlatPart, values: Tensor): void
  tensors(parameter: string): readonly (readonly [string, Tensor])[]
}

function openGroup(
  rule: ElementwiseRule,
  parameters: Parameters,
  device: Device,
  is8bit: boolean,
): TransformState {
  const { weightDecay = 0, decays = () => true } = rule
  const flat = flatParameters(parameters, device)
  const kept = new Map(rule.states.map((name) => [name, is8bit ? codes(flat, name) : floats(flat, name)]))
  const named = new Map<string, Tensor>()
  for (const parameter of parameters.keys())
    for (const one of kept.values())
      for (const [name, tensor] of one.tensors(parameter)) named.set(name, tensor)
  for (const [parameter, master] of flat.masters) named.set(`master.${parameter}`, master)
  const decayOf = (name: string): number => (decays(name) ? weightDecay : 0)
  return {
    apply(step) {
      flat.visit(step, (part) => {
        if (rule.decay === 'coupled') {
          for (const { name, weight, of } of part.pieces)
            if (decayOf(name) !== 0) addTo(of(part.gradient), affine(weight, { scale: decayOf(name) }))
        }
        const states = Object.fromEntries([...kept].map(([name, one]) => [name, one.read(part)]))
        const direction = rule.direction(part.gradient, states, step)
        for (const [name, one] of kept) one.write(part, states[name])
        moveWeights(part, direction, (name) => {
          const rate = learningRateOf(step, name)
          return { rate, decay: rule.decay === 'decoupled' ? rate * decayOf(name) : 0 }
        })
      })
    },
    tensors: () => named,
    [Symbol.dispose]: () => flat[Symbol.dispose](),
  }
}

function floats(flat: FlatParameters, name: string): Kept {
  const vector = flat.vector()
  return {
    read: (part) => part.of(vector),
    write() {},
    tensors: (parameter) => [[`${name}.${parameter}`, vector.of(parameter)]],
  }
}

/** The code of 0 in the signed map: what lies between parameters must stay 0, and is not in a checkpoint. */
const SIGNED_ZERO = 127

/** Signed codes in blocks of 256, as bitsandbytes keeps them. */
function codes(flat: FlatParameters, name: string): Kept {
  const vector: FlatVector = flat.vector({ dtype: 'u8' })
  const scale = flat.vector({ every: FLAT_BLOCK })
  vector.all.set(new Uint8Array(vector.all.size).fill(SIGNED_ZERO))
  const blocks = { block: FLAT_BLOCK, signed: true }
  return {
    read: (part) => dequantize8bit({ codes: part.of(vector), absmax: part.of(scale) }, blocks),
    write(part, x) {
      run(quantize8bitOp, { x }, blocks, { codes: part.of(vector), absmax: part.of(scale) })
    },
    tensors: (parameter) => [
      [`${name}8.${parameter}`, vector.of(parameter)],
      [`${name}_absmax.${parameter}`, scale.of(parameter)],
    ],
  }
}
