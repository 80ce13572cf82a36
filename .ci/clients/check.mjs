// Drives a built adapter with two clients that others wrote: fhir-kit-client for FHIR and
// Subscriptions, standardwebhooks to verify what webhooks are sent. The path of the
// program is the one argument.
import { spawn } from 'node:child_process';
import { createSign, generateKeyPairSync, randomUUID } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import assert from 'node:assert/strict';
import { Client } from 'fhir-kit-client';
import { Webhook } from 'standardwebhooks';

const program = process.argv[2];
assert.ok(program, 'usage: node check.mjs PROGRAM');
const dir = mkdtempSync(join(tmpdir(), 'clients-'));
const closing = [];
const topic = 'https://spadapter.example/fhir/SubscriptionTopic/referral-task';
const guide = 'http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/';
const said = [];
const shows = (text) => { said.push(text); console.log(`  ${text}`); };

// A client with a key of its own, registered among the partners.
function client(id, role, ods) {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-384' });
  const kid = randomUUID();
  const jwk = { ...publicKey.export({ format: 'jwk' }), kid, use: 'sig', alg: 'ES384' };
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  return {
    id, role, ods, jwks: JSON.stringify({ keys: [jwk] }),
    token(audience) {
      const now = Math.floor(Date.now() / 1000);
      const text = `${part({ alg: 'ES384', typ: 'JWT', kid })}.${part({ iss: id, sub: id, aud: audience, iat: now, exp: now + 300, jti: randomUUID() })}`;
      return `${text}.${createSign('SHA384').update(text).sign({ key: privateKey, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`;
    },
  };
}

const organisation = (ods) => ({ identifier: { system: 'https://fhir.nhs.uk/Id/ods-organization-code', value: ods } });
const definition = (name) => `https://spadapter.example/fhir/StructureDefinition/${name}`;

function partners(clients) {
  const entry = ['Y99001', 'Y99201'].map((ods) => ({ resource: { resourceType: 'Organization', name: `Partner ${ods} (synthetic)`, identifier: [organisation(ods).identifier] } }));
  entry.push({ resource: { resourceType: 'OrganizationAffiliation', active: true, organization: organisation('Y99001'), participatingOrganization: organisation('Y99201') } });
  for (const c of clients) {
    entry.push({ resource: {
      resourceType: 'Device', identifier: [{ system: 'https://spadapter.example/fhir/Id/client', value: c.id }], owner: organisation(c.ods),
      extension: [{ url: definition('client-role'), valueCode: c.role }, { url: definition('client-scope'), valueString: 'system/*.cruds' }, { url: definition('client-jwks'), valueString: c.jwks }],
    } });
  }
  return { resourceType: 'Bundle', type: 'collection', entry };
}

// A place that is told something; it keeps what it got, with its headers.
async function receiver() {
  const got = [];
  const server = createServer((request, response) => {
    const chunks = [];
    request.on('data', (chunk) => chunks.push(chunk));
    request.on('end', () => {
      got.push({ headers: request.headers, body: Buffer.concat(chunks) });
      response.writeHead(204).end();
    });
  });
  await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  closing.push(() => { server.closeAllConnections(); server.close(); });
  return { got, url: `http://127.0.0.1:${server.address().port}/told` };
}

async function until(what, happened) {
  for (let i = 0; i < 1500; i += 1) {
    const value = await happened();
    if (value) return value;
    await new Promise((resolve) => { setTimeout(resolve, 20); });
  }
  throw new Error(`it does not come about that ${what}`);
}

async function start(clients) {
  writeFileSync(join(dir, 'partners.json'), JSON.stringify(partners(clients)));
  const child = spawn(program, ['serve'], { env: {
    PATH: process.env.PATH, ADAPTER_LISTEN: '127.0.0.1:0', ADAPTER_DATABASE: `sqlite:${join(dir, 'adapter.db')}`, ADAPTER_PARTNERS_FILE: join(dir, 'partners.json'),
    ADAPTER_SUBSCRIBER_NETWORKS: '127.0.0.0/8',
  }, cwd: dir });
  let log = '';
  let ended = false;
  child.on('exit', () => { ended = true; });
  child.stderr.on('data', (chunk) => { log += chunk; });
  closing.push(() => child.kill('SIGTERM'));
  return until('the adapter serves', () => {
    if (ended) throw new Error(`the adapter ended:\n${log}`);
    const line = log.split('\n').find((l) => l.includes('"msg":"serving"'));
    return line && JSON.parse(line).base_url;
  });
}

async function check() {
  const gp = client('gp-system', 'requester', 'Y99001');
  const tool = client('link-worker-tool', 'owner', 'Y99201');
  const base = await start([gp, tool]);
  const fhir = new Client({ baseUrl: `${base}/fhir/R4`, bearerToken: gp.token(base) });
  const api = async (method, path, body, headers = {}) => {
    const response = await fetch(base + path, { method, body: body && JSON.stringify(body),
      headers: { Authorization: `Bearer ${tool.token(base)}`, 'Content-Type': 'application/json', ...headers } });
    const text = await response.text();
    assert.ok(response.ok, `${method} ${path}: ${response.status} ${text}`);
    return text ? JSON.parse(text) : null;
  };

  console.log('fhir-kit-client');
  const statement = await fhir.capabilityStatement();
  const offered = statement.rest[0].resource.find((r) => r.type === 'Subscription');
  assert.ok(offered.supportedProfile.includes(`${guide}backport-subscription`));
  assert.ok(offered.extension.some((e) => e.valueCanonical === topic));
  shows('reads the CapabilityStatement: Subscription, its profile, its topic');

  const mine = await receiver();
  const subscription = await fhir.create({ resourceType: 'Subscription', body: {
    resourceType: 'Subscription', status: 'requested', reason: 'to know how referrals go', criteria: topic,
    _criteria: { extension: [{ url: `${guide}backport-filter-criteria`, valueString: 'Task?status=received,accepted' }] },
    channel: { type: 'rest-hook', endpoint: mine.url, payload: 'application/fhir+json', header: ['X-From: adapter'],
      extension: [{ url: `${guide}backport-heartbeat-period`, valueUnsignedInt: 10 }],
      _payload: { extension: [{ url: `${guide}backport-payload-content`, valueCode: 'full-resource' }] } },
  } });
  assert.equal(subscription.status, 'requested');
  const read = () => fhir.read({ resourceType: 'Subscription', id: subscription.id });
  await until('the Subscription is active', async () => (await read()).status === 'active');
  const parameter = (bundle, name) => bundle.entry[0].resource.parameter.find((p) => p.name === name);
  const told = () => mine.got.map((m) => JSON.parse(m.body));
  assert.equal(parameter(told()[0], 'type').valueCode, 'handshake');
  shows('creates a Subscription, which is active after its handshake');

  const hook = await receiver();
  const webhook = await api('POST', '/api/v1/webhooks', { url: hook.url });
  assert.match(webhook.secret, /^whsec_/);

  const answer = await fhir.transaction({ body: JSON.parse(readFileSync(new URL('../../testdata/referral.json', import.meta.url))) });
  const task = answer.entry.flatMap((e) => e.response.outcome?.issue ?? []).find((i) => i.diagnostics?.startsWith('Task/')).diagnostics;
  shows('sends a referral as a transaction');
  await api('POST', `/api/v1/referrals/${task.slice(5)}/actions/accept`, {}, { 'If-Match': 'W/"1"' });
  const notified = () => told().filter((b) => parameter(b, 'type').valueCode === 'event-notification');
  await until('two events are told', () => notified().length >= 2);
  notified().forEach((bundle, i) => {
    assert.equal(bundle.type, 'history');
    assert.equal(parameter(bundle, 'events-since-subscription-start').valueString, String(i + 1));
    assert.equal(bundle.entry[1].resource.resourceType, 'Task');
    assert.equal(bundle.entry[1].resource.id, task.slice(5));
  });
  assert.deepEqual(notified().map((b) => b.entry[1].resource.status), ['received', 'accepted']);
  assert.ok(mine.got.every((m) => m.headers['x-from'] === 'adapter'));
  shows('is told of both changes, numbered, with the Task as it then was');

  const status = await fhir.operation({ name: '$status', resourceType: 'Subscription', id: subscription.id, method: 'GET' });
  assert.equal(status.entry[0].resource.parameter.find((p) => p.name === 'status').valueCode, 'active');
  const events = await fhir.operation({ name: '$events', resourceType: 'Subscription', id: subscription.id,
    input: { resourceType: 'Parameters', parameter: [{ name: 'eventsSinceNumber', valueString: '2' }, { name: 'content', valueCode: 'id-only' }] } });
  assert.equal(events.entry.length, 1);
  assert.equal(parameter(events, 'notification-event').part.find((p) => p.name === 'event-number').valueString, '2');
  shows('asks for $status and $events');

  await until('there is a heartbeat', () => told().some((b) => parameter(b, 'type').valueCode === 'heartbeat'));
  shows('hears a heartbeat');
  const changed = await fhir.update({ resourceType: 'Subscription', id: subscription.id, body: { ...(await read()), status: 'off' } });
  assert.equal(changed.status, 'off');
  const found = await fhir.search({ resourceType: 'Subscription', searchParams: { status: 'off' } });
  assert.equal(found.total, 1);
  await fhir.delete({ resourceType: 'Subscription', id: subscription.id });
  await assert.rejects(read(), (error) => error.response.status === 404);
  shows('updates, searches and deletes it');

  console.log('standardwebhooks');
  await until('the webhook is told', () => hook.got.length >= 3);
  const verifier = new Webhook(webhook.secret);
  const bodies = hook.got.map((m) => verifier.verify(m.body, m.headers));
  assert.deepEqual(bodies.map((b) => b.data.move), ['T02', 'T03', 'T05']);
  assert.deepEqual(bodies.map((b) => b.number), [1, 2, 3]);
  assert.throws(() => verifier.verify(Buffer.from('{}'), hook.got[0].headers));
  shows('verifies three events, in order, and refuses another body');
  const rotated = await api('POST', `/api/v1/webhooks/${webhook.id}/rotate-secret`, {});
  await api('POST', `/api/v1/webhooks/${webhook.id}/test`, {});
  await until('the test event is there', () => hook.got.length >= 4);
  const test = hook.got[3];
  assert.equal(new Webhook(rotated.secret).verify(test.body, test.headers).type, 'test');
  assert.equal(verifier.verify(test.body, test.headers).type, 'test');
  shows('verifies a test event with the new secret and with the one before');
}

try {
  await check();
  console.log(`${said.length} things held`);
} finally {
  for (const close of closing.reverse()) close();
  rmSync(dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
}
