/**
 * Breaks arguments that fit: one size, dtype, rank, number, name, list or key at a time, sometimes several.
 */
import { type DType, DTYPES } from '../../../core/mod.ts'
import { type Dice, HOSTILE_NUMBERS } from '../random.ts'
import type { Arguments, InputPlan, InputPlans } from './row.ts'

/** Half of the cases stay as they are. */
export function corrupt(dice: Dice, whole: Arguments<unknown>): Arguments<unknown> {
  let broken = whole
  if (dice.chance(0.5)) return broken
  for (let n = dice.pick([1, 1, 1, 2, 3]); n > 0; n--) {
    broken =
      dice.chance(0.5) || broken.params === null
        ? { ...broken, inputs: corruptInputs(dice, broken.inputs) }
        : { ...broken, params: corruptValue(dice, broken.params) }
  }
  return broken
}

function corruptInputs(dice: Dice, inputs: InputPlans): InputPlans {
  const names = Object.keys(inputs).filter((name) => inputs[name])
  if (names.length === 0) return inputs
  const name = dice.pick(names)
  const plan = inputs[name]
  return plan ? { ...inputs, [name]: corruptPlan(dice, plan) } : inputs
}

function corruptPlan(dice: Dice, plan: InputPlan): InputPlan {
  const { shape } = plan
  const axis = shape.length > 0 ? dice.int(shape.length) : 0
  const changed = (shape: readonly number[]): InputPlan => ({
    ...plan,
    shape,
  })
  switch (dice.int(6)) {
    case 0:
      return changed(shape.length > 0 ? shape.with(axis, dice.pick([0, 1, 2, 3, shape[axis] + 1])) : [2])
    case 1:
      return changed([...shape, dice.pick([0, 1, 2])])
    case 2:
      return changed(shape.slice(1))
    case 3:
      return changed(shape.toReversed())
    case 4: {
      const dtype = dice.pick(Object.keys(DTYPES) as DType[])
      return dtype === plan.dtype ? plan : { ...plan, dtype, values: { below: 4 } }
    }
    default:
      return plan.dtype === 'i32' && shape.length === 1
        ? { ...plan, values: { below: 5, least: dice.pick([-3, 2 ** 20, -(2 ** 31)]) } }
        : changed([])
  }
}

/** The same kind of thing with one number, name or list changed. */
function corruptValue(dice: Dice, value: unknown): unknown {
  if (typeof value === 'number')
    return dice.chance(0.3) ? value + dice.pick([-1, 1, 0.5]) : dice.pick(HOSTILE_NUMBERS)
  if (typeof value === 'boolean') return !value
  if (typeof value === 'string')
    return dice.pick(['', 'nonsense', 'toString', 'f32', 'bf16', 'i8', 'sum', 'mul', 'nf4', 'int8'])
  if (value instanceof Uint32Array)
    return dice.pick([new Uint32Array(1), new Uint32Array(7), new Uint32Array(0), key0()])
  if (Array.isArray(value)) {
    if (value.length === 0 || dice.chance(0.2))
      return dice.chance(0.5) ? value.slice(1) : [...value, value[0] ?? 2]
    const at = dice.int(value.length)
    return value.with(at, corruptValue(dice, value[at]))
  }
  if (typeof value !== 'object' || value === null) return value
  const names = Object.keys(value)
  if (names.length === 0) return value
  const name = dice.pick(names)
  return { ...value, [name]: corruptValue(dice, Reflect.get(value, name)) }
}

function key0(): Uint32Array<ArrayBuffer> {
  return new Uint32Array(6).fill(0xffffffff)
}
