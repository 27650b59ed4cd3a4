/**
 * The contracts of devices and of ops: `deviceContract(definition)` runs the op table on a device, `opContract(cases)` tries ops of
 * one's own.
 */
import {
  type Device,
  type DeviceDefinition,
  type DType,
  DTYPES,
  empty,
  referenceDevice,
  type Shape,
  sizeOf,
  tensor,
  tensorScope,
  zeros,
} from '../core/mod.ts'
import { Broken, check, type ContractCheck, expectKept, skippedCheck, textOf } from './check.ts'
import { type ContractDevice, NATIVE_DEVICES } from './devices.ts'
import { expectNothingLeft } from './leaks.ts'
import { expectAsReference, resultsOn } from './ops/compare-devices.ts'
import { expectGradients } from './ops/gradients.ts'
import type { OpCase } from './ops/op-case.ts'
import { OP_CASES } from './ops/ops.ts'

/** Options of `deviceContract()`: threads of the device, and fewer cases than all. */
export interface DeviceContractOptions {
  readonly threads?: number
  /** Default: the table of all ops. */
  readonly cases?: readonly OpCase[]
}

/**
 * Checks of what a device promises. It is opened now; where it is not there, the checks are skipped and say why.
 *
 * @example
 * ```ts
 * import { openCpu } from 'tritune/plugins/cpu'
 * import { deviceContract, OP_CASES, runContract } from 'tritune/testing'
 *
 * const mine = { name: 'cpu', open: () => openCpu({ threads: 2 }) }
 * const { failed } = await runContract(deviceContract(mine, { cases: OP_CASES.slice(0, 2) }))
 * console.log(failed.length) // → 0
 * ```
 */
export function deviceContract(
  definition: DeviceDefinition,
  { threads = 2, cases = OP_CASES }: DeviceContractOptions = {},
): ContractCheck[] {
  const { name } = definition
  let device: Device
  try {
    device = definition.open({ threads })
  } catch (error) {
    return [skippedCheck(`${name}: keeps the contract of devices`, textOf(error).split('\n')[0])]
  }
  return [...memoryChecks(name, device), ...caseChecks(name, device, cases)]
}

/** Options of `opContract()`: where the ops are compared with the reference. */
export interface OpContractOptions {
  /** Default: the CPU, emulated CUDA. */
  readonly devices?: readonly ContractDevice[]
}

/**
 * Checks of ops: their gradients are their slopes, and every device gives what the reference gives.
 *
 * @example
 * ```ts
 * import { mul } from 'tritune/core'
 * import { type OpCase, opContract, runContract } from 'tritune/testing'
 *
 * const square: OpCase = { name: 'square', inputs: { x: { shape: [3, 5] } }, run: ({ x }) => [mul(x, x)] }
 * const { failed } = await runContract(opContract([square], { devices: [] }))
 * console.log(failed.length) // → 0
 * ```
 */
export function opContract(
  cases: readonly OpCase[],
  { devices = NATIVE_DEVICES }: OpContractOptions = {},
): ContractCheck[] {
  return [
    ...cases.map((op) =>
      check(`${op.name}: gradients are the slopes of the op`, () =>
        broken(`backward of ${op.name}, and the links that it records`, () => expectGradients(op)),
      ),
    ),
    ...devices.flatMap((one) => {
      const opened = one.open()
      return typeof opened === 'string'
        ? [skippedCheck(`ops on ${one.name}`, opened)]
        : caseChecks(one.name, opened, cases)
    }),
  ]
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function caseChecks(name: string, device: Device, cases: readonly OpCase[]): ContractCheck[] {
  return cases.flatMap((op) =>
    (op.dtypes ?? (['f32', 'bf16'] as const)).map((dtype) =>
      check(`${name}: ${op.name}, ${dtype}, gives what the reference gives, twice`, () => {
        const lookAt = `the implementation of the ops of this case on ${name}: the header says what each does`
        expectNothingLeft(device, lookAt, () => {
          broken(lookAt, () => expectAsReference(device, op, dtype))
          const [one, other] = [resultsOn(device, op, dtype), resultsOn(device, op, dtype)]
          for (const [what, values] of Object.entries(one)) {
            const at = values.findIndex((value, i) => !Object.is(value, other[what][i]))
            expectKept(at < 0, () => ({
              expected: `${what}: the same bits the second time`,
              got: `${other[what][at]} instead of ${values[at]} at [${at}]`,
              lookAt: `${lookAt}; memory that is read before it is written, sums in the order of threads`,
            }))
          }
        })
      }),
    ),
  )
}

function memoryChecks(name: string, device: Device): ContractCheck[] {
  const lookAt = `allocate(), write(), read(), zero() and copy() of ${name}`
  return [
    check(`${name}: keeps what is written, in every dtype and at every size`, () => {
      for (const dtype of dtypes())
        for (const shape of SHAPES) {
          using _scope = tensorScope()
          const values = Float32Array.from({ length: sizeOf(shape) }, (_, i) => (i * 7 + 3) % 100)
          const here = tensor(values, { shape, dtype, device })
          const there = here.to(referenceDevice)
          const back = there.to(device)
          for (const [what, read] of Object.entries({ here, there, back })) {
            const numbers = read.toArray()
            const at = values.findIndex((value, i) => value !== numbers[i])
            expectKept(at < 0, () => ({
              expected: `${values[at]} at [${at}] of (${shape.join(', ')}) ${dtype}, ${what}`,
              got: String(numbers[at]),
              lookAt,
            }))
          }
        }
    }),
    check(`${name}: memory that is asked to be zero is zero`, () => {
      for (const size of [1, 63, 1025]) {
        for (let again = 0; again < 2; again++) {
          using _scope = tensorScope()
          const made = zeros([size], { device })
          const wrong = made.toArray().find((value) => value !== 0)
          expectKept(wrong === undefined, () => ({ expected: '0', got: String(wrong), lookAt }))
          made.set(new Float32Array(size).fill(5)) // for the next one, when it gets the same memory
        }
      }
    }),
    check(`${name}: counts the memory that is in use`, () => {
      device.resetPeak()
      const before = device.memory().live
      const made = empty([1000], { device })
      const during = device.memory()
      made.dispose()
      const after = device.memory()
      const isCounted = during.live - before >= 4000 && after.live === before && after.peak >= during.live
      expectKept(isCounted, () => ({
        expected: 'live rises by 4000 bytes at least and falls again, peak remembers it',
        got: textOf({ before, during, after }),
        lookAt: `memory() and resetPeak() of ${name}`,
      }))
    }),
    check(`${name}: two tensors do not share memory`, () => {
      using _scope = tensorScope()
      const all = [1, 17, 64, 1000].map((size, i) => tensor(new Float32Array(size).fill(i + 1), { device }))
      for (const [i, one] of all.entries())
        expectKept(
          one.toArray().every((value) => value === i + 1),
          () => ({
            expected: `only ${i + 1} in a tensor of ${one.size}`,
            got: textOf([...new Set(one.toArray())]),
            lookAt,
          }),
        )
    }),
    check(`${name}: says its name, what it is, and the same implementation each time`, () => {
      const { name: own, description, kind } = device
      const isSaid = own !== '' && description !== '' && ['reference', 'cpu', 'cuda'].includes(kind)
      expectKept(isSaid, () => ({
        expected: 'a name, a kind and a description',
        got: textOf({ name: own, kind, description }),
        lookAt: `open() of ${name}`,
      }))
    }),
  ]
}

const SHAPES: readonly Shape[] = [[], [0], [1], [3, 5], [1023]]

function dtypes(): DType[] {
  return Object.keys(DTYPES).filter((dtype): dtype is DType => Object.hasOwn(DTYPES, dtype))
}

/** What the comparison throws, as a finding. */
function broken(lookAt: string, work: () => void): void {
  try {
    work()
  } catch (error) {
    if (error instanceof Broken || !(error instanceof Error)) throw error
    throw new Broken({ expected: 'what the f64 reference gives', got: error.message, lookAt, cause: error })
  }
}
