/**
 * The body of merge.ts, loaded only when there is something to do.
 */
import { writeFolderAtomicSync } from '../core/files/atomic.ts'
import { invocation } from '../core/invocation.ts'
import { createHost, type FloatDType } from '../core/mod.ts'
import { cpu } from '../plugins/cpu/mod.ts'
import { cuda, type DeviceName, openDevice } from '../plugins/cuda/mod.ts'
import { hasTokenizer, loadPlugins, saveModel } from '../plugins/finetune/mod.ts'
import { resolveModel } from '../plugins/hub/mod.ts'
import { loadModel, models } from '../plugins/models/mod.ts'
import { adapterVocabulary, loadAdapter, peft } from '../plugins/peft/mod.ts'
import { wasm } from '../plugins/wasm/mod.ts'
import { err, out } from './_streams.ts'

export interface MergeCommand {
  readonly ref: string
  /** A folder, or `none`. */
  readonly adapter: string
  readonly output: string
  /** Modules that provide the adapter or the model. */
  readonly plugins: readonly string[]
  readonly dtype: FloatDType | undefined
  readonly device: DeviceName
  readonly maxShardBytes: number
  /** Not given: the environment decides. */
  readonly offline: boolean | undefined
}

export async function mergeCommand({
  ref,
  adapter,
  output,
  plugins,
  dtype,
  device: on,
  maxShardBytes,
  offline,
}: MergeCommand): Promise<void> {
  const path = await resolveModel(ref, { offline, onNote: (text) => err.write(`${text}\n`) })
  const { device, note } = openDevice(on)
  if (note !== null) err.write(`${note}\n`)
  using host = createHost({
    plugins: [cpu, cuda, wasm, models, peft, ...(await loadPlugins(plugins)).map(({ plugin }) => plugin)],
  })
  const definitions = host.all('adapter')
  const vocabSize = adapter === 'none' ? 0 : adapterVocabulary(adapter, definitions)
  using model = loadModel(path, { device, dtype, models: host.all('model'), vocabSize })
  using attached = adapter === 'none' ? null : loadAdapter(model, adapter, { definitions })
  const tokenizerPath = adapter !== 'none' && hasTokenizer(adapter) ? adapter : path
  writeFolderAtomicSync(output, (temporary) =>
    saveModel(model, path, temporary, { maxShardBytes, tokenizerPath }),
  )
  const merged = attached ? `${attached.adapters.size} layers merged` : 'nothing to merge'
  out.write(
    `${merged}; model in ${output}\ntry it:\n  ${invocation('generate')} ${output} --prompt "Once upon a time"\n`,
  )
}
