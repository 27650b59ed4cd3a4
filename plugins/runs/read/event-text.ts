/**
 * An event of a run as a line for people. Wherever events are shown they are told by this one function; how long a line may be and how it looks is theirs who show it.
 */
import type { EventLine } from '../record/run-lines.ts'
import { shortNumber } from './short-number.ts'

/**
 * What happened, without time and step. One line without characters that control a terminal or turn text round: models, data and errors write any.
 *
 * @example
 * ```ts
 * import { eventText } from 'tritune/plugins/runs'
 *
 * const event = { time: '2026-01-01T00:00:00Z', step: 50, type: 'eval', loss: 2.512345678901234, best: true }
 * console.log(eventText(event)) // → evaluation: loss 2.512 (best)
 * ```
 */
export function eventText(event: EventLine): string {
  return said(event)
    .replaceAll(/[\p{Cc}\s\u202a-\u202e\u2066-\u2069]+/gu, ' ')
    .trim()
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function said({ time: _, step, type, ...fields }: EventLine): string {
  const { text, message, loss, best, metrics, path, prompt, completion, stopped } = fields
  switch (type) {
    case 'start':
      return step === 0 ? 'started' : `resumed after step ${step}`
    case 'end':
      return `${stopped === true ? 'stopped' : 'ended'}: loss ${valueText(loss)}`
    case 'eval':
      return `evaluation: loss ${valueText(loss)}${fieldTexts(metrics)}${best === true ? ' (best)' : ''}`
    case 'save':
      return `saved ${valueText(path)}`
    case 'control':
      return controlText(fields)
    case 'sample':
      return `sample: ${valueText(prompt)} ▸ ${valueText(completion)}`
    default: {
      // note, alert, advice, error, and what a newer version writes.
      const words = typeof text === 'string' ? text : typeof message === 'string' ? message : null
      const rest = words ?? fieldTexts(fields).replace(/^, /, '')
      return rest === '' ? type : `${type}: ${rest}`
    }
  }
}

function controlText({ action, ok, reason, value, before }: Readonly<Record<string, unknown>>): string {
  const what = valueText(action).replaceAll('_', ' ')
  const to = value === undefined ? '' : ` ${valueText(value)}`
  if (ok !== true) return `refused: ${what}${to}: ${valueText(reason)}`
  return `done: ${what}${to}${before === undefined ? '' : ` (before: ${valueText(before)})`}`
}

/** `, name value` of each. */
function fieldTexts(fields: unknown): string {
  if (typeof fields !== 'object' || fields === null) return ''
  return Object.entries(fields)
    .map(([name, value]) => `, ${name} ${valueText(value)}`)
    .join('')
}

function valueText(value: unknown): string {
  if (value === undefined || value === null) return '–'
  if (typeof value === 'number') return shortNumber(value)
  return typeof value === 'string' ? value : JSON.stringify(value)
}
