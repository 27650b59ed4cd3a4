/**
 * Base model and adapter pushed to a hub on this machine, and loaded from there by PEFT as the model card says.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Device } from '../../core/mod.ts'
import { factsOfFolder, modelCard, pushFolder } from '../../plugins/hub/mod.ts'
import { loadModel } from '../../plugins/models/mod.ts'
import { loadAdapter } from '../../plugins/peft/mod.ts'
import { logitsOf, relativeError } from '../../tests/_golden.ts'
import { workspace } from '../../tests/plugins/finetune/_run.ts'
import { pushServer } from '../../tests/plugins/hub/_push-server.ts'
import { ROOT } from '../_setup.ts'
import { atMost, mustBe, type Row } from './_row.ts'

const IDS = [1, 2, 3, 5, 8, 4]

export async function* pushedRows(device: Device, python: string): AsyncGenerator<Row> {
  using hub = pushServer()
  using space = workspace()
  const base = join(space.path, 'model')
  const options = { endpoint: hub.endpoint, token: hub.token }
  const { outputDir } = await space.train({ max_steps: 20 })
  const config = join(outputDir, 'adapter_config.json')
  const named = { ...JSON.parse(readFileSync(config, 'utf8')), base_model_name_or_path: 'me/base' }
  writeFileSync(config, JSON.stringify(named))
  await pushFolder(base, 'me/base', options)
  const card = modelCard({ ...factsOfFolder(outputDir), kind: 'adapter', repo: 'me/adapter' })
  await pushFolder(outputDir, 'me/adapter', { ...options, card })
  const output = join(space.path, 'logits.json')
  const child = Bun.spawn(
    [python, join(ROOT, 'tests/oracle/auto_peft.py'), 'me/adapter', IDS.join(','), output],
    {
      env: {
        PATH: process.env['PATH'],
        HF_ENDPOINT: hub.endpoint,
        HF_HOME: join(space.path, 'hf'),
        HF_HUB_DISABLE_XET: '1',
        HF_HUB_DISABLE_TELEMETRY: '1',
      },
      stdout: 'pipe',
      stderr: 'pipe',
    },
  )
  const errors = await new Response(child.stderr).text()
  const name = 'pushed, loaded by AutoPeftModelForCausalLM'
  if ((await child.exited) !== 0) {
    yield mustBe(name, 'failed', 'loaded', false, errors.slice(-600))
    return
  }
  const theirs: number[] = JSON.parse(readFileSync(output, 'utf8'))
  using model = loadModel(base, { device })
  using _adapter = loadAdapter(model, outputDir)
  const ours = logitsOf(model, { ids: Int32Array.from(IDS), rows: 1, length: IDS.length })
  yield atMost(name, relativeError(ours, theirs), 1e-5)
}
