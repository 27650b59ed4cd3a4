/**
 * Trains as example/finetune.yaml says, then once more from the checkpoint in the middle. Runs in the folder of the package.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Plugin, StepReport } from 'tritune/core'
import { prepareRun, readFinetuneConfig, train } from 'tritune/plugins/finetune'

export interface TrainedExample {
  /** Of each step. */
  readonly losses: readonly number[]
  /** Of the second half, trained again from the checkpoint. */
  readonly resumed: readonly number[]
  /** Gives a file of the output folder as text, as it was at the end. */
  readonly files: ReadonlyMap<string, string>
}

const FILE = 'example/finetune.yaml'

/** `keep`: names of files of the output folder. */
export async function trainExample(plugin: Plugin, keep: readonly string[] = []): Promise<TrainedExample> {
  const folder = mkdtempSync(join(tmpdir(), 'plugin-'))
  try {
    const whole = await run(plugin, folder, false)
    const rest = await run(plugin, folder, true)
    const files = new Map(keep.map((name) => [name, readFileSync(join(folder, name), 'utf8')]))
    return { losses: whole.map(({ loss }) => loss), resumed: rest.map(({ loss }) => loss), files }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function run(plugin: Plugin, folder: string, resume: boolean): Promise<StepReport[]> {
  const overrides = ['plugins=[]', `output_dir=${folder}`] // the plugin is given as a value: there is no build yet
  const config = readFinetuneConfig(readFileSync(FILE, 'utf8'), FILE, { overrides })
  const prepared = await prepareRun(config, { plugins: [plugin] })
  const steps: StepReport[] = []
  try {
    await train(prepared, {
      resume: resume ? { folder: join(folder, 'checkpoint-4') } : false,
      onEvent(event) {
        if (event.type === 'step') steps.push(event.report)
      },
    })
  } finally {
    prepared[Symbol.dispose]()
  }
  return steps
}
