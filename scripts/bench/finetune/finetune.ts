/**
 * End to end: whole LoRA training steps of tritune and of torch + PEFT, as it is and compiled, one after the other in turn.
 *
 * Speed is the median ratio over pairs of steps. Memory is the high-water mark of the process (VmHWM) while training:
 * all sides reset it when the model is loaded (and compiled), because that costs more than the training that follows.
 */
import { fileURLToPath } from 'node:url'
import { TrituneError } from '../../../core/errors.ts'
import { type Answer, type Child, numberIn, startChild } from '../_child.ts'
import { memoryRow, type OurStep, peakRows, readOurStep, speedRow, whereRows } from './_finetune-rows.ts'
import { inTurn } from '../_measure.ts'
import type { BenchContext, Row, Topic } from '../_topic.ts'

const BATCH = 4
const LENGTH = 512
const TOKENS = BATCH * LENGTH
/** Random tokens and an untouched adapter: both sides must start from the same loss. */
const LOSS_TOLERANCE = 0.02
/** Share of the multiply-adds (f32) or of the AMX tiles (bf16 where there are any). */
const PEAK_LIMITS = { f32: [0.72, 0.8], amx: [0.45, 0.5], bf16: [null, null] } as const
const MEMORY_LIMIT = 0.5

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
      const name = nameOf(one)
      if (context.only === null || name.includes(context.only)) rows.push(...(await compare(one, context)))
    }
    return rows
  },
}

function nameOf({ dtype, checkpointing }: Case): string {
  return `${dtype}${checkpointing ? ', checkpointing' : ''}`
}

interface Peer {
  readonly name: string
  readonly child: Child
  readonly losses: number[]
}

async function compare(one: Case, context: BenchContext): Promise<Row[]> {
  const { quick, threads, python, model, progress } = context
  if (!model) throw missing('--model', 'TRITUNE_MODEL', 'a SmolLM2-135M folder or .gguf file')
  if (!python) throw missing('--python', 'TRITUNE_PYTHON', 'a Python with torch, transformers and peft')
  const { dtype, checkpointing } = one
  const name = nameOf(one)
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
  progress(`${name}: loading all sides`)
  await using open = new AsyncDisposableStack()
  const ours = open.use(
    await startChild('tritune', [process.execPath, script('finetune_ours.ts'), ...options]),
  )
  const startPeer = async (title: string, extra: readonly string[]): Promise<Peer> => {
    const command = [python, script('finetune_peer.py'), ...options, ...extra]
    return { name: title, child: open.use(await startChild(title, command)), losses: [] }
  }
  const peers = [await startPeer('torch', [])]
  // Compiling takes minutes, and does not know torch's checkpointing as one graph.
  if (!quick && !checkpointing) {
    progress(`${name}: torch compiles`)
    peers.push(await startPeer('torch.compile', ['--compile', '1']))
  }

  const steps: OurStep[] = []
  const losses: number[] = []
  const told = (side: string, answer: Answer): number => {
    const [seconds, loss] = [numberIn(answer, 'seconds'), numberIn(answer, 'loss')]
    progress(`${name}: ${side} ${seconds.toFixed(2)} s, loss ${loss.toFixed(3)}`)
    return TOKENS / seconds
  }
  const warmup = quick ? 1 : 2
  const programs: Record<string, () => Promise<number>> = {
    ours: async () => {
      const answer = await ours.ask('step')
      losses.push(numberIn(answer, 'loss'))
      if (losses.length > warmup) steps.push(readOurStep(answer))
      return told('ours', answer)
    },
  }
  for (const peer of peers) {
    programs[peer.name] = async () => {
      const answer = await peer.child.ask('step')
      peer.losses.push(numberIn(answer, 'loss'))
      return told(peer.name, answer)
    }
  }
  const speed = await inTurn(programs, { repeat: quick ? 3 : 7, warmup })
  for (const peer of peers) expectSameStart(`${name}, ${peer.name}`, losses[0], peer.losses[0])

  const memory = await ours.ask('memory')
  const theirs = await Promise.all(peers.map(({ child }) => child.ask('memory')))
  const leaner = theirs.toSorted(
    (a, b) => numberIn(a, 'trainPeakRssBytes') - numberIn(b, 'trainPeakRssBytes'),
  )[0]
  progress(`${name}: ours with memory: lean`)
  const lean = await leanMemory(options)
  const amx = dtype === 'bf16' && ours.ready.amx === true
  return [
    ...peers.map((peer) =>
      speedRow(`${name}: speed, ${peer.name}`, {
        ours: speed.ours,
        peer: speed[peer.name],
        note: `first loss ${losses[0].toFixed(3)} / ${peer.losses[0].toFixed(3)}`,
      }),
    ),
    memoryRow(`${name}: peak memory, lean`, lean, leaner, 'trainPeakRssBytes', MEMORY_LIMIT),
    memoryRow(`${name}: peak memory, fast`, memory, leaner, 'trainPeakRssBytes', null),
    ...peers.map((peer, i) =>
      memoryRow(`${name}: peak with loading, ${peer.name}`, memory, theirs[i], 'peakRssBytes', null),
    ),
    ...(checkpointing
      ? []
      : peakRows(`${name}: share of the peak`, steps, {
          frozen: numberIn(ours.ready, 'flop'),
          limits: amx ? PEAK_LIMITS.amx : PEAK_LIMITS[dtype],
          of: String(ours.ready.peakOf),
        })),
    ...whereRows(name, steps),
  ]
}

/** The memory of two steps with `memory: lean`, of a process of its own. */
async function leanMemory(options: readonly string[]): Promise<Answer> {
  await using child = await startChild('tritune', [
    process.execPath,
    script('finetune_ours.ts'),
    ...options,
    '--lean',
    '1',
  ])
  for (let step = 0; step < 2; step++) await child.ask('step')
  return child.ask('memory')
}

function expectSameStart(name: string, ours: number, peer: number): void {
  if (Math.abs(ours / peer - 1) < LOSS_TOLERANCE) return
  throw new TrituneError(
    'E_NATIVE',
    `${name}: the first losses are ${ours} and ${peer}: not the same training`,
  )
}

function script(file: string): string {
  return fileURLToPath(new URL(file, import.meta.url))
}

function missing(option: string, variable: string, what: string): TrituneError {
  return new TrituneError('E_USAGE', `the finetune benchmark needs ${what}`, {
    remedy: `give ${option}, or set ${variable}`,
  })
}
