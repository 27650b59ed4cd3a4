/**
 * The texts of one request, from the queue to whoever answers: one stream of what happens to all of them.
 */
import type { SamplingOptions, TextStep, TokenConstraint } from '../../generate/mod.ts'
import type { ServedVoice } from '../model/served-model.ts'
import { type Channel, createChannel } from './channel.ts'
import type { TextQueue } from './text-queue.ts'
import { createTextWriter, type TextWriter, type WrittenPiece } from './text-writer.ts'

/** What is to be written, whatever protocol asked for it. */
export interface WritingRequest {
  readonly voice: ServedVoice
  /** Ids of each prompt. */
  readonly prompts: readonly (readonly number[])[]
  /** Texts of each prompt; they have seeds of their own, counted up. */
  readonly count: number
  readonly sampling: Omit<SamplingOptions, 'stopIds'> & { readonly seed: number }
  readonly stops: readonly string[]
  /** How many likely tokens are told with each; null: not how likely a token was either. */
  readonly logprobs: number | null
  /** What each text may say; a new state for each. */
  readonly constraint: (() => TokenConstraint) | null
  /** Special tokens whose text is kept. */
  readonly kept: readonly string[]
}

/** What happens to the text of an index. Texts are counted prompt by prompt. */
export type WritingEvent =
  | { readonly type: 'piece'; readonly index: number; readonly piece: WrittenPiece }
  | { readonly type: 'end'; readonly index: number; readonly end: WritingEnd }

/** How a text ended. */
export interface WritingEnd {
  /** By a stop token or text; or no token more was wanted or possible. */
  readonly reason: 'stop' | 'length'
  /** The stop text, where one was the reason. */
  readonly stop: string | null
  /** Tokens made. */
  readonly tokens: number
  /** Tokens of the prompt whose pass was there already. */
  readonly reused: number
}

/** Submits all texts. When the signal is aborted they end, and the stream with them. */
export function startWriting(
  queue: TextQueue,
  request: WritingRequest,
  signal: AbortSignal,
): AsyncIterable<WritingEvent> {
  const { prompts, count } = request
  const channel = createChannel<WritingEvent>()
  const cancels: (() => void)[] = []
  const cancelAll = (): void => cancels.forEach((cancel) => cancel())
  const gone = (): void => {
    cancelAll()
    channel.close()
  }
  let left = prompts.length * count
  const finish = (): void => {
    left--
    if (left > 0) return
    signal.removeEventListener('abort', gone)
    channel.close()
  }
  const fail = (error: unknown): void => {
    signal.removeEventListener('abort', gone)
    cancelAll()
    channel.fail(error)
  }
  if (signal.aborted || left === 0) channel.close()
  else {
    signal.addEventListener('abort', gone, { once: true })
    for (const [at, prompt] of prompts.entries())
      for (let i = 0; i < count; i++)
        cancels.push(
          submit(queue, { request, prompt, nth: i, index: at * count + i }, { channel, finish, fail }),
        )
  }
  return channel
}

// ---- helpers ----------------------------------------------------------------------------------------------------

interface OneText {
  readonly request: WritingRequest
  readonly prompt: readonly number[]
  /** Among those of its prompt. */
  readonly nth: number
  readonly index: number
}

interface Outcome {
  readonly channel: Channel<WritingEvent>
  finish(): void
  fail(error: unknown): void
}

function submit(
  queue: TextQueue,
  { request, prompt, nth, index }: OneText,
  { channel, finish, fail }: Outcome,
): () => void {
  const { voice, sampling, logprobs, constraint } = request
  const { tokenizer, adapters } = voice
  const writer = createTextWriter(tokenizer, request)
  let tokens = 0
  const tell = (piece: WrittenPiece): void => {
    if (piece.text !== '' || piece.tokens.length > 0) channel.push({ type: 'piece', index, piece })
  }
  const end = ({ end, reused }: TextStep): void => {
    tell(writer.end())
    const reason = writer.stopped !== null ? 'stop' : (end ?? 'stop')
    channel.push({ type: 'end', index, end: { reason, stop: writer.stopped, tokens, reused } })
    finish()
  }
  const cancel = queue.submit(
    {
      ...sampling,
      seed: sampling.seed + nth,
      prompt,
      adapters,
      stopIds: tokenizer.eosIds,
      ...(logprobs === null ? {} : { logprobs }),
      ...(constraint === null ? {} : { constraint: constraint() }),
    },
    {
      onStep(step) {
        if (step.id !== null) {
          tokens++
          tell(pieceOf(writer, step.id, step))
        }
        if (step.end === null && writer.stopped === null) return
        if (step.end === null) cancel()
        end(step)
      },
      onError: fail,
    },
  )
  return cancel
}

function pieceOf(writer: TextWriter, id: number, { logprobs }: TextStep): WrittenPiece {
  return writer.push({ id, logprobs })
}
