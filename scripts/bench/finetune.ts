/**
 * End to end: whole LoRA training steps of tritune and of torch + PEFT, one after the other in turn.
 *
 * Speed is the median ratio over pairs of steps. Memory is the high-water mark of the process (VmHWM) while training:
 * both sides reset it when the model is loaded, because loading through torch costs more than the training that follows.
 */
import { fileURLToPath } from 'node:url'
import { TrituneError } from '../../core/errors.ts'
import { type Child, numberIn, startChild } from './_child.ts'
import { inTurn, median, medianRatio } from './_measure.ts'
import type { BenchContext, Row, Topic } from './_topic.ts'

const BATCH = 4
const LENGTH = 512
const TOKENS = BATCH * LENGTH
/** Random tokens and an untouched adapter: both sides must start from the same loss. */
const LOSS_TOLERANCE = 0.02

interface Case {
  readonly dtype: 'f32' | 'bf16'
  readonly checkpointing: boolean
}

const CASES: readonly Case[] = [
  { dtype: 'f32', checkpointing: false },
  { dtype: 'f32', checkpointing: true },
  { dtype: 'bf16', checkpointing: false },
  { dtype: 'bf16', checkpointing: true },
]

export const finetune: Topic = {
  name: 'finetune',
  async run(context) {
    const rows: Row[] = []
    for (const one of context.quick ? CASES.filter(({ checkpointing }) => !checkpointing) : CASES) {
      rows.push(...(await compare(one, context)))
    }
    return rows
  },
}

async function compare(
  { dtype, checkpointing }: Case,
  { quick, threads, python, model, progress }: BenchContext,
): Promise<Row[]> {
  if (!model) throw missing('--model', 'TRITUNE_MODEL', 'a SmolLM2-135M folder or .gguf file')
  if (!python) throw missing('--python', 'TRITUNE_PYTHON', 'a Python with torch, transformers and peft')
  const name = `${dtype}${checkpointing ? ', checkpointing' : ''}`
  const options = ['--model', model, '--dtype', dtype, '--checkpointing', checkpointing ? '1' : '0']
  options.push(
    '--batch',
    String(BATCH),
    '--length',
    String(LENGTH),
    '--rank',
    '16',
    '--threads',
    String(threads),
  )
  progress(`${name}: loading both sides`)
  await using ours = await startChild('tritune', [process.execPath, script('finetune_ours.ts'), ...options])
  await using peer = await startChild('torch', [python, script('finetune_peer.py'), ...options])

  const losses: Record<'ours' | 'peer', number[]> = { ours: [], peer: [] }
  const step = (side: 'ours' | 'peer', child: Child) => async (): Promise<number> => {
    const answer = await child.ask('step')
    losses[side].push(numberIn(answer, 'loss'))
    progress(
      `${name}: ${side} ${numberIn(answer, 'seconds').toFixed(2)} s, loss ${numberIn(answer, 'loss').toFixed(3)}`,
    )
    return TOKENS / numberIn(answer, 'seconds')
  }
  const speed = await inTurn(
    { ours: step('ours', ours), peer: step('peer', peer) },
    { repeat: quick ? 3 : 7, warmup: quick ? 1 : 2 },
  )
  const difference = Math.abs(losses.ours[0] / losses.peer[0] - 1)
  if (!(difference < LOSS_TOLERANCE)) {
    throw new TrituneError(
      'E_NATIVE',
      `${name}: the first losses are ${losses.ours[0]} and ${losses.peer[0]}: not the same training`,
    )
  }
  const memory = { ours: await ours.ask('memory'), peer: await peer.ask('memory') }
  const mebibytes = (side: 'ours' | 'peer', key: string): number => numberIn(memory[side], key) / 2 ** 20
  const memoryRow = (what: string, key: string): Row => {
    const [mine, theirs] = [mebibytes('ours', key), mebibytes('peer', key)]
    return {
      name: `${name}: ${what}`,
      ours: mine,
      peer: theirs,
      unit: 'MiB',
      ratio: mine / theirs,
      floor: null,
      goal: null,
      better: 'lower',
    }
  }
  return [
    {
      name: `${name}: speed`,
      ours: median(speed.ours),
      peer: median(speed.peer),
      unit: 'tokens/s',
      ratio: medianRatio(speed.ours, speed.peer),
      floor: 1,
      goal: 1.5,
      better: 'higher',
      note: `first loss ${losses.ours[0].toFixed(3)} / ${losses.peer[0].toFixed(3)}`,
    },
    { ...memoryRow('peak memory', 'trainPeakRssBytes'), floor: 0.7, goal: 0.5 },
    memoryRow('peak with loading', 'peakRssBytes'),
  ]
}

function script(file: string): string {
  return fileURLToPath(new URL(file, import.meta.url))
}

function missing(option: string, variable: string, what: string): TrituneError {
  return new TrituneError('E_USAGE', `the finetune benchmark needs ${what}`, {
    remedy: `give ${option}, or set ${variable}`,
  })
}
