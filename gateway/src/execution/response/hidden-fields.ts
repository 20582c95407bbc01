import { type GraphQLSchema, getNamedType, isInterfaceType, isObjectType } from 'graphql';

/** The fields of an operation that its client may not see. */
export interface HiddenFields {
  /** The type of the operation. */
  readonly root: string;
  has(type: string, field: string): boolean;
  /** The type of a field; empty for one of the introspection. */
  typeOf(type: string, field: string): string;
}

/** @param fields `Type.field`, by the type that they are selected of */
export function createHiddenFields(schema: GraphQLSchema, root: string, fields: readonly string[]): HiddenFields {
  const hidden = new Set(fields);
  return {
    root,
    has: (type, field) => hidden.has(`${type}.${field}`),
    typeOf(typeName, field) {
      const type = schema.getType(typeName);
      const definition = isObjectType(type) || isInterfaceType(type) ? type.getFields()[field] : undefined;
      return definition ? getNamedType(definition.type).name : '';
    },
  };
}
