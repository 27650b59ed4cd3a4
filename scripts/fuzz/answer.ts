/**
 * What an answer to broken input may be: a result or a TrituneError, in time that grows with the input and no faster.
 */
import { TrituneError } from '../../core/mod.ts'
import { Finding } from './fuzzer.ts'

/** Seconds of the processor: another process on this machine does not count. */
function cpuSeconds(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1e6
}

const FIXED_SECONDS = 2
const SECONDS_PER_BYTE = 2e-5

/** Throws a Finding when `run` throws something else than a TrituneError, or takes longer than its input allows. */
export function expectAnswer(subject: string, bytes: number, run: () => unknown): void {
  const start = cpuSeconds()
  try {
    run()
  } catch (error) {
    if (!(error instanceof TrituneError))
      throw new Finding(
        `${subject}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
      )
    expectShort(subject, error)
  }
  expectInTime(subject, bytes, cpuSeconds() - start)
}

/** The same for a promise. */
export async function expectAnswerLater(
  subject: string,
  bytes: number,
  run: () => Promise<unknown>,
): Promise<void> {
  const start = cpuSeconds()
  try {
    await run()
  } catch (error) {
    if (!(error instanceof TrituneError))
      throw new Finding(
        `${subject}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
      )
    expectShort(subject, error)
  }
  expectInTime(subject, bytes, cpuSeconds() - start)
}

/** Somebody has to read it. */
const LONGEST_MESSAGE = 100_000

function expectShort(subject: string, { message }: TrituneError): void {
  if (message === '') throw new Finding(`${subject}: an error without a message`)
  if (message.length > LONGEST_MESSAGE)
    throw new Finding(`${subject}: a message of ${message.length} characters: ${message.slice(0, 300)}`)
}

function expectInTime(subject: string, bytes: number, seconds: number): void {
  if (seconds > FIXED_SECONDS + SECONDS_PER_BYTE * bytes)
    throw new Finding(`${subject}: ${seconds.toFixed(1)} s for ${bytes} bytes`)
}

const SMALL = 2000
const FACTOR = 8

/** Throws a Finding where an input of 8 times the size takes more than 3 · 8 times the processor (or what `clock` counts). */
export function expectLinear(
  subject: string,
  make: (n: number) => string,
  run: (text: string) => unknown,
  clock: () => number = cpuSeconds,
): void {
  const measure = (n: number): number => {
    const text = make(n)
    const start = clock()
    expectAnswer(`${subject}, ${n} times`, 1e7, () => run(text))
    return clock() - start
  }
  measure(SMALL)
  checkGrowth(subject, measure(SMALL), measure(FACTOR * SMALL))
}

/** The same for what is waited for. */
export async function expectLinearLater(
  subject: string,
  make: (n: number) => string,
  run: (text: string) => Promise<unknown>,
): Promise<void> {
  const measure = async (n: number): Promise<number> => {
    const text = make(n)
    const start = cpuSeconds()
    await expectAnswerLater(`${subject}, ${n} times`, 1e7, () => run(text))
    return cpuSeconds() - start
  }
  await measure(SMALL)
  checkGrowth(subject, await measure(SMALL), await measure(FACTOR * SMALL))
}

function checkGrowth(subject: string, measured: number, large: number): void {
  const small = Math.max(0.02, measured)
  if (large > 3 * FACTOR * small)
    throw new Finding(
      `${subject}: ${FACTOR} times the input takes ${(large / small).toFixed(1)} times as long (${large.toFixed(1)} s)`,
    )
}
