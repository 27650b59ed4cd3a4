/**
 * The body of merge.ts, loaded only when there is something to do.
 */
import { writeFolderAtomicSync } from '../core/atomic.ts'
import type { FloatDType } from '../core/mod.ts'
import { openCpuOrReference } from '../plugins/cpu/mod.ts'
import { saveModel } from '../plugins/finetune/mod.ts'
import { resolveModel } from '../plugins/hub/mod.ts'
import { loadModel } from '../plugins/models/mod.ts'
import { loadAdapter } from '../plugins/peft/mod.ts'

export interface MergeCommand {
  readonly ref: string
  /** A folder, or `none`. */
  readonly adapter: string
  readonly output: string
  readonly dtype: FloatDType | undefined
  readonly maxShardBytes: number
  readonly offline: boolean
}

export async function mergeCommand({
  ref,
  adapter,
  output,
  dtype,
  maxShardBytes,
  offline,
}: MergeCommand): Promise<void> {
  const path = await resolveModel(ref, { offline })
  const { device } = openCpuOrReference()
  using model = loadModel(path, { device, dtype })
  using attached = adapter === 'none' ? null : loadAdapter(model, adapter)
  writeFolderAtomicSync(output, (temporary) => saveModel(model, path, temporary, { maxShardBytes }))
  const merged = attached ? `${attached.adapters.size} layers merged` : 'nothing to merge'
  process.stdout.write(
    `${merged}; model in ${output}\ntry it:\n  bun run scripts/generate.ts ${output} --prompt "Once upon a time"\n`,
  )
}
