/**
 * Writes a model or an adapter in the files of another tool. Thin: see plugins/export.
 */
import { didYouMean, TrituneError } from '../../core/errors.ts'
import { invocation } from '../../core/invocation.ts'
import { EXPORT_TARGETS, type ExportTarget } from '../../plugins/export/targets.ts'
import { GGUF_FILE_TYPES } from '../../plugins/gguf/file-type-names.ts'
import { ABOVE_0, type Command, deviceOption, dtypeOption, expectNew, numberOption } from '../_cli.ts'
import { ensureInstalled } from '../_setup.ts'

const help =
  (): string => `Write a model or an adapter in the files of another tool, and check what was written.

  ${invocation('export')} <source> <output> --to <name> [options]

  <source>            a run's output, the folder of an adapter or of a model, a .gguf file of either, or a hub name
  <output>            a new .gguf file for gguf, else a new folder
  --to <name>         hf: a model folder for transformers; peft: the adapter for PEFT; gguf: one file for llama.cpp, LM Studio, …;
                      ollama: a folder with that file and a Modelfile; mlx: an adapter for mlx-lm
  --type <name>       of gguf and ollama: ${GGUF_FILE_TYPES.slice(0, 8).join(', ')},
                      ${GGUF_FILE_TYPES.slice(8).join(', ')}; default f16
  --lora              gguf and ollama: the LoRA alone, beside the base as it is
  --base <model>      the base of an adapter, where its files do not say it
  --adapter <path>    an adapter, where <source> is a model
  --plugin <module>   for an adapter or a model that a plugin provides; may be repeated
  --dtype <f32|bf16>  what is merged and compared in; default: as the model is stored (f32 for .gguf)
  --device <name>     cpu (default), auto, cuda, cuda:<number>
  --max-shard <GB>    hf: size of a file, default 50
  --no-compare        open what was written and count its tensors, but compare no logits: needs half the memory
  --offline           use the local cache of the hub only
  --json              one JSON object on stdout
  --help              this text

An adapter is folded in, but for peft, mlx and --lora. Nothing is left behind when it fails.
`

const OPTIONS = {
  to: { type: 'string' },
  type: { type: 'string' },
  lora: { type: 'boolean' },
  base: { type: 'string' },
  adapter: { type: 'string' },
  plugin: { type: 'string', multiple: true },
  dtype: { type: 'string' },
  device: { type: 'string' },
  'max-shard': { type: 'string' },
  'no-compare': { type: 'boolean' },
  offline: { type: 'boolean' },
  json: { type: 'boolean' },
} as const

export const exportCommand: Command<typeof OPTIONS> = {
  help,
  positionals: {
    min: 2,
    max: 2,
    missing: 'name what to export and where to, for example ./my-adapter my.gguf',
  },
  output: (argv) => (argv.includes('--json') ? 'result' : 'report'),
  options: OPTIONS,
  choices: { to: EXPORT_TARGETS, type: GGUF_FILE_TYPES },
  async run({ positionals: [source, output], values: { to, plugin = [], ...values } }) {
    if (to === undefined)
      throw new TrituneError('E_USAGE', '--to is missing', { remedy: `one of ${EXPORT_TARGETS.join(', ')}` })
    if (!isTarget(to))
      throw new TrituneError('E_USAGE', `--to: there is no "${to}"`, {
        remedy: didYouMean(to, EXPORT_TARGETS),
      })
    const dtype = dtypeOption(values.dtype)
    const maxShardBytes = 1e9 * numberOption('max-shard', values['max-shard'], 50, ABOVE_0)
    expectNew(output, 'file or folder')
    const device = deviceOption(values.device, 'cpu')
    await ensureInstalled()
    const { runExport } = await import('./bodies/export.ts')
    await runExport(source, {
      to,
      output,
      device,
      maxShardBytes,
      plugins: plugin,
      json: values.json ?? false,
      compare: values['no-compare'] !== true,
      lora: values.lora ?? false,
      type: values.type,
      base: values.base,
      adapter: values.adapter,
      dtype,
      offline: values.offline,
    })
  },
}

function isTarget(name: string): name is ExportTarget {
  return EXPORT_TARGETS.some((one) => one === name)
}
