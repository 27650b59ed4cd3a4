/**
 * What a run will take, before its weights are downloaded. Thin: reads arguments, calls plugins/finetune, prints.
 */
import { TrituneError } from '../../core/errors.ts'
import { readTextFile } from '../../core/files/text-file.ts'
import { invocation } from '../../core/invocation.ts'
import type { ConfigEstimate } from '../../plugins/finetune/mod.ts'
import type { Command } from '../_cli.ts'
import { writeJson } from '../terminal/json-lines.ts'
import { ensureInstalled } from '../_setup.ts'
import { err, out } from '../terminal/streams.ts'

const help =
  (): string => `What the file of a run will take: memory by part, and the time of an epoch on this machine.

  ${invocation('estimate')} <config.yaml> [options]

  --vram <bytes>    for a GPU with so much memory, such as 8GiB or 24GB, instead of the device of the file
  --processes <n>   of a job of so many processes: what each of them takes
  --set key=value   change a setting of the file; may be repeated
  --json            one JSON object on stdout
  --help            this text

Of the base model config.json, the tokenizer and the headers of the weights are read, on the hub too: no weights are downloaded. The data are
read and tokenized, and one step of the longest micro-batch runs on shapes alone. The exit code is 1 when the run would not fit.
`

const OPTIONS = {
  vram: { type: 'string' },
  processes: { type: 'string' },
  set: { type: 'string', multiple: true },
  json: { type: 'boolean' },
} as const

export const estimate: Command<typeof OPTIONS> = {
  help,
  positionals: { min: 1, max: 1, missing: 'name a YAML file' },
  options: OPTIONS,
  async run({ positionals: [file], values }) {
    const vram = values.vram === undefined ? undefined : bytesOf(values.vram)
    const processes = values.processes === undefined ? undefined : processesOf(values.processes)
    const text = readTextFile(file, {
      what: 'the configuration',
      remedy: `name a YAML file; paths start at ${process.cwd()}`,
    })
    await ensureInstalled()
    const { estimateConfig, placeInConfig, readFinetuneConfig } =
      await import('../../plugins/finetune/mod.ts')
    const overrides = values.set ?? []
    const config = readFinetuneConfig(text, file, { overrides })
    const found = await estimateConfig(config, {
      ...(vram === undefined ? {} : { vram }),
      ...(processes === undefined ? {} : { processes }),
      onNote: (note) => err.write(`${note}\n`),
    }).catch((error: unknown) => Promise.reject(placeInConfig(error, text, file, { overrides })))
    if (values.json) writeJson({ type: 'estimate', file, ...found })
    else out.write(`${(await lines(found)).join('\n')}\n`)
    if (!found.fits) process.exitCode = 1
  },
}

// ---- helpers ----------------------------------------------------------------------------------------------------

const UNITS: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
  k: 2 ** 10,
  m: 2 ** 20,
  g: 2 ** 30,
}

function bytesOf(text: string): number {
  const [, number = '', unit = ''] = /^([\d.]+) *([a-z]*)$/i.exec(text.trim()) ?? []
  const bytes = Number(number || 'x') * (UNITS[unit.toLowerCase()] ?? Number.NaN)
  if (Number.isFinite(bytes) && bytes > 0) return Math.round(bytes)
  throw new TrituneError('E_USAGE', `--vram: expected bytes such as 8GiB, got "${text}"`)
}

function processesOf(text: string): number {
  if (/^[1-9]\d{0,5}$/.test(text)) return Number(text)
  throw new TrituneError('E_USAGE', `--processes: expected a whole number from 1, got "${text}"`)
}

const PARTS: Readonly<Record<keyof ConfigEstimate['parts'], string>> = {
  program: 'program and scratch of the kernels',
  model: 'base model',
  adapter: 'adapter',
  gradients: 'gradients',
  optimizer: 'state of the optimizer',
  strategies: 'copies of what is trained, of strategies and diloco',
  activations: 'activations',
}

async function lines(found: ConfigEstimate): Promise<string[]> {
  const { formatBytes, formatCount, formatDuration } = await import('../../plugins/finetune/mod.ts')
  const { parts, memory, budget, instead, secondsPerEpoch } = found
  const rows = Object.entries(PARTS).flatMap(([key, name]) => {
    const bytes = Object.entries(parts).find(([part]) => part === key)?.[1] ?? 0
    return bytes === 0 ? [] : [`  ${formatBytes(bytes).padStart(9)}  ${name}`]
  })
  return [
    `device     ${found.device}`,
    `trained    ${formatCount(found.trainableParameters)} parameters`,
    `memory     ${formatBytes(memory)} at the highest, in a micro-batch of ${found.tokens} tokens`,
    ...rows,
    `room       ${formatBytes(budget)}: ${found.fits ? 'it fits' : 'it does not fit'}`,
    ...(found.fits
      ? []
      : [
          instead === null
            ? 'instead    nothing that is known here makes it fit: take a smaller model or sequence_len'
            : `instead    ${instead.change}: ${formatBytes(instead.memory)}`,
        ]),
    `steps      ${found.steps}, ${found.stepsPerEpoch} an epoch`,
    `time       ${secondsPerEpoch === null ? 'not known of a device that is not here' : `about ${formatDuration(secondsPerEpoch)} an epoch`}`,
    ...found.notes.map((note) => `note       ${note}`),
  ]
}
