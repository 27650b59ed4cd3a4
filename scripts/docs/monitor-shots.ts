/**
 * `bun scripts/docs/monitor-shots.ts`: the pictures of docs/monitor.md, of two real runs of the bundled model. Needs Chromium.
 *
 * Not run by tests: these drive the page themselves (tests/plugins/monitor/in-browser.test.ts).
 */
import { mkdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Browser, chromium, type Page } from 'playwright-core'
import { temporaryFolder } from '../../testing/temporary-folder.ts'
import { TrituneError } from '../../core/errors.ts'
import { openWebMonitor } from '../../plugins/monitor/mod.ts'
import { ownCommand } from '../monitor/own-command.ts'
import { ROOT } from '../_setup.ts'
import { findChromium } from './browser-check.ts'

const IMAGES = join(ROOT, 'docs/images')
const LARGEST = 150_000

const run = (root: string, name: string, rate: string, steps: number): string => {
  const file = join(root, `${name}.yaml`)
  writeFileSync(
    file,
    `base_model: quickstart/model
output_dir: ${join(root, name)}
adapter: lora
lora_r: 16
lora_target_linear: true
datasets:
  - path: quickstart/moby-dick.train.jsonl
    type: completion
test_datasets:
  - path: quickstart/moby-dick.eval.jsonl
    type: completion
sequence_len: 256
sample_packing: true
micro_batch_size: 1
learning_rate: ${rate}
max_steps: ${steps}
eval_steps: 20
generate_samples: true
num_generation_samples: 1
generation_max_new_tokens: 40
histogram_steps: 2
`,
  )
  return file
}

const start = (file: string): Bun.Subprocess =>
  Bun.spawn([...ownCommand(), 'finetune', file, '--json'], { cwd: ROOT, stdout: 'ignore', stderr: 'inherit' })

async function shoot(page: Page, name: string): Promise<void> {
  const path = join(IMAGES, `${name}.png`)
  await page.screenshot({ path })
  const { size } = statSync(path)
  console.log(`${path} ${size} bytes`)
  if (size > LARGEST)
    throw new TrituneError('E_FILE', `a picture of ${size} bytes, at most ${LARGEST}`, { place: path })
}

async function openPage(
  browser: Browser,
  url: string,
  width: number,
  height: number,
  dark = false,
): Promise<Page> {
  const page = await browser.newPage({ viewport: { width, height }, colorScheme: dark ? 'dark' : 'light' })
  await page.goto(url)
  return page
}

async function takeShots(): Promise<void> {
  using folder = temporaryFolder()
  // Paths in the pictures are those of a checkout.
  process.chdir(ROOT)
  mkdirSync(IMAGES, { recursive: true })
  const root = folder.path
  await using monitor = await openWebMonitor({
    roots: [root],
    tritune: ownCommand(),
    offered: {
      models: [{ name: 'quickstart/model', bytes: null }],
      files: [{ name: 'quickstart/moby-dick.train.jsonl', bytes: null }],
    },
    onBug: console.error,
  })
  const browser = await chromium.launch({ executablePath: findChromium(), args: ['--no-sandbox'] })
  try {
    await start(run(root, 'whale-1e-3', '1e-3', 120)).exited
    const second = start(run(root, 'whale-3e-3', '3e-3', 200))
    const page = await openPage(browser, monitor.url, 1280, 900)
    await page.locator('[data-run="whale-3e-3"] button').click({ timeout: 240_000 })
    await page.locator('[data-run="whale-1e-3"] input').check()
    await page.locator('[data-chart="Learning rate"][data-points="120"]').waitFor({ timeout: 240_000 })
    await page.locator('#run .status.running').waitFor()
    await page.locator('[data-chart="Loss"] .u-legend', { hasText: 'whale-3e-3 (evaluation)' }).waitFor()
    await shoot(page, 'monitor-1280')
    await page.locator('#samples .sample').nth(1).waitFor()
    await page.evaluate(
      'document.querySelector("#samples").parentElement.scrollIntoView({ block: "center" })',
    )
    await shoot(page, 'monitor-samples-1280')
    await page.close()
    const phone = await openPage(browser, monitor.url, 390, 1200, true)
    await phone.locator('[data-run="whale-1e-3"] input').check()
    await phone.locator('[data-chart="Loss"] canvas').waitFor()
    await phone.waitForTimeout(1500)
    await shoot(phone, 'monitor-390')
    second.kill('SIGTERM')
    await second.exited
    await phone.getByText('Fine-tune', { exact: true }).click()
    await phone.locator('#make').click()
    await phone.locator('#look').click({ timeout: 240_000 })
    await phone.locator('pre.tokens').first().waitFor({ timeout: 240_000 })
    await phone.locator('#look').scrollIntoViewIfNeeded()
    await shoot(phone, 'monitor-finetune-390')
  } finally {
    await browser.close()
  }
}

await takeShots()
