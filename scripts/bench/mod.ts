/**
 * `bun run bench <topic…> [--json] [--quick]`: measures, prints a table, and fails when a floor is missed.
 *
 *   finetune   a LoRA step of SmolLM2-135M against torch + PEFT, also compiled   --model, --python
 *   adapters   a step of every adapter over a LoRA step, and over that of PEFT       (--python)
 *   data       records per second of reading, tokenising and packing, against datasets and the fast tokenizers of transformers   (--python)
 *   generate   16 texts at once over one at a time   --model
 *   serve      16 streams of a server over one, over HTTP   --model
 *   product    one stream, prompts and 16 streams of packed models, beside llama.cpp; and the rows of runs   --model
 *   moe        a step of mixtures of experts over that of transformers   (--python)
 *   kernels    our ops against the peaks of the machine, and two against torch   (--python)
 *   ops        the kernels as a mitata suite, to look at while one works on an op; `kernels` is for claims
 *   optimizers a step of each optimizer, and of those of Python in turn   (--python)
 *   blas       f32 products against those of a BLAS, by size   --blas
 *   models     the inner loops of the ARM64 library, as llvm-mca models them for CPUs that are not at hand
 *   libraries  two builds of the CPU library in turn                             --before, --after, --isa
 *   startup    from a command to its first step, and what the trainer costs beside the ops
 *   qlora      LoRA steps on packed weights against those on bf16, and PEFT on bitsandbytes   --model, --python
 *   bitnet-train  a BitNet trained from random weights beside its twin in f32, and a LoRA on it; half an hour or so
 *   bitnet-planes  perplexity of a model that is rounded to one and to two ternary planes   (--model)
 *   quant      packing and unpacking against a copy of memory
 *   ternary    bit planes, AbsMean, and products with ternary weights against our own in f32 and bf16,
 *              and the algebra against JavaScript and torchhd   (--python)
 *   memory     the peak of QLoRA runs on random models of 1B and 8B parameters, and the estimate; activations and states in a file   --model keeps the folders
 *   estimate   what tritune estimate says of eight runs, beside their peak   --model keeps the folders
 *   tritter    the presets of tritter: parameters, memory and speed, and what checkpointing saves
 *   runs       what monitors cost the trainer, and the index over 1,000 runs of 10,000 steps
 *   compression  workers that send less beside workers that send all, simulated: loss, bytes, learning rates chosen for each; more than a day, so --only   (--model)
 *   predictive  guessed steps and searched learning rates beside a tuned AdamW: what it needs for the loss that they reach; an hour or two   (--model)
 *   links      sums of two processes by MPI, over shared memory and over cables of 0.1, 1 and 10 Gb/s, beside the cost model; steps of runs over those, and below which rate sending less is faster
 *   distributed  a job on up to 1024 processes, played from the times of steps of a run, beside the formula of the cost model   --trace
 *   wasm       WebAssembly on one thread against AVX2 on one thread, and against the TypeScript reference
 */
import { availableParallelism } from 'node:os'
import type { JsonValue } from '../../core/contracts/stateful.ts'
import { didYouMean, TrituneError } from '../../core/errors.ts'
import { installCommand } from '../../core/install-command.ts'
import { invocation, isCheckout } from '../../core/invocation.ts'
import { type Command, numberOption } from '../_cli.ts'
import { ensureInstalled } from '../_setup.ts'
import { formatRooflines } from './_roofline.ts'
import { describeMachine, formatMachine } from './_machine.ts'
import { type BenchContext, formatRows, judge, ROOFLINE_SHARE, type Row, type Topic } from './_topic.ts'

const help =
  (): string => `Measure tritune; the exit code is 1 when a floor is missed that the machine allows.

  ${invocation('bench')} <topic…> [options]

  topics: ${topics().join(', ')}; or ops, alone: a mitata suite, one group an op, without floors

  --model <path>    model folder or .gguf file (or TRITUNE_MODEL): finetune, generate, product, serve and qlora need it
  --python <path>   Python with torch, transformers and peft (or TRITUNE_PYTHON): finetune needs it, adapters and kernels use it
  --blas <path>     library that blas compares with (or TRITUNE_CPU_BLAS); default: what the system has
  --threads <n>     threads of both sides; default: all cores
  --only <text>     only cases whose name contains this, such as "rope, bf16"
  --quick           fewer repetitions
  --cache <folder>  where predictive and compression keep finished runs, and find them again: what was cut goes on, and runs of other sources or
                    settings are made anew; default: of predictive the user's cache, of compression none
  --finished        runs nothing: the rows of predictive whose runs are all there
  --json            one JSON object on stdout instead of the table
  --help            this text

of libraries:
  --before <file>   a build of the CPU library; default: the bundled one
  --after <file>    another
  --isa <n>         instruction set of both: 0 the best, 1 AVX2, 2 AVX-512, 3 AMX

of compression:
  --seeds <n>       seeds of every row; default: 3
  --tries <n>       learning rates of runs that begin where the search over shorter ones ended; default: 5

of distributed:
  --trace <folder>  a run whose steps are played; default: one of the bundled model that was recorded

of ops:
  --filter <regex>  only groups whose name fits, such as "^rms_norm"
  --format <name>   mitata (default), json, markdown or quiet
  --table           every case of the op table instead: small ones, beside the TypeScript reference
  --reference       the TypeScript reference beside the ops that move memory; slow
  --agree           three ops that fit no cache, by mitata and by kernels: the exit code is 1 above 20 %
`

const TOPICS: Readonly<Record<string, () => Promise<Topic>>> = {
  finetune: async () => (await import('./finetune/finetune.ts')).finetune,
  adapters: async () => (await import('./adapters/adapters.ts')).adapters,
  data: async () => (await import('./data/data.ts')).data,
  generate: async () => (await import('./product/generate.ts')).generateTopic,
  serve: async () => (await import('../serve/throughput.ts')).serveTopic,
  product: async () => (await import('./product/mod.ts')).product,
  moe: async () => (await import('./adapters/moe.ts')).moe,
  kernels: async () => (await import('./kernels/kernels.ts')).kernels,
  optimizers: async () => (await import('./adapters/optimizers.ts')).optimizers,
  startup: async () => (await import('./finetune/startup.ts')).startup,
  blas: async () => (await import('./kernels/blas.ts')).blas,
  models: async () => (await import('./kernels/models.ts')).models,
  libraries: async () => (await import('./kernels/libraries.ts')).libraries,
  qlora: async () => (await import('./quant/qlora.ts')).qlora,
  ternary: async () => (await import('./ternary/ternary.ts')).ternary,
  'bitnet-train': async () => (await import('./ternary/bitnet-train.ts')).bitnetTrain,
  'bitnet-planes': async () => (await import('./ternary/bitnet-planes.ts')).bitnetPlanes,
  quant: async () => (await import('./quant/quant.ts')).quant,
  memory: async () => (await import('./memory/memory.ts')).memory,
  estimate: async () => (await import('./memory/estimate.ts')).estimate,
  tritter: async () => (await import('./ternary/tritter.ts')).tritter,
  runs: async () => (await import('./product/runs.ts')).runsTopic,
  compression: async () => (await import('./compression/mod.ts')).compression,
  predictive: async () => (await import('./predictive/mod.ts')).predictive,
  distributed: async () => (await import('./distributed/mod.ts')).distributed,
  links: async () => (await import('./links/links.ts')).links,
  wasm: async () => (await import('./kernels/wasm.ts')).wasm,
}

/** Those start scripts, compilers or builds of the repository, which no package has. */
const OF_CHECKOUT: readonly string[] = [
  'finetune',
  'adapters',
  'moe',
  'data',
  'startup',
  'product',
  'models',
  'libraries',
  'links',
  'wasm',
  'qlora',
  'bitnet-train',
  'bitnet-planes',
  'memory',
  'estimate',
  'tritter',
  'serve',
  'runs',
  'compression',
  'distributed',
  'predictive',
]

function topics(): string[] {
  return Object.keys(TOPICS).filter((name) => isCheckout() || !OF_CHECKOUT.includes(name))
}

const OPTIONS = {
  model: { type: 'string' },
  python: { type: 'string' },
  blas: { type: 'string' },
  threads: { type: 'string' },
  only: { type: 'string' },
  quick: { type: 'boolean' },
  json: { type: 'boolean' },
  cache: { type: 'string' },
  finished: { type: 'boolean' },
  before: { type: 'string' },
  after: { type: 'string' },
  isa: { type: 'string' },
  seeds: { type: 'string' },
  tries: { type: 'string' },
  trace: { type: 'string' },
  filter: { type: 'string' },
  format: { type: 'string' },
  table: { type: 'boolean' },
  reference: { type: 'boolean' },
  agree: { type: 'boolean' },
} as const

export const bench: Command<typeof OPTIONS> = {
  help,
  positionals: { min: 1, max: Object.keys(TOPICS).length },
  options: OPTIONS,
  choices: { '': [...topics(), 'ops'], format: ['mitata', 'json', 'markdown', 'quiet'] },
  async run({ positionals, values }) {
    for (const name of positionals) {
      if (topics().includes(name) || (name === 'ops' && positionals.length === 1)) continue
      if (name === 'ops') throw new TrituneError('E_USAGE', 'ops is measured alone, not beside other topics')
      if (OF_CHECKOUT.includes(name)) throw onlyInCheckout(name)
      throw new TrituneError('E_USAGE', `there is no benchmark "${name}"`, {
        remedy: didYouMean(name, [...topics(), 'ops']),
      })
    }
    if (values.python !== undefined && !isCheckout()) throw onlyInCheckout('--python')
    const threads = wholeNumber('threads', values.threads ?? String(availableParallelism()))
    await ensureInstalled()
    const listed: JsonValue[] = []
    const context: BenchContext = {
      quick: values.quick ?? false,
      threads,
      python: values.python ?? process.env.TRITUNE_PYTHON ?? null,
      model: values.model ?? process.env.TRITUNE_MODEL ?? null,
      blas: values.blas ?? process.env.TRITUNE_CPU_BLAS ?? null,
      only: values.only ?? null,
      before: values.before ?? null,
      after: values.after ?? null,
      isa: numberOption('isa', values.isa, 0),
      cache: values.cache ?? null,
      finished: values.finished ?? false,
      list: (entry) => void listed.push(entry),
      tries: values.tries === undefined ? null : wholeNumber('tries', values.tries),
      trace: values.trace ?? null,
      seeds: values.seeds === undefined ? null : wholeNumber('seeds', values.seeds),
      progress: (text) => void process.stderr.write(`${text}\n`),
    }
    if (positionals[0] === 'ops') {
      await benchWithMitata(values, context)
      return
    }
    expectNone(values)
    if (
      !positionals.some((name) => name === 'compression' || name === 'predictive') &&
      values.cache !== undefined
    )
      throw new TrituneError('E_USAGE', '--cache is for compression and predictive')
    if (!positionals.includes('compression') && (values.seeds ?? values.tries) !== undefined)
      throw new TrituneError('E_USAGE', '--seeds and --tries are for compression')
    if (!positionals.includes('distributed') && values.trace !== undefined)
      throw new TrituneError('E_USAGE', '--trace is for distributed')
    if (!(await measure(positionals, context, values.json ? listed : null))) process.exitCode = 1
  },
}

function wholeNumber(name: string, value: string): number {
  const number = numberOption(name, value, 1)
  if (Number.isInteger(number) && number >= 1) return number
  throw new TrituneError('E_USAGE', `--${name}: expected a whole number from 1`)
}

function onlyInCheckout(what: string): TrituneError {
  return new TrituneError('E_USAGE', `${what} is measured with scripts that only the repository has`, {
    remedy: `here there are ${topics().join(', ')} and ops, without --python`,
  })
}

/** What was typed, also where `bench` is a word of it. */
function typed(): string {
  const words = process.argv.slice(2)
  return `${invocation('bench')} ${words.slice(words[0] === 'bench' ? 1 : 0).join(' ')}`
}

const OF_OPS = ['filter', 'format', 'table', 'reference', 'agree'] as const
type Values = Parameters<(typeof bench)['run']>[0]['values']

/** E_USAGE for what only `ops` takes. */
function expectNone(values: Values): void {
  const given = OF_OPS.find((name) => values[name] !== undefined)
  if (given !== undefined)
    throw new TrituneError('E_USAGE', `--${given} is for ops`, { remedy: invocation('bench ops') })
}

/** It does not come with the package. E_USAGE where it is not there. */
async function expectMitata(): Promise<void> {
  try {
    await import('mitata')
  } catch (cause) {
    throw new TrituneError('E_USAGE', 'ops is measured with the package mitata, which is not installed', {
      remedy: installCommand('mitata'),
      cause,
    })
  }
}

async function benchWithMitata(values: Values, context: BenchContext): Promise<void> {
  await expectMitata()
  const { agree, benchOps, FORMATS } = await import('./kernels/ops.ts')
  const { filter = null, format = values.json ? 'json' : 'mitata' } = values
  const known = FORMATS.find((one) => one === format)
  if (!known)
    throw new TrituneError('E_USAGE', `--format: expected one of ${FORMATS.join(', ')}, got ${format}`)
  if (known === 'mitata' || known === 'markdown') console.log(formatMachine(describeMachine(typed())))
  if (values.agree) {
    if (!(await agree(context))) process.exitCode = 1
    return
  }
  const { reference = false, table = false } = values
  await benchOps({ filter, format: known, reference, table }, context)
}

/** Runs the topics and prints, as JSON where runs are `listed`; false when a floor was missed. */
async function measure(
  names: readonly string[],
  context: BenchContext,
  listed: readonly JsonValue[] | null,
): Promise<boolean> {
  const json = listed !== null
  const machine = describeMachine(typed())
  if (!json) console.log(formatMachine(machine))
  const results: Record<string, Row[]> = {}
  for (const name of names) {
    const topic = await TOPICS[name]()
    results[name] = await topic.run(context)
    if (!json)
      console.log([`\n${name}`, formatRows(results[name]), ...formatRooflines(results[name])].join('\n'))
  }
  const missed = Object.values(results)
    .flat()
    .filter((row) => judge(row) === 'MISSED')
    .map((row) => row.name)
  if (json) {
    const runs = listed.length > 0 ? { runs: listed } : {}
    console.log(JSON.stringify({ machine, results, ...runs, missed }, null, 2))
  } else if (missed.length > 0)
    console.log(
      `\n${missed.length} below the floor (and below ${ROOFLINE_SHARE} of the roofline, where there is one): ${missed.join('; ')}`,
    )
  return missed.length === 0
}
