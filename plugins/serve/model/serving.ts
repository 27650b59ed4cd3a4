/**
 * What the routes of a server share: the model, the line of its texts, and the door before it.
 */
import { HttpRefusal } from '../../http/mod.ts'
import type { Admission } from '../text/admission.ts'
import type { ConstraintSource } from '../text/constraints.ts'
import type { TextQueue } from '../text/text-queue.ts'
import type { TokenText } from '../text/token-texts.ts'
import type { ServedModel, ServedVoice } from './served-model.ts'

export interface Serving {
  readonly served: ServedModel
  readonly queue: TextQueue
  readonly admission: Admission
  /** Tokens that a text can have, its prompt included. */
  readonly tokens: number
  readonly constraints: ConstraintSource
  /** The text of a single token of a voice. */
  tokenText(voice: ServedVoice, id: number): TokenText
  /** Gets what is no error of tritune. */
  onBug(error: unknown): void
}

/** Takes places for so many texts, until the signal says that their client has all or is gone. Throws 429 when there are none, 400 when there never are. */
export function enter({ admission }: Serving, texts: number, signal: AbortSignal): void {
  if (texts > admission.places)
    throw new HttpRefusal(
      400,
      `${texts} texts in one request, there is room for ${admission.places} in all`,
      {
        remedy: 'ask several times',
      },
    )
  const place = admission.enter(texts)
  if (place === null)
    throw new HttpRefusal(
      429,
      `${admission.inside} texts are being made or wait, there is no place for more`,
      {
        code: 'E_BUSY',
        remedy: 'ask again after the seconds that retry-after says',
        headers: { 'retry-after': `${admission.retryAfter()}` },
      },
    )
  if (signal.aborted) place[Symbol.dispose]()
  signal.addEventListener('abort', () => place[Symbol.dispose](), { once: true })
}
