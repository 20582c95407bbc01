import {
  type GraphQLDirective,
  type GraphQLField,
  GraphQLObjectType,
  type GraphQLSchema,
  getDirectiveValues,
  getNamedType,
  isNonNullType,
  isObjectType,
} from 'graphql';

/** A Subscription field with a `@topic` directive: its events come from a topic. */
export interface TopicField {
  /** The field's name. */
  field: string;
  topic: string;
  /** Name of the message's field whose value must equal the subscriber's claim. */
  match: string;
  /** Name of the claim in the subscriber's token. */
  claim: string;
  /**
   * Whether the field returns an edge `{cursor node}` whose node is the message's value. If false, the field returns
   * the value itself.
   */
  isEdge: boolean;
  /** The Query field that returns a connection with the stored events; null if the subscription can't be resumed. */
  replay: ReplayField | null;
}

export interface ReplayField {
  field: string;
  /** Types of the connection's arguments, by name. */
  arguments: ReadonlyMap<string, string>;
  /**
   * Whether the connection has the field `storedThrough`. For each partition of the topic, this field has the position
   * up to which the store has consumed the partition.
   */
  hasPositions: boolean;
}

/**
 * Reads the Subscription fields with `@topic`.
 *
 * @throws Error if a field's `@topic` is invalid; the message names the field
 */
export function readTopicFields(schema: GraphQLSchema): Map<string, TopicField> {
  const directive = schema.getDirective('topic');
  const subscription = schema.getSubscriptionType();
  const fields = new Map<string, TopicField>();
  if (!directive || !subscription) return fields;
  for (const field of Object.values(subscription.getFields())) {
    const values = valuesOf(directive, field);
    if (!values) continue;
    const { name: topic, match, claim, replay } = values as Record<string, string | undefined>;
    if (!topic || !match || !claim) throw new Error(`Subscription.${field.name}: @topic needs name, match and claim`);
    fields.set(field.name, {
      field: field.name,
      topic,
      match,
      claim,
      isEdge: isEdge(field),
      replay: replay === undefined ? null : readReplay(schema, field.name, replay),
    });
  }
  return fields;
}

function valuesOf(directive: GraphQLDirective, { name, astNode }: GraphQLField<unknown, unknown>) {
  try {
    return astNode && getDirectiveValues(directive, astNode);
  } catch (cause) {
    throw new Error(`Subscription.${name}: ${(cause as Error).message}`, { cause });
  }
}

function isEdge(field: GraphQLField<unknown, unknown>): boolean {
  const type = getNamedType(field.type);
  if (!isObjectType(type)) return false;
  const { cursor, node } = type.getFields();
  return cursor !== undefined && node !== undefined && Object.keys(type.getFields()).length === 2;
}

function readReplay(schema: GraphQLSchema, subscription: string, name: string): ReplayField {
  const field = schema.getQueryType()?.getFields()[name];
  const connection = field && getNamedType(field.type);
  if (
    !field ||
    !(connection instanceof GraphQLObjectType) ||
    !connection.getFields().edges ||
    !connection.getFields().pageInfo
  ) {
    throw new Error(
      `Subscription.${subscription}: @topic(replay: "${name}") names no Query connection with edges and pageInfo`,
    );
  }
  if (
    !field.args.some((argument) => argument.name === 'after') ||
    !field.args.some((argument) => argument.name === 'first')
  ) {
    throw new Error(
      `Subscription.${subscription}: @topic(replay: "${name}") names a connection without first and after`,
    );
  }
  const unanswerable = field.args.find(
    (argument) => isNonNullType(argument.type) && argument.defaultValue === undefined && argument.name !== 'first',
  );
  if (unanswerable && unanswerable.name !== 'after') {
    throw new Error(
      `Subscription.${subscription}: @topic(replay: "${name}") needs an argument ${unanswerable.name} that the gateway can't give`,
    );
  }
  return {
    field: name,
    arguments: new Map(field.args.map((argument) => [argument.name, String(argument.type)])),
    hasPositions: 'storedThrough' in connection.getFields(),
  };
}
