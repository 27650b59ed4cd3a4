/**
 * The smoke test of Deno: a plain script, because Deno has no `bun:test`. It opens the CPU library, compares a few ops
 * with their TypeScript reference and ends with `N passed, N failed`. Everything else is tested under Bun.
 */
import {
  addRmsNorm,
  countLiveTensors,
  type Device,
  parameter,
  referenceDevice,
  rmsNorm,
  tensor,
  tensorScope,
} from '../core/mod.ts'
import { openCpu } from '../plugins/cpu/device.ts'

const checks: Record<string, (device: Device) => void> = {
  'the CPU device describes itself'(device) {
    if (!/^cpu \(\w+, \d+ threads\)$/.test(device.description)) throw new Error(device.description)
  },
  'rmsNorm() and addRmsNorm() agree with the reference'(device) {
    const run = (on: Device): number[] => {
      using _ = tensorScope()
      const x = parameter(tensor(wave(64), { shape: [4, 16], device: on }))
      const weight = tensor(wave(16), { device: on })
      const residual = tensor(
        wave(64).map((v) => v / 3),
        { shape: [4, 16], device: on },
      )
      const { h, y } = addRmsNorm(x, residual, weight)
      const z = rmsNorm(y, weight)
      return [...h.toArray(), ...z.toArray()]
    }
    expectClose(run(device), run(referenceDevice))
  },
  'no tensor is left behind'() {
    if (countLiveTensors() !== 0) throw new Error(`${countLiveTensors()} tensors are alive`)
  },
}

function wave(n: number): number[] {
  return Array.from({ length: n }, (_, i) => Math.sin(1 + i * 0.7))
}

function expectClose(actual: readonly number[], expected: readonly number[]): void {
  for (const [i, value] of expected.entries()) {
    if (!(Math.abs(actual[i] - value) <= 1e-4 * (1 + Math.abs(value))))
      throw new Error(`element ${i}: expected ${value}, got ${actual[i]}`)
  }
}

let failed = 0
const names = Object.keys(checks)
try {
  const device = openCpu({ threads: 2 })
  for (const name of names) {
    try {
      checks[name](device)
      console.log(`ok      ${name}`)
    } catch (error) {
      failed++
      console.log(`not ok  ${name}: ${error instanceof Error ? error.message : String(error)}`)
    }
  }
} catch (error) {
  failed = names.length
  console.log(`not ok  open the CPU device: ${error instanceof Error ? error.message : String(error)}`)
}
console.log(`${names.length - failed} passed, ${failed} failed`)
process.exitCode = failed === 0 ? 0 : 1
