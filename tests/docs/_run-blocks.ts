/**
 * What run-blocks.test.ts starts: imports some modules one after the other, each in the folder that it lies in, and prints for each what it
 * printed, what it threw and how many tensors it left.
 */
import { dirname } from 'node:path'
import { inspect } from 'node:util'
import { currentScope } from '../../core/tensor/scope.ts'
import { countLiveTensors } from '../../core/tensor/tensor.ts'

export interface BlockResult {
  readonly path: string
  readonly lines: readonly string[]
  readonly error: string | null
  readonly tensors: number
  readonly seconds: number
}

const write = process.stdout.write.bind(process.stdout)
const asText = (value: unknown): string => (typeof value === 'string' ? value : inspect(value))

for (const path of process.argv.slice(2)) {
  const lines: string[] = []
  const before = countLiveTensors()
  const began = performance.now()
  process.stdout.write = () => true
  console.log = (...values: unknown[]) => void lines.push(values.map(asText).join(' '))
  process.chdir(dirname(path))
  let error: string | null = null
  try {
    await import(path)
    if (currentScope()) error = 'it left a tensor scope open'
  } catch (thrown) {
    error = thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown)
  }
  const result: BlockResult = {
    path,
    lines,
    error,
    tensors: countLiveTensors() - before,
    seconds: (performance.now() - began) / 1000,
  }
  write(`${JSON.stringify(result)}\n`)
}
process.exit(0)
