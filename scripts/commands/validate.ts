/**
 * Checks a run's file without loading weights or training. Thin: reads arguments, calls plugins/finetune, prints.
 */
import { counted } from '../../core/counted.ts'
import { readTextFile } from '../../core/files/text-file.ts'
import { invocation } from '../../core/invocation.ts'
import type { CheckedRun } from '../../plugins/finetune/mod.ts'
import type { Command } from '../_cli.ts'
import { writeJson } from '../terminal/json-lines.ts'
import { ownFile } from '../init/own-file.ts'
import { ensureInstalled } from '../_setup.ts'
import { err, out } from '../terminal/streams.ts'

const help = (): string => `Check the file of a run: all that can be told without loading weights.

  ${invocation('validate')} <config.yaml> [options]

  --set key=value   change a setting of the file; may be repeated
  --config-only     neither opens the base model nor reads the data: needs no network
  --json            one JSON object on stdout: ${ownFile('docs/command.md')}
  --help            this text

Looked at are the keys and values, what goes together, plugins and what they provide, the device, folders and files, the
architecture and tokenizer of the base model (downloaded when they are on the hub), every record of the data, and whether the
model and its adapter can be built: of a folder on this machine by the headers of its weights, else by its config.json.
Not looked at: the numbers of the weights, and memory (${invocation('estimate')}). The exit code is 1 when the run would not start.
`

const OPTIONS = {
  set: { type: 'string', multiple: true },
  'config-only': { type: 'boolean' },
  json: { type: 'boolean' },
} as const

export const validate: Command<typeof OPTIONS> = {
  help,
  positionals: { min: 1, max: 1, missing: 'name a YAML file' },
  options: OPTIONS,
  async run({ positionals: [file], values }) {
    const text = readTextFile(file, {
      what: 'the configuration',
      remedy: `name a YAML file; paths start at ${process.cwd()}`,
    })
    await ensureInstalled()
    const { checkRun, placeInConfig, readFinetuneConfig, withOtherFaults } =
      await import('../../plugins/finetune/mod.ts')
    const overrides = values.set ?? []
    const read = async (): Promise<ReturnType<typeof readFinetuneConfig>> => {
      try {
        return readFinetuneConfig(text, file, { overrides })
      } catch (error) {
        throw await withOtherFaults(error, text, file, { overrides })
      }
    }
    const config = await read()
    const found = await checkRun(config, {
      configOnly: values['config-only'],
      onNote: (note) => err.write(`${note}\n`),
    }).catch((error: unknown) => Promise.reject(placeInConfig(error, text, file, { overrides })))
    if (values.json) writeJson({ type: 'valid', file, ...found })
    else out.write(`${formatChecked(file, found).join('\n')}\n`)
  },
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function formatChecked(file: string, { device, data, totalSteps, notes }: CheckedRun): string[] {
  return [
    `${file} is valid${data === null ? '; the base model and the data were not looked at' : ''}`,
    `device     ${device}`,
    ...(data === null
      ? []
      : [
          `data       ${counted(data.train.examples, 'example')}, ${counted(data.train.tokens, 'token')}; validation ${data.validation.examples}`,
        ]),
    ...(totalSteps === null ? [] : [`steps      ${totalSteps}`]),
    ...notes.map((note) => `note       ${note}`),
  ]
}
