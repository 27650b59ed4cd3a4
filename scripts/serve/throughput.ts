/**
 * Streams of a server over HTTP: tokens a second of 16 at once over those of one, prompts and the clients' reading included.
 */
import { expectModel } from '../bench/_expect-model.ts'
import { inTurn, median, medianRatio } from '../bench/_measure.ts'
import type { Row, Topic } from '../bench/_topic.ts'
import { type StartedServer, startServer } from './started-server.ts'

const STREAMS = 16
const PROMPT = 40
const NEW = 32
/** What many streams must give at least. */
const FLOOR = 4

export const serveTopic: Topic = {
  name: 'serve',
  async run(context) {
    const model = expectModel(context, 'serve')
    context.progress('starting the server')
    await using server = await startServer(model, [
      '--name',
      'bench',
      '--parallel',
      `${STREAMS}`,
      '--device',
      'cpu',
    ])
    const times = await inTurn(
      { many: () => tokensPerSecond(server, STREAMS), one: () => tokensPerSecond(server, 1) },
      { repeat: context.quick ? 3 : 7, maxSeconds: 240 },
    )
    return [rowOf(times)]
  },
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function rowOf({ many, one }: Record<'many' | 'one', number[]>): Row {
  return {
    name: `${STREAMS} streams over one`,
    ours: median(many),
    peer: median(one),
    unit: 'tokens/s',
    ratio: medianRatio(many, one),
    floor: FLOOR,
    goal: null,
    better: 'higher',
  }
}

async function tokensPerSecond(server: StartedServer, streams: number): Promise<number> {
  const began = performance.now()
  const made = await Promise.all(Array.from({ length: streams }, (_, seed) => tokensOf(server, seed)))
  return (made.reduce((a, b) => a + b, 0) * 1000) / (performance.now() - began)
}

/** Reads one stream to its end. */
async function tokensOf({ url }: StartedServer, seed: number): Promise<number> {
  const answer = await fetch(`${url}/v1/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      model: 'bench',
      prompt: Array.from({ length: PROMPT }, (_, i) => (i * 37) % 256),
      max_tokens: NEW,
      seed,
      stream: true,
      stream_options: { include_usage: true },
    }),
  })
  const text = await answer.text()
  const [, tokens] = /"completion_tokens":(\d+)/.exec(text) ?? []
  if (tokens === undefined) throw new Error(`no usage in ${text.slice(0, 500)}`)
  return Number(tokens)
}
