/** The files of the page: those of ../page and the charts of the package uplot, all from this machine. */
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { optionalPackage } from '../../../core/optional-package.ts'
import type { FileSource } from '../../http/mod.ts'

/** Of the folder page/, beside index.html. */
export const PAGE_FILES: readonly string[] = [
  'api.js',
  'app.js',
  'charts.js',
  'controls.js',
  'dom.js',
  'finetune-view.js',
  'format.js',
  'histograms.js',
  'runs-view.js',
  'samples.js',
  'store.js',
  'style.css',
]

/** Throws E_LIBRARY when the package of the charts is not there. */
export async function pageFiles(): Promise<FileSource> {
  const page = (name: string): URL => new URL(`../page/${name}`, import.meta.url)
  const charts = await optionalPackage(
    { name: 'uplot', code: 'E_LIBRARY', what: 'which draws the charts of the page' },
    async () => dirname(createRequire(import.meta.url).resolve('uplot')),
  )
  return {
    '/': page('index.html'),
    ...Object.fromEntries(PAGE_FILES.map((name) => [`/${name}`, page(name)])),
    '/uplot.js': join(charts, 'uPlot.esm.js'),
    '/uplot.css': join(charts, 'uPlot.min.css'),
  }
}
