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

/** A topic's value as far as the contract goes: an object with these fields. */
export type ValueSchema = z.ZodObject;

/**
 * Holds a subgraph's `@topic` fields against the topics' values: the gateway answers an event from the value
 * alone, so the value must have all that the subgraph would answer.
 *
 * @param sdl the subgraph's schema
 * @param values the value's schema by topic name
 * @returns one line a fault: an unknown topic, a field of the type, an argument or a `match` that the value
 *   lacks, or one that it may leave null though the type says non-null
 */
export function topicFieldFaults(sdl: string, values: Readonly<Record<string, ValueSchema>>): string[] {
  const document = parse(sdl);
  const faults: string[] = [];
  for (const field of objectType(document, 'Subscription')?.fields ?? []) {
    const directive = field.directives?.find(({ name }) => name.value === 'topic');
    if (!directive) continue;
    const given = Object.fromEntries(
      (directive.arguments ?? []).map(({ name, value }) => [
        name.value,
        value.kind === Kind.STRING ? value.value : undefined,
      ]),
    );
    const place = `Subscription.${field.name.value}`;
    const value = given.name === undefined ? undefined : values[given.name];
    if (!value) {
      faults.push(`${place}: there is no topic ${given.name}`);
      continue;
    }
    if (given.match === undefined || !(given.match in value.shape))
      faults.push(`${place}: the value of ${given.name} has no ${given.match} to match by`);
    for (const { name } of field.arguments ?? [])
      if (name.value !== 'after' && !(name.value in value.shape))
        faults.push(`${place}: the value of ${given.name} has no ${name.value}, which is an argument`);
    faults.push(
      ...missingFields(document, nodeType(document, field), value).map(
        (fault) => `${place}: the value of ${given.name} ${fault}`,
      ),
    );
  }
  return faults;
}

/** The type that the value stands for: the field's own, or an edge's node. */
function nodeType(document: DocumentNode, field: FieldDefinitionNode): string {
  const name = namedType(field.type);
  const node = objectType(document, name)?.fields?.find((candidate) => candidate.name.value === 'node');
  return node ? namedType(node.type) : name;
}

function missingFields(document: DocumentNode, typeName: string, value: ValueSchema): string[] {
  const faults: string[] = [];
  for (const { name, type } of objectType(document, typeName)?.fields ?? []) {
    const held = value.shape[name.value] as z.ZodType | undefined;
    if (!held) faults.push(`lacks ${typeName}.${name.value}`);
    else if (type.kind === Kind.NON_NULL_TYPE && (held.safeParse(null).success || held.safeParse(undefined).success))
      faults.push(`may leave ${typeName}.${name.value} null`);
    else if (objectType(document, namedType(type)) && 'shape' in held)
      faults.push(...missingFields(document, namedType(type), held as ValueSchema));
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
