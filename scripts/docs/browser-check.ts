/**
 * Looks at the built site in a real Chromium: search, widths, colours, what it asks of the network. Returns what is wrong.
 * The pages come from a server on loopback, out of memory.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { type Browser, chromium } from 'playwright-core'
import { serveSite } from './serve-site.ts'

export interface BrowserReport {
  readonly faults: readonly string[]
  /** Titles of what was found for `Adapter`. */
  readonly found: readonly string[]
  readonly pages: number
}

/** Of Debian and of other systems; TRITUNE_CHROMIUM names another one. */
export function findChromium(): string | undefined {
  return [
    process.env.TRITUNE_CHROMIUM,
    '/usr/bin/chromium',
    '/usr/bin/chromium-browser',
    '/usr/bin/google-chrome',
  ].find((path) => path !== undefined && existsSync(path))
}

/** `shots`: a folder for screenshots. */
export async function checkInBrowser(
  site: ReadonlyMap<string, string | Uint8Array<ArrayBuffer>>,
  executablePath: string,
  shots?: string,
): Promise<BrowserReport> {
  using server = serveSite(site)
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] })
  try {
    const faults: string[] = []
    const found = await searchFor(browser, `${server.url}`, 'Adapter', faults, shots)
    const html = [...site.keys()].filter((path) => path.endsWith('.html'))
    await checkPages(
      browser,
      html.map((path) => `${server.url}${path}`),
      faults,
    )
    if (shots !== undefined) await takeShots(browser, `${server.url}`, shots)
    return {
      faults: [...faults, ...server.missing.map((path) => `not on the site: ${path}`)],
      found,
      pages: html.length,
    }
  } finally {
    await browser.close()
  }
}

async function searchFor(
  browser: Browser,
  url: string,
  word: string,
  faults: string[],
  shots: string | undefined,
): Promise<string[]> {
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 } })
  await page.goto(url)
  await page.keyboard.press('/')
  await page.keyboard.type(word)
  const links = page.locator('#results a')
  await links.first().waitFor({ timeout: 10_000 })
  const found = await links.evaluateAll((all) => all.map((link) => link.firstChild?.textContent ?? ''))
  if (shots !== undefined) await page.screenshot({ path: join(shots, 'search.png') })
  await page.keyboard.press('Enter')
  await page.waitForURL(/#/)
  if (!page.url().endsWith(`#${word}`)) faults.push(`the first result for ${word} leads to ${page.url()}`)
  await page.close()
  return found
}

/** A telephone, a laptop. */
const WIDTHS = [390, 1280]

async function checkPages(browser: Browser, urls: readonly string[], faults: string[]): Promise<void> {
  const page = await browser.newPage({ viewport: { width: 390, height: 800 } })
  page.on('pageerror', (error) => faults.push(`${page.url()}: ${error.message}`))
  page.on('request', (request) => {
    if (!/^(data:|http:\/\/127\.0\.0\.1)/.test(request.url()))
      faults.push(`${page.url()} asks for ${request.url()}`)
  })
  const back = (): Promise<unknown> => page.evaluate('getComputedStyle(document.body).backgroundColor')
  for (const url of urls) {
    await page.goto(url)
    for (const screen of WIDTHS) {
      await page.setViewportSize({ width: screen, height: 800 })
      const width = await page.evaluate('document.documentElement.scrollWidth')
      if (Number(width) > screen) faults.push(`${url} is ${width} px wide on a screen of ${screen}`)
    }
  }
  await page.emulateMedia({ colorScheme: 'light' })
  const light = await back()
  await page.emulateMedia({ colorScheme: 'dark' })
  if (light === (await back())) faults.push('the pages look the same in the dark')
  await page.close()
}

async function takeShots(browser: Browser, url: string, shots: string): Promise<void> {
  for (const colorScheme of ['light', 'dark'] as const) {
    for (const width of [390, 1360]) {
      const page = await browser.newPage({ viewport: { width, height: 900 }, colorScheme })
      for (const [name, path] of [
        ['start', ''],
        ['ops', 'api/core-ops.html#rmsNorm'],
        ['yaml', 'guide/yaml.html'],
      ]) {
        await page.goto(`${url}${path}`)
        await page.screenshot({ path: join(shots, `${name}-${width}-${colorScheme}.png`) })
      }
      await page.close()
    }
  }
}
