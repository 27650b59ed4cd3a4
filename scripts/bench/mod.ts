/**
 * `bun run bench <topic…> [--json] [--quick]`: measures, prints a table, and fails when a floor is missed.
 *
 *   finetune   a LoRA step of SmolLM2-135M against torch + PEFT        --model, --python
 *   kernels    our ops against the peaks of the machine, and two against torch   (--python)
 *   startup    from a command to its first step, and what the trainer costs beside the ops
 */
import { parseArgs } from 'node:util'
import { availableParallelism } from 'node:os'
import { didYouMean, TrituneError } from '../../core/errors.ts'
import { ensureInstalled } from '../_setup.ts'
import { describeMachine, formatMachine } from './_machine.ts'
import { type BenchContext, formatRows, judge, type Row, type Topic } from './_topic.ts'

const USAGE = `bun run bench <topic…> [options]
  topics: finetune, kernels, startup
  --model <path>    model folder or .gguf file (or TRITUNE_MODEL): finetune needs it
  --python <path>   Python with torch, transformers and peft (or TRITUNE_PYTHON): finetune needs it, kernels uses it
  --threads <n>     threads of both sides (default: all cores)
  --quick           fewer repetitions
  --json            one JSON object on stdout instead of the table`

const TOPICS: Readonly<Record<string, () => Promise<Topic>>> = {
  finetune: async () => (await import('./finetune.ts')).finetune,
  kernels: async () => (await import('./kernels.ts')).kernels,
  startup: async () => (await import('./startup.ts')).startup,
}

interface Options {
  readonly topics: readonly string[]
  readonly json: boolean
  readonly help: boolean
  readonly context: BenchContext
}

function readOptions(args: readonly string[]): Options {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      model: { type: 'string' },
      python: { type: 'string' },
      threads: { type: 'string' },
      quick: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  for (const name of positionals) {
    if (name in TOPICS) continue
    throw new TrituneError('E_USAGE', `there is no benchmark "${name}"`, {
      remedy: didYouMean(name, Object.keys(TOPICS)),
    })
  }
  const threads = Number(values.threads ?? availableParallelism())
  if (!Number.isInteger(threads) || threads < 1)
    throw new TrituneError('E_USAGE', `--threads ${values.threads}: expected a number from 1`)
  return {
    topics: positionals,
    json: values.json,
    help: values.help || positionals.length === 0,
    context: {
      quick: values.quick,
      threads,
      python: values.python ?? process.env.TRITUNE_PYTHON ?? null,
      model: values.model ?? process.env.TRITUNE_MODEL ?? null,
      progress: (text) => void process.stderr.write(`${text}\n`),
    },
  }
}

async function main(args: readonly string[]): Promise<number> {
  const { topics, json, help, context } = readOptions(args)
  if (help) {
    console.log(USAGE)
    return args.length === 0 ? 1 : 0
  }
  await ensureInstalled()
  const machine = describeMachine(`bun run bench ${args.join(' ')}`)
  const results: Record<string, Row[]> = {}
  if (!json) console.log(formatMachine(machine))
  for (const name of topics) {
    const topic = await TOPICS[name]()
    results[name] = await topic.run(context)
    if (!json) console.log(`\n${name}\n${formatRows(results[name])}`)
  }
  const missed = Object.values(results)
    .flat()
    .filter((row) => judge(row) === 'MISSED')
  if (json) console.log(JSON.stringify({ machine, results, missed: missed.map((row) => row.name) }, null, 2))
  else if (missed.length > 0)
    console.log(`\n${missed.length} below the floor: ${missed.map((row) => row.name).join('; ')}`)
  return missed.length === 0 ? 0 : 1
}

if (import.meta.main) {
  try {
    process.exitCode = await main(process.argv.slice(2))
  } catch (error) {
    console.error(error instanceof Error ? error.message : error)
    process.exitCode = 1
  }
}
