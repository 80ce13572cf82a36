// Makes the snapshot of a profile that has a differential alone: what the differential
// says is laid over the snapshot of its base. It does what the planted profiles need.
// Source: http://hl7.org/fhir/R4/profiling.html#snapshot.

/** @param find gives a StructureDefinition with a snapshot by its url */
export function snapshotOf(sd, find) {
  const base = find(sd.baseDefinition);
  const elements = structuredClone(base.snapshot.element);
  for (const d of sd.differential.element) {
    const id = spelledOut(elements, d.id ?? d.path);
    const target = place(elements, id, find);
    Object.assign(target, overlaid(target, d), { id, path: target.path });
    const type = /\[x\]:[a-z]+([A-Z]\w*)$/.exec(id)?.[1];
    if (type && !d.type) target.type = (target.type ?? []).filter((t) => t.code.toLowerCase() === type.toLowerCase());
  }
  return { ...sd, snapshot: { element: elements } };
}

/** value[x]:valueQuantity for valueQuantity. */
function spelledOut(elements, id) {
  const parts = id.split('.');
  for (let i = 1; i < parts.length; i++) {
    if (parts[i].includes('[x]') || parts[i].includes(':')) continue;
    const before = parts.slice(0, i).join('.') + '.';
    const choice = elements.find((e) => e.id.startsWith(before) && e.id.endsWith('[x]') && !e.id.slice(before.length).includes('.') &&
      new RegExp('^' + e.id.slice(before.length, -3) + '[A-Z]').test(parts[i]));
    if (choice && !elements.some((e) => e.id === before + parts[i])) parts[i] = choice.id.slice(before.length) + ':' + parts[i];
  }
  return parts.join('.');
}

function overlaid(have, d) {
  const out = { ...have, ...d };
  if (have?.constraint && d.constraint) out.constraint = [...have.constraint, ...d.constraint];
  if (have?.base) out.base = have.base;
  return out;
}

/** The element with an id; it is made of what it stands for where there is none yet. */
function place(elements, id, find) {
  const have = elements.find((e) => e.id === id);
  if (have) return have;
  const dot = id.lastIndexOf('.');
  const last = id.slice(dot + 1);
  const colon = last.indexOf(':');
  if (colon >= 0) {
    const general = place(elements, id.slice(0, dot + 1 + colon), find);
    const end = endOf(elements, general.id, [':', '.']);
    const slice = { ...structuredClone(general), id, sliceName: last.slice(colon + 1), min: 0 };
    delete slice.slicing;
    if (general.id.endsWith('[x]')) general.slicing ??= { discriminator: [{ type: 'type', path: '$this' }], ordered: false, rules: 'open' };
    elements.splice(end, 0, slice);
    return slice;
  }
  const parent = place(elements, id.slice(0, dot), find);
  const unsliced = parent.id.replace(/:[^.]*$/, '');
  const own = elements.filter((e) => e.id.startsWith(unsliced + '.'));
  let children;
  if (parent.sliceName && own.length > 0) {
    children = own.map((e) => ({ ...structuredClone(e), id: parent.id + e.id.slice(unsliced.length) }));
  } else {
    const code = parent.type?.[0]?.code;
    const type = find('http://hl7.org/fhir/StructureDefinition/' + code);
    if (!type) throw new Error(`no type for the parent of ${id}`);
    children = type.snapshot.element.slice(1).map((e) => ({
      ...structuredClone(e), id: parent.id + e.id.slice(code.length), path: parent.path + e.path.slice(code.length),
    }));
  }
  elements.splice(elements.indexOf(parent) + 1, 0, ...children);
  const made = elements.find((e) => e.id === id);
  if (!made) throw new Error(`there is no ${id}`);
  return made;
}

function endOf(elements, id, below) {
  let end = elements.findIndex((e) => e.id === id) + 1;
  while (end < elements.length && below.some((sign) => elements[end].id.startsWith(id + sign))) end++;
  return end;
}
