/**
 * Runs one row on a device and on the reference: both refuse with a TrituneError, or both give the same numbers.
 */
import {
  type Device,
  referenceDevice,
  sizeOf,
  Tensor,
  tensor,
  tensorScope,
  TrituneError,
  useDevice,
  withNoise,
} from '../../../core/mod.ts'
import { Finding } from '../fuzzer.ts'
import { createDice, type Dice } from '../random.ts'
import { corrupt } from './corrupt.ts'
import { smallDevice } from './small-device.ts'
import type { Arguments, InputPlan, Inputs, Row } from './row.ts'

const REFERENCE = smallDevice(referenceDevice)

type Outcome = { readonly values: readonly Float64Array[] } | { readonly error: TrituneError }

/** What the device may refuse although the reference can: sizes without a kernel, memory. */
const DEVICE_LIMITS: ReadonlySet<string> = new Set(['E_UNSUPPORTED', 'E_MEMORY'])

export function runRow(row: Row, device: Device, dice: Dice): void {
  const planned = row.plan(dice)
  const args = corrupt(dice, planned)
  const seed = dice.uint32()
  const isWild = dice.chance(0.1)
  const expected = outcomeOn(REFERENCE, row, args, { seed, isWild })
  const got = outcomeOn(device, row, args, { seed, isWild })
  const text = (): string => `${row.name} ${describe(args)}`
  if ('error' in got && DEVICE_LIMITS.has(got.error.code)) return
  if ('error' in expected !== 'error' in got) {
    const say = (outcome: Outcome): string => ('error' in outcome ? outcome.error.message : 'has an answer')
    throw new Finding(`${text()}: the reference ${say(expected)}, ${device.name} ${say(got)}`)
  }
  if ('error' in expected || 'error' in got || isWild || row.loose || isExtreme(args.params)) return
  // Other sizes make bits past the end of planes, which stand for nothing.
  if (args !== planned && row.name.startsWith('vsa')) return
  for (const [i, values] of expected.values.entries()) {
    const difference = compare(got.values[i], values, args)
    if (difference) throw new Finding(`${text()}: output ${i}${difference}`)
  }
}

/** Numbers among the parameters with which f32 and f64 part. */
function isExtreme(value: unknown): boolean {
  if (typeof value === 'number') return Math.abs(value) > 1e4 || (value !== 0 && Math.abs(value) < 1e-9)
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return false
  return Object.values(value).some(isExtreme)
}

interface RunOptions {
  readonly seed: number
  /** NaN, infinities and huge numbers among the values; only crashes count then. */
  readonly isWild: boolean
}

function outcomeOn(
  device: Device,
  row: Row,
  { inputs, params }: Arguments<unknown>,
  options: RunOptions,
): Outcome {
  using _device = useDevice(device)
  using _scope = tensorScope()
  const dice = createDice(options.seed)
  try {
    const made: Record<string, Tensor> = {}
    for (const [name, plan] of Object.entries(inputs))
      if (plan) made[name] = makeTensor(device, plan, dice, options.isWild)
    const inputsOfRow: Inputs = made
    const results = withNoise({ seed: 7, step: 1 }, () => row.call(inputsOfRow, structuredClone(params)))
    const values = results.map((result) =>
      typeof result === 'number' ? Float64Array.of(result) : Float64Array.from(result.toArray()),
    )
    return { values }
  } catch (error) {
    if (error instanceof TrituneError) return { error }
    throw new Finding(
      `${row.name} on ${device.name} ${describe({ inputs, params })}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
    )
  }
}

const WILD: readonly number[] = [
  Number.NaN,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
  3e38,
  -3e38,
  1e-40,
  0,
]

/** Half of the tensors are the end of a larger one, at any element: nothing is aligned and the next byte is not theirs. */
function makeTensor(
  device: Device,
  { shape, dtype, values = 'normal' }: InputPlan,
  dice: Dice,
  isWild: boolean,
): Tensor {
  const n = sizeOf(shape)
  const isFloat = dtype === 'f32' || dtype === 'bf16' || dtype === 'f16'
  const most = dtype === 'i8' ? 127 : dtype === 'u8' ? 255 : 2 ** 31 - 1
  const value = (i: number): number => {
    if (isWild && isFloat && dice.chance(0.1)) return dice.pick(WILD)
    if (values === 'normal') return isFloat ? dice.normal() : dice.int(100)
    if (values === 'positive') return 0.5 + dice.float()
    if ('below' in values) return Math.min(most, (values.least ?? 0) + dice.int(Math.max(1, values.below)))
    return values[i % values.length] ?? 0
  }
  const numbers = Float64Array.from({ length: n }, (_, i) => value(i))
  const before = dice.chance(0.5) ? dice.int(20) : 0
  const whole = tensor(new Float64Array(before + n), { dtype, device })
  const made = whole.window(shape, before)
  made.set(numbers)
  return made
}

const TOLERANCE = { f32: 2e-4, bf16: 4e-2 } as const

function compare(got: Float64Array, expected: Float64Array, { inputs }: Arguments<unknown>): string | null {
  if (got.length !== expected.length) return ` has ${got.length} elements, expected ${expected.length}`
  const isNarrow = Object.values(inputs).some((plan) => plan?.dtype === 'bf16' || plan?.dtype === 'f16')
  const tolerance = isNarrow ? TOLERANCE.bf16 : TOLERANCE.f32
  let scale = 1
  for (const value of expected) if (Number.isFinite(value)) scale = Math.max(scale, Math.abs(value))
  for (let i = 0; i < expected.length; i++) {
    const same =
      Object.is(got[i], expected[i]) ||
      got[i] === expected[i] ||
      Math.abs(got[i] - expected[i]) <= tolerance * scale
    if (!same) return `[${i}]: got ${got[i]}, expected ${expected[i]}`
  }
  return null
}

function describe({ inputs, params }: Arguments<unknown>): string {
  const tensors = Object.entries(inputs).map(([name, plan]) =>
    plan ? `${name} ${plan.dtype}(${plan.shape.join(', ')})` : `no ${name}`,
  )
  return `${tensors.join(', ')}; ${Bun.inspect(params, { depth: 4, compact: true }).replaceAll(/\s+/g, ' ')}`
}
