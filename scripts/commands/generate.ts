/**
 * Writes text with a model, with or without an adapter. Thin: reads arguments, calls plugins/generate, prints.
 */
import { TrituneError } from '../../core/errors.ts'
import { invocation } from '../../core/invocation.ts'
import {
  ABOVE_0,
  type Command,
  deviceOption,
  dtypeOption,
  expectChat,
  FROM_0,
  INTEGER_FROM_0,
  numberOption,
  PROBABILITY,
} from '../_cli.ts'
import { ensureInstalled } from '../_setup.ts'
import { err, out } from '../terminal/streams.ts'

const help = (): string => `Generate text.

  ${invocation('generate')} <model> --prompt <text> [options]

  <model>                   a hub name, a folder or a .gguf file
  --adapter <folder>        a PEFT adapter to put on it
  --plugin <module>         for an adapter or a model that a plugin provides; may be repeated
  --prompt <text>           the text to continue
  --chat                    the prompt is a message of the user, put into the model's chat template
  --chat-template <name>    with --chat: another template than the model's: chatml, llama3, …, as chat_template of a run, or a Jinja file
  --system <text>           with --chat: the system message
  --max-new-tokens <n>      default 128
  --temperature <t>         0 takes the most likely token each time (default)
  --top-k <k>               only the k most likely tokens
  --top-p <p>               only the most likely tokens with this much probability
  --repetition-penalty <x>  above 1 makes repetition less likely
  --stop <text>             end at this text; may be repeated
  --seed <n>                default 0
  --quantizer <kind>        int8 or nf4: packs the weights while they are loaded; less memory, more tokens a second
  --dtype <f32|bf16>        default: as the model is stored
  --device <name>           auto (default: a GPU if one can be used), cpu, wasm, cuda, cuda:<number>
  --offline                 use the local cache of the hub only
  --help                    this text
`

const QUANTIZERS = ['int8', 'nf4'] as const

const OPTIONS = {
  adapter: { type: 'string' },
  plugin: { type: 'string', multiple: true },
  prompt: { type: 'string' },
  chat: { type: 'boolean' },
  'chat-template': { type: 'string' },
  system: { type: 'string' },
  'max-new-tokens': { type: 'string' },
  temperature: { type: 'string' },
  'top-k': { type: 'string' },
  'top-p': { type: 'string' },
  'repetition-penalty': { type: 'string' },
  stop: { type: 'string', multiple: true },
  seed: { type: 'string' },
  quantizer: { type: 'string' },
  dtype: { type: 'string' },
  device: { type: 'string' },
  offline: { type: 'boolean' },
} as const

export const generate: Command<typeof OPTIONS> = {
  help,
  positionals: { min: 1, max: 1, missing: 'name a model: a hub name, a folder or a .gguf file' },
  options: OPTIONS,
  choices: { quantizer: QUANTIZERS },
  async run({ positionals: [model], values }) {
    const { prompt } = values
    if (prompt === '') throw new TrituneError('E_USAGE', '--prompt is empty', { remedy: 'give some text' })
    if (prompt === undefined)
      throw new TrituneError('E_USAGE', '--prompt is missing', { remedy: 'run it with --help' })
    expectChat(values)
    const dtype = dtypeOption(values.dtype)
    const quantizer = QUANTIZERS.find((name) => name === values.quantizer)
    if (values.quantizer !== undefined && !quantizer)
      throw new TrituneError(
        'E_USAGE',
        `--quantizer: expected ${QUANTIZERS.join(' or ')}, got ${values.quantizer}`,
      )
    const sampling = {
      maxNewTokens: numberOption('max-new-tokens', values['max-new-tokens'], 128, INTEGER_FROM_0),
      temperature: numberOption('temperature', values.temperature, 0, FROM_0),
      topK: numberOption('top-k', values['top-k'], 0, INTEGER_FROM_0),
      topP: numberOption('top-p', values['top-p'], 1, PROBABILITY),
      repetitionPenalty: numberOption('repetition-penalty', values['repetition-penalty'], 1, ABOVE_0),
      seed: numberOption('seed', values.seed, 0, INTEGER_FROM_0),
    }
    const device = deviceOption(values.device, 'auto')
    await ensureInstalled()
    const { openGenerator } = await import('../../plugins/generate/mod.ts')
    const { loadPlugins } = await import('../../plugins/finetune/mod.ts')
    using generator = await openGenerator(model, {
      adapter: values.adapter,
      chatTemplate: values['chat-template'],
      dtype,
      quantizer,
      device,
      offline: values.offline,
      onNote: (text) => err.write(`${text}\n`),
      plugins: (await loadPlugins(values.plugin ?? [])).map(({ plugin }) => plugin),
    })
    const messages = [
      ...(values.system ? [{ role: 'system', content: values.system }] : []),
      { role: 'user', content: prompt },
    ]
    for (const piece of generator.stream(values.chat ? { messages } : { prompt }, {
      ...sampling,
      stop: values.stop,
    }))
      out.write(piece)
    out.write('\n')
  },
}
