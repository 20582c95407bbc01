import {
  type DocumentNode,
  type FieldDefinitionNode,
  Kind,
  type ObjectTypeDefinitionNode,
  type ObjectTypeExtensionNode,
  parse,
  type TypeNode,
} from 'graphql';
import type { z } from 'zod';

/** The schema of a topic's values, which are objects. */
export type ValueSchema = z.ZodObject;

/**
 * Checks a subgraph's `@topic` fields against the values of their topics. The gateway resolves an event from the value,
 * without calling the subgraph. So the value must have all fields that the subgraph would resolve.
 *
 * @param sdl the subgraph's schema
 * @param values schemas of the values, by topic name
 * @returns one line per fault. Faults are an unknown topic, a missing field or argument, and a missing field that
 *   `match` names. A field that may be null but is non-null in GraphQL is also a fault.
 */
export function topicFieldFaults(sdl: string, values: Readonly<Record<string, ValueSchema>>): string[] {
  const document = parse(sdl);
  const faults: string[] = [];
  for (const field of objectType(document, 'Subscription')?.fields ?? []) {
    const directive = field.directives?.find(({ name }) => name.value === 'topic');
    if (!directive) continue;
    const args = Object.fromEntries(
      (directive.arguments ?? []).map(({ name, value }) => [
        name.value,
        value.kind === Kind.STRING ? value.value : undefined,
      ]),
    );
    const path = `Subscription.${field.name.value}`;
    const value = args.name === undefined ? undefined : values[args.name];
    if (!value) {
      faults.push(`${path}: there is no topic ${args.name}`);
      continue;
    }
    if (args.match === undefined || !(args.match in value.shape))
      faults.push(`${path}: the value of ${args.name} has no ${args.match} to match by`);
    for (const { name } of field.arguments ?? [])
      if (name.value !== 'after' && !(name.value in value.shape))
        faults.push(`${path}: the value of ${args.name} has no ${name.value}, which is an argument`);
    faults.push(
      ...missingFields(document, nodeType(document, field), value).map(
        (fault) => `${path}: the value of ${args.name} ${fault}`,
      ),
    );
  }
  return faults;
}

/**
 * Returns the GraphQL type of the topic's value: the type of the field, or of the `node` if the field returns an edge.
 */
function nodeType(document: DocumentNode, field: FieldDefinitionNode): string {
  const name = namedType(field.type);
  const node = objectType(document, name)?.fields?.find((candidate) => candidate.name.value === 'node');
  return node ? namedType(node.type) : name;
}

function missingFields(document: DocumentNode, typeName: string, value: ValueSchema): string[] {
  const faults: string[] = [];
  for (const { name, type } of objectType(document, typeName)?.fields ?? []) {
    const field = value.shape[name.value] as z.ZodType | undefined;
    if (!field) faults.push(`lacks ${typeName}.${name.value}`);
    else if (type.kind === Kind.NON_NULL_TYPE && (field.safeParse(null).success || field.safeParse(undefined).success))
      faults.push(`may leave ${typeName}.${name.value} null`);
    else if (objectType(document, namedType(type)) && 'shape' in field)
      faults.push(...missingFields(document, namedType(type), field as ValueSchema));
  }
  return faults;
}

function objectType(document: DocumentNode, name: string) {
  return document.definitions.find(
    (definition): definition is ObjectTypeDefinitionNode | ObjectTypeExtensionNode =>
      (definition.kind === Kind.OBJECT_TYPE_DEFINITION || definition.kind === Kind.OBJECT_TYPE_EXTENSION) &&
      definition.name.value === name,
  );
}

function namedType(type: TypeNode): string {
  return type.kind === Kind.NAMED_TYPE ? type.name.value : namedType(type.type);
}
