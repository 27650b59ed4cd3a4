/**
 * What is asked of every emulated machine, and when its answer is right. Numbers are compared with the f64 reference or with what
 * this machine gives.
 */
import { join } from 'node:path'
import { openSafetensors, readEntry, type SafetensorsFile } from '../../core/files/safetensors.ts'
import { referenceDevice } from '../../core/mod.ts'
import { resultsOn } from '../../testing/ops/compare-devices.ts'
import { firstDifference, TOLERANCE } from '../../testing/ops/difference.ts'
import { OP_CASES } from '../../testing/ops/ops.ts'
import { nativeSourceHash } from '../native/source-hash.ts'
import type { Machine } from './machine.ts'
import {
  type Facts,
  type LoraAnswer,
  type OpsAnswer,
  type QuickstartAnswer,
  type TaskOptions,
  tensorName,
} from './tasks.ts'

export interface Checked {
  readonly ok: boolean
  /** One line; more where something is wrong. */
  readonly detail: string
}

const MODELS: readonly string[] = ['llama', 'mistral', 'qwen2', 'qwen3', 'gpt2']
const STEPS = 3
/** Of f32 losses, as a share. */
const CLOSE = 1e-5
/** Of perplexities, as a share. */
const CLOSE_PERPLEXITY = 5e-3
const THREADS = 2

/** The library is there, opens, and is made of the sources that are there. */
export async function checkLibrary(machine: Machine, folder: string): Promise<Checked> {
  const { facts } = await machine.ask<{ facts: Facts }>('facts', { threads: THREADS }, folder)
  const isOurs = facts.sources === nativeSourceHash('cpu')
  const detail = `${facts.platform}, ${facts.device}`
  return { ok: isOurs, detail: isOurs ? detail : `${detail}: of other sources; bun run native --target=all` }
}

/** Every case, or some, against the f64 reference, and the same bits twice. */
export async function checkOps(
  machine: Machine,
  folder: string,
  some: Pick<TaskOptions, 'only' | 'isa'> = {},
): Promise<Checked> {
  const options = { threads: THREADS, ...some }
  const answer = await machine.ask<OpsAnswer>('ops', options, folder)
  const file = openSafetensors(join(folder, 'ops.json.safetensors'))
  const wrong = [
    ...answer.failed,
    ...answer.different.map((name) => `${name}: other bits the second time`),
    ...answer.ran.flatMap((name) => wrongIn(name, file)),
  ]
  const left = tableSize() - answer.ran.length
  const rest = left > 0 ? `; ${left} left out` : ''
  if (answer.ran.length === 0) wrong.push('no case ran')
  return result(
    wrong,
    `${answer.facts.device}: ${answer.ran.length} cases as the f64 reference has them, the same bits twice${rest}`,
  )
}

/** Losses of small models against those here; run twice for the same weights. */
export async function checkLora(
  machine: Machine,
  here: Machine,
  folder: string,
  models: readonly string[] = MODELS,
): Promise<Checked> {
  const folders = models.map((name) => `tests/golden/models/${name}`)
  const options = { threads: THREADS, models: folders, steps: STEPS }
  const expected = await here.ask<LoraAnswer>('lora', options, join(folder, 'here'))
  const first = await machine.ask<LoraAnswer>('lora', options, join(folder, 'first'))
  const second = await machine.ask<LoraAnswer>('lora', options, join(folder, 'second'))
  const wrong: string[] = []
  let worst = 0
  for (const [i, { name, losses, weights }] of first.runs.entries()) {
    const apart = mostApart(losses, expected.runs[i].losses)
    worst = Math.max(worst, apart)
    if (!(apart <= CLOSE))
      wrong.push(`${name}: losses ${losses.join(', ')}, here ${expected.runs[i].losses.join(', ')}`)
    if (!(losses[STEPS - 1] < losses[0])) wrong.push(`${name}: losses do not fall: ${losses.join(', ')}`)
    const again = second.runs[i]
    if (again.weights !== weights || mostApart(again.losses, losses) !== 0)
      wrong.push(`${name}: other bits the second time`)
  }
  if (first.runs.length !== models.length) wrong.push(`${first.runs.length} models of ${models.length} ran`)
  return result(
    wrong,
    `${STEPS} steps of ${models.length} models in f32: losses at most ${worst.toExponential(1)} from here, the same bits twice`,
  )
}

export type QuickstartSize = Required<Pick<TaskOptions, 'steps' | 'tokens' | 'evaluated'>>

/** Perplexity of the quickstart model before and after some steps, against here. */
export async function checkQuickstart(
  machine: Machine,
  here: Machine,
  folder: string,
  size: QuickstartSize,
): Promise<Checked> {
  const options = { threads: THREADS, ...size }
  const expected = await here.ask<QuickstartAnswer>('quickstart', options, join(folder, 'here'))
  const got = await machine.ask<QuickstartAnswer>('quickstart', options, join(folder, 'there'))
  const apart = mostApart([got.before, got.after], [expected.before, expected.after])
  const told = `perplexity ${got.before.toFixed(2)} → ${got.after.toFixed(2)}, here ${expected.before.toFixed(2)} → ${expected.after.toFixed(2)}`
  const wrong = [
    ...(apart <= CLOSE_PERPLEXITY ? [] : [`${told}: more than 0.5 % apart`]),
    ...(got.after < got.before ? [] : [`${told}: it does not fall`]),
    ...(got.losses.length === size.steps ? [] : [`${got.losses.length} steps of ${size.steps}`]),
  ]
  return result(
    wrong,
    `${told} (${size.steps} steps of ${size.tokens} tokens, not 486 of 1024; ${size.evaluated} texts, not 113)`,
  )
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function result(wrong: readonly string[], right: string): Checked {
  return wrong.length === 0 ? { ok: true, detail: right } : { ok: false, detail: wrong.join('\n') }
}

/** The largest difference as a share; NaN or another length is Infinity. */
export function mostApart(got: readonly number[], expected: readonly number[]): number {
  if (got.length !== expected.length) return Infinity
  const shares = got.map((value, i) => Math.abs(value - expected[i]) / Math.abs(expected[i]))
  return shares.some((share) => !Number.isFinite(share)) ? Infinity : Math.max(0, ...shares)
}

function tableSize(): number {
  return OP_CASES.reduce((sum, { dtypes }) => sum + (dtypes?.length ?? 2), 0)
}

const references = new Map<string, Readonly<Record<string, Float32Array>>>()

/** What differs from the reference, whose results are computed once for all machines. */
function wrongIn(name: string, file: SafetensorsFile): string[] {
  const [, opName, dtype] = /^(.*), (f32|bf16)$/.exec(name) ?? []
  const op = OP_CASES.find((one) => one.name === opName)
  if (!op || (dtype !== 'f32' && dtype !== 'bf16')) return [`${name}: no such case`]
  let expected = references.get(name)
  if (!expected) references.set(name, (expected = resultsOn(referenceDevice, op, dtype)))
  const tolerance = op.tolerance?.[dtype] ?? TOLERANCE[dtype]
  return Object.entries(expected).flatMap(([output, values]) => {
    const entry = file.entries.get(tensorName(name, output))
    if (!entry) return [`${name}: gave no ${output}`]
    const difference = firstDifference(new Float32Array(readEntry(entry).slice().buffer), values, tolerance)
    return difference === null ? [] : [`${name}: ${output}${difference}`]
  })
}
