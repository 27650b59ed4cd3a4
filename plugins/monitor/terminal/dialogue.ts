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
  | { readonly kind: 'ask'; readonly control: Control }

/** Takes keys one after the other. */
export interface Dialogue {
  /** For the last line; null: nothing is asked or told. */
  readonly prompt: string | null
  /** null: nothing follows. */
  onKey(key: Key, now: { readonly paused: boolean; readonly learningRate: number | null }): Wish | null
  /** Shows a text until the next key. */
  tell(text: string): void
}

const LONGEST = 24

/** With nothing asked. */
export function createDialogue(): Dialogue {
  let typed: string | null = null
  let isStopAsked = false
  let told: string | null = null

  const onTyped = ({ name, sequence = '' }: Key): Wish | null => {
    if (name === 'escape') typed = null
    else if (name === 'backspace') typed = typed?.slice(0, -1) ?? null
    else if (name === 'return' || name === 'enter') {
      const control = { action: 'set_learning_rate', value: numberOf(typed ?? '') } as const
      typed = null
      const fault = controlFault(control)
      if (fault === null) return { kind: 'ask', control }
      told = fault
    } else if (/^[\d.eE+-]$/.test(sequence) && (typed ?? '').length < LONGEST)
      typed = `${typed ?? ''}${sequence}`
    return null
  }

  return {
    get prompt() {
      if (typed !== null) return `learning rate: ${typed}_   Enter sets it, Esc leaves it`
      if (isStopAsked) return 'stop the run, with a checkpoint? y stops it, any other key does not'
      return told
    },
    onKey(key, { paused, learningRate }) {
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
          typed = learningRate === null ? '' : String(Number(learningRate.toPrecision(3)))
          return null
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
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** NaN for what is no number. */
function numberOf(text: string): number {
  return text.trim() === '' ? Number.NaN : Number(text)
}
