/**
 * Prints the JSON Schema of a run's file, or writes it. Thin: reads arguments, calls plugins/finetune.
 */
import { writeFileAtomic } from '../../core/files/atomic.ts'
import { invocation } from '../../core/invocation.ts'
import type { Command } from '../_cli.ts'
import { ensureInstalled } from '../_setup.ts'
import { out } from '../terminal/streams.ts'

const help =
  (): string => `The JSON Schema of a run's file: every key with its values, ranges and default, for editors.

  ${invocation('schema')} [options]

  --out <file>   write it there instead of printing it
  --help         this text

An editor with a YAML language server takes it by the first line of the file:

  # yaml-language-server: $schema=./finetune.schema.json
`

const OPTIONS = { out: { type: 'string' } } as const

export const schema: Command<typeof OPTIONS> = {
  help,
  positionals: { min: 0, max: 0 },
  options: OPTIONS,
  async run({ values }) {
    await ensureInstalled()
    const { schemaText } = await import('../init/schema-text.ts')
    const text = schemaText()
    if (values.out === undefined) {
      out.write(text)
      return
    }
    writeFileAtomic(values.out, text)
    out.write(`${values.out}\n`)
  },
}
