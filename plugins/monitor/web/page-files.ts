/**
 * The files of the page: those of ../page, and the charts of uPlot, all from this machine. A package has uPlot beside the page (scripts/build), a checkout in
 * node_modules.
 */
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { optionalPackage } from '../../../core/optional-package.ts'
import type { FileSource } from '../../http/mod.ts'

/** Of the folder page/, beside index.html. */
const NAMES: readonly string[] = [
  'api.js',
  'app.js',
  'charts.js',
  'controls.js',
  'dom.js',
  'finetune-view.js',
  'format.js',
  'histograms.js',
  'run-curves.js',
  'run-facts.js',
  'run-head.js',
  'run-list.js',
  'run-log.js',
  'runs-view.js',
  'samples.js',
  'store.js',
  'style.css',
  'thin.js',
]

/** Throws E_LIBRARY when the charts are not there. */
export async function pageFiles(): Promise<FileSource> {
  return {
    '/': page('index.html'),
    ...Object.fromEntries(NAMES.map((name) => [`/${name}`, page(name)])),
    ...(await chartFiles()),
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function page(name: string): string {
  return fileURLToPath(new URL(`../page/${name}`, import.meta.url))
}

async function chartFiles(): Promise<FileSource> {
  const own = { '/uplot.js': page('uplot.js'), '/uplot.css': page('uplot.css') }
  if (existsSync(own['/uplot.js'])) return own
  const folder = await optionalPackage(
    { name: 'uplot', code: 'E_LIBRARY', what: 'which draws the charts of the page' },
    async () => dirname(createRequire(import.meta.url).resolve('uplot')),
  )
  return { '/uplot.js': join(folder, 'uPlot.iife.min.js'), '/uplot.css': join(folder, 'uPlot.min.css') }
}
