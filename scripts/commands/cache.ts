/**
 * Lists what the cache of the hub holds, and removes models by name. Thin: see plugins/hub.
 */
import { invocation } from '../../core/invocation.ts'
import type { Command } from '../_cli.ts'
import { ensureInstalled } from '../_setup.ts'
import { err, out } from '../terminal/streams.ts'

const help = (): string => `List the models in the cache of the Hugging Face hub, the largest first.

  ${invocation('cache')} [options]

  --remove <org/name>   remove this one, with all its revisions; may be repeated
  --json                the same as JSON
  --help                this text

The cache is shared with the Python tools: HF_HUB_CACHE, then HF_HOME/hub, then ~/.cache/huggingface/hub.
`

const OPTIONS = { remove: { type: 'string', multiple: true }, json: { type: 'boolean' } } as const

export const cache: Command<typeof OPTIONS> = {
  help,
  positionals: { min: 0, max: 0 },
  options: OPTIONS,
  async run({ values: { remove = [], json = false } }) {
    await ensureInstalled()
    const { cachedModels, removeCachedModel } = await import('../../plugins/hub/mod.ts')
    const { formatBytes } = await import('../../plugins/finetune/mod.ts')
    for (const repo of remove) {
      const { bytes } = await removeCachedModel(repo)
      err.write(`removed ${repo}, ${formatBytes(bytes)}\n`)
    }
    if (remove.length > 0 && !json) return
    const { folder, models, warnings } = await cachedModels()
    for (const warning of warnings) err.write(`not counted: ${warning}\n`)
    if (json) return void out.write(`${JSON.stringify({ folder, models }, null, 2)}\n`)
    for (const { repo, type, bytes, lastUsed, revisions } of models)
      out.write(
        `${formatBytes(bytes).padStart(10)}  ${lastUsed.toISOString().slice(0, 10)}  ${type === 'model' ? '' : `${type} `}${repo} (${revisions.join(', ')})\n`,
      )
    const total = models.reduce((sum, { bytes }) => sum + bytes, 0)
    out.write(`${formatBytes(total).padStart(10)}  in ${folder}\n`)
  },
}
