/**
 * Fine-tunes a model as a YAML file says. Thin: reads arguments, calls plugins/finetune, prints.
 */
import { readTextFile } from '../../core/files/text-file.ts'
import { invocation } from '../../core/invocation.ts'
import type { Command } from '../_cli.ts'
import { ownFile } from '../init/own-file.ts'
import { ensureInstalled } from '../_setup.ts'

const help = (): string => `Fine-tune a language model.

  ${invocation('finetune')} <config.yaml> [options]

  --set key=value   change a setting of the file; may be repeated
  --device name     auto, cpu, wasm, cuda or cuda:<number>; as --set device=name
  --resume          continue from the newest checkpoint of output_dir
  --overwrite       remove an earlier run of output_dir, then start
  --dry-run         load everything, show the plan and three examples as tokens, and stop
  --json            one JSON object per event on stdout, for programs: ${ownFile('docs/command.md')}
  --help            this text

The keys of the file are axolotl's. The smallest one:

  base_model: HuggingFaceTB/SmolLM2-135M-Instruct   # a hub name, a folder or a .gguf file
  adapter: lora
  lora_r: 16
  lora_alpha: 32
  lora_target_linear: true
  datasets:
    - path: my-data.jsonl
      type: alpaca
  sequence_len: 512
  learning_rate: 2e-4
  output_dir: ./my-adapter
`

const OPTIONS = {
  set: { type: 'string', multiple: true },
  device: { type: 'string' },
  resume: { type: 'boolean' },
  overwrite: { type: 'boolean' },
  'dry-run': { type: 'boolean' },
  json: { type: 'boolean' },
} as const

export const finetune: Command<typeof OPTIONS> = {
  help,
  positionals: { min: 1, max: 1, missing: 'name a YAML file' },
  output: (argv) => (argv.includes('--dry-run') ? 'result' : 'report'),
  options: OPTIONS,
  async run({ positionals: [file], values }) {
    const text = readTextFile(file, {
      what: 'the configuration',
      remedy: `name a YAML file; paths start at ${process.cwd()}`,
    })
    await ensureInstalled()
    const { finetuneCommand } = await import('./bodies/finetune.ts')
    await finetuneCommand({
      file,
      text,
      overrides: [...(values.set ?? []), ...(values.device === undefined ? [] : [`device=${values.device}`])],
      resume: values.resume ?? false,
      overwrite: values.overwrite ?? false,
      dryRun: values['dry-run'] ?? false,
      json: values.json ?? false,
    })
  },
}
