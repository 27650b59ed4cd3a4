/**
 * What the options `gemm` and `blas` of the CPU library refuse, and what they say.
 */
import { afterAll, afterEach, describe, expect, test } from 'bun:test'
import { dlopen } from 'bun:ffi'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openLibrary } from '../../core/native/library.ts'
import { TrituneError } from '../../core/mod.ts'
import { OPENBLAS, setOption } from './_openblas.ts'

const folder = mkdtempSync(join(realpathSync(tmpdir()), 'tritune-blas-'))
afterAll(() => rmSync(folder, { recursive: true }))

function refusal(name: string, value: string): string {
  try {
    setOption(name, value)
  } catch (error) {
    if (error instanceof TrituneError && error.code === 'E_NATIVE') return error.message
    throw error
  }
  return 'no error'
}

function file(name: string, content: string | Uint8Array): string {
  const path = join(folder, name)
  writeFileSync(path, content)
  return path
}

/** How much of a library for Linux is loaded; behind it may lie what only debuggers read. */
function loadedBytes(elf: Uint8Array): number {
  const view = new DataView(elf.buffer, elf.byteOffset, elf.byteLength)
  const [table, size, count] = [
    Number(view.getBigUint64(32, true)),
    view.getUint16(54, true),
    view.getUint16(56, true),
  ]
  const ends = Array.from({ length: count }, (_, i) => table + i * size).map((at) => {
    const isLoaded = view.getUint32(at, true) === 1
    return isLoaded ? Number(view.getBigUint64(at + 8, true) + view.getBigUint64(at + 32, true)) : 0
  })
  return Math.max(...ends)
}

/** A library made of C. */
function compile(name: string, source: string): string {
  const path = join(folder, `${name}.so`)
  const from = file(`${name}.c`, source)
  const { status, stderr } = spawnSync('gcc', ['-shared', '-fPIC', '-O1', '-o', path, from], {
    encoding: 'utf8',
  })
  if (status !== 0) throw new Error(stderr)
  return path
}

/** cblas_sgemm of row-major matrices; `store` says how an element of c is made of alpha·sum, beta and what is there. */
const naive = (store: string): string => `
  void cblas_sgemm(int order, int ta, int tb, int m, int n, int k, float alpha, const float* a, int lda, const float* b, int ldb, float beta, float* c, int ldc) {
    for (int i = 0; i < m; i++)
      for (int j = 0; j < n; j++) {
        float sum = 0;
        for (int p = 0; p < k; p++) sum += (ta == 111 ? a[i * lda + p] : a[p * lda + i]) * (tb == 111 ? b[p * ldb + j] : b[j * ldb + p]);
        float* to = c + i * ldc + j;
        *to = ${store};
      }
  }`
const RIGHT = 'alpha * sum + (beta == 0 ? 0 : beta * *to)'

describe('tt_option_set()', () => {
  afterEach(() => setOption('gemm', 'auto'))

  test('lists the options and the values that there are', () => {
    expect(refusal('gem', 'own')).toContain('there is no option "gem"; there are gemm and blas')
    expect(refusal('gemm', 'cublaslt')).toContain('gemm must be auto, own or blas, got "cublaslt"')
    expect(refusal('blas', '')).toContain('must be the path or the name of a library')
    setOption('gemm', 'own')
    expect(openLibrary('cpu').options().gemm).toBe('own')
  })

  test('says why a library cannot be the BLAS', () => {
    expect(refusal('blas', join(folder, 'absent.so'))).toContain('No such file')
    expect(refusal('blas', file('text.so', 'no library'))).toMatch(/blas cannot be this library: .*text\.so/)
    expect(refusal('blas', `/${'x'.repeat(2000)}`)).toContain('2001 bytes')
    const { path } = openLibrary('cpu')
    expect(refusal('blas', path)).toContain('it has no cblas_sgemm')
  })

  test.skipIf(process.platform !== 'linux')(
    'refuses a library that was cut off, which would end the process',
    () => {
      const whole = readFileSync(openLibrary('cpu').path)
      for (const bytes of [loadedBytes(whole) - 1, 1000, 70])
        expect(refusal('blas', file('cut.so', whole.subarray(0, bytes)))).toContain('the file was cut off')
    },
  )

  test('has no BLAS on Linux and Windows until one is named', () => {
    const script = `
      import { openLibrary } from ${JSON.stringify(new URL('../../core/native/library.ts', import.meta.url).href)}
      const text = (one) => new TextEncoder().encode(one + '\\0')
      const { call, options } = openLibrary('cpu')
      let said = ''
      try { call.tt_option_set(text('gemm'), text('blas')) } catch (error) { said = error.message }
      console.log(JSON.stringify({ said, ...options() }))`
    const { stdout } = spawnSync(process.execPath, [file('fresh.ts', script)], { encoding: 'utf8' })
    const got: unknown = JSON.parse(stdout)
    if (process.platform === 'darwin') expect(got).toMatchObject({ said: '', gemm: 'blas', problem: null })
    else
      expect(got).toMatchObject({
        said: expect.stringContaining('the option blas names a library that has cblas_sgemm'),
        gemm: 'auto',
        auto: 'own',
        blas: null,
        problem: null,
        blas_products: 0,
      })
  })
})

describe.skipIf(Bun.which('gcc') === null)('a BLAS is tried before it is used', () => {
  test('one that is right is taken, and what is refused after it changes nothing', () => {
    const right = compile('right', naive(RIGHT))
    setOption('blas', right)
    expect(openLibrary('cpu').options().blas).toBe(right)
    expect(refusal('blas', join(folder, 'absent.so'))).toContain('No such file')
    expect(openLibrary('cpu').options().blas).toBe(right)
  })

  test.each([
    ['reads c when beta is 0', naive('alpha * sum + beta * *to')],
    ['forgets alpha', naive('sum + (beta == 0 ? 0 : beta * *to)')],
    ['does nothing', 'void cblas_sgemm(void) {}'],
  ])('one that %s is refused', (name, source) => {
    expect(refusal('blas', compile(name.replaceAll(' ', '-'), source))).toContain('gives wrong numbers')
  })

  test('one whose integers have 64 bits is refused', () => {
    const config =
      'const char* openblas_get_config(void) { return "OpenBLAS 0.3.21 USE64BITINT DYNAMIC_ARCH"; }'
    expect(refusal('blas', compile('wide', naive(RIGHT) + config))).toContain('integers have 64 bits')
  })

  test('OpenBLAS is told how many threads to take', () => {
    const source = `static int threads; void openblas_set_num_threads(int n) { threads = n; } int told(void) { return threads; }`
    const path = compile('told', naive(RIGHT) + source)
    setOption('blas', path)
    setOption('gemm', 'blas')
    const { call } = openLibrary('cpu')
    const { symbols, close } = dlopen(path, { told: { args: [], returns: 'i32' } })
    const one = new Float32Array([2])
    const out = new BigInt64Array(1)
    call.tt_alloc(out, 192)
    const [a, b, c] = [0, 64, 128].map((offset) => Number(out[0]) + offset)
    for (const threads of [3, 2]) {
      call.tt_init(0, threads, 0)
      for (const to of [a, b]) call.tt_upload(to, new Uint8Array(one.buffer), 4, 0)
      call.tt_matmul(c, a, b, 1, 1, 1, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0)
      expect(symbols.told()).toBe(threads)
      const back = new Float32Array(1)
      call.tt_download(new Uint8Array(back.buffer), c, 4, 0)
      expect(back[0]).toBe(4)
    }
    close()
    call.tt_free(Number(out[0]))
    call.tt_init(0, 0, 0)
  })

  afterAll(() => {
    setOption('gemm', 'auto')
    if (OPENBLAS !== null) setOption('blas', OPENBLAS)
  })
})
