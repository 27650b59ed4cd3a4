/**
 * f32 products by our kernels against those by a BLAS, size by size: what the rule of `gemm: auto` (native/cpu/gemm/blas.cpp) is set by. No
 * floors: on most machines nobody asks for a BLAS.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { type NativeLibrary, openLibrary } from '../../../core/native/library.ts'
import { openCpu } from '../../../plugins/cpu/mod.ts'
import { BLAS_CASES, type BlasCase, openBlasCase } from './_blas-cases.ts'
import { inTurn, median, medianRatio, seconds } from '../_measure.ts'
import type { BenchContext, Row, Topic } from '../_topic.ts'

export const blas: Topic = {
  name: 'blas',
  async run(context) {
    const { threads } = context
    openCpu({ threads, gemm: 'blas', ...(context.blas === null ? {} : { blas: context.blas }) })
    const library = openLibrary('cpu')
    context.progress(`BLAS: ${String(library.options().blas)}`)
    try {
      const rows: Row[] = []
      for (const one of BLAS_CASES) {
        if (context.only !== null && !one.name.includes(context.only)) continue
        context.progress(one.name)
        rows.push(await measure(one, library, context))
      }
      return rows
    } finally {
      openCpu({ threads })
    }
  },
}

/** Of one measurement: enough for the clock, and for the threads of either side to be awake. */
const LEAST_SECONDS = 0.005
/** OpenBLAS keeps its threads awake for so long after a product, and ours want the cores. */
const REST_MILLISECONDS = 40

async function measure(one: BlasCase, library: NativeLibrary, { quick }: BenchContext): Promise<Row> {
  using opened = openBlasCase(one, library)
  const rate = async (gemm: 'own' | 'blas'): Promise<number> => {
    await sleep(REST_MILLISECONDS)
    choose(library, gemm)
    opened.run()
    for (let times = 1; ; times *= 2) {
      const taken = seconds(() => {
        for (let i = 0; i < times; i++) opened.run()
      })
      if (taken >= LEAST_SECONDS) return (times * opened.operations) / taken / 1e9
    }
  }
  const rates = await inTurn(
    { own: () => rate('own'), blas: () => rate('blas') },
    { repeat: quick ? 3 : 9, maxSeconds: quick ? 1 : 6 },
  )
  const ratio = medianRatio(rates.own, rates.blas)
  return {
    name: one.name,
    ours: median(rates.own),
    peer: median(rates.blas),
    unit: 'GFLOP/s',
    ratio,
    floor: null,
    goal: null,
    better: 'higher',
    note: ratio < 1 ? `BLAS is ${(1 / ratio).toFixed(2)} × as fast` : '',
  }
}

function choose({ call }: NativeLibrary, gemm: 'own' | 'blas'): void {
  const text = (value: string): Uint8Array => new TextEncoder().encode(`${value}\0`)
  call.tt_option_set(text('gemm'), text(gemm))
}
