/**
 * The estimate of a run's memory against what the run takes: the tensors as the device counts them, and the whole process.
 */
import { expect, test } from 'bun:test'
import { join } from 'node:path'
import { formatBytes, estimateRun, finetuneConfig, prepareRun, train } from '../../../plugins/finetune/mod.ts'
import { ROOT } from '../../../scripts/_setup.ts'
import { temporaryFolder } from '../../_golden.ts'
import { emptyPool } from '../../_memory.ts'
import { cpu } from './_run.ts'

interface Case {
  readonly bf16: boolean
  readonly memory: 'lean' | 'fast'
  readonly gradient_checkpointing?: boolean
  readonly activation_offloading?: boolean
  readonly adapter?: 'lora' | 'none'
}

const keys = (outputDir: string, changes: Case): Record<string, unknown> => ({
  base_model: join(ROOT, 'quickstart/model'),
  adapter: 'lora',
  ...(changes.adapter === 'none' ? {} : { lora_r: 16, lora_target_linear: true }),
  datasets: [{ path: join(ROOT, 'quickstart/moby-dick.eval.jsonl'), type: 'completion' }],
  sequence_len: 512,
  sample_packing: true,
  micro_batch_size: 2,
  max_steps: 2,
  learning_rate: 1e-3,
  save_strategy: 'no',
  output_dir: outputDir,
  ...changes,
})

function expectNear(estimated: number, real: number): void {
  const ratio = estimated / real
  expect(ratio, `${formatBytes(estimated)} estimated, ${formatBytes(real)} taken`).toBeGreaterThan(0.75)
  expect(ratio, `${formatBytes(estimated)} estimated, ${formatBytes(real)} taken`).toBeLessThan(1.25)
}

const CASES: readonly Case[] = [
  { bf16: false, memory: 'fast' },
  { bf16: false, memory: 'lean' },
  { bf16: true, memory: 'fast' },
  { bf16: true, memory: 'lean' },
  { bf16: false, memory: 'fast', gradient_checkpointing: true },
  { bf16: true, memory: 'lean', gradient_checkpointing: true },
  { bf16: true, memory: 'lean', gradient_checkpointing: true, activation_offloading: true },
  { bf16: false, memory: 'fast', adapter: 'none' },
  { bf16: true, memory: 'lean', adapter: 'none' },
]

test.each(CASES)('tensors are estimated within a quarter: %o', async (changes) => {
  using folder = temporaryFolder()
  emptyPool()
  const before = cpu.memory().live
  using run = await prepareRun(finetuneConfig.validate(keys(join(folder.path, 'out'), changes)), {
    device: cpu,
  })
  const { parts } = estimateRun(run)
  const state = cpu.memory().live - before
  cpu.resetPeak()
  await train(run)
  const step = cpu.memory().peak - before - state
  // It is stored in bf16: frozen, it lies in its mapped file.
  const mapped = changes.bf16 && changes.adapter !== 'none' ? parts.model : 0
  expectNear(
    parts.model + parts.adapter + parts.gradients + parts.optimizer + parts.activations,
    state + mapped + step,
  )
})

test.skipIf(process.platform !== 'linux').each(CASES.slice(0, 4))(
  'the process is estimated within a quarter: %o',
  async (changes) => {
    using folder = temporaryFolder()
    const file = join(folder.path, 'run.yaml')
    await Bun.write(file, JSON.stringify({ ...keys(join(folder.path, 'out'), changes), device: 'cpu' }))
    // What wait() tells of a child includes the process that it was forked from.
    const tell = join(folder.path, 'tell.ts')
    await Bun.write(
      tell,
      `import { readFileSync, writeFileSync } from 'node:fs'
process.on('exit', () => writeFileSync(${JSON.stringify(join(folder.path, 'peak'))}, readFileSync('/proc/self/status')))\n`,
    )
    const command = [process.execPath, '--preload', tell, join(ROOT, 'scripts/tritune.ts'), 'finetune', file]
    const child = Bun.spawn(command, { stdout: 'pipe', stderr: 'pipe' })
    const said = await new Response(child.stdout).text()
    expect(await child.exited).toBe(0)
    const peak = /^VmHWM:\s+(\d+)/m.exec(await Bun.file(join(folder.path, 'peak')).text())?.[1]
    const [, amount, unit] = /^estimate +([\d.]+) (MiB|GiB) of memory/m.exec(said) ?? []
    const estimated = Number(amount) * (unit === 'GiB' ? 2 ** 30 : 2 ** 20)
    expectNear(estimated, Number(peak) * 1024)
  },
  30_000,
)
