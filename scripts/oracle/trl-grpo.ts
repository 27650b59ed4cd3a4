/**
 * `bun run oracle trl-grpo`: GRPO beside trl on fixed completions, computed by Python now: advantages, log-probabilities, losses, metrics and
 * gradients of every loss.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openCpu } from '../../plugins/cpu/mod.ts'
import { relativeError } from '../../tests/_golden.ts'
import { openTrlGolden, runCase, trlGradient, unmasked } from '../../tests/plugins/grpo/_trl.ts'
import { pythonVersions, runPython } from './_python.ts'
import { atMost, formatRow, type Row } from './_row.ts'

const TOLERANCE = 1e-5

/** True when every row is within its tolerance. */
export function runTrlGrpo(python: string): boolean {
  const device = openCpu()
  console.log(`${device.description}; ${pythonVersions(python)}\n`)
  const folder = mkdtempSync(join(tmpdir(), 'tritune-grpo-'))
  try {
    runPython(python, 'tests/oracle/grpo.py', [folder])
    const golden = openTrlGolden(folder)
    const rows = Object.keys(golden.cases).flatMap((name) => rowsOf(golden, name))
    for (const row of rows) console.log(formatRow(row))
    const bad = rows.filter(({ ok }) => !ok).length
    console.log(`\n${rows.length - bad} of ${rows.length} comparisons are within their tolerance`)
    return bad === 0
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }

  function rowsOf(golden: ReturnType<typeof openTrlGolden>, name: string): Row[] {
    const theirs = golden.cases[name]
    const ours = runCase(golden, name, device)
    const metrics = Object.entries(ours.metrics).map(([key, value]) => Math.abs(value - theirs.metrics[key]))
    const gradients = Array.from(ours.gradients, ([key, gradient]) =>
      relativeError(gradient, trlGradient(golden, name, key)),
    )
    const compared = (a: readonly (readonly number[])[], b: readonly (readonly number[])[]): number =>
      relativeError(unmasked(golden, name, a), unmasked(golden, name, b))
    return [
      atMost(`${name}: advantages`, relativeError(ours.advantages, theirs.advantages), TOLERANCE),
      atMost(`${name}: log p`, compared(ours.logProbs, theirs.logProbs), TOLERANCE),
      ...(theirs.reference
        ? [atMost(`${name}: log p of the reference`, compared(ours.reference, theirs.reference), TOLERANCE)]
        : []),
      atMost(`${name}: loss`, Math.abs(ours.loss - theirs.loss), TOLERANCE),
      atMost(`${name}: clipped parts, KL`, Math.max(0, ...metrics), TOLERANCE),
      atMost(`${name}: gradients`, Math.max(...gradients), TOLERANCE),
    ]
  }
}
