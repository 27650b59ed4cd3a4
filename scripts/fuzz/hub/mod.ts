/**
 * `hub`: a hub on this machine that answers what it likes: other sizes and hashes, pages without end, redirects, half bodies.
 */
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createHash } from 'node:crypto'
import { resolveModel } from '../../../plugins/hub/mod.ts'
import { expectAnswerLater } from '../answer.ts'
import { Finding, type Fuzzer } from '../fuzzer.ts'
import { mutateJson, mutateText } from '../mutate.ts'
import { createDice, type Dice } from '../random.ts'

const COMMIT = 'a'.repeat(40)
const CONFIG = '{"model_type":"llama"}'
const WEIGHTS = 'weights'.repeat(40)
const FILES: Readonly<Record<string, string>> = {
  'config.json': CONFIG,
  'model.safetensors': WEIGHTS,
  'tokenizer.json': '{}',
}

/** Requests that one download may make; a client that is led in circles makes more. */
const MOST_REQUESTS = 2000

interface Answers {
  /** Of the case. What is answered depends on the address and on how often it was asked, not on who asked first. */
  seed: number
  requests: number
  asked: Map<string, number>
}

export function hubFuzzer(): Fuzzer {
  const answers: Answers = { seed: 0, requests: 0, asked: new Map() }
  const server = Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: (request) => answer(answers, request) })
  const endpoint = `http://127.0.0.1:${server.port}`
  return {
    async run(dice) {
      const cacheDir = mkdtempSync(join(tmpdir(), 'tritune-fuzz-hub-'))
      Object.assign(answers, { seed: dice.int(2 ** 31), requests: 0, asked: new Map() })
      try {
        const options = {
          endpoint,
          cacheDir,
          token: false,
          retries: 1,
          retryDelayMs: 1,
          offline: false,
        } as const
        await expectAnswerLater('hub', 2e5, async () => {
          const folder = await resolveModel('org/model', options)
          // What came is what the hub announced, or nothing came.
          if (!existsSync(join(folder, 'config.json')))
            throw new Finding(`the model has no config.json: ${folder}`)
        })
        if (answers.requests > MOST_REQUESTS) throw new Finding(`${answers.requests} requests for one model`)
      } finally {
        rmSync(cacheDir, { recursive: true, force: true })
      }
    },
  }
}

function answer(answers: Answers, request: Request): Response {
  answers.requests++
  const url = new URL(request.url)
  const dice = diceFor(answers, `${url.pathname}${url.search}`)
  const right = rightAnswer(url)
  if (answers.requests > MOST_REQUESTS) return new Response('', { status: 404 })
  if (dice.chance(0.75)) return right.make(right.body, right.headers)
  switch (dice.int(7)) {
    case 0:
      return new Response(right.body, {
        status: dice.pick([200, 204, 206, 301, 400, 401, 403, 404, 416, 429, 500, 503]),
        headers: {
          'retry-after': dice.pick(['0', '-1', 'x', '99999999999', 'Wed, 21 Oct 2015 07:28:00 GMT']),
        },
      })
    case 1:
      return new Response('', {
        status: 302,
        headers: {
          location: dice.pick([
            '/',
            url.href,
            'file:///etc/passwd',
            'data:,x',
            'http://127.0.0.1:1/',
            '//',
            'ftp://x/',
          ]),
        },
      })
    case 2:
      return right.make(mutateText(dice, [right.body]), right.headers)
    case 3:
      return right.make(right.body, {
        ...right.headers,
        link: dice.pick([
          `<${url.href}>; rel="next"`,
          '<x>; rel="next"',
          '<>',
          `<${url.origin}/api/models/org/model/tree/${COMMIT}?cursor=${dice.int(1e6)}>; rel="next"`,
        ]),
      })
    case 4:
      return right.make(right.body.slice(0, dice.int(right.body.length + 1)), right.headers)
    case 5:
      return right.make(right.body, {
        ...right.headers,
        'content-range': dice.pick(['bytes 0-1/2', 'bytes */*', 'x']),
        'x-error-code': dice.pick(['GatedRepo', '', 'RepoNotFound']),
      })
    default:
      return right.isJson
        ? right.make(JSON.stringify(mutateJson(dice, JSON.parse(right.body))) ?? '', right.headers)
        : right.make(`${right.body}x`, right.headers)
  }
}

function diceFor({ seed, asked }: Answers, address: string): Dice {
  const times = asked.get(address) ?? 0
  asked.set(address, times + 1)
  return createDice(createHash('sha1').update(`${seed} ${times} ${address}`).digest().readUInt32LE())
}

interface RightAnswer {
  readonly body: string
  readonly headers: Readonly<Record<string, string>>
  readonly isJson: boolean
  make(body: string, headers: Readonly<Record<string, string>>): Response
}

function rightAnswer({ pathname }: URL): RightAnswer {
  const make = (body: string, headers: Readonly<Record<string, string>>): Response =>
    new Response(body, { headers })
  const headers = { 'content-type': 'application/json' }
  if (pathname.includes('/revision/'))
    return { body: JSON.stringify({ sha: COMMIT }), headers, isJson: true, make }
  if (pathname.includes('/tree/')) {
    const tree = Object.entries(FILES).map(([path, content]) => ({
      type: 'file',
      path,
      size: content.length,
      oid: gitId(content),
      ...(path.endsWith('.safetensors')
        ? { lfs: { oid: sha256(content), size: content.length, pointerSize: 130 } }
        : {}),
    }))
    return { body: JSON.stringify(tree), headers, isJson: true, make }
  }
  const body = FILES[decodeURIComponent(pathname.split('/').at(-1) ?? '')]
  if (body === undefined)
    return { body: '', headers: {}, isJson: false, make: () => new Response('', { status: 404 }) }
  return { body, headers: {}, isJson: false, make }
}

function sha256(content: string): string {
  return createHash('sha256').update(content).digest('hex')
}

function gitId(content: string): string {
  return createHash('sha1').update(`blob ${content.length}\0${content}`).digest('hex')
}
