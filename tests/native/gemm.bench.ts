/**
 * `bun tests/native/gemm.bench.ts [f32|bf16|linear|ce|small] [threads] [rows]`: speed of the matrix products on the
 * shapes of SmolLM2-135M, as a share of the machine's peak measured before and after every repetition.
 *
 * Not a test: other work on the machine moves the numbers; the median share is what to look at.
 */
import { BF16, F32, allocate, bytesAt, run } from './_library.ts'

const [what = 'bf16', threads = '2', rowsText = '2048'] = process.argv.slice(2)
const rows = Number(rowsText)
const dtype = what === 'f32' ? F32 : BF16
const SHAPES = [
  [576, 576],
  [576, 192],
  [576, 1536],
  [1536, 576],
  [576, 49152],
] as const

function peak(): number {
  const out = new Float64Array(1)
  run('tt_bench_peak', out, dtype === F32 ? 0 : 1, 0, 0.004)
  return out[0]
}

const preempted = (): number => process.resourceUsage().involuntaryContextSwitches

/** Prints time and share of the peak, of the repetitions in which nothing was preempted and the peak near its best. */
function measure(name: string, operations: number, body: () => void): void {
  body()
  const all: { seconds: number; peak: number; clean: boolean }[] = []
  const start = performance.now()
  while ((all.length < 7 || performance.now() - start < 500) && performance.now() - start < 3000) {
    const before = peak()
    const switches = preempted()
    const t = performance.now()
    body()
    const seconds = (performance.now() - t) / 1000
    all.push({ seconds, clean: preempted() === switches, peak: Math.min(before, peak()) })
  }
  const best = Math.max(...all.map((rep) => rep.peak))
  const clean = all.filter((rep) => rep.clean && rep.peak > 0.8 * best)
  const kept = clean.length < 3 ? all : clean
  const shares = kept.map((rep) => operations / rep.seconds / rep.peak).toSorted((x, y) => x - y)
  const times = kept.map((rep) => rep.seconds).toSorted((x, y) => x - y)
  const half = kept.length >> 1
  const speed = `${(times[half] * 1e3).toFixed(2)} ms ${(operations / times[half] / 1e9).toFixed(0)} GF/s`
  const share = `${(100 * shares[half]).toFixed(0)} % of ${(best / 1e9).toFixed(0)}`
  console.log(name.padEnd(32), speed.padEnd(22), share, `(${clean.length}/${all.length} clean)`)
}

/** A block of n elements with small values. */
function random(n: number, type: number = dtype): number {
  const address = allocate(n * (type === F32 ? 4 : 2))
  const values =
    type === F32 ? new Float32Array(bytesAt(address, n * 4)) : new Uint16Array(bytesAt(address, n * 2))
  let state = 1
  for (let i = 0; i < n; i++) {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff
    values[i] = type === F32 ? state / 2 ** 31 - 0.5 : 0x3c00 | ((state >> 8) & 0x80ff)
  }
  return address
}

function free(...addresses: number[]): void {
  for (const address of addresses) run('tt_free', address)
}

function products(): void {
  for (const [k, n] of SHAPES) {
    const [x, w, y, dw] = [random(rows * k), random(n * k), random(rows * n), random(n * k, F32)]
    const work = 2 * rows * n * k
    const zero = [0, 0, 0] as const
    measure(`${k}->${n} NT`, work, () =>
      run('tt_matmul', y, x, w, 1, rows, n, k, ...zero, 0, 1, 1, 0, dtype, dtype, null),
    )
    measure(`${k}->${n} NN`, work, () =>
      run('tt_matmul', x, y, w, 1, rows, k, n, ...zero, 0, 0, 1, 0, dtype, dtype, null),
    )
    measure(`${k}->${n} TN`, work, () =>
      run('tt_matmul', dw, y, x, 1, n, k, rows, ...zero, 1, 0, 1, 0, F32, dtype, null),
    )
    free(x, w, y, dw)
  }
}

function linear(): void {
  for (const [k, n] of SHAPES.slice(0, 4)) {
    const [x, dx, w, y, dy] = [rows * k, rows * k, n * k, rows * n, rows * n].map((size) => random(size))
    for (const rank of [0, 16]) {
      const sizes = [rank * k, n * rank, rank * k, n * rank, rows * rank]
      const [a, b, da, db, xa] = sizes.map((size) => (rank ? random(size, F32) : null))
      const [plain, pair] = [2 * rows * n * k, 2 * rows * rank * (n + k)]
      const shape = [rows, k, n, rank, 1, 0] as const
      measure(`${k}->${n} forward rank ${rank}`, plain + pair, () =>
        run('tt_linear_forward', y, xa, x, w, null, a, b, null, ...shape, dtype, null),
      )
      measure(`${k}->${n} backward rank ${rank}`, plain + 2 * pair, () =>
        run('tt_linear_backward', dx, null, null, da, db, dy, x, xa, w, a, b, null, ...shape, 0, dtype, null),
      )
      if (rank) free(...[a, b, da, db, xa].filter((address) => address !== null))
    }
    free(x, dx, w, y, dy)
  }
}

function crossEntropy(): void {
  const [cols, vocab] = [576, 49152]
  const [h, dh, w] = [random(rows * cols), random(rows * cols), random(vocab * cols)]
  const targets = Int32Array.from({ length: rows }, (_, i) => (i * 31) % vocab)
  const sizes = [rows, cols, vocab, 1, 0, dtype] as const
  const call = (gradient: number | null): void =>
    run('tt_linear_cross_entropy', new Float32Array(1), null, gradient, null, h, w, targets, ...sizes, null)
  measure('loss', 2 * rows * cols * vocab, () => call(null))
  measure('loss and dh', 4 * rows * cols * vocab, () => call(dh))
}

/** Generation: bound by reading the weights. */
function small(): void {
  const [k, n] = [576, 49152]
  for (const [m, type] of [
    [1, BF16],
    [4, BF16],
    [16, BF16],
    [1, F32],
    [16, F32],
  ] as const) {
    const [x, w, y] = [random(m * k, type), random(n * k, type), random(m * n, type)]
    let best = Infinity
    for (let i = 0; i < 20; i++) {
      const t = performance.now()
      run('tt_linear_forward', y, null, x, w, null, null, null, null, m, k, n, 0, 1, 0, type, null)
      best = Math.min(best, performance.now() - t)
    }
    const rate = (n * k * (type === F32 ? 4 : 2)) / best / 1e6
    console.log(
      `rows ${m} ${type === F32 ? 'f32' : 'bf16'}: ${best.toFixed(2)} ms, ${rate.toFixed(1)} GB/s of weights`,
    )
    free(x, w, y)
  }
}

run('tt_init', 0, Number(threads), 0)
if (what === 'linear') linear()
else if (what === 'ce') crossEntropy()
else if (what === 'small') small()
else products()
