/**
 * The page in a real Chromium: a run that is watched and controlled, a second one over it, and fine-tuning from a model and a file.
 */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Browser, chromium, type Page } from 'playwright-core'
import { openWebMonitor, type WebMonitor } from '../../../plugins/monitor/mod.ts'
import { readRun, readRunLines, type RunRecord } from '../../../plugins/runs/mod.ts'
import { findChromium } from '../../../scripts/docs/browser-check.ts'
import { temporaryFolder } from '../../_golden.ts'
import { writeTinyModel } from '../../_tiny.ts'
import { commandLine } from '../../scripts/_command.ts'
import { writeRunFolder } from '../runs/_folder.ts'
import { until } from './_client.ts'

const executablePath = findChromium() ?? ''
if (executablePath === '')
  console.log('not looked at in a browser: there is no Chromium (apt-get install chromium)')

const folder = temporaryFolder()
const root = join(folder.path, 'outputs')
const model = join(folder.path, 'model')
const data = join(folder.path, 'data.jsonl')
const going = join(root, 'going')
const faults: string[] = []
let monitor: WebMonitor
let browser: Browser

const config = (name: string, steps: number): string =>
  `base_model: ${model}
output_dir: ${join(root, name)}
adapter: lora
lora_target_linear: true
sequence_len: 64
datasets:
  - path: ${data}
    type: completion
val_set_size: 0.1
eval_steps: 50
generate_samples: true
num_generation_samples: 1
generation_max_new_tokens: 8
histogram_steps: 50
learning_rate: 1e-3
max_steps: ${steps}
`

/** A run that somebody else started, and that has no end by itself. */
function startRun(): Bun.Subprocess {
  const file = join(folder.path, 'going.yaml')
  writeFileSync(file, config('going', 1_000_000))
  return Bun.spawn(commandLine('bun', ['finetune', file, '--json']), { stdout: 'ignore', stderr: 'ignore' })
}

const record = (): RunRecord => readRun(going)

async function openPage(width = 1280): Promise<Page> {
  const page = await browser.newPage({ viewport: { width, height: 900 }, colorScheme: 'light' })
  page.on('pageerror', (error) => faults.push(error.message))
  page.on('console', (message) => {
    if (message.type() === 'error' && !/status of 4\d\d/.test(message.text())) faults.push(message.text())
  })
  page.on('request', (request) => {
    if (!request.url().startsWith(`http://127.0.0.1:${monitor.port}/`) && !request.url().startsWith('data:'))
      faults.push(`asks for ${request.url()}`)
  })
  return page
}

/** Points of the longest line of the chart of the loss. */
const points = async (page: Page): Promise<number> =>
  Number(await page.locator('[data-chart="Loss"]').getAttribute('data-points'))

async function untilPoints(page: Page, most: number): Promise<void> {
  for (let i = 0; i < 300 && (await points(page)) <= most; i++) await page.waitForTimeout(50)
  expect(await points(page)).toBeGreaterThan(most)
}

beforeAll(async () => {
  if (executablePath === '') return
  writeTinyModel(model)
  const records = Array.from({ length: 40 }, (_, i) => ({ text: `the number ${i} and then ${i + 1}` }))
  writeFileSync(data, records.map((one) => `${JSON.stringify(one)}\n`).join(''))
  const lines = Array.from({ length: 200 }, (_, i) => ({
    step: i + 1,
    loss: 6 - i / 100,
    learning_rate: 1e-4,
  }))
  const histogram = {
    of: 'weight',
    name: 'lora_A',
    edges: [-1, 0, 1],
    counts: [3, 5],
    min: -1,
    max: 1,
    mean: 0,
    std: 1,
    odd: 0,
  }
  writeRunFolder(
    join(root, 'earlier'),
    { run_id: 'e', run_name: 'earlier', status: 'completed', started_at: '2026-01-01T00:00:00Z' },
    {
      'metrics.jsonl': lines,
      'histograms.jsonl': [1, 2, 3].map((step) => ({ step, ...histogram })),
      'events.jsonl': [
        { time: '2026-01-01T00:00:00Z', step: 1, type: 'alert', severity: 'critical', text: '<b>odd</b>' },
        { time: '2026-01-01T00:00:00Z', step: 1, type: 'sample', prompt: '<i>a', completion: ' b</i>' },
      ],
    },
  )
  monitor = await openWebMonitor({
    roots: [root],
    tritune: commandLine('bun', []),
    onBug: (error) => faults.push(String(error)),
  })
  browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] })
})

afterAll(async () => {
  if (executablePath === '') return
  await browser.close()
  await monitor.close()
  folder[Symbol.dispose]()
})

describe.skipIf(executablePath === '')('in Chromium', () => {
  test('a run: its curves move, a sample appears, pause and go on, another rate, save, a second run over it, stop', async () => {
    const run = startRun()
    try {
      await until(() => existsSync(join(going, 'run.json')) && record().status === 'running', 60)
      const page = await openPage()
      await page.goto(monitor.url)
      expect(page.url()).not.toContain(monitor.token)
      await page.locator('[data-chart="Loss"] canvas').waitFor()
      const before = await points(page)
      await untilPoints(page, before + 20)

      await page.locator('#samples .sample', { hasText: 'the number' }).waitFor()
      await page.locator('#histogram').waitFor()

      await page.locator('[data-action="pause"]').click()
      await until(() => record().status === 'paused')
      await page.locator('[data-action="resume"]').waitFor()
      await page.waitForTimeout(800)
      const still = await points(page)
      await page.waitForTimeout(800)
      expect(await points(page)).toBe(still)

      await page.getByLabel('New learning rate').fill('0.0005')
      await page.getByText('Set learning rate', { exact: true }).click()
      await until(() => record().learning_rate_changes.at(-1)?.to === 0.0005)
      await page.locator('[data-action="save"]').click()
      await until(() => record().checkpoints.length > 0)
      await page.locator('#facts', { hasText: 'checkpoint-' }).waitFor()
      await page.locator('[data-action="resume"]').click()
      await until(() => record().status === 'running')

      await page.locator('[data-run="earlier"] input').check()
      await page.locator('[data-chart="Loss"] .u-legend', { hasText: 'earlier' }).waitFor()
      expect(await page.locator('[data-chart="Loss"] .u-legend').innerText()).toContain('going')

      await page.locator('[data-action="ask-stop"]').click()
      await page.locator('[data-action="stop"]').click()
      await until(() => record().status === 'cancelled')
      await page.locator('#run .status.cancelled').waitFor()
      await run.exited
      const controls = readRunLines(going, 'events').filter(({ type }) => type === 'control')
      expect(controls.map(({ action, ok }) => [action, ok])).toEqual([
        ['pause', true],
        ['set_learning_rate', true],
        ['save', true],
        ['resume', true],
        ['stop', true],
      ])
      await page.close()
    } finally {
      run.kill(9)
      await run.exited
    }
    expect(faults.splice(0)).toEqual([])
  }, 120_000)

  test('a run that has ended: histograms, what happened as text; a telephone, the dark', async () => {
    const page = await openPage(390)
    await page.goto(monitor.url)
    await page.locator('[data-run="earlier"] button').click()
    await page.locator('#run h1', { hasText: 'earlier' }).waitFor()
    await page.locator('#histogram[width="3"]').waitFor()
    expect(await page.locator('#events .critical').innerText()).toContain('alert: <b>odd</b>')
    expect(await page.locator('#samples pre').innerText()).toBe('<i>a b</i>')
    expect(await page.locator('[data-action="pause"]').isVisible()).toBeFalse()
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(390)
    const back = async (): Promise<unknown> =>
      await page.evaluate('getComputedStyle(document.body).backgroundColor')
    const light = await back()
    await page.locator('#theme').selectOption('dark')
    expect(await back()).not.toBe(light)
    await page.reload()
    await page.locator('[data-chart="Loss"] canvas').waitFor()
    expect(await back()).not.toBe(light)
    await page.close()
    expect(faults.splice(0)).toEqual([])
  }, 60_000)

  test('the focus stays in the list while a run goes on, and what is open stays open', async () => {
    const counting = join(root, 'counting')
    const write = (step: number, status: RunRecord['status'] = 'paused'): string =>
      writeRunFolder(counting, {
        run_id: 'c',
        run_name: 'counting',
        status,
        current_step: step,
        total_steps: 9,
        updated_at: `2026-01-02T00:00:0${step}Z`,
        started_at: '2026-01-02T00:00:00Z',
      })
    write(1)
    const page = await openPage()
    await page.goto(monitor.url)
    const row = page.locator('[data-run="counting"]')
    const focused = async (): Promise<unknown> =>
      await page.evaluate(
        '`${document.activeElement.closest("[data-run]")?.dataset.run} ${document.activeElement.tagName}`',
      )
    await row.locator('button').focus()
    await page.keyboard.press('Enter')
    await page.locator('#run h1', { hasText: 'counting' }).waitFor()
    expect(await focused()).toBe('counting BUTTON')
    write(2)
    await row.getByText('2 of 9 steps').waitFor()
    expect(await focused()).toBe('counting BUTTON')
    await page.keyboard.press('Shift+Tab')
    expect(await focused()).toBe('counting INPUT')
    // The last one that is chosen stays so.
    await page.keyboard.press('Space')
    expect(await row.locator('input').isChecked()).toBeTrue()
    const settings = page.locator('#facts summary')
    await settings.click()
    write(3)
    await row.getByText('3 of 9 steps').waitFor()
    await page.locator('#run dd', { hasText: '3 of 9' }).waitFor()
    expect(await page.locator('#facts details[open]').count()).toBe(1)
    expect(await page.evaluate('document.activeElement.tagName')).toBe('SUMMARY')
    await page.locator('[data-action="save"]').click()
    await page.getByText('Save: asked').waitFor()
    write(4, 'failed')
    await page.getByText('Save: the run is failed, and did not answer').waitFor()
    write(5)
    await page.locator('[data-action="save"]').waitFor()
    expect(await page.getByText('Save: asked').count()).toBe(0)
    rmSync(counting, { recursive: true })
    await row.waitFor({ state: 'detached' })
    await page.close()
    expect(faults.splice(0)).toEqual([])
  }, 60_000)

  test('without the token nothing is shown; it can be given by hand', async () => {
    const page = await openPage()
    await page.goto(`http://127.0.0.1:${monitor.port}/`)
    const give = async (token: string): Promise<void> => {
      await page.getByLabel('Token').fill(token)
      await page.getByText('Open', { exact: true }).click()
    }
    await give('wrong')
    await page.locator('#token-form').waitFor()
    expect(await page.locator('.list').count()).toBe(0)
    await give(monitor.token)
    await page.locator('[data-run="earlier"]').waitFor()
    await page.close()
    expect(faults.splice(0)).toEqual([])
  }, 60_000)

  test('a server that goes away and comes back: the page says so, and goes on', async () => {
    const start = async (port: number): Promise<WebMonitor> =>
      await openWebMonitor({
        roots: [root],
        tritune: ['false'],
        port,
        token: monitor.token,
        onBug: (error) => faults.push(String(error)),
      })
    const first = await start(0)
    const page = await browser.newPage()
    await page.goto(first.url)
    await page.locator('#link', { hasText: 'live' }).waitFor()
    await page.locator('[data-run="earlier"] button').click()
    await page.locator('#run h1', { hasText: 'earlier' }).waitFor()
    await first.close()
    await page.locator('#link.lost').waitFor()
    await using _second = await start(first.port)
    await page.locator('#link:not(.lost)', { hasText: 'live' }).waitFor()
    expect(await points(page)).toBe(200)
    await page.close()
    expect(faults.splice(0)).toEqual([])
  }, 60_000)

  test('fine-tuning: from a model and a file to a finished adapter', async () => {
    const page = await openPage(390)
    await page.goto(monitor.url)
    await page.getByText('Fine-tune', { exact: true }).click()
    await page.locator('#model').fill(model)
    await page.locator('#data').fill(join(folder.path, 'none.jsonl'))
    await page.locator('#name').fill('by-page')
    await page.locator('#make').click()
    await page.locator('#fault', { hasText: 'none.jsonl' }).waitFor()
    const buffer = Buffer.from(readFileSync(data))
    await page.locator('#upload').setInputFiles({ name: 'mine.jsonl', mimeType: 'text/plain', buffer })
    await page.waitForTimeout(100)
    await page.locator('#make:enabled').waitFor()
    expect(await page.locator('#data').inputValue()).toEndWith('mine.jsonl')
    await page.locator('#make').click()
    await page.locator('#look').click()
    await page.locator('pre.tokens', { hasText: 'the number' }).first().waitFor()
    expect(await page.locator('pre.tokens .trained').count()).toBeGreaterThan(3)
    await page.locator('#num_epochs').fill('2')
    await page.locator('#estimate').click()
    await page.locator('.notice.good', { hasText: 'it fits' }).waitFor()
    await page.locator('#start').click()
    const card = page.locator('[data-job="by-page"]')
    await card.waitFor()
    expect(await card.getAttribute('data-state')).not.toBe('completed')
    await card.evaluate((element) => element.setAttribute('data-seen', 'yes'))
    await page.locator('[data-job="by-page"][data-state="completed"]').waitFor({ timeout: 60_000 })
    // The card is the one that was there from the start.
    expect(await card.getAttribute('data-seen')).toBe('yes')
    expect(await page.locator('[data-job="by-page"]').innerText()).toContain('generate')
    expect(existsSync(join(root, 'by-page/adapter_model.safetensors'))).toBeTrue()
    expect(readFileSync(join(root, 'by-page.yaml'), 'utf8')).toContain('num_epochs: 2')
    await page.getByText('Watch it').click()
    await page.locator('#run h1', { hasText: 'by-page' }).waitFor()
    await page.locator('[data-chart="Loss"] canvas').waitFor()
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(390)
    await page.close()
    expect(faults.splice(0)).toEqual([])
  }, 120_000)
})
