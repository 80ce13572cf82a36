// Drives a built adapter with two clients that others wrote: fhir-kit-client for FHIR and
// Subscriptions, standardwebhooks to verify what webhooks are sent. The path of the
// program is the one argument. Each step that holds is one line; the first that does not
// ends the check.
import { readFileSync } from 'node:fs';
import assert from 'node:assert/strict';
import { Client } from 'fhir-kit-client';
import { Webhook } from 'standardwebhooks';
import { client, close, odsSystem, practice, receiver, record, service, start, until } from './world.mjs';

const topic = 'https://spadapter.example/fhir/SubscriptionTopic/referral-task';
const guide = 'http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/';
const codes = (name) => `https://spadapter.example/fhir/CodeSystem/${name}`;
const snomed = 'http://snomed.info/sct';

let held = 0;
// Runs one step, and says that it holds.
async function step(text, run) {
  try {
    await run();
  } catch (error) {
    console.log(`  not ok  ${text}`);
    throw error;
  }
  held += 1;
  console.log(`  ok  ${text}`);
}

const program = process.argv[2];
assert.ok(program, 'usage: node check.mjs PROGRAM');
const began = Date.now();
const gpSystem = client('gp-system', 'requester', practice);
const tool = client('link-worker-tool', 'owner', service);

// An operation on one element, as a JSON Patch has it.
const set = (path, value) => ({ op: 'replace', path, value });
const ifMatch = (version) => ({ headers: { 'If-Match': `W/"${version}"` } });
const concept = (...codings) => ({ coding: codings.map(([system, code]) => ({ system, code })) });
const versionOf = (resource) => Number(resource.meta.versionId);

// What an update that is refused tells its client: the status, and the OperationOutcome.
async function refused(request, status, rule) {
  const error = await request.then(() => assert.fail(`it was not refused with ${status}`), (e) => e);
  assert.equal(error.response?.status, status, error);
  assert.equal(error.response.data.resourceType, 'OperationOutcome');
  const [issue] = error.response.data.issue;
  assert.equal(issue.details.coding[0].code, rule);
  assert.ok(issue.details.text.length > 10);
  return issue;
}

async function check() {
  const filed = await record();
  const base = await start(program, [gpSystem, tool], filed.url);
  const gp = new Client({ baseUrl: `${base}/fhir/R4`, bearerToken: await gpSystem.token(base) });
  const worker = new Client({ baseUrl: `${base}/fhir/R4`, bearerToken: await tool.token(base) });
  const api = async (method, path, body, headers = {}) => {
    const response = await fetch(base + path, { method, body: body && JSON.stringify(body),
      headers: { Authorization: `Bearer ${await tool.token(base)}`, 'Content-Type': 'application/json', ...headers } });
    const text = await response.text();
    assert.ok(response.ok, `${method} ${path}: ${response.status} ${text}`);
    return text ? JSON.parse(text) : null;
  };
  const move = (id, action, version, body = {}) => api('POST', `/api/v1/referrals/${id}/actions/${action}`, body, ifMatch(version).headers);

  // a GP system gives every referral an identifier of its own
  const message = (n) => {
    const bundle = JSON.parse(readFileSync(new URL('../../testdata/referral.json', import.meta.url)));
    bundle.entry.map((e) => e.resource).find((r) => r.resourceType === 'ServiceRequest').identifier[0].value += `-${n}`;
    return bundle;
  };
  const taskOf = (answer) => answer.entry.flatMap((e) => e.response.outcome?.issue ?? []).find((i) => i.diagnostics?.startsWith('Task/')).diagnostics.slice(5);

  console.log('fhir-kit-client');
  await step('reads the CapabilityStatement: what Task and Subscription can do', async () => {
    const offered = (type) => statement.rest[0].resource.find((r) => r.type === type);
    const statement = await gp.capabilityStatement();
    assert.ok(offered('Subscription').supportedProfile.includes(`${guide}backport-subscription`));
    assert.ok(offered('Subscription').extension.some((e) => e.valueCanonical === topic));
    for (const code of ['read', 'vread', 'update', 'patch', 'history-instance', 'search-type']) assert.ok(offered('Task').interaction.some((i) => i.code === code), code);
    for (const name of ['owner', 'status', 'business-status', '_lastUpdated']) assert.ok(offered('Task').searchParam.some((p) => p.name === name), name);
  });

  const told = await receiver();
  let subscription;
  const subscribed = () => gp.read({ resourceType: 'Subscription', id: subscription.id });
  const parameter = (bundle, name) => bundle.entry[0].resource.parameter.find((p) => p.name === name);
  const heard = (type) => told.got.map((m) => JSON.parse(m.body)).filter((b) => parameter(b, 'type').valueCode === type);
  await step('creates a Subscription, which is active after its handshake', async () => {
    subscription = await gp.create({ resourceType: 'Subscription', body: {
      resourceType: 'Subscription', status: 'requested', reason: 'to know how referrals go', criteria: topic,
      _criteria: { extension: [{ url: `${guide}backport-filter-criteria`, valueString: 'Task?status=received,accepted,completed' }] },
      channel: { type: 'rest-hook', endpoint: told.url, payload: 'application/fhir+json', header: ['X-From: adapter'],
        extension: [{ url: `${guide}backport-heartbeat-period`, valueUnsignedInt: 10 }],
        _payload: { extension: [{ url: `${guide}backport-payload-content`, valueCode: 'full-resource' }] } },
    } });
    assert.equal(subscription.status, 'requested');
    await until('the Subscription is active', async () => (await subscribed()).status === 'active');
    assert.equal(heard('handshake').length, 1);
  });
  const hook = await receiver();
  const webhook = await api('POST', '/api/v1/webhooks', { url: hook.url });

  let first;
  await step('sends a referral as a transaction; the same again is answered the same', async () => {
    const answer = await gp.transaction({ body: message(1) });
    first = taskOf(answer);
    assert.deepEqual(await gp.transaction({ body: message(1) }), answer);
  });

  console.log('fhir-kit-client: the whole loop, over FHIR and JSON');
  await step('accepts with a JSON Patch', async () => {
    const task = await worker.patch({ resourceType: 'Task', id: first, jsonPatch: [{ op: 'test', path: '/status', value: 'received' }, set('/status', 'accepted')], options: ifMatch(1) });
    assert.equal(task.status, 'accepted');
    assert.equal(task.businessStatus.coding[0].code, 'allocated');
    assert.equal(task.owner.identifier.value, service);
    assert.equal(Client.httpFor(task).response.headers.get('etag'), 'W/"2"');
  });
  await step('records a contact, a plan and the outcome over JSON', async () => {
    await move(first, 'contact', 2, { channel: 'telephone', result: 'reached' });
    await move(first, 'plan', 3, { plan: { summary: 'Lunch club on Tuesdays.', goals: ['Meet people every week'], agreed_with_person: true } });
    const done = await move(first, 'complete', 4, { outcome: { status: 'goals-met', summary: 'Goes every week.',
      findings: [{ code: '1230392000', display: 'Not feeling lonely' }], scores: [{ instrument: 'swemwbs', value: '25' }] } });
    assert.equal(done.status, 'completed');
  });
  await step('the outcome arrives in the GP record, coded', async () => {
    const arrived = () => filed.got.map((m) => JSON.parse(m.body)).find((b) => b.entry.some((e) => e.resource.resourceType === 'Task' && e.resource.status === 'completed'));
    const resources = (await until('the outcome is filed', arrived)).entry.map((e) => e.resource);
    const findings = resources.filter((r) => r.resourceType === 'Observation').flatMap((r) => r.code.coding);
    assert.ok(findings.some((c) => c.system === snomed && c.code === '1230392000'));
  });
  await step('is told of the changes it asked for, numbered, with the Task as it then was', async () => {
    await until('three events are told', () => heard('event-notification').length >= 3);
    const notified = heard('event-notification');
    notified.forEach((bundle, i) => {
      assert.equal(bundle.type, 'history');
      assert.equal(parameter(bundle, 'events-since-subscription-start').valueString, String(i + 1));
      assert.equal(bundle.entry[1].resource.id, first);
    });
    assert.deepEqual(notified.map((b) => b.entry[1].resource.status), ['received', 'accepted', 'completed']);
    assert.ok(told.got.every((m) => m.headers['x-from'] === 'adapter'));
  });
  await step('reads the history of the Task, and its first version', async () => {
    const history = await gp.history({ resourceType: 'Task', id: first });
    assert.deepEqual(history.entry.map((e) => e.resource.status), ['completed', 'in-progress', 'in-progress', 'accepted', 'received']);
    assert.equal((await gp.vread({ resourceType: 'Task', id: first, version: '1' })).status, 'received');
  });

  console.log('fhir-kit-client: a referral over FHIR alone');
  const others = [];
  for (let n = 2; n <= 6; n += 1) others.push(taskOf(await gp.transaction({ body: message(n) })));
  const id = others[0];
  const find = (searchParams) => worker.search({ resourceType: 'Task', searchParams });
  const ids = (bundle) => (bundle.entry ?? []).map((e) => e.resource.id);
  await step('searches Task by owner, status, business-status and _lastUpdated', async () => {
    assert.equal((await find({ 'owner:identifier': `${odsSystem}|${service}` })).total, 6);
    assert.equal((await find({ 'owner:identifier': `${odsSystem}|Y99202` })).total, 0);
    assert.deepEqual(ids(await find({ status: 'completed' })), [first]);
    assert.deepEqual(ids(await find({ status: 'received,accepted', 'business-status': 'awaiting-triage' })), [...others].reverse());
    const { lastUpdated } = (await worker.read({ resourceType: 'Task', id: first })).meta;
    assert.equal((await find({ _lastUpdated: `gt${lastUpdated}` })).total, 5);
    assert.equal((await find({ _lastUpdated: 'lt2020-01-01' })).total, 0);
    assert.equal((await worker.search({ resourceType: 'Task', searchParams: { status: 'completed' }, options: { postSearch: true } })).total, 1);
  });
  await step('follows the next links of a search through all pages', async () => {
    const seen = [];
    let page = await find({ 'owner:identifier': `${odsSystem}|${service}`, status: 'received', _count: 2 });
    for (; page; page = await worker.nextPage({ bundle: page })) seen.push(ids(page));
    assert.deepEqual(seen.map((list) => list.length), [2, 2, 1]);
    assert.deepEqual(seen.flat(), [...others].reverse());
  });
  const patch = (jsonPatch, options) => worker.patch({ resourceType: 'Task', id, jsonPatch, options });
  await step('is refused without If-Match (428), and with a stale one (412)', async () => {
    await refused(patch([set('/status', 'accepted')]), 428, 'if-match-missing');
    await patch([set('/status', 'accepted')], ifMatch(1));
    const issue = await refused(patch([set('/status', 'accepted')], ifMatch(1)), 412, 'version-conflict');
    assert.equal(issue.code, 'conflict');
    const task = await worker.read({ resourceType: 'Task', id });
    await refused(worker.update({ resourceType: 'Task', id, body: task }), 428, 'if-match-missing');
    await refused(worker.update({ resourceType: 'Task', id, body: { ...task, status: 'in-progress' }, options: ifMatch(1) }), 412, 'version-conflict');
    await refused(patch([set('/status', 'received')], ifMatch(2)), 422, 'illegal-move');
  });
  await step('records a contact with a JSON Patch', async () => {
    const task = await patch([set('/status', 'in-progress'), set('/businessStatus', concept([codes('business-status'), 'contacted'])),
      { op: 'add', path: '/statusReason', value: concept([codes('contact-channel'), 'telephone'], [codes('contact-result'), 'reached']) }], ifMatch(2));
    assert.equal(task.businessStatus.coding[0].code, 'contacted');
  });
  await step('records progress with a FHIRPath Patch', async () => {
    const part = (type, path, value) => ({ name: 'operation', part: [{ name: 'type', valueCode: type }, { name: 'path', valueString: path }, { name: 'value', ...value }] });
    const task = await worker.request(`Task/${id}`, { method: 'PATCH', options: { headers: { ...ifMatch(3).headers, 'Content-Type': 'application/fhir+json' } },
      body: { resourceType: 'Parameters', parameter: [part('replace', 'Task.businessStatus', { valueCodeableConcept: concept([codes('business-status'), 'support-ongoing']) })] } });
    assert.equal(task.businessStatus.coding[0].code, 'support-ongoing');
    assert.equal(versionOf(task), 4);
  });
  await step('completes with an update (PUT)', async () => {
    const task = await worker.read({ resourceType: 'Task', id });
    const output = { type: concept([codes('task-output'), 'outcome']), valueCodeableConcept: { ...concept([snomed, '1230392000']), text: 'Not feeling lonely' } };
    const done = await worker.update({ resourceType: 'Task', id, options: ifMatch(versionOf(task)), body: { ...task, status: 'completed',
      businessStatus: concept([codes('business-status'), 'goals-met']), statusReason: undefined, output: [...(task.output ?? []), output] } });
    assert.equal(done.status, 'completed');
    assert.equal(versionOf(done), 5);
    await until('its outcome is filed too', () => filed.got.filter((m) => m.body.includes('"completed"')).length >= 2);
  });

  console.log('fhir-kit-client: the Subscription');
  await step('asks for $status and $events', async () => {
    const status = await gp.operation({ name: '$status', resourceType: 'Subscription', id: subscription.id, method: 'GET' });
    assert.equal(status.entry[0].resource.parameter.find((p) => p.name === 'status').valueCode, 'active');
    const events = await gp.operation({ name: '$events', resourceType: 'Subscription', id: subscription.id,
      input: { resourceType: 'Parameters', parameter: [{ name: 'eventsSinceNumber', valueString: '2' }, { name: 'eventsUntilNumber', valueString: '2' }, { name: 'content', valueCode: 'id-only' }] } });
    assert.equal(events.entry.length, 1);
    assert.equal(parameter(events, 'notification-event').part.find((p) => p.name === 'event-number').valueString, '2');
  });

  console.log('standardwebhooks');
  const verifier = new Webhook(webhook.secret);
  await step('verifies what the webhook is sent, in order', async () => {
    await until('the webhook is told', () => hook.got.length >= 20);
    const bodies = hook.got.map((m) => verifier.verify(m.body, m.headers));
    assert.deepEqual(bodies.filter((b) => b.data.referral === first).map((b) => b.data.move), ['T02', 'T03', 'T05', 'T08', 'T09', 'T16']);
    assert.deepEqual(bodies.map((b) => b.number), bodies.map((_, i) => i + 1));
  });
  await step('refuses another body, another id, another time and another secret', async () => {
    const [{ body, headers }] = hook.got;
    assert.throws(() => verifier.verify(Buffer.from(body.toString().replace('received', 'rejected').replace('requested', 'rejected')), headers), { name: 'WebhookVerificationError' });
    assert.throws(() => verifier.verify(body, { ...headers, 'webhook-id': hook.got[1].headers['webhook-id'] }), { name: 'WebhookVerificationError' });
    assert.throws(() => verifier.verify(body, { ...headers, 'webhook-timestamp': String(Number(headers['webhook-timestamp']) - 1) }), { name: 'WebhookVerificationError' });
    assert.throws(() => new Webhook(`whsec_${Buffer.alloc(32, 7).toString('base64')}`).verify(body, headers), { name: 'WebhookVerificationError' });
  });
  const next = async (cause) => {
    const n = hook.got.length;
    const answer = await cause();
    await until('the webhook is sent something more', () => hook.got.length > n);
    return [hook.got[n], answer];
  };
  await step('gets one delivery again by its id, with the same webhook-id and a new signature', async () => {
    const { items } = await api('GET', `/api/v1/webhooks/${webhook.id}/deliveries?state=delivered`);
    const [again] = await next(() => api('POST', `/api/v1/webhooks/${webhook.id}/deliveries/${items[0].id}/replay`, {}));
    const before = hook.got.find((m) => m.headers['webhook-id'] === again.headers['webhook-id']);
    assert.notEqual(before, again);
    assert.deepEqual(before.body, again.body);
    verifier.verify(again.body, again.headers);
  });
  await step('verifies with the new secret and the old one after a rotation, then with the new one alone', async () => {
    const test = () => api('POST', `/api/v1/webhooks/${webhook.id}/test`, {});
    const rotated = await api('POST', `/api/v1/webhooks/${webhook.id}/rotate-secret`, {});
    assert.notEqual(rotated.secret, webhook.secret);
    const [both] = await next(test);
    assert.equal(new Webhook(rotated.secret).verify(both.body, both.headers).type, 'test');
    assert.equal(verifier.verify(both.body, both.headers).type, 'test');
    const last = await api('POST', `/api/v1/webhooks/${webhook.id}/rotate-secret`, { overlap: '0s' });
    const [one] = await next(test);
    new Webhook(last.secret).verify(one.body, one.headers);
    assert.throws(() => new Webhook(rotated.secret).verify(one.body, one.headers), { name: 'WebhookVerificationError' });
  });

  console.log('fhir-kit-client: the end of the Subscription');
  await step('hears a heartbeat while nothing happens', () => until('there is a heartbeat', () => heard('heartbeat').length > 0));
  await step('updates, searches and deletes it', async () => {
    const changed = await gp.update({ resourceType: 'Subscription', id: subscription.id, body: { ...(await subscribed()), status: 'off' } });
    assert.equal(changed.status, 'off');
    assert.equal((await gp.search({ resourceType: 'Subscription', searchParams: { status: 'off' } })).total, 1);
    await gp.delete({ resourceType: 'Subscription', id: subscription.id });
    await refused(subscribed(), 404, 'not-found');
  });
}

try {
  await check();
  console.log(`${held} steps held in ${((Date.now() - began) / 1000).toFixed(1)} s`);
} catch (error) {
  console.error(error.response ? `${error.message}\n${JSON.stringify(error.response.data, null, 2)}` : error);
  process.exitCode = 1;
} finally {
  await close();
}
