/**
 * A run that saves all the time and is killed at any moment; whatever it leaves must load.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { openSafetensors } from '../../core/files/safetensors.ts'
import { TrituneError } from '../../core/errors.ts'
import { openCpu } from '../../plugins/cpu/mod.ts'
import { listCheckpoints } from '../../plugins/finetune/mod.ts'
import { loadModel } from '../../plugins/models/mod.ts'
import { loadAdapter } from '../../plugins/peft/mod.ts'
import { temporaryFolder } from '../_golden.ts'
import { writeTinyModel } from '../_tiny.ts'

export interface Death {
  /** Steps of the checkpoints that were there after it, oldest first. */
  readonly steps: readonly number[]
  /** What did not load, or was not as it should be. */
  readonly problems: readonly string[]
}

/** Starts a run, kills it at a random time after its first save, looks at what is there, and lets the next go on. */
export async function killWhileSaving(rounds: number): Promise<Death[]> {
  using temporary = temporaryFolder()
  const { path } = temporary
  writeTinyModel(join(path, 'model'))
  writeFileSync(join(path, 'data.jsonl'), '{"text": "1 2 3 4 5 6"}\n{"text": "6 5 4 3 2 1"}\n')
  writeFileSync(join(path, 'config.yaml'), CONFIG)
  const deaths: Death[] = []
  for (let round = 0; round < rounds; round++) {
    await runAndKill(path)
    const before = deaths.at(-1)?.steps.at(-1) ?? 0
    deaths.push(inspect(path, before))
  }
  return deaths
}

const CONFIG = `base_model: ./model
adapter: lora
lora_r: 4
lora_target_linear: true
datasets:
  - path: data.jsonl
    type: completion
sequence_len: 64
max_steps: 100000
learning_rate: 1e-3
save_steps: 1
save_total_limit: 2
auto_resume_from_checkpoints: true
output_dir: ./out
`

async function runAndKill(cwd: string): Promise<void> {
  const script = fileURLToPath(new URL('../../scripts/finetune.ts', import.meta.url))
  const child = Bun.spawn([process.execPath, script, 'config.yaml'], { cwd, stdin: 'ignore', stderr: 'pipe' })
  let output = ''
  let killed = false
  const decoder = new TextDecoder()
  for await (const chunk of child.stdout) {
    output += decoder.decode(chunk, { stream: true })
    if (!output.includes('  saved ') || killed) continue
    await Bun.sleep(Math.random() * 60)
    child.kill('SIGKILL')
    killed = true
  }
  await child.exited
  if (!killed) throw new Error(`the run ended by itself: ${output}${await new Response(child.stderr).text()}`)
}

function inspect(cwd: string, before: number): Death {
  const out = join(cwd, 'out')
  const problems: string[] = []
  using model = loadModel(join(cwd, 'model'), { device: openCpu() })
  const checkpoints = listCheckpoints(out)
  for (const { folder, step } of checkpoints) {
    try {
      using adapter = loadAdapter(model, folder)
      const { entries } = openSafetensors(join(folder, 'state.safetensors'))
      if (entries.size !== 2 * adapter.parameters.size) problems.push(`${folder}: ${entries.size} moments`)
      const state: { step: number } = JSON.parse(readFileSync(join(folder, 'training_state.json'), 'utf8'))
      if (state.step !== step) problems.push(`${folder}: says step ${state.step}`)
    } catch (error) {
      if (!(error instanceof TrituneError || error instanceof SyntaxError)) throw error
      problems.push(error.message)
    }
  }
  const steps = checkpoints.map(({ step }) => step)
  if ((steps.at(-1) ?? 0) <= before)
    problems.push(`the newest checkpoint is ${steps.at(-1)}, it was ${before}`)
  if (existsSync(join(out, 'adapter_config.json'))) problems.push('there is an adapter of an unfinished run')
  return { steps, problems }
}
