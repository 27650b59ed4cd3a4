/**
 * How many labels the head of a model that scores texts has in the folder of an adapter.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { openCheckpoint } from '../../../core/files/checkpoint.ts'
import { PREFIX } from '../files/tensor-names.ts'

/** Rows of the head in the file of an adapter; undefined: it has none. */
export function labelsInFolder(
  folder: string,
  { task_type: task }: Readonly<Record<string, unknown>>,
): number | undefined {
  const file = join(folder, 'adapter_model.safetensors')
  if (task !== 'SEQ_CLS' || !existsSync(file)) return undefined
  return openCheckpoint(file).entries.get(`${PREFIX}score.weight`)?.shape[0]
}
