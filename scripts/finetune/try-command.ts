/**
 * The command to type after a run: what tries its result, or what goes on with it.
 */
import { invocation } from '../../core/invocation.ts'
import { IGNORE } from '../../plugins/data/mod.ts'
import { modulesToLoad, type Run } from '../../plugins/finetune/mod.ts'
import { quoted } from '../terminal/quoted.ts'

/** A prompt in the form that was trained: a chat message, the masked part of the first example, or its first words. */
export function tryCommand({
  adapter,
  config,
  data,
  tokenizer,
  plugins: loaded,
  model: { info },
}: Run): string {
  const model = adapter
    ? `${quoted(config.base_model)} --adapter ${quoted(config.output_dir)}`
    : quoted(config.output_dir)
  const made = { adapter: adapter ? config.adapter : null, modelType: info.type }
  const plugins = modulesToLoad(loaded, made)
    .map((module) => ` --plugin ${quoted(module)}`)
    .join('')
  const chat = config.datasets.some(({ type }) => type === 'chat_template' || type === 'sharegpt')
  const { ids, labels } = data.train[0]
  const masked = labels.findIndex((label) => label !== IGNORE)
  const start = ids.subarray(0, masked > 0 ? masked : 8)
  const opening = tokenizer.inner.decode(start, { skipSpecialTokens: true }) || 'Once upon a time'
  return `${invocation('generate')} ${model}${plugins} ${chat ? '--chat --prompt "Hello"' : `--prompt ${quoted(opening)}`}`
}
