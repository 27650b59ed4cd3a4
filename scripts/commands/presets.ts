/**
 * Lists the presets of models that are trained from the start, with the parameters that they have. Thin: see plugins/models.
 */
import { invocation } from '../../core/invocation.ts'
import type { Command } from '../_cli.ts'
import { ownFile } from '../init/own-file.ts'
import { ensureInstalled } from '../_setup.ts'
import { out } from '../terminal/streams.ts'

const help = (): string => `The models that a run can train from the start by name (preset:), smallest first.

  ${invocation('presets')} [options]

  --tokens <n>   tokens of a training step, for the memory that it takes; default: 2048
  --bf16         weights and activations in bf16 instead of f32
  --json         the same as JSON
  --help         this text

Parameters are exact. Memory is of a step with AdamW (weights, gradients, moments, activations), and with gradient_checkpointing; operations
are those of one token, forward and backward. See ${ownFile('docs/guides/from-scratch.md')}.
`

const OPTIONS = { tokens: { type: 'string' }, bf16: { type: 'boolean' }, json: { type: 'boolean' } } as const

export const presets: Command<typeof OPTIONS> = {
  help,
  positionals: { min: 0, max: 0 },
  options: OPTIONS,
  async run({ values: { tokens: asked, bf16 = false, json = false } }) {
    const { numberOption } = await import('../_cli.ts')
    const { TrituneError } = await import('../../core/errors.ts')
    const tokens = numberOption('tokens', asked, 2048)
    if (!Number.isSafeInteger(tokens) || tokens < 1)
      throw new TrituneError('E_USAGE', '--tokens: expected a whole number from 1')
    await ensureInstalled()
    const { estimateModel, TRITTER_PRESETS } = await import('../../plugins/models/mod.ts')
    const { formatBytes, formatCount } = await import('../../plugins/finetune/mod.ts')
    const dtype = bf16 ? 'bf16' : 'f32'
    const found = Object.entries(TRITTER_PRESETS).map(([name, config]) => {
      const context = Math.min(tokens, Number(config.max_position_embeddings))
      const estimate = estimateModel(config, { tokens, context, dtype })
      const again = estimateModel(config, { tokens, context, dtype, checkpointing: true })
      return { name, config, ...estimate, memory: sum(estimate), memoryCheckpointed: sum(again) }
    })
    if (json) return void out.write(`${JSON.stringify({ tokens, dtype, presets: found }, null, 2)}\n`)
    const rows = found.map(({ name, config, parameters, trainingFlops, memory, memoryCheckpointed }) => [
      name,
      String(parameters),
      `${config.hidden_size} × ${config.num_hidden_layers}`,
      `${config.num_attention_heads}/${config.num_key_value_heads}`,
      String(config.intermediate_size),
      String(config.vocab_size),
      String(config.max_position_embeddings),
      formatBytes(memory),
      formatBytes(memoryCheckpointed),
      `${formatCount(trainingFlops)}`,
    ])
    out.write(`${table([HEAD, ...rows])}\n`)
  },
}

// ---- helpers ----------------------------------------------------------------------------------------------------

const HEAD = [
  'preset',
  'parameters',
  'width × blocks',
  'heads',
  'mlp',
  'tokens',
  'context',
  'memory',
  'checkpointed',
  'operations',
]

interface Bytes {
  readonly weightBytes: number
  readonly gradientBytes: number
  readonly optimizerBytes: number
  readonly activationBytes: number
}

function sum({ weightBytes, gradientBytes, optimizerBytes, activationBytes }: Bytes): number {
  return weightBytes + gradientBytes + optimizerBytes + activationBytes
}

function table(rows: readonly (readonly string[])[]): string {
  const widths = HEAD.map((_, column) => Math.max(...rows.map((row) => row[column].length)))
  const cell = (text: string, column: number): string =>
    column === 0 ? text.padEnd(widths[column]) : text.padStart(widths[column])
  return rows.map((row) => row.map(cell).join('  ').trimEnd()).join('\n')
}
