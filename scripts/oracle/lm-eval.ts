/**
 * `bun run oracle lm-eval`: measures beside lm-evaluation-harness, which runs now (tests/oracle/lm_eval.py) on the same items and the same model,
 * there in f64 and here in f32: log-likelihoods, accuracies with their standard errors, perplexities, texts.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { openCpu } from '../../plugins/cpu/mod.ts'
import { loadModel } from '../../plugins/models/mod.ts'
import { loadTokenizer } from '../../plugins/tokenizer/mod.ts'
import { temporaryFolder } from '../../tests/_golden.ts'
import { distanceOf, type Expected, ITEMS, TASK_FILES } from '../../tests/plugins/evaluate/_lm-eval.ts'
import { ROOT } from '../_setup.ts'
import { runPython } from './_python.ts'
import { atMost, formatRow, mustBe, type Row } from './_row.ts'
import { findSmollm2 } from './smollm2.ts'

/** True when everything is within its tolerance. */
export async function runLmEvalOracle(python: string, smollm2: string | undefined): Promise<boolean> {
  const device = openCpu()
  const models: [name: string, path: string, items: string[]][] = [
    ['bundled', join(ROOT, 'quickstart/model'), []],
  ]
  // Five hundred times as much to compute: some of the items.
  if (smollm2 !== 'none') models.push(['SmolLM2', smollm2 ?? findSmollm2(python), ['4']])
  const rows: Row[] = []
  for (const [name, path, items] of models) {
    using temporary = temporaryFolder()
    const out = join(temporary.path, 'expected.json')
    runPython(python, 'tests/oracle/lm_eval.py', ['run', ITEMS, path, out, ...items])
    const expected: Expected = JSON.parse(readFileSync(out, 'utf8'))
    if (rows.length === 0) console.log(`${device.description}; lm-eval ${expected.lm_eval}`)
    using model = loadModel(path, { device, dtype: 'f32' })
    for (const task of Object.keys(TASK_FILES)) {
      const { compared, logLikelihood, relative, measure, texts } = await distanceOf(
        model,
        loadTokenizer(path),
        task,
        expected,
      )
      // Of whole texts, which are sums over any number of tokens, in parts of their size.
      if (task === 'rolling')
        rows.push(atMost(`${name}, ${task}: log-likelihoods, of their size`, relative, 1e-6))
      else if (task !== 'write') rows.push(atMost(`${name}, ${task}: log-likelihoods`, logLikelihood, 1e-4))
      rows.push(
        atMost(`${name}, ${task}: measures (${compared} numbers)`, compared > 1 ? measure : Number.NaN, 1e-5),
      )
      if (task === 'write')
        rows.push(mustBe(`${name}, ${task}: texts that differ`, String(texts), '0', texts === 0))
    }
  }
  for (const row of rows) console.log(formatRow(row))
  return rows.every(({ ok }) => ok)
}
