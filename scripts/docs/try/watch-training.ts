/**
 * Trains in the page that trains, in a real Chromium, as a person would: Start, wait, look. Tells what the page shows at the end and
 * what it asked the network for.
 */
import { join } from 'node:path'
import { chromium, type Page } from 'playwright-core'
import { serveSite } from '../serve-site.ts'

export interface WatchOptions {
  readonly executablePath: string
  readonly steps: number
  /** Whether the server isolates the page: threads. */
  readonly isolated: boolean
  /** Presses Stop after this many steps. */
  readonly stopAfter?: number
  /** A folder for screenshots. */
  readonly shots?: string
  readonly args?: readonly string[]
}

export interface Watched {
  readonly status: string
  readonly failure: string
  readonly device: string
  readonly perplexity: { readonly before: number; readonly after: number }
  readonly samples: { readonly before: string; readonly after: string }
  /** Bytes of tensors that the worker left. */
  readonly left: number
  /** Of the steps and the two looks. */
  readonly seconds: number
  /** Pixels of the curve that are not empty. */
  readonly drawn: number
  /** Errors of the page, and addresses outside of the machine. */
  readonly faults: readonly string[]
  readonly requests: readonly string[]
}

export async function watchTraining(
  site: ReadonlyMap<string, string | Uint8Array<ArrayBuffer>>,
  { executablePath, steps, isolated, stopAfter, shots, args = [] }: WatchOptions,
): Promise<Watched> {
  using server = serveSite(site, { isolated })
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', ...args] })
  try {
    const context = await browser.newContext({ viewport: { width: 390, height: 844 } })
    const faults: string[] = []
    const requests: string[] = []
    context.on('request', (request) => {
      requests.push(request.url())
      if (!/^(data:|blob:http:\/\/127\.0\.0\.1|http:\/\/127\.0\.0\.1)/.test(request.url()))
        faults.push(`asks for ${request.url()}`)
    })
    const page = await context.newPage()
    page.on('pageerror', (error) => faults.push(error.message))
    page.on('console', (message) => {
      if (message.type() === 'error') faults.push(message.text())
    })
    const shoot = async (name: string): Promise<void> => {
      if (shots !== undefined) await page.screenshot({ path: join(shots, `try-${name}.png`), fullPage: true })
    }
    await page.goto(`${server.url}try/index.html`)
    await shoot('ready-390')
    await page.fill('#steps', String(steps))
    await page.click('#go')
    if (stopAfter !== undefined) {
      await page.waitForFunction(
        `/^step ([${stopAfter}-9]|\\d\\d)/.test(document.querySelector('#status').textContent)`,
        null,
        LONG,
      )
      await page.click('#stop')
    } else if (shots !== undefined) {
      await page.waitForFunction(
        `/^step ${Math.ceil(steps / 2)} /.test(document.querySelector('#status').textContent)`,
        null,
        LONG,
      )
      await shoot('half-390')
    }
    await page.waitForFunction(`document.body.dataset.training === 'false'`, null, LONG)
    const width = Number(await page.evaluate('document.documentElement.scrollWidth'))
    if (width > 390) faults.push(`the page is ${width} px wide on a screen of 390`)
    await shoot('done-390')
    if (shots !== undefined) {
      await page.setViewportSize({ width: 1280, height: 900 })
      await shoot('done-1280')
      await page.emulateMedia({ colorScheme: 'dark' })
      await shoot('done-1280-dark')
    }
    return { ...(await seen(page)), faults: [...faults, ...server.missing], requests }
  } finally {
    await browser.close()
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

const LONG = { timeout: 600_000, polling: 100 } as const

async function seen(page: Page): Promise<Omit<Watched, 'faults' | 'requests'>> {
  const text = async (id: string): Promise<string> => (await page.textContent(`#${id}`)) ?? ''
  const drawn = `{
    const canvas = document.querySelector('#curve')
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height)
    data.filter((value, i) => i % 4 === 3 && value > 0).length
  }`
  return {
    status: await text('status'),
    failure: await text('failure'),
    device: await text('device'),
    perplexity: {
      before: Number(await text('perplexity-before')),
      after: Number(await text('perplexity-after')),
    },
    samples: { before: await text('sample-before'), after: await text('sample-after') },
    left: Number(await page.evaluate('document.body.dataset.left')),
    seconds: Number(await page.evaluate('document.body.dataset.seconds')),
    drawn: Number(await page.evaluate(drawn)),
  }
}
