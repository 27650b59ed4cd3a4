/**
 * What only a real GPU can say, first of all: does each engine of the matrix product compute, and which one is `auto`; does
 * wgmma come to an end; is a bad index an error that says so, and does the GPU work afterwards; is the memory that we count
 * the memory that the driver counts.
 */
import { spawnSync } from 'node:child_process'
import { bytesOf, sampledError } from './gemm.ts'
import { messageOf, numbersIn, type Rig, setOption } from './rig.ts'

const ENGINES = ['own', 'mma', 'cublaslt', 'auto'] as const
const DTYPES = [
  { name: 'bf16', code: 1, tolerance: 1e-2 },
  { name: 'f32', code: 0, tolerance: 1e-4 },
] as const

/** Each engine on the same inputs. Which one `auto` is, its bits say: the engines add up in different orders. */
export async function engines(rig: Rig): Promise<void> {
  const { report, library, size } = rig
  const { cublaslt } = library.options()
  report({ name: 'cuBLASLt', note: JSON.stringify(cublaslt) })
  const shape = size({ m: 1024, n: 768, k: 2048 }, { m: 48, n: 72, k: 40 })
  for (const dtype of DTYPES) {
    await rig.part(`engines, ${dtype.name}`, () => {
      const product = productOf(rig, shape, dtype)
      const bits = new Map<string, Uint8Array>()
      for (const engine of ENGINES) {
        const name = `${engine}, ${shape.m}×${shape.n}×${shape.k}, ${dtype.name}`
        try {
          bits.set(engine, product(engine, name))
        } catch (error) {
          // A machine without cuBLASLt is no failure; `auto` has to work everywhere.
          const isAbsent = engine === 'cublaslt' && messageOf(error).includes('cannot be used')
          report({ name, ok: isAbsent ? null : false, note: messageOf(error).split('\n')[0] })
        }
      }
      const auto = bits.get('auto')
      const same = [...bits].filter(
        ([name, one]) => name !== 'auto' && auto && Buffer.compare(auto, one) === 0,
      )
      report({
        name: `engine of auto, ${dtype.name}`,
        note: `the bits of ${same.map(([name]) => name).join(' and ') || 'none of the others'}`,
      })
    })
  }
}

/** One product. That it was wgmma and not another engine, the bits of `mma` say. */
export function wgmmaOnce(rig: Rig): void {
  const shape = rig.size({ m: 512, n: 512, k: 1024 }, { m: 136, n: 136, k: 72 })
  const name = `wgmma once, ${shape.m}×${shape.n}×${shape.k}`
  try {
    productOf(rig, shape, DTYPES[0])('wgmma', name)
  } catch (error) {
    const isAbsent = messageOf(error).includes('cannot be used')
    rig.report({ name, ok: isAbsent ? null : false, note: messageOf(error).split('\n')[0] })
  }
}

export function badIndex(rig: Rig): void {
  const expected = 'a row index of gather_rows is out of range: 3, allowed 0..2'
  let message = 'there was no error'
  try {
    gather(rig, [0, 3])
  } catch (error) {
    message = messageOf(error)
  }
  rig.report({ name: 'a bad row index is an error', ok: message.includes(expected), note: message })
  rig.report({ name: 'the same process goes on', ok: gathersRight(rig) })
}

/** In a process that starts after the one with the bad index. */
export function afterBadIndex(rig: Rig): void {
  rig.report({ name: 'a new process after a bad index gathers', ok: gathersRight(rig) })
  const shape = rig.size({ m: 256, n: 256, k: 256 }, { m: 24, n: 16, k: 8 })
  productOf(rig, shape, DTYPES[0])('auto', 'and multiplies')
}

/** What nvidia-smi may count beside our pool: code of kernels that is loaded meanwhile, rounding. */
const SLACK = 128 * 2 ** 20

/** The peak of a step that needs much, as we count it, as the driver does and as nvidia-smi does. */
export function memory(rig: Rig): void {
  const { call, report, size, device } = rig
  const [tokens, hidden, vocab] = size([8192, 2048, 128256], [24, 32, 200])
  const step = (): void => {
    const [h, w] = [rig.random([tokens, hidden]), rig.random([vocab, hidden], 'bf16', 1 / Math.sqrt(hidden))]
    const targets = rig.integers(Int32Array.from({ length: tokens }, (_, i) => (i * 7919) % vocab))
    const [loss, dh] = [rig.empty([1], 'f32'), rig.empty([tokens, hidden])]
    call.tt_linear_cross_entropy(
      loss.address,
      0,
      dh.address,
      0,
      h.address,
      w.address,
      targets.address,
      tokens,
      hidden,
      vocab,
      1 / tokens,
      0,
      1,
      0,
    )
    call.tt_synchronize(0)
  }
  // The first time loads kernels and engines, which is no memory of ours.
  step()
  rig.clear()
  const before = { driver: freeBytes(rig), smi: smiBytes(), ours: device.memory() }
  device.resetPeak()
  step()
  const { peak, live, pooled } = device.memory()
  // The pool keeps what it took, so that afterwards is the peak.
  const after = { driver: freeBytes(rig), smi: smiBytes() }
  const took = live + pooled - before.ours.live - before.ours.pooled
  const gibibytes = (bytes: number): number => bytes / 2 ** 30
  report({
    name: 'peak of our memory',
    ok: peak > 0 && peak <= live + pooled,
    ours: gibibytes(peak),
    unit: 'GiB',
    note: `${gibibytes(live + pooled).toFixed(3)} GiB in the pool`,
  })
  for (const [name, there] of [
    ['cudaMemGetInfo', before.driver !== null && after.driver !== null ? before.driver - after.driver : null],
    ['nvidia-smi', before.smi !== null && after.smi !== null ? after.smi - before.smi : null],
  ] as const) {
    const what = `what the pool took, against ${name}`
    if (there === null) report({ name: what, note: 'not run: it says nothing here' })
    else
      report({
        name: what,
        ok: Math.abs(there - took) <= SLACK,
        ours: gibibytes(took),
        unit: 'GiB',
        note: `${name}: ${gibibytes(there).toFixed(3)} GiB`,
      })
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

interface Sizes {
  readonly m: number
  readonly n: number
  readonly k: number
}

/** x·Wᵀ by an engine: reports whether it is right and gives its bytes. */
function productOf(
  rig: Rig,
  { m, n, k }: Sizes,
  dtype: (typeof DTYPES)[number],
): (engine: string, name: string) => Uint8Array {
  const [a, b] = [rig.random([m, k], dtype.name), rig.random([n, k], dtype.name, 1 / Math.sqrt(k))]
  return (engine, name) => {
    const c = rig.empty([m, n], dtype.name)
    const address = c.address
    rig.call.tt_fill(address, m * n, Number.NaN, dtype.code, 0)
    setOption(rig.call, 'gemm', engine)
    try {
      const [sizes, strides] = [
        [1, m, n, k],
        [m * n, m * k, n * k],
      ] as const
      const scale = [1, 0] as const
      rig.call.tt_matmul(
        address,
        a.address,
        b.address,
        ...sizes,
        ...strides,
        0,
        1,
        ...scale,
        dtype.code,
        dtype.code,
        0,
      )
      const error = sampledError({ a, b, c }, { m, n, k, transA: 0, transB: 1 }, rig.options.seed)
      rig.report({ name, ok: error < dtype.tolerance, note: `error ${error.toExponential(1)}` })
      return bytesOf(c)
    } finally {
      setOption(rig.call, 'gemm', rig.options.gemm ?? 'auto')
    }
  }
}

/** Rows of a table of 3 × 4, waited for. */
function gather(rig: Rig, rows: readonly number[]): Float32Array {
  const { call } = rig
  const [table, y] = [rig.empty([3, 4], 'f32'), rig.empty([rows.length, 4], 'f32')]
  const values = Float32Array.from({ length: 12 }, (_, i) => i)
  call.tt_upload(table.address, new Uint8Array(values.buffer), values.byteLength, 0)
  const index = rig.integers(rows)
  call.tt_gather_rows(y.address, table.address, index.address, rows.length, 4, 3, 0, 0)
  call.tt_synchronize(0)
  return numbersIn(y)
}

function gathersRight(rig: Rig): boolean {
  return String(gather(rig, [2, 0])) === '8,9,10,11,0,1,2,3'
}

/** Of the driver; null where the library does not know it. */
function freeBytes({ library }: Rig): number | null {
  const { free } = library.devices().devices[0]
  return free > 0 ? free : null
}

/** What nvidia-smi says is in use on the first GPU; null without it. */
function smiBytes(): number | null {
  const query = ['--query-gpu=memory.used', '--format=csv,noheader,nounits', '--id=0']
  const { stdout, status } = spawnSync('nvidia-smi', query, { encoding: 'utf8' })
  const used = Number.parseInt(stdout ?? '', 10)
  return status === 0 && Number.isFinite(used) ? used * 2 ** 20 : null
}
