/**
 * QLoRA on models of the true shapes with random weights: what the estimate says before, and the peak of the process (VmHWM), loading included; at a long
 * sequence also with what checkpointing keeps in a file.
 *
 * The folders are written first, which takes 2.5 GB (1B) and 16 GB (8B) of disk; `--model` names a folder in which they are kept.
 */
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { TrituneError } from '../../../core/errors.ts'
import { type Answer, numberIn, startChild } from '../_child.ts'
import { expectSpace } from '../../../core/files/free-space.ts'
import { type LlamaShape, randomModelBytes, SMOLLM2, writeRandomModel } from '../_random-model.ts'
import type { BenchContext, Row, Topic } from '../_topic.ts'

interface Case {
  readonly name: string
  readonly shape: LlamaShape
  /** GiB that the process may take. */
  readonly limit: number
  readonly steps: number
}

/** At a sequence where what goes into each block is most of the memory. */
const LONG = { name: '135M at 8192 tokens', length: 8192, shape: SMOLLM2 }

/** LoRA on long contexts: blocks run again, what goes into them waits in a file. GiB that the process may take at the longest. */
const CONTEXTS = { name: '135M LoRA', lengths: [8192, 16384, 32768], limit: 4, shape: SMOLLM2 }

/** With all weights trained, the state of AdamW is most of it. */
const ALL = { name: '135M, all weights', length: 256, shape: SMOLLM2 }

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
    const wanted = (name: string): boolean => context.only === null || name.includes(context.only)
    if (wanted(LONG.name)) rows.push(...(await offloaded(context)))
    if (wanted(ALL.name)) rows.push(...(await paged(context)))
    rows.push(...(await contexts(context)))
    return rows
  },
}

async function measure(one: Case, context: BenchContext): Promise<Row[]> {
  const what = `${one.name}: ${one.steps} steps of 1024 tokens`
  return withModel(one, context, async (train) =>
    rowsOf(one, await train(what, ['--steps', String(one.steps)])),
  )
}

async function offloaded(context: BenchContext): Promise<Row[]> {
  return withModel(LONG, context, async (train) => {
    const long = ['--steps', '1', '--memory', 'lean', '--length', String(LONG.length)]
    const here = await train(LONG.name, long)
    const away = await train(`${LONG.name}, activations in a file`, [...long, '--offload', 'disk'])
    return [
      leaner(`${LONG.name}: peak with activations in a file, over that without`, away, here),
      overEstimate(LONG.name, here),
      overEstimate(`${LONG.name}, activations in a file`, away),
    ]
  })
}

/** How the peak grows with the length of one document. */
async function contexts(context: BenchContext): Promise<Row[]> {
  const nameOf = (length: number): string => `${CONTEXTS.name} at ${length} tokens`
  const { only, quick } = context
  const lengths = CONTEXTS.lengths.filter((length) =>
    only === null ? !quick : nameOf(length).includes(only),
  )
  if (lengths.length === 0) return []
  return withModel(CONTEXTS, context, async (train) => {
    const rows: Row[] = []
    for (const length of lengths) {
      const keys = ['--method', 'lora', '--memory', 'lean', '--offload', 'disk', '--steps', '1']
      const answer = await train(nameOf(length), [...keys, '--length', String(length)])
      const peak = numberIn(answer, 'peak') / 2 ** 30
      const note = `${((peak * 2 ** 20) / length).toFixed(0)} KiB a token; ${numberIn(answer, 'seconds').toFixed(0)} s`
      rows.push({
        name: `${nameOf(length)}: peak of the process`,
        ours: peak,
        peer: null,
        ratio: null,
        unit: 'GiB',
        floor: CONTEXTS.limit,
        goal: null,
        better: 'lower',
        note,
      })
    }
    return rows
  })
}

type Train = (what: string, options: readonly string[]) => Promise<Answer>

/** Runs `work` with a model in a folder that is there for its time, or stays where `--model` says. */
async function withModel(
  { name, shape }: Pick<Case, 'name' | 'shape'>,
  { model, threads, progress }: BenchContext,
  work: (train: Train) => Promise<Row[]>,
): Promise<Row[]> {
  const home = model ?? mkdtempSync(join(tmpdir(), 'tritune-bench-'))
  const folder = join(home, `random-${name.split(/[ ,]/)[0]}`)
  try {
    if (!existsSync(join(folder, 'config.json'))) {
      expectSpace(home, randomModelBytes(shape), {
        what: `${name}: the model with random weights`,
        remedy: 'free some space, or name a folder of another disk with --model',
      })
      progress(`${name}: writing random weights into ${folder}`)
      writeRandomModel(folder, shape)
    }
    return await work(async (what, options) => {
      progress(what)
      const script = fileURLToPath(new URL('memory_ours.ts', import.meta.url))
      const all = [script, '--model', folder, '--threads', String(threads), ...options]
      await using child = await startChild(name, [process.execPath, ...all])
      const { ready } = child
      // It takes long until all rows are there.
      progress(`${what}: ${(numberIn(ready, 'peak') / 2 ** 30).toFixed(2)} GiB`)
      return ready
    })
  } finally {
    if (model === null) rmSync(home, { recursive: true, force: true })
  }
}

async function paged(context: BenchContext): Promise<Row[]> {
  return withModel(ALL, context, async (train) => {
    const all = ['--method', 'full', '--steps', '2', '--memory', 'lean', '--length', String(ALL.length)]
    const here = await train(`${ALL.name}, AdamW`, [...all, '--optimizer', 'adamw'])
    const away = await train(`${ALL.name}, paged AdamW`, [...all, '--optimizer', 'paged_adamw_32bit'])
    return [
      leaner(`${ALL.name}: peak with paged AdamW, over that with AdamW`, away, here),
      overEstimate(`${ALL.name}, paged AdamW`, away),
    ]
  })
}

/** Bits first: another loss would be another run. */
function leaner(name: string, away: Answer, here: Answer): Row {
  const [ours, peer] = [away, here].map((answer) => numberIn(answer, 'peak') / 2 ** 30)
  if (JSON.stringify(away.losses) !== JSON.stringify(here.losses))
    throw new TrituneError('E_NATIVE', `other losses: ${String(away.losses)} and ${String(here.losses)}`)
  const [slow, fast] = [away, here].map((answer) => numberIn(answer, 'seconds').toFixed(0))
  const note = `the same losses; ${slow} s, and ${fast} s without`
  return { name, ours, peer, unit: 'GiB', ratio: ours / peer, floor: 0.75, goal: null, better: 'lower', note }
}

function overEstimate(name: string, answer: Answer): Row {
  const [peak, estimate] = ['peak', 'estimate'].map((key) => numberIn(answer, key) / 2 ** 30)
  return {
    name: `${name}: peak over estimate`,
    ours: peak,
    peer: estimate,
    unit: 'GiB',
    ratio: peak / estimate,
    floor: 1.2,
    goal: null,
    better: 'lower',
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
    overEstimate(name, answer),
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
