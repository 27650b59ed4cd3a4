/**
 * What `validate` sees of a base model without its weights: experts, scores, tokens and layers that it has not.
 */
import { afterEach, beforeEach, expect, test } from 'bun:test'
import { copyFileSync, cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ConfigError, defineOptions, definePlugin, type Plugin } from '../../../core/mod.ts'
import { checkRun, prepareRun } from '../../../plugins/finetune/mod.ts'
import { GOLDEN } from '../../_golden.ts'
import { type Changes, cpu, type Workspace, workspace } from './_run.ts'

let space: Workspace
beforeEach(() => {
  space = workspace()
  const rows = [0, 1, 2].map((i) => ({ input_ids: [7 + i, 3, 9, 11], labels: [7 + i, 3, 9, 11] }))
  writeFileSync(join(space.path, 'ids.jsonl'), rows.map((row) => `${JSON.stringify(row)}\n`).join(''))
  const pairs = [0, 1, 2].map((i) => ({ prompt: `${i}`, chosen: '1 2', rejected: '2 1' }))
  writeFileSync(join(space.path, 'pairs.jsonl'), pairs.map((row) => `${JSON.stringify(row)}\n`).join(''))
})
afterEach(() => space[Symbol.dispose]())

/** A model of tests/golden in the place of the tiny one, whose tokenizer stays; fields of its config.json changed. */
function put(model: string, fields: Readonly<Record<string, unknown>> = {}): void {
  const to = join(space.path, 'model')
  const config: unknown = JSON.parse(readFileSync(join(GOLDEN, model, 'config.json'), 'utf8'))
  writeFileSync(join(to, 'config.json'), JSON.stringify({ ...Object(config), ...fields }))
  copyFileSync(join(GOLDEN, model, 'model.safetensors'), join(to, 'model.safetensors'))
}

/** The config.json of a model no longer is that of its weights. */
function widen(name: string): void {
  const path = join(space.path, name, 'config.json')
  const { intermediate_size, ...rest } = Object(JSON.parse(readFileSync(path, 'utf8')))
  writeFileSync(path, JSON.stringify({ ...rest, intermediate_size: Number(intermediate_size) + 1 }))
}

function ids(changes: Changes = {}): Changes {
  const { path } = space
  return { datasets: [{ path: join(path, 'ids.jsonl'), type: 'tokenized' }], sequence_len: 16, ...changes }
}

const scoring = (): Changes =>
  ids({ reward_model: true, datasets: [{ path: join(space.path, 'pairs.jsonl') }] })

async function failures(work: Promise<unknown>): Promise<readonly { key: string; what: string }[]> {
  try {
    await work
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return error.failures.map(({ path, what }) => ({ key: path.join('.'), what }))
  }
  throw new Error('expected a refusal')
}

test('a mixture whose experts fit is valid', async () => {
  put('moe-models/mixtral')
  const { totalSteps } = await checkRun(space.config(ids()), { device: cpu })
  expect(totalSteps).toBe(6)
})

test('experts that do not fit the checkpoint, and more for a token than there are', async () => {
  put('moe-models/mixtral', { num_local_experts: 4 })
  const [count] = await failures(checkRun(space.config(ids()), { device: cpu }))
  expect(count.key).toBe('base_model')
  expect(count.what).toContain('says 4 experts')
  put('moe-models/mixtral', { num_experts_per_tok: 6 })
  const [perToken] = await failures(checkRun(space.config(ids()), { device: cpu }))
  expect(perToken.key).toBe('base_model')
  expect(perToken.what).toContain('num_experts_per_tok is 6, there are 5 experts')
})

test('reward_model of a family without scores is a fault of that line, for who checks and who trains', async () => {
  put('models/gpt2')
  const checked = await failures(checkRun(space.config(scoring()), { device: cpu }))
  expect(checked).toEqual([{ key: 'reward_model', what: expect.stringContaining('cannot score texts') }])
  expect(await failures(prepareRun(space.config(scoring()), { device: cpu }))).toEqual(checked)
})

test('layers and tokens that the model has not', async () => {
  const unknown = ids({ lora_target_linear: false, lora_target_modules: ['q_porj'] })
  const [targets] = await failures(checkRun(space.config(unknown), { device: cpu }))
  expect(targets.key).toBe('lora_target_modules')
  put('moe-models/mixtral')
  const rows = '{"input_ids": [1, 61, 2], "labels": [1, 61, 2]}\n'
  writeFileSync(join(space.path, 'ids.jsonl'), rows)
  await expect(checkRun(space.config(ids()), { device: cpu })).rejects.toThrow('token id 61')
})

test('what a plugin makes of weights is left to the run', async () => {
  const numbers: Plugin = definePlugin({
    name: 'numbers',
    provides: {
      quantizer: {
        numbers: {
          name: 'numbers',
          options: defineOptions({}),
          create: () => ({
            quantize(): never {
              throw new Error('every number is 0')
            },
            dequantize(): never {
              throw new Error('nothing was made')
            },
          }),
        },
      },
    },
  })
  const config = space.config({ quantizer: 'numbers' })
  const { totalSteps } = await checkRun(config, { device: cpu, plugins: [numbers] })
  expect(totalSteps).toBe(6)
})

test('a teacher that cannot be built, or has other token ids', async () => {
  const teacher = join(space.path, 'teacher')
  cpSync(join(space.path, 'model'), teacher, { recursive: true })
  const taught = (): Changes => ({ kd_teacher: teacher })
  expect((await checkRun(space.config(taught()), { device: cpu })).totalSteps).toBeGreaterThan(0)
  widen('teacher')
  const [misfit, ...more] = await failures(checkRun(space.config(taught()), { device: cpu }))
  expect(misfit).toEqual({ key: 'kd_teacher', what: expect.stringContaining('expected shape') })
  expect(more).toEqual([])
  rmSync(join(teacher, 'model.safetensors'))
  const [none] = await failures(checkRun(space.config(taught()), { device: cpu }))
  expect(none).toEqual({ key: 'kd_teacher', what: expect.stringContaining('neither model.safetensors') })
})

test('a checkpoint of other shapes is a fault of base_model, with a remedy', async () => {
  widen('model')
  const error: unknown = await checkRun(space.config(), { device: cpu }).catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(ConfigError)
  expect(String(error)).toMatch(/base_model: .*expected shape .*\n.*not of one model/)
})

test('half a character is a fault of its record, whatever the record is of', async () => {
  const half = '{"prompt": "1", "chosen": "2 \\ud800", "rejected": "2 1", "text": "1 \\ud800"}\n'
  const path = join(space.path, 'half.jsonl')
  writeFileSync(path, half)
  for (const changes of [{ datasets: [{ path, type: 'completion' }] }, { rl: 'dpo', datasets: [{ path }] }])
    await expect(checkRun(space.config(changes), { device: cpu })).rejects.toMatchObject({
      code: 'E_DATA',
      place: `${path}:1`,
      what: expect.stringContaining('lone surrogate'),
    })
})
