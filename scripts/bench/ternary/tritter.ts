/**
 * The presets of tritter: parameters, and of those that fit this machine the memory and the speed of a training step with AdamW in f32; and what
 * checkpointing leaves of the memory of twelve layers.
 *
 * Memory is that of tensors. Each case is a process of its own.
 */
import { fileURLToPath } from 'node:url'
import { availableMemory } from '../../../core/native/available-memory.ts'
import {
  countParameters,
  estimateModel,
  TRITTER_PRESETS,
  type StepShape,
} from '../../../plugins/models/mod.ts'
import { type Answer, numberIn, startChild } from '../_child.ts'
import type { BenchContext, Row, Topic } from '../_topic.ts'

/** Of what is free; others use the machine too. */
const SHARE = 0.6
/** Tokens of a step. */
const ROWS = 2
const LENGTH = 512
/** With twelve layers. */
const TWELVE = 'tritter-small'
/** Of the memory of activations, and of all that a step holds. */
const CHECKPOINTED = 0.35

const INFORMS = { peer: null, ratio: null, floor: null, goal: null } as const

export const tritter: Topic = {
  name: 'tritter',
  async run(context) {
    const wanted = (name: string): boolean => context.only === null || name.includes(context.only)
    const rows: Row[] = []
    for (const [name, config] of Object.entries(TRITTER_PRESETS)) {
      if (!wanted(name)) continue
      const parameters = countParameters(config) / 1e6
      rows.push({ ...INFORMS, name: `${name}: parameters`, ours: parameters, unit: 'M', better: 'lower' })
      const shape = shapeOf(Number(config.max_position_embeddings))
      const needed = bytesOf(name, shape)
      if (needed > SHARE * availableMemory()) rows.push(needs(name, needed))
      else if (!context.quick || needed < 1e9) rows.push(...(await presetRows(name, shape, context)))
    }
    if (wanted('checkpointing') && !context.quick) rows.push(...(await checkpointingRows(context)))
    return rows
  },
}

// ---- helpers ----------------------------------------------------------------------------------------------------

type Shape = StepShape & { readonly rows: number }

function shapeOf(longest: number): Shape {
  const context = Math.min(LENGTH, longest)
  const rows = (ROWS * LENGTH) / context
  return { rows, context, tokens: rows * context }
}

function bytesOf(name: string, shape: StepShape): number {
  const config = Object.entries(TRITTER_PRESETS).find(([preset]) => preset === name)?.[1] ?? {}
  const { weightBytes, gradientBytes, optimizerBytes, activationBytes } = estimateModel(config, shape)
  return weightBytes + gradientBytes + optimizerBytes + activationBytes
}

function needs(name: string, bytes: number): Row {
  const row = { ...INFORMS, unit: 'GiB', better: 'lower', note: 'more than is free here' } as const
  return { ...row, name: `${name}: memory of a step, estimated`, ours: bytes / 2 ** 30 }
}

async function presetRows(name: string, shape: Shape, context: BenchContext): Promise<Row[]> {
  const answer = await steps(name, shape, context)
  const ternary = await steps(name, shape, context, ['--bitnet', '1'])
  const peak = numberIn(answer, 'peak') / 2 ** 30
  const estimate = bytesOf(name, shape) / 2 ** 30
  const speed = { ...INFORMS, unit: 'tokens/s', better: 'higher' } as const
  return [
    {
      name: `${name}: memory of a step over its estimate`,
      ours: peak,
      peer: estimate,
      ratio: peak / estimate,
      unit: 'GiB',
      floor: 1.2,
      goal: null,
      better: 'lower',
    },
    { ...speed, name: `${name}: training`, ours: numberIn(answer, 'tokensPerSecond') },
    {
      ...speed,
      name: `${name}: training with BitLinear`,
      ours: numberIn(ternary, 'tokensPerSecond'),
    },
  ]
}

async function checkpointingRows(context: BenchContext): Promise<Row[]> {
  const shape = shapeOf(LENGTH)
  const plain = await steps(TWELVE, shape, context)
  const again = await steps(TWELVE, shape, context, ['--checkpointing', '1'])
  const gib = (answer: Answer, without: number): number => (numberIn(answer, 'peak') - without) / 2 ** 30
  const row = (what: string, floor: number | null, without: (answer: Answer) => number): Row => {
    const [ours, peer] = [gib(again, without(again)), gib(plain, without(plain))]
    const name = `checkpointing, 12 layers: ${what}`
    return { name, ours, peer, ratio: ours / peer, unit: 'GiB', floor, goal: null, better: 'lower' }
  }
  return [
    row('memory of a step beside weights and optimizer', CHECKPOINTED, (answer) => numberIn(answer, 'held')),
    row('with weights and optimizer', null, () => 0),
  ]
}

async function steps(
  name: string,
  { rows, context: length }: Shape,
  { threads, progress }: BenchContext,
  more: readonly string[] = [],
): Promise<Answer> {
  progress(`${name}${more.length > 0 ? ` (${more.join(' ')})` : ''}: steps of ${rows} × ${length} tokens`)
  const script = fileURLToPath(new URL('tritter_ours.ts', import.meta.url))
  const options = ['--preset', name, '--rows', `${rows}`, '--length', `${length}`, '--threads', `${threads}`]
  await using child = await startChild(name, [process.execPath, script, ...options, ...more])
  return child.ready
}
