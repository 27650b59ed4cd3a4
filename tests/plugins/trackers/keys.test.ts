/**
 * axolotl's keys of trackers: which monitors they ask for, when a note says that nothing is told, and where a fault is.
 */
import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { type FinetuneConfig, readFinetuneConfig } from '../../../plugins/finetune/mod.ts'
import { readRun } from '../../../plugins/runs/mod.ts'
import { workspace } from '../finetune/_run.ts'

const MINIMAL = 'base_model: m\nlearning_rate: 1e-4\ndatasets: [{ path: a.jsonl, type: alpaca }]\n'
const read = (text: string): FinetuneConfig => readFinetuneConfig(MINIMAL + text, 'f.yaml')
const asked = (text: string): unknown[] => read(text).trackers.map(({ name, options }) => [name, options])

const forget = (): void => {
  for (const name of ['WANDB_API_KEY', 'WANDB_BASE_URL', 'MLFLOW_TRACKING_URI', 'NETRC'])
    delete process.env[name]
}
beforeEach(() => {
  forget()
  process.env['NETRC'] = '/nowhere/netrc'
})
afterEach(forget)

describe('keys of trackers', () => {
  test('ask for monitors, with their options', () => {
    expect(asked('')).toEqual([])
    expect(asked('use_tensorboard: true\n')).toEqual([['tensorboard', {}]])
    expect(asked('use_wandb: true\nwandb_project: p\nwandb_name: n\nwandb_entity:\n')).toEqual([
      ['wandb', { project: 'p', name: 'n' }],
    ])
    expect(asked('use_mlflow: true\nmlflow_tracking_uri: http://localhost:5000\n')).toEqual([
      ['mlflow', { tracking_uri: 'http://localhost:5000' }],
    ])
  })

  test('a project or an experiment asks for its tracker where there is a key or a server; else a note says that there is none', () => {
    const both = 'wandb_project: p\nmlflow_experiment_name: e\n'
    expect(asked(both)).toEqual([])
    expect(read(both).notes).toEqual([
      expect.stringContaining('WANDB_API_KEY is not set, so nothing is reported'),
      expect.stringContaining('there is no mlflow_tracking_uri, so nothing is reported'),
    ])
    process.env['WANDB_API_KEY'] = 'k'
    process.env['MLFLOW_TRACKING_URI'] = 'http://localhost:5000'
    expect(asked(both)).toEqual([
      ['wandb', { project: 'p' }],
      ['mlflow', { experiment_name: 'e' }],
    ])
    expect(read(both).notes).toEqual([])
    expect(asked(`${both}use_wandb: false\nuse_mlflow: false\n`)).toEqual([])
    expect(asked('wandb_project: p\nwandb_mode: disabled\n')).toEqual([])
  })

  test('wandb_mode: offline tells nothing, and says so', () => {
    expect(asked('use_wandb: true\nwandb_mode: offline\n')).toEqual([])
    expect(read('use_wandb: true\nwandb_mode: offline\n').notes).toEqual([
      expect.stringContaining('nothing is sent'),
    ])
    expect(() => read('wandb_mode: sometimes\n')).toThrow('wandb_mode')
  })

  test.each([
    [{ use_wandb: true }, 'use_wandb: there is no key for Weights & Biases'],
    [{ use_mlflow: true }, 'use_mlflow: there is no address of an MLflow server'],
    [
      { use_mlflow: true, mlflow_tracking_uri: './mlruns' },
      'mlflow_tracking_uri: tracking_uri is no address',
    ],
  ])('%j is refused before the first step, at its key', async (keys, said) => {
    using space = workspace()
    expect(await space.train(keys).catch((error: unknown) => String(error))).toContain(said)
  })

  test('a password in an address is not written into the folder of the run', async () => {
    using space = workspace()
    const address = 'http://me:secret@localhost:1/x'
    const { outputDir } = await space.train(
      { max_steps: 1, mlflow_tracking_uri: address },
      { command: `tritune finetune my.yaml --set mlflow_tracking_uri=${address}` },
    )
    const { config, command } = readRun(outputDir)
    expect(config['mlflow_tracking_uri']).toBe('http://…@localhost:1/x')
    expect(command).toEndWith('=http://…@localhost:1/x')
  })
})
