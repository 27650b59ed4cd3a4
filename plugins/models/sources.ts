/**
 * Where weights come from: a Hugging Face checkpoint on disk, or a GGUF file.
 *
 * A tensor that is stored in the wanted dtype is not copied: it lives in the mapped file. On a GPU it is copied there as it
 * is stored, past JavaScript. What is stored in another dtype is converted on the device.
 */
import { openCheckpoint } from '../../core/files/checkpoint.ts'
import { readEntryInto, type TensorEntry, tensorDType } from '../../core/files/safetensors.ts'
import {
  type Device,
  type DeviceFile,
  empty,
  type DType,
  type FloatDType,
  isFloat,
  type Shape,
  tensor,
  Tensor,
  type WeightSource,
} from '../../core/mod.ts'
import { Storage } from '../../core/tensor/storage.ts'
import { setTensorBytes } from '../../core/tensor/tensor-bytes.ts'
import type { GgufHfModel } from '../gguf/mod.ts'
import type { PackedFile } from '../qlora/mod.ts'
import { readStoredWeight, type StoredWeights } from './_stored.ts'
import { finish, missing } from './_finish-weight.ts'

/** How weights come out of a checkpoint. */
export interface SourceOptions {
  readonly device: Device
  /** What the weights become; the compute dtype of the model. */
  readonly dtype: FloatDType
  /** True when weights will be trained: they are copied out of the mapped file. */
  readonly writable: boolean
  /** In which form the weights of linear layers are packed; not given: they are plain. */
  readonly stored?: StoredWeights | null
}

/** The dtype that most plain weights of a checkpoint have on disk: what `bf16: auto` goes by. */
export function storedDType(path: string): FloatDType {
  const counts = new Map<string, number>()
  for (const { name, dtype, bytes } of openCheckpoint(path).entries.values())
    if (dtype && isFloat(dtype) && !OF_PACKED.test(name)) counts.set(dtype, (counts.get(dtype) ?? 0) + bytes)
  const [most] = [...counts].toSorted((a, b) => b[1] - a[1])[0] ?? ['f32']
  return most === 'bf16' || most === 'f16' ? most : 'f32'
}

/** Scales and tables of packed weights say nothing of the others. */
const OF_PACKED = /\.(absmax|quant_map|nested_absmax|nested_quant_map|SCB)$/

/**
 * `model.safetensors`, or shards under `model.safetensors.index.json`.
 *
 * @example
 * ```ts
 * import { tensorScope } from 'tritune/core'
 * import { openCpu } from 'tritune/plugins/cpu'
 * import { openSafetensorsSource } from 'tritune/plugins/models'
 *
 * using source = openSafetensorsSource('my-model', { device: openCpu(), dtype: 'f32', writable: false })
 * using _scope = tensorScope()
 * console.log(source.has('model.norm.weight')) // → true
 * ```
 */
export function openSafetensorsSource(
  path: string,
  { device, dtype, writable, stored: packing = null }: SourceOptions,
): WeightSource & Disposable {
  const checkpoint = openCheckpoint(path)
  const maps = new Map<string, Storage>()
  const mapped = (file: string): Storage | null => {
    if (!device.mapFile) return null
    let storage = maps.get(file)
    if (!storage) {
      const map = device.mapFile(file)
      maps.set(file, (storage = new Storage(device, map.bytes, map)))
    }
    return storage
  }
  const files = new Map<string, DeviceFile>()
  const opened = (file: string): DeviceFile | undefined => {
    const open = files.get(file) ?? device.openFile?.(file)
    if (open) files.set(file, open)
    return open
  }
  const stored = (
    entry: TensorEntry,
    {
      type = tensorDType(entry),
      shape = entry.shape,
      passing = false,
    }: { readonly type?: DType; readonly shape?: Shape; readonly passing?: boolean } = {},
  ): Tensor => {
    const file = passing ? null : mapped(entry.file)
    if (file) return new Tensor(file.retain(), shape, type, entry.offset)
    const read = empty(shape, { dtype: type, device })
    try {
      const open = opened(entry.file)
      const { host } = read.storage
      if (open) open.copyTo(read.address, entry.offset, read.bytes)
      else if (host) readEntryInto(entry, new Uint8Array(host, read.offset, read.bytes))
      else setTensorBytes(read, checkpoint.read(entry))
      return read
    } catch (error) {
      read.dispose()
      throw error
    }
  }
  const packedFile: PackedFile = {
    place: path,
    entries: checkpoint.entries,
    tensor: (entry, type, shape) => stored(entry, { type, shape }),
    bytes: (entry) => checkpoint.read(entry),
  }
  return {
    place: path,
    has: (name) => checkpoint.entries.has(name),
    names: () => checkpoint.entries.keys(),
    load(name, shape, { passing = false } = {}) {
      const entry = checkpoint.entries.get(name)
      if (!entry) throw missing(path, name, checkpoint.entries.keys())
      return finish(stored(entry, { passing }), {
        place: entry.file,
        name,
        shape,
        dtype,
        copy: writable && device.mapFile !== undefined,
      })
    },
    packed: (name, shape) => packing && readStoredWeight(packedFile, packing, name, shape, { device, dtype }),
    [Symbol.dispose]() {
      for (const storage of maps.values()) storage.release()
      maps.clear()
      for (const file of files.values()) file.free()
      files.clear()
    },
  }
}

/** Dequantizes a GGUF file that was opened as a Hugging Face model. */
export function openGgufSource(
  path: string,
  model: GgufHfModel,
  { device, dtype }: SourceOptions,
): WeightSource & Disposable {
  return {
    place: path,
    has: (name) => model.tensors.has(name),
    names: () => model.tensors.keys(),
    load(name, shape) {
      const entry = model.tensors.get(name)
      if (!entry) throw missing(path, name, model.tensors.keys())
      const raw =
        device.computes === false
          ? empty(entry.shape, { dtype: 'f32', device })
          : tensor(entry.read(), { shape: entry.shape, dtype: 'f32', device })
      return finish(raw, { place: path, name, shape, dtype, copy: false })
    },
    [Symbol.dispose]() {},
  }
}
