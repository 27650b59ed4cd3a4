/**
 * Two builds of the CPU library in one process, the same calls in turn: is one slower than the other?
 *
 * For changes of the sources (before and after) and of the compiler. Ratios are times of `before` to those of `after`: above
 * 1 the second is faster.
 */
import { resolve } from 'node:path'
import { TrituneError } from '../../../core/errors.ts'
import { libraryCandidates, type NativeLibrary, openLibraryAt } from '../../../core/native/library.ts'
import { inTurn, median, medianRatio } from '../_measure.ts'
import type { BenchContext, Row, Topic } from '../_topic.ts'

/** Lowest ratio: a build that is 3 % slower is one to look at. */
const FLOOR = 0.97
const ELEMENTS = 1 << 22

interface Buffers {
  readonly a: number
  readonly b: number
  readonly c: number
  readonly d: number
  readonly e: number
  readonly f: number
  /** The numbers of a in bf16. */
  readonly halves: number
  /** Borders of DOCUMENTS texts. */
  readonly offsets: number
  readonly rng: Uint32Array
}

type Call = (library: NativeLibrary, at: Buffers) => void

function product(m: number, n: number, k: number, transA: number, transB: number, dtype: number): Call {
  return ({ call }, { a, b, c }) =>
    call.tt_matmul(c, a, b, 1, m, n, k, 0, 0, 0, transA, transB, 1, 0, dtype, dtype, 0)
}

const [F32, BF16] = [0, 1]
const [DOCUMENTS, TOKENS] = [4, 2048]

/** Forward and backward, causal, heads as SmolLM2 has them. */
function attention(dtype: number): Call {
  return ({ call }, { a, b, c, d, e, f, halves, offsets }) => {
    const x = dtype === BF16 ? halves : a
    const sizes = [DOCUMENTS, TOKENS, TOKENS, 9, 3, 64] as const
    const rest = [0.125, 1, 0, 0, dtype, 0] as const
    call.tt_attention_forward(c, f, x, x, x, offsets, offsets, ...sizes, ...rest)
    call.tt_attention_backward(b, d, e, x, c, f, x, x, x, offsets, offsets, ...sizes, ...rest)
  }
}

const CASES: Readonly<Record<string, Call>> = {
  'matmul 2048×576×576, f32': product(2048, 576, 576, 0, 1, F32),
  'matmul 2048×192×576, f32': product(2048, 192, 576, 0, 1, F32),
  'matmul 2048×576×1536, f32': product(2048, 576, 1536, 0, 0, F32),
  'matmul 576×1536×2048, f32': product(576, 1536, 2048, 1, 0, F32),
  'matmul 2048×1536×576, bf16': product(2048, 1536, 576, 0, 1, BF16),
  'matmul 4×1536×576, f32': product(4, 1536, 576, 0, 1, F32),
  'attention 4 × 512, f32': attention(F32),
  'attention 4 × 512, bf16': attention(BF16),
  'rms_norm, f32': ({ call }, { a, b, c, d }) =>
    call.tt_rms_norm_forward(c, 0, d, a, 0, b, 2048, 576, 1e-5, F32, 0),
  'rms_norm, bf16': ({ call }, { a, b, c, d }) =>
    call.tt_rms_norm_forward(c, 0, d, a, 0, b, 2048, 576, 1e-5, BF16, 0),
  'swiglu, f32': ({ call }, { a, b, c }) => call.tt_swiglu_forward(c, a, b, 1 << 21, F32, 0),
  'swiglu backward, bf16': ({ call }, { a, b, c, d }) =>
    call.tt_swiglu_backward(c, d, a, b, a, 1 << 21, BF16, 0),
  'softmax, f32': ({ call }, { a, c }) => call.tt_softmax_forward(c, a, 2048, 1024, F32, 0),
  'dropout, f32': ({ call }, { a, c, rng }) => call.tt_dropout(c, a, rng, 1 << 21, 0.1, F32, 0),
  'cast to bf16': ({ call }, { a, c }) => call.tt_cast(c, a, ELEMENTS, BF16, F32, 0),
  'gelu, f32': ({ call }, { a, c }) => call.tt_unary_forward(c, a, 1 << 21, 14, F32, 0),
}

export const libraries: Topic = { name: 'libraries', run: compare }

async function compare({ before, after, threads, isa, quick, only, progress }: BenchContext): Promise<Row[]> {
  if (after === null)
    throw new TrituneError('E_USAGE', 'libraries compares two builds: --after is missing', {
      remedy: '--after native/build/linux-x64-zig/libtritune_cpu.so, or whatever was built',
    })
  const libraries = [before ?? libraryCandidates('cpu')[0], after].map((path) => openLibraryAt(resolve(path)))
  const buffers = libraries.map((library) => {
    library.call.tt_init(0, threads, isa)
    return allocate(library)
  })
  const rows: Row[] = []
  for (const [name, call] of Object.entries(CASES)) {
    if (only !== null && !name.includes(only)) continue
    progress(name)
    const time = (i: number) => (): number => {
      const started = performance.now()
      for (let n = 0; n < 3; n++) call(libraries[i], buffers[i])
      return performance.now() - started
    }
    const turns = { repeat: quick ? 15 : 61, warmup: 2, maxSeconds: quick ? 2 : 8 }
    const times = await inTurn({ before: time(0), after: time(1) }, turns)
    rows.push({
      name,
      ours: median(times.after) / 3,
      peer: median(times.before) / 3,
      unit: 'ms',
      ratio: medianRatio(times.before, times.after),
      floor: FLOOR,
      goal: null,
      better: 'higher',
    })
  }
  return rows
}

/** Numbers between −0.5 and 0.5 in every buffer. */
function allocate({ call, view }: NativeLibrary): Buffers {
  const bytes = ELEMENTS * 4
  const take = (): number => {
    const out = new BigInt64Array(1)
    call.tt_alloc(out, bytes)
    return Number(out[0])
  }
  const make = (): number => {
    const address = take()
    const values = new Float32Array(view(address, bytes))
    for (let i = 0; i < ELEMENTS; i++) values[i] = ((Math.imul(i, 2654435761) >>> 0) % 1000) / 1000 - 0.5
    return address
  }
  const [a, halves, offsets] = [make(), take(), take()]
  call.tt_cast(halves, a, ELEMENTS, BF16, F32, 0)
  const borders = new Int32Array(view(offsets, 4 * (DOCUMENTS + 1)))
  for (let i = 0; i <= DOCUMENTS; i++) borders[i] = (i * TOKENS) / DOCUMENTS
  const rng = Uint32Array.of(1, 2, 3, 4, 0, 0)
  return { a, b: make(), c: make(), d: make(), e: make(), f: make(), halves, offsets, rng }
}
