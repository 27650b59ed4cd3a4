/**
 * Writes the file of a first run, with comments. Thin: reads arguments or asks, calls init/, writes.
 */
import { existsSync, writeFileSync } from 'node:fs'
import { TrituneError } from '../../core/errors.ts'
import { fileError } from '../../core/files/files.ts'
import { invocation } from '../../core/invocation.ts'
import type { Command } from '../_cli.ts'
import { ADAPTERS, type Answers, askAll } from '../init/questions.ts'
import { ensureInstalled } from '../_setup.ts'
import { out } from '../terminal/streams.ts'

const help = (): string => `Write the file of a run, with comments, ready to be changed.

  ${invocation('init')} [file.yaml] [options]

  --model <name>        a hub name, a folder or a .gguf file; default: the bundled model
  --data <path>         a file or folder of examples; default: the bundled texts
  --type <name>         how the data is read: chat_template, alpaca, completion, …; default: by its first record
  --adapter <name>      lora (default); qlora, on a base in 4 bits; or none: all weights are trained
  --output-dir <path>   where the result goes; default: ./outputs/<name of the file>
  --yes                 ask nothing: what is not given is as by default
  --help                this text

The file is finetune.yaml unless named, and is never overwritten. On a terminal and without options it asks four questions: model, data, what is
trained, and where the result goes.
`

const OPTIONS = {
  model: { type: 'string' },
  data: { type: 'string' },
  type: { type: 'string' },
  adapter: { type: 'string' },
  'output-dir': { type: 'string' },
  yes: { type: 'boolean', short: 'y' },
} as const

const DEFAULT_FILE = 'finetune.yaml'

export const init: Command<typeof OPTIONS> = {
  help,
  positionals: { min: 0, max: 1 },
  output: 'report',
  options: OPTIONS,
  choices: {
    adapter: ADAPTERS,
    type: ['alpaca', 'chat_template', 'completion', 'input_output', 'sharegpt', 'tokenized'],
  },
  async run({ positionals: [file = DEFAULT_FILE], values }) {
    adapterOf(values.adapter)
    if (existsSync(file)) throw existsAlready(file)
    await ensureInstalled()
    const given: Answers = {
      model: values.model,
      data: values.data,
      adapter: values.adapter,
      outputDir: values['output-dir'],
    }
    const answers = Object.keys(values).length === 0 && isTerminal() ? await ask(file) : given
    const { firstConfig } = await import('../init/first-config.ts')
    const text = await firstConfig(file, {
      ...answers,
      type: values.type,
      adapter: adapterOf(answers.adapter),
    })
    write(file, text)
    out.write(
      `wrote ${file}\nnext:\n  ${invocation('validate')} ${file}\n  ${invocation('finetune')} ${file} --dry-run\n  ${invocation('finetune')} ${file}\n`,
    )
  },
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function isTerminal(): boolean {
  return process.stdin.isTTY === true && process.stdout.isTTY === true
}

/** Not given: lora. */
function adapterOf(name = 'lora'): (typeof ADAPTERS)[number] {
  const known = ADAPTERS.find((one) => one === name)
  if (known !== undefined) return known
  throw new TrituneError('E_USAGE', `--adapter: expected ${ADAPTERS.join(', ')}, got "${name}"`, {
    remedy: 'the adapter of a plugin is named in the file',
  })
}

async function ask(file: string): Promise<Answers> {
  const { createInterface } = await import('node:readline/promises')
  const lines = createInterface({ input: process.stdin, output: process.stdout })
  try {
    return await askAll(file, (question) => lines.question(question))
  } finally {
    lines.close()
  }
}

function existsAlready(file: string): TrituneError {
  return new TrituneError('E_FILE', 'the file exists already', {
    place: file,
    remedy: `name another one: ${invocation('init')} <file.yaml>`,
  })
}

/** Also when the file has come into being since. */
function write(file: string, text: string): void {
  try {
    writeFileSync(file, text, { flag: 'wx' })
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') throw existsAlready(file)
    throw fileError(error, file, 'cannot write')
  }
}
