/**
 * Shows what of the data is trained, token by token. Thin: reads arguments, calls plugins/finetune, prints.
 */
import { writeFileAtomic } from '../../core/files/atomic.ts'
import { readTextFile } from '../../core/files/text-file.ts'
import { invocation } from '../../core/invocation.ts'
import { type Command, INTEGER_FROM_0, numberOption } from '../_cli.ts'
import { writeJson } from '../terminal/json-lines.ts'
import { ensureInstalled } from '../_setup.ts'
import { err, out } from '../terminal/streams.ts'

const help = (): string => `Show what of the data is trained, token by token, as a run would learn it.

  ${invocation('preview')} <config.yaml> [options]

  --count <n>       examples to show; default: 3
  --skip <n>        examples to leave out before them
  --validation      of those that are kept for validation
  --html <file>     write a page instead, which works without a network
  --set key=value   change a setting of the file; may be repeated
  --json            one JSON object an example on stdout
  --help            this text

Trained tokens are green, the others grey, special ones in reverse; without colours «trained» and ⟦special⟧. Of the base model only config.json and
the tokenizer are read.
`

const OPTIONS = {
  count: { type: 'string' },
  skip: { type: 'string' },
  validation: { type: 'boolean' },
  html: { type: 'string' },
  set: { type: 'string', multiple: true },
  json: { type: 'boolean' },
} as const

export const preview: Command<typeof OPTIONS> = {
  help,
  positionals: { min: 1, max: 1, missing: 'name a YAML file' },
  options: OPTIONS,
  async run({ positionals: [file], values }) {
    const count = numberOption('count', values.count, 3, INTEGER_FROM_0)
    const skip = numberOption('skip', values.skip, 0, INTEGER_FROM_0)
    const text = readTextFile(file, {
      what: 'the configuration',
      remedy: `name a YAML file; paths start at ${process.cwd()}`,
    })
    await ensureInstalled()
    const { placeInConfig, previewConfig, readFinetuneConfig } = await import('../../plugins/finetune/mod.ts')
    const overrides = values.set ?? []
    const config = readFinetuneConfig(text, file, { overrides })
    const found = await previewConfig(config, {
      count,
      skip,
      validation: values.validation ?? false,
      onNote: (note) => err.write(`${note}\n`),
    }).catch((error: unknown) => Promise.reject(placeInConfig(error, text, file, { overrides })))
    if (values.html !== undefined) {
      const { previewPage } = await import('../preview/page.ts')
      writeFileAtomic(values.html, previewPage(found, `What ${file} trains`))
      out.write(`${values.html}\n`)
      return
    }
    if (values.json) {
      for (const example of found.examples) writeJson({ type: 'example', ...example })
      return
    }
    const { previewText } = await import('../preview/terminal.ts')
    const colour = process.stdout.isTTY === true && process.env['NO_COLOR'] === undefined
    out.write(`${found.examples.map((example) => previewText(example, colour)).join('\n')}\n`)
    for (const note of found.notes) out.write(`note       ${note}\n`)
  },
}
