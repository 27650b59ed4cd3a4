/**
 * Runs as child processes that get signals: a clean stop, and a death at any moment.
 */
import { expect, test } from 'bun:test'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { listCheckpoints } from '../../../plugins/finetune/mod.ts'
import { killWhileSaving } from '../../bad-inputs/kill.ts'
import { fileBytes, metricsOf, type Workspace, workspace } from './_run.ts'

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

test.each([
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
] as const)(
  '%s stops after the step; --resume ends as an undisturbed run',
  async (signal, exit) => {
    using space = workspace()
    const more = 'max_steps: 150\nsave_strategy: no\nlogging_steps: 1\n'
    const child = start([writeConfig(space, 'stopped', more)])
    const { rest } = await until(child, 'step   3/150')
    child.kill(signal)
    const output = await rest
    expect(await child.exited).toBe(exit)
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
  90_000,
)

test('whatever a SIGKILL leaves under output_dir loads, and the next run goes on from it', async () => {
  for (const { steps, problems } of await killWhileSaving(5)) {
    expect(problems).toEqual([])
    expect(steps.length).toBeGreaterThan(0)
  }
}, 60_000)

test('what killed runs left half-written is taken away by the next one', async () => {
  using space = workspace()
  const own = [
    `.checkpoint-7.tmp-${hostname()}-${Bun.spawnSync(['true']).pid}-abc`,
    // The lock is ours, so nobody writes there, whatever has that number now.
    `.checkpoint-8.tmp-${hostname()}-${process.ppid}-abc`,
    `.checkpoint-9.tmp-another.host-1-abc`,
  ].map((name) => join(space.path, 'out', name))
  const other = join(space.path, 'out', `.merged.tmp-${hostname()}-${process.ppid}-abc`)
  for (const folder of [...own, other]) mkdirSync(folder, { recursive: true })
  await space.train({ max_steps: 1 })
  expect(own.filter((folder) => existsSync(folder))).toEqual([])
  expect(existsSync(other)).toBe(true)
})
