/** Runs attention of the CUDA library on device memory, raw: what it writes, on buffers that held NaN. */
import { type NativeLibrary, openLibrary } from '../../core/native/library.ts'
import type { AttentionCase } from '../native/_attention.ts'
import { BF16, F32 } from '../native/_library.ts'
import { type Dtype, type Stored, type Tolerance, blank, normal, pack } from '../native/_numbers.ts'

export const library: NativeLibrary = openLibrary('cuda-emulated')
library.call.tt_init(0, 0, 0)

const out = new BigInt64Array(1)

const bytesOf = (array: Stored | Int32Array): Uint8Array =>
  new Uint8Array(array.buffer, array.byteOffset, array.byteLength)

/** Device memory with the array in it, `shift` bytes behind an aligned address. */
class Block {
  readonly address: number
  private readonly base: number
  constructor(
    readonly host: Stored | Int32Array,
    shift = 0,
  ) {
    library.call.tt_alloc(out, host.byteLength + shift)
    this.base = Number(out[0])
    this.address = this.base + shift
    library.call.tt_upload(this.address, bytesOf(host), host.byteLength, 0)
  }
  /** Copies back what the device wrote. */
  read(): Stored | Int32Array {
    const copy = this.host.slice()
    library.call.tt_download(bytesOf(copy), this.address, copy.byteLength, 0)
    return copy
  }
  [Symbol.dispose](): void {
    library.call.tt_free(this.base)
  }
}

export interface AttentionRun {
  readonly o: Stored
  readonly lse: Float32Array
  readonly dq: Stored
  readonly dk: Stored
  readonly dv: Stored
}

export interface AttentionData {
  readonly q: Float64Array
  readonly k: Float64Array
  readonly v: Float64Array
  readonly dO: Float64Array
}

/** Seeded inputs of a case. */
export function attentionData(c: AttentionCase, dtype: Dtype): AttentionData {
  const [tq, tk] = [c.offsetsQ.at(-1) ?? 0, c.offsetsK.at(-1) ?? 0]
  const [queries, keys] = [tq * c.heads * c.size, tk * c.kvHeads * c.size]
  return {
    q: normal(queries, 1, dtype),
    k: normal(keys, 2, dtype),
    v: normal(keys, 3, dtype),
    dO: normal(queries, 4, dtype),
  }
}

/** Forward and, unless told otherwise, backward. `shift`: bytes that q lies behind an aligned address. */
export function runAttention(
  c: AttentionCase,
  dtype: Dtype,
  data: AttentionData,
  { shift = 0, backward = true }: { readonly shift?: number; readonly backward?: boolean } = {},
): AttentionRun {
  const tokens = [c.offsetsQ.at(-1) ?? 0, c.offsetsK.at(-1) ?? 0] as const
  using stack = new DisposableStack()
  const upload = (host: Stored | Int32Array, by = 0): Block => stack.use(new Block(host, by))
  const [q, k, v] = [
    upload(pack(data.q, dtype), shift),
    upload(pack(data.k, dtype)),
    upload(pack(data.v, dtype)),
  ]
  const [offsetsQ, offsetsK] = [upload(Int32Array.from(c.offsetsQ)), upload(Int32Array.from(c.offsetsK))]
  const o = upload(blank(data.q.length, dtype))
  const lse = upload(new Float32Array(tokens[0] * c.heads).fill(Number.NaN))
  const inputs = [q.address, k.address, v.address, offsetsQ.address, offsetsK.address] as const
  const settings = [
    c.offsetsQ.length - 1,
    ...tokens,
    c.heads,
    c.kvHeads,
    c.size,
    c.scale,
    c.causal ? 1 : 0,
    c.window,
    c.softcap,
    dtype,
    0,
  ] as const
  library.call.tt_attention_forward(o.address, lse.address, ...inputs, ...settings)
  const [dq, dk, dv] = [data.q, data.k, data.v].map((x) => upload(blank(x.length, dtype)))
  if (backward) {
    const dO = upload(pack(data.dO, dtype))
    library.call.tt_attention_backward(
      dq.address,
      dk.address,
      dv.address,
      dO.address,
      o.address,
      lse.address,
      ...inputs,
      ...settings,
    )
  }
  library.call.tt_synchronize(0)
  const read = (block: Block): Stored => block.read() as Stored
  return { o: read(o), lse: read(lse) as Float32Array, dq: read(dq), dk: read(dk), dv: read(dv) }
}

// bf16 rounds the probabilities on the way into the tile multiplications, beside the rounding of the result.
export const FORWARD: Readonly<Record<Dtype, Tolerance>> = {
  [F32]: { rel: 1e-5, abs: 2e-6 },
  [BF16]: { rel: 8e-3, abs: 8e-3 },
}
export const LSE: Readonly<Record<Dtype, Tolerance>> = {
  [F32]: { rel: 1e-6, abs: 3e-6 },
  [BF16]: { rel: 1e-5, abs: 1e-5 },
}
export const BACKWARD: Readonly<Record<Dtype, Tolerance>> = {
  [F32]: { rel: 2e-5, abs: 1e-5 },
  [BF16]: { rel: 1.2e-2, abs: 3e-2 },
}
