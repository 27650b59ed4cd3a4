/**
 * The op table on a device, every case twice.
 */
import { writeSafetensors } from '../../core/files/safetensors-write.ts'
import type { Device } from '../../core/mod.ts'
import { resultsOn } from '../../testing/ops/compare-devices.ts'
import { OP_CASES } from '../../testing/ops/ops.ts'
import { type OpsAnswer, type TaskOptions, tensorName } from './tasks.ts'

export function runOps(device: Device, { only = '' }: TaskOptions, file: string): Omit<OpsAnswer, 'facts'> {
  const results = new Map<string, Float32Array>()
  const [ran, different, failed]: string[][] = [[], [], []]
  for (const op of OP_CASES)
    for (const dtype of op.dtypes ?? (['f32', 'bf16'] as const)) {
      const name = `${op.name}, ${dtype}`
      if (!name.includes(only)) continue
      ran.push(name)
      try {
        const [first, second] = [resultsOn(device, op, dtype), resultsOn(device, op, dtype)]
        for (const [result, values] of Object.entries(first)) results.set(tensorName(name, result), values)
        if (!Object.entries(first).every(([result, values]) => sameBits(values, second[result])))
          different.push(name)
      } catch (error) {
        failed.push(`${name}: ${error instanceof Error ? error.message : String(error)}`)
      }
    }
  writeSafetensors(
    file,
    Array.from(results, ([name, values]) => ({
      name,
      dtype: 'f32',
      shape: [values.length],
      chunks: () => [bytesOf(values)],
    })),
  )
  return { ran, different, failed }
}

function sameBits(a: Float32Array, b: Float32Array): boolean {
  return Buffer.compare(bytesOf(a), bytesOf(b)) === 0
}

function bytesOf(values: Float32Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
}
