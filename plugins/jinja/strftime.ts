/** `datetime.strftime` of Python in the C locale, for local time. */
import { templateError } from './errors.ts'

const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday']
const MONTHS = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
]

type Directive = (date: Date) => string

const two = (number: number): string => String(number).padStart(2, '0')
const hour12 = (date: Date): number => date.getHours() % 12 || 12
const dayOfYear = (date: Date): number => {
  const [today, first] = [date, new Date(date.getFullYear(), 0, 1)].map((day) =>
    Date.UTC(day.getFullYear(), day.getMonth(), day.getDate()),
  )
  return (today - first) / 86_400_000
}

const DIRECTIVES: Readonly<Record<string, Directive>> = {
  a: (date) => DAYS[date.getDay()].slice(0, 3),
  A: (date) => DAYS[date.getDay()],
  b: (date) => MONTHS[date.getMonth()].slice(0, 3),
  B: (date) => MONTHS[date.getMonth()],
  c: (date) => strftime(date, '%a %b %e %H:%M:%S %Y'),
  C: (date) => two(Math.floor(date.getFullYear() / 100)),
  d: (date) => two(date.getDate()),
  D: (date) => strftime(date, '%m/%d/%y'),
  e: (date) => String(date.getDate()).padStart(2),
  f: (date) => `${String(date.getMilliseconds()).padStart(3, '0')}000`,
  F: (date) => strftime(date, '%Y-%m-%d'),
  h: (date) => MONTHS[date.getMonth()].slice(0, 3),
  H: (date) => two(date.getHours()),
  I: (date) => two(hour12(date)),
  j: (date) => String(dayOfYear(date) + 1).padStart(3, '0'),
  k: (date) => String(date.getHours()).padStart(2),
  l: (date) => String(hour12(date)).padStart(2),
  m: (date) => two(date.getMonth() + 1),
  M: (date) => two(date.getMinutes()),
  n: () => '\n',
  p: (date) => (date.getHours() < 12 ? 'AM' : 'PM'),
  r: (date) => strftime(date, '%I:%M:%S %p'),
  R: (date) => strftime(date, '%H:%M'),
  s: (date) => String(Math.floor(date.getTime() / 1000)),
  S: (date) => two(date.getSeconds()),
  t: () => '\t',
  T: (date) => strftime(date, '%H:%M:%S'),
  u: (date) => String(date.getDay() || 7),
  U: (date) => two(Math.floor((dayOfYear(date) + 7 - date.getDay()) / 7)),
  w: (date) => String(date.getDay()),
  W: (date) => two(Math.floor((dayOfYear(date) + 7 - ((date.getDay() + 6) % 7)) / 7)),
  x: (date) => strftime(date, '%m/%d/%y'),
  X: (date) => strftime(date, '%H:%M:%S'),
  y: (date) => two(date.getFullYear() % 100),
  Y: (date) => String(date.getFullYear()),
  // A time without a zone has no name and no offset.
  z: () => '',
  Z: () => '',
  '%': () => '%',
}

export function strftime(date: Date, format: string): string {
  // With `-`, glibc leaves out the padding.
  return format.replace(/%(-?)(.)/gsu, (_all, dash: string, letter: string) => {
    const directive = Object.hasOwn(DIRECTIVES, letter) ? DIRECTIVES[letter] : undefined
    if (directive === undefined) throw templateError(`strftime_now does not know %${dash}${letter}`)
    const text = directive(date)
    return dash === '' ? text : text.replace(/^[0 ]+(?=.)/, '')
  })
}
