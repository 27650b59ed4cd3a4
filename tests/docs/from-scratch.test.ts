/**
 * docs/examples/from-scratch.yaml, run as it is: the held-out loss falls, and what it leaves writes text and is the base of a next run.
 */
import { expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { openCpu } from '../../plugins/cpu/mod.ts'
import { prepareRun, readFinetuneConfig, train } from '../../plugins/finetune/mod.ts'
import { generate } from '../../plugins/generate/mod.ts'
import { countParameters, loadModel, TRITTER_PRESETS } from '../../plugins/models/mod.ts'
import { loadTokenizer } from '../../plugins/tokenizer/mod.ts'
import { temporaryFolder } from '../_golden.ts'

const ROOT = join(import.meta.dir, '../..')
const EXAMPLE = join(ROOT, 'docs/examples/from-scratch.yaml')
const PAGE = readFileSync(join(ROOT, 'docs/guides/from-scratch.md'), 'utf8')

test('the example lowers the held-out loss, and its model goes on', async () => {
  using folder = temporaryFolder()
  const text = readFileSync(EXAMPLE, 'utf8').replaceAll('quickstart/', `${ROOT}/quickstart/`)
  const out = join(folder.path, 'out')
  const device = openCpu({ threads: 1 })
  const evaluations: number[] = []
  const run = async (yaml: string, overrides: readonly string[]): Promise<void> => {
    using prepared = await prepareRun(readFinetuneConfig(yaml, 'run.yaml', { overrides }), { device })
    await train(prepared, {
      onEvent: (event) => event.type === 'eval' && evaluations.push(event.loss),
    })
  }
  await run(text, [`output_dir=${out}`])
  expect(evaluations.length).toBeGreaterThanOrEqual(3)
  // Of 512 tokens all alike it would be ln 512 = 6.24.
  expect(evaluations[0]).toBeLessThan(5.5)
  expect(evaluations.at(-1)).toBeLessThan(evaluations[0] - 0.4)
  {
    using model = loadModel(out, { device })
    const tokenizer = loadTokenizer(out)
    const ids = [
      ...generate(model, tokenizer.encode('The whale'), { maxNewTokens: 24, temperature: 0, stopIds: [] }),
    ]
    expect(tokenizer.decode(ids)).toMatch(/[a-z]{2,} [a-z]{2,}/)
  }
  const best = evaluations.at(-1) ?? 0
  const { length } = evaluations
  await run(
    `base_model: ${out}\nadapter: lora\nlora_target_linear: true\nlearning_rate: 1e-3\nmax_steps: 4\neval_steps: 4
datasets: [{ path: ${ROOT}/quickstart/moby-dick.train.jsonl, type: completion }]
test_datasets: [{ path: ${ROOT}/quickstart/moby-dick.eval.jsonl, type: completion }]
sequence_len: 256\nsample_packing: true\noutput_dir: ${folder.path}/adapter\n`,
    [],
  )
  expect(evaluations).toHaveLength(length + 1)
  expect(Math.abs(evaluations[length] - best)).toBeLessThan(0.1)
}, 300_000)

test('the page has the parameters of every preset, and its runs are right', () => {
  for (const [name, config] of Object.entries(TRITTER_PRESETS)) {
    const written = new RegExp(`^\\| \`${name}\` \\|.*\\| ([\\d ]+) \\|$`, 'm').exec(PAGE)?.[1]
    expect([name, Number(written?.replaceAll(' ', ''))]).toEqual([name, countParameters(config)])
  }
  const blocks = [...PAGE.matchAll(/```yaml\n([^]*?)```/g)].map(([, code]) => code)
  expect(blocks).toHaveLength(3)
  for (const code of blocks) expect(readFinetuneConfig(code, 'page.yaml').reinit_weights).toBe(true)
})
