/**
 * `bun run oracle vocabulary`: runs with new tokens, their adapters as PEFT loads them, their merged models as transformers loads them.
 */
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { saveModel } from '../../plugins/finetune/mod.ts'
import { loadModel } from '../../plugins/models/mod.ts'
import { adapterVocabulary, loadAdapter } from '../../plugins/peft/mod.ts'
import { loadTokenizer } from '../../plugins/tokenizer/mod.ts'
import { GOLDEN, logitsOf, relativeError, temporaryFolder } from '../../tests/_golden.ts'
import { type Changes, cpu, workspace } from '../../tests/plugins/finetune/_run.ts'
import { ROOT } from '../_setup.ts'
import { pythonVersions } from './_python.ts'

const TEXT = '<call>1 2 3<end>4'
const LARGEST = 1e-5
const CASES: Readonly<Record<string, readonly [model: Changes, run: Changes, tied: boolean]>> = {
  'rows, tied': [{}, {}, true],
  'rows, untied': [{ tie_word_embeddings: false }, {}, false],
  'whole tables': [{}, { lora_modules_to_save: ['embed_tokens', 'lm_head'] }, false],
  'whole, ensured': [
    {},
    { lora_modules_to_save: ['embed_tokens', 'lm_head'], peft_ensure_weight_tying: true },
    true,
  ],
}

interface Loaded {
  readonly ids: readonly number[]
  readonly same: boolean
  readonly logits: readonly number[]
  readonly adapter: number
  readonly merge: number
  readonly tied: boolean
}

/** True when every case is within its tolerance. */
export async function runVocabulary(python: string): Promise<boolean> {
  using temporary = temporaryFolder()
  console.log(`${cpu.description}; ${pythonVersions(python)}`)
  const made: { name: string; adapter: string; merged: string; text: string; logits: Float32Array }[] = []
  for (const [name, [model, run]] of Object.entries(CASES))
    made.push({
      name,
      text: TEXT,
      ...(await makeCase(join(temporary.path, `case ${made.length}`), model, run)),
    })
  const cases = join(temporary.path, 'cases.json')
  writeFileSync(cases, JSON.stringify(made))
  const { stdout, stderr, status } = spawnSync(python, [join(ROOT, 'tests/oracle/new_tokens.py'), cases], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, OMP_NUM_THREADS: '1' },
  })
  if (status !== 0) throw new Error(`tests/oracle/new_tokens.py: ${stderr.slice(-600)}`)
  const loaded = stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Loaded)
  console.log(`\n${'case'.padEnd(18)}        ids  transformers     in PEFT  PEFT merge     tied`)
  const good = made.map(({ name, logits, merged }, i) => {
    const { ids, same, adapter, merge, tied, logits: theirs } = loaded[i]
    const own = loadTokenizer(merged).encode(TEXT, { addSpecialTokens: false })
    const sameIds = same && own.join() === ids.join()
    const error = relativeError(logits, theirs)
    const isGood =
      sameIds && tied === CASES[name][2] && [error, adapter, merge].every((one) => one <= LARGEST)
    const cells = [error, adapter, merge].map((one) => one.toExponential(1).padStart(12)).join('')
    console.log(
      `${name.padEnd(18)}${(sameIds ? 'same' : 'differ').padStart(11)}${cells}${String(tied).padStart(9)}${isGood ? '' : ' ✗'}`,
    )
    return isGood
  })
  return good.every(Boolean)
}

// ---- helpers ----------------------------------------------------------------------------------------------------

async function makeCase(
  folder: string,
  model: Changes,
  run: Changes,
): Promise<{ adapter: string; merged: string; logits: Float32Array }> {
  const [base, adapter, merged] = ['base', 'adapter', 'merged'].map((name) => join(folder, name))
  mkdirSync(merged, { recursive: true })
  const { vocabSize } = loadTokenizer(join(GOLDEN, 'tokenizer/digits'))
  using space = workspace({ vocab_size: vocabSize, ...model })
  cpSync(join(space.path, 'model'), base, { recursive: true })
  await space.train({ base_model: base, tokens: ['<call>', '<end>'], output_dir: adapter, ...run })
  using opened = loadModel(base, { device: cpu, vocabSize: adapterVocabulary(adapter) })
  using _adapter = loadAdapter(opened, adapter)
  saveModel(opened, base, merged, { tokenizerPath: adapter })
  const ids = Int32Array.from(loadTokenizer(adapter).encode(TEXT, { addSpecialTokens: false }))
  const all = logitsOf(opened, { ids, rows: 1, length: ids.length })
  return { adapter, merged, logits: all.slice(-opened.info.vocabSize) }
}
