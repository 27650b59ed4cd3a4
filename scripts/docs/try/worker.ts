/**
 * The worker of the page that trains: LoRA on the bundled model, with the settings of the quickstart, all of it in this thread and those
 * that it starts. It asks for nothing but the files beside it.
 */
import {
  adamw,
  type AttachedAdapter,
  attachLora,
  type Batch,
  chain,
  clipByGlobalNorm,
  completionExamples,
  cosineSchedule,
  createBatches,
  createTokenizer,
  type Device,
  engineOf,
  evaluateLoss,
  type Model,
  MODELS,
  openMemorySource,
  openWasmBytes,
  streamText,
  type Tokenizer,
  tokenizerFilesOf,
  trainStep,
  TrituneError,
} from '../../../browser.ts'
import type { News, Order, Sight } from './messages.ts'

const SEQUENCE = 512
const LEARNING_RATE = 3e-3
const SEED = 42
const PROMPT = 'The captain stood'
const SAMPLE = { maxNewTokens: 60, temperature: 0.7, topP: 0.9, repetitionPenalty: 1.1, seed: 1 } as const
/** Rows of the evaluation: enough to tell, and a few seconds. */
const EVALUATED = 12

let stopping = false

globalThis.addEventListener('message', ({ data: order }: MessageEvent<Order>) => {
  if (order.type === 'stop') stopping = true
  else void start(order)
})

async function start(order: Extract<Order, { type: 'start' }>): Promise<void> {
  stopping = false
  try {
    await train(order)
  } catch (error) {
    const isOurs = error instanceof TrituneError
    tell({
      type: 'failed',
      message: isOurs ? error.message.split('\n')[0] : String(error),
      remedy: isOurs ? (error.remedy ?? null) : null,
    })
  }
}

async function train({ steps, threads }: Extract<Order, { type: 'start' }>): Promise<void> {
  tell({ type: 'loading', text: 'loading the WebAssembly module' })
  const file = engineOf().relaxedSimd ? 'tritune_cpu_relaxed.wasm' : 'tritune_cpu.wasm'
  const device = await openWasmBytes({ bytes: await load(file), place: file, threads })
  tell({ type: 'loading', text: 'loading the model, 8 MB' })
  const tokenizer = await openTokenizer()
  const type = MODELS.llama
  const source = openMemorySource(await load('model/model.safetensors'), {
    device,
    dtype: 'f32',
    place: 'model.safetensors',
  })
  using model = type.create(await loadJson('model/config.json'), source)
  tell({ type: 'loading', text: 'reading Moby-Dick' })
  const training = await examples('train.jsonl', tokenizer)
  const held = await examples('eval.jsonl', tokenizer)
  using attached = attachLora(model, { rank: 32, alpha: 64, targetModules: 'all-linear', seed: SEED })
  tell({
    type: 'ready',
    device: device.description,
    parameters: sizes(model.weights),
    trained: sizes(attached.parameters),
    steps,
  })
  await breath()
  const evaluation = firstRows(held)
  const look = (): Sight => sightOf(model, tokenizer, device, evaluation)
  tell({ type: 'sight', when: 'before', sight: look() })
  await breath()
  const done = await run(steps, { model, device, attached, training })
  tell({ type: 'sight', when: 'after', sight: look() })
  attached[Symbol.dispose]()
  model[Symbol.dispose]()
  tell({ type: 'done', steps: done, left: device.memory().live })
}

interface Training {
  readonly model: Model
  readonly device: Device
  readonly attached: AttachedAdapter
  readonly training: ReturnType<typeof completionExamples>
}

/** The steps that were made: all of them, or those until somebody stopped it. */
async function run(steps: number, { model, device, attached, training }: Training): Promise<number> {
  const { parameters } = attached
  using optimizer = chain(clipByGlobalNorm(1), adamw()).init(parameters)
  const context = { model, device, parameters, optimizer, checkpointing: false, seed: SEED }
  const rate = cosineSchedule({ totalSteps: steps, warmupSteps: Math.round(0.03 * steps) })
  let step = 0
  for (let epoch = 0; step < steps; epoch++) {
    const batches = rowsOf(training, epoch)
    for (let i = 0; i < batches.length && step < steps; i++, step++) {
      if (stopping) return step
      const batch = batches.get(i)
      const began = performance.now()
      const { loss } = trainStep(context, [batch], { step, learningRate: LEARNING_RATE * rate(step) })
      const seconds = (performance.now() - began) / 1000
      tell({
        type: 'step',
        step: step + 1,
        steps,
        loss,
        tokensPerSecond: batch.ids.length / seconds,
      })
      await breath()
    }
  }
  return step
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function sizes(tensors: ReadonlyMap<string, { readonly size: number }>): number {
  return [...tensors.values()].reduce((sum, { size }) => sum + size, 0)
}

function tell(news: News): void {
  globalThis.postMessage(news, [])
}

/** Lets messages in. */
function breath(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0))
}

async function load(path: string): Promise<Uint8Array> {
  const response = await fetch(new URL(path, location.href))
  if (!response.ok)
    throw new TrituneError('E_FILE', `${path} could not be loaded (${response.status})`, {
      remedy: 'the page needs the files beside it: `bun run docs` makes them',
    })
  return new Uint8Array(await response.arrayBuffer())
}

async function loadText(path: string): Promise<string> {
  return new TextDecoder().decode(await load(path))
}

async function loadJson(path: string): Promise<Record<string, unknown>> {
  const value: Record<string, unknown> = JSON.parse(await loadText(path))
  return value
}

async function openTokenizer(): Promise<Tokenizer> {
  return createTokenizer(
    tokenizerFilesOf({
      place: 'model',
      tokenizer: await loadJson('model/tokenizer.json'),
      config: await loadJson('model/tokenizer_config.json'),
      generation: await loadJson('model/generation_config.json'),
    }),
  )
}

async function examples(path: string, tokenizer: Tokenizer): Promise<Training['training']> {
  const lines = (await loadText(path)).split('\n').filter((line) => line !== '')
  const texts = lines.map((line): string => {
    const record: { readonly text: string } = JSON.parse(line)
    return record.text
  })
  const { bosId = null, eosId = null } = tokenizer
  return completionExamples(
    texts,
    { bosId, eosId, encode: (text, options) => tokenizer.encode(text, options) },
    SEQUENCE,
  )
}

/** Rows of 512 tokens, packed; the same order in every run. */
function rowsOf(training: Training['training'], epoch: number): ReturnType<typeof createBatches> {
  return createBatches({
    examples: training,
    microBatchSize: 1,
    sequenceLength: SEQUENCE,
    packing: true,
    seed: SEED,
    epoch,
  })
}

function firstRows(held: Training['training']): Batch[] {
  const batches = createBatches({
    examples: held,
    microBatchSize: 1,
    sequenceLength: SEQUENCE,
    packing: true,
    seed: SEED,
    shuffle: false,
  })
  return Array.from({ length: Math.min(EVALUATED, batches.length) }, (_, i) => batches.get(i))
}

function sightOf(model: Model, tokenizer: Tokenizer, device: Device, batches: readonly Batch[]): Sight {
  const { loss, tokens } = evaluateLoss({ model, device }, batches)
  const text = [...streamText(model, tokenizer, { prompt: PROMPT }, SAMPLE)].join('')
  return { perplexity: Math.exp(loss), tokens, prompt: PROMPT, text }
}
