import { describe, expect, test } from 'bun:test'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { ConfigError, type RunEvent } from '../../../core/mod.ts'
import { finetune, type FinetuneInput } from '../../../plugins/finetune/mod.ts'
import { cpu, fileBytes, tinyRun, workspace } from './_run.ts'

const inputIn = (path: string): FinetuneInput => ({ ...tinyRun(path), output_dir: join(path, 'typed') })

async function failureOf(run: Promise<unknown>): Promise<ConfigError> {
  const error: unknown = await run.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  if (error instanceof ConfigError) return error
  throw new Error('expected a ConfigError', { cause: error })
}

describe('finetune()', () => {
  test('trains to the same bits as prepareRun() and train() do with the same keys', async () => {
    using space = workspace()
    const { losses } = await space.train()
    const seen: RunEvent[] = []
    const monitored: number[] = []
    const result = await finetune(inputIn(space.path), {
      device: cpu,
      onEvent: (event) => void seen.push(event),
      monitors: [{ onEvent: (event) => void (event.type === 'step' && monitored.push(event.report.step)) }],
    })
    expect(seen.flatMap((event) => (event.type === 'step' ? [event.report.loss] : []))).toEqual([...losses])
    expect(monitored).toEqual([1, 2, 3, 4, 5, 6])
    expect(result).toMatchObject({ steps: 6, stopped: false, outputDir: join(space.path, 'typed') })
    const weights = 'adapter_model.safetensors'
    expect(fileBytes(space.path, 'typed', weights)).toEqual(fileBytes(space.path, 'out', weights))
  })

  test('stops at a signal, and continues to the same bits', async () => {
    using space = workspace()
    const { losses } = await space.train()
    const input = inputIn(space.path)
    const stop = new AbortController()
    const first = await finetune(input, {
      device: cpu,
      signal: stop.signal,
      onEvent: (event) => event.type === 'step' && event.report.step === 2 && stop.abort(),
    })
    expect(first).toMatchObject({ steps: 2, stopped: true })
    const refused: unknown = await finetune(input, { device: cpu }).catch((error: unknown) => error)
    expect(refused).toMatchObject({ code: 'E_RESUME' })
    expect(String(refused)).toContain("continue it with resume: 'newest', start over with overwrite: true")
    const later: number[] = []
    const second = await finetune(input, {
      device: cpu,
      resume: 'newest',
      onEvent: (event) => void (event.type === 'step' && later.push(event.report.loss)),
    })
    expect(second.steps).toBe(6)
    expect(later).toEqual(losses.slice(2))
    const again: unknown = await finetune(input, { device: cpu, resume: 'newest' }).catch((e: unknown) => e)
    expect(String(again)).toContain('a finished run is here (6 steps)')
    const over = await finetune(input, { device: cpu, overwrite: true })
    expect(over.loss).toBe(second.loss)
    const both: unknown = await finetune(
      { ...input, auto_resume_from_checkpoints: true },
      { overwrite: true },
    ).catch((error: unknown) => error)
    expect(both).toMatchObject({ code: 'E_USAGE' })
  })

  test('names every wrong key, as a program has no lines of a file', async () => {
    using space = workspace()
    const input = {
      ...inputIn(space.path),
      learning_rate: 0,
      lora_rr: 4,
      datasets: [{ path: 'x', type: '' }],
    }
    const error = await failureOf(finetune(input))
    expect(error.failures.map(({ path }) => path.join('.'))).toEqual([
      'lora_rr',
      'learning_rate',
      'datasets.0.type',
    ])
    expect(error.message).not.toContain('.yaml')
    expect(existsSync(join(space.path, 'typed'))).toBe(false)
    const unknown = await failureOf(finetune({ ...inputIn(space.path), optimizer: 'nope', device: 'cpu' }))
    expect(unknown.message).toContain('optimizer: ')
    expect(existsSync(join(space.path, 'typed'))).toBe(false)
  })

  test('takes undefined and null for a key that is left out', async () => {
    using space = workspace()
    const result = await finetune(
      { ...inputIn(space.path), max_steps: 1, lora_dropout: undefined, eval_steps: null },
      { device: cpu },
    )
    expect(result.steps).toBe(1)
  })
})
