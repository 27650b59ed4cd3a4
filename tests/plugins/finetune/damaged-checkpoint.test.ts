/**
 * Nothing is resumed from a checkpoint that is not as it was written, or that goes with another base model.
 */
import { describe, expect, test } from 'bun:test'
import { appendFileSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { TrituneError } from '../../../core/mod.ts'
import { type Changes, type Workspace, workspace } from './_run.ts'

const SAVING: Changes = { save_strategy: undefined, save_steps: 3, max_steps: 6 }

async function resumeError(space: Workspace, changes: Changes = SAVING): Promise<TrituneError> {
  try {
    await space.train(changes, { resume: { folder: join(space.path, 'out/checkpoint-3') } })
  } catch (error) {
    if (error instanceof TrituneError) return error
    throw error
  }
  throw new Error('the run was resumed')
}

function flip(path: string, at: number): void {
  const bytes = readFileSync(path)
  bytes[at] ^= 1
  writeFileSync(path, bytes)
}

describe.each<[string, Changes]>([
  ['LoRA', SAVING],
  ['all weights', { ...SAVING, adapter: 'none' }],
])('%s', (_, changes) => {
  test('one flipped bit in any file of the checkpoint is found, and the file is named', async () => {
    using space = workspace()
    await space.train(changes)
    const folder = join(space.path, 'out/checkpoint-3')
    const files = readdirSync(folder).filter((name) => name !== 'training_state.json')
    expect(files).toContain('state.safetensors')
    for (const name of files) {
      const path = join(folder, name)
      const whole = readFileSync(path)
      for (const at of [0, whole.length >> 1, whole.length - 1]) {
        flip(path, at)
        const error = await resumeError(space, changes)
        expect(error.code).toBe('E_RESUME')
        expect(error.message).toContain(`${path}: the checkpoint is damaged`)
        writeFileSync(path, whole)
      }
      writeFileSync(path, whole.subarray(0, whole.length - 8))
      expect((await resumeError(space, changes)).message).toContain(path)
      rmSync(path)
      expect((await resumeError(space, changes)).message).toContain(`${name} is missing`)
      writeFileSync(path, whole)
    }
  })
})

test('fields of the state that cannot be are refused, not guessed', async () => {
  using space = workspace()
  await space.train(SAVING)
  const path = join(space.path, 'out/checkpoint-3/training_state.json')
  const whole: Record<string, unknown> = JSON.parse(readFileSync(path, 'utf8'))
  const wrong: [string, unknown][] = [
    ['step', undefined],
    ['step', null],
    ['step', 1e9],
    ['step', '30'],
    ['step', -5],
    ['step', 0],
    ['step', 2.5],
    ['settings', null],
    ['settings', []],
    ['best', { loss: 'low', step: 1 }],
    ['best', 1],
    ['stale', -1],
    ['watchdog', 'x'],
    ['parts', null],
    ['files', { 'state.safetensors': 'abc' }],
    ['files', { '../escape': '0'.repeat(64) }],
    ['files', undefined],
    ['base', 3],
    // Right by themselves, but not what was written.
    ['step', 2],
    ['files', {}],
    ['stale', 1],
    ['best', { loss: 0.5, step: 1 }],
    ['base', null],
    ['self', '0'.repeat(64)],
  ]
  for (const [key, value] of wrong) {
    writeFileSync(path, JSON.stringify({ ...whole, [key]: value }))
    const error = await resumeError(space).catch((cause: unknown) => {
      throw new Error(`${key}: ${JSON.stringify(value)}`, { cause })
    })
    expect([key, value, error.code]).toEqual([key, value, 'E_RESUME'])
    expect(error.message).toStartWith(`${path}: the checkpoint is damaged: `)
    expect(error.message).not.toMatch(/Invalid|Expected|received/)
    expect(error.remedy).toBeDefined()
  }
  for (const text of ['', 'null', '[]', '{"format": 2, ', '{"format": 2}', '{"format": 7}']) {
    writeFileSync(path, text)
    expect((await resumeError(space)).code).toBe('E_RESUME')
  }
})

test('what is wrong with a field is said in words: the field, what it should be, what it is', async () => {
  using space = workspace()
  await space.train(SAVING)
  const path = join(space.path, 'out/checkpoint-3/training_state.json')
  const whole: Record<string, unknown> = JSON.parse(readFileSync(path, 'utf8'))
  for (const [key, value, said] of [
    ['step', '30', 'step: expected a whole number from 1, got "30"'],
    ['step', undefined, 'step is missing: expected a whole number from 1'],
    ['stale', 0.5, 'stale: expected a whole number from 0, got 0.5'],
    ['settings', [], 'settings: expected a mapping, got []'],
    [
      'best',
      { loss: 'low', step: 1 },
      'best.loss: expected best to be the loss and the step of an evaluation, or null, got "low"',
    ],
    [
      'best',
      { loss: 1 },
      'best.step is missing: expected best to be the loss and the step of an evaluation, or null',
    ],
    [
      'files',
      { x: 'abc' },
      'files.x: expected files to be the SHA-256 of each file of the checkpoint, got "abc"',
    ],
    [
      'plugins',
      [{ name: 'a' }],
      'plugins.0.version is missing: expected plugins to be a list of plugins, each with name, version, module and integrity',
    ],
    ['self', 7, 'self: expected the SHA-256 of everything else in the file, got 7'],
  ] as const) {
    writeFileSync(path, JSON.stringify({ ...whole, [key]: value }))
    expect((await resumeError(space)).message).toBe(
      `${path}: the checkpoint is damaged: ${said}\n  → there is no older checkpoint beside it: start a new run with --overwrite or another output_dir`,
    )
  }
})

test('a base model that changed since the checkpoint is refused', async () => {
  using space = workspace()
  await space.train(SAVING)
  const weights = join(space.path, 'model/model.safetensors')
  flip(weights, readFileSync(weights).length - 3)
  const error = await resumeError(space)
  expect(error.code).toBe('E_RESUME')
  expect(error.message).toContain('the base model changed since the checkpoint: model.safetensors')
  flip(weights, readFileSync(weights).length - 3)
  appendFileSync(join(space.path, 'model/config.json'), ' ')
  expect((await resumeError(space)).message).toContain('config.json')
})

test('the checkpoint before a damaged one is named, where there is one', async () => {
  using space = workspace()
  await space.train({ ...SAVING, max_steps: 9 })
  const folder = (step: number): string => join(space.path, `out/checkpoint-${step}`)
  flip(join(folder(6), 'state.safetensors'), 0)
  const newer = space.train({ ...SAVING, max_steps: 9 }, { resume: { folder: folder(6) } })
  await expect(newer).rejects.toThrow(
    `→ resume from the one before it: --set resume_from_checkpoint=${folder(3)}`,
  )
  flip(join(folder(3), 'state.safetensors'), 0)
  expect((await resumeError(space, { ...SAVING, max_steps: 9 })).remedy).toContain('no older checkpoint')
})
