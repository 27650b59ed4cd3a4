/**
 * The body of ../export.ts, loaded only when there is something to do.
 */
import { counted } from '../../../core/counted.ts'
import { invocation } from '../../../core/invocation.ts'
import { exportModel, type ExportReport, type ExportTarget } from '../../../plugins/export/mod.ts'
import type { DeviceName } from '../../../plugins/cuda/mod.ts'
import { formatBytes, loadPlugins } from '../../../plugins/finetune/mod.ts'
import { writeJson } from '../../terminal/json-lines.ts'
import { quoted } from '../../terminal/quoted.ts'
import { err, out } from '../../terminal/streams.ts'

export interface ExportCommand {
  readonly to: ExportTarget
  readonly output: string
  readonly device: DeviceName
  readonly maxShardBytes: number
  /** Modules that provide the adapter or the model. */
  readonly plugins: readonly string[]
  readonly json: boolean
  readonly compare: boolean
  readonly lora: boolean
  readonly type: string | undefined
  readonly base: string | undefined
  readonly adapter: string | undefined
  readonly dtype: 'f32' | 'bf16' | undefined
  /** Not given: the environment decides. */
  readonly offline: boolean | undefined
}

export async function runExport(
  source: string,
  { plugins, json, type, base, adapter, dtype, offline, ...rest }: ExportCommand,
): Promise<void> {
  const report = await exportModel(source, {
    ...rest,
    plugins: (await loadPlugins(plugins)).map(({ plugin }) => plugin),
    onNote: (text) => err.write(`${text}\n`),
    ...(type === undefined ? {} : { type }),
    ...(base === undefined ? {} : { base }),
    ...(adapter === undefined ? {} : { adapter }),
    ...(dtype === undefined ? {} : { dtype }),
    ...(offline === undefined ? {} : { offline }),
  })
  if (json) writeJson({ type: 'exported', ...report })
  else out.write(`${[...formatReport(report), ...next(report, rest.lora)].join('\n')}\n`)
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function formatReport(report: ExportReport): string[] {
  const { files, output, tensors, types, notes } = report
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0)
  const kinds =
    types === null
      ? ''
      : ` (${Object.entries(types)
          .map(([name, count]) => `${count} ${name}`)
          .join(', ')})`
  return [
    `wrote ${output}: ${counted(files.length, 'file')}, ${formatBytes(bytes)}`,
    `opened again: ${counted(tensors, 'tensor')}${kinds}; ${formatDifference(report)}`,
    ...notes.map((note) => `note: ${note}`),
  ]
}

function formatDifference({ difference }: ExportReport): string {
  if (difference === null) return 'logits not compared'
  const { tokens, most, largest, divergence, sameTop } = difference
  return `on ${counted(tokens, 'token')} max |Δ logit| ${most.toPrecision(2)} of ${largest.toPrecision(3)}, KL ${divergence.toPrecision(2)}, most likely token the same after ${sameTop}`
}

/** `isLora`: the LoRA alone, which llama.cpp takes beside its base. */
function next({ to, output, files }: ExportReport, isLora: boolean): string[] {
  const it = quoted(output)
  switch (to) {
    case 'gguf':
      return files[0]?.name.endsWith('.gguf')
        ? [`try it:\n  llama-cli -m ${isLora ? `base.gguf --lora ${it}` : it} -p "Once upon a time"`]
        : []
    case 'ollama':
      return [`try it:\n  ollama create my-model -f ${quoted(`${output}/Modelfile`)} && ollama run my-model`]
    case 'hf':
      return [`try it:\n  ${invocation('generate')} ${it} --prompt "Once upon a time"`]
    default:
      return []
  }
}
