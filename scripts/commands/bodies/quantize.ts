/**
 * The body of quantize.ts, loaded only when there is something to do.
 */
import { existsSync } from 'node:fs'
import { counted } from '../../../core/counted.ts'
import { writeFolderAtomicSync } from '../../../core/files/atomic.ts'
import { openCheckpoint } from '../../../core/files/checkpoint.ts'
import { invocation } from '../../../core/invocation.ts'
import { createHost, type FloatDType, isQuantized, type Model, TrituneError } from '../../../core/mod.ts'
import { bitnet, type BitnetFormat } from '../../../plugins/bitnet/mod.ts'
import { cpu } from '../../../plugins/cpu/mod.ts'
import { cuda, type DeviceName, openDevice } from '../../../plugins/cuda/mod.ts'
import {
  calibrationTexts,
  calibrationType,
  formatBytes,
  formatDuration,
  loadGptq,
  type LoadGptqOptions,
  modulePaths,
  saveQuantized,
} from '../../../plugins/finetune/mod.ts'
import { resolveModel } from '../../../plugins/hub/mod.ts'
import {
  loadModel,
  models,
  readConfig,
  readStoredWeights,
  storedDType,
  type StoredWeights,
} from '../../../plugins/models/mod.ts'
import {
  expectSkips,
  type FourBitForm,
  openQuantizer,
  packLayers,
  qlora,
} from '../../../plugins/qlora/mod.ts'
import { wasm } from '../../../plugins/wasm/mod.ts'
import { quoted } from '../../terminal/quoted.ts'
import { err, out } from '../../terminal/streams.ts'

/** The texts that weights are rounded by. */
export interface Calibration {
  /** A file or a folder of data. */
  readonly path: string
  readonly rows: number
  /** Tokens of a text at most. */
  readonly length: number
  readonly form: FourBitForm
}

/** How often a rounding says how far it is. */
const TELLINGS = 10

export interface QuantizeCommand {
  readonly ref: string
  readonly output: string
  readonly kind: 'nf4' | 'fp4' | 'int8' | 'bitnet'
  readonly options: Readonly<Record<string, unknown>>
  /** Of `nf4` and `fp4`; null: each weight goes to its nearest code. */
  readonly calibration: Calibration | null
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
  // Before a model is downloaded.
  if (command.calibration) await expectTexts(command.calibration.path)
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
  const dtype = command.dtype ?? (isGguf || storedDType(path) === 'f32' ? 'f32' : 'bf16')
  const how = { device, dtype, models: host.all('model') }
  const quantizer = openQuantizer(host.find('quantizer', kind), options)
  if (skip.length > 0) expectSkips(modulePaths(path, how.models), skip)
  using model = command.calibration
    ? await loadRounded(command, command.calibration, path, how)
    : loadModel(path, { ...how, pack: packLayers(quantizer, dtype, { skip }) })
  writeFolderAtomicSync(output, (temporary) =>
    saveQuantized(model, path, temporary, { maxShardBytes, ...(linearClass ? { linearClass } : {}) }),
  )
  const packed = [...model.layers.values()].filter(({ weight }) => isQuantized(weight)).length
  out.write(
    `${packed} layers packed as ${kind}, ${formatBytes(openCheckpoint(output).bytes)} in ${output}\ntry it:\n  ${invocation('generate')} ${quoted(output)} --prompt "Once upon a time"\n`,
  )
}

/** Texts are read before any weight is. */
async function loadRounded(
  { skip }: QuantizeCommand,
  { form, path: data, ...drawn }: Calibration,
  path: string,
  how: Pick<LoadGptqOptions, 'device' | 'dtype' | 'models'>,
): Promise<Model> {
  const texts = await calibrationTexts(data, path, drawn)
  const tokens = texts.reduce((sum, { length }) => sum + length, 0)
  err.write(`rounding by ${counted(texts.length, 'text')} of ${counted(tokens, 'token')} together\n`)
  const started = performance.now()
  let said = 0
  return loadGptq(path, texts, {
    ...how,
    ...form,
    skip,
    onLayer(done, of) {
      if (done < of && done < said + of / TELLINGS) return
      said = done
      err.write(`${done} of ${of} layers, ${formatDuration((performance.now() - started) / 1000)}\n`)
    },
  })
}

async function expectTexts(path: string): Promise<void> {
  if (!existsSync(path))
    throw new TrituneError('E_FILE', `--calibrate: there is no file or folder ${path}`, {
      remedy: 'name a file of records { text } or { messages }, or a folder of such files',
    })
  await calibrationType(path)
}

/** As it is, without anything to round. */
function isPacked(stored: StoredWeights | null): boolean {
  return stored?.method === 'bitsandbytes' || (stored?.method === 'bitnet' && stored.mode === 'offline')
}
