/**
 * One stream, prompts, and sixteen streams: ours with packed weights, in turn with llama.cpp (node-llama-cpp) on a GGUF file of the same model.
 *
 * Ours of Q8_0 is int8 by rows, of Q4_0 nf4 in blocks of 64: the forms that are closest in bits. Both sides have the head in 8 bits; that of nf4 is nf4 here.
 */
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Model } from '../../../core/mod.ts'
import { openCpu } from '../../../plugins/cpu/mod.ts'
import { exportModel } from '../../../plugins/export/mod.ts'
import { generate, openBatchEngine, packedWeights } from '../../../plugins/generate/mod.ts'
import { loadModel } from '../../../plugins/models/mod.ts'
import { temporaryFolder } from '../../../tests/_golden.ts'
import { findLlamaCpp } from '../../oracle/_llama-cpp.ts'
import { numberIn, startChild } from '../_child.ts'
import { expectModel } from '../_expect-model.ts'
import { inTurn, median, medianRatio, seconds } from '../_measure.ts'
import type { BenchContext, Row } from '../_topic.ts'

const FORMS = [
  { name: 'Q8_0', type: 'q8_0', quantizer: 'int8', streams: { floor: 4, goal: null } },
  // The products are in f32, and with many rows they are what takes the time.
  { name: 'Q4_0', type: 'q4_0', quantizer: 'nf4', streams: { floor: null, goal: null } },
] as const

const STREAMS = 16
const TOKENS = 48
const PROMPT = 256
const FIRST = [1, 2, 3, 4]

export async function writingRows(context: BenchContext): Promise<Row[]> {
  const path = expectModel(context, 'product')
  const rows: Row[] = []
  const isAsked = (name: string): boolean => name.includes(context.only ?? '')
  using temporary = temporaryFolder()
  for (const form of FORMS) {
    const names = namesOf(form.name)
    if (!Object.values(names).some(isAsked)) continue
    context.progress(`${form.name}: writing the file`)
    const file = join(temporary.path, `${form.type}.gguf`)
    await exportModel(path, { to: 'gguf', output: file, type: form.type, compare: false })
    context.progress(`${form.name}: measuring`)
    const device = openCpu({ threads: context.threads })
    using model = loadModel(file, { device, dtype: 'f32', ...packedWeights(form.quantizer) })
    if (isAsked(names.decode) || isAsked(names.prompt))
      rows.push(...(await besideLlamaCpp(context, model, file, names)))
    if (isAsked(names.streams)) rows.push({ ...(await streams(context, model, names)), ...form.streams })
  }
  return rows.filter(({ name }) => isAsked(name))
}

// ---- helpers ----------------------------------------------------------------------------------------------------

interface Names {
  readonly decode: string
  readonly prompt: string
  readonly streams: string
}

function namesOf(form: string): Names {
  return {
    decode: `one stream, ${form}`,
    prompt: `prompt of ${PROMPT} tokens, ${form}`,
    streams: `${STREAMS} streams over one, ${form}`,
  }
}

async function besideLlamaCpp(
  context: BenchContext,
  model: Model,
  file: string,
  names: Names,
): Promise<Row[]> {
  await using peer = await startChild('llama.cpp', [
    'node',
    fileURLToPath(new URL('../ternary/llama_decode.mjs', import.meta.url)),
    findLlamaCpp(),
    file,
    String(context.threads || 2),
    String(TOKENS),
  ])
  const speed = async (job: string): Promise<number> => {
    const answer = await peer.ask(job)
    return numberIn(answer, 'made') / numberIn(answer, 'seconds')
  }
  const turns = { repeat: context.quick ? 5 : 11 }
  const decode = await inTurn({ ours: () => decodeSpeed(model), peer: () => speed('decode') }, turns)
  const prompt = await inTurn(
    { ours: () => promptSpeed(model), peer: () => speed(`prompt ${PROMPT}`) },
    turns,
  )
  return [
    { ...rowOf(names.decode, decode), floor: 0.8, goal: 1.2 },
    { ...rowOf(names.prompt, prompt), floor: 1, goal: null },
  ]
}

async function streams(
  context: BenchContext,
  model: Model,
  names: Names,
): Promise<Omit<Row, 'floor' | 'goal'>> {
  const speeds = await inTurn(
    { ours: () => streamSpeed(model, STREAMS), peer: () => streamSpeed(model, 1) },
    { repeat: context.quick ? 3 : 7 },
  )
  return rowOf(names.streams, speeds)
}

function rowOf(
  name: string,
  { ours, peer }: Readonly<Record<'ours' | 'peer', number[]>>,
): Omit<Row, 'floor' | 'goal'> {
  return {
    name,
    ours: median(ours),
    peer: median(peer),
    unit: 'tokens/s',
    ratio: medianRatio(ours, peer),
    better: 'higher',
  }
}

/** Tokens a second of one text; what the prompt takes is not counted. */
function decodeSpeed(model: Model): number {
  let started = 0
  let made = 0
  for (const _ of generate(model, FIRST, { maxNewTokens: TOKENS + 1 }))
    if (made++ === 0) started = performance.now()
  return TOKENS / ((performance.now() - started) / 1000)
}

function promptSpeed(model: Model): number {
  const prompt = Array.from({ length: PROMPT }, (_, i) => (i * 37 + 5) % model.info.vocabSize)
  return PROMPT / seconds(() => [...generate(model, prompt, { maxNewTokens: 1 })])
}

/** Tokens a second of so many texts with prompts of their own, prompts included. */
function streamSpeed(model: Model, texts: number): number {
  const taken = seconds(() => {
    using engine = openBatchEngine(model, { rows: texts, tokens: 64 })
    for (let text = 0; text < texts; text++)
      engine.add({ prompt: FIRST.map((id) => id + text), maxNewTokens: TOKENS, temperature: 1, seed: text })
    while (engine.open > 0) engine.step()
  })
  return (texts * TOKENS) / taken
}
