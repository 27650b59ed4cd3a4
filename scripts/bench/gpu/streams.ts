/**
 * Ops that are limited by memory, as a share of what a large copy reaches: norms, rope, swiglu, AdamW, NF4.
 */
import { copyBandwidth } from './environment.ts'
import { type Rig, setsFor } from './rig.ts'

interface Stream {
  readonly name: string
  /** Bytes that must move, once. */
  readonly bytes: number
  readonly peer?: Readonly<Record<string, unknown>>
  /** Makes one set of tensors and gives the call on them. */
  open(): () => void
}

const BF16 = 1

export async function streams(rig: Rig): Promise<void> {
  const { report } = rig
  let bandwidth = 0
  await rig.part('copy', () => {
    bandwidth = copyBandwidth(rig)
    report({ name: 'copy', ours: bandwidth / 1e9, unit: 'GB/s' })
  })
  for (const stream of streamsOf(rig)) {
    await rig.part(stream.name, async () => {
      const sets = Array.from({ length: setsFor(stream.bytes) }, () => stream.open())
      const seconds = rig.time((i) => sets[i % sets.length]())
      const torch = stream.peer ? await rig.torch(stream.peer) : null
      const rate = stream.bytes / seconds
      report({
        name: stream.name,
        ours: seconds * 1e6,
        theirs: torch ? Number(torch.seconds) * 1e6 : null,
        unit: 'µs',
        ratio: torch ? Number(torch.seconds) / seconds : null,
        share: rate / bandwidth,
        note: `${(rate / 1e9).toFixed(0)} GB/s${torch ? `; torch: ${String(torch.variant)}` : ''}`,
      })
    })
  }
}

function streamsOf(rig: Rig): Stream[] {
  const { call, size, random, empty, integers } = rig
  const [rows, cols] = size([8192, 4096], [8, 64])
  const heads = size(32, 2)
  const n = size(2 ** 27, 4096)
  const at = (tensor: { readonly address: number }): number => tensor.address
  return [
    {
      name: `rms_norm ${rows}×${cols}`,
      bytes: 2 * 2 * rows * cols,
      peer: { op: 'rms_norm', mode: 'forward', shape: { rows, cols } },
      open() {
        const [y, x, w, rstd] = [
          empty([rows, cols]),
          random([rows, cols]),
          random([cols]),
          empty([rows], 'f32'),
        ]
        return () => call.tt_rms_norm_forward(at(y), 0, at(rstd), at(x), 0, at(w), rows, cols, 1e-5, BF16, 0)
      },
    },
    {
      name: `residual + rms_norm ${rows}×${cols}`,
      bytes: 4 * 2 * rows * cols,
      open() {
        const [y, h, x, r] = [
          empty([rows, cols]),
          empty([rows, cols]),
          random([rows, cols]),
          random([rows, cols]),
        ]
        const [w, rstd] = [random([cols]), empty([rows], 'f32')]
        return () =>
          call.tt_rms_norm_forward(at(y), at(h), at(rstd), at(x), at(r), at(w), rows, cols, 1e-5, BF16, 0)
      },
    },
    {
      name: `rms_norm backward ${rows}×${cols}`,
      bytes: 4 * 2 * rows * cols,
      peer: { op: 'rms_norm', mode: 'backward', shape: { rows, cols } },
      open() {
        const [dx, dy, dh, h] = [
          empty([rows, cols]),
          random([rows, cols]),
          random([rows, cols]),
          random([rows, cols]),
        ]
        const [w, rstd] = [random([cols]), random([rows], 'f32')]
        return () =>
          call.tt_rms_norm_backward(at(dx), 0, at(dy), at(dh), at(h), at(w), at(rstd), rows, cols, BF16, 0)
      },
    },
    {
      name: `rope ${rows}×${heads}×128`,
      bytes: 2 * 2 * rows * heads * 128,
      peer: { op: 'rope', mode: 'forward', shape: { tokens: rows, heads, headDim: 128 } },
      open() {
        const [y, x] = [empty([rows, heads, 128]), random([rows, heads, 128])]
        const [cos, sin] = [random([rows, 64], 'f32'), random([rows, 64], 'f32')]
        const positions = integers(Int32Array.from({ length: rows }, (_, i) => i))
        return () =>
          call.tt_rope(at(y), at(x), at(cos), at(sin), at(positions), rows, heads, 128, 128, rows, 0, BF16, 0)
      },
    },
    {
      name: `swiglu ${rows}×${2 * cols}`,
      bytes: 3 * 2 * rows * 2 * cols,
      peer: { op: 'swiglu', mode: 'forward', shape: { rows, cols: 2 * cols } },
      open() {
        const [h, gate, up] = [empty([rows, 2 * cols]), random([rows, 2 * cols]), random([rows, 2 * cols])]
        return () => call.tt_swiglu_forward(at(h), at(gate), at(up), rows * 2 * cols, BF16, 0)
      },
    },
    {
      name: `swiglu backward ${rows}×${2 * cols}`,
      bytes: 5 * 2 * rows * 2 * cols,
      peer: { op: 'swiglu', mode: 'backward', shape: { rows, cols: 2 * cols } },
      open() {
        const shape = [rows, 2 * cols]
        const [dgate, dup, dh, gate, up] = [
          empty(shape),
          empty(shape),
          random(shape),
          random(shape),
          random(shape),
        ]
        return () =>
          call.tt_swiglu_backward(at(dgate), at(dup), at(dh), at(gate), at(up), rows * 2 * cols, BF16, 0)
      },
    },
    {
      name: `add_to ${n / 2 ** 20} M, bf16`,
      bytes: 3 * 2 * n,
      open() {
        const [y, x] = [random([n]), random([n])]
        return () => call.tt_add_to(at(y), at(x), n, BF16, BF16, 0)
      },
    },
    {
      name: `cast f32 → bf16, ${n / 2 ** 20} M`,
      bytes: 6 * n,
      open() {
        const [y, x] = [empty([n]), random([n], 'f32')]
        return () => call.tt_cast(at(y), at(x), n, BF16, 0, 0)
      },
    },
    {
      name: `sum_squares of ${n / 2 ** 20} M, f32`,
      bytes: 4 * n,
      open() {
        const [total, x] = [empty([8], 'u8'), random([n], 'f32')]
        call.tt_zero(at(total), 8, 0)
        return () => call.tt_sum_squares(at(total), at(x), n, 0, 0)
      },
    },
    {
      name: `adamw, ${n / 2 ** 20} M parameters`,
      bytes: 28 * n,
      peer: { op: 'adamw', shape: { numel: n } },
      open() {
        const [w, m, v, g] = [
          random([n], 'f32'),
          random([n], 'f32', 1e-3),
          random([n], 'f32', 1e-4),
          random([n], 'f32', 1e-2),
        ]
        call.tt_unary_forward(at(v), at(v), n, 11, 0, 0)
        return () =>
          call.tt_adamw(at(w), 0, at(m), at(v), at(g), n, 1e-4, 0.9, 0.999, 1e-8, 0.01, 0.1, 0.001, 1, 0, 0)
      },
    },
    {
      name: `adamw_8bit, ${n / 2 ** 20} M parameters`,
      bytes: 16 * n,
      open() {
        const [w, m8, v8, g] = [
          random([n], 'f32'),
          empty([n], 'u8'),
          empty([n], 'u8'),
          random([n], 'f32', 1e-2),
        ]
        const [mMax, vMax] = [empty([n / 256], 'f32'), empty([n / 256], 'f32')]
        for (const state of [m8, v8, mMax, vMax]) call.tt_zero(at(state), state.bytes, 0)
        const table = BigInt64Array.from(
          [at(w), 0, at(m8), at(v8), at(mMax), at(vMax), at(g), n, 0, 1],
          BigInt,
        )
        return () => call.tt_adamw_8bit(table, 1, 1e-4, 0.9, 0.999, 1e-8, 0.01, 0.1, 0.001, 1, 0)
      },
    },
    {
      name: `quantize NF4, ${n / 2 ** 20} M`,
      bytes: 2 * n + n / 2 + n / 16,
      open() {
        const [packed, absmax, x] = [empty([n / 2], 'u8'), empty([n / 64], 'f32'), random([n])]
        return () => call.tt_quantize_4bit(at(packed), at(absmax), at(x), n, 64, 0, BF16, 0)
      },
    },
    {
      name: `dequantize NF4, ${n / 2 ** 20} M`,
      bytes: 2 * n + n / 2 + n / 16,
      open() {
        const [packed, absmax, x] = [empty([n / 2], 'u8'), empty([n / 64], 'f32'), random([n])]
        call.tt_quantize_4bit(at(packed), at(absmax), at(x), n, 64, 0, BF16, 0)
        const width = size(4096, 64)
        const weight = BigInt64Array.from([0, at(packed), at(absmax), 0, 64, 0, 0, 0], BigInt)
        return () => call.tt_dequantize(at(x), weight, n / width, width, BF16, 0)
      },
    },
  ]
}
