/**
 * The body of quantize.ts, loaded only when there is something to do.
 */
import { writeFolderAtomicSync } from '../core/files/atomic.ts'
import { openCheckpoint } from '../core/files/checkpoint.ts'
import { invocation } from '../core/invocation.ts'
import { createHost, type FloatDType, isQuantized, TrituneError } from '../core/mod.ts'
import { bitnet, type BitnetFormat } from '../plugins/bitnet/mod.ts'
import { cpu } from '../plugins/cpu/mod.ts'
import { cuda, type DeviceName, openDevice } from '../plugins/cuda/mod.ts'
import { formatBytes, saveQuantized } from '../plugins/finetune/mod.ts'
import { resolveModel } from '../plugins/hub/mod.ts'
import {
  loadModel,
  models,
  readConfig,
  readStoredWeights,
  storedDType,
  type StoredWeights,
} from '../plugins/models/mod.ts'
import { openQuantizer, packLayers, qlora } from '../plugins/qlora/mod.ts'
import { wasm } from '../plugins/wasm/mod.ts'
import { quoted } from './terminal/quoted.ts'
import { err, out } from './terminal/streams.ts'

export interface QuantizeCommand {
  readonly ref: string
  readonly output: string
  readonly kind: 'nf4' | 'fp4' | 'int8' | 'bitnet'
  readonly options: Readonly<Record<string, unknown>>
  /** Of `bitnet`. */
  readonly linearClass?: BitnetFormat['linearClass']
  readonly skip: readonly string[]
  readonly dtype: FloatDType | undefined
  readonly device: DeviceName
  readonly maxShardBytes: number
  /** Not given: the environment decides. */
  readonly offline: boolean | undefined
}

export async function quantizeCommand(command: QuantizeCommand): Promise<void> {
  const { ref, output, kind, options, skip, offline, maxShardBytes, linearClass } = command
  const path = await resolveModel(ref, { offline, onNote: (text) => err.write(`${text}\n`) })
  const isGguf = path.endsWith('.gguf')
  const stored = isGguf ? null : readStoredWeights(readConfig(path), path)
  if (stored?.method === 'bitnet' && stored.mode === 'online' && kind !== 'bitnet')
    throw new TrituneError('E_UNSUPPORTED', `a BitNet is rounded to −1, 0 and 1, not to ${kind}`, {
      place: path,
      remedy: 'write --to bitnet',
    })
  if (isPacked(stored))
    throw new TrituneError('E_UNSUPPORTED', 'the model is packed already', {
      place: path,
      remedy: `${invocation('merge')} <model> none <folder> turns it into a plain one`,
    })
  const { device, note } = openDevice(command.device)
  if (note !== null) err.write(`${note}\n`)
  using host = createHost({ plugins: [cpu, cuda, wasm, models, qlora, bitnet] })
  const quantizer = openQuantizer(host.find('quantizer', kind), options)
  const dtype = command.dtype ?? (isGguf || storedDType(path) === 'f32' ? 'f32' : 'bf16')
  using model = loadModel(path, {
    device,
    dtype,
    models: host.all('model'),
    pack: packLayers(quantizer, dtype, { skip }),
  })
  writeFolderAtomicSync(output, (temporary) =>
    saveQuantized(model, path, temporary, { maxShardBytes, ...(linearClass ? { linearClass } : {}) }),
  )
  const packed = [...model.layers.values()].filter(({ weight }) => isQuantized(weight)).length
  out.write(
    `${packed} layers packed as ${kind}, ${formatBytes(openCheckpoint(output).bytes)} in ${output}\ntry it:\n  ${invocation('generate')} ${quoted(output)} --prompt "Once upon a time"\n`,
  )
}

/** As it is, without anything to round. */
function isPacked(stored: StoredWeights | null): boolean {
  return stored?.method === 'bitsandbytes' || (stored?.method === 'bitnet' && stored.mode === 'offline')
}
