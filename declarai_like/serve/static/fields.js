/** A form from a JSON Schema: one labelled control for each property, and their values back as data. */

/** Make an element: properties are set, never parsed, so that nothing from outside can become markup. */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in element) element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

/** What media a schema takes: `{ kind, several }`, or `null`. */
function mediaOf(schema, root) {
  const target = schema.$ref ? root.$defs?.[schema.$ref.split('/').pop()] ?? {} : schema;
  if (target['x-declarai-media']) return { kind: target['x-declarai-media'], several: false };
  if (target.type === 'array') {
    const items = mediaOf(target.items ?? {}, root);
    return items && { ...items, several: true };
  }
  return (target.anyOf ?? []).map((one) => mediaOf(one, root)).find(Boolean) ?? null;
}

const ACCEPTS = { image: 'image/png,image/jpeg,image/gif,image/webp', audio: 'audio/*', document: '.pdf,text/*', file: '' };

/** A field for files, which may be dropped on it. */
export function fileField(name, { kind, several }, { required = false, prefix = 'field' } = {}) {
  const element = make('input', { type: 'file', id: `${prefix}-${name}`, name, accept: ACCEPTS[kind] ?? '', multiple: several, required });
  const label = make('label', { htmlFor: element.id }, name, ' ', make('span', { className: 'kind' }, required ? kind : `${kind}, optional`));
  const row = make('div', { className: 'field drop' }, label, element);
  for (const type of ['dragover', 'dragleave', 'drop']) {
    row.addEventListener(type, (event) => {
      event.preventDefault();
      row.classList.toggle('over', type === 'dragover');
      if (type === 'drop' && event.dataTransfer.files.length) element.files = event.dataTransfer.files;
    });
  }
  const read = () => (element.files.length ? (several ? [...element.files] : element.files[0]) : undefined);
  return { name, row, read, fill: () => {}, clear: () => (element.value = ''), complain: (message) => element.setCustomValidity(message) };
}

/** Follow `$ref`; give the schema itself, and whether `null` is allowed beside it. */
function resolve(schema, root) {
  if (schema.$ref) return resolve(root.$defs?.[schema.$ref.split('/').pop()] ?? {}, root);
  const some = schema.anyOf?.filter((one) => one.type !== 'null');
  if (some?.length === 1) return { ...resolve(some[0], root), nullable: some.length < schema.anyOf.length };
  return { schema, nullable: schema.type === 'null' };
}

/** A schema in a few words: `integer`, `string[]`, `"low" | "high"`, `Recipe`. */
export function typeName(schema, root = schema) {
  if (schema.$ref) {
    const target = resolve(schema, root).schema;
    return target.enum ? typeName(target, root) : (target.title ?? schema.$ref.split('/').pop());
  }
  if (schema['x-declarai-media']) return schema['x-declarai-media'];
  if (schema.anyOf) return schema.anyOf.map((one) => typeName(one, root)).join(' | ');
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(' | ');
  if ('const' in schema) return JSON.stringify(schema.const);
  if (schema.type === 'array') {
    const items = schema.items ? typeName(schema.items, root) : 'any';
    return items.includes('|') ? `(${items})[]` : `${items}[]`;
  }
  if (schema.type === 'object') return schema.properties ? (schema.title ?? 'object') : 'object';
  return schema.format && schema.type === 'string' ? schema.format : (schema.type ?? 'any');
}

/** `(of: string, times?: integer) → Recipe` */
export function signature({ parameters, returns }) {
  const required = new Set(parameters.required);
  const told = Object.entries(parameters.properties ?? {}).map(
    ([parameter, schema]) => `${parameter}${required.has(parameter) ? '' : '?'}: ${typeName(schema, parameters)}`,
  );
  return `(${told.join(', ')}) → ${returns ? typeName(returns) : 'string'}`;
}

/** The least value that has the shape of a schema, to be written over. */
function skeleton(schema, root, depth = 0) {
  if ('default' in schema) return schema.default;
  const target = resolve(schema, root).schema;
  if (target.enum) return target.enum[0];
  if ('const' in target) return target.const;
  if (target.type === 'object') {
    const names = depth < 4 ? (target.required ?? []) : [];
    return Object.fromEntries(names.map((name) => [name, skeleton(target.properties?.[name] ?? {}, root, depth + 1)]));
  }
  return { array: [], integer: 0, number: 0, boolean: false, null: null }[target.type] ?? '';
}

const pretty = (value) => JSON.stringify(value, null, 2);

/** How a kind of schema is asked for: the control, its value as data, and data as its value. */
function control(schema, root) {
  const text = (properties) => make('textarea', { rows: 1, spellcheck: false, ...properties });
  const options = schema.enum ?? ('const' in schema ? [schema.const] : null);
  if (options) {
    const element = make('select', {}, ...options.map((value) => new Option(String(value), JSON.stringify(value))));
    return { element, read: JSON.parse, show: JSON.stringify };
  }
  if (schema.type === 'boolean') return { element: make('input', { type: 'checkbox' }) };
  if (schema.type === 'integer' || schema.type === 'number') {
    const element = make('input', { type: 'number', step: schema.type === 'integer' ? '1' : 'any', inputMode: 'decimal' });
    if ('minimum' in schema) element.min = schema.minimum;
    if ('maximum' in schema) element.max = schema.maximum;
    return { element, read: Number, show: String };
  }
  if (schema.type === 'string' || !Object.keys(schema).some((key) => key !== 'title' && key !== 'default')) {
    const element = text({ spellcheck: true });
    if (schema.maxLength) element.maxLength = schema.maxLength;
    return { element, read: String, show: String };
  }
  if (schema.type === 'array' && resolve(schema.items ?? {}, root).schema.type === 'string') {
    const lines = (value) => value.split('\n').filter((line) => line.trim());
    return { element: text({ rows: 2 }), read: lines, show: (value) => value.join('\n'), hint: 'one on each line' };
  }
  return { element: text({ rows: 5, className: 'code' }), read: JSON.parse, show: pretty, hint: 'JSON', start: true };
}

/** One property: its labelled control, and `read()`, which gives `undefined` for what is left out. */
function field(name, schema, root, required, prefix) {
  const media = mediaOf(schema, root);
  if (media) return fileField(name, media, { required, prefix });
  const { schema: target, nullable = false } = resolve(schema, root);
  const { element, read, show, hint, start } = control({ ...target, default: schema.default }, root);
  const checkbox = element.type === 'checkbox';
  element.id = `${prefix}-${name}`;
  element.name = name;
  element.required = required && !nullable && !checkbox;
  const fill = (value) => {
    if (checkbox) element.checked = Boolean(value);
    else element.value = value === null || value === undefined ? '' : show(value);
  };
  if (element.localName === 'select' && !element.required) element.prepend(new Option('', ''));
  if ('default' in schema) fill(schema.default);
  else if (start && required) fill(skeleton(schema, root));
  element.addEventListener('input', () => element.setCustomValidity(''));
  const kind = [Object.keys(schema).length ? typeName(schema, root) : null, hint, required ? null : 'optional'].filter(Boolean).join(', ');
  const label = make('label', { htmlFor: element.id }, name, ' ', make('span', { className: 'kind' }, kind));
  return {
    name,
    fill,
    row: make('div', { className: checkbox ? 'field check' : 'field' }, ...(checkbox ? [element, label] : [label, element])),
    read() {
      if (checkbox) return element.checked;
      if (element.value === '' && !element.required) return required ? null : undefined;
      return read(element.value);
    },
    complain(message) {
      element.setCustomValidity(message);
      element.reportValidity();
    },
  };
}

/** The fields of an object's schema, whose ids begin with `prefix`: their `rows`, `read()` and `fill(values)`. */
export function fieldsOf(schema, prefix = 'field') {
  const required = new Set(schema.required);
  const fields = Object.entries(schema.properties ?? {}).map(([name, one]) =>
    field(name, one, schema, required.has(name), prefix),
  );
  return {
    rows: fields.map(({ row }) => row),
    fill: (values) => fields.forEach(({ name, fill }) => name in values && fill(values[name])),
    /** The values by name, or `null` after telling the reader which one cannot be read. */
    read() {
      const values = {};
      for (const { name, read, complain } of fields) {
        try {
          const value = read();
          if (value !== undefined) values[name] = value;
        } catch (error) {
          complain(`This is no JSON: ${error.message}`);
          return null;
        }
      }
      return values;
    },
  };
}
