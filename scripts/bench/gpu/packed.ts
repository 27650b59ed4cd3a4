/**
 * Layers with few rows, as in generation (NF4 and ternary weights against full ones), what LoRA costs on top of a layer,
 * and hypervectors against our own CPU library.
 */
import { openLibrary } from '../../../core/native/library.ts'
import { openCpu } from '../../../plugins/cpu/mod.ts'
import { empty, tensor, type Device } from '../../../core/mod.ts'
import type { CheckedFunctions } from '../../../core/native/library.ts'
import { type Rig, setsFor } from './rig.ts'

const [BF16, F32] = [1, 0]

/** weight of tt_dequantize and tt_linear_quantized_*: kind, data, scale, nested, block, bits of the offset, 0, 0. */
function packedWeight(kind: number, data: number, scale: number, block: number): BigInt64Array {
  return BigInt64Array.from([kind, data, scale, 0, block, 0, 0, 0], BigInt)
}

export async function packed(rig: Rig): Promise<void> {
  const [out, inputs] = rig.size([4096, 4096], [64, 64])
  for (const rows of rig.size([1, 2, 4, 8, 16], [1, 3])) {
    await rig.part(`NF4, ${rows} rows`, async () => {
      const { call } = rig
      const n = out * inputs
      const sets = Array.from({ length: setsFor(n / 2) }, () => {
        const [w, data, scale] = [
          rig.random([n], 'bf16', 0.02),
          rig.empty([n / 2], 'u8'),
          rig.empty([n / 64], 'f32'),
        ]
        call.tt_quantize_4bit(data.address, scale.address, w.address, n, 64, 0, BF16, 0)
        return packedWeight(0, data.address, scale.address, 64)
      })
      const full = Array.from({ length: setsFor(2 * n) }, () => rig.random([out, inputs], 'bf16', 0.02))
      const [x, y] = [rig.random([rows, inputs]), rig.empty([rows, out])]
      const quantized = rig.time((i) =>
        call.tt_linear_quantized_forward(
          y.address,
          0,
          x.address,
          sets[i % sets.length],
          0,
          0,
          0,
          null,
          rows,
          inputs,
          out,
          0,
          0,
          0,
          0,
          BF16,
          0,
        ),
      )
      const plain = rig.time((i) =>
        call.tt_linear_forward(
          y.address,
          0,
          x.address,
          full[i % full.length].address,
          0,
          0,
          0,
          null,
          rows,
          inputs,
          out,
          0,
          0,
          0,
          BF16,
          0,
        ),
      )
      const torch = await rig.torch({ op: 'linear', mode: 'forward', shape: { rows, in: inputs, out } })
      const bytes = n * (0.5 + 4 / 64)
      rig.report({
        name: `NF4 linear ${inputs}→${out}, ${rows} rows`,
        ours: quantized * 1e6,
        theirs: torch && Number(torch.seconds) * 1e6,
        unit: 'µs',
        ratio: torch && Number(torch.seconds) / quantized,
        note: `${(bytes / quantized / 1e9).toFixed(0)} GB/s; torch in bf16; our bf16 ${(plain * 1e6).toFixed(1)} µs`,
      })
    })
    await rig.part(`ternary, ${rows} rows`, () => {
      const { call } = rig
      const n = out * inputs
      const sets = Array.from({ length: setsFor(n / 4) }, () => {
        const [w, data, scale] = [
          rig.random([out, inputs], 'bf16', 0.02),
          rig.empty([n / 4], 'u8'),
          rig.empty([1], 'f32'),
        ]
        call.tt_quantize_ternary(data.address, scale.address, w.address, out, inputs, 0, BF16, 0)
        return packedWeight(3, data.address, scale.address, 0)
      })
      const full = Array.from({ length: setsFor(4 * n) }, () => rig.random([out, inputs], 'f32', 0.02))
      const [x, y] = [rig.random([rows, inputs], 'f32'), rig.empty([rows, out], 'f32')]
      const ternary = rig.time((i) =>
        call.tt_linear_quantized_forward(
          y.address,
          0,
          x.address,
          sets[i % sets.length],
          0,
          0,
          0,
          null,
          rows,
          inputs,
          out,
          0,
          0,
          0,
          0,
          F32,
          0,
        ),
      )
      const plain = rig.time((i) =>
        call.tt_linear_forward(
          y.address,
          0,
          x.address,
          full[i % full.length].address,
          0,
          0,
          0,
          null,
          rows,
          inputs,
          out,
          0,
          0,
          0,
          F32,
          0,
        ),
      )
      rig.report({
        name: `ternary linear ${inputs}→${out}, ${rows} rows, against our f32`,
        ours: ternary * 1e6,
        unit: 'µs',
        ratio: plain / ternary,
        note: `f32 ${(plain * 1e6).toFixed(1)} µs`,
      })
    })
  }
}

/** y = x·Wᵀ with and without a LoRA of rank 16, both ways. */
export async function lora(rig: Rig): Promise<void> {
  const n = rig.size(4096, 64)
  const rank = rig.size(16, 8)
  for (const rows of rig.size([4096, 512], [32])) {
    await rig.part(`LoRA, ${rows} rows`, async () => {
      const { call } = rig
      const sets = Array.from({ length: Math.min(4, setsFor(6 * rows * n)) }, () => ({
        x: rig.random([rows, n]),
        dy: rig.random([rows, n]),
        y: rig.empty([rows, n]),
        dx: rig.empty([rows, n]),
      }))
      const w = rig.random([n, n], 'bf16', 1 / Math.sqrt(n))
      const [a, b, da, db] = [
        rig.random([rank, n], 'f32'),
        rig.random([n, rank], 'f32'),
        rig.random([rank, n], 'f32'),
        rig.random([n, rank], 'f32'),
      ]
      const xa = rig.empty([rows, rank], 'f32')
      const forward = (i: number, r: number): void => {
        const { x, y } = sets[i % sets.length]
        const at = (address: number): number => (r > 0 ? address : 0)
        call.tt_linear_forward(
          y.address,
          at(xa.address),
          x.address,
          w.address,
          0,
          at(a.address),
          at(b.address),
          null,
          rows,
          n,
          n,
          r,
          2,
          0,
          BF16,
          0,
        )
      }
      const backward = (i: number, r: number): void => {
        const { x, dy, dx } = sets[i % sets.length]
        const at = (address: number): number => (r > 0 ? address : 0)
        call.tt_linear_backward(
          dx.address,
          0,
          0,
          at(da.address),
          at(db.address),
          dy.address,
          x.address,
          at(xa.address),
          w.address,
          at(a.address),
          at(b.address),
          null,
          rows,
          n,
          n,
          r,
          2,
          0,
          0,
          BF16,
          0,
        )
      }
      const times = {
        plain: rig.time((i) => forward(i, 0)),
        lora: rig.time((i) => forward(i, rank)),
        plainBoth: rig.time((i) => (forward(i, 0), backward(i, 0))),
        loraBoth: rig.time((i) => (forward(i, rank), backward(i, rank))),
      }
      const torch = await rig.torch({ op: 'lora_linear', mode: 'both', shape: { rows, in: n, out: n, rank } })
      const micro = (seconds: number): string => `${(seconds * 1e6).toFixed(0)} µs`
      rig.report({
        name: `what LoRA r${rank} adds to a forward of ${n}², ${rows} rows`,
        ours: (times.lora - times.plain) * 1e6,
        unit: 'µs',
        note: `${micro(times.plain)} → ${micro(times.lora)}`,
      })
      rig.report({
        name: `what it adds to both ways`,
        ours: (times.loraBoth - times.plainBoth) * 1e6,
        unit: 'µs',
        note: `${micro(times.plainBoth)} → ${micro(times.loraBoth)}`,
      })
      rig.report({
        name: `LoRA both ways, ${n}², ${rows} rows`,
        ours: times.loraBoth * 1e6,
        theirs: torch && Number(torch.seconds) * 1e6,
        unit: 'µs',
        ratio: torch && Number(torch.seconds) / times.loraBoth,
      })
    })
  }
}

/** TT_VSA_BIND of tritune.h */
const BIND = 1

/** Bind and bundle of ternary hypervectors: the GPU against the CPU library of this machine. */
export async function vsa(rig: Rig): Promise<void> {
  const [rows, dims, count] = rig.size([65536, 10240, 64], [16, 320, 4])
  await rig.part('VSA', () => {
    const cpu = openCpu()
    const here = vsaTimes({ device: rig.device, call: rig.call, time: rig.time }, { rows, dims, count })
    const there = vsaTimes(
      { device: cpu, call: openLibrary('cpu').call, time: wallTime },
      { rows, dims, count },
    )
    for (const op of ['bind', 'bundle'] as const)
      rig.report({
        name: `VSA ${op}, ${rows} × ${dims}`,
        ours: here[op] * 1e6,
        unit: 'µs',
        ratio: there[op] / here[op],
        note: `our CPU: ${(there[op] * 1e6).toFixed(0)} µs`,
      })
  })
}

interface VsaSide {
  readonly device: Device
  readonly call: CheckedFunctions
  time(body: (i: number) => void): number
}

function vsaTimes(
  { device, call, time }: VsaSide,
  { rows, dims, count }: { readonly rows: number; readonly dims: number; readonly count: number },
): { bind: number; bundle: number } {
  const words = 2 * Math.ceil(dims / 32)
  // +1 and −1 must not both be marked: the second plane is empty.
  const plane = Int32Array.from({ length: rows * words }, (_, i) =>
    i % words < words / 2 ? Math.imul(i, 2654435761) : 0,
  )
  using a = tensor(plane, { shape: [rows, words], dtype: 'i32', device })
  using b = tensor(
    plane.toReversed().map((_, i) => (i % words < words / 2 ? Math.imul(i, 40503) : 0)),
    { shape: [rows, words], dtype: 'i32', device },
  )
  using y = empty([rows, words], { dtype: 'i32', device })
  return {
    bind: time(() => call.tt_vsa_combine(y.address, a.address, b.address, rows, rows, dims, BIND, 0)),
    bundle: time(() => call.tt_vsa_bundle(y.address, a.address, 0, rows / count, count, dims, 0)),
  }
}

function wallTime(body: (i: number) => void): number {
  body(0)
  const times = Array.from({ length: 5 }, (_, i) => {
    const began = performance.now()
    body(i)
    return (performance.now() - began) / 1000
  })
  return times.toSorted((p, q) => p - q)[2]
}
