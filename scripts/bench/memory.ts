/**
 * QLoRA on models of the true shapes with random weights: what the estimate says before, and the peak of the process (VmHWM), loading included.
 *
 * The folders are written first, which takes 2.5 GB (1B) and 16 GB (8B) of disk; `--model` names a folder in which they are kept.
 */
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Answer, numberIn, startChild } from './_child.ts'
import { expectSpace } from '../../core/files/free-space.ts'
import { type LlamaShape, randomModelBytes, writeRandomModel } from './_random-model.ts'
import type { BenchContext, Row, Topic } from './_topic.ts'

interface Case {
  readonly name: string
  readonly shape: LlamaShape
  /** GiB that the process may take. */
  readonly limit: number
  readonly steps: number
}

const CASES: readonly Case[] = [
  {
    name: '1B',
    limit: 3,
    steps: 2,
    shape: {
      hidden_size: 2048,
      intermediate_size: 8192,
      num_hidden_layers: 16,
      num_attention_heads: 32,
      num_key_value_heads: 8,
      vocab_size: 128256,
      tie_word_embeddings: true,
    },
  },
  {
    name: '8B',
    limit: 10,
    steps: 1,
    shape: {
      hidden_size: 4096,
      intermediate_size: 14336,
      num_hidden_layers: 32,
      num_attention_heads: 32,
      num_key_value_heads: 8,
      vocab_size: 128256,
      tie_word_embeddings: false,
    },
  },
]

export const memory: Topic = {
  name: 'memory',
  async run(context) {
    const rows: Row[] = []
    for (const one of context.quick ? CASES.slice(0, 1) : CASES)
      if (context.only === null || one.name.includes(context.only))
        rows.push(...(await measure(one, context)))
    return rows
  },
}

async function measure(one: Case, { model, threads, progress }: BenchContext): Promise<Row[]> {
  const home = model ?? mkdtempSync(join(tmpdir(), 'tritune-bench-'))
  const folder = join(home, `random-${one.name}`)
  try {
    if (!existsSync(join(folder, 'config.json'))) {
      expectSpace(home, randomModelBytes(one.shape), {
        what: `${one.name}: the model with random weights`,
        remedy: 'free some space, or name a folder of another disk with --model',
      })
      progress(`${one.name}: writing random weights into ${folder}`)
      writeRandomModel(folder, one.shape)
    }
    progress(`${one.name}: ${one.steps} steps of 1024 tokens`)
    const script = fileURLToPath(new URL('memory_ours.ts', import.meta.url))
    const options = ['--model', folder, '--steps', String(one.steps), '--threads', String(threads)]
    await using child = await startChild(one.name, [process.execPath, script, ...options])
    return rowsOf(one, child.ready)
  } finally {
    if (model === null) rmSync(home, { recursive: true, force: true })
  }
}

function rowsOf({ name, limit }: Case, answer: Answer): Row[] {
  const gib = (key: string): number => numberIn(answer, key) / 2 ** 30
  const plain = { unit: 'GiB', better: 'lower', goal: null } as const
  const [peak, estimate] = [gib('peak'), gib('estimate')]
  const note = `${numberIn(answer, 'seconds').toFixed(0)} s of training, loaded in ${numberIn(answer, 'loadSeconds').toFixed(0)} s`
  return [
    {
      ...plain,
      name: `${name}: peak of the process`,
      ours: peak,
      peer: null,
      ratio: null,
      floor: limit,
      note,
    },
    { ...plain, name: `${name}: the estimate`, ours: estimate, peer: null, ratio: null, floor: limit },
    {
      ...plain,
      name: `${name}: peak over estimate`,
      ours: peak,
      peer: estimate,
      ratio: peak / estimate,
      floor: 1.2,
    },
    {
      ...plain,
      name: `${name}: peak while loading, over what is left`,
      ours: gib('loadPeak'),
      peer: gib('loaded'),
      ratio: gib('loadPeak') / gib('loaded'),
      floor: 1.2,
    },
  ]
}
