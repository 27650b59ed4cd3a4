/**
 * `native`: every function of the ABI with sizes, strides, dtypes, indices and nulls that fit and that do not, its buffers between
 * guard pages. What C can know must be refused; what it cannot (how large a buffer is) is right here by construction.
 */
import { writeSync } from 'node:fs'
import { openModule } from '../../../core/native/ffi.ts'
import { libraryCandidates } from '../../../core/native/library.ts'
import { type NativeFunctions, SYMBOLS } from '../../../core/native/symbols.ts'
import { Finding, type Fuzzer } from '../fuzzer.ts'
import { type Dice, HOSTILE_NUMBERS } from '../random.ts'
import { type GuardedSlot, guardedSlots, SLOT_BYTES } from './guarded.ts'
import type { Argument, BufferArgument, HostArgument, Sizes } from './row.ts'
import { NATIVE_ROWS } from './table.ts'

/** More than a process can address. */
const IMPOSSIBLE = 2 ** 47
const SLOTS = 24

export function nativeFuzzer(): Fuzzer {
  const [path] = libraryCandidates('cpu')
  const { functions } = openModule<NativeFunctions>(path, SYMBOLS)
  const slots = guardedSlots(SLOTS)
  const names = Object.keys(NATIVE_ROWS) as (keyof NativeFunctions)[]
  return {
    run(dice) {
      const name = dice.pick(names)
      const row = NATIVE_ROWS[name]
      const sizes = hostile(dice, row.sizes(dice), name)
      const args = row.args(sizes)
      const buffers = args.flatMap(buffersOf)
      const most = Math.max(0, ...buffers.map(({ bytes }) => bytes))
      const isImpossible = buffers.some(({ bytes }) => !(bytes >= 0 && bytes <= IMPOSSIBLE))
      // C cannot know that a buffer is not as large as its size says.
      if (!isImpossible && most > SLOT_BYTES) return
      const maker = new Maker(dice, slots, isImpossible)
      const values = args.map((argument) => maker.make(argument))
      const fits = values.map((value, i) => fitsArgument(value, SYMBOLS[name].args[i]))
      // The layer above refuses these: they are no numbers of the ABI.
      if (fits.includes(false)) return
      writeSync(2, `#${name}(${values.map(text).join(', ')}) ${JSON.stringify(sizes)}\n`)
      const call: (...args: never[]) => number | string = functions[name]
      const status = Reflect.apply(call, undefined, values)
      if (typeof status !== 'number' || status > 0 || status < -6)
        throw new Finding(`${name}: status ${String(status)}`)
      if (status < 0 && functions.tt_last_error() === '')
        throw new Finding(`${name}: status ${status} without a message`)
    },
  }
}

/** Two thirds of the calls stay as they are; then one or two sizes or scalars become something else. */
function hostile(dice: Dice, sizes: Sizes, name: string): Sizes {
  let changed = sizes
  if (dice.chance(0.6)) return changed
  const isAmount = (key: string): boolean => !['p', 'softcap', 'threshold'].includes(key)
  for (let n = dice.pick([1, 1, 2]); n > 0; n--) {
    const key = dice.pick(Object.keys(changed))
    const value = isAmount(key)
      ? dice.pick(HOSTILE_NUMBERS.filter((n) => Number.isSafeInteger(n) || Math.abs(n) === 2 ** 62))
      : dice.pick(HOSTILE_NUMBERS)
    // A list of dims is as long as its row says.
    const isListLength = key === 'ndim' || (key === 'count' && name.startsWith('tt_adamw'))
    changed = { ...changed, [key]: isListLength ? Math.min(value, changed[key]) : value }
  }
  return changed
}

function buffersOf(argument: Argument): BufferArgument[] {
  if (typeof argument === 'number') return []
  return 'host' in argument ? argument.values.filter((value) => typeof value === 'object') : [argument]
}

type Value = number | Uint32Array | BigInt64Array | Float64Array | null

class Maker {
  readonly #dice: Dice
  readonly #slots: readonly GuardedSlot[]
  readonly #isImpossible: boolean
  #used = 0

  constructor(dice: Dice, slots: readonly GuardedSlot[], isImpossible: boolean) {
    this.#dice = dice
    this.#slots = slots
    this.#isImpossible = isImpossible
  }

  make(argument: Argument): Value {
    if (typeof argument === 'number') return argument
    if (this.#dice.chance(0.02)) return 'host' in argument ? null : 0
    return 'host' in argument ? this.#host(argument) : this.#buffer(argument)
  }

  #buffer({ bytes, content, end = 0, before = 0 }: BufferArgument): number {
    const dice = this.#dice
    const { address, view } = this.#slots[this.#used++].place(
      this.#isImpossible ? 0 : bytes,
      dice.chance(0.8),
    )
    if (content === 'floats') {
      const floats = new Float32Array(view.buffer, view.byteOffset, view.byteLength >> 2)
      for (let i = 0; i < floats.length; i++) floats[i] = dice.float() * 2 - 1
    } else if (content === 'bytes') for (let i = 0; i < view.length; i++) view[i] = 0x3f ^ (i * 7)
    else {
      const numbers = new Int32Array(view.buffer, view.byteOffset, view.byteLength >> 2)
      const most = content === 'offsets' ? end + 1 : content.below
      for (let i = 0; i < numbers.length; i++) numbers[i] = dice.int(Math.max(1, Math.min(2 ** 31, most)))
      if (content === 'offsets') numbers.set(numbers.toSorted().fill(0, 0, 1).fill(end, -1))
      if (numbers.length > 0 && dice.chance(0.1))
        numbers[dice.int(numbers.length)] = dice.pick([-1, most, most + 1, 2 ** 31 - 1, -(2 ** 31), -100])
    }
    return this.#isImpossible ? address : address + before
  }

  #host({ host, values }: HostArgument): Value {
    // Without its nested scales a weight has another form: column 3 is never left out.
    const numbers = values.map((value, i) =>
      typeof value === 'number' ? value : i !== 3 && this.#dice.chance(0.02) ? 0 : this.#buffer(value),
    )
    if (host === 'u32') return Uint32Array.from(numbers)
    if (host === 'f64') return Float64Array.from(numbers)
    if (!numbers.every(Number.isInteger)) return null
    return BigInt64Array.from(numbers, (number) => BigInt.asIntN(64, BigInt(number)))
  }
}

function fitsArgument(value: Value, type: string): boolean {
  if (type === 'i32') return typeof value === 'number' && value === (value | 0)
  if (type === 'size')
    return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value < 2 ** 64
  return true
}

function text(value: Value): string {
  return typeof value === 'object' && value !== null
    ? `[${Array.from(value, String).join(' ')}]`
    : String(value)
}
