/**
 * Runs as child processes that get signals: a clean stop, and a death at any moment.
 */
import { expect, test } from 'bun:test'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { openSafetensors } from '../../../core/safetensors.ts'
import { listCheckpoints } from '../../../plugins/finetune/mod.ts'
import { loadModel } from '../../../plugins/models/mod.ts'
import { loadAdapter } from '../../../plugins/peft/mod.ts'
import { cpu, fileBytes, metricsOf, type Workspace, workspace } from './_run.ts'

const SCRIPT = fileURLToPath(new URL('../../../scripts/finetune.ts', import.meta.url))

function writeConfig(space: Workspace, outputDir: string, more: string): string {
  const file = join(space.path, `${outputDir}.yaml`)
  writeFileSync(
    file,
    `base_model: ${join(space.path, 'model')}
adapter: lora
lora_r: 4
lora_target_linear: true
lora_dropout: 0.1
datasets:
  - path: ${join(space.path, 'data.jsonl')}
    type: completion
sequence_len: 64
learning_rate: 1e-3
output_dir: ${join(space.path, outputDir)}
${more}`,
  )
  return file
}

function start(args: readonly string[]): Bun.Subprocess<'ignore', 'pipe', 'pipe'> {
  return Bun.spawn([process.execPath, SCRIPT, ...args], { stdin: 'ignore', stdout: 'pipe', stderr: 'pipe' })
}

/** Reads the output until it has `text`; the rest is in the returned promise. */
async function until(
  child: Bun.Subprocess<'ignore', 'pipe', 'pipe'>,
  text: string,
): Promise<{ rest: Promise<string> }> {
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader()
  let output = ''
  while (!output.includes(text)) {
    const { value, done } = await reader.read()
    if (done) throw new Error(`ended without "${text}": ${output}${await new Response(child.stderr).text()}`)
    output += value
  }
  const rest = async (): Promise<string> => {
    for (let part = await reader.read(); !part.done; part = await reader.read()) output += part.value
    return output
  }
  return { rest: rest() }
}

test.each(['SIGINT', 'SIGTERM'] as const)(
  '%s stops after the step; --resume ends as an undisturbed run',
  async (signal) => {
    using space = workspace()
    const more = 'max_steps: 150\nsave_strategy: no\nlogging_steps: 1\n'
    const child = start([writeConfig(space, 'stopped', more)])
    const { rest } = await until(child, 'step   3/150')
    child.kill(signal)
    const output = await rest
    expect(await child.exited).toBe(130)
    expect(output).toMatch(/stopped at step \d+; resume with:\n.*--resume/)
    const [{ step }] = listCheckpoints(join(space.path, 'stopped'))
    expect(step).toBeGreaterThanOrEqual(3)
    expect(step).toBeLessThan(150)
    expect(existsSync(join(space.path, 'stopped/adapter_config.json'))).toBe(false)

    const resumed = start([join(space.path, 'stopped.yaml'), '--resume'])
    const whole = start([writeConfig(space, 'whole', more)])
    expect(await resumed.exited).toBe(0)
    expect(await whole.exited).toBe(0)
    const file = 'adapter_model.safetensors'
    expect(fileBytes(space.path, 'stopped', file).equals(fileBytes(space.path, 'whole', file))).toBe(true)
    expect(metricsOf(join(space.path, 'stopped'))).toEqual(metricsOf(join(space.path, 'whole')))
  },
  30_000,
)

test('a second SIGINT ends the process at once', async () => {
  using space = workspace()
  const child = start([writeConfig(space, 'out', 'max_steps: 100000\nlogging_steps: 1\n')])
  const { rest } = await until(child, 'step      1/')
  child.kill('SIGINT')
  child.kill('SIGINT')
  await rest
  expect(await child.exited).not.toBe(0)
}, 20_000)

test('whatever a SIGKILL leaves under output_dir loads, and the run goes on from it', async () => {
  using space = workspace()
  const outputDir = join(space.path, 'out')
  const more = 'max_steps: 100000\nsave_steps: 1\nsave_total_limit: 2\nauto_resume_from_checkpoints: true\n'
  const config = writeConfig(space, 'out', more)
  using model = loadModel(join(space.path, 'model'), { device: cpu })
  let newest = 0
  for (let round = 0; round < 5; round++) {
    const child = start([config])
    const { rest } = await until(child, 'saved ')
    await Bun.sleep(Math.random() * 60)
    child.kill('SIGKILL')
    await rest
    await child.exited
    const checkpoints = listCheckpoints(outputDir)
    expect(checkpoints.length).toBeGreaterThan(0)
    for (const { folder, step } of checkpoints) {
      using _adapter = loadAdapter(model, folder)
      expect(openSafetensors(join(folder, 'optimizer.safetensors')).entries.size).toBe(56)
      expect(JSON.parse(readFileSync(join(folder, 'training_state.json'), 'utf8')).step).toBe(step)
    }
    expect(checkpoints.at(-1)?.step ?? 0).toBeGreaterThan(newest)
    newest = checkpoints.at(-1)?.step ?? 0
    expect(existsSync(join(outputDir, 'adapter_model.safetensors'))).toBe(false)
  }
  const last = start([config, '--set', `max_steps=${newest + 2}`])
  await last.exited
  expect(await new Response(last.stderr).text()).toContain('max_steps (was 100000')
  const hidden = readdirSync(outputDir).filter((name) => name.startsWith('.'))
  expect(hidden.length).toBeLessThanOrEqual(2) // of the last death; the next run takes them away
}, 60_000)
