/**
 * What keys mean: which run is shown, what is asked of it, a learning rate that is typed. It knows no terminal.
 */
import { type Control, controlFault } from '../../runs/mod.ts'

/** A key as node:readline tells it. */
export interface Key {
  readonly name?: string | undefined
  readonly sequence?: string | undefined
  readonly ctrl?: boolean | undefined
}

/** What follows from a key. */
export type Wish =
  | { readonly kind: 'leave' }
  | { readonly kind: 'other-run'; readonly by: 1 | -1 }
  | { readonly kind: 'newest-run' }
  | { readonly kind: 'ask'; readonly control: Control }

/** Takes keys one after the other. */
export interface Dialogue {
  /** For the last line; null: nothing is asked or told. */
  readonly prompt: string | null
  /** A person is in the middle of an answer, which is for the run that is shown. */
  readonly isAsking: boolean
  /** null: nothing follows. `baseRate`: that below which the schedule goes on, which is what is set. */
  onKey(key: Key, now: { readonly paused: boolean; readonly baseRate: number | null }): Wish | null
  /** Shows a text until the next key. */
  tell(text: string): void
  /** Takes back a text that was told, where it still stands. */
  untell(text: string): void
}

const LONGEST = 24

/** With nothing asked. */
export function createDialogue(): Dialogue {
  let typed: string | null = null
  // What the field was filled with: the first character takes its place.
  let isFilled = false
  let isStopAsked = false
  let told: string | null = null

  const onTyped = ({ name, sequence = '' }: Key): Wish | null => {
    const wasFilled = isFilled
    isFilled = false
    if (name === 'escape') typed = null
    else if (name === 'backspace') typed = typed?.slice(0, -1) ?? null
    else if (name === 'return' || name === 'enter') {
      const text = typed ?? ''
      const control = { action: 'set_learning_rate', value: numberOf(text) } as const
      typed = null
      if (controlFault(control) === null) return { kind: 'ask', control }
      told = `learning rate: expected a number above 0 and at most 1000, got "${text}"`
    } else if (/^[^\p{Cc}]$/u.test(sequence) && (typed ?? '').length < LONGEST)
      typed = wasFilled ? sequence : `${typed ?? ''}${sequence}`
    else isFilled = wasFilled
    return null
  }

  return {
    get prompt() {
      if (typed !== null) return `learning rate: ${typed}_   Enter sets it, Esc leaves it`
      if (isStopAsked) return 'stop the run, with a checkpoint? y stops it, any other key does not'
      return told
    },
    get isAsking() {
      return typed !== null || isStopAsked
    },
    onKey(key, { paused, baseRate }) {
      told = null
      if (key.ctrl === true && key.name === 'c') return { kind: 'leave' }
      if (typed !== null) return onTyped(key)
      if (isStopAsked) {
        isStopAsked = false
        return key.name === 'y' ? { kind: 'ask', control: { action: 'stop' } } : null
      }
      switch (key.name ?? key.sequence) {
        case 'q':
          return { kind: 'leave' }
        case 'p':
          return { kind: 'ask', control: { action: paused ? 'resume' : 'pause' } }
        case 's':
          return { kind: 'ask', control: { action: 'save' } }
        case 'x':
          isStopAsked = true
          return null
        case 'l':
          typed = baseRate === null ? '' : String(baseRate)
          isFilled = true
          return null
        case 'n':
          return { kind: 'newest-run' }
        case ']':
        case 'right':
          return { kind: 'other-run', by: 1 }
        case '[':
        case 'left':
          return { kind: 'other-run', by: -1 }
        default:
          return null
      }
    },
    tell(text) {
      told = text
    },
    untell(text) {
      if (told === text) told = null
    },
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** NaN for what is no number. */
function numberOf(text: string): number {
  return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text.trim()) ? Number(text) : Number.NaN
}
