// Mistakes that a system vendor makes in a first message, planted one by one in the
// example referral. Each names the element that must be told.

const nth = (bundle, type) => bundle.entry.findIndex((e) => e.resource.resourceType === type);

export function mistakes(example) {
  const at = { Patient: nth(example, 'Patient'), ServiceRequest: nth(example, 'ServiceRequest'), Observation: nth(example, 'Observation') };
  const list = [];
  const plant = (type, element, name, change) => {
    const body = structuredClone(example);
    change(body.entry[at[type]].resource, body.entry[at[type]], body);
    list.push({ name, body, element: `Bundle.entry[${at[type]}]` + element });
  };
  const request = (element, name, change) => plant('ServiceRequest', '.resource.' + element, name, change);
  const patient = (element, name, change) => plant('Patient', '.resource.' + element, name, change);
  const score = (element, name, change) => plant('Observation', '.resource.' + element, name, change);

  request('status', 'status is missing', (r) => delete r.status);
  request('intent', 'intent is missing', (r) => delete r.intent);
  request('subject', 'subject is missing', (r) => delete r.subject);
  request('status', 'code with a typing mistake', (r) => (r.status = 'actve'));
  request('subject', 'reference to a wrong type', (r) => (r.subject = { reference: 'Organization/1' }));
  request('requester', 'reference with a mistyped type', (r) => (r.requester = { reference: 'Practitoner/1' }));
  request('subject', 'reference as a text', (r) => (r.subject = 'Patient/1'));
  request('subject', 'reference to no entry', (r) => (r.subject.reference = 'urn:uuid:6f1d7c52-0b7e-4c1a-9a53-2d8c5e9041ff'));
  request('authoredOn', 'time without a zone', (r) => (r.authoredOn = '2026-02-17T10:00:00'));
  request('code', 'list where one value goes', (r) => (r.code = [r.code]));
  request('intention', 'unknown element', (r) => (r.intention = 'order'));
  patient('birthDate', 'date as people write it', (r) => (r.birthDate = '14/05/1949'));
  patient('birthDate', 'day that does not exist', (r) => (r.birthDate = '1949-02-30'));
  patient('birthday', 'name of an element mistyped', (r) => { r.birthday = r.birthDate; delete r.birthDate; });
  patient('gender', 'code of another system', (r) => (r.gender = 'F'));
  patient('gender', 'empty text', (r) => (r.gender = ''));
  patient('gender', 'null', (r) => (r.gender = null));
  patient('name', 'text where an object goes', (r) => (r.name = 'Dorothy Fairweather'));
  patient('name', 'one value where a list goes', (r) => (r.name = r.name[0]));
  patient('name[0].given', 'one text where a list goes', (r) => (r.name[0].given = 'Dorothy'));
  patient('active', 'boolean in quotes', (r) => (r.active = 'true'));
  patient('extension[0]', 'extension without url', (r) => (r.extension = [{ valueString: 'a' }]));
  patient('name[0].period', 'period that ends before it starts', (r) => (r.name[0].period = { start: '2026-01-02', end: '2025-01-01' }));
  patient('telecom[0]', 'telephone number without its system', (r) => delete r.telecom[0].system);
  patient('id', 'id with an underscore', (r) => (r.id = 'abc_1'));
  patient('identifier[0].value', 'NHS number with a wrong check digit', (r) => (r.identifier[0].value = '9991204173'));
  score('value', 'two values of a choice', (r) => (r.valueString = 'a'));
  score('value', 'number in quotes', (r) => { delete r.valueInteger; r.valueQuantity = { value: '27' }; });
  score('value', 'choice without its type', (r) => { delete r.valueInteger; r.value = '4'; });
  score('comment', 'element of STU3', (r) => (r.comment = 'a'));
  plant('Patient', '.fullUrl', 'fullUrl that is no URL', (r, e) => (e.fullUrl = '6f1d7c52-0b7e-4c1a-9a53-2d8c5e904101'));
  plant('Patient', '', 'transaction entry without request', (r, e) => delete e.request);
  plant('ServiceRequest', '.resource', 'resource type mistyped', (r) => (r.resourceType = 'ServiceRequests'));
  return list;
}
