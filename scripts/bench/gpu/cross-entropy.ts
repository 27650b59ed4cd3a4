/**
 * linear_cross_entropy, which never holds the logits, against logits and cross_entropy of torch: time and peak memory.
 */
import { numbersIn, type Rig } from './rig.ts'

export async function crossEntropy(rig: Rig): Promise<void> {
  const shapes = rig.size(
    [
      { tokens: 8192, hidden: 2048, vocab: 128256 },
      { tokens: 2048, hidden: 2048, vocab: 128256 },
      { tokens: 8192, hidden: 576, vocab: 49152 },
    ],
    [{ tokens: 24, hidden: 32, vocab: 200 }],
  )
  for (const shape of shapes) {
    const { tokens, hidden, vocab } = shape
    const name = `${tokens} tokens, ${hidden} → ${vocab}`
    await rig.part(name, async () => {
      const { call, report } = rig
      const [h, w] = [
        rig.random([tokens, hidden]),
        rig.random([vocab, hidden], 'bf16', 1 / Math.sqrt(hidden)),
      ]
      const targets = Int32Array.from({ length: tokens }, (_, i) => (i % 5 === 4 ? -100 : (i * 7919) % vocab))
      const [t, loss, dh] = [rig.integers(targets), rig.empty([1], 'f32'), rig.empty([tokens, hidden])]
      const nll = rig.empty([tokens], 'f32')
      const scale = 1 / tokens
      const body = (): void =>
        call.tt_linear_cross_entropy(
          loss.address,
          0,
          dh.address,
          0,
          h.address,
          w.address,
          t.address,
          tokens,
          hidden,
          vocab,
          scale,
          0,
          1,
          0,
        )
      call.tt_linear_cross_entropy(
        loss.address,
        nll.address,
        dh.address,
        0,
        h.address,
        w.address,
        t.address,
        tokens,
        hidden,
        vocab,
        scale,
        0,
        1,
        0,
      )
      checkRow(rig, name, {
        h: numbersIn(h),
        w: numbersIn(w),
        nll: numbersIn(nll),
        dh: numbersIn(dh),
        targets,
        hidden,
        vocab,
        scale,
      })
      const memory = rig.peak(body)
      const seconds = rig.time(body)
      const torch = await rig.torch({ op: 'linear_cross_entropy', shape })
      report({
        name: `loss and gradient of h, ${name}`,
        ours: seconds * 1e3,
        theirs: torch && Number(torch.seconds) * 1e3,
        unit: 'ms',
        ratio: torch && Number(torch.seconds) / seconds,
        note: `${((4 * tokens * hidden * vocab) / seconds / 1e12).toFixed(0)} TFLOP/s`,
      })
      report({
        name: `peak memory, ${name}`,
        ours: memory / 2 ** 20,
        theirs: torch && Number(torch.peakBytes) / 2 ** 20,
        unit: 'MiB',
        ratio: torch && Number(torch.peakBytes) / Math.max(1, memory),
      })
    })
  }
}

interface Row {
  readonly h: Float32Array
  readonly w: Float32Array
  readonly nll: Float32Array
  readonly dh: Float32Array
  readonly targets: Int32Array
  readonly hidden: number
  readonly vocab: number
  readonly scale: number
}

/** One row of nll and of dh in f64. */
function checkRow(
  { report }: Rig,
  name: string,
  { h, w, nll, dh, targets, hidden, vocab, scale }: Row,
): void {
  const row = Math.max(0, targets.length - 3)
  const logits = new Float64Array(vocab)
  for (let v = 0; v < vocab; v++) {
    let sum = 0
    for (let c = 0; c < hidden; c++) sum += h[row * hidden + c] * w[v * hidden + c]
    logits[v] = sum
  }
  const top = logits.reduce((a, b) => Math.max(a, b), -Infinity)
  const lse = top + Math.log(logits.reduce((sum, x) => sum + Math.exp(x - top), 0))
  const expected = new Float64Array(hidden)
  const trained = targets[row] >= 0
  for (let v = 0; v < (trained ? vocab : 0); v++) {
    const dz = scale * (Math.exp(logits[v] - lse) - Number(v === targets[row]))
    for (let c = 0; c < hidden; c++) expected[c] += dz * w[v * hidden + c]
  }
  const loss = trained ? lse - logits[targets[row]] : 0
  const lossError = Math.abs(nll[row] - loss) / Math.max(1, loss)
  let [error, size] = [0, 0]
  for (let c = 0; c < hidden; c++) {
    error += (dh[row * hidden + c] - expected[c]) ** 2
    size += expected[c] ** 2
  }
  const dhError = Math.sqrt(error / Math.max(size, 1e-300))
  report({ name: `nll of a row, ${name}`, ok: lossError < 1e-3, note: `error ${lossError.toExponential(1)}` })
  report({ name: `dh of a row, ${name}`, ok: dhError < 1e-2, note: `error ${dhError.toExponential(1)}` })
}
