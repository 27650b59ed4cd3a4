/**
 * `bench estimate`: what `tritune estimate` says of eight runs on a model of the shape of SmolLM2-135M with random weights, beside the peak of the process
 * (VmHWM) that makes two steps of each. LoRA, QLoRA and all weights, with and without checkpointing, at two lengths.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { TrituneError } from '../../../core/errors.ts'
import { numberIn, startChild } from '../_child.ts'
import { memoryKeys, type MemoryRun, type Method } from './_memory-config.ts'
import { SMOLLM2, writeRandomModel } from '../_random-model.ts'
import type { BenchContext, Row, Topic } from '../_topic.ts'

const CASES: readonly (readonly [method: Method, checkpointing: boolean, length: number])[] = [
  ['lora', true, 512],
  ['lora', false, 512],
  ['qlora', true, 512],
  ['full', true, 512],
  ['lora', true, 2048],
  ['lora', false, 2048],
  ['qlora', false, 2048],
  ['full', false, 2048],
]

/** The estimate may be off by this much, above or below. */
const TOLERANCE = 0.1

export const estimate: Topic = {
  name: 'estimate',
  async run(context) {
    const home = context.model ?? mkdtempSync(join(tmpdir(), 'tritune-bench-'))
    try {
      const folder = join(home, 'random-135M')
      if (!existsSync(join(folder, 'config.json'))) writeRandomModel(folder, SMOLLM2)
      const rows: Row[] = []
      for (const one of context.quick ? CASES.slice(0, 2) : CASES) {
        const name = `${one[0]}, ${one[1] ? 'checkpointing' : 'all kept'}, ${one[2]} tokens`
        if (context.only === null || name.includes(context.only))
          rows.push(await measure(name, folder, one, context))
      }
      return rows
    } finally {
      if (context.model === null) rmSync(home, { recursive: true, force: true })
    }
  },
}

/** As `tritune estimate` says it, in a process of its own. */
function estimated(run: MemoryRun, work: string): number {
  const file = join(work, 'run.yaml')
  // JSON is YAML.
  writeFileSync(file, JSON.stringify(memoryKeys(run, work)))
  const command = fileURLToPath(new URL('../../tritune.ts', import.meta.url))
  const { stdout, stderr } = spawnSync(process.execPath, [command, 'estimate', file, '--json'], {
    encoding: 'utf8',
  })
  if (!stdout.includes('"estimate"')) throw new TrituneError('E_NATIVE', `estimate said: ${stderr.trim()}`)
  return numberIn(JSON.parse(stdout), 'memory')
}

async function measure(
  name: string,
  model: string,
  [method, checkpointing, length]: (typeof CASES)[number],
  { threads, progress }: BenchContext,
): Promise<Row> {
  progress(name)
  const run: MemoryRun = {
    model,
    method,
    length,
    checkpointing,
    steps: 2,
    memory: 'fast',
    offload: false,
    optimizer: 'adamw_8bit',
    bf16: true,
  }
  const work = mkdtempSync(join(tmpdir(), 'tritune-estimate-'))
  try {
    const memory = estimated(run, work)
    const options = ['--method', method, '--length', String(length), '--memory', 'fast', '--steps', '2']
    const script = fileURLToPath(new URL('memory_ours.ts', import.meta.url))
    const kept = checkpointing ? [] : ['--keep-activations']
    await using child = await startChild(name, [
      process.execPath,
      script,
      '--model',
      model,
      '--threads',
      String(threads),
      ...options,
      ...kept,
    ])
    const peak = numberIn(child.ready, 'peak')
    const off = Math.abs(memory / peak - 1)
    return {
      name,
      ours: memory / 2 ** 20,
      peer: peak / 2 ** 20,
      unit: 'MiB',
      ratio: 1 + off,
      floor: 1 + TOLERANCE,
      goal: null,
      better: 'lower',
      note: `the estimate is ${(100 * (memory / peak - 1)).toFixed(1)} % off`,
    }
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}
