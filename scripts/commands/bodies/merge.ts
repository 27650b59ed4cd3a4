/**
 * The body of ../merge.ts, loaded only when there is something to do.
 */
import { writeFolderAtomicSync } from '../../../core/files/atomic.ts'
import { invocation } from '../../../core/invocation.ts'
import { createHost, type FloatDType, type Host, isQuantized, type WeightSource } from '../../../core/mod.ts'
import { bitnet } from '../../../plugins/bitnet/mod.ts'
import { cpu } from '../../../plugins/cpu/mod.ts'
import { cuda, type DeviceName, openDevice } from '../../../plugins/cuda/mod.ts'
import { compareLogits, promptIds, promptLogits } from '../../../plugins/export/mod.ts'
import { hasTokenizer, loadPlugins, saveModel } from '../../../plugins/finetune/mod.ts'
import { resolveModel } from '../../../plugins/hub/mod.ts'
import { loadModel, models, storedDType } from '../../../plugins/models/mod.ts'
import { adapterLabels, adapterVocabulary, loadAdapter, peft } from '../../../plugins/peft/mod.ts'
import { openQuantizer, packLayers, qlora } from '../../../plugins/qlora/mod.ts'
import { readTokenizerFiles } from '../../../plugins/tokenizer/mod.ts'
import { wasm } from '../../../plugins/wasm/mod.ts'
import { quoted } from '../../terminal/quoted.ts'
import { err, out } from '../../terminal/streams.ts'

export interface MergeCommand {
  readonly ref: string
  /** A folder, or `none`. */
  readonly adapter: string
  readonly output: string
  /** Packs the base first, as a run did; the values are then those that the adapter was trained on. */
  readonly quantizer: string | undefined
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
  quantizer: packs,
  plugins,
  dtype,
  device: on,
  maxShardBytes,
  offline,
}: MergeCommand): Promise<void> {
  const onNote = (text: string): unknown => err.write(`${text}\n`)
  const path = await resolveModel(ref, { offline, onNote })
  const { device, note } = openDevice(on)
  if (note !== null) onNote(note)
  using host = createHost({
    plugins: [
      cpu,
      cuda,
      wasm,
      models,
      peft,
      qlora,
      bitnet,
      ...(await loadPlugins(plugins)).map(({ plugin }) => plugin),
    ],
  })
  const known = host.all('model')
  const definitions = host.all('adapter')
  const vocabSize = adapter === 'none' ? 0 : adapterVocabulary(adapter, definitions)
  using model = loadModel(path, {
    device,
    dtype,
    models: known,
    vocabSize,
    labels: adapter === 'none' ? undefined : adapterLabels(adapter, definitions),
    pack: packs === undefined ? undefined : packed(host, packs, dtype ?? storedAs(path)),
  })
  using attached = adapter === 'none' ? null : loadAdapter(model, adapter, { definitions, onNote })
  const tokenizerPath = adapter !== 'none' && hasTokenizer(adapter) ? adapter : path
  writeFolderAtomicSync(output, (temporary) =>
    saveModel(model, path, temporary, { maxShardBytes, tokenizerPath }),
  )
  const isPacked = [...model.layers.values()].some(({ weight }) => isQuantized(weight))
  if (isPacked) {
    using again = loadModel(output, { device, models: known })
    const files = hasTokenizer(tokenizerPath) ? readTokenizerFiles(tokenizerPath) : null
    const ids = promptIds(files, model.info.vocabSize)
    const found = compareLogits(promptLogits(model, ids), promptLogits(again, ids), ids.length)
    out.write(
      `from packed weights into plain ones: max |Δ logit| ${found.most.toPrecision(2)}, logits up to ${found.largest.toPrecision(3)}, on ${found.tokens} tokens; the same token first after ${found.sameTop} of them\n`,
    )
  }
  const merged = attached ? `${attached.adapters.size} layers merged` : 'nothing to merge'
  out.write(
    `${merged}; model in ${output}\ntry it:\n  ${invocation('generate')} ${quoted(output)} --prompt "Once upon a time"\n`,
  )
}

function packed(host: Host, name: string, dtype: FloatDType): WeightSource['pack'] {
  return packLayers(openQuantizer(host.find('quantizer', name)), dtype)
}

function storedAs(path: string): FloatDType {
  return path.endsWith('.gguf') || storedDType(path) === 'f32' ? 'f32' : 'bf16'
}
