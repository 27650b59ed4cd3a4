/**
 * Folds an adapter into its base model and writes a folder that transformers loads. Thin: see plugins/peft.
 */
import { invocation } from '../../core/invocation.ts'
import { ABOVE_0, type Command, deviceOption, dtypeOption, expectNew, numberOption } from '../_cli.ts'
import { ensureInstalled } from '../_setup.ts'

const help = (): string => `Merge an adapter into its base model.

  ${invocation('merge')} <model> <adapter> <output folder> [options]

  <model>             a hub name, a folder or a .gguf file
  <adapter>           folder of a PEFT adapter; "none" only converts the model
  --quantizer <kind>  nf4, fp4 or int8: the base as a run with it saw it; the result is plain all the same
  --plugin <module>   for an adapter or a model that a plugin provides; may be repeated
  --dtype <f32|bf16>  of the result; default: as the model is stored (f32 for .gguf)
  --device <name>     cpu (default), auto, cuda, cuda:<number>
  --max-shard <GB>    size of a file, default 50
  --offline           use the local cache of the hub only
  --help              this text
`

const OPTIONS = {
  quantizer: { type: 'string' },
  plugin: { type: 'string', multiple: true },
  dtype: { type: 'string' },
  device: { type: 'string' },
  'max-shard': { type: 'string' },
  offline: { type: 'boolean' },
} as const

export const merge: Command<typeof OPTIONS> = {
  help,
  positionals: { min: 3, max: 3 },
  output: 'report',
  options: OPTIONS,
  choices: { quantizer: ['nf4', 'fp4', 'int8'] },
  async run({ positionals: [ref, adapter, output], values: { offline, plugin = [], ...values } }) {
    const dtype = dtypeOption(values.dtype)
    const maxShardBytes = 1e9 * numberOption('max-shard', values['max-shard'], 50, ABOVE_0)
    expectNew(output)
    const device = deviceOption(values.device, 'cpu')
    await ensureInstalled()
    const { mergeCommand } = await import('./bodies/merge.ts')
    await mergeCommand({
      ref,
      adapter,
      output,
      quantizer: values.quantizer,
      plugins: plugin,
      dtype,
      device,
      maxShardBytes,
      offline,
    })
  },
}
