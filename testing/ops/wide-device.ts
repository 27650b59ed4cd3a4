/**
 * A device that runs the references in f64 from end to end: next to the memory of every tensor there is a Float64Array
 * that the ops really compute with. Finite differences on it are good to nine digits.
 */
import {
  type Device,
  DTYPES,
  empty,
  implement,
  type Op,
  type OpInputs,
  type OpKey,
  type OpOutputs,
  type ReferenceArguments,
  type ReferenceArray,
  readElement,
  referenceDevice,
  type Shape,
  type Tensor,
  writeElement,
} from '../../core/mod.ts'
import type { Storage } from '../../core/tensor/storage.ts'

export interface WideDevice extends Device {
  /** A tensor that is exactly these numbers. */
  tensor(values: Float64Array, shape: Shape): Tensor
  valuesOf(tensor: Tensor): Float64Array
  /** Overwrites a tensor with exactly these numbers. */
  assign(tensor: Tensor, values: Float64Array): void
  /** The ops that ran, and with which parameters, in order. */
  readonly ran: { readonly op: OpKey; readonly params: unknown; readonly outputs: OpOutputs }[]
}

type AnyOp = Op<OpInputs, unknown, OpOutputs>

export function createWideDevice(): WideDevice {
  const shadows = new WeakMap<Storage, Float64Array>()
  const ran: { op: OpKey; params: unknown; outputs: OpOutputs }[] = []

  function valuesOf(tensor: Tensor): Float64Array {
    const { storage, dtype, size } = tensor
    const { bytes } = DTYPES[dtype]
    let shadow = shadows.get(storage)
    if (!shadow) {
      const count = storage.bytes / bytes
      const host = new DTYPES[dtype].array(storage.host ?? new ArrayBuffer(0), 0, count)
      shadow = Float64Array.from({ length: count }, (_, i) => readElement(dtype, host, i))
      shadows.set(storage, shadow)
    }
    return shadow.subarray(tensor.offset / bytes, tensor.offset / bytes + size)
  }

  function write(tensor: Tensor, values: Float64Array): void {
    valuesOf(tensor).set(values)
    const host = tensor.host()
    for (let i = 0; i < values.length; i++) writeElement(tensor.dtype, host, i, values[i])
  }

  function run(op: AnyOp, inputs: OpInputs, outputs: OpOutputs, params: unknown): void {
    const wide: Record<string, ReferenceArray | undefined> = {}
    for (const [name, input] of Object.entries(inputs))
      wide[name] = input && { data: valuesOf(input).slice(), shape: input.shape }
    const results: Record<string, ReferenceArray | null> = {}
    for (const [name, output] of Object.entries(outputs)) {
      const kept = op.accumulates(params).includes(name)
      results[name] = output && {
        data: kept ? valuesOf(output).slice() : new Float64Array(output.size),
        shape: output.shape,
      }
    }
    op.reference({ inputs: wide, params, outputs: results } as ReferenceArguments<
      OpInputs,
      unknown,
      OpOutputs
    >)
    for (const [name, output] of Object.entries(outputs)) {
      const result = results[name]
      if (output && result) write(output, result.data)
    }
    ran.push({ op, params, outputs })
  }

  const device: WideDevice = {
    ...referenceDevice,
    name: 'wide',
    implementationOf: (key) =>
      isOp(key)
        ? implement(key, { run: (inputs, outputs, params) => run(key, inputs, outputs, params) })
        : undefined,
    tensor(values, shape) {
      const made = empty(shape, { device })
      write(made, values)
      return made
    },
    valuesOf,
    assign: write,
    ran,
  }
  return device
}

/** The registry knows ops by name only; here each one brings its reference. */
export function isOp(value: unknown): value is AnyOp {
  return typeof value === 'object' && value !== null && 'reference' in value && 'outputs' in value
}
