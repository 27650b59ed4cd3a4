/**
 * What every section of the GPU benchmark works with: the device, random data on it, a stopwatch on its stream, torch
 * beside it, and a place for results.
 */
import { fileURLToPath } from 'node:url'
import {
  createRandom,
  type DType,
  DTYPES,
  empty,
  type GpuDevice,
  type Shape,
  tensor,
  type Tensor,
} from '../../../core/mod.ts'
import { type CheckedFunctions, type NativeLibrary, openLibrary } from '../../../core/native/library.ts'
import { openCuda } from '../../../plugins/cuda/mod.ts'
import { type Answer, type Child, startChild } from '../_child.ts'
import { median } from '../_measure.ts'
import type { Computer } from './journal.ts'
import { type PartialResult, type GpuResult, resultOf } from './result.ts'

export interface GpuOptions {
  readonly section: string
  /** The process of the section; most sections have one, of their name. */
  readonly step: string
  /** The emulator instead of a GPU: tiny sizes, times mean nothing. */
  readonly emulated: boolean
  readonly quick: boolean
  /** Python with torch; null: no other side. */
  readonly python: string | null
  readonly seed: number
  /** Of tt_option_set; null: as the library chooses. */
  readonly gemm: string | null
  /** For files that nobody needs afterwards. */
  readonly scratch: string
  /** For files that belong to the results. */
  readonly out: string
  /** Seconds after which the step is ended from outside, or should end by itself where it can. */
  readonly seconds?: number
}

export interface Rig extends AsyncDisposable {
  readonly options: GpuOptions
  readonly device: GpuDevice
  readonly library: NativeLibrary
  readonly call: CheckedFunctions
  /** Uniform in ±√3·spread (variance spread²), made of a block of random numbers over and over; lives as long as the rig. */
  random(shape: Shape, dtype?: 'f32' | 'bf16', spread?: number): Tensor
  integers(values: ArrayLike<number>): Tensor
  empty(shape: Shape, dtype?: DType): Tensor
  /** Frees all of these. */
  clear(): void
  /** `full` on a GPU, `tiny` on the emulator. */
  size<T>(full: T, tiny: T): T
  /** Median seconds of one call, of groups of calls between two events. `body` gets 0, 1, 2, … to rotate its data by. */
  time(body: (i: number) => void): number
  /** Bytes of device memory that `body` takes at its peak. */
  peak(body: () => void): number
  /** Asks the torch side; null: there is none, or it cannot (then that is reported). */
  torch(request: Answer): Promise<Answer | null>
  report(result: PartialResult): void
  /** Runs a part; what it throws is a result that failed, and the rest goes on. */
  part(name: string, body: () => void | Promise<void>, options?: PartOptions): Promise<void>
}

export interface PartOptions {
  /** Leaves the tensors of the rig as they are afterwards: this part is within another one. */
  readonly inner?: boolean
}

/** Sets of inputs to rotate, so that together they are larger than any L2. */
export function setsFor(bytes: number): number {
  return Math.max(1, Math.min(32, Math.ceil(256e6 / Math.max(1, bytes))))
}

export function openRig(options: GpuOptions, onResult: (result: GpuResult) => void): Rig {
  const { emulated, quick, seed, section, python, gemm } = options
  const device = openCuda({ emulated })
  const library = openLibrary(emulated ? 'cuda-emulated' : 'cuda')
  const { call } = library
  if (gemm !== null) setOption(call, 'gemm', gemm)
  const made: Tensor[] = []
  const fill = randomFiller({ call, device, seed })
  let torch: Child | null | undefined
  const keep = (one: Tensor): Tensor => {
    one.adopt(null)
    made.push(one)
    return one
  }
  const clear = (): void => {
    for (const one of made.splice(0)) one.dispose()
    call.tt_memory_trim()
  }
  const report = (result: PartialResult): void => onResult(resultOf(section, result))
  const stopwatch = new Float64Array(1)
  const group = (body: (i: number) => void, from: number, count: number): number => {
    call.tt_time_start(0)
    for (let i = 0; i < count; i++) body(from + i)
    call.tt_time_stop(stopwatch, 0)
    return stopwatch[0] / count
  }
  return {
    options,
    device,
    library,
    call,
    random(shape, dtype = 'bf16', spread = 1) {
      const made = keep(empty(shape, { dtype, device }))
      fill(made, spread)
      return made
    },
    integers: (values) => keep(tensor(values, { dtype: 'i32', device })),
    empty: (shape, dtype = 'bf16') => keep(empty(shape, { dtype, device })),
    clear,
    size: (full, tiny) => (emulated ? tiny : full),
    time(body) {
      if (emulated) return group(body, 0, 1)
      // The first calls load kernels and fill the pool.
      group(body, 0, 3)
      const once = group(body, 3, 3)
      const count = Math.max(1, Math.min(200, Math.ceil(0.01 / once)))
      group(body, 6, Math.min(count, 10))
      return median(Array.from({ length: quick ? 3 : 9 }, (_, i) => group(body, i * count, count)))
    },
    peak(body) {
      device.resetPeak()
      const before = device.memory().live
      body()
      device.synchronize?.()
      return device.memory().peak - before
    },
    async torch(request) {
      if (python === null) return null
      try {
        torch ??= await startChild('torch', [
          python,
          fileURLToPath(new URL('../gpu.py', import.meta.url)),
          '--device',
          emulated ? 'cpu' : 'cuda',
        ])
        return await torch.ask(JSON.stringify({ quick: quick || emulated, seed, ...request }))
      } catch (error) {
        report({ name: `torch: ${String(request.op)}`, ok: false, note: messageOf(error) })
        return null
      }
    },
    report,
    async part(name, body, { inner = false } = {}) {
      try {
        await body()
      } catch (error) {
        report({ name, ok: false, note: messageOf(error) })
      }
      if (inner) return
      try {
        clear()
      } catch (error) {
        report({ name: `${name}: afterwards`, ok: false, note: messageOf(error) })
      }
    },
    async [Symbol.asyncDispose]() {
      await torch?.[Symbol.asyncDispose]()
    },
  }
}

/** What the rig computes on, from the library itself: nobody can take the emulator for a GPU. */
export function computerOf({ library, options }: Rig): Computer {
  const { driver, runtime, devices } = library.devices()
  return {
    kind: 'device',
    section: options.section,
    library: String(library.info.device),
    name: devices[0]?.name ?? '',
    driver,
    runtime,
    sources: String(library.info.sources),
  }
}

/** Sets an option of the library; E_NATIVE when this build does not know it. */
export function setOption(call: CheckedFunctions, name: string, value: string): void {
  const text = new TextEncoder()
  call.tt_option_set(text.encode(`${name}\0`), text.encode(`${value}\0`))
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** The elements of a tensor on the device. */
export function numbersIn(tensor: Tensor): Float32Array {
  return tensor.toArray()
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** Not a power of two, so that neighbours in a matrix differ. */
const BLOCK = 1_000_003

/** Fills tensors with numbers of one random block, from another place of it each time, over and over. */
function randomFiller({
  call,
  device,
  seed,
}: Pick<Rig, 'call' | 'device'> & { readonly seed: number }): (target: Tensor, spread: number) => void {
  let block: Tensor | null = null
  let used = 0
  return (target, spread) => {
    if (!block) {
      const random = createRandom(seed, 'bench/gpu')
      const unit = Math.sqrt(12)
      const values = Float32Array.from({ length: BLOCK }, () => (random.float() - 0.5) * unit)
      block = tensor(values, { device })
      block.adopt(null)
    }
    const start = (used++ * 7919) % (BLOCK / 2)
    const count = Math.min(target.size, Math.floor(BLOCK - start))
    const { code, bytes } = DTYPES[target.dtype]
    using scaled = empty([count], { device })
    call.tt_affine(
      scaled.address,
      block.address + 4 * Math.floor(start),
      count,
      spread,
      0,
      DTYPES.f32.code,
      0,
    )
    call.tt_cast(target.address, scaled.address, count, code, DTYPES.f32.code, 0)
    for (let filled = count; filled < target.size; filled *= 2) {
      const more = Math.min(filled, target.size - filled)
      call.tt_copy(target.address + filled * bytes, target.address, more * bytes, 0)
    }
  }
}
