/**
 * Every case of the op table on the device against the f64 reference, with fresh random inputs, twice: the same bits.
 */
import { createRandom, referenceDevice, tensorScope, useDevice, type Device } from '../../../core/mod.ts'
import { firstDifference, TOLERANCE } from '../../../testing/ops/difference.ts'
import { caseInputs, type OpCase, runCase } from '../../../testing/ops/op-case.ts'
import { OP_CASES } from '../../../testing/ops/ops.ts'
import { type GpuOptions, messageOf, type Rig } from './rig.ts'

export function ops({ device, options, report }: Rig): void {
  const { seed } = options
  report({ name: `seed ${seed}` })
  const cases = casesFor(options)
  let passed = 0
  for (const op of cases) {
    for (const dtype of op.dtypes ?? (['f32', 'bf16'] as const)) {
      const note = problemOf(device, op, dtype, seed)
      if (note === null) passed++
      report({ name: `${op.name}, ${dtype}`, ok: note === null, note: note ?? '' })
    }
  }
  report({ name: 'cases that passed', ours: passed })
}

/** The cases on the device alone, in random order until the time is up: for a tool that watches the memory, not the numbers. */
export function opsOnly({ device, options, report }: Rig): void {
  const { seed, seconds = Infinity } = options
  const until = performance.now() + seconds * 1000
  const all = casesFor(options).flatMap((op) =>
    (op.dtypes ?? (['f32', 'bf16'] as const)).map((dtype) => ({ op, dtype })),
  )
  const failures: string[] = []
  let count = 0
  for (const { op, dtype } of createRandom(seed, 'bench/ops-only').shuffle(all)) {
    if (performance.now() > until) break
    try {
      resultsOn(device, op, dtype, seed)
      count++
    } catch (error) {
      failures.push(`${op.name}, ${dtype}: ${messageOf(error)}`)
    }
  }
  report({
    name: OPS_ONLY,
    ok: failures.length === 0,
    ours: count,
    theirs: all.length,
    note: failures.slice(0, 5).join('; '),
  })
}

/** The result of `opsOnly`: how many cases ran, and how many there are. */
export const OPS_ONLY = 'cases'

/** The emulator takes minutes for all of them. */
function casesFor({ quick, emulated }: GpuOptions): readonly OpCase[] {
  return quick && emulated ? OP_CASES.filter((_, i) => i % 10 === 0) : OP_CASES
}

function problemOf(device: Device, op: OpCase, dtype: 'f32' | 'bf16', seed: number): string | null {
  try {
    const expected = resultsOn(referenceDevice, op, dtype, seed)
    const got = resultsOn(device, op, dtype, seed)
    const again = resultsOn(device, op, dtype, seed)
    const tolerance = op.tolerance?.[dtype] ?? TOLERANCE[dtype]
    for (const [name, values] of expected) {
      const mine = got.get(name)
      if (!mine) return `${name} is missing`
      const difference = firstDifference(mine, values, tolerance)
      if (difference !== null) return `${name}${difference}`
      const moved = firstDifference(again.get(name) ?? new Float32Array(), mine, 0)
      if (moved !== null) return `${name} is not the same the second time: ${moved}`
    }
    return null
  } catch (error) {
    return messageOf(error)
  }
}

function resultsOn(
  device: Device,
  op: OpCase,
  dtype: 'f32' | 'bf16',
  seed: number,
): Map<string, Float32Array> {
  using _device = useDevice(device)
  using _scope = tensorScope()
  const { outputs, gradients } = runCase(op, caseInputs(op, { dtype, device, seed }))
  return new Map([
    ...outputs.map((y, i) => [`output ${i}`, y.toArray()] as const),
    ...Object.entries(gradients).map(([name, one]) => [`gradient of ${name}`, one.toArray()] as const),
  ])
}
