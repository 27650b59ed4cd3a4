/**
 * The inner loops of the ARM64 library on CPUs that are not at hand, as llvm-mca models them: no clock is read.
 *
 * A model knows the ports and latencies of a core, not its caches: what it says of a matrix product, whose operands lie in L1,
 * is a promise of the instructions alone, and bytes a cycle are those of the core, above what memory gives.
 */
import { TrituneError } from '../../../core/errors.ts'
import { buildNative } from '../../build-native.ts'
import { type Loop, loopsOf } from '../../native/loops.ts'
import { isCommand } from '../../native/process.ts'
import type { Row, Topic } from '../_topic.ts'

const CPUS = ['apple-m1', 'neoverse-n1', 'neoverse-v1'] as const
const ITERATIONS = 500
const OBJECTS = 'native/build/linux-arm64'

/** Function (a part of its mangled name) by the source that it is in: what moves memory rather than computes. */
const STREAMING: readonly (readonly [source: string, name: string, label: string])[] = [
  ['norm', 'norm_forward_rows', 'rms_norm forward'],
  ['norm', 'norm_backward_rows', 'rms_norm backward'],
  ['rope', 'rope_tokens', 'rope'],
  ['gated', 'gated_forward_range', 'swiglu forward'],
  ['gated', 'gated_backward_range', 'swiglu backward'],
  ['softmax', 'softmax_forward_rows', 'softmax forward'],
  ['elementwise', 'add_to_range', 'add'],
  ['elementwise', 'cast_range', 'cast'],
  ['adamw', 'adamw_range', 'adamw'],
]

export const models: Topic = {
  name: 'models',
  async run({ progress }) {
    const tools = { objdump: toolOf('llvm-objdump'), mca: toolOf('llvm-mca') }
    progress('building for linux-arm64')
    await buildNative({ target: 'linux-arm64' })
    const rows: Row[] = []
    const gemm = await widest(tools, 'gemm_f32', 'tile_toIf', ({ multiplyAdds }) => multiplyAdds)
    for (const cpu of CPUS) {
      const rates = PEAKS.map(async (form) => 24 / (await cyclesOf(tools, cpu, peakLoop(form))))
      const peak = Math.max(...(await Promise.all(rates)))
      const rate = gemm.multiplyAdds / (await cyclesOf(tools, cpu, gemm.body))
      rows.push({
        ...row(`f32 product, ${cpu}`, rate, 'fmla/cycle'),
        peer: peak,
        ratio: rate / peak,
        floor: 0.85,
        goal: 0.95,
      })
    }
    for (const [source, name, label] of STREAMING) {
      const loop = await widest(tools, source, name, ({ bytes, body }) => bytes / body.length)
      for (const cpu of CPUS) {
        progress(`${label}, ${cpu}`)
        rows.push(
          row(`${label}, ${cpu}`, loop.bytes / (await cyclesOf(tools, cpu, loop.body)), 'bytes/cycle'),
        )
      }
    }
    return rows
  },
}

interface Tools {
  readonly objdump: string
  readonly mca: string
}

/** The newest of a tool that is installed: old ones model neoverse-n1 as another core. */
function toolOf(name: string): string {
  const versions = [22, 21, 20, 19, 18, 17, 16].map((version) => `${name}-${version}`)
  const found = versions.find(isCommand)
  if (!found)
    throw new TrituneError('E_USAGE', `there is no ${name} of LLVM 16 or newer`, {
      remedy: 'apt install llvm-19 (Debian), or brew install llvm',
    })
  return found
}

function row(name: string, ours: number, unit: string): Row {
  return { name, ours, peer: null, unit, ratio: null, floor: null, goal: null, better: 'higher' }
}

/** Of the loops of a function the one with the most of something. */
async function widest(
  { objdump }: Tools,
  source: string,
  name: string,
  size: (loop: Loop) => number,
): Promise<Loop> {
  const loops = await loopsOf(objdump, `${OBJECTS}/${source}.kernel.neon.o`)
  const own = loops.filter((loop) => loop.function.includes(name)).toSorted((a, b) => size(b) - size(a))
  if (own.length === 0 || size(own[0]) === 0)
    throw new TrituneError('E_UNSUPPORTED', `no loop of ${name} was found in ${source}.kernel.cpp`)
  return own[0]
}

/** By a vector, and by one lane of it: some models differ. */
const PEAKS = ['4s', 's[0]'] as const

/** Multiply-adds that do not wait for one another. */
function peakLoop(form: (typeof PEAKS)[number]): string[] {
  return Array.from({ length: 24 }, (_, i) => `fmla v${i}.4s, v24.4s, v25.${form}`)
}

/** Cycles that a round of the loop takes in the model, once it is under way. */
async function cyclesOf({ mca }: Tools, cpu: string, body: readonly string[]): Promise<number> {
  // Where a branch goes does not matter to the model, but it has to be a number.
  const text = body.map((line) => line.replace(/(?<!#)0x[\da-f]+$/, '#-4')).join('\n')
  const child = Bun.spawn([mca, '-mtriple=aarch64', `-mcpu=${cpu}`, `-iterations=${ITERATIONS}`, '-'], {
    stdin: new Blob([text]),
    stdout: 'pipe',
    stderr: 'pipe',
  })
  const [out, err] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()])
  const cycles = /^Total Cycles:\s+(\d+)/m.exec(out)?.[1]
  if (cycles === undefined)
    throw new TrituneError('E_UNSUPPORTED', `${mca} for ${cpu}: ${err.split('\n')[0]}`)
  return Number(cycles) / ITERATIONS
}
