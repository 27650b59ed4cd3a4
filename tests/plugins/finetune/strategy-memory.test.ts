/**
 * Copies of what is trained that strategies keep: the estimate has them, and they are what the process takes.
 */
import { describe, expect, test } from 'bun:test'
import { heapStats } from 'bun:jsc'
import { join } from 'node:path'
import { parameter, type Strategy, tensorScope, type Tensor, zeros } from '../../../core/mod.ts'
import { estimateMemory, prepareRun, rehearseRun, summarize } from '../../../plugins/finetune/mod.ts'
import { createHybrid } from '../../../plugins/hybrid/strategy.ts'
import { hybridOptions } from '../../../plugins/hybrid/options.ts'
import { localSteps } from '../../../plugins/vsa-optim/mod.ts'
import { ROOT } from '../../../scripts/_setup.ts'
import { temporaryFolder } from '../../_golden.ts'
import { type Changes, cpu, workspace } from './_run.ts'

const copy = (own: Uint8Array, all: Uint8Array): void => all.set(own)
const ALONE = { rank: 0, size: 1, collect: copy, exchange: copy }
const ELEMENTS = 1_000_000
const COPY = 4 * ELEMENTS

/** Of arrays whose buffer nobody looked at, and of those whose buffer was: no number of the runtime has both once. */
const plain = (): number => heapStats().extraMemorySize
const withBuffer = (): number => process.memoryUsage().arrayBuffers

/** Bytes of arrays that `make` leaves alive. */
function arraysOf(make: () => Strategy, measure: () => number): number {
  Bun.gc(true)
  const before = measure()
  const made = make()
  Bun.gc(true)
  const taken = measure() - before
  made[Symbol.dispose]?.()
  return taken
}

function tensorBytes(strategy: Strategy): number {
  const tensors: ReadonlyMap<string, Tensor> = strategy.tensors?.() ?? new Map()
  return [...tensors.values()].reduce((sum, { bytes }) => sum + bytes, 0)
}

describe('what is alive between steps', () => {
  test('hybrid: fifteen copies', () => {
    using _scope = tensorScope()
    const parameters = new Map([['w', parameter(zeros([ELEMENTS], { device: cpu }))]])
    const run = {
      get model(): never {
        throw new Error('not of this strategy')
      },
      parameters,
      totalSteps: 100,
      seed: 1,
    }
    let said = 0
    const taken = arraysOf(() => {
      const strategy = createHybrid(hybridOptions.validate({}), run)
      said = tensorBytes(strategy) + (strategy.scratchBytes ?? 0)
      return strategy
    }, plain)
    expect(said).toBe(15 * COPY)
    // Others may be collected in between.
    expect(taken / said).toBeCloseTo(1, 1)
  })

  test.each([
    [0, 3],
    [0.9, 4],
  ])('diloco with a momentum of %p: %p copies', (momentum, copies) => {
    using _scope = tensorScope()
    const parameters = new Map([['w', parameter(zeros([ELEMENTS], { device: cpu }))]])
    const taken = arraysOf(
      () => localSteps({ codec: 'ternary', momentum }, { parameters, seed: 1 }, ALONE),
      withBuffer,
    )
    expect(taken / COPY).toBeCloseTo(copies, 1)
  })
})

test.skipIf(process.platform !== 'linux').each(['dense', 'ternary'])(
  'diloco, a round of a process: %s',
  async (codec) => {
    using folder = temporaryFolder()
    const script = join(folder.path, 'round.ts')
    await Bun.write(
      script,
      `import { readFileSync } from 'node:fs'
import { parameter, zeros } from '${ROOT}/core/mod.ts'
import { openCpu } from '${ROOT}/plugins/cpu/mod.ts'
import { localSteps } from '${ROOT}/plugins/vsa-optim/mod.ts'
const w = parameter(zeros([${4 * ELEMENTS}], { device: openCpu({ threads: 1 }) }))
const before = process.memoryUsage().rss
const copy = (own, all) => all.set(own)
const alone = { rank: 0, size: 1, collect: copy, exchange: copy }
const strategy = localSteps({ codec: '${codec}' }, { parameters: new Map([['w', w]]), seed: 1 }, alone)
const said = strategy.scratchBytes + [...strategy.tensors().values()].reduce((sum, { bytes }) => sum + bytes, 0)
strategy.step({ step: 0, totalSteps: 100 }, () => ({ loss: 1, metrics: {} }))
const highest = 1024 * Number(/VmHWM:\\s+(\\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1])
console.log(said / (highest - before))`,
    )
    const { stdout } = Bun.spawnSync([process.execPath, script], { stderr: 'inherit' })
    const ratio = Number(stdout.toString())
    // Memory that nobody holds any more is collected late.
    expect(ratio).toBeGreaterThan(0.6)
    expect(ratio).toBeLessThan(1.25)
  },
)

describe('the estimate of a run', () => {
  const partOf = async (
    changes: Changes,
  ): Promise<{ readonly strategies: number; readonly trained: number; readonly text: string }> => {
    using space = workspace()
    const config = space.config({ micro_batch_size: 4, ...changes })
    using run = await prepareRun(config, { device: cpu })
    const trained = [...run.parameters.values()].reduce((sum, { size }) => sum + 4 * size, 0)
    const rehearsed = await rehearseRun(config, { device: { kind: 'cpu', name: 'cpu' } })
    const { strategies } = estimateMemory(run)
    expect(rehearsed.parts.strategies).toBe(strategies)
    expect(estimateMemory({ ...run, device: { ...cpu, kind: 'cuda' } }).strategies).toBe(0)
    return { strategies, trained, text: summarize(run).join('\n') }
  }

  test('has them', async () => {
    const plain = await partOf({})
    expect(plain.strategies).toBe(0)
    expect(plain.text).not.toContain('strategies')
    const guessed = await partOf({ strategy: 'hybrid' })
    expect(guessed.strategies).toBe(15 * guessed.trained)
    expect(guessed.text).toContain('strategies ')
    const dense = await partOf({ diloco: { codec: 'dense' } })
    // Three that are kept, and the mean; in a round the update, what its message says, the sum and four while a tensor is read; its message and that of each process.
    expect(dense.strategies / dense.trained).toBeCloseTo(3 + 1 + 7 + 1 + 1, 1)
    const momentum = await partOf({ diloco: { codec: 'dense', momentum: 0.5 } })
    expect(momentum.strategies - dense.strategies).toBe(momentum.trained)
  })

  test('has the bases of SOAP', async () => {
    using space = workspace()
    using run = await prepareRun(space.config({ optimizer: 'soap' }), { device: cpu })
    const bytes = [...run.parameters.values()].reduce((sum, { size, shape }) => {
      const [rows, columns] = shape
      const [short, long] = [Math.min(rows, columns), Math.max(rows, columns)]
      return sum + 8 * size + 8 * short ** 2 + (long >= 8 * short ? 0 : 8 * long ** 2)
    }, 0)
    expect(estimateMemory(run).optimizer).toBe(bytes)
  })
})
