/**
 * What a run refuses because it would spoil work that is there.
 */
import { expect, test } from 'bun:test'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { TrituneError } from '../../../core/mod.ts'
import { fileBytes, type Workspace, workspace } from './_run.ts'

async function refusal(run: Promise<unknown>): Promise<TrituneError> {
  try {
    await run
  } catch (error) {
    if (error instanceof TrituneError) return error
    throw error
  }
  throw new Error('the run went on')
}

const EACH_STEP = { save_strategy: undefined, save_steps: 2, max_steps: 4 }

test('a fresh run does not start beside the checkpoints of another', async () => {
  using space = workspace()
  await space.train(EACH_STEP)
  const error = await refusal(space.train(EACH_STEP))
  expect(error.code).toBe('E_RESUME')
  expect(error.message).toContain('an earlier run left checkpoint-4 here')
  expect(error.message).toContain('--resume')
})

test('the base model is not an output folder, by whatever path', async () => {
  using space = workspace()
  const before = fileBytes(join(space.path, 'model'), 'model.safetensors')
  const error = await refusal(
    space.train({ adapter: 'none', output_dir: join(space.path, 'x', '..', 'model') }),
  )
  expect(error.code).toBe('E_CONFIG')
  expect(error.message).toContain('the folder of the base model')
  expect(fileBytes(join(space.path, 'model'), 'model.safetensors').equals(before)).toBe(true)
})

/** Resumes after `change`. */
async function resumeAfter(
  space: Workspace,
  change: () => Readonly<Record<string, unknown>>,
): Promise<TrituneError> {
  await space.train(EACH_STEP)
  return refusal(space.train({ ...EACH_STEP, ...change() }, { resume: 'newest' }))
}

test('a run does not resume on other data', async () => {
  using space = workspace()
  const error = await resumeAfter(space, () => {
    const file = join(space.path, 'data.jsonl')
    writeFileSync(file, readFileSync(file, 'utf8').split('\n').slice(1).join('\n'))
    return {}
  })
  expect(error.code).toBe('E_RESUME')
  expect(error.message).toContain('data (was')
})

test('a run does not resume on the same data in another order', async () => {
  using space = workspace()
  const error = await resumeAfter(space, () => ({ shuffle_merged_datasets: false }))
  expect(error.code).toBe('E_RESUME')
  expect(error.message).toContain('data (was')
})
