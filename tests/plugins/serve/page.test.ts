/**
 * The page in a real browser: a chat with one model, then with two side by side, the key, a phone's width.
 */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { type Browser, chromium, type Page } from 'playwright-core'
import { findChromium } from '../../../scripts/docs/browser-check.ts'
import { leftOut } from '../../_tools.ts'
import { alone, type ServedTiny, serveTiny } from './_served.ts'

const executablePath = findChromium()
const reason = executablePath === undefined ? 'no Chromium' : null

describe.skipIf(reason !== null)(leftOut('the page', reason), () => {
  let browser: Browser
  beforeAll(async () => {
    browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] })
  })
  afterAll(() => browser.close())

  /** Opens it; `problems` gets what the browser complains about and what it asks elsewhere. */
  async function open({ server }: ServedTiny, problems: string[], hash = '', width = 1280): Promise<Page> {
    const page = await browser.newPage({ viewport: { width, height: 800 } })
    page.on('console', (message) => {
      if (message.type() === 'error') problems.push(message.text())
    })
    page.on('pageerror', (error) => problems.push(String(error)))
    page.on('request', (request) => {
      if (!request.url().startsWith(server.url)) problems.push(request.url())
    })
    await page.goto(`${server.url}/${hash}`)
    return page
  }
  async function setUp(page: Page): Promise<void> {
    await page.evaluate('document.getElementById("settings").open = true')
    await page.fill('#temperature', '0')
    await page.fill('#max-tokens', '12')
  }

  test('answers come as the model writes them, of two models side by side', async () => {
    await using tiny = await serveTiny({ token: 'secret' })
    const problems: string[] = []
    const page = await open(tiny, problems, '#token=secret')
    await page.waitForSelector('#model option:nth-child(3)', { state: 'attached' })
    expect(page.url()).not.toContain('secret')
    await setUp(page)
    await page.selectOption('#other', 'german')
    await page.fill('#text', 'Hello')
    await page.press('#text', 'Enter')
    await page.getByText('pieces/s').nth(1).waitFor()
    await page.evaluate('new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))')
    const answers = await page.locator('.assistant .content').allTextContents()
    expect(answers).toEqual([alone(tiny, 'tiny', 'Hello', 12), alone(tiny, 'german', 'Hello', 12)])
    expect(problems).toEqual([])
    await page.close()
  })

  test('without the key it says so and asks for it; on a phone nothing sticks out', async () => {
    await using tiny = await serveTiny({ token: 'secret' })
    const problems: string[] = []
    const page = await open(tiny, problems, '', 390)
    await page.waitForSelector('.notice.bad')
    await page.fill('#key', 'secret')
    await page.press('#key', 'Tab')
    await page.waitForSelector('#model option:nth-child(3)', { state: 'attached' })
    await setUp(page)
    await page.fill('#text', `<img src=x onerror=alert(1)> ${'long'.repeat(60)}`)
    await page.click('#send')
    await page.waitForSelector('.assistant .content:not(:empty)')
    expect(await page.locator('main img').count()).toBe(0)
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(390)
    expect(problems.filter((problem) => !problem.includes('401'))).toEqual([])
    await page.close()
  })

  test('Stop ends the text in the server too', async () => {
    await using tiny = await serveTiny({}, { config: { max_position_embeddings: 16_384 } })
    const page = await open(tiny, [])
    await page.waitForSelector('#model option:nth-child(3)', { state: 'attached' })
    // The likeliest words go round in a circle for ever; drawn ones may come to an end of their own.
    await setUp(page)
    await page.fill('#max-tokens', '16000')
    await page.fill('#text', 'Hello')
    await page.press('#text', 'Enter')
    await page.waitForSelector('.assistant .content:not(:empty)')
    await page.evaluate('document.getElementById("stop").click()')
    await page.getByText('stopped').waitFor()
    for (let i = 0; tiny.server.load().inside > 0 && i < 400; i++) await Bun.sleep(5)
    expect(tiny.server.load().inside).toBe(0)
    await page.close()
  })
})
