/**
 * QLoRA of a small model: steps on packed weights beside steps on bf16 ones and beside PEFT on bitsandbytes, one after the other in
 * turn; what the weights take, what loading takes, and the held-out loss after the same steps.
 */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { TrituneError } from '../../../core/errors.ts'
import { expectModel } from '../_expect-model.ts'
import { type Answer, type Child, numberIn, startChild } from '../_child.ts'
import { inTurn, median, medianRatio } from '../_measure.ts'
import { type OurStep, readOurStep } from '../finetune/_finetune-rows.ts'
import { type BenchContext, formatNumber, type Row, type Topic } from '../_topic.ts'

const BATCH = 4
const LENGTH = 512
const LOSS_STEPS = 200
/** Bases whose loss is compared, as qlora_loss.ts is asked for them. */
const PACKED: Readonly<Record<string, readonly string[]>> = {
  nf4: ['--quantizer', 'nf4'],
  'nf4 by GPTQ': ['--gptq', '64'],
  'nf4 by GPTQ, blocks of 32': ['--gptq', '32'],
  int8: ['--quantizer', 'int8'],
}

export const qlora: Topic = {
  name: 'qlora',
  async run(context) {
    const wants = (part: string): boolean => context.only === null || part.includes(context.only)
    return [
      ...(wants('steps, weights, loading') ? await steps(context) : []),
      ...(wants('loss') && !context.quick ? losses(context) : []),
    ]
  },
}

// ---- steps ------------------------------------------------------------------------------------------------------

async function steps(context: BenchContext): Promise<Row[]> {
  const { quick, threads, python, progress } = context
  const model = expectModel(context, 'qlora')
  const options = ['--model', model, '--dtype', 'bf16', '--batch', String(BATCH), '--length', String(LENGTH)]
  options.push('--rank', '16', '--threads', String(threads))
  await using open = new AsyncDisposableStack()
  const start = async (name: string, command: readonly string[]): Promise<Child> => {
    progress(`${name}: loading`)
    return open.use(await startChild(name, command))
  }
  const ours = (quantizer: string): readonly string[] => [
    process.execPath,
    script('../finetune/finetune_ours.ts'),
    ...options,
    '--quantizer',
    quantizer,
  ]
  const packed = await start('nf4', ours('nf4'))
  const plain = await start('bf16', ours('none'))
  const eight = await start('int8', ours('int8'))
  const peer = python
    ? await start('PEFT', [python, script('../finetune/finetune_peer.py'), ...options, '--quantizer', 'nf4'])
    : null
  const shortest: number[] = []
  const timed = (name: string, child: Child) => async (): Promise<number> => {
    const answer = await child.ask('step')
    const seconds = numberIn(answer, 'seconds')
    progress(`${name}: ${seconds.toFixed(2)} s, loss ${numberIn(answer, 'loss').toFixed(3)}`)
    if (name === 'nf4') shortest.push(shortestStep(readOurStep(answer)))
    return seconds
  }
  const programs: Record<string, () => Promise<number>> = {
    nf4: timed('nf4', packed),
    bf16: timed('bf16', plain),
    int8: timed('int8', eight),
    ...(peer ? { peer: timed('PEFT', peer) } : {}),
  }
  const times = await inTurn(programs, { repeat: quick ? 3 : 9, warmup: quick ? 1 : 2 })
  const memory = await packed.ask('memory')
  return [
    timeRow('nf4 step over a step on bf16', times.nf4, times.bf16, 1.25),
    timeRow('int8 step over a step on bf16', times.int8, times.bf16, null),
    ...(peer ? [speedRow(times.nf4, times.peer, shortest.slice(-times.peer.length))] : []),
    ...weightRows(packed.ready, plain.ready),
    loadRow(memory),
  ]
}

function timeRow(name: string, ours: readonly number[], plain: readonly number[], floor: number | null): Row {
  return {
    name,
    ours: median(ours) * 1000,
    peer: median(plain) * 1000,
    unit: 'ms',
    ratio: medianRatio(ours, plain),
    floor,
    goal: floor === null ? null : 1.1,
    better: 'lower',
  }
}

/** Seconds of a step whose products all run at the peak measured around it, and whose bytes move at the speed of a copy. */
function shortestStep({ flop, peak, roofline }: OurStep): number {
  return flop / peak / roofline.share
}

function speedRow(ours: readonly number[], peer: readonly number[], shortest: readonly number[]): Row {
  const tokens = BATCH * LENGTH
  return {
    name: 'nf4: speed, PEFT on bitsandbytes',
    ours: tokens / median(ours),
    peer: tokens / median(peer),
    unit: 'tokens/s',
    ratio: medianRatio(peer, ours),
    floor: 3,
    goal: 5,
    better: 'higher',
    roofline: {
      share: medianRatio(peer, shortest),
      why: `all products at the peak of this machine and all bytes at the speed of a copy: ${formatNumber(tokens / median(shortest))} tokens/s`,
    },
  }
}

function weightRows(packed: Answer, plain: Answer): Row[] {
  const row = (name: string, key: string, floor: number | null): Row => {
    const [ours, peer] = [numberIn(packed, key) / 2 ** 20, numberIn(plain, key) / 2 ** 20]
    return { name, ours, peer, unit: 'MiB', ratio: ours / peer, floor, goal: null, better: 'lower' }
  }
  return [
    row('weights of the packed layers, over bf16', 'linearBytes', 0.3),
    row('all weights, embeddings stay bf16', 'weightBytes', null),
  ]
}

/** What was there before the model is not of the model. */
function loadRow(memory: Answer): Row {
  const base = numberIn(memory, 'baseRssBytes')
  const [peak, left] = [
    numberIn(memory, 'loadPeakRssBytes') - base,
    numberIn(memory, 'loadedRssBytes') - base,
  ]
  return {
    name: 'peak while loading, over what is left',
    ours: peak / 2 ** 20,
    peer: left / 2 ** 20,
    unit: 'MiB',
    ratio: peak / left,
    floor: 1.2,
    goal: null,
    better: 'lower',
  }
}

// ---- loss -------------------------------------------------------------------------------------------------------

function losses(context: BenchContext): Row[] {
  const model = expectModel(context, 'qlora')
  const after = (name: string, options: readonly string[]): number => {
    context.progress(`held-out loss after ${LOSS_STEPS} steps on ${name}`)
    const command = [script('qlora_loss.ts'), '--model', model, ...options]
    command.push('--steps', String(LOSS_STEPS), '--threads', String(context.threads))
    const { status, stdout, stderr } = spawnSync(process.execPath, command, { encoding: 'utf8' })
    if (status !== 0) throw new TrituneError('E_NATIVE', `the run on ${name} failed: ${stderr.slice(-600)}`)
    return numberIn(JSON.parse(stdout.trim().split('\n').at(-1) ?? '{}'), 'after')
  }
  const plain = after('bf16', [])
  return Object.entries(PACKED).map(([name, options]): Row => {
    const ours = after(name, options)
    return {
      name: `held-out loss after ${LOSS_STEPS} steps, ${name} over bf16`,
      ours,
      peer: plain,
      unit: '',
      ratio: ours / plain,
      floor: 1.01,
      goal: null,
      better: 'lower',
    }
  })
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function script(file: string): string {
  return fileURLToPath(new URL(file, import.meta.url))
}
