/** AdamW and sampling kernels, emulated, against the CPU library. */
import { describe, expect, test } from 'bun:test'
import { run as runOnCpu } from '../native/_header.ts'
import { randomNumbers } from '../native/_matrix.ts'
import { cudaLibrary, type DeviceArray, onDevice } from './_device.ts'
import {
  BF16,
  bitsOf,
  expectClose,
  expectTwins,
  F32,
  numbersOf,
  onCpu,
  onCuda,
  type Operand,
  operand,
  random,
  raw,
} from './_twins.ts'

const DTYPES = [F32, BF16] as const
/** lr, beta1, beta2, eps, weight decay, bias1, bias2, gradient scale */
const RATES = [0.01, 0.9, 0.999, 1e-8, 0.1, 0.1, 0.001, 0.5] as const
const squares = (n: number, seed: number, shift = 0) =>
  operand(
    randomNumbers(n, seed).map((x) => x * x * 1e-3),
    F32,
    shift,
  )

describe('tt_adamw gives what the CPU gives', () => {
  for (const [n, shift] of [
    [1, 0],
    [4099, 0],
    [4096, 0],
    [4099, 1],
    [9000, 0],
  ]) {
    for (const dtype of DTYPES) {
      test(`${n} elements of dtype ${dtype}, shifted by ${shift}`, () => {
        const state = [random(n, 2, F32, shift), squares(n, 3, shift), random(n, 4, F32, shift)]
        const w = random(n, 1, dtype, shift)
        expectTwins('tt_adamw', [w, null, ...state, n, ...RATES, dtype])
        const master = random(n, 1, F32, shift)
        const [after, exact] = expectTwins('tt_adamw', [w, master, ...state, n, ...RATES, dtype])
        expect(after.bits).toEqual(bitsOf(numbersOf(exact), dtype))
      })
    }
  }
})

interface Parameter {
  readonly arrays: readonly (DeviceArray | null)[]
  readonly n: number
  readonly dtype: number
  readonly decays: boolean
}

function parameters(count: number, seed: number): Parameter[] {
  return Array.from({ length: count }, (_, i) => {
    const n = [5, 4096, 0, 777, 8193, 64][i % 6]
    const dtype = DTYPES[i % 2]
    const options = { shift: i % 5 === 4 ? 1 : 0 }
    const numbers = (k: number) => randomNumbers(n, seed + 10 * i + k)
    const arrays = [
      onDevice(numbers(0), dtype, options),
      i % 3 === 0 ? onDevice(numbers(0), F32, options) : null,
      onDevice(numbers(1), F32, options),
      onDevice(
        numbers(2).map((x) => x * x),
        F32,
        options,
      ),
      onDevice(numbers(3), F32, options),
    ]
    return { arrays, n, dtype, decays: i % 4 !== 1 }
  })
}

test('tt_adamw_list is tt_adamw of each, bit for bit', () => {
  const { call } = cudaLibrary()
  const [listed, single] = [parameters(130, 1), parameters(130, 1)]
  const table = listed.flatMap(({ arrays, n, dtype, decays }) => [
    ...arrays.map((array) => array?.address ?? 0),
    n,
    dtype,
    Number(decays),
  ])
  call.tt_adamw_list(BigInt64Array.from(table, BigInt), listed.length, ...RATES, 0)
  const [lr, beta1, beta2, eps, decay, ...rest] = RATES
  for (const { arrays, n, dtype, decays } of single) {
    const [w, master, m, v, grad] = arrays.map((array) => array?.address ?? 0)
    call.tt_adamw(w, master, m, v, grad, n, lr, beta1, beta2, eps, decays ? decay : 0, ...rest, dtype, 0)
  }
  for (const [i, { arrays }] of listed.entries()) {
    for (const [k, array] of arrays.entries()) {
      expect(array?.intact() ?? true).toBe(true)
      expect(array?.bytes()).toEqual(single[i].arrays[k]?.bytes())
    }
  }
  for (const { arrays } of [...listed, ...single]) for (const array of arrays) array?.[Symbol.dispose]()
})

describe('tt_adamw_8bit gives what the CPU gives', () => {
  /** Bytes and floats of one parameter; null master. */
  function state(n: number, dtype: number, shift: number, hasMaster: boolean): Operand[] {
    const blocks = Math.ceil(n / 256)
    const codes = (k: number) =>
      raw(
        Uint8Array.from({ length: n }, (_, i) => (i * k + (i >> 4)) & 255),
        shift,
      )
    const absmax = (k: number) =>
      operand(
        randomNumbers(blocks, k).map((x) => Math.abs(x) * 0.1 + 1e-3),
        F32,
      )
    const grad = random(n, 3, F32, shift)
    if (n > 300) {
      grad.bits[7] = Number.NaN
      grad.bits[290] = Infinity
      // A block without gradients that starts from nothing: its absmax becomes 0.
      if (n > 1024) grad.bits.fill(0, 768, 1024)
    }
    const [m, v] = [codes(37), codes(91)]
    if (n > 1024) {
      m.bits.fill(127, 768, 1024)
      v.bits.fill(0, 768, 1024)
    }
    const w = random(n, 1, dtype, shift)
    return [w, ...(hasMaster ? [random(n, 1, F32, shift)] : []), m, v, absmax(5), absmax(6), grad]
  }

  for (const [n, shift] of [
    [1, 0],
    [256, 0],
    [4000, 0],
    [20_011, 0],
    [1500, 1],
  ]) {
    for (const dtype of DTYPES) {
      test(`${n} elements of dtype ${dtype}, shifted by ${shift}`, () => {
        for (const hasMaster of [false, true]) {
          const arrays = state(n, dtype, shift, hasMaster)
          const got = steppedOnCuda(arrays, n, dtype, hasMaster)
          const expected = steppedOnCpu(arrays, n, dtype, hasMaster)
          const first = hasMaster ? 2 : 1
          for (const [k, array] of expected.entries()) {
            if (k === first || k === first + 1) {
              // Moments that differ in the last bit may fall on the other side of a border: one code further.
              let others = 0
              for (const [i, code] of array.bits.entries()) {
                const distance = Math.abs(Number(got[k].bits[i]) - Number(code))
                others += distance > 1 ? Infinity : distance
              }
              expect(others).toBeLessThanOrEqual(n / 1000)
            } else {
              const allowed = array.dtype === BF16 ? 2 ** -8 : 2e-6
              expectClose(`operand ${k}`, numbersOf(got[k]), numbersOf(array), allowed)
            }
          }
        }
      }, 20_000)
    }
  }

  test('a list of many parameters is the same as one by one', () => {
    const { call } = cudaLibrary()
    const all = Array.from({ length: 60 }, (_, i) => {
      const n = [300, 0, 64, 9000][i % 4]
      return { n, arrays: state(n, F32, 0, false) }
    })
    const uploaded = all.map(({ arrays }) => arrays.map(upload))
    const table = all.flatMap(({ n }, i) =>
      rowOf(
        uploaded[i].map(({ address }) => address),
        n,
        F32,
        false,
      ),
    )
    call.tt_adamw_8bit(BigInt64Array.from(table, BigInt), all.length, ...RATES, 0)
    for (const [i, { n, arrays }] of all.entries()) {
      const alone = steppedOnCuda(arrays, n, F32, false)
      for (const [k, { download, free }] of uploaded[i].entries()) {
        expect(download()).toEqual(bytesOf(alone[k]))
        free()
      }
    }
  })

  function rowOf(addresses: readonly number[], n: number, dtype: number, hasMaster: boolean): number[] {
    const [w, ...rest] = addresses
    return [w, ...(hasMaster ? rest : [0, ...rest]), n, dtype, 1]
  }
  const bytesOf = ({ bits }: Operand) => new Uint8Array(bits.buffer, bits.byteOffset, bits.byteLength)

  function upload({ bits, shift }: Operand): { address: number; download(): Uint8Array; free(): void } {
    const { call } = cudaLibrary()
    const out = new BigInt64Array(1)
    call.tt_alloc(out, bits.byteLength + shift * bits.BYTES_PER_ELEMENT)
    const base = Number(out[0])
    const address = base + shift * bits.BYTES_PER_ELEMENT
    call.tt_upload(address, new Uint8Array(bits.buffer), bits.byteLength, 0)
    return {
      address,
      download() {
        const bytes = new Uint8Array(bits.byteLength)
        call.tt_download(bytes, address, bytes.length, 0)
        return bytes
      },
      free: () => call.tt_free(base),
    }
  }

  function steppedOnCuda(
    arrays: readonly Operand[],
    n: number,
    dtype: number,
    hasMaster: boolean,
  ): Operand[] {
    const { call } = cudaLibrary()
    const uploaded = arrays.map(upload)
    const row = rowOf(
      uploaded.map(({ address }) => address),
      n,
      dtype,
      hasMaster,
    )
    call.tt_adamw_8bit(BigInt64Array.from(row, BigInt), 1, ...RATES, 0)
    return arrays.map((array, k) => {
      const copy = { ...array, bits: array.bits.slice() }
      bytesOf(copy).set(uploaded[k].download())
      uploaded[k].free()
      return copy
    })
  }

  function steppedOnCpu(arrays: readonly Operand[], n: number, dtype: number, hasMaster: boolean): Operand[] {
    // Memory of the library, for its table takes addresses.
    const out = new BigInt64Array(1)
    const addresses = arrays.map(({ bits }) => {
      runOnCpu('tt_alloc', out, Math.max(bits.byteLength, 1))
      runOnCpu('tt_copy', Number(out[0]), bits, bits.byteLength)
      return Number(out[0])
    })
    runOnCpu('tt_adamw_8bit', BigInt64Array.from(rowOf(addresses, n, dtype, hasMaster), BigInt), 1, ...RATES)
    return arrays.map((array, k) => {
      const copy = { ...array, bits: array.bits.slice() }
      runOnCpu('tt_copy', copy.bits, addresses[k], copy.bits.byteLength)
      runOnCpu('tt_free', addresses[k])
      return copy
    })
  }
})

describe('tt_sample draws what the CPU draws', () => {
  interface Options {
    readonly temperature?: number
    readonly topK?: number
    readonly topP?: number
    readonly penalty?: number
    readonly history?: Int32Array<ArrayBuffer>
    readonly seed?: number
    readonly dtype?: number
  }
  function expectSame(logits: ArrayLike<number>, rows: number, options: Options = {}): Int32Array {
    const {
      temperature = 1,
      topK = 0,
      topP = 1,
      penalty = 1,
      history = null,
      seed = 1,
      dtype = F32,
    } = options
    const given = [
      raw(new Int32Array(rows)),
      operand(logits, dtype),
      history && raw(history),
      Uint32Array.of(seed, 2, 3, 4, 5, 0),
      rows,
      logits.length / rows,
      history?.length ?? 0,
      temperature,
      topK,
      topP,
      penalty,
      dtype,
    ]
    const [got] = onCuda('tt_sample', ...given)
    const [expected] = onCpu('tt_sample', ...given)
    expect([...got.bits]).toEqual([...expected.bits])
    return Int32Array.from(got.bits)
  }
  const normal = (n: number, seed: number, scale: number) =>
    randomNumbers(n, seed).map((x) => scale * Math.atanh(x * 0.999))

  for (const vocab of [1, 7, 1000, 5003]) {
    test(`a vocabulary of ${vocab}, many settings and seeds`, () => {
      const rows = 2
      for (let seed = 0; seed < 5; seed++) {
        const logits = normal(rows * vocab, seed + 1, 3)
        const dtype = DTYPES[seed % 2]
        const history = Int32Array.from({ length: 9 }, (_, i) => (i * i * 31 + seed) % vocab)
        expectSame(logits, rows, { seed, dtype })
        expectSame(logits, rows, { seed, dtype, temperature: 0, history, penalty: 1.7 })
        expectSame(logits, rows, { seed, dtype, temperature: 0.7, topK: 40 })
        expectSame(logits, rows, { seed, dtype, temperature: 1.3, topP: [0.9, 0.5, 0.01, 0.999][seed % 4] })
        expectSame(logits, rows, { seed, dtype, topK: 1 + seed * 5, topP: 0.95, history, penalty: 0.8 })
      }
    }, 60_000)
  }

  test('equal weights: ties of top-k stay, top-p keeps the first ones', () => {
    const equal = new Float64Array(64)
    const steps = Float64Array.from({ length: 300 }, (_, i) => -(i % 5))
    for (let seed = 0; seed < 3; seed++) {
      for (const topP of [1, 0.5, 0.25, 0.015625, 0.99]) {
        expectSame(equal, 1, { seed, topP })
        expectSame(equal, 1, { seed, topP, topK: 3 })
        expectSame(steps, 1, { seed, topP, topK: 70 })
      }
    }
    expect(expectSame(equal, 1, { topP: 0.01 })[0]).toBe(0)
  })

  test('masked, extreme and missing logits', () => {
    const rows = [
      [-Infinity, 2, Number.NaN, 2],
      [Infinity, 1, Infinity, 0],
      [-1e30, -1e30, 5, -200],
      [Number.NaN, -Infinity, -Infinity, -3],
    ]
    for (const seed of [1, 2])
      for (const options of [{}, { topK: 2 }, { topP: 0.6 }, { temperature: 0 }, { temperature: 1e-3 }])
        expectSame(rows.flat(), 4, { ...options, seed })
  })

  test('what only the device can see is reported when it is waited for', () => {
    const draw = (logits: number[], history: number[]) =>
      onCuda(
        'tt_sample',
        raw(new Int32Array(1)),
        operand(logits),
        raw(Int32Array.from(history)),
        Uint32Array.of(1, 2, 3, 4, 5, 6),
        1,
        3,
        history.length,
        1,
        0,
        1,
        1.1,
        F32,
      )
    expect(() => draw([1, 2, 3], [0, 3])).toThrow(
      'a history token of sample is out of range: 3, allowed 0..2',
    )
    expect(() => draw([-Infinity, Number.NaN, -Infinity], [0])).toThrow(
      'tt_sample: row 0 of the logits has no number above -Inf (all NaN or -Inf)',
    )
    expect(() => draw([1, 2, 3], [0, 1])).not.toThrow()
  })
})
