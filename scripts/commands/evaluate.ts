/**
 * Measures a model by tasks. Thin: reads arguments, calls plugins/evaluate, prints.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { TrituneError } from '../../core/errors.ts'
import { writeFileAtomic } from '../../core/files/atomic.ts'
import { invocation } from '../../core/invocation.ts'
import type { ModelEvaluation, Subject, TaskResult } from '../../plugins/evaluate/mod.ts'
import {
  type Command,
  deviceOption,
  dtypeOption,
  expectChat,
  INTEGER_FROM_1,
  numberOption,
  type ParsedArguments,
} from '../_cli.ts'
import { writeJson } from '../terminal/json-lines.ts'
import { ensureInstalled } from '../_setup.ts'
import { err, out } from '../terminal/streams.ts'

const help =
  (): string => `Measure a model by tasks with known answers: how good it is, and whether a fine-tune made it better.

  ${invocation('evaluate')} <model> --task <file> [options]

  <model>                a hub name, a folder, a .gguf file, or the folder of an adapter
  --task <file>          a task file of lm-evaluation-harness (.yaml) or records (.jsonl, .csv, .parquet, .txt); may be repeated
  --adapter <folder>     a PEFT adapter to put on it
  --before <model>       what it is compared with; default: an adapter with its base model
  --no-before            measures it alone
  --limit <n>            only the first n items of each task
  --chat                 contexts go through the chat template, as a message of the user
  --chat-template <name>  with --chat: another template than the model's: chatml, llama3, …, or a Jinja file
  --max-length <n>       tokens of a window; default: the context of the model
  --save                 keeps the result in the folder of the adapter (evaluation.json), for its report and model card
  --output <file>        writes the result there
  --samples <file>       writes what became of each item there, one JSON object a line
  --plugin <module>      for an adapter or a model that a plugin provides; may be repeated
  --dtype <f32|bf16>     default: as the model is stored
  --device <name>        auto (default: a GPU if one can be used), cpu, wasm, cuda, cuda:<number>
  --offline              use the local cache of the hub only
  --json                 one JSON object on stdout
  --help                 this text

Records say by their fields what they are: choices (HellaSwag, ARC, OpenBookQA, PIQA, or context, choices and gold), texts to be written (prompt and
answer), or texts for perplexity (text). Intervals are of 95 %; ± is the standard error. "better" and "worse" are said where the interval of the
difference, over the same items, leaves out 0.
`

const OPTIONS = {
  task: { type: 'string', multiple: true },
  adapter: { type: 'string' },
  before: { type: 'string' },
  'no-before': { type: 'boolean' },
  limit: { type: 'string' },
  chat: { type: 'boolean' },
  'chat-template': { type: 'string' },
  'max-length': { type: 'string' },
  save: { type: 'boolean' },
  output: { type: 'string' },
  samples: { type: 'string' },
  plugin: { type: 'string', multiple: true },
  dtype: { type: 'string' },
  device: { type: 'string' },
  offline: { type: 'boolean' },
  json: { type: 'boolean' },
} as const

export const evaluate: Command<typeof OPTIONS> = {
  help,
  positionals: { min: 1, max: 1, missing: 'name a model: a hub name, a folder or a .gguf file' },
  options: OPTIONS,
  async run({ positionals: [named], values }) {
    const { task: files = [] } = values
    if (files.length === 0)
      throw new TrituneError('E_USAGE', '--task is missing', { remedy: 'name a task file or a data file' })
    if (values.before !== undefined && values['no-before'])
      throw new TrituneError('E_USAGE', '--before and --no-before do not go together')
    const limit =
      values.limit === undefined ? undefined : numberOption('limit', values.limit, 0, INTEGER_FROM_1)
    const maxLength =
      values['max-length'] === undefined
        ? undefined
        : numberOption('max-length', values['max-length'], 0, INTEGER_FROM_1)
    expectChat(values)
    const dtype = dtypeOption(values.dtype)
    const device = deviceOption(values.device, 'auto')
    await ensureInstalled()
    const { EVALUATION_FILE, evaluateModel, readTask } = await import('../../plugins/evaluate/mod.ts')
    const { loadPlugins } = await import('../../plugins/finetune/mod.ts')
    const subject = await subjectOf(named, values)
    const saved = values.save ? savedIn(subject, EVALUATION_FILE) : undefined
    const tasks = []
    for (const file of files) tasks.push(await readTask(file, { limit }))
    const samples: string[] = []
    const found = await evaluateModel(subject, tasks, {
      before: await beforeOf(subject, values),
      limit,
      chat: values.chat,
      chatTemplate: values['chat-template'],
      maxLength,
      dtype,
      device,
      offline: values.offline,
      onNote: (text) => err.write(`${text}\n`),
      plugins: (await loadPlugins(values.plugin ?? [])).map(({ plugin }) => plugin),
      onResult: (who, result) => samples.push(...sampleLines(who, result)),
    })
    const text = `${JSON.stringify(found, null, 2)}\n`
    for (const file of [saved, values.output]) if (file !== undefined) writeFileAtomic(file, text)
    if (values.samples !== undefined) writeFileAtomic(values.samples, samples.join(''))
    await tell(found, values.json ?? false)
    const written = [saved, values.output, values.samples].filter((file) => file !== undefined)
    if (!values.json) for (const file of written) out.write(`saved  ${file}\n`)
  },
}

// ---- helpers ----------------------------------------------------------------------------------------------------

type Values = ParsedArguments<typeof OPTIONS>['values']

async function tell(found: ModelEvaluation, asJson: boolean): Promise<void> {
  if (asJson) return writeJson({ type: 'evaluation', ...found })
  const { evaluationLines } = await import('../evaluate/table.ts')
  out.write(`${evaluationLines(found).join('\n')}`)
}

/** A folder of an adapter stands for its base model with it. */
async function subjectOf(named: string, { adapter, offline }: Values): Promise<Subject> {
  const { findSource } = await import('../../plugins/export/mod.ts')
  const source = await findSource(named, {
    ...(adapter === undefined ? {} : { adapter }),
    ...(offline === undefined ? {} : { offline }),
    onNote: (text) => err.write(`${text}\n`),
  })
  return { model: source.modelRef, adapter: source.adapter }
}

async function beforeOf(subject: Subject, values: Values): Promise<Subject | null> {
  const { adapter: _adapter, before, ...others } = values
  if (values['no-before']) return null
  if (before !== undefined) return await subjectOf(before, others)
  return subject.adapter === null ? null : { model: subject.model, adapter: null }
}

function savedIn({ adapter }: Subject, name: string): string {
  if (adapter !== null && existsSync(join(adapter, 'adapter_config.json'))) return join(adapter, name)
  throw new TrituneError(
    'E_USAGE',
    '--save keeps the result in the folder of an adapter, and there is none',
    {
      remedy: 'use --output <file>',
    },
  )
}

function sampleLines({ model, adapter }: Subject, { task, items }: TaskResult): string[] {
  return items.map((item) => `${JSON.stringify({ model, adapter, task, ...item })}\n`)
}
