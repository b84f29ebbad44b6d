/**
 * Types of the interface from its OpenAPI document: node dev/types.js DOCUMENT. `Api.Transfer` and the like are the schemas;
 * `Api.Routes` has parameters, body and answer of each route.
 */
import { readFileSync } from 'node:fs';

const { components, paths } = JSON.parse(readFileSync(process.argv[2], 'utf8'));

const isNamed = (schema) => schema.$ref?.split('/').pop();

function type(schema) {
  if (!schema) return 'unknown';
  if (schema.$ref) return isNamed(schema);
  if (schema.enum) return schema.enum.map((it) => JSON.stringify(it)).join(' | ');
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  const some = schema.oneOf ?? schema.anyOf;
  if (some) return some.map(type).join(' | ');
  if (schema.allOf) return schema.allOf.map(type).join(' & ');
  if (Array.isArray(schema.type)) return schema.type.map((one) => type({ ...schema, type: one })).join(' | ');
  return ofType(schema);
}

function ofType(schema) {
  switch (schema.type) {
    case 'integer':
    case 'number':
      return 'number';
    case 'string':
    case 'boolean':
    case 'null':
      return schema.type;
    case 'array':
      return schema.prefixItems ? `[${schema.prefixItems.map(type).join(', ')}]` : `Array<${type(schema.items)}>`;
    case 'object':
      return schema.properties ? fields(schema) : schema.additionalProperties ? `Record<string, ${type(schema.additionalProperties)}>` : 'Record<string, unknown>';
    default:
      return 'unknown';
  }
}

/** Answers have every field that cannot be null; bodies may leave out what is not required. */
let isAnswer = false;

const isNullable = (schema) => type(schema).split(' | ').includes('null');

const fields = ({ properties, required = [] }) =>
  `{ ${Object.entries(properties)
    .map(([name, schema]) => {
      const isThere = required.includes(name) || (isAnswer && !isNullable(schema));
      return `${JSON.stringify(name)}${isThere ? '' : '?'}: ${type(schema)}`;
    })
    .join('; ')} }`;

/** Parameters of the path are required, those of the query may be left out. */
const params = (list = []) =>
  `{ ${list.map((it) => `${it.name}${it.in === 'path' ? '' : '?'}: ${type(it.schema)} | undefined`).join('; ')} }`.replaceAll('| undefined }', '}');

const content = (of) => Object.values(of?.content ?? {})[0]?.schema;

/** The schemas that occur in answers. */
const answered = new Set();
const mark = (part) => {
  if (part === null || typeof part !== 'object') return;
  const name = isNamed(part);
  if (name && !answered.has(name)) {
    answered.add(name);
    mark(components.schemas[name]);
  }
  Object.values(part).forEach(mark);
};
for (const methods of Object.values(paths)) for (const route of Object.values(methods)) mark(route.responses ?? null);

console.log('declare namespace Api {');
for (const [name, schema] of Object.entries(components.schemas)) {
  isAnswer = answered.has(name);
  console.log(`type ${name} = ${type(schema)};`);
}
console.log('interface Routes {');
for (const [path, methods] of Object.entries(paths)) {
  for (const [method, route] of Object.entries(methods)) {
    if (!route.responses) continue;
    const good = Object.entries(route.responses).find(([status]) => status.startsWith('2'));
    const answer = good && content(good[1]) ? type(content(good[1])) : 'undefined';
    const body = content(route.requestBody) ? type(content(route.requestBody)) : 'undefined';
    console.log(`${JSON.stringify(`${method.toUpperCase()} ${path}`)}: { params: ${params([...(methods.parameters ?? []), ...(route.parameters ?? [])])}; body: ${body}; answer: ${answer} };`);
  }
}
console.log('}\n}');
