// What the check needs around it: clients with keys, partners, receivers, and the adapter.
import { spawn, spawnSync } from 'node:child_process';
import { createSign, generateKeyPairSync, randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const dir = mkdtempSync(join(tmpdir(), 'clients-'));
const closing = [];

// Ends everything that was started.
export async function close() {
  for (const one of closing.reverse()) await one();
  rmSync(dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
}

export const odsSystem = 'https://fhir.nhs.uk/Id/ods-organization-code';
export const practice = 'Y99001';
export const service = 'Y99201';

// A client with a key of its own, registered among the partners.
export function client(id, role, ods) {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-384' });
  const kid = randomUUID();
  const jwk = { ...publicKey.export({ format: 'jwk' }), kid, use: 'sig', alg: 'ES384' };
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  return {
    id, role, ods, jwks: JSON.stringify({ keys: [jwk] }),
    // Gets a token as a SMART backend service does.
    async token(base) {
      const { token_endpoint: endpoint } = await (await fetch(`${base}/fhir/R4/.well-known/smart-configuration`)).json();
      const now = Math.floor(Date.now() / 1000);
      const text = `${part({ alg: 'ES384', typ: 'JWT', kid })}.${part({ iss: id, sub: id, aud: endpoint, iat: now, exp: now + 240, jti: randomUUID() })}`;
      const assertion = `${text}.${createSign('SHA384').update(text).sign({ key: privateKey, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`;
      const answer = await fetch(endpoint, { method: 'POST', body: new URLSearchParams({
        grant_type: 'client_credentials', scope: 'system/*.cruds', client_assertion: assertion, client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer' }) });
      const got = await answer.json();
      if (!answer.ok) throw new Error(`no token: ${got.error}: ${got.error_description}`);
      return got.access_token;
    },
  };
}

const definition = (name) => `https://spadapter.example/fhir/StructureDefinition/${name}`;

function partners(clients, record) {
  const organisation = (ods) => ({ identifier: { system: odsSystem, value: ods } });
  const entry = [practice, service].map((ods) => ({ resource: { resourceType: 'Organization', name: `Partner ${ods} (synthetic)`, identifier: [organisation(ods).identifier] } }));
  entry.push({ resource: { resourceType: 'OrganizationAffiliation', active: true, organization: organisation(practice), participatingOrganization: organisation(service) } });
  entry.push({ resource: { resourceType: 'Endpoint', status: 'active', connectionType: { system: 'http://terminology.hl7.org/CodeSystem/endpoint-connection-type', code: 'hl7-fhir-rest' },
    managingOrganization: organisation(practice), payloadType: [{ text: 'outcome' }], address: record } });
  for (const c of clients) {
    entry.push({ resource: {
      resourceType: 'Device', identifier: [{ system: 'https://spadapter.example/fhir/Id/client', value: c.id }], owner: organisation(c.ods),
      extension: [{ url: definition('client-role'), valueCode: c.role }, { url: definition('client-scope'), valueString: 'system/*.cruds' }, { url: definition('client-jwks'), valueString: c.jwks }],
    } });
  }
  return { resourceType: 'Bundle', type: 'collection', entry };
}

// A place that is sent something. It keeps what it got, with its headers, and answers
// with what answer makes of the body; without it, with 204.
export async function receiver(answer) {
  const got = [];
  const server = createServer((request, response) => {
    const chunks = [];
    request.on('data', (chunk) => chunks.push(chunk));
    request.on('end', () => {
      const body = Buffer.concat(chunks);
      got.push({ headers: request.headers, body });
      if (!answer) return response.writeHead(204).end();
      return response.writeHead(200, { 'Content-Type': 'application/fhir+json' }).end(JSON.stringify(answer(JSON.parse(body))));
    });
  });
  await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  closing.push(() => { server.closeAllConnections(); server.close(); });
  return { got, url: `http://127.0.0.1:${server.address().port}/told` };
}

// A GP record that takes transactions.
export const record = () => receiver((bundle) => ({ resourceType: 'Bundle', type: 'transaction-response',
  entry: bundle.entry.map((e) => ({ response: { status: '201 Created', location: `${e.resource.resourceType}/${randomUUID()}/_history/1` } })) }));

// Waits until something is so, and gives it.
export async function until(what, happened) {
  for (const end = Date.now() + 30_000; Date.now() < end;) {
    const value = await happened();
    if (value) return value;
    await new Promise((resolve) => { setTimeout(resolve, 20); });
  }
  throw new Error(`it does not come about that ${what}`);
}

// Starts the adapter on a new SQLite file, and gives its base URL.
export async function start(program, clients, endpoint) {
  writeFileSync(join(dir, 'partners.json'), JSON.stringify(partners(clients, endpoint)));
  if (spawnSync(program, ['keys'], { cwd: dir }).status !== 0) throw new Error('the adapter makes no keys');
  const child = spawn(program, ['serve'], { env: {
    PATH: process.env.PATH, ADAPTER_LISTEN: '127.0.0.1:0', ADAPTER_DATABASE: `sqlite:${join(dir, 'adapter.db')}`, ADAPTER_PARTNERS_FILE: join(dir, 'partners.json'),
    ADAPTER_SUBSCRIBER_NETWORKS: '127.0.0.0/8',
  }, cwd: dir });
  let log = '';
  let ended = false;
  const exit = new Promise((resolve) => { child.on('exit', () => { ended = true; resolve(); }); });
  child.stderr.on('data', (chunk) => { log += chunk; });
  closing.push(() => { child.kill('SIGTERM'); return exit; });
  return until('the adapter serves', () => {
    if (ended) throw new Error(`the adapter ended:\n${log}`);
    const line = log.split('\n').find((l) => l.includes('"msg":"serving"'));
    return line && JSON.parse(line).base_url;
  });
}
