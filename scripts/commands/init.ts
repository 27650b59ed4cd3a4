/**
 * Writes the file of a first run, with comments. Thin: reads arguments or asks, calls init/, writes.
 */
import { existsSync, writeFileSync } from 'node:fs'
import { TrituneError } from '../../core/errors.ts'
import { fileError } from '../../core/files/files.ts'
import { invocation } from '../../core/invocation.ts'
import type { Command } from '../_cli.ts'
import { ensureInstalled } from '../_setup.ts'
import { out } from '../_streams.ts'

const help = (): string => `Write the file of a run, with comments, ready to be changed.

  ${invocation('init')} [file.yaml] [options]

  --model <name>        a hub name, a folder or a .gguf file; default: the bundled model
  --data <path>         a file or folder of examples; default: the bundled texts
  --type <name>         how the data is read: chat_template, alpaca, completion, …; default: by its first record
  --adapter <name>      lora (default), or none: all weights are trained
  --output-dir <path>   where the result goes; default: ./outputs/<name of the file>
  --help                this text

The file is finetune.yaml unless named, and is never overwritten. On a terminal and without options, it asks for model and data.
`

const OPTIONS = {
  model: { type: 'string' },
  data: { type: 'string' },
  type: { type: 'string' },
  adapter: { type: 'string' },
  'output-dir': { type: 'string' },
} as const

const DEFAULT_FILE = 'finetune.yaml'

export const init: Command<typeof OPTIONS> = {
  help,
  positionals: { min: 0, max: 1 },
  output: 'report',
  options: OPTIONS,
  choices: {
    adapter: ['lora', 'none'],
    type: ['alpaca', 'chat_template', 'completion', 'input_output', 'sharegpt', 'tokenized'],
  },
  async run({ positionals: [file = DEFAULT_FILE], values }) {
    const { adapter = 'lora' } = values
    if (adapter !== 'lora' && adapter !== 'none')
      throw new TrituneError('E_USAGE', `--adapter: expected lora or none, got "${adapter}"`, {
        remedy: 'the adapter of a plugin is named in the file',
      })
    if (existsSync(file)) throw existsAlready(file)
    await ensureInstalled()
    const asked = Object.keys(values).length === 0 && isTerminal() ? await ask() : values
    const { firstConfig } = await import('../init/first-config.ts')
    const text = await firstConfig(file, {
      model: asked.model,
      data: asked.data,
      type: values.type,
      adapter,
      outputDir: values['output-dir'],
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

async function ask(): Promise<{ readonly model?: string; readonly data?: string }> {
  const { createInterface } = await import('node:readline/promises')
  const lines = createInterface({ input: process.stdin, output: process.stdout })
  try {
    const model = await lines.question('base model (hub name, folder or .gguf; empty: the bundled one): ')
    const data = await lines.question('data (file or folder; empty: the bundled texts): ')
    return { model: model.trim() || undefined, data: data.trim() || undefined }
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
