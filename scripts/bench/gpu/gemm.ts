/**
 * Matrix products of each implementation (own tensor-core kernels, wgmma, cuBLASLt) against torch: right at sampled
 * elements in f64, and how fast.
 */
import { bf16ToNumber, type Tensor } from '../../../core/mod.ts'
import { messageOf, type Rig, setOption, setsFor } from './rig.ts'

/** tokens × in × out: of Llama-3.2-1B and of a square. */
const SHAPES: readonly (readonly [m: number, n: number, k: number])[] = [
  [8192, 8192, 8192],
  [4096, 4096, 4096],
  [8192, 2048, 2048],
  [8192, 8192, 2048],
  [8192, 2048, 8192],
  [2048, 512, 2048],
  [512, 4096, 4096],
]
const TINY: typeof SHAPES = [[48, 72, 40]]

/** As `tt_matmul` is called by a linear layer: forward x·Wᵀ, and the gradients of x and of W. */
const FLAVOURS = [
  { name: 'x·Wᵀ', transA: 0, transB: 1 },
  { name: 'dy·W', transA: 0, transB: 0 },
  { name: 'dyᵀ·x', transA: 1, transB: 0 },
] as const

export async function gemm(rig: Rig): Promise<void> {
  await products(rig, ['own', 'mma', 'cublaslt'])
}

/** Apart from the others, because a mistake in its barriers hangs the GPU: what comes after is told to do without it. */
export async function wgmma(rig: Rig): Promise<void> {
  await products(rig, ['wgmma', 'auto'])
}

async function products(rig: Rig, choices: readonly string[]): Promise<void> {
  const { call, report, size, options } = rig
  for (const [m, n, k] of size(SHAPES, TINY)) {
    await rig.part(`${m}×${n}×${k}`, async () => {
      const bytes = 2 * (m * k + n * k + m * n)
      const sets = Array.from({ length: setsFor(bytes) }, () => ({
        a: rig.random([m * k]),
        b: rig.random([n * k], 'bf16', 1 / Math.sqrt(k)),
        c: rig.empty([m * n]),
      }))
      const torch = await rig.torch({ op: 'matmul', shape: { m, n, k } })
      const flops = 2 * m * n * k
      for (const choice of choicesOf(rig, choices)) {
        for (const flavour of m === n && n === k && !options.quick ? FLAVOURS : FLAVOURS.slice(0, 1)) {
          const name = `${choice} ${m}×${n}×${k} ${flavour.name}`
          try {
            setOption(rig.call, 'gemm', choice)
            const body = (i: number): void => {
              const { a, b, c } = sets[i % sets.length]
              call.tt_matmul(
                c.address,
                a.address,
                b.address,
                1,
                m,
                n,
                k,
                m * n,
                m * k,
                n * k,
                flavour.transA,
                flavour.transB,
                1,
                0,
                1,
                1,
                0,
              )
            }
            body(0)
            const error = sampledError(sets[0], { m, n, k, ...flavour }, options.seed)
            const ours = flops / rig.time(body) / 1e12
            const theirs = torch ? flops / Number(torch.seconds) / 1e12 : null
            report({
              name,
              ok: error < 1e-2,
              ours,
              theirs,
              unit: 'TFLOP/s',
              ratio: theirs && ours / theirs,
              note: `error ${error.toExponential(1)}`,
            })
          } catch (error) {
            // What a build or a GPU does not have is no failure.
            const isAbsent = messageOf(error).includes('cannot be used')
            report({ name, ok: isAbsent ? null : false, note: messageOf(error).split('\n')[0] })
          }
        }
      }
      setOption(rig.call, 'gemm', options.gemm ?? 'auto')
    })
  }
}

/** Those that this build knows. */
function choicesOf(rig: Rig, all: readonly string[]): string[] {
  return all.filter((choice) => {
    try {
      setOption(rig.call, 'gemm', choice)
      return true
    } catch (error) {
      rig.report({ name: `gemm = ${choice}`, note: messageOf(error).split('\n')[0] })
      return false
    } finally {
      setOption(rig.call, 'gemm', 'auto')
    }
  })
}

export interface Product {
  readonly m: number
  readonly n: number
  readonly k: number
  readonly transA: number
  readonly transB: number
}

/**
 * Largest error of sampled elements in f64, as a share of the element and the typical size of one together: so a large
 * element may be off by its rounding to bf16.
 */
export function sampledError(
  { a, b, c }: { readonly a: Tensor; readonly b: Tensor; readonly c: Tensor },
  { m, n, k, transA, transB }: Product,
  seed: number,
): number {
  const [atA, atB, atC] = [a, b, c].map(readerOf)
  const samples: { readonly error: number; readonly expected: number }[] = []
  const count = 64
  for (let s = 0; s < count; s++) {
    // The corners, then all over.
    const i = s < 4 ? (s & 1) * (m - 1) : (s * 7919 + seed) % m
    const j = s < 4 ? (s >> 1) * (n - 1) : (s * 104729 + seed) % n
    let sum = 0
    for (let p = 0; p < k; p++) {
      sum += atA(transA ? p * m + i : i * k + p) * atB(transB ? j * k + p : p * n + j)
    }
    const got = atC(i * n + j)
    if (!Number.isFinite(got)) return Infinity
    samples.push({ error: Math.abs(got - sum), expected: Math.abs(sum) })
  }
  const typical = Math.sqrt(samples.reduce((all, { expected }) => all + expected ** 2, 0) / count)
  return Math.max(...samples.map(({ error, expected }) => error / (typical + expected)))
}

/** Reads single elements: a tensor of 8192² would be slow to convert as a whole. */
function readerOf(tensor: Tensor): (i: number) => number {
  const { buffer, byteOffset } = bytesOf(tensor)
  if (tensor.dtype === 'f32') {
    const values = new Float32Array(buffer, byteOffset, tensor.size)
    return (i) => values[i]
  }
  const bits = new Uint16Array(buffer, byteOffset, tensor.size)
  return (i) => bf16ToNumber(bits[i])
}

/** The bytes of a tensor on the device. */
export function bytesOf(tensor: Tensor): Uint8Array {
  return tensor.device.read?.(tensor.address, tensor.bytes) ?? new Uint8Array()
}
