// Makes networks.csv from the npm package mcc-mnc-list.
//
//   npm pack mcc-mnc-list@1.1.11 && tar -xzf mcc-mnc-list-*.tgz
//   node migrations/generate-networks.mjs package/mcc-mnc-list.json > migrations/networks.csv
//
// Left out: test networks, entries that are not operational, reserved or given back, and those without a name. A code
// with several entries keeps an operational one; among equals that of the country which has most codes of the MCC.
// The result depends on nothing but the input.
import { readFileSync } from 'node:fs';

const GONE = new Set(['Not operational', 'Reserved', 'Returned spare', 'Test Network']);
// Codes that are no ISO 3166-1 alpha-2: several territories under one MCC, or a part of a country.
const COUNTRIES = {
  'AU/CC/CX': ['AU', 'Australia'],
  'BL/GF/GP/MF/MQ': ['GP', 'French Antilles'],
  'BQ/CW/SX': ['CW', 'Curaçao, Bonaire, Sint Maarten'],
  'GE-AB': ['GE', 'Georgia'],
  'YT/RE': ['RE', 'Réunion and Mayotte'],
};

const clean = (text) => (text ?? '').split(/\s+/).filter(Boolean).join(' ');
const order = (a, b) => (a < b ? -1 : a > b ? 1 : 0);
const field = (text) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

const entries = new Map();
const codes = new Map();
for (const row of JSON.parse(readFileSync(process.argv[2], 'utf8'))) {
  const name = clean(row.brand) || clean(row.operator);
  const wellFormed = /^\d{3}$/.test(row.mcc ?? '') && /^\d{2,3}$/.test(row.mnc ?? '');
  if (!wellFormed || !name || row.type === 'Test' || GONE.has(row.status)) continue;
  const [code, country] = COUNTRIES[row.countryCode] ?? [row.countryCode ?? '', clean(row.countryName).split(' (')[0]];
  const entry = { ...row, name, operator: clean(row.operator), code, country };
  const key = `${row.mcc},${row.mnc}`;
  entries.set(key, [...(entries.get(key) ?? []), entry]);
  codes.set(`${row.mcc},${code}`, (codes.get(`${row.mcc},${code}`) ?? 0) + 1);
}

const better = (a, b) =>
  (a.status !== 'Operational') - (b.status !== 'Operational') ||
  codes.get(`${b.mcc},${b.code}`) - codes.get(`${a.mcc},${a.code}`) ||
  order(a.code, b.code) || order(a.name, b.name) || order(a.operator, b.operator);

const lines = ['mcc,mnc,name,operator,country_code,country'];
for (const key of [...entries.keys()].sort((a, b) => order(a.split(',')[0], b.split(',')[0]) || order(a.split(',')[1], b.split(',')[1]))) {
  const best = entries.get(key).sort(better)[0];
  lines.push([best.mcc, best.mnc, best.name, best.operator, best.code, best.country].map(field).join(','));
}
process.stdout.write(`${lines.join('\n')}\n`);
